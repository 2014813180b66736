"""``medanomaly labels``: what turned out to be true of cases."""

from pathlib import Path

import click


@click.command("labels")
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--store",
    envvar="MEDANOMALY_STORE",
    required=True,
    help="URL of the store of predictions. [$MEDANOMALY_STORE]",
)
def command(file: Path, store: str) -> None:
    """Add labels of FILE to the store, when they are known: columns case_id, patient_id, label (0 or 1), and outcome.

    \b
    medanomaly labels discharged.csv --store sqlite:///predictions.db
    """
    from medanomaly.scoring.labels import read_labels
    from medanomaly.store.store import Store

    known = read_labels(file, ("case_id", "patient_id"))
    outcomes = known["outcome"].astype("string").fillna("").tolist() if "outcome" in known else None
    with Store.open(store) as opened:
        n = opened.add_ground_truths(
            known["patient_id"], known["case_id"], known["label"].tolist(), outcomes, actor="labels"
        )
    click.echo(f"{n:,} of {len(known):,} labels are new.")
