"""A plausible evaluation, drawn from seeded numbers, for everything that reports one."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from medanomaly.core.scores import score_table

ALPHA = 0.05
# detector -> (separation of the anomalous cases in standard deviations, how skewed its scores are)
MODELS = {
    "ecdf": (1.9, 1.0),
    "isolation_forest": (1.7, 0.3),
    "nearest_neighbours": (1.2, 2.2),
    "missing values": (0.5, 0.8),
}
SMALLEST_KIND = 8
BASELINES = ("missing values",)
KINDS = {
    "unit mix-up": 2.0,
    "impossible combination of sodium and chloride": 0.7,
    "swapped samples": 1.5,
    "duplicate entry": 1.1,
}
FEATURES = (
    ("potassium", "mmol/L", 3.5, 5.1),
    ("creatinine", "µmol/L", 52, 110),
    ("haemoglobin", "g/L", 118, 166),
    ("C-reactive protein", "mg/L", 0.4, 9.8),
    ("length of stay", "days", 0.4, 11.2),
    ("sodium", "mmol/L", 135, 145),
    ("base excess", "mmol/L", -2.4, 2.6),
    ("ward", "", np.nan, np.nan),
    ("thyrotropin", "mU/L", 0.4, 4.2),
    ("age", "years", 21, 88),
)


def plausible_cases(n: int = 2400, seed: int = 0, labelled: bool = True) -> pd.DataFrame:
    """Case table of ``n`` cases, 8 % anomalous, with sex, age band and site."""
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < 0.08).astype(int)
    kind = np.where(label == 1, rng.choice(list(KINDS), n), "")
    cases = pd.DataFrame(
        {
            "case_id": [f"visit-{i:05d}" for i in range(n)],
            "patient_id": [f"patient-{i // 2:05d}" for i in range(n)],
            "label": pd.array(label, dtype="Int8") if labelled else pd.array([pd.NA] * n, dtype="Int8"),
            "kind": pd.array(kind if labelled else [""] * n, dtype="string"),
            "split": np.repeat(
                rng.choice(["train", "calibration", "test"], -(-n // 2), p=[0.5, 0.2, 0.3]), 2
            )[:n],
            "sex": rng.choice(["F", "M"], n),
            "age_band": rng.choice(
                ["0-17", "18-39", "40-64", "65-79", "80+"], n, p=[0.01, 0.25, 0.4, 0.24, 0.1]
            ),
            "site": rng.choice(["Northgate", "Riverside", "Hillside"], n),
        }
    )
    return cases.astype({"case_id": "string", "patient_id": "string", "split": "string"})


def plausible_scores(
    cases: pd.DataFrame, models: tuple[str, ...] = tuple(MODELS), seed: int = 1
) -> pd.DataFrame:
    """Score table: a skewed function of a normal deviate shifted by the kind of anomaly."""
    rng = np.random.default_rng(seed)
    difficulty = cases["kind"].map(KINDS).astype(float).fillna(0.0).to_numpy()
    shared = rng.standard_normal(len(cases))
    tables = []
    for model in models:
        separation, skew = MODELS[model]
        deviate = 0.7 * shared + 0.7 * rng.standard_normal(len(cases)) + separation * difficulty
        role = "baseline" if model in BASELINES else "model"
        tables.append(score_table(cases, np.exp(skew * deviate), model, ALPHA, role=role))
    return pd.concat(tables, ignore_index=True)


def _wilson(k: int, n: int) -> tuple[float, float]:
    if n == 0:
        return float("nan"), float("nan")
    z, share = 1.96, k / n
    centre, spread = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return (centre - spread) / (1 + z**2 / n), (centre + spread) / (1 + z**2 / n)


def plausible_metrics(cases: pd.DataFrame, scores: pd.DataFrame, smallest_group: int = 30) -> pd.DataFrame:
    """Metrics table of the test cases, with rough intervals; small groups and kinds are suppressed."""
    test = scores.merge(cases[cases["split"] == "test"], on="case_id")
    rows, suppressed = [], {}
    for model, of_model in test.groupby("model", sort=False):
        parts = [("", of_model)]
        for column in ("sex", "age_band", "site"):
            parts += [(f"{column}={group}", part) for group, part in of_model.groupby(column)]
        for subgroup, part in parts:
            if len(part) < smallest_group:
                suppressed[subgroup] = len(part)
                continue
            for metric, (value, low, high) in _measures(part).items():
                rows.append((model, subgroup, metric, value, low, high, len(part), int(part["label"].sum())))
        for kind, part in of_model[of_model["label"] == 1].groupby("kind"):
            if len(part) < SMALLEST_KIND:
                suppressed[f"kind={kind}"] = len(part)
                continue
            share = _share(part["flagged"].to_numpy(dtype=bool), np.ones(len(part), bool))
            rows.append((model, f"kind={kind}", "sensitivity", *share, len(part), len(part)))
    rows += [("", name, "suppressed", n, np.nan, np.nan, n, pd.NA) for name, n in suppressed.items()]
    columns = ["model", "subgroup", "metric", "value", "ci_low", "ci_high", "n", "n_positive"]
    table = pd.DataFrame(rows, columns=columns).astype({"n": "Int64", "n_positive": "Int64"})
    role = np.where(table["model"].isin(BASELINES), "baseline", "model")
    return table.assign(modality="tabular", role=role, split="test")


def _share(hits: np.ndarray, among: np.ndarray) -> tuple[float, float, float]:
    n, k = int(among.sum()), int((hits & among).sum())
    return k / n if n else float("nan"), *_wilson(k, n)


def _measures(part: pd.DataFrame) -> dict[str, tuple[float, float, float]]:
    positive, flagged = part["label"].to_numpy(dtype=int) == 1, part["flagged"].to_numpy(dtype=bool)
    area, precision = roc_auc_score(positive, part["score"]), average_precision_score(positive, part["score"])
    width = 1.96 * np.sqrt(area * (1 - area) / max(positive.sum(), 1))
    around = (area, area - width, min(1, area + width))
    return {
        "auroc": around,
        "auroc_delong": around,
        "auprc": (precision, max(0, precision - 0.06), precision + 0.06),
        "sensitivity": _share(flagged, positive),
        "false_alarm_rate": _share(flagged, ~positive),
        "specificity": _share(~flagged, ~positive),
        "ppv": _share(positive, flagged),
        "npv": _share(~positive, ~flagged),
        "flagged_share": _share(flagged, np.ones(len(part), bool)),
        "prevalence": _share(positive, np.ones(len(part), bool)),
    }


def plausible_comparisons(metrics: pd.DataFrame) -> pd.DataFrame:
    """Paired AUROC differences of every two models."""
    whole = metrics[(metrics["metric"] == "auroc") & (metrics["subgroup"] == "")].set_index("model")
    names, rows = list(whole.index), []
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            gap = whole.loc[first, "value"] - whole.loc[second, "value"]
            n, positive = whole.loc[first, "n"], whole.loc[first, "n_positive"]
            rows.append(("tabular", first, second, "auroc", gap, gap - 0.04, gap + 0.04, n, positive))
    columns = [
        "modality",
        "model_a",
        "model_b",
        "metric",
        "difference",
        "ci_low",
        "ci_high",
        "n",
        "n_positive",
    ]
    return pd.DataFrame(rows, columns=columns)


def plausible_explanations(
    scores: pd.DataFrame, cases: pd.DataFrame, top: int = 6, seed: int = 2
) -> pd.DataFrame:
    """Explanations of each model's ``top`` most anomalous test cases."""
    rng = np.random.default_rng(seed)
    test = scores[scores["case_id"].isin(cases.loc[cases["split"] == "test", "case_id"])]
    rows = []
    for model, part in test.groupby("model", sort=False):
        for case_id in part.nlargest(top, "score")["case_id"]:
            share = np.sort(rng.exponential(1.0, len(FEATURES)) ** 1.6)[::-1]
            share[-2:] *= -0.3
            for (name, unit, low, high), size in zip(
                rng.permutation(np.array(FEATURES, object)), share, strict=True
            ):
                value = "intensive care" if name == "ward" else f"{high * (1 + 0.4 * size):.4g}"
                rows.append((case_id, model, name, value, unit, low, high, float(size)))
    columns = ["case_id", "model", "feature", "value", "unit", "usual_low", "usual_high", "contribution"]
    return pd.DataFrame(rows, columns=columns).astype({"usual_low": float, "usual_high": float})


