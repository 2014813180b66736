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
                rows[0, disease[at]] = max(rows[0, disease[at]], value)
        # what every disease has says nothing of any
        if content > 0:
            for at in range(start, end):
                rows[1, disease[at]] = max(rows[1, disease[at]], content)


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
def add_excluded(terms, weight, disease, disease_from, log_absent, ratio):
    """Add what excluded symptoms say against the diseases that have them; ``log_absent`` lies beside ``disease``."""
    for i in range(terms.size):
        for at in range(disease_from[terms[i]], disease_from[terms[i] + 1]):
            ratio[disease[at]] += weight[i] * log_absent[at]


@njit(nogil=True, cache=True)
def mark_case(
    observed, weight, excluded, excluded_weight, above, above_from, below, below_from, information, marks, spoken
):  # fmt: skip
    """Mark what a case has and has not.

    Args:
        observed: rows of the ontology.
        weight: of each.
        excluded: rows of the ontology.
        excluded_weight: of each.
        above: ancestors of all terms; those of term t lie from ``above_from[t]`` to ``above_from[t + 1]``.
        above_from: see above.
        below: kinds of all terms, those that are asked for, in the same way.
        below_from: see above.
        information: (terms,) float32.
        marks: (4, terms) float32 of zeros, is filled: weight of what the case has or what that is a kind of, weight of what
            the case has, weight of what it has not, and the information of the most informative ancestor (or of the term
            itself) that the case has.
        spoken: (terms,) uint8 of zeros, is filled: 1 where one of the first three is above 0.
    """
    closed, seen, gone, most = marks[0], marks[1], marks[2], marks[3]
    count = 0
    for i in range(observed.size):
        for at in range(above_from[observed[i]], above_from[observed[i] + 1]):
            t = above[at]
            if weight[i] > closed[t]:
                count += closed[t] == 0
                closed[t] = weight[i]
                spoken[t] = 1
        seen[observed[i]] = weight[i]
    for i in range(excluded.size):
        gone[excluded[i]] = excluded_weight[i]
        spoken[excluded[i]] = 1
    terms = np.empty(count, dtype=np.int32)
    count = 0
    for t in range(closed.size):
        if closed[t] > 0:
            terms[count] = t
            count += 1
    # the more a term says, the later it writes
    for t in terms[np.argsort(information[terms])]:
        for at in range(below_from[t], below_from[t + 1]):
            most[below[at]] = information[t]


@njit(nogil=True, cache=True)
def compare(
    candidates, terms, term_from, frequency, leaves, leaf_from, leaf_frequency, sums, information, marks, spoken, about,
    ratio, similarity, best, worst, out,
):  # fmt: skip
    """Compare a case with candidates, for :class:`Comparison`.

    Args:
        candidates: (k,) diseases.
        terms: of all diseases; those of disease d lie from ``term_from[d]`` to ``term_from[d + 1]``.
        term_from: see above.
        frequency: beside ``terms``.
        leaves: terms of which a disease has no further kind, in the same way.
        leaf_from: see above.
        leaf_frequency: beside ``leaves``.
        sums: (diseases, 4) float64 of :func:`sum_up`.
        information: information content of each term.
        marks: (4, terms) of :func:`mark_case`.
        spoken: (terms,) of the same.
        about: of the case the weight and number of its symptoms, and of its information the sum and the root of the sum of
            squares.
        ratio: (diseases,) float32, log likelihood ratio.
        similarity: (diseases,) float32.
        best: (k,) largest log ratio of a symptom.
        worst: (k,) smallest one.
        out: (k, features) float32, is filled.
    """
    weight, count, case_total, case_norm = about
    closed, seen, gone, most = marks[0], marks[1], marks[2], marks[3]
    for c in range(candidates.size):
        d = candidates[c]
        shared, squares, known, often, leaf_shared, absent = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for at in range(term_from[d], term_from[d + 1]):
            t = terms[at]
            if spoken[t]:
                f = frequency[at]
                part = f * information[t]
                shared += part * closed[t]
                squares += part * information[t] * closed[t]
                known += seen[t]
                often += seen[t] * f
                if gone[t] > 0:
                    absent += gone[t] * np.log1p(-min(f, np.float32(0.95)))
        for at in range(leaf_from[d], leaf_from[d + 1]):
            leaf_shared += leaf_frequency[at] * most[leaves[at]]
        total, norm, leaf_total, log_size = sums[d, 0], sums[d, 1], sums[d, 2], sums[d, 3]
        out[c, 0] = ratio[d]
        out[c, 1] = ratio[d] / np.float32(count)
        out[c, 2] = ratio[d] / np.sqrt(count)
        out[c, 3] = similarity[d]
        out[c, 4] = known / weight
        out[c, 5] = known / weight * log_size
        out[c, 6] = often / weight
        out[c, 7] = best[c]
        out[c, 8] = worst[c]
        out[c, 9] = shared / max(total + case_total - shared, 1e-6)
        out[c, 10] = squares / max(norm * case_norm, 1e-6)
        out[c, 11] = shared / max(total, 1e-6)
        out[c, 12] = shared / case_total
        out[c, 13] = leaf_shared / max(leaf_total, 1e-6)
        out[c, 14] = absent


@njit(nogil=True, cache=True)
def sum_up(terms, term_from, frequency, leaf, information, sums):
    """Fill ``sums``, (diseases, 4) float64: information, root of its squares, frequency of leaves, log of 1 + terms."""
    for d in range(term_from.size - 1):
        total, squares, leaves = 0.0, 0.0, 0.0
        for at in range(term_from[d], term_from[d + 1]):
            part = frequency[at] * information[terms[at]]
            total += part
            squares += part * part
            if leaf[at]:
                leaves += frequency[at]
        sums[d, 0], sums[d, 1], sums[d, 2] = total, np.sqrt(squares), leaves
        sums[d, 3] = np.log1p(term_from[d + 1] - term_from[d])


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
def add_trees(columns, first_node, feature, threshold, kept, first_leaf, value, out):
    """Add to ``out``, (rows,) float64, what each tree says of each row.

    A node whose test fails rules out the leaves on its left; of those that are left at the end, the first one speaks. No
    step depends on the one before, so all rows take it at once (QuickScorer, Lucchese et al. 2015).

    Args:
        columns: (features, rows) float32 without NaN.
        first_node: (trees + 1,) where the nodes of each tree begin.
        feature: (nodes,) column that a node tests.
        threshold: (nodes,) float32; values up to it pass.
        kept: (nodes,) uint64, bits of the leaves that are not on the node's left, counted from the left.
        first_leaf: (trees,) where the leaves of each tree begin.
        value: (leaves,) float64, from the left.
        out: is filled.
    """
    every = ~np.uint64(0)
    one = np.uint64(1)
    alive = np.empty(out.size, dtype=np.uint64)
    for tree in range(first_leaf.size):
        alive[:] = every
        for node in range(first_node[tree], first_node[tree + 1]):
            x, limit, keep = columns[feature[node]], threshold[node], kept[node]
            for row in range(alive.size):
                alive[row] &= keep if x[row] > limit else every
        for row in range(alive.size):
            # of a binary tree of 15 leaves the first one left is found in a few steps
            leaf, bits = first_leaf[tree], alive[row]
            while bits & one == 0:
                bits >>= one
                leaf += 1
            out[row] += value[leaf]
