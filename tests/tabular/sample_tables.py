"""Tables that the tests of the detectors share: drawn by hypothesis, random, and real."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

# few distinct values give ties and duplicate rows; the others give gaps, tails and tiny differences
ENTRIES = st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6, width=32)
NEAR_ENTRIES = st.integers(-3, 3).map(float) | st.floats(-1000, 1000, width=32)
WHOLE_RANGE = ENTRIES | st.sampled_from([3.4e38, -3.4e38, 1e-45, -0.0])


def tables(elements, max_rows=25):
    """Pairs of a training table and a table to score, float32, with the same 1 to 4 columns."""
    return st.integers(1, 4).flatmap(
        lambda d: st.tuples(
            st.integers(1, max_rows).flatmap(lambda n: arrays(np.float32, (n, d), elements=elements)),
            st.integers(1, max_rows).flatmap(lambda n: arrays(np.float32, (n, d), elements=elements)),
        )
    )


def continuous(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def breast_lumps(standardised=True):
    """Half of the benign lumps to train on; all others to score, and whether each of them is a tumour."""
    X, y = load_breast_cancer(return_X_y=True)
    X = (StandardScaler().fit_transform(X) if standardised else X).astype(np.float32)
    is_tumour = 1 - y
    train = np.flatnonzero(is_tumour == 0)[::2]
    test = np.setdiff1d(np.arange(len(y)), train)
    return X[train], X[test], is_tumour[test]
