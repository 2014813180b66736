"""Which model tells the diagnoses of a table apart best, rare ones among them?

thyroid0387: 9,172 records of 1984 to 1987, 32 combinations of comments down to one record. dermatology: 366 patients, 6
diseases, with family history. Five stratified folds; equal records share one. In every fold the peer, a gradient boosting,
is tuned on an inner split, and so is how far decisions favour rare classes. Differences are paired, with intervals that
resample groups of equal records. A class with fewer than five cases can hardly be learned and counts with an F1 of about 0.
"""

import argparse
import os
import sys
import time
import warnings
from pathlib import Path

if not __package__:
    # run as a file: the folder above holds the package of the benchmarks
    sys.path.insert(0, str(Path(__file__).parents[1]))

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from imblearn import over_sampling
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.record import Result, write
from medanomaly.evaluation.class_metrics import f1_by_class
from medanomaly.evaluation.probability_calibration import expected_calibration_error
from medanomaly.evaluation.resampling.draws import patient_weights
from medanomaly.evaluation.resampling.intervals import percentile_interval
from medanomaly.tabular.classes.bayes import BayesianClasses
from medanomaly.tabular.classes.class_model import ClassModel
from medanomaly.tabular.classes.decisions import RARE
from medanomaly.tabular.classes.mean_of_models import in_order_of
from medanomaly.tabular.classes.prototypes import PrototypeClasses
from medanomaly.tabular.classes.rare_classes import (
    adjusted_decision,
    backed_off,
    choose_strength,
    pooled,
)
from medanomaly.tabular.classes.trees import ForestClasses, HistBoostingClasses, LightGBMClasses

FOLDS = 5
COMMAND = "make bench NAME=diagnosis_tables"
PEER = "tuned gradient boosting"
BOOST, LIGHT, FOREST = "HistGradientBoosting", "LightGBM", "random forest"
BAYES, PROTO = "naive Bayes", "prototypical network"
POOL = "mean of two boostings and forest"
ADJUSTED = "adjusted decision"
LEADING = f"{POOL}, {ADJUSTED}"
DECIDED = "decision of "
GRID: dict[str, ClassModel] = {
    BOOST: HistBoostingClasses(),
    f"{BOOST}, 15 leaves": HistBoostingClasses(learning_rate=0.06, max_leaf_nodes=15, min_samples_leaf=2),
    LIGHT: LightGBMClasses(),
    f"{LIGHT}, 15 leaves": LightGBMClasses(
        n_estimators=150,
        learning_rate=0.05,
        num_leaves=15,
        min_child_samples=2,
        colsample_bytree=0.8,
        reg_lambda=3.0,
    ),
}
THYROID = (
    "age sex on_thyroxine query_on_thyroxine on_antithyroid_medication sick pregnant thyroid_surgery I131_treatment "
    "query_hypothyroid query_hyperthyroid lithium goitre tumor hypopituitary psych TSH_measured TSH T3_measured T3 "
    "TT4_measured TT4 T4U_measured T4U FTI_measured FTI TBG_measured TBG referral_source diagnosis"
)
# of thyroid0387.names
GROUPS = {
    letter: group
    for letters, group in (
        ("ABCD", "hyperthyroid"), ("EFGH", "hypothyroid"), ("IJ", "binding protein"), ("K", "general health"),
        ("LMN", "replacement therapy"), ("OPQ", "antithyroid treatment"), ("RST", "miscellaneous"),
    )
    for letter in letters
}  # fmt: skip


