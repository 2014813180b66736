"""``python -m medanomaly.service key FILE NAME`` for API keys; ``medanomaly serve`` serves."""

from pathlib import Path

import click

from medanomaly.core.errors import MedanomalyError
from medanomaly.service.keys import SCOPES, add_key


@click.group()
def command() -> None:
    """Keys of the service; medanomaly serve starts it."""


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
