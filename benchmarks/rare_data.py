"""Do synthetic cases help with rare classes? Tables with and without them, and learning from one to five cases.

Six public sets, five random divisions each: three fifths of the rows are learned from, two fifths judge. Equal rows stay
in one part; no set has several rows of a patient. Generators learn from training rows alone. The model is the project's
gradient boosting, without calibration, because calibration would hide what is measured. Needs ``$MEDANOMALY_DATA``. Sections
and sets: ``python -m benchmarks.rare_data tables hcv``; sections measured alone keep the other rows of the file. With
``--keep=FOLDER`` what a set gave is kept there and not measured again.
"""

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

if not __package__:
    sys.path.insert(0, str(Path(__file__).parents[1]))

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.special import expit

from benchmarks.record import Result, write
from medanomaly.core.folds import stratified_folds
from medanomaly.evaluation.resampling.bootstrap import ResampledCases, bootstrap
from medanomaly.evaluation.resampling.intervals import percentile_interval
from medanomaly.evaluation.resampling.ranking import auroc
from medanomaly.tabular.risk.fitting.imbalance import Rebalanced, shift_prevalence
from medanomaly.tabular.risk.sklearn_trees import BoostingRisk
from medanomaly.tabular.synthesis.kinds import GENERATORS, generator
from medanomaly.tabular.synthesis.measures import nearness, propensity_error

COMMAND = "make bench NAME=rare_data"
SEEDS, RESAMPLES, MOST_ROWS = 5, 300, 2500
# measures of the rows themselves cost more than models do
FIDELITY_SEEDS = 2
NOTHING, SHIFT, WEIGHTS = "nothing", "threshold shift", "class weights"
SPOKEN = {
    "smote": "SMOTE",
    "copula": "Gaussian copula",
    "adversarial_forest": "adversarial forest",
    "diffusion": "diffusion",
    "conditional_gan": "conditional GAN",
}


def folder() -> Path:
    return Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw"))


def hcv() -> tuple[pd.DataFrame, np.ndarray]:
    table = pd.read_csv(folder() / "hcv" / "hcvdat0.csv", na_values=["NA"])
    label = table.pop("Category")
    kept = ~label.str.startswith("0s").to_numpy()
    return (
        table[kept].drop(columns="Unnamed: 0", errors="ignore"),
        label[kept].str.startswith("3").to_numpy(),
    )


def thyroid0387() -> tuple[pd.DataFrame, np.ndarray]:
    from benchmarks.diagnosis_tables import thyroid

    table, y, _ = thyroid(folder())
    return table, y == "A"


def eicu() -> tuple[pd.DataFrame, np.ndarray]:
    at = folder() / "eicu_demo" / "mortality24"
    hourly, stays, outcome = (pd.read_parquet(at / f"{name}.parquet") for name in ("dyn", "sta", "outc"))
    means = hourly.drop(columns="time").groupby("stay_id").mean()
    means = means.loc[:, means.notna().mean() >= 0.5]
    table = stays.merge(means, left_on="stay_id", right_index=True, how="left")
    table = table.merge(outcome[["stay_id", "label"]], on="stay_id")
    return table.drop(columns=["stay_id", "label"]), table["label"].to_numpy(dtype=bool)


def adbench(name: str) -> tuple[pd.DataFrame, np.ndarray]:
    with np.load(folder() / "adbench" / f"{name}.npz") as file:
        x, y = file["X"].astype(np.float64), file["y"].ravel().astype(bool)
    return pd.DataFrame(x, columns=[f"x{i + 1}" for i in range(x.shape[1])]), y


SETS: dict[str, tuple[Callable, str]] = {
    "hcv": (hcv, "cirrhosis"),
    "thyroid0387": (thyroid0387, "hyperthyroid (letter A)"),
    "eicu": (eicu, "died in intensive care"),
    "annthyroid": (lambda: adbench("2_annthyroid"), "anomaly"),
    "cardio": (lambda: adbench("6_cardio"), "anomaly"),
    "mammography": (lambda: adbench("23_mammography"), "anomaly"),
}


