"""From a raw table to clean records: typed columns, case table, and a quarantine whose counts add up."""

import hashlib
from dataclasses import dataclass, field

import pandas as pd

from medanomaly.core.cases import age_band
from medanomaly.core.errors import InputError
from medanomaly.tabular.table import Column, TableSpec

CASE_ID = "case_id"
NUMBER_SHARE = 0.95
# no measurement in any unit is larger, and what learns from the numbers may square them and work in float32
NUMBER_LIMIT = 1e30
QUARANTINE_COLUMNS = ("record", "case_id", "column", "value", "reason")


@dataclass(frozen=True)
class CleanTable:
    """Usable records and what became of the others.

    Attributes:
        records: ``case_id``, then one typed column a raw column (float64, string or datetime), ids and labels left out.
        cases: ``case_id``, ``patient_id``, ``label``, ``kind``, subgroups; the split is still to come.
        quarantine: ``record`` (1 = first row), ``case_id``, ``column``, ``value``, ``reason``: one row a fault.
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


def check_header(raw: pd.DataFrame, spec: TableSpec, source: str) -> None:
    """Raise :class:`InputError` where the columns are not those of the specification, or there are no records."""
    if raw.shape[1] == 1 and any(mark in str(raw.columns[0]) for mark in ";,\t|"):
        raise InputError(
            f"the table has a single column, named {str(raw.columns[0])[:80]!r}: the delimiter is another one",
            remedy="Set load_args: sep: in the catalog entry to the character between the names.",
            source=source,
        )
    repeated = raw.columns[raw.columns.duplicated()]
    if len(repeated):
        raise InputError(f"two columns are named '{repeated[0]}'", remedy="Rename one.", source=source)
    if CASE_ID in raw.columns and CASE_ID not in spec.not_features():
        raise InputError(
            f"a column is named '{CASE_ID}', which the project's own tables use",
            remedy=f"Set case_id: {CASE_ID} if it identifies the record, else list it under ignore or rename it.",
            source=source,
            column=CASE_ID,
        )
    missing = sorted(spec.named_columns() - set(raw.columns))
    if missing:
        raise InputError(
            f"columns {missing} are missing",
            remedy=f"The table has {list(map(str, raw.columns))}; correct the table specification or the file.",
            source=source,
        )
    if len(raw) == 0:
        raise InputError("the table has no records", remedy="Give a file with data rows.", source=source)


def _number(values: pd.Series) -> pd.Series:
    if pd.api.types.is_bool_dtype(values):
        return values.astype("float64")
    return pd.to_numeric(values, errors="coerce").astype("float64")


def _inferred(values: pd.Series, declared: Column | None) -> Column:
    if declared is not None:
        return declared
    if pd.api.types.is_datetime64_any_dtype(values):
        return Column(kind="time")
    known = values.dropna()
    if len(known) and _number(known).notna().mean() < NUMBER_SHARE:
        return Column(kind="category")
    return Column(kind="number")


def _typed(name: str, values: pd.Series, column: Column, faults: _Faults) -> pd.Series:
    if column.kind == "category":
        return values.astype("string").str.strip()
    if column.kind == "time":
        times = pd.to_datetime(values, errors="coerce", format="ISO8601")
        faults.add(values.notna() & times.isna(), values, name, "not a time (expected ISO 8601)")
        return times
    numbers = _number(values)
    faults.add(values.notna() & numbers.isna(), values, name, "not a number")
    infinite = numbers.abs() > NUMBER_LIMIT
    faults.add(infinite, values, name, f"not a usable number (beyond {NUMBER_LIMIT:g})")
    if column.possible is not None:
        low, high = column.possible
        outside = ((numbers < low) | (numbers > high)) & ~infinite
        unit = f" {column.unit}" if column.unit else ""
        faults.add(outside, values, name, f"impossible value (expected {low:g} to {high:g}{unit})")
    return numbers


def _content_hash(records: pd.DataFrame) -> pd.Series:
    """An id a record made of its content alone: equal records get equal ids, whatever else is in the table."""
    text = records.astype("string").fillna("\x00")
    joined = (
        text.iloc[:, 0].str.cat([text[c] for c in text.columns[1:]], sep="\x1f")
        if text.shape[1] > 1
        else text.iloc[:, 0]
    )
    return joined.map(lambda line: hashlib.blake2b(line.encode(), digest_size=8).hexdigest()).astype("string")


def _labels(raw: pd.DataFrame, spec: TableSpec) -> tuple[pd.Series, pd.Series]:
    label = pd.Series(pd.NA, index=raw.index, dtype="Int8")
    kind = pd.Series(pd.NA, index=raw.index, dtype="string")
    if spec.label is not None:
        known = raw[spec.label].notna()
        normal_text = {str(value) for value in spec.normal_labels}
        normal = raw[spec.label].isin(spec.normal_labels) | raw[spec.label].astype("string").str.strip().isin(
            normal_text
        )
        label[known] = (~normal[known]).astype("int8")
        kind = raw[spec.label].astype("string").str.strip()
    if spec.kind is not None:
        kind = raw[spec.kind].astype("string").str.strip()
    return label, kind.mask((label != 1).fillna(True))


def clean_table(raw: pd.DataFrame, spec: TableSpec, source: str = "raw table") -> CleanTable:
    """Type every column, take out what cannot be used, and say why.

    A record is quarantined when a declared number or time cannot be read, a value is impossible, or its id is missing or
    was used before. Columns without any value are left out and noted.

    Args:
        raw: the table as it was read, one row a record.
        spec: what its columns mean.
        source: what to call it in messages.

    Raises:
        InputError: wrong delimiter, missing columns, no or too few usable records.
    """
    raw = raw.reset_index(drop=True)
    raw.columns = [str(name).strip() for name in raw.columns]
    check_header(raw, spec, source)
    sentinels = list(spec.missing_values)
    raw = raw.mask(raw.isin(sentinels) | raw.astype("string").isin([str(s) for s in sentinels]))
    faults, notes, kinds = _Faults(), [], {}

    case_id = pd.Series([str(i + 1) for i in raw.index], dtype="string")
    if spec.case_id is not None:
        case_id = raw[spec.case_id].astype("string").str.strip()
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
        column = _inferred(raw[name], spec.columns.get(name))
        if raw[name].isna().all():
            notes.append(f"column '{name}' has no value at all and is left out")
            continue
        typed[name] = _typed(name, raw[name], column, faults)
        kinds[name] = column.model_dump()
    records = pd.DataFrame(typed, index=raw.index)
    if records.shape[1] == 0:
        raise InputError(
            "no column is left to learn from", remedy="Check the table specification.", source=source
        )

    patient_id = (
        raw[spec.patient_id].astype("string").str.strip()
        if spec.patient_id is not None
        else _content_hash(records)
    )
    label, kind = _labels(raw, spec)
    cases = pd.DataFrame({"case_id": case_id, "patient_id": patient_id, "label": label, "kind": kind})
    for name, column in spec.subgroups.items():
        cases[name] = raw[column].astype("string").str.strip()
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
            remedy=f"Normal means one of {list(spec.normal_labels)} (normal_labels in the table specification).",
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
