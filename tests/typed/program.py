"""What a typed program does with the public names: it is checked by ``make types``, and never run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import medanomaly
from medanomaly.core.bundle import Bundle, read_bundle
from medanomaly.core.conformal import benjamini_hochberg, p_values
from medanomaly.core.errors import MedanomalyError
from medanomaly.core.open_bundle import open_bundle
from medanomaly.evaluation.comparison import compare_models
from medanomaly.evaluation.metrics import evaluate
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.scoring.answers import Answers
from medanomaly.scoring.models import Models
from medanomaly.scoring.patients import PatientAnswer
from medanomaly.scoring.rankings import Rankings
from medanomaly.training.params import TrainingParams


def answered(folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of a run's models to one record."""
    models: Models = medanomaly.open(folder)
    answers: Answers = models.score(record, modality="tabular", alpha=0.05, explain=5)
    names: list[str] = list(models)
    table: pd.DataFrame = answers.table
    answers.save(folder / "answers.csv")
    return answers.to_dict() | {"models": names, "modalities": models.modalities, "n": len(table)}


def diagnosed(folder: Path, symptoms: Mapping[str, Any]) -> Rankings | None:
    """Diseases in order; None where the symptoms cannot be read."""
    try:
        found: Rankings = medanomaly.open(str(folder)).rank(symptoms, top=10)
    except MedanomalyError as error:
        words: str = error.problem + error.remedy
        raise SystemExit(words) from error
    return found if len(found.rankings) else None


def whole_patient(models: Models, folder: Path) -> PatientAnswer:
    """One answer from all that is known of a patient."""
    return models.patient(folder, alpha=0.1, options={"signals": {"fs": 360}})


def without_a_model(table: pd.DataFrame, ecg: np.ndarray) -> tuple[Answers, Answers]:
    """Records and beats that are unlike the others."""
    return medanomaly.detect(table, patient_id="patient"), medanomaly.beats(ecg, fs=360.0)


def alarms(folder: Path, features: pd.DataFrame) -> np.ndarray:
    """Which rows are alarms at a false discovery rate."""
    bundle: Bundle = read_bundle(folder)
    scorer = open_bundle(bundle)
    scores = np.arange(float(len(features)))
    found: np.ndarray = benjamini_hochberg(p_values(scores, bundle.array("calibration.npy")), 0.1)
    return found if hasattr(scorer, "score") else np.zeros(len(features), dtype=bool)


def judged(cases: pd.DataFrame, scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Metrics and paired differences."""
    params = EvaluationParams(n_resamples=500, alpha=0.05)
    return {
        "metrics": evaluate(cases, scores, "tabular", params),
        "comparisons": compare_models(cases, scores, "tabular", params),
        "training": pd.DataFrame([TrainingParams(max_epochs=3).model_dump()]),
    }
