"""``medanomaly serve``: answers over HTTP."""

from pathlib import Path
from typing import Any

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
@click.option("--name", "names", multiple=True, help="A host name of the service; * takes any.")
@click.option(
    "--store", envvar="MEDANOMALY_STORE", help="URL of the store of predictions. [$MEDANOMALY_STORE]"
)
@click.option(
    "--keep-records", is_flag=True, help="Keep raw records in the store, for the history of patients."
)
@click.option("--workers", type=click.IntRange(1), help="Threads that score; one per core by default.")
def command(folder: Path, names: tuple[str, ...], workers: int | None, **given: Any) -> None:
    """Answer raw cases over HTTP until it is stopped.

    \b
    medanomaly serve --models data/06_models/visits
    """
    try:
        from medanomaly.service.app import serve
        from medanomaly.service.settings import Settings
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the service needs '{error.name}', which is not installed",
            remedy='Install it: pip install "medanomaly[serve]"',
        ) from error
    more = {} if workers is None else {"workers": workers}
    serve(folder, Settings(hosts=names, **given, **more))
