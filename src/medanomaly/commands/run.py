"""``medanomaly run``: Kedro's own command."""

from pathlib import Path
from typing import Any

import click

from medanomaly.core.errors import ConfigurationError


@click.command("run", add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def command(words: tuple[str, ...]) -> Any:
    """Run an environment: train, score, explain, report.

    \b
    medanomaly run --env visits
    medanomaly run --env visits --pipelines data_processing
    """
    from kedro.framework.cli.utils import find_run_command
    from kedro.framework.project import configure_project
    from kedro.utils import find_kedro_project

    here = find_kedro_project(Path.cwd()) or Path.cwd()
    asked_elsewhere = any(word.partition("=")[0] in ("--conf-source", "--help", "-h") for word in words)
    if not asked_elsewhere and not (here / "conf" / "base").is_dir():
        raise ConfigurationError(
            "there is no conf/base in this folder, and training needs its settings",
            remedy="Go to the folder of the checkout, or copy its conf/base to here.",
        )
    package = __name__.partition(".")[0]
    configure_project(package)
    # Kedro knows the long form alone
    asked = ["--help" if word == "-h" else word for word in words]
    return find_run_command(package)(asked, prog_name="medanomaly run", standalone_mode=False)
