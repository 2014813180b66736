"""Does 5 % mean 5 %?

Share of normal test cases with a p-value of at most alpha, against alpha. While p-values hold, the line stays in the band.
"""

import numpy as np
import pandas as pd

from medanomaly.core.scores import score_table
from medanomaly.detectors.kinds.ecdf import DETECTOR
from medanomaly.reporting.figures.p_values import p_value_calibration

draw = np.random.default_rng(0)
cases = pd.DataFrame({"case_id": [f"c{i}" for i in range(6000)], "label": 0, "kind": "normal"})
cases = cases.assign(patient_id=cases["case_id"], split=["train", "calibration", "test"] * 2000)
rows = draw.normal(size=(6000, 6)) @ draw.normal(size=(6, 6))
detector = DETECTOR().fit(rows[cases["split"].eq("train")])
scores = score_table(cases, -detector.score_samples(rows), "ecdf", None)
svg = p_value_calibration(cases, scores, alpha=0.05)
