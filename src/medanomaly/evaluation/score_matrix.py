"""The test cases beside every model's answers, and the groups of cases that are looked at one by one."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.core.cases import subgroup_columns
from medanomaly.core.errors import InputError
from medanomaly.core.scores import check_scores
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.resampling.bootstrap import ResampledCases

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Group:
    """Some of the test cases.

    Attributes:
        name: "" for all, else "column=level".
        mask: (n,) bool over the rows of the matrix.
        size: what is held against the smallest group size: cases, or anomalies for a kind of anomaly.
    """

    name: str
    mask: np.ndarray
    size: int


@dataclass(frozen=True)
class ScoreMatrix:
    """Test cases in rows, models in columns.

    Attributes:
        cases: (n rows) the test cases whose label is known; all test cases where no label is.
        labelled: whether labels are known.
        positive: (n,) bool.
        patient: (n,) integer codes.
        models: names in order of first appearance.
        roles: ``model`` or ``baseline``, of each of them.
        score: (n, models), NaN where the model did not score the case.
        flagged: (n, models) 0, 1 or NaN.
        probability: (n, models), NaN where there is none.
    """

    cases: pd.DataFrame
    labelled: bool
    positive: np.ndarray
    patient: np.ndarray
    models: list[str]
    roles: list[str]
    score: np.ndarray
    flagged: np.ndarray
    probability: np.ndarray

    def scored_alike(self, mask: np.ndarray) -> Iterator[tuple[np.ndarray, list[int]]]:
        """Models that scored the same cases of a group, so that one set of resamples serves them all.

        Yields:
            ``(rows, columns)``: the scored cases as row numbers, never empty, and the models as column numbers.
        """
        together: dict[bytes, list[int]] = {}
        for m in range(len(self.models)):
            together.setdefault((mask & np.isfinite(self.score[:, m])).tobytes(), []).append(m)
        for columns in together.values():
            rows = np.flatnonzero(mask & np.isfinite(self.score[:, columns[0]]))
            if rows.size:
                yield rows, columns

    def sample(self, rows: np.ndarray, columns: list[int]) -> ResampledCases:
        """What the bootstrap needs of some cases and models; a missing flag counts as not flagged there."""
        probability = self.probability[np.ix_(rows, columns)]
        return ResampledCases(
            patient=self.patient[rows],
            positive=self.positive[rows],
            score=self.score[np.ix_(rows, columns)],
            flagged=self.flagged[np.ix_(rows, columns)] == 1,
            probability=probability if np.isfinite(probability).any() else None,
        )


def _wide(table: pd.DataFrame, value: str, case_id: pd.Index, models: list[str]) -> np.ndarray:
    wide = np.full((len(case_id), len(models)), np.nan)
    row, column = case_id.get_indexer(table["case_id"]), pd.Index(models).get_indexer(table["model"])
    here = (row >= 0) & (column >= 0)
    values = table[value].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    wide[row[here], column[here]] = values[here]
    return wide


def score_matrix(
    cases: pd.DataFrame, scores: pd.DataFrame, probabilities: pd.DataFrame | None = None
) -> ScoreMatrix:
    """Join the test cases with the scores of every model.

    Args:
        cases: case table.
        scores: score table of one or more models.
        probabilities: columns case_id, model, probability, for models that give any.

    Returns:
        The matrix; it has no row where there is no test case.
    """
    test = cases[cases["split"] == "test"]
    labelled = bool(test["label"].notna().any())
    if labelled:
        test = test[test["label"].notna()]
    # ordered by patient, so that no figure depends on the order of rows
    test = test.sort_values(["patient_id", "case_id"]).reset_index(drop=True)
    named = scores[["model", "role"]].drop_duplicates("model")
    models = [str(m) for m in named["model"]]
    scores = check_scores(scores[scores["case_id"].isin(test["case_id"])])
    case_id = pd.Index(test["case_id"])
    probability = np.full((len(test), len(models)), np.nan)
    if probabilities is not None and len(probabilities):
        known = probabilities[probabilities["case_id"].isin(test["case_id"])]
        if not known["probability"].between(0, 1).all():
            raise InputError("a probability is NaN or outside [0, 1]", column="probability")
        probability = _wide(known, "probability", case_id, models)
    return ScoreMatrix(
        cases=test,
        labelled=labelled,
        positive=(test["label"] == 1).fillna(False).to_numpy(dtype=bool),
        patient=pd.factorize(test["patient_id"])[0],
        models=models,
        roles=[str(role) for role in named["role"]],
        score=_wide(scores, "score", case_id, models),
        flagged=_wide(scores, "flagged", case_id, models),
        probability=probability,
    )


def groups(matrix: ScoreMatrix, params: EvaluationParams) -> tuple[list[Group], list[Group]]:
    """Every subgroup and every kind of anomaly, and those too small to be measured.

    A missing level is the group "unknown", since models often fail where the record is incomplete. A kind
    of anomaly is looked at together with all normals; its size is its number of anomalies.

    Returns:
        ``(shown, suppressed)``.
    """
    shown, suppressed = [], []
    for column in subgroup_columns(matrix.cases):
        level = matrix.cases[column].astype("string").fillna(UNKNOWN).to_numpy(dtype=object)
        names = sorted(set(level))
        if len(names) > params.max_subgroup_levels:
            everything = np.ones(len(level), dtype=bool)
            suppressed.append(Group(f"{column}=({len(names)} levels)", everything, len(level)))
            continue
        for name in names:
            mask = level == name
            group = Group(f"{column}={name}", mask, int(mask.sum()))
            (shown if group.size >= params.min_subgroup_size else suppressed).append(group)
    if matrix.labelled:
        kind = matrix.cases["kind"].astype("string").fillna("").to_numpy(dtype=object)
        for name in sorted(set(kind[matrix.positive]) - {""}):
            those = matrix.positive & (kind == name)
            group = Group(f"kind={name}", those | ~matrix.positive, int(those.sum()))
            (shown if group.size >= params.min_subgroup_size else suppressed).append(group)
    return shown, suppressed
