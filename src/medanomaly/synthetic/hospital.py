"""The embedded cohort as a hospital writes it: patients, visits and events with codes and units, and the same as OMOP
CDM 5.4."""

import numpy as np
import pandas as pd

from medanomaly.synthetic.cohort import CohortParams, clinical_cohort
from medanomaly.synthetic.variables import VARIABLES

# variable -> code of LOINC, concept of OMOP
CODES = {
    "heart_rate": ("8867-4", 3027018),
    "systolic": ("8480-6", 3004249),
    "diastolic": ("8462-4", 3012888),
    "temperature": ("8310-5", 3020891),
    "respiratory_rate": ("9279-1", 3024171),
    "spo2": ("59408-5", 40762499),
    "height": ("8302-2", 3036277),
    "weight": ("29463-7", 3025315),
    "haemoglobin": ("718-7", 3000963),
    "haematocrit": ("4544-3", 3023314),
    "white_cells": ("6690-2", 3000905),
    "platelets": ("777-3", 3024929),
    "sodium": ("2951-2", 3019550),
    "potassium": ("2823-3", 3023103),
    "creatinine": ("2160-0", 3016723),
    "urea": ("3094-0", 3013682),
    "glucose": ("2345-7", 3004501),
    "hba1c": ("4548-4", 3004410),
    "crp": ("1988-5", 3020460),
    "alt": ("1742-6", 3006923),
    "albumin": ("1751-7", 3024561),
    "tsh": ("3016-3", 3009201),
}
# unit of the cohort -> code of UCUM, concept of OMOP
UNITS = {
    "/min": ("/min", 8541), "mmHg": ("mm[Hg]", 8876), "°C": ("Cel", 586323), "%": ("%", 8554), "cm": ("cm", 8582),
    "kg": ("kg", 9529), "g/dL": ("g/dL", 8713), "10⁹/L": ("10*9/L", 9444), "mmol/L": ("mmol/L", 8753),
    "µmol/L": ("umol/L", 8749), "mg/L": ("mg/L", 8751), "U/L": ("U/L", 8645), "g/L": ("g/L", 8636),
    "mIU/L": ("m[IU]/L", 9040), "mg/dL": ("mg/dL", 8840),
}  # fmt: skip
# one site writes mg/dL, as American laboratories do: variable -> mg/dL per unit of the cohort, decimals
_AMERICAN = {"glucose": (18.016, 0), "creatinine": (1 / 88.42, 2), "urea": (1 / 0.357, 0)}
AMERICAN_SITE = "Riverside"
# kinds of anomaly that events can show -> a concept of the hospital's own, as OMOP numbers them
OUTCOMES = {
    "out-of-range value": 2_000_000_001,
    "broken correlation": 2_000_000_002,
    "unit mix-up": 2_000_000_003,
}
_KINDS = {
    "outpatient": "outpatient",
    "day case": "outpatient",
    "inpatient": "inpatient",
    "emergency": "emergency",
}
_VISIT_CONCEPTS = {"outpatient": 9202, "inpatient": 9201, "emergency": 9203}


