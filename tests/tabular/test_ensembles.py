import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import check_estimator

from medanomaly.core.errors import ConfigurationError
from medanomaly.tabular import onnx_graphs  # noqa: F401  registers the exports
from medanomaly.tabular.detectors.base import TRUSTED_TYPES
from medanomaly.tabular.detectors.ensembles import FourMemberEnsemble, TwoViewEnsemble
from medanomaly.tabular.detectors.percentiles import TrainingPercentiles
from medanomaly.tabular.onnx_export import load_session, to_onnx

ENSEMBLES = {
    "four members": FourMemberEnsemble(n_estimators=10, random_state=0),
    "two views": TwoViewEnsemble(n_estimators=10, random_state=0),
}
every_ensemble = pytest.mark.parametrize("ensemble", ENSEMBLES.values(), ids=ENSEMBLES)
entries = st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6, width=32)
whole_range = entries | st.sampled_from([3.4e38, -3.4e38, 1e-45, -0.0])


def tables(elements, max_rows=15):
    return st.integers(1, 3).flatmap(
        lambda d: st.tuples(
            st.integers(1, max_rows).flatmap(lambda n: arrays(np.float32, (n, d), elements=elements)),
            st.integers(1, max_rows).flatmap(lambda n: arrays(np.float32, (n, d), elements=elements)),
        )
    )


