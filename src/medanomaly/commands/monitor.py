"""``medanomaly monitor``: what changed in a period of predictions."""

import json
from pathlib import Path
from typing import Any

import click

from medanomaly.commands.terminal import as_json, folder_of_models, printable
from medanomaly.core.errors import ConfigurationError


@click.command("monitor")
@folder_of_models
@click.option(
    "--store",
    envvar="MEDANOMALY_STORE",
    required=True,
    help="URL of the store of predictions. [$MEDANOMALY_STORE]",
)
@click.option(
    "--since", default="", help="First moment of the period, such as 2026-11-01; yesterday (UTC) by default."
)
@click.option("--until", default="", help="First moment after it.")
@click.option("--source", default="", type=click.Path(), help="Raw cases of the period, a file or a folder.")
@click.option("--modality", help="Of the raw cases; found out where it is left out.")
@click.option(
    "-o", "--to", "destination", required=True, type=click.Path(), help="Folder of the pages and figures."
)
@click.option("--webhook", default="", help="URL that warnings are posted to.")
@as_json
def command(folder: Path, as_json: bool, **given: Any) -> None:
    """Compare the predictions of a period with the training: columns, scores, alarms, performance.

    \b
    medanomaly monitor --models data/06_models/visits --store sqlite:///predictions.db -o monitoring
    medanomaly monitor --models ... --store ... --since 2026-11-01 --until 2026-11-08 --source week.csv -o monitoring
    """
    from medanomaly.monitoring.params import MonitoringParams

    try:
        from medanomaly.scoring.monitored import monitor_period
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"monitoring needs '{error.name}', which is not installed",
            remedy='Install it: pip install "medanomaly[store,serve,train]"',
        ) from error
    found = monitor_period(MonitoringParams(models=str(folder), **given), folder.resolve().name)
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
        return
    for word in ("new", "standing", "gone"):
        said = {"new": "New", "standing": "As before", "gone": "Gone"}[word]
        for sentence in found[word]:
            click.echo(f"{said}: {printable(sentence)}")
    if not (found["new"] or found["standing"]):
        click.echo("Nothing crossed a limit.")
    for who in found["not_told"]:
        click.echo(f"Not told: {printable(who)}", err=True)
    click.echo(f"The page: {found['page']}")
