import numpy as np
import pandas as pd
import pytest
from scipy.special import expit


def make_table(n=600, seed=0, n_noise=3, intercept=-1.0):
    """Cases of a known logistic model, with missing values and categories; ``truth`` holds the true probabilities."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(5, 2, n), rng.normal(size=n)
    ward = rng.choice(["A", "B", "C", "D"], n)
    truth = expit(intercept + 0.8 * (a - 5) - 1.0 * b + 1.5 * (ward == "C"))
    features = pd.DataFrame({"case_id": [f"c{i}" for i in range(n)], "a": a, "b": b})
    for j in range(n_noise):
        features[f"noise_{j}"] = rng.normal(size=n)
    features["ward"] = pd.array(ward, dtype="string")
    features.loc[rng.random(n) < 0.1, "b"] = np.nan
    features.loc[rng.random(n) < 0.05, "ward"] = pd.NA
    y = (rng.random(n) < truth).astype(int)
    patient = np.array([f"p{i // 2}" for i in range(n)])
    return features, y, patient, truth


@pytest.fixture(scope="session")
def new_table():
    return make_table


@pytest.fixture(scope="session")
def table():
    return make_table()


@pytest.fixture(scope="session")
def cases(table):
    features, y, patient, _ = table
    part = np.where(np.arange(len(y)) // 2 % 10 < 5, "train", "calibration")
    part = np.where(np.arange(len(y)) // 2 % 10 >= 7, "test", part)
    return pd.DataFrame(
        {
            "case_id": features["case_id"].astype("string"),
            "patient_id": pd.array(patient, dtype="string"),
            "label": pd.array(y, dtype="Int8"),
            "kind": pd.array([""] * len(y), dtype="string"),
            "split": pd.array(part, dtype="string"),
        }
    )