def hospital_events(n_patients: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Patients, visits and events of the cohort.

    Args:
        n_patients: number of patients.
        seed: of the cohort.

    Returns:
        patients ``patient_id`` (a number as text), ``sex``, ``birth``; visits ``patient_id``, ``start``, ``end``,
        ``kind``; events ``patient_id``, ``time``, ``variable`` (empty for an outcome), ``code`` (``LOINC/...``, or
        ``OMOP/...`` of an outcome), ``concept``, ``value``, ``unit`` (of UCUM), ``unit_concept``. The vital signs are
        taken an hour after the start of the visit, and the blood half an hour later.
    """
    params = CohortParams(n_patients=n_patients, seed=seed, kinds=dict.fromkeys(OUTCOMES, 1.0))
    people, records = clinical_cohort(params)
    records = records.drop_duplicates(["patient_id", "admitted_at"])
    number = records["patient_id"].str.removeprefix("P").astype(int).astype(str).astype(object)
    patients = pd.DataFrame(
        {
            "patient_id": people["patient_id"].str.removeprefix("P").astype(int).astype(str).astype(object),
            "sex": people["sex"].astype("string"),
            "birth": people["birth_date"].astype("datetime64[us]"),
        }
    )
    kind = records["visit_type"].map(_KINDS)
    visits = pd.DataFrame(
        {"patient_id": number, "start": records["admitted_at"], "end": records["discharged_at"], "kind": kind}
    )
    # an implausible order of times is no matter of events
    visits["end"] = visits["end"].where(visits["end"] >= visits["start"], visits["start"])
    parts = []
    for name, (code, concept) in CODES.items():
        later = pd.Timedelta(minutes=60 if name in list(CODES)[:8] else 90)
        value, unit = records[name].astype("float64"), pd.Series(VARIABLES[name].unit, index=records.index)
        if name in _AMERICAN:
            factor, decimals = _AMERICAN[name]
            there = records["site"].eq(AMERICAN_SITE)
            value = value.mask(there, (value * factor).round(decimals))
            unit = unit.mask(there, "mg/dL")
        parts.append(
            pd.DataFrame(
                {
                    "patient_id": number,
                    "time": records["admitted_at"] + later,
                    "variable": name,
                    "code": f"LOINC/{code}",
                    "concept": concept,
                    "value": value,
                    "unit": unit.map({one: ucum for one, (ucum, _) in UNITS.items()}),
                    "unit_concept": unit.map({one: number for one, (_, number) in UNITS.items()}),
                }
            )[value.notna()]
        )
    ill = records["anomaly_kind"].isin(list(OUTCOMES))
    concept = records.loc[ill, "anomaly_kind"].map(OUTCOMES).astype("int64")
    parts.append(
        pd.DataFrame(
            {
                "patient_id": number[ill],
                "time": records.loc[ill, "admitted_at"],
                "variable": "",
                "code": "OMOP/" + concept.astype(str),
                "concept": concept,
                "value": np.nan,
                "unit": "",
                "unit_concept": 0,
            }
        )
    )
    events = pd.concat(parts, ignore_index=True)
    events["time"] = events["time"].astype("datetime64[us]")
    return patients, visits.reset_index(drop=True), events


def as_omop(patients: pd.DataFrame, visits: pd.DataFrame, events: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables of OMOP CDM 5.4 of :func:`hospital_events`: person, visit_occurrence, measurement, observation."""
    birth = patients["birth"]
    person = pd.DataFrame(
        {
            "person_id": patients["patient_id"].astype("int64"),
            "gender_concept_id": patients["sex"].map({"M": 8507, "F": 8532}).fillna(0).astype("int64"),
            "year_of_birth": birth.dt.year,
            "month_of_birth": birth.dt.month,
            "day_of_birth": birth.dt.day,
            "birth_datetime": birth,
        }
    )
    visit = pd.DataFrame(
        {
            "visit_occurrence_id": np.arange(1, len(visits) + 1),
            "person_id": visits["patient_id"].astype("int64"),
            "visit_concept_id": visits["kind"].map(_VISIT_CONCEPTS).astype("int64"),
            "visit_start_date": visits["start"].dt.date,
            "visit_start_datetime": visits["start"],
            "visit_end_date": visits["end"].dt.date,
            "visit_end_datetime": visits["end"],
        }
    )
    measured = events[events["variable"] != ""].reset_index(drop=True)
    said = events[events["variable"] == ""].reset_index(drop=True)
    measurement = pd.DataFrame(
        {
            "measurement_id": np.arange(1, len(measured) + 1),
            "person_id": measured["patient_id"].astype("int64"),
            "measurement_concept_id": measured["concept"].astype("int64"),
            "measurement_date": measured["time"].dt.date,
            "measurement_datetime": measured["time"],
            "operator_concept_id": 0,
            "value_as_number": measured["value"],
            "unit_concept_id": measured["unit_concept"].astype("int64"),
            "measurement_source_value": measured["code"].str.partition("/")[2],
            "unit_source_value": measured["unit"],
        }
    )
    observation = pd.DataFrame(
        {
            "observation_id": np.arange(1, len(said) + 1),
            "person_id": said["patient_id"].astype("int64"),
            "observation_concept_id": said["concept"].astype("int64"),
            "observation_date": said["time"].dt.date,
            "observation_datetime": said["time"],
        }
    )
    return {
        "person": person,
        "visit_occurrence": visit,
        "measurement": measurement,
        "observation": observation,
    }
