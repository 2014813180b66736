"""The part of the split of each beat: by patient, by the data set's own split, or by time where patients are too few."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from medanomaly.core.cases import DIVIDED_IN_TIME, SPLITS
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.splits import SplitParams, patient_position, split_by_patient, split_outside_test

FEWEST_PATIENTS = 3


def divided_in_time(n_patients: int) -> bool:
    """Whether there are too few patients for three parts."""
    return n_patients < FEWEST_PATIENTS


def split_beat_cases(cases: pd.DataFrame, official: Mapping[str, str], params: SplitParams) -> pd.DataFrame:
    """Cases with a column ``split`` after ``kind``.

    The data set's own test records stay test. With one or two patients every recording is divided in time: the same
    person is then in all three parts, which a column ``divided_in_time`` says.

    Args:
        cases: ``case_id, patient_id, label, kind``, subgroups, ``record``; in order of time within a record.
        official: record -> ``train`` or ``test``; empty where there is no split.
        params: shares and seed.

    Raises:
        ConfigurationError: a part of the split stays empty.
    """
    cases = cases.copy()
    if divided_in_time(cases["patient_id"].nunique()):
        part = _by_time(cases["record"], params)
        cases[DIVIDED_IN_TIME] = True
    else:
        part = _by_patient(cases, official, params)
    cases.insert(4, "split", part)
    empty = [name for name in SPLITS if not cases["split"].eq(name).any()]
    if empty:
        raise ConfigurationError(
            f"no beat falls into {' and '.join(empty)}: {cases['patient_id'].nunique()} patients are too few to divide",
            remedy="Bring recordings of more patients.",
        )
    return cases


def _by_patient(cases: pd.DataFrame, official: Mapping[str, str], params: SplitParams) -> pd.Series:
    in_test = cases["record"].map(dict(official)).eq("test").fillna(False).to_numpy(dtype=bool)
    if in_test.any():
        return split_outside_test(cases["patient_id"], in_test, params)
    part = split_by_patient(cases["patient_id"], cases["label"], params)
    if part.nunique() == len(SPLITS):
        return part
    # few patients may all hash into one part: their order by hash is cut instead, at least one patient per part
    patients = np.array(sorted(set(cases["patient_id"])))
    ordered = patients[np.argsort(patient_position(pd.Series(patients), params.seed), kind="stable")]
    n = len(ordered)
    train = min(max(1, round(params.train * n)), n - 2)
    calibration = min(max(1, round(params.calibration * n)), n - 1 - train)
    names = np.repeat(SPLITS, [train, calibration, n - train - calibration])
    return cases["patient_id"].map(dict(zip(ordered, names, strict=True))).astype("string")


def _by_time(record: pd.Series, params: SplitParams) -> pd.Series:
    position = record.groupby(record).cumcount() / record.groupby(record).transform("size")
    edges = [params.train, params.train + params.calibration]
    parts = np.array(SPLITS, dtype=object)[np.searchsorted(edges, position, side="right")]
    return pd.Series(parts, index=record.index, dtype="string")
