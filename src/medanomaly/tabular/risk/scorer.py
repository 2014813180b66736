"""Probabilities and explanations of new records from a bundle, and the tables that the evaluation reads."""

import numpy as np
import pandas as pd

from medanomaly.core import skops_io
from medanomaly.core.bundle import Bundle
from medanomaly.core.manifest import require_kind
from medanomaly.core.scores import table_without_p_values
from medanomaly.detectors.scorer import shown_value
from medanomaly.evaluation.calibrators import calibrator_from_dict
from medanomaly.tabular.risk.fitting.cross_fitting import FittedRisk
from medanomaly.tabular.risk.risk_model import Contributions

# the only types that skops must trust to load a risk model; all else is numpy arrays and plain values
TRUSTED_TYPES = (
    "medanomaly.tabular.risk.bayesian_logistic.BayesianLogisticRisk",
    "medanomaly.tabular.risk.boosting_libraries.LightGBMRisk",
    "medanomaly.tabular.risk.boosting_libraries.XGBoostRisk",
    "medanomaly.tabular.risk.fitting.design_matrices.LinearDesign",
    "medanomaly.tabular.risk.fitting.design_matrices.TreeDesign",
    "medanomaly.tabular.risk.sklearn_trees.BoostingRisk",
    "medanomaly.tabular.risk.sklearn_trees.ForestRisk",
    "medanomaly.tabular.risk.fitting.imbalance.Rebalanced",
    "medanomaly.tabular.risk.logistic.LogisticRisk",
    "medanomaly.tabular.risk.combined_models.MeanLogit",
    "medanomaly.tabular.risk.combined_models.OnColumns",
    "medanomaly.tabular.risk.fitting.feature_selection.SelectedFeatures",
    "medanomaly.tabular.risk.flat_trees.FlatTrees",
)


class RiskScorer:
    """A risk bundle that is ready to score.

    Args:
        bundle: a verified bundle of the modality ``tabular_risk``.

    Raises:
        BundleError: the bundle is of another modality, for example an anomaly detector.
    """

    def __init__(self, bundle: Bundle):
        require_kind(
            bundle.manifest, ("tabular_risk",), "a risk model of tables: an anomaly score is no risk"
        )
        model = skops_io.loads(bundle.files["model.skops"], trusted=list(TRUSTED_TYPES))
        self.bundle = bundle
        self.fitted = FittedRisk(model, calibrator_from_dict(bundle.manifest["calibration"]))
        self.threshold = float(bundle.manifest["risk_threshold"]["probability"])

    def probabilities(self, features: pd.DataFrame) -> pd.DataFrame:
        """Probability of every row.

        Args:
            features: feature table of n rows, as in training; further columns are ignored.

        Returns:
            ``case_id, model, probability, low, high``; low and high are NaN where the model has no interval.
        """
        low, high = self.fitted.interval(features, self.bundle.manifest["interval"])
        return pd.DataFrame(
            {
                "case_id": features["case_id"].astype("string").to_numpy(),
                "model": pd.array([self.bundle.manifest.name] * len(features), dtype="string"),
                "probability": self.fitted.predict_proba(features),
                "low": low,
                "high": high,
            }
        )

    def contributions(self, features: pd.DataFrame) -> Contributions:
        """What each feature adds to the log-odds before calibration."""
        return self.fitted.contributions(features)


def probability_tables(
    scorer: RiskScorer, cases: pd.DataFrame, features: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Probabilities and score table of the test cases; the model has seen all other cases.

    Args:
        scorer: the model.
        cases: case table with the split.
        features: feature table in the order of ``cases``.

    Returns:
        ``(probabilities, scores)``: ``case_id, model, probability, low, high``, and a score table whose score is the
        probability and whose flag says that it reaches the threshold. p-values are NA, because a risk has none.
    """
    in_test = (cases["split"] == "test").to_numpy(dtype=bool)
    table = scorer.probabilities(features[in_test])
    probability, name = table["probability"], scorer.bundle.manifest.name
    return table, table_without_p_values(table["case_id"], probability, name, probability >= scorer.threshold)


def risk_explanations(scorer: RiskScorer, rows: pd.DataFrame) -> pd.DataFrame:
    """Contributions of some cases.

    Args:
        scorer: the model.
        rows: rows of the feature table, in the order in which they are listed.

    Returns:
        Explanations table, the largest contribution of a case first, by absolute size.

    Raises:
        ConfigurationError: the model has no additive explanation.
    """
    terms = scorer.contributions(rows).terms
    contract = {entry["name"]: entry for entry in scorer.bundle.manifest.input_contract}
    parts = []
    for i in range(len(rows)):
        order = np.argsort(-np.abs(terms.to_numpy()[i]), kind="stable")
        names = terms.columns[order]
        parts.append(
            pd.DataFrame(
                {
                    "case_id": str(rows["case_id"].iloc[i]),
                    "model": scorer.bundle.manifest.name,
                    "feature": names,
                    "value": [shown_value(rows[name].iloc[i]) for name in names],
                    "unit": [contract.get(name, {}).get("unit", "") for name in names],
                    "usual_low": [contract.get(name, {}).get("usual_low", np.nan) for name in names],
                    "usual_high": [contract.get(name, {}).get("usual_high", np.nan) for name in names],
                    "contribution": terms.to_numpy()[i][order],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
