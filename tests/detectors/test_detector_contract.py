"""What every kind of detector promises. The list of kinds is the list of tests; other files test what is special to each."""

import inspect
import re
import textwrap

import numpy as np
import onnx
import pandas as pd
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.estimator_checks import check_estimator
from tests.tabular.sample_tables import ENTRIES, NEAR_ENTRIES, WHOLE_RANGE, breast_lumps, continuous, tables

from medanomaly.core import skops_io
from medanomaly.core.bundle import read_bundle, write_bundle
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.onnx_session import open_session
from medanomaly.detectors import kinds
from medanomaly.detectors.kinds import detector_class, detector_names, trusted_types
from medanomaly.detectors.kinds.extended_isolation_forest import ExtendedIsolationForest
from medanomaly.detectors.kinds.isolation_forest import IsolationForest, flat_forest
from medanomaly.detectors.kinds.nearest_neighbours import NearestNeighbours
from medanomaly.detectors.occlusion import OcclusionDetector
from medanomaly.detectors.onnx.export import to_onnx
from medanomaly.detectors.percentile_ensemble import PercentileEnsemble
from medanomaly.detectors.scorer import TabularScorer
from medanomaly.detectors.training import DetectorParams, train_bundle

# a kind that is not listed here is tested with its default options; these are smaller, which keeps the tests fast
SMALLER = {
    "isolation_forest": {"n_estimators": 10},
    "local_outlier_factor": {"n_neighbors": 10},
    "extended_isolation_forest": {"n_estimators": 20},
    "denoising_autoencoder": {"hidden": 16, "max_epochs": 3},
    "transformer_autoencoder": {"width": 8, "n_layers": 1, "max_epochs": 3},
    "four_member_ensemble": {"n_estimators": 5, "n_folds": 2},
    "two_view_ensemble": {"n_estimators": 5, "n_folds": 2},
}
# a detector that works in two ways is tested in the other way too
OTHER_WAYS = [
    ("ecdf", {"tail": "flat"}),
    ("one_class_svm", {"max_exact": 2, "n_components": 20}),
    ("extended_isolation_forest", {"ndim": 1}),
]


def built(name, **options):
    seed = {"random_state": 0} if "random_state" in inspect.signature(detector_class(name)).parameters else {}
    return detector_class(name)(**(seed | SMALLER.get(name, {}) | options))


def with_settings(*names):
    chosen = [(name, {}) for name in names] + [
        (name, options) for name, options in OTHER_WAYS if name in names
    ]
    return pytest.mark.parametrize(
        "detector",
        [built(name, **options) for name, options in chosen],
        ids=["-".join([name, *(f"{k}={v}" for k, v in options.items())]) for name, options in chosen],
    )


every_detector = with_settings(*detector_names())
# three ways to explain a score: as the sum it is, shared out by occlusion, and the paths of the isolation forest
SHARED_OUT = [name for name in detector_names() if issubclass(detector_class(name), OcclusionDetector)]
ADDITIVE = [name for name in detector_names() if name not in (*SHARED_OUT, "isolation_forest")]
# scikit-learn's own check for infinity adds up the table in float32
infinity_check = pytest.mark.filterwarnings("ignore:invalid value encountered in reduce:RuntimeWarning:numpy")


def changed(detector, **options):
    return detector.__class__(**(detector.get_params() | options))


def real_records(detector):
    # ensembles are to do without help: they standardise the columns themselves
    return breast_lumps(standardised=not isinstance(detector, PercentileEnsemble))


def graph_scores(fitted, rows):
    return open_session(to_onnx(fitted)).run(None, {"X": rows})[0]


def one_by_one(session, rows):
    return np.concatenate([session.run(None, {"X": row[None]})[0] for row in rows])


TOY = """
    import numpy as np

    from medanomaly.detectors.base import BaseDetector
    from medanomaly.detectors.onnx.graph import node


    class Centre:
        def __init__(self, X):
            self.median = np.median(X.astype(np.float64), axis=0)


    class ToyDetector(BaseDetector):
        label = "toy"

        def __init__(self, power=2, contamination=0.1):
            self.power = power
            self.contamination = contamination

        def _fit(self, X):
            self.centre_ = Centre(X)

        def _contributions(self, X):
            return np.abs(X - self.centre_.median) ** self.power

        def _onnx_graph(self):
            nodes = [
                node("Sub", ["x", "median"], ["apart"]),
                node("Abs", ["apart"], ["distance"]),
                node("Pow", ["distance", "power"], ["terms"]),
                node("ReduceSum", ["terms", "columns"], ["score"], keepdims=0),
            ]
            constants = {"median": self.centre_.median, "power": np.float64(self.power)}
            return nodes, constants | {"columns": np.array([1])}


    DETECTOR = ToyDetector
    """


