import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from medanomaly.core.errors import InputError
from medanomaly.core.folds import stratified_folds
from medanomaly.tabular.risk.fitting.cross_fitting import cross_calibrated, out_of_fold
from medanomaly.tabular.risk.fitting.feature_selection import SelectedFeatures, association
from medanomaly.tabular.risk.fitting.label_noise import confident_joint, suspicious_labels
from medanomaly.tabular.risk.fitting.permutation_importance import permutation_importance, shuffled_by_patient
from medanomaly.tabular.risk.logistic import LogisticRisk


@pytest.fixture(scope="module")
def flipped():
    """Two well separated classes, 8 % of the labels turned."""
    rng = np.random.default_rng(0)
    n = 1500
    true = (rng.random(n) < 0.3).astype(int)
    features = pd.DataFrame(
        rng.normal(size=(n, 4)) + 2.2 * true[:, None] * (1, 1, 0, 0), columns=list("abcd")
    )
    features.insert(0, "case_id", [f"c{i}" for i in range(n)])
    wrong = rng.random(n) < 0.08
    y = np.where(wrong, 1 - true, true)
    patient = np.arange(n)
    fold = stratified_folds(patient, y, 5, 0)
    logits = out_of_fold(LogisticRisk(C=1.0), features, y, patient, fold)
    return features, y, wrong, cross_calibrated(logits, y, fold, "platt")


def test_planted_label_flips_are_found(flipped):
    features, y, wrong, p = flipped
    found = suspicious_labels(p, y, features["case_id"])
    hit = features["case_id"][wrong].isin(found["case_id"])
    right = found["case_id"].isin(features["case_id"][wrong])
    assert hit.mean() > 0.8
    assert right.mean() > 0.7
    assert right.iloc[:50].mean() > 0.95
    assert (found["suggested"] == 1 - found["label"]).all()
    assert found["margin"].is_monotonic_decreasing


def test_number_of_flips_is_estimated(flipped):
    _, y, wrong, p = flipped
    joint = confident_joint(p, y)
    np.testing.assert_allclose(joint.sum(axis=1), np.bincount(y))
    assert joint[0, 1] + joint[1, 0] == pytest.approx(wrong.sum(), rel=0.3)


def test_clean_labels_of_separate_classes_are_not_suspected():
    y = np.repeat([0, 1], 50)
    p = np.where(y == 1, 0.95, 0.05)
    assert suspicious_labels(p, y, pd.Series(np.arange(100).astype(str))).empty


def test_probabilities_outside_zero_and_one_are_refused():
    with pytest.raises(InputError):
        suspicious_labels(np.array([0.2, 1.2]), np.array([0, 1]), pd.Series(["a", "b"]))
    with pytest.raises(InputError, match="not both"):
        confident_joint(np.array([0.2, 0.3]), np.array([0, 0]))


def test_shuffling_gives_a_patient_the_values_of_one_other_patient():
    rng = np.random.default_rng(0)
    patient = rng.integers(0, 40, 200)
    taken = shuffled_by_patient(patient, rng)
    donors = {p: set(patient[taken[patient == p]]) for p in np.unique(patient)}
    assert all(len(donor) == 1 for donor in donors.values())
    assert len(set.union(*donors.values())) == len(donors)


def test_importance_is_what_the_label_depends_on(table):
    features, y, patient, _ = table
    model = LogisticRisk(C=1.0).fit(features, y)
    found = permutation_importance(model.predict_proba, features, y, patient).set_index("feature")
    assert set(found.index[:3]) == {"a", "b", "ward"}
    assert found.loc["a", "auroc_loss"] > 0.05
    assert abs(found.loc["noise_0", "auroc_loss"]) < 0.02


def test_twins_hide_each_other_until_shuffled_together(table):
    features, y, patient, _ = table
    twins = features.assign(a2=features["a"])
    model = LogisticRisk(C=1.0).fit(twins, y)
    alone = permutation_importance(model.predict_proba, twins, y, patient).set_index("feature")
    both = permutation_importance(model.predict_proba, twins, y, patient, groups={"a": ["a", "a2"]})
    assert both["auroc_loss"].iloc[0] > 1.5 * alone.loc["a", "auroc_loss"]


def test_importance_leaves_the_features_as_they_were(table):
    features, y, patient, _ = table
    before = features.copy()
    permutation_importance(lambda t: t["a"].rank(pct=True).to_numpy(), features, y, patient, n_repeats=1)
    pd.testing.assert_frame_equal(features, before)


def test_association_of_chance_is_small_and_missingness_counts():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 500)
    noise = [association(pd.Series(rng.normal(size=500)), y) for _ in range(200)]
    # -log p of a uniform p is exponential with mean 1
    assert np.mean(noise) == pytest.approx(1.0, abs=0.25)
    absent = pd.Series(np.where(y == 1, np.nan, 1.0))
    assert association(absent, y) > 100
    assert association(pd.Series(np.ones(500)), y) == 0
    many = pd.Series(rng.integers(0, 50, 500).astype(str), dtype="string")
    assert association(many, y) < 10


def test_selection_on_all_cases_would_have_seen_the_labels():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 120)
    features = pd.DataFrame(rng.integers(0, 2, size=(120, 1000)), columns=[f"x{j}" for j in range(1000)])
    features.insert(0, "case_id", np.arange(120).astype(str))
    patient = np.arange(120)
    fold = stratified_folds(patient, y, 5, 0)
    honest = out_of_fold(SelectedFeatures(LogisticRisk(), 10), features, y, patient, fold)
    kept = SelectedFeatures(LogisticRisk(), 10).fit(features, y).kept_
    leaking = out_of_fold(LogisticRisk(), features[["case_id", *kept]], y, patient, fold)
    assert roc_auc_score(y, leaking) > 0.75
    assert roc_auc_score(y, honest) < 0.62
