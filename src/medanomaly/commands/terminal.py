"""What commands write: tables for people, JSON for programs, progress while something takes long."""

import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medanomaly.core.errors import ConfigurationError

if TYPE_CHECKING:
    from medanomaly.scoring.models import Models

# width of tables that go to a file or another program
WIDTH = 140


class FolderOrUrl(click.Path):
    """A folder; one of object storage is brought here first, and again only what changed there."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The local folder."""
        if "://" not in str(value):
            return super().convert(value, param, ctx)
        from medanomaly.core.object_storage import fetched_folder

        return fetched_folder(
            str(value), os.environ.get("MEDANOMALY_CACHE", Path.home() / ".cache" / "medanomaly")
        )


folder_of_models = click.option(
    "--models",
    "folder",
    required=True,
    type=FolderOrUrl(path_type=Path),
    help="Folder of trained models: 06_models/<data set> of a run, or one bundle in it; s3://... with the extra s3.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Answer with JSON alone.")


def printable(text: object) -> str:
    """Text of data without what would control the terminal."""
    return "".join(mark if mark.isprintable() else "�" for mark in str(text))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "", wrapped: Collection[str] = ()
) -> None:
    """A table on standard output.

    Args:
        columns: names; one that begins with ``>`` is set to the right.
        rows: one cell per column.
        title: above it.
        wrapped: columns whose cells may go over several lines.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title) if title else None, title_justify="left", box=SIMPLE_HEAD)
    for name in columns:
        right = name.startswith(">")
        table.add_column(
            Text(name.lstrip(">")),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=bool(wrapped) and name not in wrapped,
        )
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)


@contextmanager
def progress(task: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error, where that is a terminal; it is told each step, how many are done, and of how many."""
    if not sys.stderr.isatty():
        yield lambda step, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task(task, total=None)
        yield lambda step, done, total: bar.update(
            shown, description=f"{task}: {printable(step)}", completed=done, total=total
        )


def opened(folder: Path) -> "Models":
    """The models of a folder."""
    from medanomaly.scoring.models import open_models

    return open_models(folder)


def reading_options(models: "Models", raw: str, modality: str | None, **given: Any) -> dict[str, Any]:
    """Options of the recipe that reads the case; one that another modality has is refused.

    Args:
        models: that are asked.
        raw: the path of the cases.
        modality: that was named.
        given: ``history`` for tables; ``fs``, ``leads`` and ``units`` for signals. What was not given is None.
    """
    named = {name: value for name, value in given.items() if value is not None}
    of = {"history": "tabular", "fs": "signals", "leads": "signals", "units": "signals"}
    modality = models.recipe(raw, modality).bundle.manifest.modality if named else modality
    for name in named:
        if of[name] != modality:
            raise ConfigurationError(f"--{name} is for {of[name]} cases, and these are {modality}")
    if "leads" in named:
        named["leads"] = [lead.strip() for lead in named["leads"].split(",")]
    return named


def add_reading_options(command: Callable) -> Callable:
    """The options that say how raw cases are read."""
    for option in (
        click.option("--units", help="Unit of signals in CSV files that state none, such as mV."),
        click.option("--leads", help="Leads to take, such as II,V1."),
        click.option("--fs", type=float, help="Rate in Hz of CSV and npz recordings that state none."),
        click.option(
            "--history",
            type=click.Path(),
            help="A table of earlier records of the same patients; they are not scored.",
        ),
        click.option(
            "--modality", help="tabular, signals, imaging or diagnosis; found out where it is left out."
        ),
    ):
        command = option(command)
    return command
