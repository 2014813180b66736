"""Answers as rows of the store: ids become keyed hashes, and what a model read becomes one hash."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.core.plain_text import plain_text
from medanomaly.core.recipe import ReadCases
from medanomaly.store.keys import Keys
from medanomaly.store.schema import TEXT

SUBJECT, CASE, INPUT, PREDICTION, RECORD = "subject", "case", "input", "prediction", "record"
# column of the store -> column of the answers
_GIVEN = {
    "score": "score", "p_value": "p_value", "alpha": "alpha", "flagged": "flagged", "probability": "probability",
    "prob_low": "low", "prob_high": "high",
}  # fmt: skip


class Scored(Protocol):
    """What is read of :class:`medanomaly.scoring.answers.Answers`."""

    read: ReadCases
    scores: pd.DataFrame
    explanations: pd.DataFrame


def ids_as_text(ids: Sequence[Any] | pd.Series) -> list[str]:
    """Ids as recipes write them, so that 17, ``17`` and 17.0 are one id.

    Raises:
        InputError: an id is missing.
    """
    text = plain_text(ids if isinstance(ids, pd.Series) else pd.Series(list(ids), dtype=object))
    if text.isna().any():
        raise InputError("an id is missing", record=int(text.isna().to_numpy().argmax()) + 1)
    return text.tolist()


def model_rows(answers: Scored, when: datetime) -> list[dict[str, Any]]:
    """One row per model."""
    models = answers.scores[["bundle", "modality", "model"]].drop_duplicates("bundle")
    return [
        {"model_hash": row.bundle, "modality": row.modality, "model_name": row.model, "first_used_at": when}
        for row in models.itertuples()
    ]


def prediction_rows(
    answers: Scored,
    keys: Keys,
    times: Mapping[str, datetime] | None = None,
    case_prefix: str = "",
    subject_prefix: str = "",
) -> dict[str, list[Any]]:
    """Column -> values of the predictions, one per case and model, in the order of the scores.

    Args:
        answers: n rows of scores.
        keys: of the store.
        times: case_id -> when the case was observed, with a time zone.
        case_prefix, subject_prefix: put before ids of cases and of patients before they are hashed.
    """
    scores, read = answers.scores, answers.read
    case_ids = read.cases["case_id"].astype("string").tolist()
    subjects = dict(
        zip(
            case_ids,
            _hashed(keys, SUBJECT, subject_prefix, ids_as_text(read.cases["patient_id"])),
            strict=True,
        )
    )
    cases = dict(zip(case_ids, _hashed(keys, CASE, case_prefix, case_ids), strict=True))
    inputs = dict(zip(case_ids, input_hashes(read, keys), strict=True))
    of = scores["case_id"].tolist()
    when = [None] * len(of) if times is None else [times.get(case) for case in of]
    out: dict[str, list[Any]] = {
        "model_hash": scores["bundle"].tolist(),
        "subject_key": [subjects[case] for case in of],
        "case_key": [cases[case] for case in of],
        "case_time": when,
        "input_hash": [inputs[case] for case in of],
    }
    moments = ["" if moment is None else moment.astimezone(UTC).isoformat() for moment in when]
    named = zip(
        out["model_hash"], out["subject_key"], out["case_key"], moments, out["input_hash"], strict=True
    )
    out = {"prediction_id": keys.hashes(PREDICTION, map("|".join, named))} | out
    for name, given in _GIVEN.items():
        out[name] = _without_nan(scores[given], bool if name == "flagged" else float)
    return out


def _hashed(keys: Keys, domain: str, prefix: str, ids: list[str]) -> list[str]:
    return keys.hashes(domain, [prefix + one for one in ids] if prefix else ids)


def explanation_rows(
    answers: Scored, ids: Mapping[tuple[str, str], str], keep_values: bool
) -> list[dict[str, Any]]:
    """Rows of explanations, the largest contribution of a case first.

    Args:
        answers: with explanations.
        ids: (case_id, model) -> id of the prediction.
        keep_values: whether the values of the patient are kept beside the contributions.
    """
    terms = answers.explanations
    if not len(terms):
        return []
    names = list(zip(terms["case_id"], terms["modality"] + "." + terms["model"], strict=True))
    out = pd.DataFrame(
        {
            "prediction_id": [ids[name] for name in names],
            "feature": terms["feature"].astype(str).str.slice(0, TEXT).to_numpy(),
            "unit": [str(unit)[:50] if isinstance(unit, str) and unit else None for unit in terms["unit"]],
            "shown_value": [
                str(value)[:TEXT] if keep_values and not pd.isna(value) and str(value) else None
                for value in terms["value"]
            ],
        }
    )
    out["place"] = out.groupby("prediction_id").cumcount() + 1
    for name in ("usual_low", "usual_high", "contribution"):
        out[name] = pd.Series(_without_nan(terms[name], float), dtype=object)
    out["exact"] = pd.Series(_without_nan(terms["exact"], bool), dtype=object)
    return out.to_dict("records")


def input_hashes(read: ReadCases, keys: Keys) -> list[str]:
    """One hash per case of all that models read of it, keyed, because few values can be guessed one after the other."""
    n = len(read.cases)
    parts: list[list[bytes]] = []
    for name in sorted(read.inputs):
        given = read.inputs[name].inputs
        if isinstance(given, pd.DataFrame):
            parts.append(_of_table(given))
        elif isinstance(given, np.ndarray):
            values = np.ascontiguousarray(given)
            parts.append([row.tobytes() for row in values])
        elif hasattr(given, "raw"):
            parts.append(_of_recordings(given.raw, read.cases["case_id"].tolist(), keys))
    if not parts:
        return keys.hashes(INPUT, [b""] * n)
    return keys.hashes(INPUT, parts[0] if len(parts) == 1 else map(b"\x1e".join, zip(*parts, strict=True)))


def _of_table(features: pd.DataFrame) -> list[bytes]:
    """The values of each row, by name of their columns: numbers as they are in memory, text with separators."""
    features = features.drop(columns="case_id", errors="ignore").sort_index(axis=1)
    numeric = [name for name in features if pd.api.types.is_numeric_dtype(features[name])]
    text = [name for name in features if name not in numeric]
    numbers = features[numeric].to_numpy(dtype=np.float64, na_value=np.nan)
    # a NaN has many bit patterns, and minus zero is zero
    numbers = np.ascontiguousarray(np.where(np.isnan(numbers), np.nan, numbers + 0.0))
    out = [row.tobytes() for row in numbers]
    if not text:
        return out
    words = [features[name].astype("string").fillna("\x00").tolist() for name in text]
    return [numbers + "\x1f".join(cells).encode() for numbers, *cells in zip(out, *words, strict=True)]


def _of_recordings(raw: Mapping[str, Any], case_ids: list[str], keys: Keys) -> list[bytes]:
    """For cases that lie in recordings: the recording of each, by its name before the colon."""
    made = {
        record: keys.hashes(INPUT, [np.ascontiguousarray(r.signal).tobytes()])[0] for record, r in raw.items()
    }
    every = "".join(made.values())
    return [made.get(case.rpartition(":")[0], every).encode() for case in case_ids]


def _without_nan(values: pd.Series, kind: type) -> list[Any]:
    missing = values.isna().to_numpy()
    if missing.all():
        return [None] * len(values)
    plain = [
        None if gone else kind(value) for value, gone in zip(values.tolist(), missing.tolist(), strict=True)
    ]
    return plain
