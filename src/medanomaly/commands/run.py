"""``medanomaly run``: Kedro's own command."""

from typing import Any

import click


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

    package = __name__.partition(".")[0]
    configure_project(package)
    # Kedro knows the long form alone
    asked = ["--help" if word == "-h" else word for word in words]
    return find_run_command(package)(asked, prog_name="medanomaly run", standalone_mode=False)
