"""Steps that the models of every modality share: scores, cards, tables of all models, names of bundles."""

from collections.abc import Callable
from functools import partial, update_wrapper

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle, make_bundle
from medanomaly.core.scores import MODEL, check_scores, score_table
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.provenance import bundle_stamp

# so many of the most anomalous test cases are explained
EXPLAINED_CASES = 20


def scored(
    cases: pd.DataFrame, score: np.ndarray, model: str, alarm: AlarmParams, role: str = MODEL
) -> pd.DataFrame:
    """Score table of one model, flagged as the alarm says."""
    return score_table(
        cases,
        score,
        model,
        alarm.alpha,
        group_by=alarm.group_by,
        min_group_size=alarm.min_group_size,
        role=role,
    )


def with_card(bundle: Bundle) -> Bundle:
    """The bundle with its model card, which has no figures yet: training never reads test."""
    from medanomaly.reporting.model_card import render_card

    return make_bundle(
        bundle.manifest, bundle.files | {"card.md": render_card(bundle.manifest, None).encode()}
    )


def stamp(run: RunParams, tuned: dict) -> dict:
    """What a manifest says of its making, the study its options come from among it; ``tuned`` is empty before a study."""
    return bundle_stamp(run.dataset) | ({"tuned": tuned} if tuned else {})


def gather_scores(*scores: pd.DataFrame) -> pd.DataFrame:
    """One score table of all models."""
    return check_scores(pd.concat(scores, ignore_index=True))


def gather(*tables: pd.DataFrame) -> pd.DataFrame:
    """One table of all models."""
    return pd.concat(tables, ignore_index=True)


def named(function: Callable, name: str) -> Callable:
    """The function for one model, whose name its bundle carries."""
    return update_wrapper(partial(function, name=name), function)