def resampled(
    features: pd.DataFrame, y: np.ndarray, how: str, up_to: float, seed: int
) -> tuple[pd.DataFrame, np.ndarray]:
    """Cases with synthetic ones of rare classes, by SMOTE or SMOTE-N; missing numbers are filled with medians."""
    matrix = features.drop(columns="case_id").reset_index(drop=True)
    numbers = [name for name in matrix if pd.api.types.is_numeric_dtype(matrix[name])]
    for name in matrix:
        if name in numbers:
            known = matrix[name].astype(np.float64)
            matrix[name] = known.fillna(known.median() if known.notna().any() else 0.0)
        else:
            matrix[name] = matrix[name].astype("string").fillna("missing").astype(object)
    classes, counts = np.unique(np.asarray(y).astype(str), return_counts=True)
    wanted = int(up_to * counts.max())
    more = {str(c): wanted for c, n in zip(classes, counts, strict=True) if 2 <= n < wanted}
    made, made_y = matrix, np.asarray(y).astype(str)
    if more:
        fewest = min(n for c, n in zip(classes, counts, strict=True) if c in more)
        options = {"sampling_strategy": more, "k_neighbors": int(min(5, fewest - 1)), "random_state": seed}
        categories = [matrix.columns.get_loc(name) for name in matrix if name not in numbers]
        if how == "smoten":
            sampler = over_sampling.SMOTEN(**options)
        elif categories:
            sampler = over_sampling.SMOTENC(categorical_features=categories, **options)
        else:
            sampler = over_sampling.SMOTE(**options)
        made, made_y = sampler.fit_resample(matrix, made_y)
    made = pd.DataFrame(made, columns=matrix.columns).astype(dict.fromkeys(numbers, np.float64))
    new = [f"synthetic-{i + 1}" for i in range(len(made) - len(matrix))]
    made.insert(0, "case_id", [*features["case_id"].astype(str), *new])
    return made, np.asarray(made_y, dtype=object)


def thyroid(folder: Path) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """Features, classes, and the group of each class in sorted order: the groups of all its letters."""
    path = folder / "thyroid0387" / "thyroid0387.data"
    table = pd.read_csv(path, sep="[\\t,]", engine="python", header=None, names=THYROID.split(), na_values=["?"],
                        keep_default_na=False)  # fmt: skip
    table["age"] = table["age"].where(table["age"] <= 120)
    # a flag "X measured" says no more than whether X is missing
    table = table.drop(columns=[name for name in table if name.endswith("_measured")])
    y = table.pop("diagnosis").str.partition("[")[0].to_numpy(dtype=object)
    groups = [
        "+".join(sorted({GROUPS.get(letter, "none") for letter in c if letter != "|"})) for c in np.unique(y)
    ]
    return table, y, groups


def dermatology(folder: Path) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """Features, classes by their names, and no groups."""
    names = ("psoriasis", "seborrhoeic dermatitis", "lichen planus", "pityriasis rosea", "chronic dermatitis",
             "pityriasis rubra pilaris")  # fmt: skip
    table = pd.read_csv(folder / "dermatology" / "dermatology.data", na_values=["?"])
    y = np.array(names, dtype=object)[table.pop("Classification").to_numpy(dtype=int) - 1]
    return table, y, sorted(names)


