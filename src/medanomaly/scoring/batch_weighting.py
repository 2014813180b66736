"""Weights of calibration cases for a batch that comes in parts: all parts are read once before they are scored."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from medanomaly.core.models import ModelInput
from medanomaly.core.recipe import ReadCases
from medanomaly.core.splits import patient_position
from medanomaly.scoring.batch_output import MOST_COMPARED
from medanomaly.scoring.model_answers import OpenModel, acquisition, weighting_of

if TYPE_CHECKING:
    from medanomaly.evaluation.reweighting import Weighting


def batch_weightings(models: Collection[OpenModel], parts: Iterable[ReadCases]) -> "dict[str, Weighting]":
    """Name of a model -> its calibration, weighted for at most :data:`MOST_COMPARED` cases of the batch.

    Args:
        models: that are asked.
        parts: of the batch, as their recipe read them.
    """
    wanted = {model.kind.reads for model in models}
    taken: dict[str, pd.DataFrame] = {}
    for read in parts:
        for name in wanted & set(read.inputs):
            taken[name] = _sample(taken.get(name), read.inputs[name])
    out = {}
    for model in models:
        if hasattr(model.scorer, "probabilities"):
            continue
        of = taken.get(model.kind.reads, pd.DataFrame({"patient_id": []}))
        facts = of.drop(columns=["patient_id", "place"], errors="ignore")
        out[model.name] = weighting_of(model, facts if len(facts.columns) else None, of["patient_id"])
    return out


def _sample(before: pd.DataFrame | None, data: ModelInput) -> pd.DataFrame:
    """Facts, patient and place of the cases so far whose ids have the lowest hashes, in their order."""
    facts, patient_id = acquisition(data)
    facts = pd.DataFrame(index=range(len(patient_id))) if facts is None else facts.reset_index(drop=True)
    place = patient_position(data.cases["case_id"], 0)
    new = facts.assign(patient_id=patient_id.to_numpy(), place=place)
    both = new if before is None else pd.concat([before, new], ignore_index=True)
    chosen = np.sort(np.argsort(both["place"].to_numpy(), kind="stable")[:MOST_COMPARED])
    return both.iloc[chosen].reset_index(drop=True)