# --- a kind is its file ---


def test_a_new_file_is_a_detector_that_is_trained_sealed_and_read_back(tmp_path, monkeypatch):
    folder = tmp_path / "kinds"
    folder.mkdir()
    (folder / "toy.py").write_text(textwrap.dedent(TOY))
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(folder)])
    assert "toy" in detector_names()

    table = pd.DataFrame(continuous(60, 3), columns=list("abc")).assign(case_id=[str(i) for i in range(60)])
    cases = pd.DataFrame(
        {
            "case_id": table["case_id"],
            "patient_id": table["case_id"],
            "label": pd.array([0] * 60, dtype="Int64"),
            "split": ["train"] * 30 + ["calibration"] * 20 + ["test"] * 10,
        }
    )
    params = DetectorParams(kind="toy", options={"power": 3})
    write_bundle(tmp_path / "bundle", train_bundle(cases, table, params, name="mine", seed=0))
    scorer = TabularScorer(read_bundle(tmp_path / "bundle"))
    assert scorer.bundle.manifest["options"] == {"power": 3}
    score = scorer.score(table)
    assert (score > 0).all()
    # the contributions come from the estimator of model.skops, the score from its graph
    np.testing.assert_allclose(scorer.contributions(table).sum(axis=1), score, rtol=1e-12)


def test_only_types_of_kinds_and_views_are_trusted():
    for name in detector_names():
        assert all(re.match(r"medanomaly\.detectors\.(kinds|views)\.", path) for path in trusted_types(name))
    assert f"{kinds.__name__}.pca.PCADetector" not in trusted_types("ecdf")


def test_an_unknown_kind_is_refused_with_the_known_ones():
    # a name that could import another module is only a name that does not exist
    for name in ("crystal_ball", "..base", "os"):
        with pytest.raises(ConfigurationError, match=r"Known are: .*ecdf, .*isolation_forest"):
            detector_class(name)


def test_a_file_that_names_no_class_is_refused(tmp_path, monkeypatch):
    (tmp_path / "empty_kind.py").write_text("")
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(tmp_path)])
    with pytest.raises(ConfigurationError, match="has no DETECTOR"):
        detector_class("empty_kind")


@pytest.mark.parametrize("name", detector_names())
def test_it_has_a_name_that_people_read(name):
    assert detector_class(name).label


# --- estimator ---


@every_detector
def test_scikit_learn_accepts_it_as_an_outlier_detector(detector):
    results = check_estimator(detector, on_skip=None)
    assert sum(result["status"] == "passed" for result in results) > 40


@every_detector
@pytest.mark.parametrize("share", [0, 0.7])
def test_a_senseless_contamination_is_refused(detector, share):
    # the isolation forest leaves it to scikit-learn
    is_forest = isinstance(detector, IsolationForest)
    refusal = InvalidParameterError if is_forest else ConfigurationError
    with pytest.raises(refusal, match="contamination" if is_forest else f"contamination is {share}"):
        changed(detector, contamination=share).fit(continuous(20, 2))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ecdf", {"tail": "heavy"}, "'heavy'"),
        ("nearest_neighbours", {"n_neighbors": 0}, "n_neighbors is 0"),
        ("pca", {"floor": 0}, "floor is 0"),
        ("one_class_svm", {"nu": 1.5}, "nu is 1.5"),
        ("local_outlier_factor", {"n_neighbors": 0}, "n_neighbors is 0"),
        ("extended_isolation_forest", {"ndim": 0}, "ndim is 0"),
        ("extended_isolation_forest", {"n_estimators": 0}, "n_estimators is 0"),
        ("denoising_autoencoder", {"hidden": 0}, "hidden is 0"),
        ("denoising_autoencoder", {"max_epochs": 0}, "max_epochs is 0"),
        ("transformer_autoencoder", {"width": 9}, "width is 9 with 2 heads"),
        ("four_member_ensemble", {"n_folds": 1}, "n_folds is 1"),
        ("two_view_ensemble", {"n_folds": 1}, "n_folds is 1"),
    ],
)
def test_a_senseless_option_is_refused(name, options, message):
    with pytest.raises(ConfigurationError, match=message):
        detector_class(name)(**options).fit(continuous(20, 2))


