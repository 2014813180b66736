"""Does a record of a class that was never learned look like no known one?

Each of the largest classes is left out once; a detector learns all other records, a half to fit and a half to calibrate. The
figure is the share of the left-out class with a p-value of at most .05: known records have 5 %.
"""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from benchmarks.diagnosis_tables import dermatology, thyroid
from benchmarks.record import Result, write
from medanomaly.core.splits import patient_position
from medanomaly.detectors.scorer import TabularScorer
from medanomaly.detectors.training import DetectorParams, train_bundle

ALPHA, LARGEST, HEALTHY = 0.05, 7, "-"
DETECTORS = ("mahalanobis", "nearest_neighbours", "isolation_forest")


def found_shares(features: pd.DataFrame, y: np.ndarray, left_out: list[str], detector: str) -> np.ndarray:
    """Share of each left-out class whose p-values are at most ``ALPHA``."""
    group = features.drop(columns="case_id").groupby(list(features.columns[1:]), dropna=False).ngroup()
    early = patient_position(group.astype("string"), 0) < 0.5
    shares = []
    for name in left_out:
        known = y != name
        cases = pd.DataFrame(
            {
                "case_id": features["case_id"].astype("string"),
                "patient_id": group.astype("string"),
                "label": pd.array([pd.NA] * len(y), dtype="Int8"),
                "kind": pd.array([pd.NA] * len(y), dtype="string"),
                "split": np.where(early, "train", "calibration"),
            }
        )[known].reset_index(drop=True)
        params = DetectorParams(kind=detector, population="all")
        bundle = train_bundle(cases, features[known].reset_index(drop=True), params, name=detector, seed=0)
        shares.append(float((TabularScorer(bundle).p_values(features[~known]) <= ALPHA).mean()))
    return np.array(shares)


def main() -> None:
    """Write ``unknown_classes``."""
    folder = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw"))
    results = []
    for name, load in (("dermatology", dermatology), ("thyroid0387", thyroid)):
        if not (folder / name).is_dir():
            print(f"{folder / name} is not there: set MEDANOMALY_DATA (UCI {name})")
            continue
        features, y, _ = load(folder)
        features.insert(0, "case_id", [str(i) for i in range(len(features))])
        counts = pd.Series(y).value_counts()
        left_out = counts.index[counts.index != HEALTHY][:LARGEST].tolist()
        data = f"{name}, {len(left_out)} classes, each left out once"
        for detector in DETECTORS:
            shares = found_shares(features, y, left_out, detector)
            for what, value in (("mean", shares.mean()), ("lowest", shares.min()), ("highest", shares.max())):
                label = (
                    f"{name}, {detector.replace('_', ' ')}: {what} share of a left-out class with p up to .05"
                )
                results.append(Result(label, float(value), "share", data=data))
    if results:
        write("unknown_classes", results, command="make bench NAME=unknown_classes")


if __name__ == "__main__":
    main()