def read(name: str) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Features with ``case_id``, labels, and the group of equal rows of each row."""
    table, y = SETS[name][0]()
    table = table.reset_index(drop=True)
    rows = np.sort(np.random.default_rng(0).permutation(len(table))[:MOST_ROWS])
    table, y = table.iloc[rows].reset_index(drop=True), np.asarray(y)[rows].astype(int)
    group = table.groupby(list(table.columns), dropna=False, sort=False).ngroup().to_numpy()
    table.insert(0, "case_id", [str(i) for i in range(len(table))])
    return table, y, group


def boosting() -> BoostingRisk:
    # leaves of 40 cases would be too large for a class of 20
    return BoostingRisk(max_iter=60, learning_rate=0.1, min_samples_leaf=10)


def answers(features, y, train, test, fitted: dict) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Per way: (n,) probabilities, the same corrected for the prevalence, and the decision."""
    prevalence, learned, labels = y[train].mean(), features[train], y[train]
    plain = boosting().fit(learned, labels).predict_proba(features[test])
    out = {
        NOTHING: (plain, plain, plain >= 0.5),
        # the same probabilities; a case is flagged where it is likelier than usual
        SHIFT: (plain, plain, plain >= prevalence),
    }
    weighted = Rebalanced(boosting(), "class_weight", correct=False).fit(learned, labels)
    logits = {WEIGHTS: weighted.predict_logit(features[test])}
    for name, of in fitted.items():
        # as Rebalanced does, with a generator that is fitted once for all that is measured of it
        made = of.sample(int((labels == 0).sum() - labels.sum()), 1).drop(columns="synthetic")
        more = pd.concat([learned, made], ignore_index=True)
        model = boosting().fit(more, np.r_[labels, np.ones(len(made), dtype=int)])
        logits[name] = model.predict_logit(features[test])
    for name, logit in logits.items():
        out[name] = expit(logit), expit(shift_prevalence(logit, 0.5, prevalence)), logit >= 0
    return out


def broken(train: pd.DataFrame, y: np.ndarray, made: pd.DataFrame, label: int) -> int:
    """Synthetic rows of a class that leave its ranges, an order of two numbers, or its patterns of missing values."""
    own, names = train[y == label], [c for c in train if pd.api.types.is_numeric_dtype(train[c])]
    wrong = pd.Series(False, index=made.index)
    for a in names:
        wrong |= (made[a] < own[a].min()) | (made[a] > own[a].max())
        for b in names:
            if a != b and not (train[a] > train[b]).any():
                wrong |= (made[a] > made[b]) & ((train[a] <= train[b]).any())
    seen = set(map(tuple, own.isna().to_numpy()))
    wrong |= np.array([tuple(row) not in seen for row in made[own.columns].isna().to_numpy()], dtype=bool)
    return int(wrong.sum())


def rows_of(features, y, train, test, fitted, seed: int) -> dict[str, float]:
    """Fidelity and privacy of a table of as many rows as were learned from, in the same classes."""
    parts = {label: fitted.sample(int((y[train] == label).sum()), label, seed) for label in (0, 1)}
    made = pd.concat(parts.values(), ignore_index=True)
    learned, held_out = features[train], features[test]
    rare = nearness(learned[y[train] == 1], held_out[y[test] == 1], parts[1], seed)
    near = nearness(learned, held_out, made, seed)
    n = min(len(held_out), len(made))
    some = made.iloc[np.random.default_rng(seed).permutation(len(made))[:n]]
    return {
        "pMSE": propensity_error(held_out.iloc[:n], some, seed=seed),
        "nearest-neighbour accuracy": near.accuracy,
        "distance ratio": near.distance_ratio,
        "membership AUROC": near.membership,
        "membership AUROC of rare rows": rare.membership,
        "exact copies": near.copies,
        "rows that break the contract": sum(
            broken(learned, y[train], part, label) for label, part in parts.items()
        ),
    }


def kept(name: str) -> tuple[list[Result], np.ndarray, list[str], dict]:
    """:func:`one_set`, or what it gave before where ``--keep`` names a folder."""
    folder = next((Path(a.removeprefix("--keep=")) for a in sys.argv if a.startswith("--keep=")), None)
    if folder is None:
        return one_set(name)
    path = folder / f"{name}.json"
    if not path.is_file():
        rows, gain, ways, measures = one_set(name)
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([[asdict(r) for r in rows], gain.tolist(), ways, measures]))
    rows, gain, ways, measures = json.loads(path.read_text())
    return [Result(**row) for row in rows], np.array(gain), ways, measures


