"""Means in place of training rows: enough patients behind each, and no row of a patient in what is shipped."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from tests.tabular.sample_tables import breast_lumps, continuous

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.onnx_session import open_session
from medanomaly.detectors.kinds import detector_class, detector_names
from medanomaly.detectors.kinds.nearest_neighbours import NearestNeighbours
from medanomaly.detectors.onnx.export import to_onnx
from medanomaly.detectors.prototypes import row_prototypes
from medanomaly.detectors.training import DetectorParams, train_bundle


@settings(max_examples=40, deadline=None)
@given(st.integers(6, 120), st.integers(1, 5), st.integers(2, 6), st.integers(1, 6))
def test_each_prototype_is_the_mean_of_enough_patients(n, d, least, rows_each):
    X = continuous(n, d)
    patients = np.arange(n) // rows_each
    # a column per row tells which rows a mean was made of, and is too small to change the parts
    marked = np.hstack([X, 1e-9 * np.eye(n)])
    if np.unique(patients).size < least:
        with pytest.raises(ConfigurationError, match="too few for prototypes"):
            row_prototypes(X, least, patients)
        return
    behind = row_prototypes(marked, least, patients)[:, d:] > 0
    assert (behind.sum(axis=0) == 1).all()
    assert all(np.unique(patients[rows]).size >= least for rows in behind)
    # a part that could be halved was halved
    assert all(rows.sum() < 2 * least * rows_each * 2 for rows in behind)


def test_less_than_two_patients_hide_nobody():
    with pytest.raises(ConfigurationError, match="prototypes is 1"):
        row_prototypes(continuous(20, 2), 1)


def split_table(n, features, patients=None):
    cases = pd.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(n)],
            "patient_id": [f"p{i}" for i in range(n)] if patients is None else patients,
            "label": pd.array([0] * n, dtype="Int8"),
            "split": np.where(np.arange(n) % 3 == 0, "calibration", "train"),
        }
    )
    return cases, pd.DataFrame(features, columns=[f"f{j}" for j in range(features.shape[1])]).assign(
        case_id=cases["case_id"]
    )


def test_no_row_is_in_a_bundle_with_prototypes_and_its_manifest_says_what_stands_for_them():
    rows = continuous(300, 4)
    cases, features = split_table(300, rows, [f"p{i // 2}" for i in range(300)])
    given_ = {"name": "nearest", "seed": 0}
    plain = train_bundle(cases, features, DetectorParams(kind="nearest_neighbours"), **given_)
    params = DetectorParams(kind="nearest_neighbours", options={"prototypes": 5})
    hidden = train_bundle(cases, features, params, **given_)
    assert plain.manifest["rows_kept"] == 200
    assert "rows_kept" not in hidden.manifest
    assert hidden.manifest["prototypes"]["patients_each"] == 5
    assert 10 < hidden.manifest["prototypes"]["n"] <= 40

    # one row in float64, as it would stand in a file
    detector = NearestNeighbours().fit(rows[cases["split"] == "train"])
    row = detector.train_[17]

    def holds(bundle, number):
        return any(number.tobytes() in content for content in bundle.files.values())

    from medanomaly.detectors.preprocessing import Preprocessor

    table = features[cases["split"] == "train"]
    seen = Preprocessor.fit(table).transform(table).astype(np.float64)
    assert holds(plain, seen[17])
    assert not any(holds(hidden, row) for row in seen)
    assert row.shape == seen[17].shape


def test_prototypes_cost_little_on_real_records_and_the_graph_scores_as_they_do():
    train, rows, is_tumour = breast_lumps()
    plain, hidden = NearestNeighbours().fit(train), NearestNeighbours(prototypes=5).fit(train)
    auroc = [roc_auc_score(is_tumour, -fitted.score_samples(rows)) for fitted in (plain, hidden)]
    assert auroc[1] > auroc[0] - 0.03
    score = open_session(to_onnx(hidden)).run(None, {"X": rows})[0]
    np.testing.assert_allclose(score, -hidden.score_samples(rows), rtol=1e-9)


def test_without_prototypes_nothing_changes():
    train, rows = continuous(200, 5), continuous(20, 5, seed=1)
    assert np.array_equal(
        NearestNeighbours().fit(train).score_samples(rows),
        NearestNeighbours(prototypes=None).fit(train, groups=np.arange(200)).score_samples(rows),
    )


KEEP = {
    "nearest_neighbours",
    "local_outlier_factor",
    "one_class_svm",
    "four_member_ensemble",
    "two_view_ensemble",
}


@pytest.mark.parametrize("name", sorted(set(detector_names()) - {"isolation_forest"}))
def test_whoever_keeps_rows_says_how_many(name):
    # so few rows that no network is trained
    detector = detector_class(name)(**({"n_estimators": 5} if "ensemble" in name else {}))
    about = detector.fit(continuous(20, 3)).about_training_rows()
    assert (about.get("rows_kept", 0) > 0) == (name in KEEP)
    if name != "one_class_svm" and name in KEEP:
        assert about == {"rows_kept": 20}
