"""``medanomaly fetch <set>``: download a public data set of PhysioNet."""

import os
from dataclasses import dataclass
from pathlib import Path

import click

from medanomaly.core.errors import DataNotFoundError, MedanomalyError
from medanomaly.datasets.sources import SOURCES


@dataclass(frozen=True)
class Download:
    """A data set that may be downloaded: its name at PhysioNet, and the folder and entry of ``datasets.sources``."""

    database: str
    folder: str


DOWNLOADS = {
    "mitbih": Download("mitdb", "mitdb"),
    "svdb": Download("svdb", "svdb"),
    "bidmc": Download("bidmc", "bidmc_ppg"),
}


def fetch(name: str, raw: str | Path | None = None) -> Path:
    """Download a data set; files that already exist are kept.

    Args:
        name: a key of :data:`DOWNLOADS`.
        raw: the folder of raw data; None takes ``MEDANOMALY_DATA``, else ``data/01_raw``.

    Returns:
        The folder of the data set.

    Raises:
        DataNotFoundError: the set cannot be downloaded, there is no network, or records are missing afterwards; the
            error says what to get, where, and under which licence.
    """
    import wfdb

    if name not in DOWNLOADS:
        others = "; ".join(f"{key}: {source.url}" for key, source in SOURCES.items())
        raise DataNotFoundError(
            f"'{name}' cannot be downloaded by this command",
            remedy=f"It knows {', '.join(DOWNLOADS)}. Download the others by hand. {others}",
        )
    download = DOWNLOADS[name]
    source = SOURCES[download.folder]
    folder = Path(raw or os.environ.get("MEDANOMALY_DATA") or "data/01_raw") / download.folder
    by_hand = (
        f"Get {source.files.split(' (')[0]} of {source.title} from {source.url} by hand into {folder} "
        f"(licence: {source.licence})."
    )
    try:
        records = wfdb.get_record_list(download.database)
        folder.mkdir(parents=True, exist_ok=True)
        wfdb.dl_database(download.database, str(folder), records=records, keep_subdirs=False)
    except OSError as error:
        raise DataNotFoundError(
            f"{source.title} could not be downloaded: {_short(error)}", remedy=by_hand, source=folder
        ) from error
    except Exception as error:  # the download library raises errors of its transport, of several kinds
        raise DataNotFoundError(
            f"{source.title} could not be downloaded: {type(error).__name__}: {_short(error)}",
            remedy=by_hand,
            source=folder,
        ) from error
    absent = [r for r in records if not (folder / f"{Path(r).name}.hea").is_file()]
    if absent:
        raise DataNotFoundError(
            f"records {', '.join(absent)} are missing after the download",
            remedy=f"Run the command again. {by_hand}",
            source=folder,
        )
    return folder


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


@click.command("fetch")
@click.argument("name", metavar="SET")
@click.option("--raw", type=click.Path(file_okay=False), help="Folder of raw data (else MEDANOMALY_DATA).")
def command(name: str, raw: str | None) -> None:
    """Download a public data set: mitbih, svdb or bidmc."""
    if name in DOWNLOADS:
        source = SOURCES[DOWNLOADS[name].folder]
        click.echo(f"{source.title}, {source.url}, licence: {source.licence}")
    try:
        click.echo(f"Files are in {fetch(name, raw)}.")
    except MedanomalyError as error:
        raise click.ClickException(str(error)) from None
