"""Why is this record unusual?

Each bar is what one value adds to the score; together they are the score. The record has a potassium of 7.1 mmol/L.
"""

import numpy as np
import pandas as pd

from medanomaly.detectors.kinds.ecdf import DETECTOR
from medanomaly.reporting.figures.explanations import explanation_bars
from medanomaly.synthetic.cohort import CohortParams, clinical_cohort

UNITS = {
    "age": "years",
    "temperature": "°C",
    "sodium": "mmol/L",
    "potassium": "mmol/L",
    "creatinine": "µmol/L",
    "glucose": "mmol/L",
}
table = clinical_cohort(CohortParams(n_patients=400, anomaly_share=0.0))[1][list(UNITS)].dropna()
record = table.median().to_frame().T.assign(potassium=7.1, age=81)
detector = DETECTOR().fit(table.to_numpy())
low, high = np.quantile(table, [0.05, 0.95], axis=0)
explanation = pd.DataFrame(
    {
        "case_id": "V-1017", "model": "ecdf", "feature": list(UNITS), "value": record.iloc[0].round(1).astype(str).to_list(),
        "unit": list(UNITS.values()), "usual_low": low, "usual_high": high,
        "contribution": detector.explain(record.to_numpy())[0], "exact": True,
    }
)  # fmt: skip
svg = explanation_bars(explanation, "V-1017", "ecdf")
