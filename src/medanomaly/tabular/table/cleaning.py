"""Turn a raw table into clean records: typed columns, a case table, and a quarantine with the reason of every rejection."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from medanomaly.core.cases import age_band
from medanomaly.core.errors import InputError
from medanomaly.core.plain_text import lost_digits, plain_text
from medanomaly.tabular.table.column_reading import (
    Faults,
    LearnedTable,
    kept_levels,
    listed,
    read_columns,
    without_rare,
)
from medanomaly.tabular.table.description import Column, TableSpec
from medanomaly.tabular.table.prepared_table import CASE_ID, case_ids, nested_columns, prepared
from medanomaly.tabular.table.rules import reading
from medanomaly.tabular.table.text_numbers import read_numbers

LOST_DIGITS = "the last digits of the id are gone: a program read or saved it as a number; keep ids as text"
USED_BEFORE = "id was used by an earlier record"
SHOWN_LABELS = 6


@dataclass(frozen=True)
class CleanTable:
    """Usable records, and the reasons why others were rejected.

    Attributes:
        records: ``case_id``, then one typed column per raw column (float64, string or datetime), without ids and labels.
        cases: ``case_id``, ``patient_id``, ``label``, ``kind``, subgroups; without the split.
        quarantine: ``record`` (1 = first row), ``case_id``, ``column``, ``value``, ``reason``: one row per fault.
        summary: counts that add up, column kinds, and notes for the reader.
        learned: how the columns were read.
    """

    records: pd.DataFrame
    cases: pd.DataFrame
    quarantine: pd.DataFrame
    summary: dict
    learned: LearnedTable


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
    kind = kind.replace(spec.kind_names)
    # without a label nothing is normal, and the kind is the class of every record
    return label, kind if spec.label is None else kind.mask((label != 1).fillna(True)), notes


def _check_ids(raw: pd.DataFrame, case_id: pd.Series, spec: TableSpec, faults: Faults) -> None:
    """Reject records without an id, with the id of an earlier one, and with one that was cut off."""
    for name in dict.fromkeys((spec.case_id, spec.patient_id)):
        if name is not None:
            lost = lost_digits(raw[name])
            faults.add(lost, raw[name], name, LOST_DIGITS)
            if name == spec.case_id:
                again = case_id.notna() & case_id.duplicated() & ~lost
                faults.add(case_id.isna(), case_id, name, "no id")
                faults.add(again, case_id, name, USED_BEFORE)
    if spec.patient_id is not None:
        faults.add(raw[spec.patient_id].isna(), raw[spec.patient_id], spec.patient_id, "no patient id")


def undeclared_notes(names: Iterable[str], spec: TableSpec) -> list[str]:
    """A note on the columns that are used although the description does not name them; none where it names none."""
    undeclared = [name for name in names if name not in spec.columns]
    if not undeclared or not spec.columns:
        return []
    return [f"used although not described (declared_only leaves them out): {listed(undeclared)}"]


def clean_table(
    raw: pd.DataFrame, spec: TableSpec, source: str = "raw table", learned: LearnedTable | None = None
) -> CleanTable:
    """Convert every column to its type, and reject records that cannot be used, with reasons.

    A record goes to quarantine if a declared number or time cannot be read, a value is impossible, or its id is missing or
    not unique. Columns without any value are left out and noted.

    Args:
        raw: the table as read, one row per record.
        spec: description of the table.
        source: name of the table in messages.
        learned: how training read the columns; then any number of records will do, and they are read in the same way.

    Raises:
        InputError: wrong delimiter, missing columns, or too few usable records to train.
    """
    lists = nested_columns(raw)
    raw = prepared(raw, spec, source)
    faults, notes = Faults(), []
    notes += [
        f"column '{name}' holds lists and is left out" for name in lists if name not in spec.not_features()
    ]
    case_id = case_ids(raw, spec)
    _check_ids(raw, case_id, spec, faults)
    # without patients, a level that few records have belongs to few patients
    patients = (
        pd.Series(raw.index, index=raw.index) if spec.patient_id is None else plain_text(raw[spec.patient_id])
    )
    typed, read_as, left_out = read_columns(
        raw, spec, patients, faults, notes, learned.columns if learned is not None else None
    )
    records = pd.DataFrame(typed, index=raw.index)
    if records.shape[1] == 0:
        raise InputError(
            "no column is left as a feature",
            remedy="Check ignore, label and id columns in the table specification.",
            source=source,
        )
    undeclared = [name for name in typed if name not in spec.columns]
    # how training read a table says nothing of a record that comes later
    notes += undeclared_notes(typed, spec) if learned is None else []
    if left_out and spec.declared_only:
        notes.append(f"not described and left out: {listed(left_out)}")

    patient_id = plain_text(raw[spec.patient_id]) if spec.patient_id is not None else _content_hash(records)
    # after the ids of records that have none, which depend on what each record says alone
    for name in (name for name, read in read_as.items() if read.column.kind == "category"):
        known = learned.columns[name].levels if learned is not None else None
        records[name] = without_rare(name, records[name], patients, spec.min_patients, notes, known)
        read_as[name] = read_as[name].model_copy(
            update={"levels": kept_levels(records[name], spec.min_patients)}
        )
    label, kind, label_notes = _labels(raw, spec)
    notes += label_notes if learned is None else []
    cases = pd.DataFrame({"case_id": case_id, "patient_id": patient_id, "label": label, "kind": kind})
    for name, column in spec.subgroups.items():
        known = learned.subgroups.get(name, ()) if learned is not None else None
        cases[name] = without_rare(column, plain_text(raw[column]), patients, spec.min_patients, [], known)
    if spec.age is not None:
        declared = spec.columns.get(spec.age, Column())
        unit, _ = reading(spec.age, declared.unit, spec.rules)
        age = read_numbers(raw[spec.age], unit or "years", "age")["value"]
        if declared.impossible == "missing" and declared.possible is not None:
            age = age.where(age.between(*declared.possible))
        cases["age_band"] = age_band(age)

    quarantine = faults.table(case_id)
    rejected = pd.Series(False, index=raw.index)
    rejected[quarantine["record"].astype("int64").unique() - 1] = True
    kept = int((~rejected).sum())
    reasons = quarantine.groupby(["column", "reason"])["record"].nunique()
    if learned is None and kept < spec.min_records:
        worst = f"; most were rejected for {reasons.idxmax()}" if len(reasons) else ""
        raise InputError(
            f"{kept} usable records of {len(raw)}{worst}",
            remedy=f"At least {spec.min_records} are needed to train, calibrate and test.",
            source=source,
        )
    if (
        learned is None
        and spec.label is not None
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
    for name, values in records[~rejected].items() if learned is None else ():
        if values.eq(values.iloc[0]).fillna(False).all():
            notes.append(f"column '{name}' has one value in every record")
    if len(quarantine) and learned is None:
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
        "columns": {name: read.column.model_dump() for name, read in read_as.items()},
        "undeclared": undeclared,
        "left_out": left_out,
        "notes": notes,
    }
    records.insert(0, CASE_ID, case_id)
    return CleanTable(
        records[~rejected].reset_index(drop=True),
        cases[~rejected].reset_index(drop=True),
        quarantine,
        summary,
        LearnedTable(
            columns=read_as,
            subgroups={name: kept_levels(cases[name], spec.min_patients) for name in spec.subgroups},
        ),
    )
