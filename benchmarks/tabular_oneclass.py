"""How well do the tabular detectors find anomalies of the ADBench medical sets, in splits that do not leak?

One-class, strict: half of the normals for training, equal rows of normals in one part, anomalies always in test, 5 seeds.
Unsupervised: fit on all rows, score all rows. In addition: the leak of the most-cited published
table, and how often explanations name a planted cause.
"""

import argparse
import os
import sys
import time
from pathlib import Path

if not __package__:
    # run as a file: the folder above holds the package of the benchmarks
    sys.path.insert(0, str(Path(__file__).parents[1]))

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.spatial import KDTree
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.record import RESULTS, Result, write
from medanomaly.detectors.kinds.ecdf import ECDFDetector
from medanomaly.detectors.kinds.extended_isolation_forest import ExtendedIsolationForest
from medanomaly.detectors.kinds.four_member_ensemble import FourMemberEnsemble
from medanomaly.detectors.kinds.isolation_forest import IsolationForest
from medanomaly.detectors.kinds.local_outlier_factor import LocalOutlierFactor
from medanomaly.detectors.kinds.mahalanobis import MahalanobisDetector
from medanomaly.detectors.kinds.nearest_neighbours import NearestNeighbours
from medanomaly.detectors.kinds.one_class_svm import OneClassSVMDetector
from medanomaly.detectors.kinds.pca import PCADetector
from medanomaly.detectors.kinds.two_view_ensemble import TwoViewEnsemble
from medanomaly.detectors.views.standardise import Standardise
from medanomaly.tabular.explain.conditional_residuals import ConditionalResidualExplainer

SETS = (
    "2_annthyroid",
    "4_breastw",
    "6_cardio",
    "7_Cardiotocography",
    "21_Lymphography",
    "23_mammography",
    "29_Pima",
)
SEEDS = 5
PEER = "isolation forest (scikit-learn, 100 trees)"
FOUR, TWO_VIEWS = "four-member ensemble", "two-view ensemble"
TARGETS = {"auroc": 90.8, "auprc": 80.0}


def one_class_detectors(seed: int) -> dict[str, object]:
    return {
        PEER: IsolationForest(n_estimators=100, random_state=seed),
        "extended isolation forest (200 trees, 2 features a split)": ExtendedIsolationForest(
            random_state=seed
        ),
        "tail probabilities (ECDF)": ECDFDetector(tail="flat"),
        "5 nearest neighbours": NearestNeighbours(5),
        "nearest neighbour": NearestNeighbours(1),
        "one-class SVM (nu 0.5)": OneClassSVMDetector(),
        "principal components": PCADetector(),
        "Mahalanobis (Ledoit-Wolf)": MahalanobisDetector(),
        "local outlier factor (k 50)": LocalOutlierFactor(),
        FOUR: FourMemberEnsemble(random_state=seed),
        TWO_VIEWS: TwoViewEnsemble(random_state=seed),
    }


