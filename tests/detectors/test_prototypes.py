"""Means in place of training rows: enough patients behind each, and no row of a patient in what is shipped."""

from inspect import signature

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
from medanomaly.detectors.percentile_ensemble import VIEWS
from medanomaly.detectors.preprocessing import Preprocessor
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


KEEP = (
    "nearest_neighbours",
    "local_outlier_factor",
    "one_class_svm",
    "four_member_ensemble",
    "two_view_ensemble",
)
KEEPS = pytest.mark.parametrize("name", KEEP)
# small forests keep the tests fast
SMALL = {"n_estimators": 5, "random_state": 0}


def built(name, **options):
    return detector_class(name)(**options | (SMALL if "ensemble" in name else {}))


def test_one_list_names_every_kind_that_offers_prototypes():
    offer = {name for name in detector_names() if "prototypes" in signature(detector_class(name)).parameters}
    assert offer == set(KEEP)


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


@KEEPS
def test_no_row_is_in_a_bundle_with_prototypes_and_its_manifest_says_what_stands_for_them(name):
    patients = [f"p{i // 2}" for i in range(300)]
    cases, features = split_table(300, continuous(300, 4), patients)
    options = SMALL if "ensemble" in name else {}

    def trained(**more):
        params = DetectorParams(kind=name, options=options | more)
        return train_bundle(cases, features, params, name="model", seed=0)

    plain, hidden = trained(), trained(prototypes=5)
    table = features[cases["split"] == "train"]
    seen = Preprocessor.fit(table).transform(table)
    views = {"as they are": seen}
    if "ensemble" in name:
        views = {view: of().fit(seen).transform(seen) for view, of in VIEWS.items()}

    def found(bundle):
        """Rows of training that stand in a file of the bundle, in float64 as detectors keep them."""
        files = list(bundle.files.values())
        return sum(
            any(row.tobytes() in content for content in files)
            for rows in views.values()
            for row in rows.astype(np.float64)
        )

    assert 100 <= plain.manifest["rows_kept"] <= 200
    assert found(plain) >= plain.manifest["rows_kept"]
    assert found(hidden) == 0
    assert "rows_kept" not in hidden.manifest
    assert hidden.manifest["prototypes"]["patients_each"] == 5
    assert 5 < hidden.manifest["prototypes"]["n"] <= 40 * (2 if name == "two_view_ensemble" else 1)


@KEEPS
def test_means_are_of_enough_patients_however_many_rows_each_has(name):
    # the rows of a patient are all but the same
    patients = np.repeat(np.arange(20), 10)
    rows = (continuous(20, 3)[patients] + 1e-3 * continuous(200, 3, seed=1)).astype(np.float32)
    fitted = built(name, prototypes=5).fit(rows, groups=patients)
    members = getattr(fitted, "members_", [fitted])
    views = [name for name, _ in fitted._members()] if "ensemble" in name else [None]
    n = {}
    for view, member in zip(views, members, strict=True):
        seen = rows if view is None else fitted.views_[view].transform(rows)
        means = {tuple(row) for row in row_prototypes(seen, 5, patients)}
        held = getattr(member, "train_", getattr(member, "centres_", np.empty((0, 3))))
        # if rows counted, there would be twenty means or more
        assert len(held) <= len(means) <= 4
        assert {tuple(row) for row in held} <= means
        n[view] = max(n.get(view, 0), len(held))
    assert fitted.about_training_rows() == {"prototypes": {"n": sum(n.values()), "patients_each": 5}}
    assert not hasattr(fitted, "_groups")
    assert not any(hasattr(member, "_groups") for member in members)


@KEEPS
def test_too_few_patients_are_refused_by_every_kind(name):
    with pytest.raises(ConfigurationError, match="3 patients are too few for prototypes of 5 patients each"):
        built(name, prototypes=5).fit(continuous(60, 3), groups=np.arange(60) % 3)


@KEEPS
def test_patients_of_another_number_of_rows_are_refused(name):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        built(name, prototypes=5).fit(continuous(60, 3), groups=np.arange(59))


@KEEPS
def test_prototypes_cost_little_on_real_records_and_the_graph_scores_as_they_do(name):
    train, rows, is_tumour = breast_lumps()
    plain, hidden = built(name).fit(train), built(name, prototypes=5).fit(train)
    auroc = [roc_auc_score(is_tumour, -fitted.score_samples(rows)) for fitted in (plain, hidden)]
    assert auroc[1] > auroc[0] - 0.03
    score = open_session(to_onnx(hidden)).run(None, {"X": rows})[0]
    # an ensemble's graph takes percentiles of scores that differ in the last bits
    np.testing.assert_allclose(score, -hidden.score_samples(rows), rtol=1e-6 if "ensemble" in name else 1e-9)


@pytest.mark.parametrize(
    ("asked", "prototypes", "used"), [(50, None, 50), (50, 5, 10), (100, 5, 20), (100, 2, 50), (7, 5, 7)]
)
def test_a_neighbourhood_of_means_is_about_as_large_as_one_of_rows(asked, prototypes, used):
    factor = detector_class("local_outlier_factor")(n_neighbors=asked, prototypes=prototypes)
    assert factor.fit(continuous(800, 3)).k_ == used


def test_without_prototypes_nothing_changes():
    train, rows = continuous(200, 5), continuous(20, 5, seed=1)
    assert np.array_equal(
        NearestNeighbours().fit(train).score_samples(rows),
        NearestNeighbours(prototypes=None).fit(train, groups=np.arange(200)).score_samples(rows),
    )


@pytest.mark.parametrize("name", sorted(set(detector_names()) - {"isolation_forest"}))
def test_whoever_keeps_rows_says_how_many(name):
    # so few rows that no network is trained
    about = built(name).fit(continuous(20, 3)).about_training_rows()
    assert (about.get("rows_kept", 0) > 0) == (name in KEEP)
    if name != "one_class_svm" and name in KEEP:
        assert about == {"rows_kept": 20}
