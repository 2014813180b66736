"""``medanomaly models``: which models there are."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medanomaly.commands.terminal import as_json, print_table
from medanomaly.core.errors import ConfigurationError, DataNotFoundError, did_you_mean

if TYPE_CHECKING:
    from medanomaly.core.bundle import Bundle

# of a hash, as many characters as people compare
SHORT = 10


@click.command("models")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--card", "wanted", metavar="NAME", help="Print the model card of this model.")
@as_json
def command(folder: Path, wanted: str | None, as_json: bool) -> None:
    """List the models of FOLDER: what they are, how they were calibrated, what they were made from.

    \b
    medanomaly models data/06_models/visits
    medanomaly models data/06_models/visits --card ecdf
    """
    if wanted is not None:
        click.echo(card_of(folder, wanted))
        return
    rows = about_models(folder)
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False))
        return
    columns = (
        "model",
        "kind",
        "modality",
        ">threshold",
        ">calibration",
        "data set",
        "recipe",
        "bundle",
        "created",
    )
    print_table(
        columns,
        [
            (
                row["model"],
                row["kind"],
                row["modality"],
                "" if row["threshold"] is None else f"{row['threshold']:.4g}",
                "" if row["n_calibration"] is None else f"{row['n_calibration']:,}",
                row["dataset"] or "",
                (row["recipe"] or "none")[:SHORT],
                row["bundle"][:SHORT],
                (row["created"] or "")[:10],
            )
            for row in rows
        ],
    )


def about_models(folder: Path) -> list[dict[str, Any]]:
    """What each model of a folder is, how it was calibrated, and what it was made from.

    Raises:
        DataNotFoundError: there is no model.
    """
    bundles, found = _bundles(folder)
    return [_about(bundle, found) for bundle in bundles]


def card_of(folder: Path, wanted: str) -> str:
    """The card of one model of a folder, in Markdown.

    Raises:
        DataNotFoundError: there is no model, or it has no card.
        ConfigurationError: no model is called so, or several are.
    """
    return _card(_bundles(folder)[0], wanted)


def _bundles(folder: Path) -> tuple[list["Bundle"], list["Bundle"]]:
    from medanomaly.core.bundle import ALARM, RECIPE, REFERENCE, bundles_of

    found = bundles_of(folder)
    bundles = [bundle for bundle in found if bundle.manifest.name not in (ALARM, RECIPE, REFERENCE)]
    if not bundles:
        raise DataNotFoundError(
            "there is no model in it", source=folder, remedy="Train first (medanomaly run)."
        )
    return bundles, found


def _about(bundle: "Bundle", beside: list["Bundle"]) -> dict[str, Any]:
    from medanomaly.core.sealed_alarm import alarm_threshold, alpha_of

    manifest = bundle.manifest
    risk = manifest.get("risk_threshold") or {}
    threshold = alarm_threshold(bundle, alpha_of(bundle, beside))
    return {
        "model": manifest.name,
        "kind": manifest.kind,
        "modality": manifest.modality,
        "alpha": threshold.get("alpha"),
        "threshold": threshold.get("score", risk.get("probability")),
        "n_calibration": manifest.training_data.get("n_calibration"),
        "dataset": manifest.get("dataset"),
        "recipe": manifest.get("recipe"),
        "bundle": bundle.bundle_hash,
        "created": manifest.get("created"),
    }


def _card(bundles: list["Bundle"], wanted: str) -> str:
    names = {f"{bundle.manifest.modality}.{bundle.manifest.name}": bundle for bundle in bundles}
    found = [bundle for name, bundle in names.items() if wanted in (name, bundle.manifest.name)]
    if len(found) != 1:
        near = [*names, *(bundle.manifest.name for bundle in bundles)]
        problem = f"several models are called '{wanted}'" if found else f"there is no model '{wanted}'"
        raise ConfigurationError(problem, remedy=f"{did_you_mean(wanted, near)}There are {', '.join(names)}.")
    card = found[0].files.get("card.md")
    if card is None:
        raise DataNotFoundError(f"'{wanted}' has no card", remedy="Train it again.")
    return card.decode("utf-8").rstrip()
