"""Turn a raw table into clean records: typed columns, a case table, and a quarantine with the reason of every rejection."""

import hashlib
from dataclasses import dataclass, field

import pandas as pd

from medanomaly.core.cases import age_band
from medanomaly.core.errors import InputError
from medanomaly.core.plain_text import plain_text
from medanomaly.tabular.table.description import Column, TableSpec
from medanomaly.tabular.table.prepared_table import CASE_ID, case_ids, prepared
from medanomaly.tabular.table.text_numbers import MISSING_WORDS, read_numbers

NUMBER_SHARE = 0.95
MANY_LEVELS = 50
SHOWN_LABELS = 6
# larger than any measurement in any unit; models may square the numbers and use float32
NUMBER_LIMIT = 1e30
QUARANTINE_COLUMNS = ("record", "case_id", "column", "value", "reason")


@dataclass(frozen=True)
class CleanTable:
    """Usable records, and the reasons why others were rejected.

    Attributes:
        records: ``case_id``, then one typed column per raw column (float64, string or datetime), without ids and labels.
        cases: ``case_id``, ``patient_id``, ``label``, ``kind``, subgroups; without the split.
        quarantine: ``record`` (1 = first row), ``case_id``, ``column``, ``value``, ``reason``: one row per fault.
        summary: counts that add up, column kinds, and notes for the reader.
    """

    records: pd.DataFrame
    cases: pd.DataFrame
    quarantine: pd.DataFrame
    summary: dict


@dataclass
class _Faults:
    """Faults found so far, by record."""

    rows: list[pd.DataFrame] = field(default_factory=list)

    def add(self, mask: pd.Series, values: pd.Series, column: str, reason: str) -> None:
        if mask.any():
            found = values[mask].astype("string").fillna("")
            self.rows.append(pd.DataFrame({"column": column, "value": found, "reason": reason}))

    def table(self, case_id: pd.Series) -> pd.DataFrame:
        if not self.rows:
            return pd.DataFrame({name: pd.Series(dtype="string") for name in QUARANTINE_COLUMNS})
        faults = pd.concat(self.rows).sort_index(kind="stable")
        faults["record"] = (faults.index + 1).astype("string")
        faults["case_id"] = case_id.reindex(faults.index).fillna("")
        return faults[list(QUARANTINE_COLUMNS)].astype("string").reset_index(drop=True)


def _number(values: pd.Series, unit: str = "") -> pd.Series:
    """Numbers, also if written as ``<0.5``, ``5,3`` or with their own unit; NaN where the number is not certain."""
    if pd.api.types.is_numeric_dtype(values):
        return values.astype("float64")
    read = read_numbers(values)
    return read["value"].where(read["unit"].isin(["", unit]))


def _times(values: pd.Series) -> pd.Series:
    """Times in UTC without a zone, so times of different zones can be subtracted; NaT where the text is not a time."""
    return pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True).dt.tz_localize(None)


def _inferred(values: pd.Series, declared: Column | None) -> Column:
    if declared is not None:
        return declared
    if pd.api.types.is_datetime64_any_dtype(values):
        return Column(kind="time")
    known = values[~plain_text(values).str.lower().isin(MISSING_WORDS).fillna(True)].dropna()
    if not len(known) or _number(known).notna().mean() >= NUMBER_SHARE:
        return Column(kind="number")
    # a date has at least two separators: a year or a clock time alone is not an ISO date
    dated = known.astype("string").str.contains(r"\d{4}-\d{2}-\d{2}").fillna(False)
    if dated.mean() >= NUMBER_SHARE and _times(known).notna().mean() >= NUMBER_SHARE:
        return Column(kind="time")
    return Column(kind="category")


