"""How well do supervised models predict death in hospital from the first 48 hours of an intensive care stay?

PhysioNet/CinC Challenge 2012, 5 folds by stay. Calibration and threshold of every fold come from a cross-fit inside its
training part, so no information of a test stay is used before it is scored. For comparison: the score of intensive
care (SAPS-I), the winner of the challenge, and an anomaly score used as a risk, which it is not.
"""

import argparse
import importlib.util
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.linalg import solve_triangular
from scipy.special import expit

from benchmarks.record import Result, write
from medanomaly.core.cases import age_band
from medanomaly.core.folds import stratified_folds
from medanomaly.core.scores import table_without_p_values
from medanomaly.core.thresholds import ThresholdParams, choose_threshold
from medanomaly.datasets.physionet2012 import PARAMETERS, read_stays, stay_table
from medanomaly.detectors.kinds.isolation_forest import IsolationForest
from medanomaly.detectors.preprocessing import Preprocessor
from medanomaly.evaluation.calibrators import fit_calibrator
from medanomaly.evaluation.comparison import compare_models
from medanomaly.evaluation.metrics import evaluate
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.resampling.bootstrap import ResampledCases, bootstrap
from medanomaly.evaluation.resampling.intervals import percentile_interval
from medanomaly.tabular.features.event_statistics import aggregate_events
from medanomaly.tabular.risk.bayesian_logistic import BayesianLogisticRisk
from medanomaly.tabular.risk.boosting_libraries import LightGBMRisk, XGBoostRisk
from medanomaly.tabular.risk.combined_models import OnColumns
from medanomaly.tabular.risk.fitting.cross_fitting import cross_calibrated, out_of_fold
from medanomaly.tabular.risk.fitting.feature_selection import SelectedFeatures
from medanomaly.tabular.risk.fitting.imbalance import Rebalanced, shift_prevalence
from medanomaly.tabular.risk.logistic import LogisticRisk
from medanomaly.tabular.risk.risk_model import RiskModel
from medanomaly.tabular.risk.sklearn_trees import BoostingRisk, ForestRisk

FOLDS = 5
HALVES = {"h0_24": (0.0, 24.0), "h24_48": (24.0, 48.0)}
LATE = ("*_h0_24", "*_h24_48", "ratio_*")
BASE = {"exclude": (*LATE, "*_slope")}
LINEAR = {"exclude": ("*_h0_24", "*_count_h24_48", "*_slope_h24_48")}
LR, BOOST, LR_WIDE, LGB = "logistic", "gradient boosting", "logistic, wide", "LightGBM, wide"
PLAIN, BLEND, BLEND_HIST = (
    "mean of logistic and boosting",
    "blend of three (with LightGBM)",
    "blend of three (all HistGB)",
)
HIST_WIDE, BAYES = "gradient boosting, wide", "Bayesian logistic"
SAPS, FOREST = "SAPS-I", "isolation forest (anomaly score)"
WINNER, SAPS_OFFICIAL = 0.5353, 0.3125
KNOWN = {
    PLAIN: {"auroc": 0.868, "auprc": 0.541, "ece": 0.023},
    BLEND: {"auroc": 0.8707, "auprc": 0.5512, "ece": 0.0071, "brier": 0.0899},
}
TARGETS = {"auroc": (">=", 0.870), "auprc": (">=", 0.545), "ece": ("<=", 0.02)}


def members() -> dict[str, RiskModel]:
    """Single models; every one is fitted on the same folds."""
    few = {"learning_rate": 0.05, "max_leaf_nodes": 8, "min_samples_leaf": 30, "l2_regularization": 10.0}
    out: dict[str, RiskModel] = {
        LR: OnColumns(LogisticRisk(C=0.01), **BASE),
        BOOST: OnColumns(BoostingRisk(), **BASE),
        LR_WIDE: OnColumns(LogisticRisk(C=0.001), **LINEAR),
        HIST_WIDE: BoostingRisk(max_iter=200, max_features=0.1, **few),
        "random forest": ForestRisk(n_estimators=200),
        BAYES: OnColumns(BayesianLogisticRisk(), **BASE),
        "logistic, 60 features chosen in the fold": SelectedFeatures(LogisticRisk(C=0.01), 60),
        "logistic, class_weight": OnColumns(Rebalanced(LogisticRisk(C=0.01), correct=False), **BASE),
        "logistic, SMOTE": OnColumns(Rebalanced(LogisticRisk(C=0.01), "smote", correct=False), **BASE),
    }
    if importlib.util.find_spec("xgboost"):
        out["XGBoost, wide"] = XGBoostRisk()
    if importlib.util.find_spec("lightgbm"):
        out[LGB] = LightGBMRisk()
    return out