def one_set(name: str) -> tuple[list[Result], np.ndarray, list[str], dict]:
    """Rows of a set; draws of the difference in AUPRC from doing nothing (1 + resamples, ways); measures of the rows."""
    features, y, group = read(name)
    data = f"{len(y):,} rows, {int(y.sum())} of the rare class ({SETS[name][1]}), {SEEDS} divisions"
    drawn: dict[str, list[np.ndarray]] = {"auprc": [], "ece": [], "corrected": [], "balanced": []}
    measures: dict[str, list[dict]] = {g: [] for g in GENERATORS}
    for seed in range(SEEDS):
        test = stratified_folds(group, y, 5, seed) < 2
        train = ~test
        fitted = {g: generator(g, seed).fit(features[train], y[train]) for g in GENERATORS}
        found = answers(features, y, train, test, fitted)
        ways = list(found)
        p, corrected, flagged = (np.column_stack([found[w][i] for w in ways]) for i in range(3))
        positive = y[test] == 1
        sums = [
            bootstrap(ResampledCases(group[test], positive, p, flagged, values), RESAMPLES, seed)
            for values in (p, corrected)
        ]
        drawn["auprc"].append(sums[0].metric("auprc"))
        drawn["ece"].append(sums[0].metric("ece"))
        drawn["corrected"].append(sums[1].metric("ece"))
        specificity = 1 - sums[0].fp / sums[0].n
        drawn["balanced"].append((sums[0].metric("sensitivity") + specificity) / 2)
        if seed < FIDELITY_SEEDS:
            for g in GENERATORS:
                measures[g].append(rows_of(features, y, train, test, fitted[g], seed))
        print(f"{name}, division {seed}: {time.process_time():.0f} s", flush=True)
    # seeds are drawn too: how a set is divided matters as much as who is in it
    pick = np.random.default_rng(0).integers(SEEDS, size=(RESAMPLES, SEEDS))
    mean = {}
    for key, of_seeds in drawn.items():
        stack = np.stack(of_seeds)
        resampled = np.stack([stack[pick[b], b + 1].mean(axis=0) for b in range(RESAMPLES)])
        mean[key] = np.vstack([stack[:, 0].mean(axis=0), resampled])
    out = []

    def add(way: str, what: str, values: np.ndarray) -> None:
        low, high = percentile_interval(values[1:])
        label = f"{name}, {SPOKEN.get(way, way)}{what}"
        out.append(Result(label, float(values[0]), "", low, high, data=data))

    for j, way in enumerate(ways):
        add(way, ": AUPRC", mean["auprc"][:, j])
        if way != NOTHING:
            add(way, " minus nothing: AUPRC", mean["auprc"][:, j] - mean["auprc"][:, 0])
        add(way, ": ECE", mean["ece"][:, j])
        add(way, ": ECE, corrected", mean["corrected"][:, j])
        add(way, ": balanced accuracy", mean["balanced"][:, j])
    for g, found in measures.items():
        for what in found[0]:
            values = np.array([one[what] for one in found])
            value = float(
                values.sum() if what in ("exact copies", "rows that break the contract") else values.mean()
            )
            out.append(Result(f"{name}, rows of {SPOKEN[g]}: {what}", value, "", data=data))
    return out, mean["auprc"] - mean["auprc"][:, :1], ways, measures


# what is asked of the mean over the sets
ASKED = {
    "exact copies": ("0", lambda v: v == 0),
    "rows that break the contract": ("0", lambda v: v == 0),
    "distance ratio": ("0.95 to 1.05", lambda v: 0.95 <= v <= 1.05),
    "membership AUROC": ("<= 0.55", lambda v: v <= 0.55),
}


