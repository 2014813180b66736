"""Nodes of the risk models; one set of them serves every model."""

from collections.abc import Mapping

import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.detectors.training import DetectorParams
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.parameters import AlarmParams, RunParams, judged_as_flagged
from medanomaly.pipelines.provenance import run_facts
from medanomaly.tabular.risk.params import RiskParams

# features that move the log-odds most; each is shuffled several times
WEIGHED_FEATURES = 30
SHUFFLES = 5


def list_suspicious_labels(
    cases: pd.DataFrame, features: pd.DataFrame, params: RiskParams, run: RunParams
) -> pd.DataFrame:
    """Labels for somebody to look at."""
    from medanomaly.tabular.risk.training import check_labels

    return check_labels(cases, features, params, seed=run.seed)


def measure_risk(
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    probabilities: pd.DataFrame,
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Metrics, with brier and ece, and paired comparisons."""
    from medanomaly.evaluation.comparison import compare_models
    from medanomaly.evaluation.metrics import evaluate

    settings = judged_as_flagged(params, alarm, run)
    return (
        evaluate(cases, scores, "tabular_risk", settings, probabilities),
        compare_models(cases, scores, "tabular_risk", settings),
    )


def weigh_features(
    cases: pd.DataFrame, features: pd.DataFrame, bundle: Bundle, run: RunParams
) -> pd.DataFrame:
    """Permutation importance on the labelled test cases, of the features that move the log-odds most."""
    from medanomaly.tabular.risk.fitting.permutation_importance import permutation_importance
    from medanomaly.tabular.risk.scorer import RiskScorer

    scorer = RiskScorer(bundle)
    judged = (cases["split"].eq("test") & cases["label"].notna()).to_numpy(dtype=bool)
    rows = features[judged].reset_index(drop=True)
    strength = scorer.contributions(rows).terms.abs().mean().sort_values(ascending=False, kind="stable")
    return permutation_importance(
        lambda table: scorer.probabilities(table)["probability"].to_numpy(),
        rows,
        cases.loc[judged, "label"].to_numpy(dtype=int),
        cases.loc[judged, "patient_id"].to_numpy(dtype=object),
        groups={name: [name] for name in strength.index[:WEIGHED_FEATURES]},
        n_repeats=SHUFFLES,
        seed=run.seed,
    )


def score_anomalies(
    cases: pd.DataFrame,
    features: pd.DataFrame,
    models: Mapping[str, DetectorParams],
    alarm: AlarmParams,
    run: RunParams,
) -> pd.DataFrame:
    """Score table of anomaly detectors, to be compared with the risk; trained as in tabular_models."""
    from medanomaly.core.scores import score_table
    from medanomaly.detectors.scorer import TabularScorer
    from medanomaly.detectors.training import train_bundle

    tables = []
    for name, params in models.items():
        bundle = train_bundle(cases, features, params, name=name, seed=run.seed)
        tables.append(score_table(cases, TabularScorer(bundle).score(features), name, alarm.alpha))
    return pd.concat(tables, ignore_index=True)


def measure_reliability(cases: pd.DataFrame, probabilities: pd.DataFrame) -> pd.DataFrame:
    """Reliability table of every model on the labelled test cases."""
    from medanomaly.evaluation.probability_calibration import reliability_table

    known = cases.loc[cases["label"].notna(), ["case_id", "label"]]
    joined = probabilities.merge(known, on="case_id")
    tables = [
        reliability_table(part["probability"].to_numpy(), (part["label"] == 1).to_numpy(dtype=bool)).assign(
            model=model
        )
        for model, part in joined.groupby("model", sort=False)
    ]
    return pd.concat(tables, ignore_index=True)


def write_risk_report(
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    anomaly_scores: pd.DataFrame,
    bundle: Bundle,
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
    **tables: pd.DataFrame,
) -> str:
    """The risk report, with anomaly scores judged by the same label beside the risks.

    Args:
        cases, scores: case table, and score table of the risk models.
        anomaly_scores: score table of anomaly detectors.
        bundle: a risk bundle, for what the outcome is.
        params, alarm, run: settings.
        tables: metrics, reliability, explanations, probabilities, importance and suspicious.
    """
    from medanomaly.evaluation.comparison import compare_models
    from medanomaly.evaluation.metrics import evaluate
    from medanomaly.reporting.report import render_page
    from medanomaly.reporting.tabular.risk import best_model, risk_lead, risk_sections

    settings = judged_as_flagged(params, alarm, run)
    best = best_model(tables["metrics"])
    whole = cases[["case_id", "patient_id", "label", "kind", "split"]]
    both = pd.concat([scores[scores["model"] == best], anomaly_scores], ignore_index=True)
    anomaly_metrics = evaluate(whole, anomaly_scores, "tabular", settings)
    differences = compare_models(whole, both, "tabular_risk", settings)
    sections = risk_sections(
        **tables,
        anomaly_metrics=anomaly_metrics,
        differences=differences,
        outcome=bundle.manifest["outcome"],
    )
    lead = risk_lead(tables["metrics"], anomaly_metrics)
    return render_page(
        run_facts(params, alarm, run, [cases]), "risk report", "What is at risk", lead, sections
    )
