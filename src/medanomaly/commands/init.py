"""``medanomaly init``: a first environment for data of one's own."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError

if TYPE_CHECKING:
    from medanomaly.commands.environments.files import Written

RESERVED = ("base", "local")


@click.command("init")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite the environment if it is there.")
@click.option("--fs", type=float, help="Rate in Hz of CSV and npz recordings that state none.")
@click.option("--units", help="Unit of CSV recordings that state none, such as mV.")
@click.option(
    "--conf",
    default="conf",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder of environments.",
)
def command(name: str, path: Path, force: bool, fs: float | None, units: str | None, conf: Path) -> None:
    """Write the environment NAME for a table, a folder of recordings or a folder of images.

    Columns, units, ids and labels are guessed. Every line has a comment: read conf/NAME once, correct it, and run
    `medanomaly run --env NAME`. No value of a patient is written.

    \b
    medanomaly init visits visits.csv
    medanomaly init holter recordings/ --fs 250
    medanomaly init chest images/
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*", name, re.ASCII) or name in RESERVED:
        raise ConfigurationError(
            f"'{name}' cannot name an environment",
            remedy="Use letters, digits, '_' and '-'; base and local are taken.",
        )
    folder = conf / name
    there = sorted(folder.glob("*.yml")) if folder.is_dir() else []
    if there and not force:
        raise ConfigurationError(
            f"there is an environment '{name}'",
            source=folder,
            remedy="Choose another name, or overwrite it with --force.",
        )
    written = _described(name, path, fs, units)
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in written.files.items():
        (folder / file).write_text(text, encoding="utf-8")
    # a file of an earlier environment would be read as well
    for old in there:
        if old.name not in written.files:
            old.unlink()
    click.echo(f"Wrote {', '.join(str(folder / file) for file in written.files)}.")
    for line in written.said:
        click.echo(f"- {line}")
    click.echo(f"Read the files, correct them, then: medanomaly run --env {name}")
    if not (conf / "base").is_dir():
        click.echo(f"There is no {conf / 'base'} here: run it where the project's conf/base is.", err=True)


def _described(name: str, path: Path, fs: float | None, units: str | None) -> "Written":
    from medanomaly.commands.environments import images, signals, tables

    if not path.exists():
        raise DataNotFoundError(
            "there is no such file or folder", source=path, remedy="Give a table or a folder."
        )
    if path.is_file():
        if tables.is_table(path):
            return tables.table_environment(name, path)
        if path.suffix.lower() == ".npz":
            return images.medmnist_environment(name, path)
        raise InputError(
            "neither a table nor a folder",
            source=path,
            remedy="Give a CSV, Parquet or Excel file, or a folder of recordings or of images.",
        )
    n_images, n_recordings = images.count(path), signals.count(path)
    if not n_images and not n_recordings:
        raise InputError(
            "the folder holds no recording and no image",
            source=path,
            remedy="Recordings are WFDB, EDF, BDF, CSV or npz files; images are PNG, JPEG, BMP, TIFF or DICOM files.",
        )
    if n_images >= n_recordings:
        return images.image_environment(name, path)
    return signals.signal_environment(name, path, fs, units)
