"""The order in which to review cases: an isolation forest, re-weighted by what was confirmed and dismissed before."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from medanomaly.core.conformal import p_values
from medanomaly.core.errors import ConfigurationError
from medanomaly.scoring.models import Models

if TYPE_CHECKING:
    from medanomaly.store.store import Store


def review_order(
    models: Models, raw: Any, store: "Store", model: str, *, modality: str | None = None, **options: Any
) -> pd.DataFrame:
    """Cases that nobody has reviewed, in the order in which to review them.

    Args:
        models: of ``medanomaly.open``.
        raw: what the recipe reads. Its reviewed cases teach the forest, so earlier cases belong into it.
        store: that knows the reviews, by the ids of patient and case.
        model: an isolation forest.
        modality, options: as of ``Models.score``.

    Returns:
        ``case_id``, ``case``, ``score`` and ``p_value`` of the model, ``reviewed_score``, ``place`` (1 is first) and
        ``place_before`` (by the model alone); ``attrs["n_reviewed"]`` says how many cases taught.

    Raises:
        ConfigurationError: the model is no isolation forest of features.
    """
    from medanomaly.detectors.feedback import reviewed_scores
    from medanomaly.detectors.scorer import TabularScorer

    recipe = models.recipe(raw, modality)
    (asked,) = models.asked(recipe, [model])
    if not isinstance(asked.scorer, TabularScorer):
        raise ConfigurationError(
            f"'{asked.name}' reads no features", remedy="Name an isolation forest with --model."
        )
    read = recipe.read(raw, **options)
    cases, features = read.cases, read.inputs["features"].inputs
    truth = store.ground_truths(cases["patient_id"], cases["case_id"])
    score = asked.scorer.score(features)
    out = pd.DataFrame(
        {
            "case_id": cases["case_id"].astype(str),
            "case": [read.names.get(case, case) for case in cases["case_id"].astype(str)],
            "score": score,
            "p_value": p_values(score, asked.scorer.calibration),
            "reviewed_score": reviewed_scores(asked.scorer, features, truth),
        }
    )
    waiting = np.array([one is None for one in truth], dtype=bool)
    out = out[waiting].reset_index(drop=True)
    for name, by in (("place_before", "score"), ("place", "reviewed_score")):
        out[name] = out[by].rank(ascending=False, method="first").astype(int)
    out = out.sort_values("place", ignore_index=True)
    out.attrs["n_reviewed"] = int((~waiting).sum())
    return out