def _typed(name: str, values: pd.Series, column: Column, faults: _Faults) -> pd.Series:
    if column.kind in ("category", "text"):
        return plain_text(values)
    absent = values.isna() | plain_text(values).str.lower().isin(MISSING_WORDS).fillna(False)
    if column.kind == "time":
        times = _times(values)
        faults.add(~absent & times.isna(), values, name, "not a time (expected ISO 8601)")
        return times
    numbers = _number(values, column.unit)
    faults.add(~absent & numbers.isna(), values, name, "not a number")
    infinite = numbers.abs() > NUMBER_LIMIT
    faults.add(infinite, values, name, f"not a usable number (beyond {NUMBER_LIMIT:g})")
    if column.possible is not None:
        low, high = column.possible
        outside = ((numbers < low) | (numbers > high)) & ~infinite
        unit = f" {column.unit}" if column.unit else ""
        faults.add(outside, values, name, f"impossible value (expected {low:g} to {high:g}{unit})")
    return numbers


def _notes_on(name: str, values: pd.Series, column: Column, declared: bool) -> list[str]:
    """Notes for the reader about how a column was read."""
    if values.isna().all():
        return [f"column '{name}' has no value"]
    notes = []
    if column.kind == "number" and not pd.api.types.is_numeric_dtype(values):
        read = read_numbers(values)
        odd = values[read["value"].notna() & ~read["plain"]]
        if len(odd):
            notes.append(
                f"column '{name}': {len(odd)} values such as '{odd.iloc[0]}' were read as the number in them"
            )
    if column.kind == "time" and not declared:
        notes.append(f"column '{name}' holds times: models use only durations between times")
    return notes


def _is_free_text(values: pd.Series, column: Column, declared: bool) -> bool:
    """Whether an undeclared category is an id or free text: it has many levels, and most occur once."""
    if declared or column.kind != "category":
        return False
    levels = values.dropna()
    return levels.nunique() > MANY_LEVELS and levels.nunique() > 0.5 * len(levels)


def _content_hash(records: pd.DataFrame) -> pd.Series:
    """An id per record that depends only on its content: equal records get equal ids in every table."""
    text = records.apply(plain_text).fillna("\x00")
    joined = (
        text.iloc[:, 0].str.cat([text[c] for c in text.columns[1:]], sep="\x1f")
        if text.shape[1] > 1
        else text.iloc[:, 0]
    )
    return joined.map(lambda line: hashlib.blake2b(line.encode(), digest_size=8).hexdigest()).astype("string")


def _labels(raw: pd.DataFrame, spec: TableSpec) -> tuple[pd.Series, pd.Series, list[str]]:
    """Label and kind of every record, and notes on how each value of the label was read."""
    label = pd.Series(pd.NA, index=raw.index, dtype="Int8")
    kind = pd.Series(pd.NA, index=raw.index, dtype="string")
    notes = []
    if spec.label is not None:
        values = raw[spec.label]
        text, known = plain_text(values), values.notna()
        wanted = plain_text(pd.Series(list(spec.normal_labels), dtype=object))
        # 0, 0.0 and "0" are one label, however the file or the specification writes it
        numbers = pd.to_numeric(wanted, errors="coerce").dropna()
        normal = values.isin(spec.normal_labels) | text.isin(wanted)
        normal |= pd.to_numeric(text, errors="coerce").isin(numbers)
        normal = normal.fillna(False).astype(bool)
        label[known] = (~normal[known]).astype("int8")
        kind = text
        counts = text[known].groupby([text[known], normal[known]]).size().sort_values(ascending=False)
        shown = [
            f"'{value}' {'normal' if is_normal else 'anomalous'} ({n:,})"
            for (value, is_normal), n in counts.items()
        ]
        more = f" and {len(shown) - SHOWN_LABELS} other values" if len(shown) > SHOWN_LABELS else ""
        notes.append(f"label '{spec.label}' was read as: {', '.join(shown[:SHOWN_LABELS])}{more}")
        folded = set(wanted.str.casefold())
        for value, is_normal in counts.index:
            if not is_normal and value.casefold() in folded:
                notes.append(
                    f"label '{value}' counts as anomalous: it differs from a normal label only in upper or lower case"
                )
    if spec.kind is not None:
        kind = plain_text(raw[spec.kind])
    return label, kind.mask((label != 1).fillna(True)), notes