def tables(names: list[str]) -> list[Result]:
    """Every set, and the means over the sets where all of them were measured."""
    out, gains, ways, of_rows = [], [], [], {g: [] for g in GENERATORS}
    for name in names:
        rows, gain, ways, measures = kept(name)
        write("rare_data", rows, COMMAND, keep=True)
        out += rows
        gains.append(gain)
        for g, found in measures.items():
            of_rows[g] += found
    if set(names) != set(SETS):
        return out
    data = f"{len(SETS)} sets, {SEEDS} divisions each"
    gain = np.mean(gains, axis=0)
    for j, way in enumerate(ways):
        if way != NOTHING:
            low, high = percentile_interval(gain[1:, j])
            label = f"all sets, {SPOKEN.get(way, way)} minus nothing: AUPRC"
            out.append(Result(label, float(gain[0, j]), "", low, high, data=data))
    means = {}
    for g, found in of_rows.items():
        for what in found[0]:
            values = np.array([one[what] for one in found])
            count = what in ("exact copies", "rows that break the contract")
            means[g, what] = float(values.sum() if count else np.nanmean(values))
            target, holds = ASKED.get(what, (None, None))
            out.append(
                Result(f"all sets, rows of {SPOKEN[g]}: {what}", means[g, what], "", target=target,
                       reached=bool(holds(means[g, what])) if holds else None,
                       data=f"{len(SETS)} sets, {FIDELITY_SEEDS} divisions each")
            )  # fmt: skip
    for what, better in (
        ("pMSE", "pMSE"),
        ("nearest-neighbour accuracy", "distance of the accuracy from .5"),
    ):
        off = {g: means[g, what] if what == "pMSE" else abs(means[g, what] - 0.5) for g in GENERATORS}
        other = min(off["copula"], off["conditional_gan"])
        out.append(
            Result(f"all sets, adversarial forest: {better}", off["adversarial_forest"], "",
                   peer="best of copula and GAN", peer_value=other,
                   target="below copula and GAN", reached=bool(off["adversarial_forest"] < other), data=data)
        )  # fmt: skip
    return out


def speed(_: list[str]) -> list[Result]:
    """Learn from 10,000 rows of 20 columns, two of them categories, and draw as many; processor time."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(10_000, 18)) @ rng.normal(size=(18, 18))
    table = pd.DataFrame(x, columns=[f"x{i}" for i in range(18)]).round(2)
    table["a"], table["b"] = rng.choice(list("pqr"), 10_000), rng.choice(list("st"), 10_000)
    # what is imported is no part of it
    generator("diffusion", training_steps=1).fit(table[:50])
    out = []
    limits = {"adversarial_forest": 60, "copula": 5}
    for name in GENERATORS:
        began = time.process_time()
        generator(name).fit(table).sample(10_000)
        took = time.process_time() - began
        limit = limits.get(name)
        out.append(
            Result(f"{SPOKEN[name]}: learn from 10,000 rows of 20 columns and draw as many", took, "s",
                   target=f"<= {limit} s" if limit else None, reached=took <= limit if limit else None)
        )  # fmt: skip
        print(out[-1], flush=True)
    return out


def paired(name: str, transferred: np.ndarray, alone: np.ndarray, data: str) -> list[Result]:
    """Both, and the difference with an interval over the draws of the cases."""
    rng = np.random.default_rng(0)
    difference = transferred - alone
    low, high = percentile_interval(
        difference[rng.integers(len(difference), size=(2000, len(difference)))].mean(axis=1)
    )
    return [
        Result(
            f"{name}: AUROC of what was learned before, adapted", float(transferred.mean()), "", data=data
        ),
        Result(f"{name}: AUROC of the few alone", float(alone.mean()), "", data=data),
        Result(f"{name}: adapted minus alone, AUROC", float(difference.mean()), "", low, high, data=data),
    ]


def few_rows(_: list[str]) -> list[Result]:
    """The table detector: a forest of many unlabelled rows, re-weighted by 1 to 5 anomalies, against these alone."""
    from sklearn.linear_model import LogisticRegression

    from medanomaly.detectors.feedback import ReviewedForest
    from medanomaly.detectors.kinds.isolation_forest import IsolationForest

    out = []
    for name in ("annthyroid", "cardio", "mammography"):
        features, y, group = read(name)
        x = features.drop(columns="case_id").to_numpy(dtype=np.float32)
        before, alone = {k: [] for k in (1, 3, 5)}, {k: [] for k in (1, 3, 5)}
        for seed in range(10):
            rng = np.random.default_rng(seed)
            test = stratified_folds(group, y, 5, seed) < 2
            train = np.flatnonzero(~test)
            forest = IsolationForest(n_estimators=100, random_state=seed).fit(x[train])
            mean, sd = x[train].mean(axis=0), x[train].std(axis=0) + 1e-9
            ill, well = rng.permutation(train[y[train] == 1]), rng.permutation(train[y[train] == 0])
            for k in (1, 3, 5):
                known = np.r_[ill[:k], well[:k]]
                learned = ReviewedForest(forest)
                learned.review(learned.leaves(x[known]), y[known] == 1)
                before[k].append(auroc(learned.score(learned.leaves(x[test])), y[test] == 1))
                few = LogisticRegression().fit((x[known] - mean) / sd, y[known])
                alone[k].append(auroc(few.decision_function((x[test] - mean) / sd), y[test] == 1))
        for k, adapted in before.items():
            data = f"{name}, {k} anomalies and {k} normal rows, 10 draws"
            out += paired(
                f"few cases, table {name}, {k} of each class", np.array(adapted), np.array(alone[k]), data
            )
    return out


def few_images(_: list[str]) -> list[Result]:
    """Images: what many unlabelled images taught, directions or a network, against pixels, with 1 to 5 labelled images."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression

    with np.load(folder() / "medmnist" / "pneumoniamnist.npz") as file:
        x, y = file["train_images"].reshape(-1, 784) / 255.0, file["train_labels"].ravel()
        x_test, y_test = file["test_images"].reshape(-1, 784) / 255.0, file["test_labels"].ravel()
    unlabelled = PCA(32, random_state=0).fit(x[:2000])
    spread = np.sqrt(unlabelled.explained_variance_)
    parts, parts_test = unlabelled.transform(x), unlabelled.transform(x_test)
    views = {
        "pixels": (x, x_test),
        "components": (parts, parts_test),
        "components of equal spread": (parts / spread, parts_test / spread),
        **_embeddings(x[:2000], x, x_test),
    }
    out = []
    for k in (1, 3, 5):
        found = {view: [] for view in views}
        for seed in range(20):
            rng = np.random.default_rng(seed)
            # none of the images that the directions come from
            known = np.r_[tuple(2000 + rng.permutation(np.flatnonzero(y[2000:] == c))[:k] for c in (0, 1))]
            for view, (a, b) in views.items():
                few = LogisticRegression(max_iter=500).fit(a[known], y[known])
                found[view].append(auroc(few.decision_function(b), y_test == 1))
        data = f"pneumoniamnist, {k} images per class, 20 draws; learned before from 2,000 unlabelled images"
        alone = np.array(found.pop("pixels"))
        for view, values in found.items():
            out += paired(f"few cases, images, {view}, {k} of each class", np.array(values), alone, data)
    return out


