"""Answers to single plain cases, equal to those of :meth:`medanomaly.scoring.models.Models.score` and much faster."""

from bisect import bisect_left
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from medanomaly.core.conformal import checked_alpha
from medanomaly.core.recipe import PlainCase
from medanomaly.monitoring.batch_shift import check_shift
from medanomaly.scoring.answers import NOTICE, SCORED
from medanomaly.scoring.model_answers import OpenModel
from medanomaly.scoring.models import Models


@dataclass(frozen=True)
class _RowModel:
    """A model with what its answers to one case are made of.

    Attributes:
        calibration: sorted scores.
        usual, unusual: what is said of p-values of a case whose score is below, or above, the median of calibration.
    """

    model: OpenModel
    calibration: list[float]
    middle: float
    usual: dict[str, str]
    unusual: dict[str, str]


class SingleCases:
    """Models of a modality, ready for one case at a time.

    Args:
        models: opened models.
        modality: whose recipe reads plain cases: records of a table, beats that were cut out.
    """

    def __init__(self, models: Models, modality: str):
        self._models, self._modality = models, modality
        self._recipe = models.recipe(modality=modality)
        self._rows = {model.name: _row_model(model) for model in models.asked(self._recipe)}

    def answer(
        self, raw: Any, models: Collection[str] | None = None, alpha: float | None = None
    ) -> tuple[PlainCase, dict[str, Any]] | None:
        """Scores without explanations, as :meth:`medanomaly.scoring.answers.Answers.to_dict` gives them.

        Args:
            raw: a record as column to value, or the samples of a beat.
            models: names of the models that are asked; None asks all.
            alpha: false-alarm rate; None takes that of the run.

        Returns:
            The case as it was read and the answer, or None where the case is not plain or a model reads more than features
            and waveforms.

        Raises:
            ConfigurationError: no such model, or alpha is no share.
        """
        asked = [self._rows[model.name] for model in self._models.asked(self._recipe, models)]
        read = (
            self._recipe.read_plain(raw)
            if hasattr(self._recipe, "read_plain") and None not in asked
            else None
        )
        if read is None:
            return None
        given, hold = [], {}
        for row in asked:
            manifest = row.model.bundle.manifest
            score = _score(row.model, read)
            if not np.isfinite(score):
                return None
            size = len(row.calibration)
            p = (1.0 + size - bisect_left(row.calibration, score)) / (size + 1.0)
            level = checked_alpha(row.model.alpha if alpha is None else alpha)
            given.append(
                {
                    "model": manifest.name,
                    "score": score,
                    "p_value": p,
                    "flagged": p <= level,
                    "alpha": level,
                    "bundle": row.model.bundle.bundle_hash,
                }
            )
            if read.independent:
                hold[row.model.name] = row.usual if score <= row.middle else row.unusual
        case = {"case_id": read.case_id, "case": read.case_id, "status": SCORED}
        return read, {
            "modality": self._modality,
            "cases": [case | {"answers": given, "findings": [], "missing": list(read.missing)}],
            "p_values_hold": hold,
            "findings": [],
            "notes": list(read.notes),
            "notice": NOTICE,
        }


def _score(model: OpenModel, read: PlainCase) -> float:
    if model.kind.reads == "waveforms":
        return float(model.scorer.score(read.waveforms)[0])
    return model.scorer.score_row(read.features)


def _row_model(model: OpenModel) -> _RowModel | None:
    """None where the model reads more than features and waveforms, gives probabilities, or compares within groups."""
    waveforms = model.kind.reads == "waveforms" and not hasattr(model.scorer, "probabilities")
    in_groups = model.bundle.manifest.get("calibration_groups") is not None
    if in_groups or not (waveforms or hasattr(model.scorer, "score_row")):
        return None
    calibration = np.sort(np.asarray(model.scorer.calibration, dtype=np.float64))
    middle = float(np.median(calibration))
    # of a single case only two things can be said
    usual, unusual = (
        {"verdict": check.verdict, "reason": check.reason}
        for check in (
            check_shift(calibration, np.array([at])) for at in (middle, np.nextafter(middle, np.inf))
        )
    )
    return _RowModel(model, calibration.tolist(), middle, usual, unusual)
