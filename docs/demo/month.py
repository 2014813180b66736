"""Write the days of a hospital that docs/operations.md tells of: ``python docs/demo/month.py FOLDER``.

Every day new patients come, and their labels are known three days later. The ten days before the first are there for the
first training. From day 15 on another laboratory has the tests: its analysers give other values of creatinine, urea, sodium
and albumin; and new thermometers read 0.5 °C higher.
"""

import argparse
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from medanomaly.synthetic.cohort import CohortParams, clinical_cohort

FIRST, DAYS, BEFORE = date(2026, 11, 1), 30, 10
DRIFT, DELAY = 15, 3
PATIENTS = 100
HIDDEN = ["anomaly", "anomaly_kind", "anomaly_columns", "recorded_at"]
# what the new devices make of a value
FACTORS = {"creatinine": 1.25, "urea": 1.15, "albumin": 0.9}
OFFSETS = {"temperature": 0.5, "sodium": 3.0}


def cases_of(number: int, patients: int = PATIENTS) -> pd.DataFrame:
    """Records of the patients of a day with what they are; day 1 is the first, the days before have numbers from -9 to 0."""
    table = clinical_cohort(CohortParams(n_patients=patients, seed=1000 + number))[1]
    for name in ("record_id", "patient_id"):
        table[name] = f"d{number}-" + table[name].astype(str)
    if number >= DRIFT:
        for name, factor in FACTORS.items():
            table[name] = (table[name] * factor).round(0 if name != "urea" else 1)
        for name, offset in OFFSETS.items():
            table[name] = (table[name] + offset).round(1)
    return table


def write_day(folder: Path, number: int, patients: int = PATIENTS) -> date:
    """Write the cases of a day, and the labels of cases of before that became known on it."""
    day = FIRST + timedelta(days=number - 1)
    for name in ("cases", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    cases = cases_of(number, patients).drop(columns=HIDDEN)
    cases.to_csv(folder / "cases" / f"{day}.csv", index=False)
    if number - DELAY > -BEFORE:
        known = cases_of(number - DELAY, patients)[["record_id", "patient_id", "anomaly", "anomaly_kind"]]
        known.columns = ["case_id", "patient_id", "label", "outcome"]
        known.to_csv(folder / "labels" / f"{day}.csv", index=False)
    return day


def main() -> None:
    """Write all days."""
    read = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    read.add_argument("folder", type=Path)
    read.add_argument("--days", type=int, default=DAYS)
    read.add_argument("--patients", type=int, default=PATIENTS, help="who come on a day")
    given = read.parse_args()
    for number in range(1 - BEFORE, given.days + 1):
        write_day(given.folder, number, given.patients)


if __name__ == "__main__":
    main()
