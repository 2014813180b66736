"""Tables of cases become one row per patient: the smallest p-value of each modality.

Several cases of a modality (the beats of a recording) count through the smallest of their p-values. That value means nothing
by itself, since who has more beats has a smaller one; it is compared with the smallest of each calibration patient. The
number of cases is then one of the things in which patients are alike. No other summary can be compared so: calibration cases
are ranked in a pool that holds the other cases of the same patient and new cases are not. The order of the smallest
p-values is that of the highest scores, whoever is in the pool; an average would change.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from medanomaly.core.cases import reference_cases
from medanomaly.core.errors import InputError

TABLE_COLUMNS = ("patient_id", "modality", "model", "p_value")
SEVERAL_PARTS = "more than one part"


def case_p_values(cases: pd.DataFrame, scores: pd.DataFrame, modality: str, model: str) -> pd.DataFrame:
    """The p-values of one model, by patient.

    Args:
        cases: case table of the modality.
        scores: its score table.
        modality: its name.
        model: whose p-values are fused.

    Returns:
        ``patient_id``, ``modality``, ``model``, ``p_value``, ``split``, ``reference`` (bool: a normal case that
        calibrates); one row per case, NA where a case has no p-value.

    Raises:
        InputError: there is no score of this model.
    """
    chosen = scores.loc[scores["model"] == model, ["case_id", "p_value"]]
    if chosen.empty:
        raise InputError(
            f"there is no score of '{model}'",
            source=f"scores of {modality}",
            remedy=f"Models there are {', '.join(map(str, scores['model'].unique()))}.",
        )
    known = cases[["case_id", "patient_id", "split"]].assign(
        reference=reference_cases(cases, "calibration").to_numpy()
    )
    joined = known.merge(chosen, on="case_id", how="inner", validate="one_to_one")
    return joined.assign(modality=modality, model=model)[[*TABLE_COLUMNS, "split", "reference"]]


def smallest_p_values(table: pd.DataFrame, modalities: tuple[str, ...]) -> pd.DataFrame:
    """The smallest p-value of each patient and modality.

    Args:
        table: ``patient_id``, ``modality``, ``model``, ``p_value``; one row per case, of one model per modality.
        modalities: columns of the result, in order.

    Returns:
        Index ``patient_id`` in the order of first mention; one float64 column per modality, NaN where there is none.

    Raises:
        InputError: a modality is not among ``modalities``, or has p-values of two models, or a p-value is outside (0, 1].
    """
    unknown = sorted(set(table["modality"]) - set(modalities))
    if unknown:
        raise InputError(
            f"p-values of '{unknown[0]}' cannot be fused", remedy=f"Known are {', '.join(modalities)}."
        )
    models = table.groupby("modality")["model"].unique()
    for modality, names in models.items():
        if len(names) > 1:
            raise InputError(
                f"{modality} has p-values of {len(names)} models: {', '.join(map(str, names))}",
                remedy="Name one model per modality: two that saw the same case count it twice.",
            )
    given = table.dropna(subset=["p_value"])
    outside = given[(given["p_value"] <= 0) | (given["p_value"] > 1)]
    if len(outside):
        raise InputError(
            f"a p-value is {outside['p_value'].iloc[0]:g}",
            remedy="A p-value lies above 0 and is at most 1.",
            record=outside["patient_id"].iloc[0],
        )
    wide = given.pivot_table("p_value", "patient_id", "modality", aggfunc="min", sort=False)
    order = pd.unique(given["patient_id"])
    return wide.reindex(index=order, columns=list(modalities)).astype(np.float64).rename_axis(columns=None)


def patients_by_part(tables: Mapping[str, pd.DataFrame]) -> pd.Series:
    """Which part each patient is in, over all modalities.

    Args:
        tables: modality -> a table with ``patient_id`` and ``split``.

    Returns:
        Index ``patient_id``: ``train``, ``calibration``, ``test``, or :data:`SEVERAL_PARTS`.
    """
    together = pd.concat(
        [table[["patient_id", "split"]].astype("string").drop_duplicates() for table in tables.values()],
        ignore_index=True,
    ).drop_duplicates()
    parts = together.groupby("patient_id", sort=False)["split"]
    return parts.first().mask(parts.size() > 1, SEVERAL_PARTS)
