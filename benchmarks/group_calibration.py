"""Are false alarms as common in every group? Realised rates of normals by sex and by age band, with and without groups."""

import numpy as np
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from benchmarks.record import Result, write
from medanomaly.core.cases import reference_cases
from medanomaly.core.conformal import group_p_values, p_values
from medanomaly.core.errors import DataNotFoundError
from medanomaly.core.splits import SplitParams, split_by_patient
from medanomaly.tabular.cleaning import clean_table
from medanomaly.tabular.detectors.ecdf import ECDFDetector
from medanomaly.tabular.features import fit_features, record_features
from medanomaly.tabular.preprocessing import Preprocessor

ENVIRONMENTS = ("base", "thyroid", "appointments", "physionet2012")
GROUPS = ("sex", "age_band")
SEEDS = 10
ALPHA = 0.05
# normals of a group in calibration; smaller groups are compared with all and not counted here
MIN_GROUP = 100


def rates(env: str) -> tuple[dict[tuple[str, str], np.ndarray], int] | None:
    """(grouped by, how) -> (seeds, groups) realised rates; how is ``pooled`` or ``grouped``."""
    with KedroSession.create(env=env) as session:
        context = session.load_context()
        spec = context.params["data_processing"].table(context.params["run"].table)
        try:
            clean = clean_table(context.catalog["tabular.raw"].load(), spec, source=env)
        except DataNotFoundError as error:
            print(f"{env}: left out, {error}")
            return None
    found: dict[tuple[str, str], list] = {}
    for seed in range(SEEDS):
        cases = clean.cases.copy()
        cases["split"] = split_by_patient(cases["patient_id"], cases["label"], SplitParams(seed=seed))
        features = record_features(clean.records, cases, spec, fit_features(clean.records, cases, spec, seed))
        train, calibration, test = (
            reference_cases(cases, p).to_numpy() for p in ("train", "calibration", "test")
        )
        preprocessor = Preprocessor.fit(features[train])
        detector = ECDFDetector().fit(preprocessor.transform(features[train]))
        scores = -detector.score_samples(preprocessor.transform(features))
        for by in GROUPS:
            groups = cases[by].to_numpy(dtype=object)
            pooled = p_values(scores[test], scores[calibration])
            grouped, _ = group_p_values(
                scores[test], groups[test], scores[calibration], groups[calibration], MIN_GROUP
            )
            names, counts = np.unique(groups[calibration].astype(str), return_counts=True)
            for name in names[counts >= MIN_GROUP]:
                inside = groups[test].astype(str) == name
                for how, p in (("pooled", pooled), ("grouped", grouped)):
                    found.setdefault((by, how, name), []).append((p[inside] <= ALPHA).mean())
    together: dict[tuple[str, str], list] = {}
    for (by, how, _), shares in found.items():
        # a group that is large enough in some of the seeds only is left out
        if len(shares) == SEEDS:
            together.setdefault((by, how), []).append(shares)
    return {key: np.array(shares).T for key, shares in together.items()}, len(clean.cases)


def gap(shares: np.ndarray) -> float:
    """Largest less smallest rate, each a mean over seeds."""
    means = shares.mean(axis=0)
    return float(means.max() - means.min())


def main() -> None:
    bootstrap_project(".")
    rng = np.random.default_rng(0)
    results = []
    for env in ENVIRONMENTS:
        measured = rates(env)
        if measured is None:
            continue
        shares_of, n = measured
        for by in GROUPS:
            grouped = shares_of.get((by, "grouped"))
            if grouped is None or grouped.shape[1] < 2:
                print(f"{env}: fewer than two groups of {by} with {MIN_GROUP} calibration normals")
                continue
            draws = [gap(grouped[rng.integers(0, SEEDS, SEEDS)]) for _ in range(2000)]
            results.append(
                Result(
                    name=f"{env}: gap of the false-alarm rate between groups of {by}, calibrated by group",
                    value=gap(grouped),
                    unit="",
                    ci_low=float(np.quantile(draws, 0.025)),
                    ci_high=float(np.quantile(draws, 0.975)),
                    peer="one calibration for all",
                    peer_value=gap(shares_of[by, "pooled"]),
                    target="<= 0.02",
                    reached=gap(grouped) <= 0.02,
                    data=f"{n:,} records, {grouped.shape[1]} groups, ECDF, {SEEDS} splits by patient",
                )
            )
    write("group_calibration", results, command="make bench NAME=group_calibration")


if __name__ == "__main__":
    main()
