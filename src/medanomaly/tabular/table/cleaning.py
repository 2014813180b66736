"""Turn a raw table into clean records: typed columns, a case table, and a quarantine with the reason of every rejection."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from medanomaly.core.cases import age_band, rare_as_one, rare_levels
from medanomaly.core.errors import InputError
from medanomaly.core.plain_text import lost_digits, plain_text
from medanomaly.tabular.table.description import Column, TableSpec
from medanomaly.tabular.table.prepared_table import CASE_ID, case_ids, nested_columns, prepared
from medanomaly.tabular.table.rules import reading
from medanomaly.tabular.table.text_numbers import MISSING_WORDS, read_numbers
from medanomaly.tabular.table.times import read_times
from medanomaly.tabular.table.units import is_known_unit

NUMBER_SHARE = 0.95
MANY_LEVELS, FEW_LEVELS = 50, 5
# whole numbers of so many digits, or with leading zeros, that hardly ever repeat are numbers of persons or of records
ID_PATTERN = r"\+?\d{7,}|0\d{2,}"
LOST_DIGITS = "the last digits of the id are gone: a program read or saved it as a number; keep ids as text"
SHOWN_LABELS, SHOWN_NAMES = 6, 20
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


def _known(values: pd.Series) -> pd.Series:
    return values[~plain_text(values).str.lower().isin(MISSING_WORDS).fillna(True)].dropna()


def _inferred(values: pd.Series, quantity: str) -> Column:
    """What an undeclared column holds."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return Column(kind="time")
    known = _known(values)
    if not len(known):
        return Column(kind="number")
    read = read_numbers(known, quantity=quantity)
    strange = ~read["unit"].map(
        {unit: not unit or is_known_unit(unit, quantity) for unit in read["unit"].unique()}
    )
    if (read["value"].notna() & ~strange).mean() >= NUMBER_SHARE:
        return Column(kind="number")
    # a date has at least two separators: a year or a clock time alone is not an ISO date
    dated = known.astype("string").str.contains(r"\d{4}-\d{2}-\d{2}").fillna(False)
    if dated.mean() >= NUMBER_SHARE and read_times(known)["reason"].eq("").mean() >= NUMBER_SHARE:
        return Column(kind="time")
    return Column(kind="category")


def _times(name: str, values: pd.Series, column: Column, faults: _Faults, notes: list[str]) -> pd.Series:
    read = read_times(values)
    absent = plain_text(values).str.lower().isin(MISSING_WORDS).fillna(False)
    for reason in read["reason"][~absent].unique():
        if reason:
            faults.add(~absent & read["reason"].eq(reason), values, name, reason)
    if read["placeholder"].any():
        example = plain_text(values[read["placeholder"]]).iloc[0]
        notes.append(
            f"column '{name}': {int(read['placeholder'].sum())} times such as {example} stand for an open end or an unknown "
            "time and count as missing"
        )
    return read["time"]


def _numbers(
    name: str, values: pd.Series, column: Column, quantity: str, faults: _Faults, notes: list[str]
) -> tuple[pd.Series, Column]:
    """Numbers in the unit of the column, and the column with the unit that its cells name where none was declared."""
    read = read_numbers(values, column.unit, quantity)
    numbers = read["value"]
    for reason in read["reason"].unique():
        if reason:
            faults.add(read["reason"].eq(reason), values, name, reason)
    odd = numbers.notna() & ~read["plain"]
    if odd.any():
        notes.append(
            f"column '{name}': {int(odd.sum())} values such as '{values[odd].iloc[0]}' were read as the number in them"
        )
    written = read["unit"][odd & read["unit"].ne("")]
    changed = odd & ~np.isclose(read["as_written"], numbers, rtol=1e-9, equal_nan=True)
    if not column.unit and len(written):
        own = read["unit"][odd & read["unit"].ne("") & ~changed]
        column = column.model_copy(update={"unit": own.mode().iloc[0] if len(own) else ""})
        if column.unit:
            bare = int((numbers.notna() & read["unit"].eq("")).sum())
            also = f"; {bare} values without a unit were taken to be in it" if bare else ""
            notes.append(f"column '{name}' has no declared unit; its values name {column.unit}{also}")
    if changed.any():
        units = ", ".join(sorted(set(read["unit"][changed])))
        notes.append(
            f"column '{name}': {int(changed.sum())} values in {units} were converted to {column.unit or 'its unit'}"
        )
    infinite = numbers.abs() > NUMBER_LIMIT
    faults.add(infinite, values, name, f"not a usable number (beyond {NUMBER_LIMIT:g})")
    if column.possible is not None:
        low, high = column.possible
        outside = ((numbers < low) | (numbers > high)) & ~infinite
        unit = f" {column.unit}" if column.unit else ""
        faults.add(outside, values, name, f"impossible value (expected {low:g} to {high:g}{unit})")
    return numbers, column


def _is_identifying(values: pd.Series, column: Column, patients: pd.Series, least: int) -> bool:
    """Whether an undeclared column looks like an id, a name or free text, which says who somebody is and nothing else."""
    known = _known(values)
    distinct = known.nunique()
    if not len(known) or column.kind not in ("category", "number"):
        return False
    text = plain_text(known)
    if column.kind == "number":
        # counts per litre have many digits as well, but end with zeros
        coded = text.str.fullmatch(ID_PATTERN).fillna(False).all() and text.str.endswith("00").mean() < 0.5
        if not coded or distinct <= MANY_LEVELS:
            return False
    elif distinct > MANY_LEVELS and distinct > 0.5 * len(known):
        return True
    rare = rare_levels(text, patients[known.index], least)
    return distinct > FEW_LEVELS and bool(text.isin(rare).sum() > 0.5 * len(text))