def plausible_audit() -> dict:
    """An audit with every verdict."""
    entries = [
        ("patient_overlap", "Patients stay in one part", "pass", "0 of 1,200 patients", 0.0, ""),
        (
            "duplicates",
            "No test row is copied from train or calibration",
            "warn",
            "14 of 720 test records (1.9 %)",
            0.019,
            "Give copies one patient id, so that the split keeps them together.",
        ),
        (
            "single_feature",
            "No single feature gives the answer away",
            "fail",
            "length of stay alone: AUROC 0.88",
            0.88,
            "Ask whether this feature is known before the label is; if not, list it under ignore and run again.",
        ),
        ("p_values", "False alarms stay at alpha", "pass", "5.3 % flagged at 5 %", 0.053, ""),
        ("site_shortcut", "The score does not tell the site", "not_applicable", "one site only", None, ""),
    ]
    keys = ("name", "title", "verdict", "figure", "value", "what_to_do")
    return {"modality": "tabular", "checks": [dict(zip(keys, entry, strict=True)) for entry in entries]}


def plausible_quarantine() -> pd.DataFrame:
    """Twelve faults in ten records."""
    rows = [(str(90 + i), "", "potassium", "450", "not possible: outside 0.5 to 15") for i in range(7)]
    rows += [(str(90 + i), "", "age", "-4", "not possible: outside 0 to 120") for i in range(2)]
    rows += [
        (str(500 + i), "", "visit_id", "visit-00007", "id was used by an earlier record") for i in range(3)
    ]
    return pd.DataFrame(rows, columns=["record", "case_id", "column", "value", "reason"], dtype="string")


