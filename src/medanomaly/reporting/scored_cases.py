"""The cases that a report is about: those in ``test``, each with its scores."""

import pandas as pd

from medanomaly.core.errors import InputError

TEST = "test"


def scored_test_cases(cases: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Score rows of the test cases with their ``label`` and ``kind``.

    Args:
        cases: case table.
        scores: score table, any number of models.

    Returns:
        One row per test case and model: the score table's columns, then ``label`` (Int8) and ``kind``.
    """
    test = cases.loc[cases["split"] == TEST, ["case_id", "label", "kind"]]
    joined = scores.merge(test, on="case_id", how="inner", validate="many_to_one")
    if joined.empty:
        raise InputError(
            "no test case has a score", remedy="Score the cases of split 'test'.", source="score table"
        )
    return joined


def labelled_test_cases(cases: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """:func:`scored_test_cases` without the unlabelled ones; raises where a class is missing."""
    joined = scored_test_cases(cases, scores)
    labelled = joined[joined["label"].notna()]
    if set(labelled["label"].unique()) != {0, 1}:
        raise InputError(
            "the test cases do not hold both normal and anomalous labels",
            remedy="A ranking can only be judged where both are there.",
            source="case table",
            column="label",
        )
    return labelled


def has_both_classes(cases: pd.DataFrame) -> bool:
    """Whether ``test`` holds a normal and an anomalous case."""
    return {0, 1} <= set(cases.loc[cases["split"] == TEST, "label"].dropna().unique())


def metric_row(metrics: pd.DataFrame | None, model: str, metric: str, subgroup: str = "") -> pd.Series | None:
    """The test row of one metric with a finite value, or None where it was not computed or was suppressed."""
    if metrics is None or metrics.empty:
        return None
    found = metrics[
        (metrics["model"] == model)
        & (metrics["metric"] == metric)
        & (metrics["split"] == TEST)
        & (metrics["subgroup"].fillna("") == subgroup)
        & metrics["value"].notna()
    ]
    return None if found.empty else found.iloc[0]
