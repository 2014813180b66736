"""Flags: faults found in a table, and their summary."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

FLAG_COLUMNS = ("record", "case_id", "column", "value", "rule", "message", "suggested_value")

RULE_MEANINGS = {
    "impossible": "cannot be true",
    "implausible": "outside the plausible range, and no other reading explains it",
    "unit_mixup": "out of range, but plausible in another unit",
    "decimal_point": "out of range, but plausible with the decimal point elsewhere",
    "sentinel": "a code for a missing value",
    "not_a_number": "text where a number belongs",
    "number_in_text": "a number that is written as text",
    "censored": "a bound (below or above a limit), not a value",
    "not_whole": "a fraction where whole numbers belong",
    "unknown_value": "none of the allowed values",
    "not_a_time": "not an ISO 8601 time",
    "order": "two columns in the wrong order",
    "duplicate_id": "the id of an earlier record",
    "duplicate_record": "a repetition of an earlier record",
}
EXAMPLES = 3


@dataclass(frozen=True)
class QualityReport:
    """Faults of a table.

    Attributes:
        flags: one row per fault, strings: ``record`` (1 = first row), ``case_id``, ``column``, ``value``, ``rule`` (a key of
            :data:`RULE_MEANINGS`), ``message``, ``suggested_value`` (``missing``: empty the cell; NA: no suggestion).
        summary: ``n_records = n_flagged_records + n_clean_records``; ``rules`` lists counts and examples by rule and
            column, and its ``n_flags`` add up to the whole; ``notes`` are about columns.
    """

    flags: pd.DataFrame
    summary: dict


@dataclass
class FlagList:
    """Flags found so far, indexed by the position of their record."""

    parts: list[pd.DataFrame] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, mask, values: pd.Series, column: str, rule: str, message, suggested=None) -> None:
        """Add one flag per True of ``mask``; the texts may be Series with the index of ``values``."""
        mask = pd.Series(mask, index=values.index).fillna(False).astype(bool)
        if not mask.any():
            return
        part = pd.DataFrame({"column": column, "value": as_text(values[mask]), "rule": rule})
        part["message"] = message[mask] if isinstance(message, pd.Series) else message
        part["suggested_value"] = suggested[mask] if isinstance(suggested, pd.Series) else suggested
        self.parts.append(part)

    def report(self, case_id: pd.Series, source: str) -> QualityReport:
        """All flags in the order of the records; ``case_id`` holds the id of every record."""
        if self.parts:
            flags = pd.concat(self.parts).sort_index(kind="stable")
            flags["record"] = flags.index + 1
            flags["case_id"] = case_id.reindex(flags.index).fillna("")
        else:
            flags = pd.DataFrame(columns=list(FLAG_COLUMNS))
        flags = flags[list(FLAG_COLUMNS)].astype("string").reset_index(drop=True)
        flagged = int(flags["record"].nunique())
        groups = [
            {
                "rule": rule,
                "column": column,
                "meaning": RULE_MEANINGS[rule],
                "n_flags": len(part),
                "n_records": int(part["record"].nunique()),
                "examples": part.drop_duplicates("value")
                .head(EXAMPLES)[["record", "case_id", "value", "message"]]
                .to_dict("records"),
            }
            for (rule, column), part in flags.groupby(["rule", "column"], sort=True)
        ]
        summary = {
            "source": source,
            "n_records": len(case_id),
            "n_flagged_records": flagged,
            "n_clean_records": len(case_id) - flagged,
            "n_flags": len(flags),
            "rules": sorted(groups, key=lambda group: -group["n_flags"]),
            "notes": self.notes,
        }
        return QualityReport(flags, summary)


def show(value: float) -> str:
    """A number as text, with at most four significant digits."""
    return np.format_float_positional(value, precision=4, fractional=False, trim="-")


def as_text(values: pd.Series) -> pd.Series:
    """Values as text, whole numbers without a point, missing ones empty."""
    if pd.api.types.is_float_dtype(values):
        return values.map(lambda x: "" if pd.isna(x) else np.format_float_positional(x, trim="-")).astype(
            "string"
        )
    return values.astype("string").fillna("")
