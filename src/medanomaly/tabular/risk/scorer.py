"""Probabilities and explanations of new records from a bundle, and the tables that the evaluation reads."""

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.manifest import require_kind
from medanomaly.core.scores import table_without_p_values
from medanomaly.detectors.scorer import shown_value
from medanomaly.tabular.risk.fitting.calibration import calibrator_from_dict
from medanomaly.tabular.risk.fitting.folds import FittedRisk
from medanomaly.tabular.risk.models import Contributions

# all that skops has to be told to trust when it loads a risk model; the rest is numpy arrays and plain values
TRUSTED_TYPES = (
    "medanomaly.tabular.risk.bayesian.BayesianLogisticRisk",
    "medanomaly.tabular.risk.boosting.LightGBMRisk",
    "medanomaly.tabular.risk.boosting.XGBoostRisk",
    "medanomaly.tabular.risk.fitting.encoding.LinearDesign",
    "medanomaly.tabular.risk.fitting.encoding.TreeDesign",
    "medanomaly.tabular.risk.forests.BoostingRisk",
    "medanomaly.tabular.risk.forests.ForestRisk",
    "medanomaly.tabular.risk.fitting.imbalance.Rebalanced",
    "medanomaly.tabular.risk.models.LogisticRisk",
    "medanomaly.tabular.risk.models.MeanLogit",
    "medanomaly.tabular.risk.models.OnColumns",
    "medanomaly.tabular.risk.fitting.selection.SelectedFeatures",
    "medanomaly.tabular.risk.trees.FlatTrees",
)
PROBABILITY_COLUMNS = ("case_id", "model", "probability", "low", "high")


class RiskScorer:
    """A risk bundle made ready.

    Args:
        bundle: a verified bundle of the modality ``tabular_risk``.

    Raises:
        BundleError: the bundle is of another modality, an anomaly detector for one.
    """

    def __init__(self, bundle: Bundle):
        import skops.io

        require_kind(
            bundle.manifest, ("tabular_risk",), "a risk model of tables: an anomaly score is no risk"
        )
        model = skops.io.loads(bundle.files["model.skops"], trusted=list(TRUSTED_TYPES))
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


def risk_tables(
    scorer: RiskScorer, cases: pd.DataFrame, features: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Probabilities and score table of the test cases; the model has seen all others.

    Args:
        scorer: the model.
        cases: case table with the split.
        features: feature table in the order of ``cases``.

    Returns:
        ``(probabilities, scores)``: ``case_id, model, probability, low, high``, and a score table whose score is the
        probability and whose flag says that it reaches the threshold. p-values are NA: a risk has none.
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
        Explanations table, the largest contribution of a case first, by its size.

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