def _embeddings(unlabelled: np.ndarray, *parts: np.ndarray) -> dict[str, tuple[np.ndarray, ...]]:
    """Codes and pooled maps of a Reversed Autoencoder of unlabelled images, each of spread one among these.

    Args:
        unlabelled: (n, 784) that the network learns from; settings are those of ``imaging_networks``, fixed before.
        parts: (m, 784) images that are embedded.
    """
    import torch

    from medanomaly.imaging.networks.detector import NetworkDetector, as_batch, in_parts
    from medanomaly.imaging.networks.reversed_autoencoder.params import ReversedAutoencoderParams
    from medanomaly.training.params import TrainingParams

    def framed(images: np.ndarray) -> np.ndarray:
        # a side that can be halved four times
        return np.pad(images.reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2))).astype(np.float32)

    params = ReversedAutoencoderParams(widths=(8, 16, 32, 64), warm_up_epochs=20, introspective_rate=0.2)
    training = TrainingParams(
        max_epochs=36, batch_size=32, learning_rate=1e-3, patience=0, channels_last=True
    )
    head = NetworkDetector(params, training, seed=0).fit(framed(unlabelled)).head_

    def embedded(images: np.ndarray) -> dict[str, np.ndarray]:
        def both(batch: torch.Tensor) -> torch.Tensor:
            codes, _, maps = head.network.encoder(head.contrast(batch))
            return torch.cat([codes, *(of.mean(dim=(2, 3)) for of in maps)], dim=1)

        values = in_parts(both, as_batch(framed(images))).double().numpy()
        return {
            "codes of a network": values[:, : params.latent],
            "pooled maps of a network": values[:, params.latent :],
        }

    known, found = embedded(unlabelled), [embedded(part) for part in parts]
    return {name: tuple(of[name] / values.std(axis=0) for of in found) for name, values in known.items()}


