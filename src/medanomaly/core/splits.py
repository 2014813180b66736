"""A stable split by patient: a keyed hash of the patient id decides, so adding patients does not move others."""

import hashlib

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from medanomaly.core.cases import SPLITS
from medanomaly.core.params import Params


class SplitParams(Params):
    """Shares of patients in each part, and the key of the hash.

    Attributes:
        train, calibration, test: shares.
        seed: the key; another seed is another, independent split.
        anomalous_patients: ``test`` keeps every patient who has an anomalous case for the test.
        stratify: whether every class is divided by these shares, so that rare ones are in the test too. A patient more
            or less then moves others of that class.
    """

    train: float = Field(0.5, gt=0, lt=1)
    calibration: float = Field(0.2, gt=0, lt=1)
    test: float = Field(0.3, gt=0, lt=1)
    seed: int = 0
    anomalous_patients: str = Field("split", pattern="^(split|test)$")
    stratify: bool = False

    @model_validator(mode="after")
    def _shares_add_up(self):
        total = self.train + self.calibration + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + calibration + test must be 1, not {total:g}")
        return self


def patient_position(patient_id: pd.Series, seed: int) -> np.ndarray:
    """Position of each patient in [0, 1): a BLAKE2b hash of the id, keyed by the seed.

    Args:
        patient_id: (n,) ids.
        seed: the key; another seed is another, independent split.

    Returns:
        (n,) float64, equal for equal ids, and independent of the other ids.
    """
    key = str(seed).encode()
    codes, unique = pd.factorize(patient_id.astype(str))
    hashed = [
        int.from_bytes(hashlib.blake2b(str(p).encode(), key=key, digest_size=8).digest(), "big")
        for p in unique
    ]
    # the top 53 bits, so the largest hash is still below 1 in float64
    positions = np.array([h >> 11 for h in hashed], dtype=np.float64) / 2.0**53
    return positions[codes]


def stratified_position(patient_id: pd.Series, strata: pd.Series, seed: int) -> np.ndarray:
    """Position of each patient in [0, 1), spread evenly within each class: any share of it holds that share of the class.

    Patients of a class are ordered by :func:`patient_position` and placed at equal steps from a start that depends on the
    class (systematic sampling, Madow & Madow 1944). A class of one patient is placed by the start alone.

    Args:
        patient_id: (n,) ids.
        strata: (n,) class of each case, missing where it is unknown; a patient counts for the rarest one.
        seed: the key.
    """
    codes, ids = pd.factorize(patient_id.astype(str))
    words = strata.astype("string").fillna("").to_numpy(dtype=object)
    classes, own, counts = np.unique(words.astype(str), return_inverse=True, return_counts=True)
    # rarest first; of equal ones the first by name
    rank = np.argsort(np.lexsort((classes, counts)), kind="stable")
    rarest = np.full(len(ids), len(classes))
    np.minimum.at(rarest, codes, rank[own])
    start = patient_position(pd.Series(classes), seed)[np.argsort(rank)]
    position, out = patient_position(pd.Series(ids), seed), np.empty(len(ids))
    for place in np.unique(rarest):
        members = np.flatnonzero(rarest == place)
        members = members[np.argsort(position[members], kind="stable")]
        out[members] = (np.arange(len(members)) + start[place]) / len(members)
    return out[codes]


def split_by_patient(
    patient_id: pd.Series, label: pd.Series, params: SplitParams, strata: pd.Series | None = None
) -> pd.Series:
    """Assign every case to ``train``, ``calibration`` or ``test``; the cases of a patient stay together.

    With ``anomalous_patients="test"`` every patient who has an anomalous case goes to test: one-class detectors never
    learn from them, and rare anomalies are all kept for the evaluation. Prevalence in test is then higher than in
    the population.

    Args:
        patient_id: (n,) ids.
        label: (n,) 0, 1 or NA.
        params: shares, seed, where anomalous patients go, and whether classes are divided evenly.
        strata: (n,) class of each case; None takes the label for it.

    Returns:
        (n,) strings, index of ``patient_id``.
    """
    if params.stratify:
        position = stratified_position(patient_id, label if strata is None else strata, params.seed)
    else:
        position = patient_position(patient_id, params.seed)
    edges = np.array([params.train, params.train + params.calibration])
    parts = np.array(SPLITS, dtype=object)[np.searchsorted(edges, position, side="right")]
    if params.anomalous_patients == "test":
        anomalous = set(patient_id[(label == 1).fillna(False).astype(bool)])
        parts[patient_id.isin(anomalous).to_numpy()] = "test"
    return pd.Series(parts, index=patient_id.index, dtype="string", name="split")


def split_outside_test(patient_id: pd.Series, in_test: np.ndarray, params: SplitParams) -> pd.Series:
    """Keep a test part that the data set comes with, and divide the other patients into train and calibration.

    Cases of a patient who is on both sides are not looked for.

    Args:
        patient_id: (n,) ids.
        in_test: (n,) bool, the data set's own test part.
        params: seed, and the ratio of the shares of train and calibration.

    Returns:
        (n,) strings, index of ``patient_id``.
    """
    early = patient_position(patient_id, params.seed) < params.train / (params.train + params.calibration)
    parts = np.where(in_test, "test", np.where(early, "train", "calibration"))
    return pd.Series(parts, index=patient_id.index, dtype="string", name="split")