def blends(single: dict) -> dict[str, tuple[str, ...]]:
    """Means of log-odds."""
    out = {PLAIN: (LR, BOOST), BLEND_HIST: (LR_WIDE, HIST_WIDE, BOOST)}
    return out | ({BLEND: (LR_WIDE, LGB, BOOST)} if LGB in single else {})


def load(folder: Path, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features of each stay, and its outcome row."""
    events = read_stays(folder / name)
    stays = stay_table(events)
    ids = pd.Index(stays["RecordID"])
    parts = [stays.rename(columns={"RecordID": "case_id"})]
    for suffix, (start, end) in HALVES.items():
        half = events[(events["hours"] >= start) & (events["hours"] <= end)]
        parts.append(aggregate_events(half, ids, PARAMETERS).add_suffix(f"_{suffix}").reset_index(drop=True))
    features = pd.concat(parts, axis=1).copy()
    ratios = {
        "ratio_pf": features["PaO2_mean"] / features["FiO2_mean"],
        "ratio_shock": features["HR_mean"] / features["SysABP_mean"].fillna(features["NISysABP_mean"]),
        "ratio_bun_creatinine": features["BUN_last"] / features["Creatinine_last"],
        "ratio_gcs_change": features["GCS_last"] - features["GCS_min"],
        "ratio_urine": features["Urine_mean"] * features["Urine_count"] / features["Weight"],
    }
    features = features.assign(**{name: r.where(np.isfinite(r)) for name, r in ratios.items()})
    outcomes = pd.read_csv(folder / f"Outcomes-{name.removeprefix('set-')}.txt", dtype={"RecordID": str})
    outcomes = outcomes.set_index("RecordID").reindex(ids)
    known = outcomes["In-hospital_death"].notna().to_numpy()
    return features[known].reset_index(drop=True), outcomes[known]


class Answers:
    """Out-of-fold answers of every model: raw log-odds, calibrated probability and flag."""

    def __init__(self, n: int):
        self.n = n
        self.logit, self.probability, self.flag = {}, {}, {}

    def put(self, name, held, logit, probability, flag) -> None:
        for store, values in ((self.logit, logit), (self.probability, probability), (self.flag, flag)):
            store.setdefault(name, np.full(self.n, np.nan))[held] = values


def cross_validate(features, y, saps, seed: int) -> tuple[Answers, np.ndarray, dict, list]:
    """Fit everything on each training part; returns answers, folds, seconds per model and the Bayesian models."""
    stay = features["case_id"].to_numpy(dtype=object)
    fold, answers = stratified_folds(stay, y, FOLDS, seed), Answers(len(y))
    single, seconds, bayesian = members(), {}, []
    mixed = blends(single)
    for k in range(FOLDS):
        rest, held = fold != k, fold == k
        train, test = features[rest].reset_index(drop=True), features[held]
        inner = stratified_folds(stay[rest], y[rest], FOLDS, seed)
        inside, outside = {}, {}
        for name, model in single.items():
            began = time.perf_counter()
            inside[name] = out_of_fold(model, train, y[rest], stay[rest], inner)
            fitted = model.fit(train, y[rest], stay[rest])
            outside[name] = fitted.predict_logit(test)
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - began
            if name == BAYES:
                bayesian.append((held, fitted.model_))
        for name, parts in mixed.items():
            inside[name] = np.mean([inside[part] for part in parts], axis=0)
            outside[name] = np.mean([outside[part] for part in parts], axis=0)
        for name, logit in inside.items():
            calibrated = cross_calibrated(logit, y[rest], inner, "beta")
            threshold = choose_threshold(calibrated, y[rest], ThresholdParams())
            p = fit_calibrator("beta", logit, y[rest]).apply(outside[name])
            answers.put(name, held, outside[name], p, p >= threshold)
        anomaly_and_saps(answers, train, test, y, saps, rest, held)
    return answers, fold, seconds, bayesian


def anomaly_and_saps(answers, train, test, y, saps, rest, held) -> None:
    late = ("_h0_24", "_h24_48", "_slope")
    names = [name for name in train.columns if not name.endswith(late) and not name.startswith("ratio_")]
    view = Preprocessor.fit(train[names])
    # only values: with indicators of missing measurements the forest ranks deaths far worse
    values = np.array([column.op == "value" for column in view.columns])
    train, test = (view.transform(part[names])[:, values] for part in (train, test))
    forest = IsolationForest(n_estimators=300, random_state=0).fit(train)
    scores = {
        FOREST: [-forest.score_samples(part) for part in (train, test)],
        SAPS: [np.where(np.isnan(saps[part]), np.nanmedian(saps[rest]), saps[part]) for part in (rest, held)],
    }
    for name, (inside, outside) in scores.items():
        threshold = choose_threshold(inside, y[rest], ThresholdParams())
        answers.put(name, held, outside, np.nan, outside >= threshold)


def tables(cases: pd.DataFrame, answers: Answers) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score table and probabilities. Ranks are taken within a fold's own scale: the calibrated probability."""
    scores, probabilities = [], []
    for name, p in answers.probability.items():
        risk = np.isfinite(p).all()
        scores.append(
            table_without_p_values(
                cases["case_id"], p if risk else answers.logit[name], name, answers.flag[name] == 1
            )
        )
        if risk:
            probabilities.append(pd.DataFrame({"case_id": cases["case_id"], "model": name, "probability": p}))
    return pd.concat(scores, ignore_index=True), pd.concat(probabilities, ignore_index=True)


def resample(y: np.ndarray, probability: dict[str, np.ndarray], flag: dict[str, np.ndarray]):
    """Values of the sample (row 0) and 2,000 resamples: ECE, Brier score, and min(sensitivity, PPV)."""
    names = list(probability)
    p = np.column_stack([probability[name] for name in names])
    population = ResampledCases(
        patient=np.arange(len(y)),
        positive=y == 1,
        score=p,
        flagged=np.column_stack([flag[name] == 1 for name in names]),
        probability=p if ((p >= 0) & (p <= 1)).all() else None,
    )
    drawn = bootstrap(population, 2000, 0, 10, 1)
    event = np.minimum(drawn.metric("sensitivity"), drawn.metric("ppv"))
    return names, event, drawn.metric("ece"), drawn.metric("brier")


def posterior_check(features, y, bayesian: list, n_draws: int = 2000) -> list[tuple[str, float, float]]:
    """Share of risk groups whose number of deaths lies in its 80 % posterior predictive interval.

    Five groups of equal size per fold, by predicted risk. Weights are drawn from the posterior together for all stays, then
    deaths from their probabilities.

    Returns:
        With the posterior, and with known weights: name, share, and the share that a correct model would have (above
        0.8, because deaths are whole numbers).
    """
    rng = np.random.default_rng(0)
    found = {"with the posterior": [], "weights taken as known": []}
    for held, model in bayesian:
        Z = np.column_stack([model.design_.transform(features[held]).astype(float), np.ones(held.sum())])
        noise = rng.normal(size=(len(model.weights_), n_draws))
        drawn = model.weights_[:, None] + solve_triangular(model.cholesky_, noise, lower=True, trans="T")
        order = np.argsort(Z @ model.weights_)
        for name, w in zip(found, (drawn, np.repeat(model.weights_[:, None], n_draws, axis=1)), strict=True):
            died = rng.random((len(Z), n_draws)) < expit(Z @ w)
            for group in np.array_split(order, 5):
                deaths = died[group].sum(axis=0)
                low, high = np.quantile(deaths, [0.1, 0.9])
                observed = y[held][group].sum()
                found[name].append((low <= observed <= high, ((low <= deaths) & (deaths <= high)).mean()))
    return [(name, *(float(v) for v in np.mean(rows, axis=0))) for name, rows in found.items()]


def calibration_of(y, probability: np.ndarray) -> tuple[float, float, float]:
    """ECE with its interval, recentred as the metrics table does."""
    _, _, ece, _ = resample(y, {"x": probability}, {"x": np.zeros(len(y))})
    low, high = percentile_interval(ece[1:, 0])
    shift = ece[0, 0] - np.nanmean(ece[1:, 0])
    return float(ece[0, 0]), max(0.0, low + shift), high + shift


def reached(metric: str, value: float) -> tuple[str | None, bool | None]:
    if metric not in TARGETS:
        return None, None
    sign, goal = TARGETS[metric]
    return f"{sign} {goal}", value >= goal if sign == ">=" else value <= goal


def results_of(features, y, cases, answers, fold, bayesian, data: str, n_resamples: int) -> list[Result]:
    """Every figure of one fold seed."""
    out = []
    params = EvaluationParams(n_resamples=n_resamples, seed=0)
    scores, probabilities = tables(cases, answers)
    metrics = evaluate(cases, scores, "tabular_risk", params, probabilities)
    whole = metrics[metrics["subgroup"] == ""]
    leading = BLEND if BLEND in answers.logit else BLEND_HIST
    for row in whole[whole["metric"].isin(["auroc", "auprc", "brier", "ece"])].itertuples():
        known = KNOWN.get(row.model, {}).get(row.metric)
        target, met = reached(row.metric, row.value) if row.model == leading else (None, None)
        out.append(
            Result(
                name=f"{row.model}: {row.metric}", value=row.value, unit=row.metric, ci_low=row.ci_low,
                ci_high=row.ci_high, peer="a run on all 4,000 stays, other features" if known else None,
                peer_value=known, target=target, reached=met, data=data,
            )
        )  # fmt: skip
    for row in metrics[
        (metrics["model"] == leading) & metrics["subgroup"].str.startswith("age_band=")
    ].itertuples():
        if row.metric in ("auroc", "ece"):
            out.append(
                Result(
                    f"{leading}, {row.subgroup}: {row.metric}",
                    row.value,
                    row.metric,
                    row.ci_low,
                    row.ci_high,
                    data=data,
                )
            )

    pair = scores[scores["model"].isin([leading, PLAIN])]
    for row in compare_models(cases, pair, "tabular_risk", params).itertuples():
        sign = 1 if row.model_a == leading else -1
        low, high = sorted((sign * row.ci_low, sign * row.ci_high))
        out.append(
            Result(
                f"{leading} - {PLAIN}: {row.metric}",
                sign * row.difference,
                "difference",
                low,
                high,
                data=data,
            )
        )
    names, event, ece, brier = resample(
        y, *({m: d[m] for m in (leading, PLAIN)} for d in (answers.probability, answers.flag))
    )
    for metric, drawn in (("ece", ece), ("brier", brier)):
        difference = drawn[:, names.index(leading)] - drawn[:, names.index(PLAIN)]
        low, high = percentile_interval(difference[1:])
        out.append(
            Result(f"{leading} - {PLAIN}: {metric}", difference[0], "difference", low, high, data=data)
        )

    for name in dict.fromkeys((leading, BLEND_HIST, PLAIN, LR, BOOST, SAPS, FOREST)):
        _, event, _, _ = resample(y, {name: answers.logit[name]}, {name: answers.flag[name]})
        low, high = percentile_interval(event[1:, 0])
        saps = name == SAPS
        out.append(
            Result(
                name=f"{name}: min(sensitivity, PPV)", value=event[0, 0], unit="share", ci_low=low, ci_high=high,
                peer="SAPS-I, official" if saps else "winner of the challenge (set-c, hidden)",
                peer_value=SAPS_OFFICIAL if saps else WINNER,
                target=f">= {WINNER}" if name == leading else None,
                reached=bool(event[0, 0] >= WINNER) if name == leading else None, data=data,
            )
        )  # fmt: skip
    risk = answers.probability[leading]
    flag = {leading: (risk >= choose_threshold(risk, y, ThresholdParams())).astype(float)}
    _, event, _, _ = resample(y, {leading: risk}, flag)
    leak = f"{leading}: min(sensitivity, PPV), threshold picked on test (a leak)"
    out.append(Result(leak, event[0, 0], "share", data=data))
    return (
        out
        + calibration_costs(y, answers, fold, leading, data)
        + bayesian_results(features, y, bayesian, data)
    )


def calibration_costs(y, answers, fold, leading, data: str) -> list[Result]:
    """What uncalibrated means, class weights and SMOTE do to probabilities, and what each repair brings."""
    out = []
    prevalence = float(y.mean())
    figures = {
        f"{PLAIN}, uncalibrated": expit(answers.logit[PLAIN]),
        f"{leading}, uncalibrated": expit(answers.logit[leading]),
        f"{LR}, uncalibrated": expit(answers.logit[LR]),
    }
    for name in ("logistic, class_weight", "logistic, SMOTE"):
        figures[f"{name}, uncalibrated"] = expit(answers.logit[name])
        figures[f"{name}, logit-adjusted"] = expit(shift_prevalence(answers.logit[name], 0.5, prevalence))
    for how in ("beta", "platt", "isotonic"):
        # the protocol behind KNOWN: the calibrator sees log-odds of models that have seen the stay
        figures[f"{leading}, {how} across the folds"] = cross_calibrated(answers.logit[leading], y, fold, how)
    for name, p in figures.items():
        out.append(Result(f"{name}: ece", *_value_first(calibration_of(y, p)), data=data))
    return out


def _value_first(found: tuple[float, float, float]) -> tuple[float, str, float, float]:
    return found[0], "ece", found[1], found[2]


def bayesian_results(features, y, bayesian, data: str) -> list[Result]:
    return [
        Result(
            name=f"{BAYES}: risk groups within their 80 % interval, {name}", value=share, unit="share",
            peer="were the model right", peer_value=nominal, data=data,
        )
        for name, share, nominal in posterior_check(features, y, bayesian)
    ]  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", default="set-c")
    parser.add_argument("--seed", type=int, default=0, help="of the folds")
    parser.add_argument("--resamples", type=int, default=2000)
    given = parser.parse_args(arguments or [])
    folder = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "physionet2012"
    if not (folder / given.set).is_dir():
        print(f"{folder / given.set} is not there: set MEDANOMALY_DATA (PhysioNet Challenge 2012, ODC-BY)")
        return
    began = time.perf_counter()
    features, outcomes = load(folder, given.set)
    y = outcomes["In-hospital_death"].to_numpy(dtype=int)
    saps = outcomes["SAPS-I"].where(outcomes["SAPS-I"] >= 0).to_numpy(dtype=float)
    data = f"{given.set}, {len(y):,} stays, {y.sum():,} deaths, {features.shape[1] - 1} features, fold seed {given.seed}"
    print(
        data,
        "\nnot the features of that run, which are not written down: figures of the two are no replication",
    )
    cases = pd.DataFrame(
        {
            "case_id": features["case_id"].astype("string"),
            "patient_id": features["case_id"].astype("string"),
            "label": pd.array(y, dtype="Int8"),
            "kind": pd.array([""] * len(y), dtype="string"),
            "split": pd.array(["test"] * len(y), dtype="string"),
            "age_band": age_band(features["Age"]),
        }
    )
    answers, fold, seconds, bayesian = cross_validate(features, y, saps, given.seed)
    results = results_of(features, y, cases, answers, fold, bayesian, data, given.resamples)
    fits = FOLDS * (FOLDS + 1)
    results += [
        Result(f"{name}: one fit and prediction", t / fits, "s", data=data) for name, t in seconds.items()
    ]
    results.append(Result("whole benchmark", time.perf_counter() - began, "s", target="< 600", data=data))
    results[-1] = Result(**{**results[-1].__dict__, "reached": results[-1].value < 600})
    write("physionet_mortality", results, command="make bench NAME=physionet_mortality")


if __name__ == "__main__":
    main(sys.argv[1:])
