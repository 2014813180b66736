"""``medanomaly registry``: versions of models, and which of them answers."""

import json
from pathlib import Path

import click

from medanomaly.commands.terminal import as_json, print_table
from medanomaly.core.errors import ConfigurationError


@click.group("registry")
def command() -> None:
    """Keep versions of models, compare a new one with the one that answers, promote it, go back.

    \b
    medanomaly registry add models data/06_models/visits
    medanomaly registry compare models recent.csv --labels labels.csv
    medanomaly registry promote models
    medanomaly registry rollback models
    """


_folder = click.argument("folder", metavar="REGISTRY", type=click.Path(path_type=Path))


@command.command("add")
@_folder
@click.argument("source", metavar="MODELS", type=click.Path(path_type=Path))
@click.option(
    "--audit",
    type=click.Path(path_type=Path, exists=True),
    help="audit.json of the training; the one beside its report is found.",
)
def add(folder: Path, source: Path, audit: Path | None) -> None:
    """Copy MODELS (06_models/<data set> of a run) into REGISTRY as the challenger."""
    from medanomaly.scoring.registry import Registry

    click.echo(f"challenger: {Registry(folder).add(source, audit)}")


@command.command("list")
@_folder
@as_json
def show(folder: Path, as_json: bool) -> None:
    """List the versions of REGISTRY, and which of them is what."""
    from medanomaly.scoring.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry

    registry = Registry(folder)
    now = registry.aliases
    names = {now.champion: CHAMPION, now.challenger: CHALLENGER, now.previous: PREVIOUS}
    rows = [
        {"version": version, "alias": names.get(version, ""), **registry.about(version)}
        for version in registry.versions()
    ]
    if as_json:
        click.echo(json.dumps({"versions": rows, "steps": list(now.steps)}, indent=1, ensure_ascii=False))
        return
    print_table(
        ("version", "alias", "added", "from"),
        [(row["version"], row["alias"], row["added"][:19], row["source"]) for row in rows],
    )


@command.command("compare")
@_folder
@click.argument("source", metavar="CASES", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--labels",
    type=click.Path(path_type=Path, exists=True),
    help="CSV with the columns case_id and label (0 normal, 1 anomalous).",
)
@click.option("--store", envvar="MEDANOMALY_STORE", help="Store that knows the labels. [$MEDANOMALY_STORE]")
@click.option("--modality", help="Of the cases; found out where it is left out.")
@as_json
@click.pass_context
def compare(
    ctx: click.Context,
    folder: Path,
    source: Path,
    labels: Path | None,
    store: str | None,
    modality: str | None,
    as_json: bool,
) -> None:
    """Compare the challenger of REGISTRY with its champion on recent CASES whose label is known.

    The exit code is 1 where the challenger may not replace the champion.
    """
    from medanomaly.scoring.promotion import compare_versions
    from medanomaly.scoring.registry import Registry

    registry = Registry(folder)
    if labels is not None:
        found = compare_versions(registry, source, _labels(labels), modality)
    elif store:
        from medanomaly.store.store import Store

        with Store.open(store) as opened:
            found = compare_versions(registry, source, opened, modality)
    else:
        raise ConfigurationError("nothing says which cases are anomalous", remedy="Give --labels or --store.")
    page = registry.comparison_path(found["challenger"], found["champion"], found["modality"])
    if as_json:
        click.echo(json.dumps(found | {"page": str(page.with_suffix(".html"))}, indent=1, ensure_ascii=False))
    else:
        for one in found["criteria"]:
            click.echo(f"{'holds' if one['passed'] else 'FAILS'}  {one['name']}: {one['sentence']}")
        click.echo(f"The page: {page.with_suffix('.html')}")
    ctx.exit(0 if found["passed"] else 1)


@command.command("promote")
@_folder
def promote(folder: Path) -> None:
    """Make the challenger of REGISTRY its champion; a service that serves REGISTRY follows within seconds."""
    from medanomaly.scoring.registry import Registry

    click.echo(f"champion: {Registry(folder).promote()}")


@command.command("rollback")
@_folder
def roll_back(folder: Path) -> None:
    """Make the previous version of REGISTRY its champion again."""
    from medanomaly.scoring.registry import Registry

    click.echo(f"champion: {Registry(folder).roll_back()}")


def _labels(path: Path) -> dict[str, bool]:
    from medanomaly.scoring.labels import read_labels

    table = read_labels(path, ("case_id",))
    return dict(zip(table["case_id"].astype(str), table["label"].tolist(), strict=True))
