"""Nodes of the scoring."""

import logging
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from medanomaly.core.errors import ConfigurationError
from medanomaly.scoring.params import ScoringParams

logger = logging.getLogger(__name__)


def score(scoring: ScoringParams) -> dict[str, Any]:
    """Score a batch; its answers go to the file and the store that the parameters name, part by part.

    Returns:
        The summary of the batch as JSON types, without the cases.

    Raises:
        ConfigurationError: no source is named.
    """
    from medanomaly.scoring.batches import score_batch
    from medanomaly.scoring.models import open_models
    from medanomaly.scoring.moments import moment_of

    if not scoring.source:
        raise ConfigurationError(
            "nothing says what is scored",
            source="scoring",
            remedy="Name a file or a folder: --params scoring.source=...",
        )
    destination = Path(scoring.destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with _store(scoring) as store:
        summary = score_batch(
            open_models(scoring.models),
            scoring.source,
            destination,
            store=store,
            chunk_rows=scoring.chunk_rows,
            alpha=scoring.alpha,
            explain=scoring.explain,
            modality=scoring.modality,
            names=scoring.names,
            observed_at=moment_of("scoring.observed_at", scoring.observed_at)
            if scoring.observed_at
            else None,
            workers=scoring.workers,
            reweight=scoring.reweight,
            cluster=scoring.cluster,
            progress=lambda done: logger.info("%s done", f"{done:,}"),
        )
    logger.info(
        "%s cases scored, %s refused in %.0f s: %s",
        f"{summary.n_scored:,}",
        f"{summary.n_refused:,}",
        summary.seconds,
        destination,
    )
    for name, weighting in summary.weighted.items():
        logger.info("p-values of %s %s.", name, weighting.in_words)
    # which cases were refused stands in the file of the answers, which is as secret as its source
    return {name: value for name, value in summary.to_dict().items() if name != "refused"}


def _store(scoring: ScoringParams):
    if scoring.store is None:
        return nullcontext()
    from medanomaly.store.store import Store

    return Store.open(scoring.store, keep_clinical_values=scoring.keep_clinical_values)
