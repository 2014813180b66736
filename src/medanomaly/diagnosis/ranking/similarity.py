"""Similarity of a symptom and a disease: information content of the most informative term they share (Resnik 1995)."""

import numpy as np
from scipy import sparse


def information_content(frequency: sparse.csr_array) -> np.ndarray:
    """(terms,) float32: -log of the share of diseases that have each term; a term of no disease counts as one of one."""
    have = np.diff(frequency.indptr)
    diseases = max(np.count_nonzero(np.bincount(frequency.indices)), 1)
    return -np.log(np.maximum(have, 1) / diseases).astype(np.float32)
