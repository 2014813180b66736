"""How well several classes are told apart: per class, and the mean over classes, so that rare ones count as much."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from medanomaly.evaluation.metrics import METRIC_COLUMNS
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.probability_calibration import expected_calibration_error
from medanomaly.evaluation.resampling.draws import patient_weights
from medanomaly.evaluation.resampling.intervals import clopper_pearson, percentile_interval
from medanomaly.evaluation.resampling.ratio_intervals import mean_interval, ratio_intervals

# what always names the most frequent class of training
MOST_FREQUENT = "most_frequent_class"
OF_A_CLASS = ("sensitivity", "precision", "f1")


def f1_by_class(codes: np.ndarray, named: np.ndarray, n_classes: int, weights: np.ndarray) -> np.ndarray:
    """(r, k) F1 of each class for (r, n) weights of cases; NaN where a row of weights has no case of the class.

    Args:
        codes: (n,) positions of the true classes.
        named: (n,) positions of the classes that are named; -1 where none is.
        n_classes: k.
        weights: (r, n) how often each case counts.
    """
    known, said = (np.zeros((len(codes), n_classes), dtype=np.float32) for _ in range(2))
    rows, names_one = np.arange(len(codes)), named >= 0
    known[rows, codes], said[rows[names_one], named[names_one]] = 1, 1
    true, called, hits = weights @ known, weights @ said, weights @ (known * said)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(true > 0, 2 * hits / (true + called), np.nan)


def resampled_cases(patient: Sequence, params: EvaluationParams) -> np.ndarray:
    """(1 + resamples, n) how often each case counts: once, then in resamples of whole patients."""
    of = pd.factorize(np.asarray(patient, dtype=object))[0]
    drawn = patient_weights(params.seed, range(params.n_resamples), np.bincount(of))
    return np.vstack([np.ones((1, len(of))), drawn[:, of]]).astype(np.float32)


def judged_answers(cases: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """One row per case of known class and model, from one row per case, model and class.

    Args:
        cases: ``case_id, patient_id, class`` of the cases that are judged.
        answers: ``case_id, model, class, probability, decided, in_set, p_value, abstains``.

    Returns:
        ``case_id, model, patient_id, class`` (the true one), ``named`` (the class that is decided for), ``most_likely``,
        ``probability`` (of the most likely class), ``in_set`` (whether the set holds the true class), ``set_size``,
        ``p_value``, ``abstains``.
    """
    of = answers.merge(cases.rename(columns={"class": "true"}), on="case_id")
    by = of.groupby(["model", "case_id"], sort=False)
    first = by.first()
    own = of[of["class"] == of["true"]].set_index(["model", "case_id"])["in_set"]
    named = of[of["decided"]].set_index(["model", "case_id"])["class"]
    return pd.DataFrame(
        {
            "patient_id": first["patient_id"],
            "class": first["true"],
            "named": named.reindex(first.index),
            "most_likely": first["class"],
            "probability": first["probability"],
            # a class that training lacks is in no set
            "in_set": own.reindex(first.index).fillna(False).astype(bool),
            "set_size": by["in_set"].sum(),
            "p_value": first["p_value"],
            "abstains": first["abstains"].astype(bool),
        }
    ).reset_index()


def class_groups(counts: Mapping[str, int], rare: int) -> dict[str, list[str]]:
    """Name of a subgroup, as in the metrics table -> its classes; the empty name is all of them.

    Args:
        counts: class -> cases that the model learned from.
        rare: a class with fewer cases is rare.
    """
    parts = {"": list(counts)}
    few = [name for name, n in counts.items() if n < rare]
    if few and len(few) < len(counts):
        parts |= {
            f"classes={rare} cases or more": [name for name in counts if name not in few],
            f"classes=fewer than {rare} cases": few,
        }
    return parts


def class_metrics(
    judged: pd.DataFrame, counts: Mapping[str, int], modality: str, params: EvaluationParams, rare: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Metrics of every model, and differences between them, with intervals that resample patients.

    Args:
        judged: of :func:`judged_answers`, of the same cases for every model; the first model is compared with the others.
        counts: class -> cases that were learned from; a class of the judged cases that is not in it counts with 0.
        modality: written into the table.
        params: seed, resamples, confidence.
        rare: a class with fewer cases is rare.

    Returns:
        Metrics table: ``macro_f1`` of all classes with a judged case, and of frequent and rare ones, ``accuracy``,
        ``class_ece`` (of the most likely class), ``coverage``, ``set_size``, ``abstained``; with the baseline that names the
        most frequent class. And ``metric, subgroup, model_a, model_b, difference, ci_low, ci_high`` of macro-F1.
    """
    models = list(pd.unique(judged["model"]))
    counts = {**counts, **dict.fromkeys(sorted(set(judged["class"]) - set(counts)), 0)}
    place = pd.Series(range(len(counts)), index=list(counts))
    first = judged[judged["model"] == models[0]].reset_index(drop=True)
    codes, patient = place[first["class"]].to_numpy(), first["patient_id"]
    weights = resampled_cases(patient, params)
    named = {model: place[judged.loc[judged["model"] == model, "named"]].to_numpy() for model in models}
    named[MOST_FREQUENT] = np.full(len(codes), int(np.argmax(list(counts.values()))))
    f1 = {model: f1_by_class(codes, at, len(counts), weights) for model, at in named.items()}
    rows, differences = [], []

    def add(model: str, metric: str, value: float, low: float, high: float, subgroup: str, n: int) -> None:
        role = "baseline" if model == MOST_FREQUENT else "model"
        rows.append((modality, model, role, "test", subgroup, metric, value, low, high, n, pd.NA))

    for subgroup, names in class_groups(counts, rare).items():
        at = place[names].to_numpy()
        n = int(np.isin(codes, at).sum())
        if not n:
            continue
        macro = {model: _mean_of_known(values[:, at]) for model, values in f1.items()}
        for model, values in macro.items():
            low, high = percentile_interval(values[1:], params.confidence)
            # where no resample differs (everything right), resampling says nothing of new cases
            low, high = (low, high) if low < high else (np.nan, np.nan)
            add(model, "macro_f1", float(values[0]), low, high, subgroup, n)
            if model != models[0]:
                apart = macro[models[0]] - values
                low, high = percentile_interval(apart[1:], params.confidence)
                differences.append(("macro_f1", subgroup, models[0], model, float(apart[0]), low, high))
    for model, at in named.items():
        right = at == codes
        add(model, "accuracy", *mean_interval(right, patient, params), "", len(codes))
        if model == MOST_FREQUENT:
            continue
        of = judged[judged["model"] == model].reset_index(drop=True)
        likely = (of["most_likely"] == of["class"]).to_numpy(dtype=bool)
        add(model, "class_ece", *_ece(of["probability"].to_numpy(), likely, weights, params), "", len(codes))
        add(
            model,
            "coverage",
            *mean_interval(of["in_set"].to_numpy(dtype=bool), patient, params),
            "",
            len(codes),
        )
        sizes = of["set_size"].to_numpy(dtype=np.float64)
        add(model, "set_size", *mean_interval(sizes, patient, params), "", len(codes))
        abstains = of["abstains"].to_numpy(dtype=bool)
        add(model, "abstained", *mean_interval(abstains, patient, params), "", len(codes))
    text = dict.fromkeys(("modality", "model", "role", "split", "subgroup", "metric"), "string")
    table = pd.DataFrame(rows, columns=list(METRIC_COLUMNS)).astype(
        text | {"n": "Int64", "n_positive": "Int64"}
    )
    columns = ["metric", "subgroup", "model_a", "model_b", "difference", "ci_low", "ci_high"]
    return table, pd.DataFrame(differences, columns=columns)


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """(r,) means of (r, k) rows over what is no NaN; NaN of a row of nothing else."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(axis=1) / known.sum(axis=1)


def _ece(
    probability: np.ndarray, right: np.ndarray, weights: np.ndarray, params: EvaluationParams
) -> tuple[float, float, float]:
    """Calibration error with its interval, recentred as in :mod:`medanomaly.evaluation.metrics`."""
    rows = np.arange(len(probability))
    drawn = np.array(
        [
            expected_calibration_error(probability[chosen], right[chosen], params.n_bins)
            for chosen in (np.repeat(rows, of.astype(int)) for of in weights)
        ]
    )
    low, high = percentile_interval(drawn[1:], params.confidence)
    shift = drawn[0] - drawn[1:].mean()
    return float(drawn[0]), max(0.0, low + shift), min(1.0, high + shift)


def by_class(judged: pd.DataFrame, counts: Mapping[str, int], params: EvaluationParams) -> pd.DataFrame:
    """What is right about each class, for every model.

    Args:
        judged: of :func:`judged_answers`.
        counts: class -> cases that were learned from.
        params: seed, resamples, confidence.

    Returns:
        ``model, class, n_learned, n_test``, then for each of :data:`OF_A_CLASS` value, ``_low`` and ``_high``; classes in
        the order of how often they occur in training and test together. An interval that resampling leaves without width
        is that of Clopper and Pearson, with the patients as trials; that of F1 then follows from the Jaccard index.
    """
    rows = []
    names = sorted({*counts, *judged["class"]})
    for model, of in judged.groupby("model", sort=False):
        true, said = (
            of[column].to_numpy(dtype=object)[:, None] == np.array(names, dtype=object)
            for column in ("class", "named")
        )
        hits, either = true & said, true | said
        ratios = {
            "sensitivity": (hits, true, true),
            "precision": (hits, said, said),
            "f1": (2 * hits, true.astype(int) + said, either),
        }
        found = {
            metric: ratio_intervals(
                above, below, of["patient_id"].to_numpy(), n_resamples=params.n_resamples, seed=params.seed,
                confidence=params.confidence,
            )
            for metric, (above, below, _) in ratios.items()
        }  # fmt: skip
        for k, name in enumerate(names):
            row = {
                "model": model,
                "class": name,
                "n_learned": int(counts.get(name, 0)),
                "n_test": int(true[:, k].sum()),
            }
            for metric, (_, _, behind) in ratios.items():
                value, low, high = (float(figure[k]) for figure in found[metric])
                if np.isfinite(value) and not low < high:
                    trials = of["patient_id"][behind[:, k]].nunique()
                    share = value / (2 - value) if metric == "f1" else value
                    low, high = clopper_pearson(share * trials, trials, params.confidence)
                    if metric == "f1":
                        low, high = 2 * low / (1 + low), 2 * high / (1 + high)
                row |= {metric: value, f"{metric}_low": low, f"{metric}_high": high}
            rows.append(row)
    table = pd.DataFrame(rows)
    size = table["n_learned"] + table["n_test"]
    return (
        table.assign(size=-size)
        .sort_values(["model", "size", "class"], kind="stable")
        .drop(columns="size")
        .reset_index(drop=True)
    )


def confusion(judged: pd.DataFrame, shown: Sequence[str], other: str = "another class") -> pd.DataFrame:
    """(len(shown) + 1, len(shown) + 1) cases of one model by true class (rows) and named class; all others are one."""
    words = pd.CategoricalDtype([*shown, other])
    true, said = (
        judged[column].where(judged[column].isin(shown), other).astype(words) for column in ("class", "named")
    )
    return pd.crosstab(true, said, dropna=False).reindex(
        index=words.categories, columns=words.categories, fill_value=0
    )
