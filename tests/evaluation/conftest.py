import numpy as np
import pandas as pd
import pytest

from medanomaly.core.scores import score_table


def make_cases(n=1200, prevalence=0.1, seed=0, patients=None, **columns):
    """Case table with a third of the patients in each part; ``patients`` fewer than n gives repeated visits."""
    rng = np.random.default_rng(seed)
    patient = np.arange(n) if patients is None else rng.integers(0, patients, n)
    label = (rng.random(n) < prevalence).astype(int)
    table = pd.DataFrame(
        {
            "case_id": [f"c{i:06d}" for i in range(n)],
            "patient_id": [f"p{p:06d}" for p in patient],
            "label": label,
            "kind": np.where(
                label == 1, np.array(["common", "rare"])[(rng.random(n) < 0.05).astype(int)], ""
            ),
            "split": np.array(["train", "calibration", "test"])[patient % 3],
            **columns,
        }
    )
    return table.astype(
        {"case_id": "string", "patient_id": "string", "label": "Int8", "kind": "string", "split": "string"}
    )


def make_scores(cases, strength=2.0, seed=0, model="model", alpha=0.05):
    rng = np.random.default_rng(seed + 1000)
    raw = rng.normal(size=len(cases)) + strength * cases["label"].fillna(0).to_numpy(float)
    return score_table(cases, raw, model, alpha)


def make_features(cases, n_features=6, strength=2.0, seed=0):
    rng = np.random.default_rng(seed + 2000)
    x = rng.normal(size=(len(cases), n_features))
    # anomalies leave the cloud in a direction of their own, which no single feature gives away
    x += strength * rng.choice([-1, 1], x.shape) * cases["label"].fillna(0).to_numpy(float)[:, None]
    table = pd.DataFrame(x, columns=[f"x{j}" for j in range(n_features)])
    table.insert(0, "case_id", cases["case_id"].to_numpy())
    return table


@pytest.fixture
def cases_of():
    return make_cases


@pytest.fixture
def scores_of():
    return make_scores


@pytest.fixture
def features_of():
    return make_features
