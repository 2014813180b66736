"""Wiring of the scoring: it reads bundles as a run left them, and no other dataset."""

from kedro.pipeline import Pipeline

from medanomaly.pipelines.modality import typed_node
from medanomaly.pipelines.scoring.nodes import score
from medanomaly.scoring.params import ScoringParams


def scoring() -> Pipeline:
    """Raw cases to answers, and a summary of the batch."""
    node = typed_node(
        score, {"scoring": ("params:scoring", ScoringParams)}, "batch_summary", "score_batch", tags="scoring"
    )
    return Pipeline([node])
