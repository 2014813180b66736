"""Risk models of tables as a kind: the calibrated probability of the label."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pydantic import create_model

from medanomaly.core.bundle import Bundle
from medanomaly.core.models import FitContext, ModelInput, ModelKind
from medanomaly.tabular.risk.params import RiskParams


class TabularRisk(ModelKind):
    """A supervised model of records that learns from labels outside test."""

    name = "tabular_risk"
    reads = "features"
    params = create_model("tabular_risk_params", __base__=RiskParams, kind=(str, name))
    explains = True
    score_leaves = ("probabilities",)

    def fit(self, data: ModelInput, params: RiskParams, context: FitContext) -> tuple[Bundle, Mapping]:
        """Fit, calibrate and choose the threshold on labelled cases outside test."""
        from medanomaly.tabular.risk.training import train_risk

        return train_risk(
            data.cases,
            data.inputs,
            params,
            name=context.name,
            seed=context.seed,
            outcome=data.about.get("outcome", "label 1"),
            units=data.about.get("units"),
            stamp=dict(context.stamp),
        ), {}

    def open(self, bundle: Bundle) -> Any:
        """A :class:`medanomaly.tabular.risk.scorer.RiskScorer`."""
        from medanomaly.tabular.risk.scorer import RiskScorer

        return RiskScorer(bundle)

    def score_table(self, scorer, data: ModelInput, left, group_by, min_group_size):
        """Score table and probabilities of the test cases; the model has seen all others."""
        from medanomaly.tabular.risk.scorer import probability_tables

        probabilities, scores = probability_tables(scorer, data.cases, data.inputs)
        return scores, {"probabilities": probabilities}

    def most_notable(self, data: ModelInput, scores: pd.DataFrame, top: int) -> np.ndarray:
        """Positions of the test cases of highest probability."""
        in_test = np.flatnonzero((data.cases["split"] == "test").to_numpy(dtype=bool))
        return in_test[np.argsort(-scores["score"].to_numpy(), kind="stable")[:top]]

    def explain(self, scorer: Any, data: ModelInput, chosen: np.ndarray, left: Mapping) -> pd.DataFrame:
        """What each feature adds to the log-odds before calibration."""
        from medanomaly.tabular.risk.scorer import risk_explanations

        return risk_explanations(scorer, data.inputs.iloc[chosen])


def kinds() -> dict[str, Callable[[], ModelKind]]:
    """The risk model of tables; its members say which model it is."""
    return {TabularRisk.name: TabularRisk}
