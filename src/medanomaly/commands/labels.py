"""``medanomaly labels``: what turned out to be true of cases."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medanomaly.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


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
    from medanomaly.store.store import Store

    known = read_labels(file, ("case_id", "patient_id"))
    outcomes = known["outcome"].astype("string").fillna("").tolist() if "outcome" in known else None
    with Store.open(store) as opened:
        n = opened.add_ground_truths(
            known["patient_id"], known["case_id"], known["label"].tolist(), outcomes, actor="labels"
        )
    click.echo(f"{n:,} of {len(known):,} labels are new.")


def read_labels(file: Path, ids: Sequence[str]) -> "pd.DataFrame":
    """Cases whose label is known: ``label`` is True where one is anomalous.

    Args:
        file: a table.
        ids: columns that have to be there besides the label.

    Raises:
        InputError: a column is missing, or a label is neither 0 nor 1.
    """
    from medanomaly.tabular.table.files import read_table

    table = read_table(file)
    if absent := [name for name in (*ids, "label") if name not in table]:
        raise InputError(
            f"columns {absent} are missing", source=file, remedy=f"Give {', '.join(ids)} and label."
        )
    known = table[table["label"].notna()]
    label = known["label"].astype(str).str.strip()
    if not label.isin(["0", "1"]).all():
        strange = label[~label.isin(["0", "1"])].iloc[0]
        raise InputError(f"a label is '{strange}'", source=file, remedy="Give 0 (normal) or 1 (anomalous).")
    return known.assign(label=label.eq("1"))