def splits(y: np.ndarray, group: np.ndarray, n: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    with warnings.catch_warnings():
        # classes with fewer cases than folds are there on purpose
        warnings.simplefilter("ignore", UserWarning)
        return list(
            StratifiedGroupKFold(n, shuffle=True, random_state=seed).split(np.zeros(len(y)), y, group)
        )


def answers_of_fold(features, y, classes, group, groups, train, test, up_to, seed) -> dict[str, np.ndarray]:
    """Per model the (n, k) probabilities of the test cases, and under "decision of <model>" what is decided."""
    codes = np.searchsorted(classes, y.astype(str))
    inner, held = (train[part] for part in splits(y[train], group[train], 4, seed)[0])
    on_held = {
        name: in_order_of(
            type(model)(**model.get_params()).fit(features.iloc[inner], y[inner]),
            features.iloc[held],
            classes,
        )
        for name, model in (GRID | {FOREST: ForestClasses()}).items()
    }
    inner_counts = np.bincount(codes[inner], minlength=len(classes))

    def macro(probability: np.ndarray) -> float:
        decided, known = probability.argmax(axis=1), codes[held]
        return f1_score(known, decided, average="macro", labels=np.unique(known), zero_division=0)

    best = max(GRID, key=lambda name: macro(on_held[name]))
    strength = {
        name: choose_strength(probability, codes[held], inner_counts)
        for name, probability in (
            (PEER, on_held[best]),
            (POOL, pooled([on_held[n] for n in (BOOST, LIGHT, FOREST)])),
        )
    }
    counts = np.bincount(codes[train], minlength=len(classes))
    models = {name: GRID[name] for name in dict.fromkeys((BOOST, LIGHT, best))}
    models |= {FOREST: ForestClasses(), BAYES: BayesianClasses(), PROTO: PrototypeClasses()}
    out = {
        name: in_order_of(model.fit(features.iloc[train], y[train]), features.iloc[test], classes)
        for name, model in models.items()
    }
    out[PEER] = out[best]
    out = {name: p for name, p in out.items() if name not in GRID or name in (BOOST, LIGHT)}
    out[POOL] = pooled([out[name] for name in (BOOST, LIGHT, FOREST)])
    numbers_only = all(pd.api.types.is_numeric_dtype(features[c]) for c in features.columns.drop("case_id"))
    for how in ("smote", "smoten") if numbers_only else ("smote",):
        more, more_y = resampled(features.iloc[train], y[train], how, up_to, seed)
        out[f"{BOOST} with {how.upper()}"] = in_order_of(
            HistBoostingClasses().fit(more, more_y), features.iloc[test], classes
        )
    if len(set(groups)) < len(classes):
        out[f"{POOL}, backed off to groups"] = backed_off(out[POOL], counts, groups)
    decided = {f"{DECIDED}{name}": probability.argmax(axis=1) for name, probability in out.items()}
    for name, chosen in strength.items():
        out[f"{name}, {ADJUSTED}"] = out[name]
        decided[f"{DECIDED}{name}, {ADJUSTED}"] = adjusted_decision(out[name], counts, chosen)
    low, high = models[BAYES].probability_interval(features.iloc[test], draws=60)
    return (
        out
        | decided
        | {"bayes low": low, "bayes high": high, "bayes classes": models[BAYES].classes_.astype(str)}
    )


def results_of(name: str, classes, y, group, n_resamples: int, tables: dict) -> list[Result]:
    codes, counts = (
        np.searchsorted(classes, y.astype(str)),
        np.bincount(np.searchsorted(classes, y.astype(str))),
    )
    rare = counts < RARE
    drawn = patient_weights(0, range(1, n_resamples + 1), np.ones(group.max() + 1))[:, group].astype(
        np.float32
    )
    weights = np.vstack([np.ones((1, len(y)), dtype=np.float32), drawn])
    models = [key.removeprefix(DECIDED) for key in tables if key.startswith(DECIDED)]
    f1 = {model: f1_by_class(codes, tables[DECIDED + model], len(classes), weights) for model in models}
    data = f"{name}, {len(y):,} records in {FOLDS} folds, {len(classes)} classes" + (
        f", {int(rare.sum())} of them with fewer than {RARE} records" if rare.any() else ""
    )
    parts = {"": np.ones(len(classes), dtype=bool)}
    if 0 < rare.sum() < len(classes):
        parts |= {f", {RARE} records or more": ~rare, f", fewer than {RARE} records": rare}
        if (counts < 5).any():
            parts[f", 5 to {RARE - 1} records"] = rare & (counts >= 5)
    out = []

    def add(what: str, value: float, unit: str, **more: object) -> None:
        out.append(Result(f"{name}, {what}", float(value), unit, data=data, **more))

    # a small inner split can choose worse options than none, so the boosting that was not tuned is compared with, too
    pairs = [*((model, PEER) for model in models if model != PEER), (LEADING, BOOST)]
    for part, chosen in parts.items():
        macro = {model: np.nanmean(f1[model][:, chosen], axis=1) for model in models}
        for model in models:
            against = {} if model == PEER else {"peer": PEER, "peer_value": float(macro[PEER][0])}
            add(f"{model}: macro-F1{part}", macro[model][0], "F1", **against)
        for model, other in pairs:
            difference = macro[model] - macro[other]
            low, high = percentile_interval(difference[1:])
            judged = (model, other, part) == (LEADING, PEER, "")
            goal = {"target": "interval above 0", "reached": bool(low > 0)} if judged else {}
            add(
                f"{model} - {other}: macro-F1{part}",
                difference[0],
                "difference",
                ci_low=low,
                ci_high=high,
                **goal,
            )
    for model in models:
        probability, decided = tables[model], tables[DECIDED + model]
        right = decided == codes
        add(f"{model}: accuracy", right.mean(), "share")
        # of the class that is decided for, also where it is not the most probable one
        add(
            f"{model}: ece", expected_calibration_error(probability[np.arange(len(y)), decided], right), "ece"
        )
        if rare.any() and not model.endswith(ADJUSTED):
            said = np.minimum(probability[:, rare].sum(axis=1), 1.0)
            add(
                f"{model}: ece, fewer than {RARE} records",
                expected_calibration_error(said, rare[codes]),
                "ece",
            )
            add(
                f"{model}: probability of rare classes", said.mean() / rare[codes].mean(), "times their share"
            )
    for part, chosen in (("frequent", ~rare), ("rare", rare)):
        inside = chosen[tables[BAYES].argmax(axis=1)]
        if inside.any():
            add(
                f"{BAYES}: width of the 90 % interval, {part} classes",
                tables["bayes width"][inside].mean(),
                "probability",
            )
    for position in np.argsort(-counts, kind="stable"):
        add(
            f"class {classes[position]} ({counts[position]:,} records): F1 of the {LEADING}",
            f1[LEADING][0, position],
            "F1",
            peer=PEER,
            peer_value=float(f1[PEER][0, position]),
        )
    return out


def gathered(folds, answers: list[dict[str, np.ndarray]], classes: np.ndarray) -> dict[str, np.ndarray]:
    """Answers of all folds in the order of the table, and the width of the Bayesian interval of the most probable class."""
    n = sum(len(test) for _, test in folds)
    names = [name for name in answers[0] if not name.startswith("bayes ")]
    out = {name: np.empty((n, *answers[0][name].shape[1:]), dtype=answers[0][name].dtype) for name in names}
    out["bayes width"] = np.empty(n)
    for (_, test), answer in zip(folds, answers, strict=True):
        for name in names:
            out[name][test] = answer[name]
        column = np.searchsorted(answer["bayes classes"], classes[answer[BAYES].argmax(axis=1)])
        rows = np.arange(len(test))
        out["bayes width"][test] = answer["bayes high"][rows, column] - answer["bayes low"][rows, column]
    return out


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--keep", type=Path, help="folder for the answers of each fold: a run that ended early goes on there"
    )
    parser.add_argument("--seed", type=int, default=0, help="of folds and models")
    parser.add_argument("--resamples", type=int, default=1000)
    given = parser.parse_args(arguments or [])
    folder = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw"))
    results = []
    for name, load in (("dermatology", dermatology), ("thyroid0387", thyroid)):
        # share of the most frequent class that SMOTE brings every class to; 6,771 cases of each of 32 would take hours
        up_to = {"dermatology": 1.0, "thyroid0387": 0.1}[name]
        if not (folder / name).is_dir():
            print(f"{folder / name} is not there: set MEDANOMALY_DATA (UCI {name})")
            continue
        began = time.process_time()
        features, y, groups = load(folder)
        group = features.groupby(list(features.columns), dropna=False, sort=False).ngroup().to_numpy()
        features.insert(0, "case_id", [str(i) for i in range(len(features))])
        classes = np.unique(y.astype(str))
        folds, answers = splits(y, group, FOLDS, given.seed), []
        for number, (train, test) in enumerate(folds):
            kept = given.keep / f"{name}-{given.seed}-{number}.npz" if given.keep else None
            if kept is not None and kept.exists():
                with np.load(kept) as arrays:
                    answers.append(dict(arrays))
                continue
            answers.append(
                answers_of_fold(features, y, classes, group, groups, train, test, up_to, given.seed)
            )
            print(
                f"{name}: fold {number + 1} of {FOLDS}, {time.process_time() - began:.0f} s of processor time",
                flush=True,
            )
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                np.savez(kept, **answers[-1])
        tables = gathered(folds, answers, classes)
        results += results_of(name, classes, y, group, given.resamples, tables)
    if results:
        write("diagnosis_tables", results, command=COMMAND)


if __name__ == "__main__":
    main(sys.argv[1:])