def strict_split(X: np.ndarray, y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of train and test: groups of equal normals in random order, the first half of the rows to train."""
    normal = np.flatnonzero(y == 0)
    _, group = np.unique(X[normal], axis=0, return_inverse=True)
    group = group.ravel()
    size = np.bincount(group)
    order = np.random.default_rng(seed).permutation(len(size))
    middle = np.cumsum(size[order]) - size[order] / 2
    in_train = np.isin(group, order[middle < len(normal) / 2])
    train = normal[in_train]
    return train, np.setdiff1d(np.arange(len(y)), train)


def figures(y: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """AUROC and average precision, in percent."""
    return 100 * roc_auc_score(y, score), 100 * average_precision_score(y, score)


def fit_and_score(detector: object, train: np.ndarray, rows: np.ndarray) -> np.ndarray:
    view = Standardise().fit(train)
    train, rows = view.transform(train), view.transform(rows)
    if isinstance(detector, IsolationForest):
        return -detector.fit(train).score_samples(rows)
    # fit() would also score the training rows, for a threshold that is not needed here
    detector.n_features_in_ = train.shape[1]
    detector._learn(train)
    return detector._scores(rows)


def one_class(sets: dict, n_seeds: int) -> dict[str, np.ndarray]:
    """(n_sets, n_seeds, 2) AUROC and AUPRC of each detector."""
    table = {name: np.empty((len(sets), n_seeds, 2)) for name in one_class_detectors(0)}
    for i, (X, y) in enumerate(sets.values()):
        for seed in range(n_seeds):
            train, test = strict_split(X, y, seed)
            for name, detector in one_class_detectors(seed).items():
                table[name][i, seed] = figures(y[test], fit_and_score(detector, X[train], X[test]))
    return table


def unsupervised(sets: dict, n_seeds: int) -> dict[str, np.ndarray]:
    """The same for detectors fitted on all rows that score these rows; deterministic detectors run once."""
    names = (PEER, "tail probabilities (ECDF)", "ECOD, algorithm 1", "ECOD, as in PyOD")
    table = {name: np.empty((len(sets), n_seeds, 2)) for name in names}
    for i, (X, y) in enumerate(sets.values()):
        for seed in range(n_seeds):
            forest = IsolationForest(n_estimators=100, random_state=seed)
            table[PEER][i, seed] = figures(y, fit_and_score(forest, X, X))
        table["tail probabilities (ECDF)"][i] = figures(y, fit_and_score(ECDFDetector(tail="flat"), X, X))
        for name, score in ecod(X).items():
            table[name][i] = figures(y, score)
    return table


def ecod(X: np.ndarray) -> dict[str, np.ndarray]:
    """ECOD (Li et al. 2022, algorithm 1), and as PyOD has it, which takes the largest tail feature by feature."""
    left, right = np.empty(X.shape), np.empty(X.shape)
    for j, column in enumerate(X.T):
        ordered = np.sort(column)
        left[:, j] = -np.log(np.searchsorted(ordered, column, side="right") / len(X))
        right[:, j] = -np.log((len(X) - np.searchsorted(ordered, column, side="left")) / len(X))
    skewed_right = ((X - X.mean(axis=0)) ** 3).mean(axis=0) >= 0
    sums = [left.sum(axis=1), right.sum(axis=1), np.where(skewed_right, right, left).sum(axis=1)]
    return {
        "ECOD, algorithm 1": np.max(sums, axis=0),
        "ECOD, as in PyOD": np.maximum(left, right).sum(axis=1),
    }


def nearest_row(train: np.ndarray, rows: np.ndarray) -> np.ndarray:
    view = Standardise().fit(train)
    tree = KDTree(view.transform(train), balanced_tree=False)
    return tree.query(view.transform(rows))[0]


def leak(sets: dict, n_seeds: int) -> dict[str, np.ndarray]:
    """The nearest neighbour with and without resampling sets below 1000 rows to 1000 before the split.

    (n_sets, n_seeds) AUROC for both, and the share of test normals that are copies of a training row in the first.
    """
    out = {key: np.empty((len(sets), n_seeds)) for key in ("resampled", "clean", "copies")}
    for i, (X, y) in enumerate(sets.values()):
        for seed in range(n_seeds):
            random = np.random.default_rng(seed)
            for key in ("resampled", "clean"):
                repeat = key == "resampled" and len(X) < 1000
                rows = random.integers(0, len(X), 1000) if repeat else np.arange(len(X))
                normal = random.permutation(rows[y[rows] == 0])
                train, unseen = normal[: len(normal) // 2], normal[len(normal) // 2 :]
                test = np.concatenate([unseen, rows[y[rows] == 1]])
                out[key][i, seed] = figures(y[test], nearest_row(X[train], X[test]))[0]
                if key == "resampled":
                    out["copies"][i, seed] = 100 * np.isin(unseen, train).mean() if repeat else 0.0
    return out


def paired_interval(difference: np.ndarray, draws: int = 10_000) -> tuple[float, float]:
    """95 % interval of the mean of (n_sets, n_seeds) differences: sets drawn with replacement, then seeds in each."""
    random = np.random.default_rng(0)
    n_sets, n_seeds = difference.shape
    which = random.integers(0, n_sets, (draws, n_sets))
    seeds = random.integers(0, n_seeds, (draws, n_sets, n_seeds))
    means = difference[which[:, :, None], seeds].mean(axis=(1, 2))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def planted_causes(X: np.ndarray, y: np.ndarray, seed: int, n: int = 300) -> dict[str, tuple]:
    """Test normals with one wrong value: the training rows, the altered rows, and which feature was altered.

    A shift moves a random feature by 6 standard deviations. A broken correlation gives a feature the value of another test
    normal that lies more than 1 standard deviation away; it takes features of which the others explain at least
    half the variance (in a set without any, the two that are explained best).
    """
    train, test = strict_split(X, y, seed)
    view = Standardise().fit(X[train])
    varying = ~view.constant_
    z, rows = view.transform(X[train])[:, varying], view.transform(X[test[y[test] == 0]])[:, varying]
    random = np.random.default_rng(seed)
    correlation = np.corrcoef(z.T) + 1e-6 * np.eye(z.shape[1])
    explained = 1 - 1 / np.diag(np.linalg.inv(correlation))
    related = np.flatnonzero(explained >= 0.5)
    related = related if len(related) else np.argsort(-explained)[:2]

    shifted, moved = rows[random.integers(0, len(rows), n)], random.integers(0, z.shape[1], n)
    shifted[np.arange(n), moved] += random.choice([-6.0, 6.0], n)
    here, there = random.integers(0, len(rows), (2, 500 * n))
    swapped = random.choice(related, 500 * n)
    far = np.flatnonzero(np.abs(rows[there, swapped] - rows[here, swapped]) > 1)[:n]
    broken = rows[here[far]]
    broken[np.arange(len(far)), swapped[far]] = rows[there[far], swapped[far]]
    return {"shift": (z, shifted, moved), "broken": (z, broken, swapped[far])}


def named(contributions: np.ndarray, cause: np.ndarray, first: int) -> float:
    """Percent of rows whose cause is among the ``first`` features of the explanation."""
    return 100 * (np.argsort(-contributions, axis=1)[:, :first] == cause[:, None]).any(axis=1).mean()


def explanations(sets: dict) -> dict[str, np.ndarray]:
    """(n_sets, 3, 3) percent named: shift first, broken correlation first and first two; 3 seeds."""
    explainers = {
        "conditional residuals": ConditionalResidualExplainer,
        "Mahalanobis (Ledoit-Wolf)": MahalanobisDetector,
        "tail probabilities (ECDF)": ECDFDetector,
        TWO_VIEWS: lambda: TwoViewEnsemble(n_estimators=100, random_state=0),
    }
    table = {name: np.empty((len(sets), 3, 3)) for name in explainers}
    for i, (X, y) in enumerate(sets.values()):
        for seed in range(3):
            planted = planted_causes(X, y, seed, 300)
            for name, make in explainers.items():
                explainer = make().fit(planted["shift"][0])
                shift, broken = ((explainer.explain(rows), cause) for _, rows, cause in planted.values())
                table[name][i, seed] = named(*shift, 1), named(*broken, 1), named(*broken, 2)
    return table


def rows_of_results(sets, table, batch, leaked, named_causes) -> list[Result]:
    data = f"ADBench: {', '.join(sets)}"
    results = []
    for metric, unit in enumerate(("auroc", "auprc")):
        for name, values in table.items():
            mean = float(values[..., metric].mean())
            is_goal = name == TWO_VIEWS
            results.append(
                Result(
                    f"one-class {unit}, {name}",
                    mean,
                    "%",
                    peer=None if name == PEER else PEER,
                    peer_value=None if name == PEER else float(table[PEER][..., metric].mean()),
                    target=f">= {TARGETS[unit]}" if is_goal else None,
                    reached=mean >= TARGETS[unit] if is_goal else None,
                    data=data,
                )
            )
        for name, other in [(n, PEER) for n in table if n != PEER] + [(TWO_VIEWS, FOUR)]:
            difference = (table[name] - table[other])[..., metric]
            low, high = paired_interval(difference)
            is_goal = name == TWO_VIEWS and other == PEER
            results.append(
                Result(
                    f"one-class {unit}, {name} minus {other}",
                    float(difference.mean()),
                    "points",
                    low,
                    high,
                    target="lower bound > 0" if is_goal else None,
                    reached=low > 0 if is_goal else None,
                    data=data,
                )
            )
        for i, set_name in enumerate(sets):
            for name in (PEER, FOUR, TWO_VIEWS):
                value = float(table[name][i, :, metric].mean())
                results.append(Result(f"one-class {unit}, {name}", value, "%", data=set_name))
        results += [
            Result(f"unsupervised {unit}, {name}", float(values[..., metric].mean()), "%", data=data)
            for name, values in batch.items()
        ]
    small = [i for i, (X, _) in enumerate(sets.values()) if len(X) < 1000]
    for what, chosen in (("all sets", range(len(sets))), ("sets below 1000 rows", small)):
        if len(chosen):
            peer = float(leaked["clean"][chosen].mean())
            results.append(
                Result(
                    f"leak: nearest neighbour auroc, rows resampled to 1000 before the split, {what}",
                    float(leaked["resampled"][chosen].mean()),
                    "%",
                    peer="the same without resampling",
                    peer_value=peer,
                    data=data,
                )
            )
    if small:
        copies = float(leaked["copies"][small].mean())
        results.append(
            Result("leak: test normals that are copies of training rows", copies, "%", data="below 1000 rows")
        )
    goals = (
        ("6 sd shift, first", 95.0),
        ("broken correlation, first", None),
        ("broken correlation, first two", 85.0),
    )
    for name, values in named_causes.items():
        for k, (what, least) in enumerate(goals):
            value = float(values[..., k].mean())
            goal = least if name == "conditional residuals" else None
            results.append(
                Result(
                    f"planted cause named, {what}: {name}",
                    value,
                    "%",
                    target=f">= {goal}" if goal else None,
                    reached=value >= goal if goal else None,
                    data=data,
                )
            )
    return results


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="folder of the .npz files (default $MEDANOMALY_DATA/adbench)"
    )
    parser.add_argument(
        "--sets", default=",".join(SETS), help="file names without .npz, with or without the number in front"
    )
    parser.add_argument("--seeds", type=int, default=SEEDS, help="splits of each set")
    parser.add_argument("--json", type=Path, default=RESULTS / "tabular_oneclass.json")
    options = parser.parse_args(arguments or [])
    folder = options.data or Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "adbench"
    sets = {}
    for name in options.sets.split(","):
        files = [*folder.glob(f"{name}.npz"), *folder.glob(f"*_{name}.npz")]
        if not files:
            print(f"{name} is not in {folder}; set MEDANOMALY_DATA or give --data")
            return
        with np.load(files[0]) as file:
            sets[files[0].stem] = file["X"].astype(np.float32), file["y"].astype(int).ravel()
    started = time.perf_counter()
    protocols = (protocol(sets, options.seeds) for protocol in (one_class, unsupervised, leak))
    results = rows_of_results(sets, *protocols, explanations(sets))
    results.append(Result("time of this benchmark", time.perf_counter() - started, "s"))
    write("tabular_oneclass", results, command="make bench NAME=tabular_oneclass", path=options.json)


if __name__ == "__main__":
    main(sys.argv[1:])
