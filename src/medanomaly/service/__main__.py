"""``python -m medanomaly.service serve FOLDER``, and ``key FILE NAME`` for API keys."""

from pathlib import Path
from typing import Any

import click

from medanomaly.core.errors import MedanomalyError
from medanomaly.service.keys import SCOPES, add_key
from medanomaly.service.settings import Settings


@click.group()
def command() -> None:
    """The models of a run behind HTTP."""


@command.command("serve")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@click.option("--keys", type=click.Path(path_type=Path), default=None, help="File of API keys.")
@click.option("--name", "names", multiple=True, help="A host name of the service; * takes any.")
@click.option(
    "--store", envvar="MEDANOMALY_STORE", help="URL of the store of predictions. [$MEDANOMALY_STORE]"
)
@click.option(
    "--keep-records", is_flag=True, help="Keep raw records in the store, for the history of patients."
)
@click.option("--workers", type=int, default=None, help="Threads that score; one per core by default.")
def run(folder: Path, names: tuple[str, ...], workers: int | None, **given: Any) -> None:
    """Serve the models of FOLDER, such as data/06_models/synthetic."""
    from medanomaly.service.app import serve

    more = {} if workers is None else {"workers": workers}
    try:
        serve(folder, Settings(hosts=names, **given, **more))
    except MedanomalyError as error:
        raise click.ClickException(str(error)) from error


@command.command("key")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), default=("score", "explain"))
def key(file: Path, name: str, scopes: tuple[str, ...]) -> None:
    """Make a key for NAME; it is shown once, and FILE gets its hash."""
    try:
        click.echo(add_key(file, name, scopes))
    except MedanomalyError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    command(prog_name="python -m medanomaly.service")
