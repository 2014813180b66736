"""How fast is the patient-level bootstrap of the AUROC, and does every resample equal scikit-learn's value?

Peer: scikit-learn's ``roc_auc_score`` in a loop, on the very same resamples (their counts as sample weights), timed on a
few of them and extrapolated. The weights it needs are drawn beforehand and not timed, to its advantage; ours draws them
within the time. One thread, both; the one JIT compilation is left out and shown on a line of its own.
"""

import time

import numpy as np
from numba import njit
from sklearn.metrics import roc_auc_score

from benchmarks.record import Result, write
from medanomaly.evaluation.resampling.bootstrap import ResampledCases, bootstrap
from medanomaly.evaluation.resampling.delong import auroc_variance
from medanomaly.evaluation.resampling.draws import _mix, patient_weights
from medanomaly.evaluation.resampling.ranking import fold

N, PREVALENCE, RESAMPLES, PEER_RESAMPLES, REPEATS = 100_000, 0.05, 2_000, 40, 5


@njit(nogil=True)
def hashes_alone(start, n_resamples, n):
    """The arithmetic that any draw needs: one hash for two draws, nothing written."""
    total = np.uint64(0)
    for r in range(n_resamples):
        key = _mix(start + np.uint64(r))
        for i in range(n // 2):
            total ^= _mix(key + np.uint64(i))
    return total


def best_of(function, repeats=REPEATS):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def copy_speed(n_bytes):
    """Bytes per second, read plus written, of a copy of that size inside the cache."""
    a, b = np.zeros(n_bytes, np.uint8), np.ones(n_bytes, np.uint8)
    return 2 * n_bytes * 200 / best_of(lambda: [np.copyto(a, b) for _ in range(200)])


def main():
    rng = np.random.default_rng(0)
    positive = rng.random(N) < PREVALENCE
    continuous = rng.normal(size=N) + positive
    start = time.perf_counter()
    bootstrap(ResampledCases(np.arange(10), np.arange(10) > 4, np.arange(10.0)[:, None]), 2, 0)
    results = [Result("JIT compilation, once a process", time.perf_counter() - start, "s")]
    ones = np.ones(N, dtype=np.int64)
    for name, score in (("no ties", continuous), ("tied, 2 decimals", np.round(continuous, 2))):
        population = ResampledCases(np.arange(N), positive, score[:, None])
        draws = bootstrap(population, RESAMPLES, 0)
        drawn = patient_weights(0, range(1, PEER_RESAMPLES + 1), ones, positive)
        peer, peer_times, our_times = [], [], []
        # taken in turns, and the fastest of each: a busy machine then favours neither
        for i, w in enumerate(drawn):
            start = time.perf_counter()
            peer.append(roc_auc_score(positive, score, sample_weight=w))
            peer_times.append(time.perf_counter() - start)
            if i % 2:
                start = time.perf_counter()
                bootstrap(population, RESAMPLES, 0)
                our_times.append(time.perf_counter() - start)
        peer_seconds, whole = min(peer_times) * RESAMPLES, min(our_times)
        off = np.abs(draws.metric("auroc")[1 : PEER_RESAMPLES + 1, 0] - peer).max()
        # what is left of a run without resamples: patients coded, cases sorted and folded, one pass
        once = best_of(lambda p=population: bootstrap(p, 1, 0))
        shared = {
            "unit": "s",
            "peer": f"scikit-learn loop, the fastest of {PEER_RESAMPLES} calls extrapolated",
            "data": name,
        }
        for what, seconds in (("with the sort", whole), ("without the sort", whole - once)):
            ratio = peer_seconds / seconds
            results.append(
                Result(
                    f"{RESAMPLES:,} resamples of {N:,}, {name}, {what}",
                    seconds,
                    peer_value=peer_seconds,
                    ratio=ratio,
                    target=">= 50x",
                    reached=bool(ratio >= 50),
                    **shared,
                )
            )
        two = best_of(lambda p=population: bootstrap(p, RESAMPLES, 0, threads=2))
        results.append(
            Result(
                f"the same on 2 threads, {name}",
                two,
                ratio=peer_seconds / two,
                **shared,
                peer_value=peer_seconds,
            )
        )
        results.append(
            Result(
                f"largest difference to scikit-learn over {PEER_RESAMPLES} resamples, {name}",
                float(off),
                "AUROC",
                target="<= 1e-12",
                reached=bool(off <= 1e-12),
            )
        )
        sort = best_of(lambda s=score: fold(s, positive))
        results.append(Result(f"of it the sort and fold, {name}", sort, "s"))
        results.append(
            Result(
                f"standard error, {name}",
                float(draws.metric("auroc")[1:, 0].std()),
                "AUROC",
                peer="DeLong",
                peer_value=auroc_variance(score, positive)[1] ** 0.5,
            )
        )
        if name == "no ties":
            hashes_alone(np.uint64(1), 1, 10)
            arithmetic = best_of(lambda: hashes_alone(np.uint64(1), RESAMPLES, N))
            # a draw reads and writes one byte of weight; a case is read as one byte of weight and four of cell
            moved = RESAMPLES * N * (2 + 5)
            memory = moved / copy_speed(5 * N)
            inner = whole - once
            results.append(
                Result(
                    "floor: the hashes alone",
                    arithmetic,
                    "s",
                    peer="ours, without sort",
                    peer_value=inner,
                    ratio=arithmetic / inner,
                )
            )
            results.append(
                Result(
                    f"floor: {moved / 1e9:.1f} GB at the speed of a copy in cache",
                    memory,
                    "s",
                    peer="ours, without sort",
                    peer_value=inner,
                    ratio=memory / inner,
                )
            )
    write("auroc_bootstrap", results, command="make bench NAME=auroc_bootstrap")


if __name__ == "__main__":
    main()
