"""Models of classes of tables as a kind: the calibrated probability of each class.

A risk model is the case of two classes, normal and not. It stays a kind of its own, because with two classes there are
log-odds, credible intervals and a threshold. Cases, folds, members and what a bundle says of its training are shared.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.models import FitContext, ModelInput, ModelKind
from medanomaly.core.scores import table_without_p_values
from medanomaly.tabular.classes.params import NAME, ClassParams


class TabularClasses(ModelKind):
    """A supervised model of records that learns the classes of cases outside test."""

    name = NAME
    reads = "features"
    params = ClassParams
    explains = True
    score_leaves = ("probabilities",)
    label = "model of classes"

    def fit(self, data: ModelInput, params: ClassParams, context: FitContext) -> tuple[Bundle, Mapping]:
        """Fit, calibrate and choose the decision on cases outside test whose class is known."""
        from medanomaly.tabular.classes.training import train_classes

        bundle = train_classes(
            data.cases,
            data.inputs,
            params,
            name=context.name,
            seed=context.seed,
            units=data.about.get("units"),
            stamp=dict(context.stamp),
        )
        return bundle, {}

    def open(self, bundle: Bundle) -> Any:
        """A :class:`medanomaly.tabular.classes.scorer.ClassScorer`."""
        from medanomaly.tabular.classes.scorer import ClassScorer

        return ClassScorer(bundle)

    def score_table(self, scorer, data: ModelInput, left, group_by, min_group_size):
        """Probabilities of the test cases, of which the least sure has the highest score. The model has seen all others."""
        in_test = (data.cases["split"] == "test").to_numpy(dtype=bool)
        answers = scorer.probabilities(data.inputs[in_test])
        first = answers.drop_duplicates("case_id")
        flagged = pd.Series(pd.NA, index=first.index, dtype="boolean")
        table = table_without_p_values(
            first["case_id"], 1 - first["probability"], scorer.bundle.manifest.name, flagged
        )
        return table, {"probabilities": answers}

    def most_notable(self, data: ModelInput, scores: pd.DataFrame, top: int) -> np.ndarray:
        """Positions of test cases of as many classes as there are, then further ones; of unknown class last."""
        from medanomaly.core.cases import class_of

        test = class_of(data.cases)[data.cases["split"].eq("test").to_numpy(dtype=bool)]
        turn = test.groupby(test.fillna(""), sort=False).cumcount()
        order = pd.DataFrame({"unknown": test.isna(), "turn": turn}).sort_values(
            ["unknown", "turn"], kind="stable"
        )
        return data.cases.index.get_indexer(order.index[:top])

    def explain(self, scorer: Any, data: ModelInput, chosen: np.ndarray, left: Mapping) -> pd.DataFrame:
        """What each feature says for the class that is named."""
        from medanomaly.tabular.classes.scorer import class_explanations

        return class_explanations(scorer, data.inputs.iloc[chosen])


def kinds() -> dict[str, Callable[[], ModelKind]]:
    """The model of classes of tables; its members say which model it is."""
    return {NAME: TabularClasses}
