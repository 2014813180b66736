"""Do probabilities mean what they say?

A logistic model of the built-in table, trained on half of the patients. Each dot is a tenth of the others; on the diagonal a
predicted 10 % came true in 10 %.
"""

import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medanomaly.evaluation.probability_calibration import reliability_table
from medanomaly.reporting.figures.decisions import reliability_diagram
from medanomaly.synthetic.cohort import CohortParams, clinical_cohort

table = clinical_cohort(CohortParams(n_patients=1500, anomaly_share=0.3))[1]
table = table.drop_duplicates("patient_id")
x = table[["age", "heart_rate", "temperature", "spo2", "sodium", "potassium", "creatinine", "glucose"]]
ill, half = table["anomaly"].to_numpy(bool), len(table) // 2
model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())
model.fit(x.iloc[:half].abs(), ill[:half])
probability = model.predict_proba(x.iloc[half:].abs())[:, 1]
svg = reliability_diagram(pd.DataFrame(reliability_table(probability, ill[half:])).assign(model="logistic"))
