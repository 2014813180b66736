"""Write the three weeks that docs/operations.md tells of: ``python docs/demo/weeks.py FOLDER``.

In the second week a laboratory reports creatinine in mg/dL in place of µmol/L, and a thermometer reads 0.6 °C too high.
"""

import sys
from pathlib import Path

from medanomaly.synthetic.cohort import CohortParams, clinical_cohort

HIDDEN = ["anomaly", "anomaly_kind", "anomaly_columns", "recorded_at"]


def main(folder: Path) -> None:
    """New patients every week, and their labels in a file of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    for week in (1, 2, 3):
        raw = clinical_cohort(CohortParams(n_patients=300, seed=100 + week))[1]
        for name in ("record_id", "patient_id"):
            raw[name] = f"w{week}-" + raw[name].astype(str)
        if week == 2:
            raw["creatinine"] = (raw["creatinine"].astype(float) / 88.4).round(2)
            raw["temperature"] = (raw["temperature"].astype(float) + 0.6).round(1)
        labels = raw[["record_id", "patient_id", "anomaly", "anomaly_kind"]]
        labels = labels.rename(
            columns={"record_id": "case_id", "anomaly": "label", "anomaly_kind": "outcome"}
        )
        labels.to_csv(folder / f"labels{week}.csv", index=False)
        raw.drop(columns=HIDDEN, errors="ignore").to_csv(folder / f"week{week}.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
