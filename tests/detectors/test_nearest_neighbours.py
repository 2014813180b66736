import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import euclidean_distances
from tests.tabular.sample_tables import continuous, tables

from medanomaly.detectors.kinds.nearest_neighbours import NearestNeighbours


@settings(max_examples=50)
@given(tables(st.floats(-100, 100, width=32)), st.integers(1, 8))
def test_neighbour_score_equals_the_mean_of_all_sorted_distances(table, k):
    train, rows = table
    difference = rows[:, None].astype(np.float64) - train[None]
    nearest = np.sort(np.sqrt((difference**2).sum(axis=2)), axis=1)[:, :k]
    fitted = NearestNeighbours(n_neighbors=k).fit(train)
    np.testing.assert_allclose(-fitted.score_samples(rows), nearest.mean(axis=1), rtol=1e-12, atol=1e-300)


def test_a_training_row_among_k_copies_of_itself_scores_zero_with_zero_contributions():
    train = np.repeat(continuous(10, 3), 5, axis=0)
    fitted = NearestNeighbours(n_neighbors=5).fit(train)
    assert (fitted.score_samples(train) == 0).all()
    assert (fitted.explain(train) == 0).all()


def test_the_search_agrees_with_scikit_learn_on_wide_rows():
    train, rows = continuous(400, 60), continuous(40, 60, seed=1)
    nearest = np.sort(euclidean_distances(rows.astype(float), train.astype(float)), axis=1)[:, :5].mean(
        axis=1
    )
    np.testing.assert_allclose(-NearestNeighbours().fit(train).score_samples(rows), nearest, rtol=1e-9)