def plausible_reliability() -> pd.DataFrame:
    """Reliability of one model in five bins."""
    mean, n = np.array([0.05, 0.2, 0.45, 0.7, 0.92]), np.array([560, 80, 40, 25, 15])
    observed = np.array([0.03, 0.16, 0.5, 0.76, 0.93])
    spread = 1.96 * np.sqrt(observed * (1 - observed) / n)
    return pd.DataFrame(
        {
            "model": "ecdf",
            "mean_probability": mean,
            "observed": observed,
            "ci_low": np.maximum(0, observed - spread),
            "ci_high": np.minimum(1, observed + spread),
            "n": n,
        }
    )


def plausible_run() -> dict:
    """How the report was made."""
    return {
        "dataset": "synthetic cohort",
        "description": "Hospital visits of invented patients, with planted recording errors.",
        "created": "2025-03-01T12:00:00+00:00",
        "command": "kedro run",
        "seed": 7,
        "version": "0.1.0",
        "libraries": {"numpy": "2.3.1", "pandas": "3.0.0", "scikit-learn": "1.9.0"},
        "fingerprint": "9f2b" * 16,
        "parameters": {
            "alarm": {"alpha": 0.05, "group_by": None},
            "data_processing": {"split": {"train": 0.5, "calibration": 0.2, "test": 0.3}},
        },
    }


def plausible_results(
    n: int = 2400, models: tuple[str, ...] = tuple(MODELS), labelled: bool = True, **changes
):
    """``ModalityResults`` of a plausible run, figures drawn."""
    import dataclasses

    from medanomaly.reporting.figures.standard import standard_figures
    from medanomaly.reporting.results import ModalityResults

    cases = plausible_cases(n, labelled=labelled)
    scores = plausible_scores(cases, models)
    metrics = plausible_metrics(cases, scores) if labelled else None
    parts = {
        "name": "tabular",
        "cases": cases,
        "scores": scores,
        "metrics": metrics,
        "comparisons": plausible_comparisons(metrics) if labelled else None,
        "audit": plausible_audit(),
        "explanations": plausible_explanations(scores, cases),
        "quarantine": plausible_quarantine(),
        "reliability": plausible_reliability() if labelled else None,
        "summary": {
            "n_records": n + 10,
            "n_kept": n,
            "n_quarantined": 10,
            "notes": ["column 'x' has one value"],
        },
        "alpha": ALPHA,
        "noun": "visit",
    }
    results = ModalityResults(**(parts | changes))
    if "figures" in changes:
        return results
    return dataclasses.replace(results, figures=standard_figures(results))


@pytest.fixture(scope="session")
def results():
    return plausible_results()


@pytest.fixture(scope="session")
def run_record() -> dict:
    return plausible_run()


@pytest.fixture(scope="session")
def make_results():
    return plausible_results
