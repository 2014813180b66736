"""Checks for what must not be there: test cases that training has seen, and answers hidden in the questions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from medanomaly.core.cases import DIVIDED_IN_TIME, reference_cases
from medanomaly.evaluation.audit.check import Check, not_applicable
from medanomaly.evaluation.audit.feature_space import FAR_NEIGHBOUR, nearest_train_normal, numeric
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.resampling.delong import delong_interval
from medanomaly.evaluation.resampling.ranking import auroc
from medanomaly.evaluation.score_matrix import ScoreMatrix

MANY_TWINS = 0.01
# a table whose finest column has no more values than this repeats itself by chance
COARSE_VALUES = 100
NEAR_FRACTION = 0.02
REPEATING = 0.25
MAX_QUERIES = 5_000
NEARLY_PERFECT = 0.99
TELLING_MISSINGNESS = 0.6


def patients_across_split(cases: pd.DataFrame) -> Check:
    """Is any patient in more than one part? The next visit of a known patient is not a new case."""
    name, title = "patients_across_split", "Patients stay in one part"
    parts = cases.groupby("patient_id")["split"].nunique()
    crossing = int((parts > 1).sum())
    figure = f"{crossing:,} of {len(parts):,} patients in more than one part"
    if DIVIDED_IN_TIME in cases:
        figure += ": this set is divided in time, so its figures are those of the same people later"
        remedy = "Bring more patients: these figures say nothing of people that no model has seen."
        return Check(name, title, "warn", figure, crossing, remedy)
    if crossing:
        return Check(
            name, title, "fail", figure, crossing, "Split by patient, then train and calibrate again."
        )
    if len(parts) == len(cases):
        figure += "; every case has a patient of its own, so repeated visits, if any, cannot be seen"
    return Check(name, title, "pass", figure, 0)


def patients_across_modalities(tables: Mapping[str, pd.DataFrame]) -> Check:
    """Is any patient in different parts by different modalities?

    The hash of the id puts a patient into one part whatever the modality. Parts that a data set comes with, and a division
    in time, do not: then one modality has learned from a patient whom another one tests.

    Args:
        tables: modality -> its case table.
    """
    name, title = "patients_across_modalities", "Patients stay in one part in all modalities"
    of = [table[["patient_id", "split"]].assign(modality=modality) for modality, table in tables.items()]
    several = pd.concat(of, ignore_index=True).drop_duplicates()
    shared = several.groupby("patient_id")["modality"].transform("nunique") > 1
    if not shared.any():
        why = "no patient has cases of several modalities: where patients are the same people, give them the same ids"
        return not_applicable(name, title, why)
    parts = several[shared].groupby("patient_id")["split"].nunique()
    crossing = int((parts > 1).sum())
    figure = f"{crossing:,} of {len(parts):,} patients with several modalities are in more than one part"
    if not crossing:
        return Check(name, title, "pass", figure, 0)
    divided = [modality for modality, table in tables.items() if DIVIDED_IN_TIME in table]
    if divided:
        figure += f": {' and '.join(divided)} cases are divided in time"
        remedy = "Bring more patients. These patients are left out where modalities are fused."
        return Check(name, title, "warn", figure, crossing, remedy)
    remedy = (
        "Divide all modalities by patient id, without parts of their own; then train and calibrate again."
    )
    return Check(name, title, "fail", figure, crossing, remedy)


def row_hash(table: pd.DataFrame) -> np.ndarray:
    """64-bit hash of each row of features; equal rows have equal hashes, rows without any value a hash of their own."""
    hashed = pd.util.hash_pandas_object(table, index=False).to_numpy(dtype=np.uint64).copy()
    empty = table.isna().all(axis=1).to_numpy(dtype=bool)
    hashed[empty] = np.arange(empty.sum(), dtype=np.uint64)
    return hashed


def exact_duplicates(cases: pd.DataFrame, table: pd.DataFrame | None, matrix: ScoreMatrix) -> Check:
    """Do test rows have an identical twin in train or calibration?

    Copies made before the split raise every figure, most of all those of methods that memorise. Where no column has more
    than 100 values, twins also come about by chance, and the check can only warn.
    """
    name, title = "exact_duplicates", "No test row is copied from train or calibration"
    test = (cases["split"] == "test").to_numpy(dtype=bool)
    if table is None or table.shape[1] == 0 or not test.any():
        return not_applicable(name, title, "no features to compare")
    hashed = row_hash(table)
    twin = test & np.isin(hashed, hashed[~test])
    share = twin.sum() / test.sum()
    figure = f"{int(twin.sum()):,} of {int(test.sum()):,} test rows ({share:.1%}) have an identical twin"
    if not twin.any():
        return Check(name, title, "pass", figure, 0.0)
    figure += _without(matrix, set(cases["case_id"][twin]))
    coarse = max(table[c].nunique() for c in table) <= COARSE_VALUES
    if coarse:
        figure += f"; no feature has more than {COARSE_VALUES} values, so twins may be chance"
    verdict = "fail" if share > MANY_TWINS and not coarse else "warn"
    remedy = "Remove copies, or give identical rows one patient_id, before the split; then train again."
    return Check(name, title, verdict, figure, float(share), remedy)


def _without(matrix: ScoreMatrix, twins: set) -> str:
    """The best model's AUROC with and without some cases, as text."""
    kept = ~matrix.cases["case_id"].isin(twins).to_numpy(dtype=bool)
    best = None
    for m, model in enumerate(matrix.models):
        scored = np.isfinite(matrix.score[:, m])
        value = auroc(matrix.score[scored, m], matrix.positive[scored])
        if np.isfinite(value) and (best is None or value > best[0]):
            best = value, model, auroc(matrix.score[scored & kept, m], matrix.positive[scored & kept])
    if best is None or not np.isfinite(best[2]):
        return ""
    return f"; AUROC of {best[1]} {best[0]:.3f} with them, {best[2]:.3f} without"


