"""Write the table that docs/scoring.md tells of: 300 made-up visits. ``python docs/demo/visits.py > visits.csv``"""

import csv
import random
import sys
from datetime import date, timedelta

COLUMNS = (
    "Visit ID", "PatientID", "Name", "Sex", "Age (years)", "Admitted", "Discharged", "Glucose mg/dL", "MAP [mmHg]",
    "Temp (°C)", "K", "Ward", "Outcome",
)  # fmt: skip


def visits(n: int = 300, seed: int = 0) -> list[list]:
    """Rows of visits, of which about one in ten is ill."""
    draw, rows = random.Random(seed), []
    patients = {f"P{i:04d}": (draw.choice("FM"), draw.randint(20, 90)) for i in range(1, 2 * n // 3)}
    for i in range(n):
        patient = draw.choice(sorted(patients))
        sex, age = patients[patient]
        ill = draw.random() < 0.1
        admitted = date(2024, 1, 1) + timedelta(days=draw.randrange(330))
        rows.append(
            [
                f"V{i:05d}",
                patient,
                f"Doe{patient[1:]} Jane",
                sex,
                age,
                admitted,
                admitted + timedelta(days=draw.randint(1, 8)),
                round(draw.gauss(100, 12) + 90 * ill),
                round(draw.gauss(90, 8) - 30 * ill),
                round(draw.gauss(36.8, 0.25) + 1.4 * ill, 1),
                round(draw.gauss(4.2, 0.25), 1),
                draw.choice("ABC"),
                draw.choice(["sepsis", "shock"]) if ill else "well",
            ]
        )
    return rows


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    csv.writer(sys.stdout, lineterminator="\n").writerows([COLUMNS, *visits()])