@every_detector
def test_contamination_is_the_share_of_training_rows_below_the_threshold(detector):
    predicted = changed(detector, contamination=0.2).fit_predict(continuous(200, 4))
    assert (predicted == -1).sum() == 40


@every_detector
def test_the_same_settings_give_the_same_scores_and_files(detector):
    train, rows = continuous(100, 4), continuous(20, 4, seed=1)
    again = changed(detector).fit(train)
    assert (detector.fit(train).score_samples(rows) == again.score_samples(rows)).all()
    assert skops_io.dumps(detector) == skops_io.dumps(again)
    assert to_onnx(detector) == to_onnx(again)


@every_detector
def test_only_the_projects_own_types_must_be_trusted_to_load_it(detector):
    train, rows = continuous(300, 5), continuous(50, 5, seed=1)
    fitted = detector.fit(train)
    saved = skops.io.dumps(fitted)
    trusted = trusted_types(type(fitted).__module__.rpartition(".")[2])
    assert set(skops.io.get_untrusted_types(data=saved)) <= set(trusted)
    loaded = skops.io.loads(saved, trusted=trusted)
    assert (loaded.score_samples(rows) == fitted.score_samples(rows)).all()
    assert (loaded.explain(rows) == fitted.explain(rows)).all()
    assert (loaded.predict(rows) == fitted.predict(rows)).all()


# --- scores and contributions ---


def finite_score_and_contributions(fitted, rows):
    score, terms = -fitted.score_samples(rows), fitted.explain(rows)
    assert np.isfinite(score).all()
    assert np.isfinite(terms).all()
    assert np.isfinite(fitted.offset_)
    return score, terms


@infinity_check
@with_settings(*ADDITIVE)
@settings(max_examples=50)
@given(tables(WHOLE_RANGE))
def test_contributions_are_finite_and_add_up_to_the_score_exactly_on_any_table(detector, table):
    train, rows = table
    score, terms = finite_score_and_contributions(detector.fit(train), rows)
    assert (np.cumsum(terms, axis=1)[:, -1] == score).all()


@with_settings(*ADDITIVE)
def test_contributions_of_many_features_add_up_to_the_score_exactly(detector):
    # numpy would add up so many in pairs
    fitted, rows = detector.fit(continuous(300, 33)), continuous(50, 33, seed=1)
    assert (np.cumsum(fitted.explain(rows), axis=1)[:, -1] == -fitted.score_samples(rows)).all()


@infinity_check
@with_settings(*SHARED_OUT)
@settings(max_examples=25)
@given(tables(WHOLE_RANGE))
def test_a_score_is_finite_and_shared_out_without_a_rest_on_any_table(detector, table):
    train, rows = table
    score, terms = finite_score_and_contributions(detector.fit(train), rows)
    assert (terms >= 0).all()
    np.testing.assert_allclose(terms.sum(axis=1), score, rtol=1e-12)
    if isinstance(detector, ExtendedIsolationForest | PercentileEnsemble):
        assert ((score > 0) & (score <= 1)).all()


@infinity_check
@with_settings("isolation_forest")
@settings(max_examples=25)
@given(tables(WHOLE_RANGE))
def test_contributions_to_the_isolation_forest_add_up_to_its_log_score_on_any_table(detector, table):
    train, rows = table
    score, terms = finite_score_and_contributions(detector.fit(train), rows)
    flat = flat_forest(detector)
    # grown on one row it knows nothing, and scikit-learn fixes the score at 1/2
    baseline = flat.baseline if flat.normaliser > 0 else 1.0
    np.testing.assert_allclose(terms.sum(axis=1), np.log2(score) + baseline, rtol=0, atol=1e-12)
    assert ((score > 0) & (score <= 1)).all()


