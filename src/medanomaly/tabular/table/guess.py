"""A first description of a table that nobody has described yet: what each column may be, for a person to correct.

Names of columns and their kinds are guessed from the table; no value of a record is kept. Levels of the label are, if
enough patients share them.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import pandas as pd

from medanomaly.core.plain_text import plain_text
from medanomaly.tabular.table.column_reading import (
    NUMBER_SHARE,
    inferred,
    is_identifying,
    known_values,
    rare_levels,
)
from medanomaly.tabular.table.description import TableSpec
from medanomaly.tabular.table.prepared_table import nested_columns
from medanomaly.tabular.table.text_numbers import MISSING_WORDS
from medanomaly.tabular.table.times import read_times
from medanomaly.tabular.table.units import QUANTITIES, is_known_unit, is_unit_of

# other names of quantities, as headers write them
_NAMES = {
    "temp": "temperature", "body_temperature": "temperature", "hr": "heart_rate", "pulse": "heart_rate",
    "pulse_rate": "heart_rate", "rr": "respiratory_rate", "resp_rate": "respiratory_rate", "resp": "respiratory_rate",
    "breathing_rate": "respiratory_rate", "o2sat": "spo2", "o2_sat": "spo2", "sao2": "spo2", "oxygen_saturation": "spo2",
    "sbp": "systolic", "sysbp": "systolic", "systolic_bp": "systolic", "systolic_blood_pressure": "systolic",
    "dbp": "diastolic", "diasbp": "diastolic", "diastolic_bp": "diastolic", "diastolic_blood_pressure": "diastolic",
    "map": "mean_pressure", "mbp": "mean_pressure", "mean_arterial_pressure": "mean_pressure", "na": "sodium",
    "k": "potassium", "cl": "chloride", "ca": "calcium", "mg": "magnesium", "hco3": "bicarbonate",
    "bicarb": "bicarbonate", "glu": "glucose", "gluc": "glucose", "blood_glucose": "glucose", "blood_sugar": "glucose",
    "a1c": "hba1c", "crea": "creatinine", "creat": "creatinine", "serum_creatinine": "creatinine", "bun": "urea",
    "lac": "lactate", "bili": "bilirubin", "bil": "bilirubin", "total_bilirubin": "bilirubin", "chol": "cholesterol",
    "total_cholesterol": "cholesterol", "tg": "triglycerides", "trig": "triglycerides", "alb": "albumin",
    "prot": "protein", "total_protein": "protein", "hb": "haemoglobin", "hgb": "haemoglobin",
    "hemoglobin": "haemoglobin", "hct": "haematocrit", "hematocrit": "haematocrit", "wbc": "white_cells",
    "leukocytes": "white_cells", "leucocytes": "white_cells", "white_blood_cells": "white_cells", "plt": "platelets",
    "platelet": "platelets", "platelet_count": "platelets", "thrombocytes": "platelets", "paco2": "pco2", "pao2": "po2",
    "wt": "weight", "body_weight": "weight", "body_height": "height", "urine_output": "urine",
}  # fmt: skip

_BRACKETS = re.compile(r"(?P<name>.*\S)\s*[\[({](?P<unit>[^\[\](){}]{1,20})[\])}]")
_BEHIND = re.compile(r"(?P<name>.*[^\s_,;:])(?:\s*[,;:]\s*|\s+|_)(?P<unit>\S+)")
# a unit that needs no brackets to be told from a word
_PLAIN_UNITS = frozenset(("mmhg", "cmh2o", "cm", "mm", "kg", "kpa", "ml", "ms", "hz", "bpm", "yrs", "inr"))
_PART = r"[mµukndcp]?(?:g|mol|l|u|iu|pa|v|hz|eq|osm|m|s|w|cal)"
_COMPOUND = re.compile(
    rf"{_PART}(?:/(?:{_PART}|min|h|hr|d|day|24h|kg|m2|m²|1\.73\s?m[2²]|beat)){{1,3}}", re.IGNORECASE
)

_PATIENT = frozenset((
    "patient", "patientid", "subject", "subjectid", "pat", "patid", "person", "personid", "participant", "client", "mrn",
    "pid",
))  # fmt: skip
_CASE = frozenset((
    "record", "recordid", "visit", "visitid", "encounter", "case", "caseid", "sample", "sampleid", "exam", "accession",
    "order", "admission", "stay", "stayid", "row", "hadm", "specimen", "study",
))  # fmt: skip
_ID = frozenset(("id", "ids", "no", "nr", "num", "number", "code", "key", "hash", "pseudonym", "identifier"))
_OUTCOME = frozenset((
    "label", "target", "outcome", "diagnosis", "dx", "anomaly", "anomalous", "abnormal", "died", "death", "dead",
    "mortality", "survived", "alive", "disease", "noshow",
))  # fmt: skip
_PERHAPS_OUTCOME = frozenset(("class", "category", "group", "result", "status", "finding", "condition", "y"))
_NORMAL = frozenset((
    "0", "0.0", "normal", "healthy", "well", "no", "n", "negative", "neg", "control", "none", "benign", "alive", "false",
    "-", "no finding", "good", "survived", "ok", "unremarkable",
))  # fmt: skip
_SURVIVAL = frozenset(("survived", "alive"))
_YES = frozenset(("1", "1.0", "yes", "y", "true"))
_SEX = frozenset(("sex", "gender"))
_BIRTH = frozenset(("birth", "dob", "birthday", "birthdate"))
_LIKE_A_DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?:[ T].*)?|\d{1,2}[ -][A-Za-z]{3,9}[ -]\d{2,4}.*"
MOST_NUMBERS_OF_A_LABEL = 20
AGE_RANGE = (0.0, 120.0)


@dataclass(frozen=True)
class GuessedColumn:
    """What a column may be.

    Attributes:
        kind: as in :class:`medanomaly.tabular.table.description.Column`.
        unit: from its name; empty where the name says none.
        quantity: in ``units.QUANTITIES``, whose rule applies; empty where none does.
        possible: lowest and highest possible value, which hold for everybody.
        why: for the reader.
    """

    kind: str
    unit: str = ""
    quantity: str = ""
    possible: tuple[float, float] | None = None
    why: str = ""


@dataclass(frozen=True)
class GuessedTable:
    """A first description of a table.

    Attributes:
        n_records, n_patients: counts.
        case_id, patient_id, label, age, sex: columns, None where none looks like it.
        normal: levels of the label that may mean normal.
        levels: of the label, those that enough patients share.
        columns: name to what it may be, without ids and label.
        durations: name to start, end, unit, and whether days are counted.
        unruled: numbers that no plausibility rule applies to.
    """

    n_records: int
    n_patients: int
    case_id: str | None
    patient_id: str | None
    label: str | None
    age: str | None
    sex: str | None
    normal: tuple[str, ...]
    levels: tuple[str, ...]
    columns: Mapping[str, GuessedColumn]
    durations: Mapping[str, tuple[str, str, str, bool]] = field(default_factory=dict)

    @property
    def times(self) -> list[str]:
        """Columns of times."""
        return [name for name, column in self.columns.items() if column.kind == "time"]

    @property
    def unruled(self) -> list[str]:
        """Numbers that no plausibility rule applies to."""
        return [
            name for name, column in self.columns.items() if column.kind == "number" and not column.quantity
        ]


def words(name: str) -> list[str]:
    """Parts of a name in lower case: ``PatientID`` and ``patient_id`` are both patient and id."""
    return re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def quantity_of(name: str) -> str:
    """The clinical quantity that a column is named after; empty where there is none."""
    key = re.sub(r"[\s.-]+", "_", name.strip().lower()).strip("_")
    return key if key in QUANTITIES else _NAMES.get(key, "")


def header_unit(name: str) -> tuple[str, str]:
    """Name and unit of a header such as ``Glucose mg/dL``, ``MAP [mmHg]``, ``Temp (°C)`` or ``weight_kg``.

    A word behind a name is a unit only where it cannot be another word: ``vitamin c`` is no temperature.
    """
    if match := _BRACKETS.fullmatch(name.strip()):
        unit = match["unit"].strip()
        if is_known_unit(unit) or _COMPOUND.fullmatch(unit) or unit.lower() in _PLAIN_UNITS or unit == "%":
            return match["name"].strip(" _,;:"), unit
    elif match := _BEHIND.fullmatch(name.strip()):
        unit, rest = match["unit"], match["name"]
        telling = any(mark in unit for mark in "/%°^⁹⁶") and (
            is_known_unit(unit) or _COMPOUND.fullmatch(unit)
        )
        if telling or unit == "%" or unit.lower() in _PLAIN_UNITS or is_unit_of(quantity_of(rest), unit):
            return rest.strip(), unit
    return name.strip(), ""


def guess_table(raw: pd.DataFrame) -> GuessedTable:
    """What the columns of a table may be.

    Args:
        raw: the table as it was read, one row per record.
    """
    nested = nested_columns(raw)
    raw = raw.rename(columns=lambda name: str(name).strip())
    raw = raw.loc[:, ~raw.columns.duplicated()]
    read = raw.drop(columns=[name for name in nested if name in raw])
    patient = _patient(read)
    case = _case(read, patient)
    patients = plain_text(read[patient]) if patient is not None else pd.Series(read.index, index=read.index)
    least = TableSpec().min_patients
    label, normal, levels, others = _label(read, patients, {patient, case}, least)
    columns: dict[str, GuessedColumn] = {}
    for name in raw.columns:
        if name in {patient, case, label}:
            continue
        if name in nested:
            columns[name] = GuessedColumn("ignore", why="its cells hold lists")
        elif name in others:
            columns[name] = GuessedColumn(
                "ignore", why="may say the outcome, so that models must not see it; is it a measurement?"
            )
        else:
            columns[name] = _column(name, read[name], patients, least)
    age = next((n for n, c in columns.items() if c.quantity == "age" and c.kind == "number"), None)
    sex = next((n for n, c in columns.items() if c.kind == "category" and _SEX & set(words(n))), None)
    return GuessedTable(
        n_records=len(raw),
        n_patients=int(patients.nunique()),
        case_id=case,
        patient_id=patient,
        label=label,
        age=age,
        sex=sex,
        normal=normal,
        levels=levels,
        columns=columns,
        durations=_durations(read, [n for n, c in columns.items() if c.kind == "time"], set(raw.columns)),
    )


def _is_id(name: str, of: Collection[str]) -> bool:
    found = words(name)
    joined = "".join(found)
    return bool(found) and (joined in of or (bool(set(found) & set(of)) and set(found) <= {*of, *_ID}))


def _patient(raw: pd.DataFrame) -> str | None:
    named = [name for name in raw.columns if _is_id(name, _PATIENT)]
    if named:
        return named[0]
    # a plain id that repeats is that of a person
    plain = [name for name in raw.columns if set(words(name)) <= _ID and words(name)]
    return next((n for n in plain if raw[n].notna().all() and plain_text(raw[n]).duplicated().any()), None)


def _case(raw: pd.DataFrame, patient: str | None) -> str | None:
    named = [name for name in raw.columns if _is_id(name, _CASE)]
    named += [name for name in raw.columns if words(name) and set(words(name)) <= _ID and name not in named]
    named += [patient] if patient is not None else []
    return next(
        (n for n in named if raw[n].notna().all() and not plain_text(raw[n]).duplicated().any()), None
    )


def _label(
    raw: pd.DataFrame, patients: pd.Series, ids: set[str | None], least: int
) -> tuple[str | None, tuple[str, ...], tuple[str, ...], set[str]]:
    """Label, levels that mean normal, levels that enough patients share, other columns that may say the outcome."""
    found: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    named = [n for n in raw.columns if n not in ids and (set(words(n)) | {"".join(words(n))}) & _OUTCOME]
    perhaps = [n for n in raw.columns if n not in ids and set(words(n)) & _PERHAPS_OUTCOME and n not in named]
    for name in (*named, *perhaps):
        text = plain_text(known_values(raw[name]))
        numeric = len(text) and inferred(raw[name], "").kind != "category"
        if text.nunique() < 2 or text.nunique() > (
            MOST_NUMBERS_OF_A_LABEL if numeric else max(MOST_NUMBERS_OF_A_LABEL, 0.2 * len(text))
        ):
            continue
        rare = set(rare_levels(text, patients[text.index], least))
        shared = [level for level in text.value_counts().index if level not in rare]
        if not shared:
            continue
        wanted = _YES if set(words(name)) & _SURVIVAL else _NORMAL
        normal = [level for level in shared if level.casefold() in wanted]
        if normal or name in named:
            found[name] = tuple(normal or shared[:1]), tuple(sorted(shared))
    if not found:
        return None, (), (), set()
    first = next(iter(found))
    return first, *found[first], {name for name in found if name != first and name in named}


def _column(name: str, values: pd.Series, patients: pd.Series, least: int) -> GuessedColumn:
    bare, unit = header_unit(name)
    quantity = quantity_of(bare) or quantity_of(name)
    column = inferred(values, quantity)
    known = known_values(values)
    if not len(known):
        return GuessedColumn("ignore", why="it has no value")
    if is_identifying(values, column, patients, least):
        text = plain_text(known)
        if text.str.fullmatch(_LIKE_A_DATE).mean() >= NUMBER_SHARE:
            return GuessedColumn(
                "ignore",
                why="looks like dates that are not ISO 8601; write them as 2024-12-31 for kind: time",
            )
        return GuessedColumn(
            "ignore", why="looks like an id, a name or free text; kind: text uses the words of notes"
        )
    if column.kind == "time" and _BIRTH & set(words(name)):
        return GuessedColumn("ignore", why="a date of birth says who somebody is; give the age instead")
    if column.kind != "number":
        return GuessedColumn(column.kind, why="a time" if column.kind == "time" else "a category")
    return _number(name, bare, unit, quantity)


def _number(name: str, bare: str, unit: str, quantity: str) -> GuessedColumn:
    if "age" in words(bare) and words(bare)[-1] == "age":
        unit = unit or "years"
        if is_unit_of("age", unit):
            return GuessedColumn(
                "number", "years", "age", AGE_RANGE, "an age; outside 0 to 120 is impossible"
            )
    if quantity and is_unit_of(quantity, unit):
        return GuessedColumn(
            "number", unit, quantity, None, f"{quantity.replace('_', ' ')}, checked for plausible values"
        )
    if quantity and not unit:
        known = QUANTITIES[quantity]
        return GuessedColumn(
            "number",
            why=f"a number; {quantity.replace('_', ' ')}? Then give its unit: {' or '.join([known.unit, *known.units])}",
        )
    return GuessedColumn(
        "number", unit, "", None, "a number" if unit else "a number; give its unit if it has one"
    )


def _durations(raw: pd.DataFrame, times: list[str], taken: set[str]) -> dict[str, tuple[str, str, str, bool]]:
    """Times from one column to the next where nearly all records have them in this order."""
    found = {}
    read = {
        name: read_times(raw[name].mask(plain_text(raw[name]).str.lower().isin(MISSING_WORDS)))["time"]
        for name in times
    }
    for start, end in pairwise(times):
        passed = (read[end] - read[start]).dropna()
        if len(passed) < 0.5 * len(raw) or (passed >= pd.Timedelta(0)).mean() < NUMBER_SHARE:
            continue
        by_day = all((read[n].dropna() == read[n].dropna().dt.normalize()).mean() > 0.5 for n in (start, end))
        short = passed.median() < pd.Timedelta(days=3) and not by_day
        name = re.sub(r"\W+", "_", f"{start}_to_{end}")
        if name not in taken:
            found[name] = (start, end, "hours" if short else "days", by_day)
    return found
