"""Facts of acquisition and quality: what is known of a case besides what a model reads for its score.

A fact says how a case was taken: sharpness, size, sampling rate, noise, missing values, site, age. Facts of the calibration
cases are sealed beside the calibration scores, so that a new batch can be compared with them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle, array_bytes, make_bundle
from medanomaly.core.calibrated_bundle import CALIBRATION, CALIBRATION_ORDER
from medanomaly.core.cases import reference_cases
from medanomaly.core.errors import InputError
from medanomaly.core.models import ModelInput
from medanomaly.core.splits import patient_position

FACTS = "facts.npy"
# calibration cases of each label whose facts are sealed
MOST_SEALED = 500
# values of a number that are sealed: so coarse that a row names nobody
STEPS = 20


@dataclass(frozen=True)
class CalibrationFacts:
    """Facts of the calibration cases.

    Attributes:
        normal: one row per normal calibration case; numbers (NaN: missing) and levels (text, None: missing).
        abnormal: the same columns of abnormal calibration cases of the same source; no rows where none are known.
        steps: number -> ascending values that it is rounded to, in new cases as well; empty: none is rounded.
        scores: (n,) of the normal cases, for weighted p-values; None where they are not known.
    """

    normal: pd.DataFrame
    abnormal: pd.DataFrame
    steps: Mapping[str, Sequence[float]] = field(default_factory=dict)
    scores: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.scores is not None and len(self.scores) != len(self.normal):
            raise InputError(f"{len(self.scores)} scores for facts of {len(self.normal)} calibration cases")
        if list(self.normal) != list(self.abnormal):
            raise InputError("facts of normal and of abnormal calibration cases have other columns")

    @cached_property
    def _numbers(self) -> list[str]:
        return [name for name in self.normal if pd.api.types.is_numeric_dtype(self.normal[name])]

    @cached_property
    def _levels(self) -> dict[str, list[str]]:
        return {
            name: sorted(
                {str(level) for part in (self.normal, self.abnormal) for level in part[name].dropna()}
            )
            for name in self.normal
            if name not in self._numbers
        }

    def matrix(self, facts: pd.DataFrame) -> tuple[list[str], np.ndarray]:
        """Facts as numbers only, with their names.

        Args:
            facts: (n, k) with the columns of ``normal``, in any order.

        Returns:
            Names of columns, and (n, columns) float64: every number (NaN: missing), whether it is missing, every known
            level as 0 or 1, and whether a level is not known.

        Raises:
            InputError: a column is missing.
        """
        if absent := [name for name in self.normal if name not in facts]:
            raise InputError(
                f"facts {absent} are missing", remedy=f"The calibration cases have {list(self.normal)}."
            )
        names, columns = [], []
        for name in self._numbers:
            values = _rounded(_numbers(facts[name]), self.steps.get(name, ()))
            names += [name, f"{name} is missing"]
            columns += [values, np.isnan(values)]
        for name, known in self._levels.items():
            place = _places(facts[name], known)
            # what is missing counts as not known
            place = np.where(np.isnan(place), len(known), place)
            names += [*(f"{name} is {level}" for level in known), f"{name} is not known"]
            columns += list(place == np.arange(len(known) + 1)[:, None])
        return names, np.column_stack(columns).astype(float) if names else np.zeros((len(facts), 0))

    def coarse(self) -> "CalibrationFacts":
        """Every number rounded to the nearest of :data:`STEPS` quantiles of the normal cases, or to one far outside."""
        steps = {}
        for name in self._numbers:
            known = _numbers(self.normal[name])
            known = known[np.isfinite(known)]
            if known.size:
                inner = np.quantile(known, (np.arange(STEPS) + 0.5) / STEPS)
                # far outside on either side, as another unit would be; of what never varies, anything else is
                far = np.maximum(
                    2 * np.abs(inner[[0, -1]] - np.median(known)), 1e-6 * (1 + np.abs(inner[[0, -1]]))
                )
                outer = inner[[0, -1]] + far * [-1, 1]
                steps[name] = np.unique([*inner, *outer]).tolist()
        normal, abnormal = (
            part.assign(**{name: _rounded(_numbers(part[name]), at) for name, at in steps.items()})
            for part in (self.normal, self.abnormal)
        )
        return replace(self, normal=normal, abnormal=abnormal, steps=steps)

    def only(self, columns: Collection[str]) -> "CalibrationFacts":
        """The facts among these columns."""
        kept = [name for name in self.normal if name in columns]
        return replace(self, normal=self.normal[kept], abnormal=self.abnormal[kept])

    def sealed(self) -> tuple[np.ndarray, dict[str, Any]]:
        """``(array, about)``: (normal + abnormal, k) float64, levels as their places, and what it takes to read it back."""
        columns = [
            np.concatenate(
                [
                    _numbers(part[name]) if name in self._numbers else _places(part[name], self._levels[name])
                    for part in (self.normal, self.abnormal)
                ]
            )
            for name in self.normal
        ]
        about = {
            "columns": list(self.normal),
            "levels": self._levels,
            "steps": {name: list(at) for name, at in self.steps.items()},
            "n_normal": len(self.normal),
            "scored": self.scores is not None,
        }
        if self.scores is not None:
            columns.append(np.concatenate([self.scores, np.full(len(self.abnormal), np.nan)]))
        return np.column_stack(columns), about

    @classmethod
    def unsealed(cls, array: np.ndarray, about: Mapping[str, Any]) -> "CalibrationFacts":
        """What :meth:`sealed` gave."""
        table = pd.DataFrame(array[:, : len(about["columns"])], columns=about["columns"])
        for name, known in about["levels"].items():
            levels = np.array([*known, None], dtype=object)
            table[name] = levels[np.nan_to_num(table[name].to_numpy(), nan=len(known)).astype(int)]
        n = about["n_normal"]
        return cls(
            table.iloc[:n].reset_index(drop=True),
            table.iloc[n:].reset_index(drop=True),
            about["steps"],
            array[:n, -1] if about.get("scored") else None,
        )


def with_facts(bundle: Bundle, data: ModelInput) -> Bundle:
    """The bundle with the facts of its calibration cases, of one case per patient, where facts are known.

    Args:
        bundle: of a model with calibration scores.
        data: all cases, with the split.
    """
    files = {name: content for name, content in bundle.files.items() if name != CALIBRATION_ORDER}
    if data.facts is None or CALIBRATION not in files:
        return bundle if len(files) == len(bundle.files) else make_bundle(bundle.manifest, files)
    cases = data.cases.reset_index(drop=True)
    normal = reference_cases(cases, "calibration").to_numpy(dtype=bool)
    abnormal = cases["split"].eq("calibration") & cases["label"].eq(1).fillna(False).astype(bool)
    parts = [_one_per_patient(cases, which) for which in (normal, abnormal.to_numpy(dtype=bool))]
    facts = [data.facts(rows).reset_index(drop=True) for rows in parts]
    if not len(facts[0].columns):
        return make_bundle(bundle.manifest, files)
    scores = _calibration_scores(bundle, normal)
    known = CalibrationFacts(*facts, scores=None if scores is None else scores[parts[0]])
    array, about = known.coarse().sealed()
    return make_bundle(dict(bundle.manifest) | {"facts": about}, files | {FACTS: array_bytes(array)})


def _one_per_patient(cases: pd.DataFrame, which: np.ndarray) -> np.ndarray:
    """Positions of the first of these cases of each patient, of at most :data:`MOST_SEALED` patients."""
    of = cases[which]
    of = of[~of["patient_id"].duplicated()]
    order = np.argsort(patient_position(of["patient_id"], 0), kind="stable")[:MOST_SEALED]
    return of.index.to_numpy()[np.sort(order)]


def _calibration_scores(bundle: Bundle, normal: np.ndarray) -> np.ndarray | None:
    """(n,) scores of the normal calibration cases among n cases, NaN of others; None where a model calibrates otherwise."""
    if CALIBRATION_ORDER not in bundle.files:
        return None
    order, calibration = bundle.array(CALIBRATION_ORDER), bundle.array(CALIBRATION)
    if len(order) != normal.sum():
        return None
    scores = np.full(len(normal), np.nan)
    scores[np.flatnonzero(normal)[order]] = calibration
    return scores


def facts_of(bundle: Bundle) -> CalibrationFacts | None:
    """The facts that :func:`with_facts` sealed; None where there are none."""
    about = bundle.manifest.get("facts")
    return None if about is None else CalibrationFacts.unsealed(bundle.array(FACTS), about)


def _numbers(column: pd.Series) -> np.ndarray:
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def _rounded(values: np.ndarray, steps: Sequence[float]) -> np.ndarray:
    if not len(steps):
        return values
    steps = np.asarray(steps)
    nearest = steps[np.searchsorted((steps[1:] + steps[:-1]) / 2, values)]
    return np.where(np.isnan(values), np.nan, nearest)


def _places(column: pd.Series, known: list[str]) -> np.ndarray:
    place = {level: i for i, level in enumerate(known)}
    return np.array([place.get(str(value), np.nan) for value in column.tolist()], dtype=np.float64)
