"""What every model of tables shares that learns from labels: its cases, and how a bundle describes them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from medanomaly.core.calibrated_bundle import training_fingerprint


def development_cases(cases: pd.DataFrame, known: pd.Series) -> np.ndarray:
    """(n,) bool: cases outside test with a known label or class.

    Calibration is cross-fitted, so calibration cases are also learned from.
    """
    return (cases["split"].ne("test") & known.notna()).to_numpy(dtype=bool)


def learned_from(cases: pd.DataFrame, features: pd.DataFrame) -> dict:
    """Counts and fingerprint of the cases that a model learned from, for its manifest."""
    return {
        "n_cases": len(cases),
        "n_patients": int(cases["patient_id"].nunique()),
        "fingerprint": training_fingerprint(cases, features),
        "labelled": True,
    }


def input_contract(features: pd.DataFrame, units: Mapping[str, str]) -> list[dict]:
    """One entry per feature with a value: its unit and usual range, or its levels."""
    contract = []
    for name in features.columns.drop("case_id"):
        values = features[name]
        if not pd.api.types.is_numeric_dtype(values):
            levels = sorted(map(str, values.dropna().unique()))
            contract.append({"name": name, "kind": "category", "levels": levels})
            continue
        known = values.dropna().to_numpy(dtype=np.float64)
        if known.size:
            low, high = np.quantile(known, [0.05, 0.95])
            contract.append(
                {
                    "name": name,
                    "kind": "number",
                    "unit": units.get(name, ""),
                    "usual_low": float(low),
                    "usual_high": float(high),
                    "missing_share": float(values.isna().mean()),
                }
            )
    return contract
