"""``medanomaly review``: look at alarms, confirm or dismiss them, and see how many were right."""

import json
from collections.abc import Callable
from typing import Any

import click

from medanomaly.commands.terminal import (
    add_reading_options,
    as_json,
    folder_of_models,
    opened,
    print_table,
    printable,
    reading_options,
)

# of an id, as many characters as tell it from others
SHORT = 12
of_store = click.option(
    "--store", "url", required=True, help="Store of predictions: its URL, or the path of its file."
)
of_model = click.option("--model", help="Only this model: its name or its hash.")


def of_reviewed(command: Callable) -> Callable:
    """Which predictions a person has looked at, what they were, and who says so."""
    for parameter in (
        click.option("--by", "actor", default="", help="Who says so, for the audit chain."),
        click.option("--outcome", default="", help="What it was, in words that name nobody."),
        of_store,
        click.argument("prediction_ids", nargs=-1, required=True, metavar="ID..."),
    ):
        command = parameter(command)
    return command


@click.group("review")
def command() -> None:
    """Look at alarms, confirm or dismiss them, and see how many were right.

    Alarms come from the store that `medanomaly serve --store` or a batch wrote.

    \b
    medanomaly review list --store predictions.db
    medanomaly review confirm 3f9ac1d20b7e --store predictions.db --outcome sepsis
    medanomaly review dismiss 77b0c9a1e4d2 --store predictions.db
    medanomaly review summary --store predictions.db
    medanomaly review next new.csv --models data/06_models/visits --store predictions.db
    """


@command.command("list")
@of_store
@of_model
@click.option("--top", default=20, show_default=True, type=click.IntRange(1), help="So many alarms.")
@as_json
def list_alarms(url: str, model: str | None, top: int, as_json: bool) -> None:
    """Alarms that nobody has reviewed, the most unusual first."""
    from medanomaly.store.reviews import alarms_to_review
    from medanomaly.store.store import Store

    with Store.open(url) as store:
        found, n_waiting = alarms_to_review(store, model, top)
    rows = [one | {"id": one["id"][:SHORT]} for one in found]
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False))
    elif rows:
        columns = ("id", "model", ">p-value", ">probability", "recorded", "why")
        shown = [tuple("" if value is None else value for value in row.values()) for row in rows]
        first = f", the {len(rows)} most unusual of them" if len(rows) < n_waiting else ""
        print_table(columns, shown, f"{n_waiting:,} alarms wait for a review{first}", wrapped=columns[5:])
    else:
        click.echo("No alarm waits for a review.")


@command.command()
@of_reviewed
def confirm(prediction_ids: tuple[str, ...], url: str, outcome: str, actor: str) -> None:
    """These cases are anomalous, as the model said."""
    _review(prediction_ids, url, True, outcome, actor)


@command.command()
@of_reviewed
def dismiss(prediction_ids: tuple[str, ...], url: str, outcome: str, actor: str) -> None:
    """These were false alarms."""
    _review(prediction_ids, url, False, outcome, actor)


def _review(prediction_ids: tuple[str, ...], url: str, anomalous: bool, outcome: str, actor: str) -> None:
    from medanomaly.store.store import Store

    with Store.open(url) as store:
        for prediction_id in prediction_ids:
            row = store.review(prediction_id, anomalous, outcome=outcome, actor=actor)
            said = "confirmed" if anomalous else "dismissed"
            click.echo(f"{row['prediction_id'][:SHORT]}: {said} ({row['modality']}.{row['model_name']})")


@command.command()
@of_store
@of_model
@as_json
def summary(url: str, model: str | None, as_json: bool) -> None:
    """How many of the reviewed alarms of each model were right."""
    from medanomaly.store.reviews import LATEST, review_summary
    from medanomaly.store.store import Store

    with Store.open(url) as store:
        rows = review_summary(store, model)
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False))
        return
    columns = ("model", ">alarms", ">reviewed", ">right", ">share (95 %)", f">last {LATEST}", ">missed")
    shown = [
        (
            f"{row['modality']}.{row['model']}", f"{row['n_alarms']:,}", f"{row['n_reviewed']:,}", f"{row['n_confirmed']:,}",
            "" if row["precision"] is None else f"{row['precision']:.0%} ({row['low']:.0%} to {row['high']:.0%})",
            "" if row["latest"] is None else f"{row['latest']:.0%}", f"{row['missed']:,}",
        )
        for row in rows
    ]  # fmt: skip
    print_table(columns, shown, "Right alarms among those that were reviewed")


@command.command("next")
@click.argument("raw")
@folder_of_models
@of_store
@click.option("--model", default="isolation_forest", show_default=True, help="An isolation forest.")
@add_reading_options
@click.option("--top", default=20, show_default=True, type=click.IntRange(1), help="So many cases.")
@as_json
def next_cases(
    raw: str,
    folder: Any,
    url: str,
    model: str,
    modality: str | None,
    history: str | None,
    fs: float | None,
    leads: str | None,
    units: str | None,
    top: int,
    as_json: bool,
) -> None:
    """Cases of RAW in the order in which to review them: the forest is re-weighted by the reviews of its own cases.

    P-values stay those of the model: what learned from reviews has none.
    """
    from medanomaly.scoring.review_order import review_order
    from medanomaly.store.store import Store

    models = opened(folder)
    options = reading_options(models, raw, modality, history=history, fs=fs, leads=leads, units=units)
    with Store.open(url) as store:
        order = review_order(models, raw, store, model, modality=modality, **options)
    rows = order.head(top).to_dict("records")
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False))
        return
    columns = ("case", ">p-value", ">place by the model", ">place with reviews")
    shown = [(printable(r["case"]), f"{r['p_value']:.3g}", r["place_before"], r["place"]) for r in rows]
    n = int(order.attrs["n_reviewed"])
    print_table(columns, shown, f"The next {len(rows)} cases; {n} of {n + len(order)} were reviewed")