def continuous(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def real_split():
    X, y = load_breast_cancer(return_X_y=True)
    X, y = X.astype(np.float32), 1 - y
    train = np.flatnonzero(y == 0)[::2]
    test = np.setdiff1d(np.arange(len(y)), train)
    return X[train], X[test], y[test]


@every_ensemble
def test_scikit_learn_accepts_it_as_an_outlier_detector(ensemble):
    results = check_estimator(ensemble, on_skip=None)
    assert sum(result["status"] == "passed" for result in results) > 40


# scikit-learn's own check for infinity adds up the table in float32
@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce:RuntimeWarning:numpy")
@every_ensemble
@settings(max_examples=15)
@given(tables(whole_range))
def test_scores_lie_between_0_and_1_and_contributions_add_up_on_any_table(ensemble, table):
    train, rows = table
    fitted = ensemble.fit(train)
    score = -fitted.score_samples(rows)
    assert ((score > 0) & (score <= 1)).all()
    terms = fitted.explain(rows)
    assert (terms >= 0).all()
    np.testing.assert_allclose(terms.sum(axis=1), score, rtol=1e-12)


@every_ensemble
def test_a_row_scores_the_same_alone_and_in_any_batch(ensemble):
    train, rows = continuous(150, 6), 2 * continuous(60, 6, seed=1)
    fitted = ensemble.fit(train)
    scores, contributions = fitted.score_samples(rows), fitted.explain(rows)
    for size in (1, 7, 50):
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        assert (np.concatenate([fitted.score_samples(part) for part in parts]) == scores).all()
        assert (np.concatenate([fitted.explain(part) for part in parts]) == contributions).all()


@every_ensemble
def test_the_same_seed_gives_the_same_scores(ensemble):
    train, rows = continuous(100, 4), continuous(20, 4, seed=1)
    again = ensemble.__class__(**ensemble.get_params()).fit(train).score_samples(rows)
    assert (ensemble.fit(train).score_samples(rows) == again).all()


@every_ensemble
def test_it_finds_tumours_among_benign_lumps(ensemble):
    train, test, y = real_split()
    assert roc_auc_score(y, -ensemble.fit(train).score_samples(test)) > 0.94


@every_ensemble
def test_usual_rows_that_were_not_seen_score_one_half_on_average(ensemble):
    # scored on its own training rows a nearest-neighbour distance would be 0 and their percentiles of no use
    fitted = ensemble.fit(continuous(400, 4))
    unseen = -fitted.score_samples(continuous(2000, 4, seed=1))
    assert unseen.mean() == pytest.approx(0.5, abs=0.05)


@every_ensemble
def test_copies_of_rows_do_not_make_unseen_rows_look_strange(ensemble):
    # were a copy in another fold, the out-of-fold distances would be 0 and every new row far away beside them
    fitted = ensemble.fit(np.repeat(continuous(200, 4), 3, axis=0))
    unseen = -fitted.score_samples(continuous(2000, 4, seed=1))
    assert unseen.mean() == pytest.approx(0.5, abs=0.07)


@every_ensemble
def test_it_names_the_feature_that_was_moved(ensemble):
    fitted = ensemble.fit(continuous(300, 5))
    rows, moved = continuous(100, 5, seed=1), np.arange(100) % 5
    rows[np.arange(100), moved] += 8
    assert (fitted.explain(rows).argmax(axis=1) == moved).mean() > 0.95


@every_ensemble
def test_the_graph_gives_the_estimators_score_on_real_records(ensemble):
    train, test, _ = real_split()
    fitted = ensemble.fit(train)
    session = load_session(to_onnx(fitted))
    score = session.run(None, {"X": test})[0]
    np.testing.assert_allclose(score, -fitted.score_samples(test), rtol=1e-10)
    alone = [session.run(None, {"X": test[i : i + 1]})[0][0] for i in range(20)]
    np.testing.assert_allclose(alone, score[:20], rtol=1e-14)


@every_ensemble
@settings(max_examples=10)
@given(tables(entries))
def test_the_graph_gives_the_estimators_score_on_any_table(ensemble, table):
    train, rows = table
    fitted = ensemble.fit(train)
    score = load_session(to_onnx(fitted)).run(None, {"X": rows})[0]
    np.testing.assert_allclose(score, -fitted.score_samples(rows), atol=1e-6)


@every_ensemble
def test_only_the_projects_own_types_must_be_trusted_to_load_it(ensemble):
    train, rows = continuous(100, 5), continuous(30, 5, seed=1)
    fitted = ensemble.fit(train)
    saved = skops.io.dumps(fitted)
    assert set(skops.io.get_untrusted_types(data=saved)) <= set(TRUSTED_TYPES)
    loaded = skops.io.loads(saved, trusted=list(TRUSTED_TYPES))
    assert (loaded.score_samples(rows) == fitted.score_samples(rows)).all()
    assert (loaded.explain(rows) == fitted.explain(rows)).all()


def test_fewer_than_two_folds_are_refused():
    with pytest.raises(ConfigurationError, match="n_folds is 1"):
        TwoViewEnsemble(n_folds=1).fit(continuous(20, 2))


# --- percentiles ---


scores_of_training = arrays(np.float64, st.integers(1, 60), elements=st.integers(0, 9) | st.floats(-1e6, 1e6))


@given(scores_of_training, arrays(np.float64, 20, elements=st.floats(-1e12, 1e12)))
def test_percentiles_rise_with_the_score_and_stay_inside_0_and_1(training, scores):
    percentile = TrainingPercentiles(training)(np.sort(scores))
    assert ((percentile > 0) & (percentile <= 1)).all()
    assert (np.diff(percentile) >= -1e-12).all()


def test_percentiles_of_training_scores_are_mid_ranks():
    training = np.array([3.0, 1.0, 2.0, 2.0])
    np.testing.assert_allclose(TrainingPercentiles(training)(training), [3.5 / 4, 0.5 / 4, 0.5, 0.5])


def test_scores_beyond_all_training_scores_are_still_told_apart():
    percentile = TrainingPercentiles(continuous(5000, 1).ravel())
    assert len(percentile.knots) <= 1024
    far = percentile(np.array([5.0, 50.0, 500.0, 1e6]))
    assert (np.diff(far) > 0).all()
    assert far[-1] < 1


@given(scores_of_training, st.floats(-1e6, 1e6))
def test_a_rounding_error_in_the_score_does_not_move_the_percentile(training, score):
    percentile = TrainingPercentiles(training)
    moved = score + 1e-14 * max(1.0, abs(score))
    assert percentile(np.array([moved])) == pytest.approx(percentile(np.array([score])), abs=1e-4)