def clean_table(raw: pd.DataFrame, spec: TableSpec, source: str = "raw table") -> CleanTable:
    """Convert every column to its type, and reject records that cannot be used, with reasons.

    A record goes to quarantine if a declared number or time cannot be read, a value is impossible, or its id is missing or
    not unique. Columns without any value are left out and noted.

    Args:
        raw: the table as read, one row per record.
        spec: description of the table.
        source: name of the table in messages.

    Raises:
        InputError: wrong delimiter, missing columns, or too few usable records.
    """
    raw = prepared(raw, spec, source)
    faults, notes, kinds = _Faults(), [], {}
    case_id = case_ids(raw, spec)
    if spec.case_id is not None:
        faults.add(case_id.isna(), case_id, spec.case_id, "no id")
        faults.add(
            case_id.notna() & case_id.duplicated(), case_id, spec.case_id, "id was used by an earlier record"
        )
    if spec.patient_id is not None:
        faults.add(raw[spec.patient_id].isna(), raw[spec.patient_id], spec.patient_id, "no patient id")

    typed = {}
    for name in raw.columns:
        if name in spec.not_features():
            continue
        declared = name in spec.columns
        column = _inferred(raw[name], spec.columns.get(name))
        notes += _notes_on(name, raw[name], column, declared)
        if raw[name].isna().all() and not declared:
            continue
        if _is_free_text(raw[name], column, declared):
            notes.append(
                f"column '{name}' looks like an id or free text and is left out; declare it to keep it"
            )
            continue
        typed[name] = _typed(name, raw[name], column, faults)
        kinds[name] = column.model_dump()
    records = pd.DataFrame(typed, index=raw.index)
    if records.shape[1] == 0:
        raise InputError(
            "no column is left as a feature",
            remedy="Check ignore, label and id columns in the table specification.",
            source=source,
        )

    patient_id = plain_text(raw[spec.patient_id]) if spec.patient_id is not None else _content_hash(records)
    label, kind, label_notes = _labels(raw, spec)
    notes += label_notes
    cases = pd.DataFrame({"case_id": case_id, "patient_id": patient_id, "label": label, "kind": kind})
    for name, column in spec.subgroups.items():
        cases[name] = plain_text(raw[column])
    if spec.age is not None:
        cases["age_band"] = age_band(_number(raw[spec.age]))

    quarantine = faults.table(case_id)
    rejected = pd.Series(False, index=raw.index)
    rejected[quarantine["record"].astype("int64").unique() - 1] = True
    kept = int((~rejected).sum())
    reasons = quarantine.groupby(["column", "reason"])["record"].nunique()
    if kept < spec.min_records:
        worst = f"; most were rejected for {reasons.idxmax()}" if len(reasons) else ""
        raise InputError(
            f"{kept} usable records of {len(raw)}{worst}",
            remedy=f"At least {spec.min_records} are needed to train, calibrate and test.",
            source=source,
        )
    if (
        spec.label is not None
        and not (label[~rejected] == 0).fillna(False).any()
        and label[~rejected].notna().any()
    ):
        raise InputError(
            "no record is labelled normal",
            remedy=f"Normal means one of {list(spec.normal_labels)} (normal_labels in the table specification). "
            "In YAML quote Yes and No, which otherwise mean true and false.",
            source=source,
            column=spec.label,
        )
    for name, values in records[~rejected].items():
        if values.eq(values.iloc[0]).fillna(False).all():
            notes.append(f"column '{name}' has one value in every record")
    if len(quarantine):
        notes.append(f"{int(rejected.sum())} records are in quarantine, with their reasons")
    summary = {
        "source": source,
        "n_records": len(raw),
        "n_kept": kept,
        "n_quarantined": int(rejected.sum()),
        "reasons": [
            {"column": column, "reason": reason, "n_records": int(n)}
            for (column, reason), n in reasons.items()
        ],
        "columns": kinds,
        "notes": notes,
    }
    records.insert(0, CASE_ID, case_id)
    return CleanTable(
        records[~rejected].reset_index(drop=True),
        cases[~rejected].reset_index(drop=True),
        quarantine,
        summary,
    )
