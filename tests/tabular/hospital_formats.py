"""Writers of the same hospital as OMOP, FHIR, MEDS and CSV, as tests and benchmarks share them."""

import json
from datetime import date

import pandas as pd
import sqlalchemy as sa

from medanomaly.synthetic.hospital import OUTCOMES, as_omop
from medanomaly.tabular.events.codes import SYSTEMS

ADDRESSES = {name: address for address, name in SYSTEMS.items()}
CLASSES = {"inpatient": "IMP", "outpatient": "AMB", "emergency": "EMER"}
# what the embedded cohort measures, as a recipe
RECIPE = {
    "cases": "visit",
    "hours": 24,
    "statistics": ["first", "last", "mean", "count"],
    "features": {
        name: {}
        for name in (
            "heart_rate", "systolic", "diastolic", "temperature", "respiratory_rate", "spo2", "height", "weight",
            "haemoglobin", "haematocrit", "white_cells", "platelets", "sodium", "potassium", "creatinine", "urea",
            "glucose", "hba1c", "crp", "alt", "albumin", "tsh",
        )
    },
    "outcomes": {name: [f"OMOP/{concept}"] for name, concept in OUTCOMES.items()},
}  # fmt: skip


def write_omop(folder, patients, visits, events, ending="parquet"):
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in as_omop(patients, visits, events).items():
        if ending == "parquet":
            table.to_parquet(folder / f"{name}.parquet", index=False)
        else:
            table.to_csv(folder / f"{name.upper()}.csv", index=False)
    return folder


def write_omop_database(file, patients, visits, events):
    """URL of a SQLite file with the tables."""
    url = f"sqlite:///{file}"
    engine = sa.create_engine(url)
    for name, table in as_omop(patients, visits, events).items():
        table.to_sql(name, engine, index=False)
    engine.dispose()
    return url


def fhir_resources(patients, visits, events):
    """Resources in the order of a bulk export: events come before patients."""
    zone = "+00:00"
    for i, row in enumerate(events.itertuples()):
        system, _, code = row.code.partition("/")
        resource = {
            "resourceType": "Observation",
            "id": f"o{i}",
            "status": "final",
            "code": {"coding": [{"system": ADDRESSES.get(system, "urn:omop"), "code": code}]},
            "subject": {"reference": f"Patient/{row.patient_id}"},
            "effectiveDateTime": row.time.isoformat() + zone,
        }
        if row.variable:
            resource["valueQuantity"] = {
                "value": row.value,
                "unit": row.unit,
                "system": "http://unitsofmeasure.org",
                "code": row.unit,
            }
        yield resource
    for i, row in enumerate(visits.itertuples()):
        yield {
            "resourceType": "Encounter",
            "id": f"e{i}",
            "status": "finished",
            "class": {"code": CLASSES[row.kind]},
            "subject": {"reference": f"Patient/{row.patient_id}"},
            "period": {"start": row.start.isoformat() + zone, "end": row.end.isoformat() + zone},
        }
    for row in patients.itertuples():
        yield {
            "resourceType": "Patient",
            "id": row.patient_id,
            "gender": {"M": "male", "F": "female"}[row.sex],
            "birthDate": date.isoformat(row.birth.date()),
        }


def write_fhir(path, patients, visits, events):
    with path.open("w") as file:
        file.writelines(json.dumps(one) + "\n" for one in fhir_resources(patients, visits, events))
    return path


def write_meds(folder, patients, visits, events):
    people = patients["patient_id"].astype("int64")
    parts = [
        pd.DataFrame({"subject_id": people, "time": patients["birth"], "code": "MEDS_BIRTH"}),
        pd.DataFrame(
            {"subject_id": people, "time": pd.NaT, "code": "GENDER//" + patients["sex"].astype(str)}
        ),
        pd.DataFrame(
            {
                "subject_id": visits["patient_id"].astype("int64"),
                "time": visits["start"],
                "code": "VISIT//" + visits["kind"].astype(str),
            }
        ),
        pd.DataFrame(
            {
                "subject_id": events["patient_id"].astype("int64"),
                "time": events["time"],
                "code": events["code"].where(events["unit"] == "", events["code"] + "//" + events["unit"]),
                "numeric_value": events["value"].astype("float32"),
            }
        ),
    ]
    every = pd.concat(parts, ignore_index=True).sort_values(["subject_id", "time"], kind="stable")
    every["time"] = every["time"].astype("datetime64[us]")
    data = folder / "data" / "train"
    data.mkdir(parents=True)
    half = people.median()
    for i, part in enumerate((every[every["subject_id"] <= half], every[every["subject_id"] > half])):
        part.to_parquet(data / f"{i}.parquet", index=False)
    return folder


def write_csv(folder, patients, visits, events):
    folder.mkdir(parents=True, exist_ok=True)
    patients.assign(birth=patients["birth"].dt.date).to_csv(folder / "patients.csv", index=False)
    visits.to_csv(folder / "visits.csv", index=False)
    columns = ["patient_id", "time", "code", "value", "unit"]
    # another order than that of the other formats
    events[columns].iloc[::-1].to_csv(folder / "events.csv", index=False)
    return folder
