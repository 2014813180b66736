"""Answers of two models to cases of no real patient, as the tests of the store share them."""

import numpy as np
import pandas as pd

from medanomaly.core.models import EXPLANATION_COLUMNS, ModelInput
from medanomaly.core.recipe import ReadCases
from medanomaly.scoring.answers import Answers
from medanomaly.scoring.model_answers import SCORE_COLUMNS

KEY = b"a secret key of the tests"
BUNDLES = {"ecdf": "e" * 64, "pca": "f" * 64}


def answers(n=5, first=0, explained=2, shift=0.0):
    """Answers to n cases; the ids begin at ``first``."""
    ids = [f"visit {first + i}" for i in range(n)]
    cases = pd.DataFrame(
        {"case_id": ids, "patient_id": [f"patient {first + i // 2}" for i in range(n)]}, dtype="string"
    )
    rng = np.random.default_rng(first)
    features = pd.DataFrame({"case_id": ids, "potassium": rng.normal(size=n) + shift, "sex": "f"})
    features.loc[features.index[:1], "potassium"] = np.nan
    rows, terms = [], []
    for name, bundle in BUNDLES.items():
        score = rng.normal(size=n)
        rows.append(
            pd.DataFrame(
                {
                    "case_id": ids,
                    "modality": "tabular",
                    "model": name,
                    "score": score,
                    "p_value": 1 / 3,
                    "flagged": score > 0,
                    "alpha": 0.05,
                    "bundle": bundle,
                }
            )
        )
        terms += [
            (case, name, feature, value, "mmol/l", 3.5, np.nan, 1.5, True, "tabular")
            for case in ids[:explained]
            for feature, value in (("potassium", "6.1"), ("sex", ""))
        ]
    scores = pd.concat(rows, ignore_index=True).reindex(columns=list(SCORE_COLUMNS))
    return Answers(
        modality="tabular",
        noun="record",
        read=ReadCases(cases, {"features": ModelInput(cases, features)}),
        scores=scores,
        explanations=pd.DataFrame(terms, columns=[*EXPLANATION_COLUMNS, "modality"]),
    )
