"""The loops of the ranker, compiled; in one file, because the cache of compiled code notices changes of one file only."""

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def rows_of_term(
    term, above, above_from, disease, disease_from, log_ratio, informative, information, log_floor, log_detour, rows
):  # fmt: skip
    """What one observed symptom says of every disease.

    Args:
        term: row of the symptom.
        above: ancestors of all terms; those of term t lie from ``above_from[t]`` to ``above_from[t + 1]``.
        above_from: see above.
        disease: columns of the diseases that have each term, in the same way.
        disease_from: see above.
        log_ratio: beside ``disease``, log of frequency over background.
        informative: ancestors over which a detour may go.
        information: information content of each term.
        log_floor: smallest log ratio.
        log_detour: what a detour costs.
        rows: (2, n) float32, is filled: log ratio, and information of the best common ancestor.
    """
    rows[0, :] = log_floor
    rows[1, :] = 0
    for a in range(above_from[term], above_from[term + 1]):
        row = above[a]
        shift = np.float32(0) if row == term else log_detour
        content = information[row]
        start, end = disease_from[row], disease_from[row + 1]
        if row == term or informative[row]:
            for at in range(start, end):
                value = log_ratio[at] + shift
                if value > rows[0, disease[at]]:
                    rows[0, disease[at]] = value
        # what every disease has says nothing of any
        if content > 0:
            for at in range(start, end):
                if content > rows[1, disease[at]]:
                    rows[1, disease[at]] = content


@njit(nogil=True, cache=True)
def add_rows(rows, weight, ratio, similarity):
    """Add the (2, n) rows of an observed symptom, times its weight, to the (n,) sums of a case; all float32."""
    # one loop per sum: compilers make vectors of loops over few arrays
    of_ratio, of_similarity = rows[0], rows[1]
    for d in range(ratio.size):
        ratio[d] += weight * of_ratio[d]
    for d in range(similarity.size):
        similarity[d] += weight * of_similarity[d]


@njit(nogil=True, cache=True)
def close_upwards(rows, weight, above, above_from, closed):
    """Fill ``closed``, (terms,) float32 of zeros: largest weight of the ``rows`` that are a term or a kind of it.

    ``above`` holds the ancestors of all terms; those of term t lie from ``above_from[t]`` to ``above_from[t + 1]``.
    """
    for i in range(rows.size):
        for at in range(above_from[rows[i]], above_from[rows[i] + 1]):
            closed[above[at]] = max(closed[above[at]], weight[i])


@njit(nogil=True, cache=True)
def add_excluded(term, weight, disease, disease_from, log_absent, ratio):
    """Add what one excluded symptom says against the diseases that have it; ``log_absent`` lies beside ``disease``."""
    for at in range(disease_from[term], disease_from[term + 1]):
        ratio[disease[at]] += weight * log_absent[at]


@njit(nogil=True, cache=True)
def share_downwards(order, parents, parents_from, closed, information, most):
    """Fill ``most``: information of the most informative ancestor of each term (or itself) that the case has.

    Args:
        order: the terms that are filled, each after its parents.
        parents: of all terms; those of term t lie from ``parents_from[t]`` to ``parents_from[t + 1]``.
        parents_from: see above.
        closed: (terms,) float32, above 0 for what the case has or what that is a kind of.
        information: (terms,) float32.
        most: (terms,) float32, is filled.
    """
    for t in order:
        value = information[t] if closed[t] > 0 else np.float32(0)
        for at in range(parents_from[t], parents_from[t + 1]):
            value = max(value, most[parents[at]])
        most[t] = value


