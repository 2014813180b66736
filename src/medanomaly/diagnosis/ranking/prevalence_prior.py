"""How common diseases are as a prior of the ranking, where somebody asks for it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError
from medanomaly.diagnosis.knowledge.source import Knowledge
from medanomaly.diagnosis.ranking.frequencies import plain_name
from medanomaly.diagnosis.ranking.params import RankingParams


def prevalence_prior(
    knowledge: Knowledge, diseases: Sequence[str], names: Sequence[str], params: RankingParams
) -> tuple[np.ndarray | None, dict[str, str]]:
    """What is added to the score of each disease, and versions and licence with what was used of them.

    A disease has the prevalence of its own id, else that of the disease of Orphanet with the same name. One without any is
    taken for as common as the median of the others.

    Args:
        knowledge: with prevalences, where they were given.
        diseases: (n,) ids of the candidates.
        names: (n,) what they are called.
        params: with the weight.

    Returns:
        (n,) float32, or None where the weight is 0; and ``about`` of the knowledge.

    Raises:
        ConfigurationError: a weight is asked for, and no prevalence of any candidate is known.
    """
    about = knowledge.about()
    if params.prevalence_weight == 0:
        if "prevalences" in about:
            about["prevalences"] += ". Not used: ranking.prevalence_weight is 0"
        return None, about
    if knowledge.prevalences is None:
        raise ConfigurationError(
            "ranking.prevalence_weight is above 0, and no prevalences were given",
            remedy="Give en_product9_prev.xml of Orphadata (--params prevalence=<file>), or set the weight to 0.",
        )
    table = knowledge.prevalences.of_diseases()
    by_name = (
        table.assign(name=table["name"].map(plain_name))
        .drop_duplicates("name")
        .set_index("name")["per_100000"]
    )
    own = pd.Series(list(diseases)).map(table.set_index("disease")["per_100000"])
    found = own.fillna(pd.Series([plain_name(name) for name in names]).map(by_name)).to_numpy(
        dtype=np.float64
    )
    known = np.isfinite(found)
    if not known.any():
        raise ConfigurationError(
            "the prevalences name none of the diseases that are ranked",
            remedy="Add ORPHA to ranking.databases, or set ranking.prevalence_weight to 0.",
        )
    logs = np.where(known, np.log(np.where(known, found, 1.0)), 0.0)
    prior = np.where(known, logs - np.median(logs[known]), 0.0) * params.prevalence_weight
    about["prevalences"] += (
        f". Used with a weight of {params.prevalence_weight:g}; known of {int(known.sum()):,} of {len(found):,} diseases"
    )
    return prior.astype(np.float32), about