def listed(names: list[str]) -> str:
    """Names of columns for a reader, the first of many."""
    more = f" and {len(names) - SHOWN_NAMES} others" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more


def _without_rare(
    name: str, levels: pd.Series, patients: pd.Series, least: int, notes: list[str]
) -> pd.Series:
    rare = rare_levels(levels, patients, least)
    if not rare:
        return levels
    levels_are = "1 level that fewer than" if len(rare) == 1 else f"{len(rare)} levels that fewer than"
    end = "is written as rare" if len(rare) == 1 else "are written as one"
    notes.append(f"column '{name}': {levels_are} {least} patients have {end} (min_patients)")
    return rare_as_one(levels, patients, least)


def _words_as_values(name: str, levels: pd.Series) -> list[str]:
    """A note on words such as None that are no missing values here, because the table does not list them as such."""
    counts = levels[levels.str.lower().isin(MISSING_WORDS).fillna(False)].value_counts()
    return [
        f"column '{name}': '{word}' ({n:,} times) counts as a value; list it under missing_values if it means missing"
        for word, n in counts.items()
    ]


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


def _check_ids(raw: pd.DataFrame, case_id: pd.Series, spec: TableSpec, faults: _Faults) -> None:
    """Reject records without an id, with the id of an earlier one, and with one that was cut off."""
    for name in dict.fromkeys((spec.case_id, spec.patient_id)):
        if name is not None:
            lost = lost_digits(raw[name])
            faults.add(lost, raw[name], name, LOST_DIGITS)
            if name == spec.case_id:
                again = case_id.notna() & case_id.duplicated() & ~lost
                faults.add(case_id.isna(), case_id, name, "no id")
                faults.add(again, case_id, name, "id was used by an earlier record")
    if spec.patient_id is not None:
        faults.add(raw[spec.patient_id].isna(), raw[spec.patient_id], spec.patient_id, "no patient id")


def _columns(
    raw: pd.DataFrame, spec: TableSpec, patients: pd.Series, faults: _Faults, notes: list[str]
) -> tuple[dict[str, pd.Series], dict[str, dict], list[str]]:
    """Every column that becomes a feature, in its type, its description, and the names of those left out."""
    typed, kinds, left_out = {}, {}, []
    for name in raw.columns:
        if name in spec.not_features():
            continue
        declared, values = name in spec.columns, raw[name]
        if not declared and spec.declared_only:
            left_out.append(name)
            continue
        if values.isna().all():
            notes.append(f"column '{name}' has no value")
            if not declared:
                continue
        unit, quantity = reading(name, spec.columns[name].unit if declared else "", spec.rules)
        column = spec.columns[name] if declared else _inferred(values, quantity)
        about: list[str] = []
        found = _Faults()
        if column.kind == "number":
            column = column.model_copy(update={"unit": unit})
            read, column = _numbers(name, values, column, quantity, found, about)
        elif column.kind == "time":
            read = _times(name, values, column, found, about)
            if not declared:
                about.append(f"column '{name}' holds times: models use only durations between times")
        else:
            read = plain_text(values)
        if not declared and _is_identifying(values, column, patients, spec.min_patients):
            notes.append(
                f"column '{name}' looks like an id or free text and is left out; declare it to keep it"
            )
            left_out.append(name)
            continue
        if column.kind == "category":
            about += _words_as_values(name, read)
        typed[name], kinds[name] = read, column.model_dump()
        notes += about
        faults.rows += found.rows
    return typed, kinds, left_out


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
    lists = nested_columns(raw)
    raw = prepared(raw, spec, source)
    faults, notes = _Faults(), []
    notes += [
        f"column '{name}' holds lists and is left out" for name in lists if name not in spec.not_features()
    ]
    case_id = case_ids(raw, spec)
    _check_ids(raw, case_id, spec, faults)
    # without patients, a level that few records have belongs to few patients
    patients = (
        pd.Series(raw.index, index=raw.index) if spec.patient_id is None else plain_text(raw[spec.patient_id])
    )
    typed, kinds, left_out = _columns(raw, spec, patients, faults, notes)
    records = pd.DataFrame(typed, index=raw.index)
    if records.shape[1] == 0:
        raise InputError(
            "no column is left as a feature",
            remedy="Check ignore, label and id columns in the table specification.",
            source=source,
        )
    undeclared = [name for name in typed if name not in spec.columns]
    if undeclared and spec.columns:
        notes.append(f"used although not described (declared_only leaves them out): {listed(undeclared)}")
    if left_out and spec.declared_only:
        notes.append(f"not described and left out: {listed(left_out)}")

    patient_id = plain_text(raw[spec.patient_id]) if spec.patient_id is not None else _content_hash(records)
    # after the ids of records that have none, which depend on what each record says alone
    for name in (name for name, column in kinds.items() if column["kind"] == "category"):
        records[name] = _without_rare(name, records[name], patients, spec.min_patients, notes)
    label, kind, label_notes = _labels(raw, spec)
    notes += label_notes
    cases = pd.DataFrame({"case_id": case_id, "patient_id": patient_id, "label": label, "kind": kind})
    for name, column in spec.subgroups.items():
        cases[name] = _without_rare(column, plain_text(raw[column]), patients, spec.min_patients, [])
    if spec.age is not None:
        unit, _ = reading(
            spec.age, spec.columns[spec.age].unit if spec.age in spec.columns else "", spec.rules
        )
        cases["age_band"] = age_band(read_numbers(raw[spec.age], unit or "years", "age")["value"])

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
    )