@every_detector
@pytest.mark.parametrize("n_features", [1, 7, 33])
def test_a_row_scores_the_same_alone_and_in_any_batch(detector, n_features):
    train, rows = continuous(300, n_features), 2 * continuous(60, n_features, seed=1)
    fitted = detector.fit(train)
    scores, contributions = fitted.score_samples(rows), fitted.explain(rows)
    for size in (1, 7, 50):
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        assert (np.concatenate([fitted.score_samples(part) for part in parts]) == scores).all()
        assert (np.concatenate([fitted.explain(part) for part in parts]) == contributions).all()
    turned = np.asfortranarray(rows[::-1])
    assert (fitted.score_samples(turned)[::-1] == scores).all()
    assert (fitted.explain(turned)[::-1] == contributions).all()


@every_detector
def test_a_column_that_is_constant_in_training_does_no_harm(detector):
    train = continuous(100, 3)
    train[:, 1] = 7
    rows = train[:5].copy()
    rows[:, 1] = 8
    fitted = detector.fit(train)
    assert np.isfinite(fitted.score_samples(rows)).all()
    assert (fitted.score_samples(rows) <= fitted.score_samples(train[:5])).all()


@every_detector
def test_it_names_the_feature_that_was_moved(detector):
    fitted = detector.fit(continuous(300, 5))
    rows, moved = continuous(100, 5, seed=1), np.arange(100) % 5
    rows[np.arange(100), moved] += 8
    assert (fitted.explain(rows).argmax(axis=1) == moved).mean() > 0.95


@every_detector
def test_it_finds_tumours_among_benign_lumps(detector):
    train, rows, is_tumour = real_records(detector)
    auroc = roc_auc_score(is_tumour, -detector.fit(train).score_samples(rows))
    assert auroc > (0.94 if isinstance(detector, PercentileEnsemble) else 0.9)


# --- ONNX graph ---


@every_detector
@settings(max_examples=15)
@given(st.data())
def test_the_graph_gives_the_estimators_score_on_any_table(detector, data):
    # far from the origin the graph of the neighbours may take the wrong one of two that are almost equally near
    is_near = isinstance(detector, NearestNeighbours)
    train, rows = data.draw(tables(NEAR_ENTRIES if is_near else ENTRIES))
    fitted = detector.fit(train)
    # the training rows are full of ties with themselves
    rows = np.r_[rows, train]
    np.testing.assert_allclose(
        graph_scores(fitted, rows),
        -fitted.score_samples(rows),
        rtol=1e-9,
        atol=1e-6 if isinstance(detector, NearestNeighbours | PercentileEnsemble) else 1e-8,
    )


@every_detector
@pytest.mark.parametrize("n_train", [1, 2, 1000])
def test_the_graph_gives_the_estimators_score_far_out(detector, n_train):
    fitted = detector.fit(continuous(n_train, 12))
    rows = np.r_[continuous(50, 12), 1e6 * continuous(50, 12, seed=1)]
    np.testing.assert_allclose(graph_scores(fitted, rows), -fitted.score_samples(rows), rtol=1e-10)


@every_detector
def test_the_graph_gives_the_estimators_score_on_real_records(detector):
    train, rows, _ = real_records(detector)
    fitted = detector.fit(train)
    session = open_session(to_onnx(fitted))
    score = session.run(None, {"X": rows})[0]
    np.testing.assert_allclose(score, -fitted.score_samples(rows), rtol=1e-11)
    np.testing.assert_allclose(one_by_one(session, rows[:20]), score[:20], rtol=1e-14)


@every_detector
def test_the_graph_scores_a_row_the_same_alone_and_in_a_batch(detector):
    rows = continuous(100, 9, seed=1)
    session = open_session(to_onnx(detector.fit(continuous(300, 9))))
    np.testing.assert_allclose(one_by_one(session, rows), session.run(None, {"X": rows})[0], rtol=1e-14)


@every_detector
def test_the_graph_is_valid_and_says_what_goes_in_and_out(detector):
    model = onnx.load_from_string(to_onnx(detector.fit(continuous(50, 4))))
    onnx.checker.check_model(model, full_check=True)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    session = open_session(model.SerializeToString())
    (taken,), (given_back,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.type, taken.shape) == ("X", "tensor(float)", ["n", 4])
    assert (given_back.name, given_back.type, given_back.shape) == ("score", "tensor(double)", ["n"])
