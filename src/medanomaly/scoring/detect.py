"""One line for data of one's own, without a trained model and without files: every record, or every beat, gets an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from medanomaly.core.conformal import checked_alpha
from medanomaly.core.errors import InputError
from medanomaly.core.models import ModelInput
from medanomaly.core.recipe import ReadCases
from medanomaly.scoring.answers import Answers
from medanomaly.scoring.model_answers import SCORE_COLUMNS
from medanomaly.scoring.models import EXPLAINED

if TYPE_CHECKING:
    from medanomaly.detectors.cross_conformal import CrossConformal

GUARANTEE = (
    "every record was judged by detectors that never saw its patient; at most a share of 2 alpha of the records is flagged, "
    "measured it is about alpha of usual ones"
)
# a recording is cut into so many blocks in time; beats of one block are judged by detectors of the others
BLOCKS = 10


def detect(
    table: pd.DataFrame | Sequence[Mapping[str, Any]] | str,
    *,
    patient_id: str | None = None,
    case_id: str | None = None,
    ignore: Sequence[str] = (),
    description: Mapping[str, Any] | None = None,
    detector: str = "two_view_ensemble",
    alpha: float = 0.05,
    explain: int = EXPLAINED,
    n_folds: int = 5,
    seed: int = 0,
) -> Answers:
    """What is unusual in a table without labels: every row gets a score, a p-value and its reasons.

    Args:
        table: one row per record, or the path of a CSV, Parquet or Excel file.
        patient_id: column with the patient; without it each record is of another one.
        case_id: column with a unique id; without it records are numbered from 1.
        ignore: columns that are not used, such as a label.
        description: further entries of a table's description (``columns``, ``rules``, ...), as in ``conf``.
        detector: name of a file of :mod:`medanomaly.detectors.kinds`.
        alpha: share of usual records that may be flagged.
        explain: how many of the most anomalous records are explained.
        n_folds: parts of the table; more of them learn from more rows and take longer.
        seed: of everything that is drawn.

    Returns:
        Answers; ``.table`` has one row per record, also of those that could not be read.

    Raises:
        InputError: the table cannot be read, or has too few usable records.
    """
    from medanomaly.detectors.cross_conformal import cross_conformal
    from medanomaly.detectors.training import DetectorParams
    from medanomaly.tabular.features.record_features import fit_features
    from medanomaly.tabular.recipe import TableRecipe, as_table
    from medanomaly.tabular.table.cleaning import clean_table
    from medanomaly.tabular.table.description import TableSpec

    raw, source = as_table(table)
    named = {"patient_id": patient_id, "case_id": case_id, "ignore": tuple(ignore)}
    described = dict(description or {}) | {key: value for key, value in named.items() if value}
    spec = TableSpec.model_validate(_with_rules_by_name(raw, described))
    clean = clean_table(raw, spec, source)
    every = clean.cases.assign(split="train")
    recipe = TableRecipe(fit_features(clean.records, every, spec, seed, learned=clean.learned))
    read = recipe.read(raw)
    data = read.inputs["features"]
    found = cross_conformal(
        data.inputs, read.cases["patient_id"], DetectorParams(kind=detector), n_folds=n_folds, seed=seed
    )
    notes = (GUARANTEE, *(note for note in clean.summary["notes"] if note not in read.notes), *read.notes)
    return _answers("tabular", "record", read, data, found, detector, alpha, explain, notes)


def _with_rules_by_name(raw: pd.DataFrame, described: Mapping[str, Any]) -> dict[str, Any]:
    """The description, with rules for columns that are named after a quantity: nobody described this table."""
    from medanomaly.tabular.table.guess import guess_table

    rules = dict(described.get("rules") or {})
    named = {
        name: {"quantity": column.quantity, "unit": column.unit}
        for name, column in guess_table(raw).columns.items()
        if column.quantity
        and name not in (described.get("columns") or {})
        and name not in described.get("ignore", ())
    }
    return dict(described) | {"rules": rules | {"variables": named | dict(rules.get("variables") or {})}}


def beats(
    signal: Any,
    fs: float | None = None,
    *,
    detector: str = "two_view_ensemble",
    alpha: float = 0.05,
    explain: int = EXPLAINED,
    seed: int = 0,
    **options: Any,
) -> Answers:
    """Which beats of one ECG are unlike its others: every beat in good signal gets a score, a p-value and its reasons.

    A beat is compared with beats of other parts of the same recording. A rhythm that lasts throughout is usual here,
    whatever it is; a model that was trained on other people (:func:`medanomaly.open`) can tell.

    Args:
        signal: (n_samples,) or (n_samples, n_leads) in mV, a recording, or the path of one.
        fs: rate in Hz, for arrays and files that do not state it.
        detector, alpha, explain, seed: as of :func:`detect`.
        options: of :meth:`medanomaly.signals.recipe.BeatRecipe.recordings`, such as ``leads`` and ``units``.

    Raises:
        InputError: there is no ECG, or it has too few beats.
    """
    from medanomaly.detectors.cross_conformal import cross_conformal
    from medanomaly.detectors.training import DetectorParams
    from medanomaly.signals.beats.params import BeatParams
    from medanomaly.signals.recipe import BeatRecipe, signal_recipe

    sealed = signal_recipe("beat_recipe", BeatParams(marks="detected"), {}, {})
    given = {"fs": fs} if fs is not None else {}
    read = BeatRecipe(sealed).read(signal, **given, **options)
    if not read.inputs:
        raise InputError(
            "; ".join(read.refused["reason"]) or "there is no beat in good signal",
            remedy="Check rate, leads and units.",
        )
    data = read.inputs["features"]
    # neighbours are alike, so that a block of time is what a patient is elsewhere
    block = pd.Series(np.arange(len(read.cases)) * BLOCKS // len(read.cases)).astype("string")
    found = cross_conformal(data.inputs, block, DetectorParams(kind=detector), n_folds=3, seed=seed)
    notes = (
        "a beat is compared with the others of this recording: what lasts throughout is usual here",
        *read.notes,
    )
    return _answers("signals", "beat", read, data, found, detector, alpha, explain, notes)


def _answers(
    modality: str,
    noun: str,
    read: ReadCases,
    data: ModelInput,
    found: "CrossConformal",
    detector: str,
    alpha: float,
    explain: int,
    notes: Sequence[str],
) -> Answers:
    from medanomaly.detectors.cross_conformal import explain_first

    explanations = explain_first(found, data.inputs, data.about.get("units", {}), detector, explain)
    scores = pd.DataFrame(
        {
            "case_id": read.cases["case_id"],
            "modality": modality,
            "model": detector,
            "score": found.score,
            "p_value": found.p_value,
            "flagged": found.p_value <= checked_alpha(alpha),
            "alpha": alpha,
        }
    ).reindex(columns=list(SCORE_COLUMNS))
    return Answers(
        modality=modality,
        noun=noun,
        read=replace(read, notes=tuple(dict.fromkeys(notes))),
        scores=scores,
        explanations=explanations.assign(modality=modality),
    )