def near_duplicates(cases: pd.DataFrame, table: pd.DataFrame | None) -> Check:
    """Are test normals closer to train than train normals are to each other?

    A case counts as near where its nearest train normal is at most 2 % as far away as its tenth nearest: a ratio, so
    that dense and sparse regions are alike. Among points without copies the share of such cases is 1 - 0.98^9 = 17 % in one
    dimension, 0.4 % in two and next to nothing in more (ratios of distances to the power of the dimension are uniform:
    Facco et al. 2017, "Estimating the intrinsic dimension of datasets by a minimal neighborhood information", eq. 3).
    While test and train come from the same source the share is the same in test as among train normals
    (leave-one-out), so an excess in test fails (Fisher's exact test, one-sided). Where a quarter of both are near,
    copies with noise were probably made before the split, and the check warns. Exact twins are left to the other
    check.
    """
    name, title = "near_duplicates", "Test is no closer to train than train is to itself"
    if table is None:
        return not_applicable(name, title, "no features to compare")
    asked = reference_cases(cases, "test").to_numpy(dtype=bool)
    asked[np.flatnonzero(asked)[MAX_QUERIES:]] = False
    found = nearest_train_normal(cases, table, asked)
    if found is None or not asked.any():
        return not_applicable(
            name, title, "fewer than two train normals, no test normals, or no numeric feature"
        )
    hashed = row_hash(numeric(table))
    near = found.distance <= NEAR_FRACTION * found.far
    once = ~pd.Series(hashed).duplicated(keep=False).to_numpy(dtype=bool)
    in_test, in_train = near[asked & once], near[found.reference & once]
    if not in_test.size or in_train.size <= FAR_NEIGHBOUR:
        return not_applicable(name, title, "too few distinct rows to compare")
    a, b = int(in_test.sum()), int(in_train.sum())
    share, usual = a / in_test.size, b / in_train.size
    p = stats.fisher_exact([[a, in_test.size - a], [b, in_train.size - b]], alternative="greater").pvalue
    figure = f"{share:.1%} of test normals all but coincide with a train normal, {usual:.1%} within train"
    if p < 1e-3 and share > usual + 0.005:
        remedy = (
            "Look for augmented, resampled or re-recorded copies; keep copies of one original in one part."
        )
        return Check(name, title, "fail", figure, share, remedy)
    if share > REPEATING and usual > REPEATING:
        remedy = "The set repeats itself: look for copies with noise that were made before the split."
        return Check(name, title, "warn", figure, share, remedy)
    return Check(name, title, "pass", figure, share)


def single_feature(single: pd.DataFrame | None) -> Check:
    """Does one feature alone nearly give the answer away?"""
    name, title = "single_feature", "No single feature gives the answer away"
    if single is None or not len(single):
        return not_applicable(name, title, "no numeric feature, or test labels of one class alone")
    top = single.iloc[0]
    best = float(top["best"])
    figure = f"'{top['feature']}' alone: AUROC {best:.3f} (chosen on test, an upper bound)"
    if best >= NEARLY_PERFECT:
        remedy = f"Find out whether '{top['feature']}' is recorded because of, or after, the diagnosis."
        return Check(name, title, "warn", figure, best, remedy)
    return Check(name, title, "pass", figure, best)


def missingness(cases: pd.DataFrame, table: pd.DataFrame | None, params: EvaluationParams) -> Check:
    """Does what was not measured tell the label?

    Looks at the number of missing values and at each feature's being missing or not, in either direction, and warns
    where an AUROC of 0.6 or more is also significant after Bonferroni's correction for the number of looks.
    """
    name, title = "missingness", "What is missing does not tell the label"
    test = ((cases["split"] == "test") & cases["label"].notna()).to_numpy(dtype=bool)
    positive = (cases["label"] == 1).fillna(False).to_numpy(dtype=bool)[test]
    if table is None or not positive.any() or positive.all():
        return not_applicable(name, title, "no features, or test labels of one class alone")
    gone = table[test].isna()
    if not gone.to_numpy().any():
        return not_applicable(name, title, "no value is missing in test")
    looks = {"the number of missing values": gone.sum(axis=1).to_numpy(dtype=float)}
    looks |= {f"'{c}' being missing": gone[c].to_numpy(dtype=float) for c in gone if gone[c].nunique() == 2}
    patient = pd.factorize(cases["patient_id"][test])[0]
    confidence = 1 - (1 - params.confidence) / len(looks)
    best = ("", 0.5, False)
    for look, x in looks.items():
        value, low, high = delong_interval(x, positive, patient, confidence)
        strength = max(value, 1 - value)
        # at an AUROC of exactly 1 or 0 there is no interval, and no need of one
        clear = low > 0.5 or high < 0.5 or strength == 1
        if strength > best[1]:
            best = look, strength, clear
    if not best[0]:
        return Check(name, title, "pass", "missing values rank the test cases no better than chance", 0.5)
    figure = f"{best[0]} alone: AUROC {best[1]:.3f}"
    if best[1] >= TELLING_MISSINGNESS and best[2]:
        remedy = "Values are missing for a reason that goes with the label: show results without missingness features."
        return Check(name, title, "warn", figure, best[1], remedy)
    return Check(name, title, "pass", figure, best[1])