def few_diseases(_: list[str]) -> list[Result]:
    """The ranker: knowledge with the few published cases of a disease, with drawn ones too, and the cases alone."""
    from benchmarks.diagnosis import NEW, PLAIN
    from benchmarks.diagnosis import data as cases_of
    from medanomaly.diagnosis.drawn_cases import drawn_cases
    from medanomaly.diagnosis.evaluation import publication_folds, publications, training_cases, true_ranks
    from medanomaly.diagnosis.patients import together
    from medanomaly.diagnosis.ranking.ranker import Ranker
    from medanomaly.evaluation.ranked_answers import paired_gain, rank_of

    release, tag = NEW
    knowledge, patients = cases_of(release, tag)
    fold = next(publication_folds(knowledge, patients))
    n = training_cases(fold.train, fold.test)
    test = fold.test.select(fold.test.cases["case_id"].to_numpy()[(n >= 1) & (n <= 5)])
    wanted = sorted(test.cases["disease"].astype(str).unique())
    few = fold.train.select(fold.train.cases.loc[fold.train.cases["disease"].isin(wanted), "case_id"])
    # of some diseases nothing is left once what cites the test publications is left out
    known = set(fold.knowledge.annotations.symptoms.query("~excluded")["disease"].astype(str))
    drawn = drawn_cases(fold.knowledge, [d for d in wanted if d in known], 5, seed=0)
    bare = fold.knowledge.annotations
    none = type(fold.knowledge)(**(vars(fold.knowledge) | {"annotations": _without_symptoms(bare)}))
    ranks, among = {}, {}
    for what, know, cases in (
        ("knowledge alone", fold.knowledge, None),
        ("knowledge and the few cases", fold.knowledge, few),
        ("knowledge, the few cases and drawn ones", fold.knowledge, together([few, drawn])),
        ("the few cases alone", none, few),
    ):
        ranker = Ranker.of(know, PLAIN, cases)
        ranks[what] = true_ranks(ranker, test)
        # cases alone know no other disease: only among the same candidates can the two be compared
        columns = np.array([ranker.columns.get(disease, -1) for disease in wanted])
        own = [wanted.index(disease) for disease in test.cases["disease"]]
        scores = [np.where(columns < 0, -np.inf, ranker.scores(case)[columns]) for case in ranker.code(test)]
        among[what] = np.array(
            [rank_of(of, k) if np.isfinite(of[k]) else np.inf for of, k in zip(scores, own, strict=True)]
        )
        print(what, float(np.mean(among[what] <= 1)), f"{time.process_time():.0f} s", flush=True)
    del ranks["the few cases alone"]
    data = f"{tag}, HPO {release}, first of five folds of publications, {len(test)} cases"
    groups, base = publications(test), "knowledge and the few cases"
    out = []
    for said, found in (("", ranks), (f" among {len(wanted)} diseases", among)):
        for what, of in found.items():
            for top in (1, 10):
                label = f"few cases, diseases, {what}{said}: top-{top}"
                out.append(Result(label, float(np.mean(of <= top)), "", data=data))
        for what in [w for w in found if w != base]:
            gain = paired_gain(found[what], found[base], groups, top=(10,)).iloc[0]
            label = f"few cases, diseases, {what} minus {base}{said}: top-10"
            out.append(Result(label, gain["value"], "", gain["ci_low"], gain["ci_high"], data=data))
    return out


def _without_symptoms(annotations):
    return replace(annotations, symptoms=annotations.symptoms.iloc[:0], course=annotations.course.iloc[:0])


SECTIONS = {
    "few_rows": few_rows,
    "few_images": few_images,
    "speed": speed,
    "few_diseases": few_diseases,
    "tables": tables,
}


def main() -> None:
    warnings.simplefilter("ignore")
    asked = [a for a in sys.argv[1:] if a in SECTIONS] or list(SECTIONS)
    names = [a for a in sys.argv[1:] if a in SETS] or list(SETS)
    for name in asked:
        write("rare_data", SECTIONS[name](names), COMMAND, keep=True)


if __name__ == "__main__":
    main()
