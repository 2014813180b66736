"""A recipe turns raw data into what models read, as training did; it is sealed in a bundle of its own.

A run seals one recipe per modality. Every bundle of a model names the hash of the recipe that its inputs come from, so that
no model is given what another recipe made.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle, read_bundle
from medanomaly.core.errors import BundleError
from medanomaly.core.models import ModelInput

FINDING_COLUMNS = ("case_id", "column", "value", "rule", "message", "suggested_value")
REFUSED_COLUMNS = ("case_id", "reason")


class RecipeKind(NamedTuple):
    """A kind of recipe; it is imported when one is opened.

    Attributes:
        module: where its class is.
        name: of the class.
        leading_kind: kind of the model that leads where no label says which model is best, in a run and of raw cases.
    """

    module: str
    name: str
    leading_kind: str


# kind of the bundle -> what it is
RECIPES = {
    "table_recipe": RecipeKind("medanomaly.tabular.recipe", "TableRecipe", "two_view_ensemble"),
    "beat_recipe": RecipeKind("medanomaly.signals.recipe", "BeatRecipe", "beat_detector"),
    "cut_beat_recipe": RecipeKind("medanomaly.signals.recipe", "CutBeatRecipe", "lstm_autoencoder"),
    "series_recipe": RecipeKind("medanomaly.signals.recipe", "SeriesRecipe", "many_scale_profile"),
    "image_recipe": RecipeKind("medanomaly.imaging.recipe", "ImageRecipe", "lbe"),
    "symptom_recipe": RecipeKind("medanomaly.diagnosis.recipe", "SymptomRecipe", "phenotype_ranker"),
}


def no_rows(columns: tuple[str, ...]) -> pd.DataFrame:
    """An empty table of text."""
    return text_rows([], columns)


def text_rows(rows: list[tuple], columns: tuple[str, ...]) -> pd.DataFrame:
    """A table of text, such as findings."""
    return pd.DataFrame(rows, columns=list(columns), dtype="string")


@dataclass(frozen=True)
class ReadCases:
    """Raw data as cases.

    Attributes:
        cases: ``case_id``, ``patient_id``, subgroups: one row per case that can be scored, without a split.
        inputs: what models read -> the cases in this form, in the order of ``cases``.
        findings: ``FINDING_COLUMNS``: what looks wrong in the data, and what was probably meant. Nothing was changed.
        refused: ``REFUSED_COLUMNS``: cases that cannot be scored, and why.
        missing: case_id -> names of what was not given.
        notes: sentences about all cases.
        names: case_id -> the name that a reader knows the case by; a case without one goes by its id.
        independent: whether the cases say nothing of each other; beats of one person do.
        account: what became of the events that the cases were made of, by source; None where there were no events.
            ``notes`` says in sentences what went into quarantine.
        named: whether ``patient_id`` was given; else it is a name of our own, by which nobody else knows the patient.
    """

    cases: pd.DataFrame
    inputs: Mapping[str, ModelInput]
    findings: pd.DataFrame = field(default_factory=lambda: no_rows(FINDING_COLUMNS))
    refused: pd.DataFrame = field(default_factory=lambda: no_rows(REFUSED_COLUMNS))
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    independent: bool = True
    account: pd.DataFrame | None = None
    named: bool = True


@dataclass(frozen=True)
class PlainCase:
    """A single case in which nothing had to be converted, completed or flagged; it costs no table.

    Attributes:
        case_id: of the case; ``1`` where it has none of its own.
        features: feature to its number (NaN = missing) or level (None = missing).
        waveforms: (1, n_samples, n_leads) float32, where models read them.
        missing: names of what was not given.
        notes: sentences about the case.
        independent: as of :class:`ReadCases`.
        patient_id: whose it is; None where that is not given.
    """

    case_id: str
    features: Mapping[str, float | str | None]
    waveforms: np.ndarray | None = None
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    independent: bool = True
    patient_id: str | None = None


class Recipe(Protocol):
    """A sealed recipe, ready to read raw data.

    Attributes:
        bundle: that it was opened from.
        noun: of one case, in a sentence.
    """

    bundle: Bundle
    noun: str

    def takes(self, raw: Any) -> int:
        """How surely this is raw data of its modality: 0 not, 1 by its form or ending, 2 by its content."""

    def read(self, raw: Any, **options: Any) -> ReadCases:
        """Raw data to cases; what cannot be used is refused case by case."""


def open_recipe(source: Path | str | Bundle) -> Recipe:
    """The recipe of a bundle.

    Raises:
        BundleError: the folder is no bundle, was altered, or holds no recipe.
    """
    bundle = source if isinstance(source, Bundle) else read_bundle(Path(source))
    if bundle.manifest.kind not in RECIPES:
        raise BundleError(
            f"'{bundle.manifest.name}' is a bundle of kind '{bundle.manifest.kind}', which is no recipe",
            remedy=f"Recipes are {', '.join(RECIPES)}.",
        )
    of = RECIPES[bundle.manifest.kind]
    return getattr(importlib.import_module(of.module), of.name)(bundle)
