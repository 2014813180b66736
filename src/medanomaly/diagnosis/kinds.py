"""Models of symptoms as kinds: the ranker of diseases, and its re-ranker."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field, create_model

from medanomaly.core.bundle import Bundle
from medanomaly.core.models import FitContext, ModelInput, ModelKind, ModelParams
from medanomaly.diagnosis.ranking.params import RankingParams

NAME, RERANKER = "phenotype_ranker", "phenotype_reranker"


class PhenotypeRankerParams(ModelParams):
    """How diseases are ranked, and what is learned from.

    Attributes:
        ranking: constants of the ranker.
        learn_from_cases: whether train cases with a diagnosis are mixed into the frequencies.
        hold_out: whether statements that cite a publication of calibration or test are left out of the knowledge, for every
            disease. Without that, figures are those of cases that the knowledge was written from. False is for a model
            that is trained to be used, and not to be judged.
        coverage: share of cases whose set of diseases shall hold the right one.
        top: so many diseases per case are listed.
    """

    kind: str = NAME
    ranking: RankingParams = RankingParams()
    learn_from_cases: bool = True
    hold_out: bool = True
    coverage: float = Field(0.9, gt=0, lt=1)
    top: int = Field(20, ge=1, le=500)


class PhenotypeRanker(ModelKind):
    """Diseases by likelihood ratios and similarity; its score is how little a patient looks like any of them."""

    name = NAME
    reads = "symptoms"
    params = PhenotypeRankerParams
    explains = True
    score_leaves = ("rankings", "reasons")
    label = "ranker of diseases"

    def fit(self, data: ModelInput, params: Any, context: FitContext) -> tuple[Bundle, Mapping[str, Any]]:
        """Mix knowledge and train cases, calibrate on the calibration publications."""
        from medanomaly.diagnosis.scorer import fitted_ranker

        return fitted_ranker(data, params, context), {}

    def open(self, bundle: Bundle) -> Any:
        """A :class:`medanomaly.diagnosis.scorer.SymptomScorer`."""
        from medanomaly.diagnosis.scorer import SymptomScorer

        return SymptomScorer(bundle)

    def scores(
        self, scorer: Any, data: ModelInput, left: Mapping[str, Any]
    ) -> tuple[np.ndarray, Mapping[str, Any]]:
        """How little each patient looks like any disease, the first diseases of each, and reasons of the shown cases."""
        looked = scorer.look(data.inputs)
        # of new cases reasons are made when they are asked for
        shown = data.inputs.select(shown_cases(data) if "split" in data.cases else [])
        return looked.score, {"rankings": looked.rankings, "reasons": scorer.reasons(shown, looked.rankings)}

    def explain(
        self, scorer: Any, data: ModelInput, chosen: np.ndarray, left: Mapping[str, Any]
    ) -> pd.DataFrame:
        """Which symptoms the nearest disease does not explain."""
        ids = data.cases["case_id"].iloc[chosen].tolist()
        return scorer.contributions(data.inputs.select(ids), left["rankings"], ids)


class PhenotypeReranker(PhenotypeRanker):
    """The ranker with its best candidates in an order that gradient boosting learned from train cases."""

    name = RERANKER
    label = "re-ranker of diseases"

    def __init__(self):
        from medanomaly.diagnosis.ranking.rerank import RerankParams

        self.params = create_model(
            "phenotype_reranker_params",
            __base__=PhenotypeRankerParams,
            kind=(str, RERANKER),
            rerank=(RerankParams, RerankParams()),
        )


# cases of a run that get a page of their own
SHOWN_CASES = 20


def shown_cases(data: ModelInput) -> list[str]:
    """Test cases that get a page: of as many diseases as there are, then further ones."""
    test = data.inputs.cases[data.cases["split"].eq("test").to_numpy()]
    turn = test.groupby(test["disease"].fillna(test["case_id"]), sort=False).cumcount()
    return test.assign(turn=turn).sort_values("turn", kind="stable")["case_id"].head(SHOWN_CASES).tolist()


def kinds() -> dict[str, Callable[[], ModelKind]]:
    """The ranker, and the one that learns to order its candidates again."""
    return {NAME: PhenotypeRanker, RERANKER: PhenotypeReranker}