@njit(nogil=True, cache=True)
def compare(candidates, term, term_from, frequency, leaf, most, information, closed, seen, gone, out):
    """Sums over the terms of each candidate, for :class:`CandidateFeatures`.

    Args:
        candidates: (k,) diseases.
        term: terms of all diseases; those of disease d lie from ``term_from[d]`` to ``term_from[d + 1]``.
        term_from: see above.
        frequency: beside ``term``.
        leaf: beside ``term``, the disease has no further kind of it.
        most: (terms,) of :func:`share_downwards`.
        information: information content of each term.
        closed: (terms,) float32, weight of what the case has or what that is a kind of.
        seen: (terms,) float32, weight of what the case has.
        gone: (terms,) float32, weight of what the case has not.
        out: (k, 9) float64, is filled: shared information, shared squares, all information, all squares, known weight,
            known frequency, leaf information shared with the case, frequency of leaves, frequency and log of absence of what
            the case has not.
    """
    for c in range(candidates.size):
        d = candidates[c]
        shared, squares, total, total_squares = 0.0, 0.0, 0.0, 0.0
        known, often, leaf_shared, leaf_total, absent = 0.0, 0.0, 0.0, 0.0, 0.0
        for at in range(term_from[d], term_from[d + 1]):
            t, f = term[at], frequency[at]
            part = f * information[t]
            total += part
            total_squares += part * part
            if closed[t] > 0:
                shared += part * closed[t]
                squares += part * information[t] * closed[t]
                known += seen[t]
                often += seen[t] * f
            if leaf[at]:
                leaf_shared += f * most[t]
                leaf_total += f
            if gone[t] > 0:
                absent += gone[t] * np.log1p(-min(f, np.float32(0.95)))
        out[c, 0], out[c, 1], out[c, 2], out[c, 3] = shared, squares, total, total_squares
        out[c, 4], out[c, 5], out[c, 6], out[c, 7], out[c, 8] = known, often, leaf_shared, leaf_total, absent


@njit(nogil=True, cache=True)
def mark_leaves(term, term_from, parents, parents_from, leaf):
    """Fill ``leaf``: True for a term of a disease that is no parent of another of its terms, which are closed upwards."""
    inside = np.full(parents_from.size - 1, -1, dtype=np.int32)
    for d in range(term_from.size - 1):
        for at in range(term_from[d], term_from[d + 1]):
            t = term[at]
            for p in range(parents_from[t], parents_from[t + 1]):
                inside[parents[p]] = d
        for at in range(term_from[d], term_from[d + 1]):
            leaf[at] = inside[term[at]] != d


@njit(nogil=True, cache=True)
def nearest(own, own_total, known, known_from, total, disease, out):
    """Fill ``out``: likeness of the most similar known case of each disease, and mean of its three most similar.

    Args:
        own: (terms,) float32, weighted information of what the case has.
        own_total: its sum.
        known: known cases that have each term; those with term t lie from ``known_from[t]`` to ``known_from[t + 1]``.
        known_from: see above.
        total: (cases,) information of each known case.
        disease: (cases,) column of each, ascending.
        out: (2, n) float32 of zeros.
    """
    shared = np.zeros(disease.size)
    for t in range(own.size):
        if own[t] > 0:
            for at in range(known_from[t], known_from[t + 1]):
                shared[known[at]] += own[t]
    first, second, third, count = 0.0, 0.0, 0.0, 0
    for c in range(disease.size):
        like = shared[c] / max(total[c] + own_total - shared[c], 1e-6)
        if like > first:
            first, second, third = like, first, second
        elif like > second:
            second, third = like, second
        elif like > third:
            third = like
        count += 1
        if c + 1 == disease.size or disease[c + 1] != disease[c]:
            out[0, disease[c]] = first
            out[1, disease[c]] = (first + second + third) / min(count, 3)
            first, second, third, count = 0.0, 0.0, 0.0, 0


@njit(nogil=True, cache=True)
def walk_trees(table, root, feature, threshold, left, right, value, out):
    """Add to ``out``, (rows,) float64, what each tree says of each row.

    Args:
        table: (rows, features) float32 without NaN.
        root: (trees,) first node of each tree; below 0 where the tree is the leaf ``-1 - root``.
        feature: (nodes,) column that a node looks at.
        threshold: (nodes,) float32; values up to it go left.
        left: (nodes,) next node, or ``-1 - leaf``.
        right: the same.
        value: (leaves,) float64.
        out: is filled.
    """
    for tree in range(root.size):
        for row in range(table.shape[0]):
            node = root[tree]
            while node >= 0:
                node = left[node] if table[row, feature[node]] <= threshold[node] else right[node]
            out[row] += value[-1 - node]
