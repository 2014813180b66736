"""``medanomaly serve``: answers over HTTP."""

from pathlib import Path

import click

from medanomaly.commands.terminal import folder_of_models
from medanomaly.core.errors import ConfigurationError


@click.command("serve")
@folder_of_models
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at; this machine alone by default.",
)
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen at."
)
@click.option("--keys", type=click.Path(path_type=Path), help="File of the keys that callers must show.")
def command(folder: Path, host: str, port: int, keys: Path | None) -> None:
    """Answer raw cases over HTTP until it is stopped.

    \b
    medanomaly serve --models data/06_models/visits
    """
    try:
        from medanomaly.service import serve
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the service needs '{error.name}', which is not installed",
            remedy='Install it: pip install "medanomaly[service]"',
        ) from error
    serve(folder, host=host, port=port, keys=keys)
