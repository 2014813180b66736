"""``medanomaly report``: where the report of a run is."""

import json
import os
from pathlib import Path

import click

from medanomaly.commands.terminal import as_json
from medanomaly.core.errors import DataNotFoundError, did_you_mean

REPORTS, PAGE = "08_reporting", "report.html"


@click.command("report")
@click.argument("run", metavar="FOLDER|ENV")
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@click.option(
    "--conf",
    default="conf",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder of environments.",
)
@as_json
def command(run: str, show: bool, conf: Path, as_json: bool) -> None:
    """Say where the report of a run is: of an environment, or of a folder of outputs.

    \b
    medanomaly report visits --open
    medanomaly report data/06_models/visits
    """
    pages = _pages(run, conf)
    main = next((page for page in pages if page.name == PAGE), pages[0])
    if as_json:
        click.echo(
            json.dumps({"report": str(main), "pages": [str(page) for page in pages]}, ensure_ascii=False)
        )
    else:
        for page in (main, *(page for page in pages if page != main)):
            click.echo(str(page))
    if show:
        import webbrowser

        if not webbrowser.open(main.resolve().as_uri()):
            click.echo("There is no browser here; open the page by hand.", err=True)


def _pages(run: str, conf: Path) -> list[Path]:
    """Pages of a run; the largest is the report, others are of modalities and risk models."""
    folder = Path(run)
    places = _reports_of_folder(folder) if folder.is_dir() else [_reports_of_environment(run, conf)]
    for place in places:
        pages = sorted(place.glob("*.html"))
        if pages:
            return pages
    # a folder that holds the reports of several data sets
    several = sorted(path.parent for place in places for path in place.glob(f"*/{PAGE}"))
    if len(several) == 1:
        return sorted(several[0].glob("*.html"))
    raise DataNotFoundError(
        "there is no report",
        source=places[0],
        remedy=f"Choose one: {', '.join(map(str, several))}."
        if several
        else f"Make it: medanomaly run --env {places[0].name}",
    )


def _reports_of_folder(folder: Path) -> list[Path]:
    """Where the report of a folder of outputs can be: in it, or beside its models, features, ..."""
    places = [folder, folder / REPORTS]
    parts = folder.resolve().parts
    stages = [i for i, part in enumerate(parts) if part[:2].isdigit() and part[2:3] == "_"]
    if stages:
        at = stages[-1]
        places.append(Path(*parts[:at], REPORTS, *parts[at + 1 : at + 2]))
    return places


def _reports_of_environment(name: str, conf: Path) -> Path:
    from omegaconf import OmegaConf

    known = sorted(path.name for path in conf.glob("*/") if path.name not in ("base", "local"))
    if name not in known:
        raise DataNotFoundError(
            f"'{name}' is no folder and no environment",
            remedy=f"{did_you_mean(name, known)}Environments are {', '.join(known)}."
            if known
            else "Give a folder of outputs.",
        )
    files = [file for env in ("base", name) if (file := conf / env / "globals.yml").is_file()]
    settings = OmegaConf.merge(*(OmegaConf.load(file) for file in files)) if files else OmegaConf.create()
    outputs = settings.get("outputs") or os.environ.get("MEDANOMALY_OUTPUTS") or "data"
    key = "_".join(filter(None, (settings.get("dataset") or name, settings.get("subset"))))
    return Path(outputs) / REPORTS / key
