"""Are false alarms as common in every group? Realised rates of normals by sex and by age band, with and without groups.

Two figures per data set: the gap between groups of the rates averaged over ten splits (is a group at a disadvantage?),
and the gap of one split (as in the report of one run), compared with the gap of a correct calibration by chance.
"""

import numpy as np
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from benchmarks.record import Result, write
from medanomaly.core.cases import reference_cases
from medanomaly.core.conformal import group_p_values, p_values
from medanomaly.core.errors import DataNotFoundError
from medanomaly.core.splits import SplitParams, split_by_patient
from medanomaly.detectors.kinds.ecdf import ECDFDetector
from medanomaly.detectors.preprocessing import Preprocessor
from medanomaly.tabular.features.record_features import fit_features, record_features
from medanomaly.tabular.table.cleaning import clean_table

ENVIRONMENTS = ("base", "thyroid", "appointments", "physionet2012")
GROUPS = ("sex", "age_band")
SEEDS = 10
ALPHA = 0.05
CHANCE_DRAWS = 4000
# normals of a group in calibration; smaller groups are compared with all and not counted here
MIN_GROUP = 100


def rates(env: str) -> tuple[dict[str, dict[str, np.ndarray]], int] | None:
    """Grouped by -> ``pooled``, ``grouped`` (realised rates), ``calibration``, ``test`` (normals), each (seeds, groups)."""
    with KedroSession.create(env=env) as session:
        context = session.load_context()
        spec = context.params["data_processing"].table(context.params["run"].table)
        try:
            clean = clean_table(context.catalog["tabular.raw"].load(), spec, source=env)
        except DataNotFoundError as error:
            print(f"{env}: left out, {error}")
            return None
    found: dict[tuple[str, str], list[tuple]] = {}
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
            pooled = p_values(scores[test], scores[calibration]) <= ALPHA
            p, _ = group_p_values(
                scores[test], groups[test], scores[calibration], groups[calibration], MIN_GROUP
            )
            grouped = p <= ALPHA
            names, counts = np.unique(groups[calibration].astype(str), return_counts=True)
            for name, count in zip(names, counts, strict=True):
                inside = groups[test].astype(str) == name
                if count >= MIN_GROUP:
                    found.setdefault((by, name), []).append(
                        (pooled[inside].mean(), grouped[inside].mean(), count, inside.sum())
                    )
    together: dict[str, list] = {}
    for (by, _), rows in found.items():
        # a group that is large enough only for some seeds is left out
        if len(rows) == SEEDS:
            together.setdefault(by, []).append(rows)
    columns = ("pooled", "grouped", "calibration", "test")
    # (groups, seeds, column) -> column: (seeds, groups)
    return {
        by: dict(zip(columns, np.array(rows).transpose(2, 1, 0), strict=True))
        for by, rows in together.items()
    }, len(clean.cases)


def gap(shares: np.ndarray) -> float:
    """Largest minus smallest rate, each a mean over seeds."""
    means = shares.mean(axis=0)
    return float(means.max() - means.min())


def gap_of_one_split(shares: np.ndarray) -> float:
    """Largest minus smallest rate of a split, mean over splits."""
    return float(np.ptp(shares, axis=1).mean())


def gap_by_chance(calibration: np.ndarray, test: np.ndarray, rng: np.random.Generator) -> float:
    """The gap of one split if the calibration of every group is correct.

    The rate of a calibration set of m normals is Beta(k, m + 1 - k) with k = floor(alpha (m + 1)) (Vovk 2012, Proposition
    2a), and the test normals draw from it.
    """
    k = np.floor(ALPHA * (calibration + 1))
    rate = rng.beta(k, calibration + 1 - k, size=(CHANCE_DRAWS, *k.shape))
    shares = rng.binomial(test.astype(int), rate) / test
    return float(np.ptp(shares, axis=2).mean())


def compared(
    env: str, by: str, found: dict[str, np.ndarray], n: int, rng: np.random.Generator
) -> list[Result]:
    grouped, pooled = found["grouped"], found["pooled"]
    data = f"{n:,} records, {grouped.shape[1]} groups, ECDF, {SEEDS} splits by patient"
    draws = [rng.integers(0, SEEDS, SEEDS) for _ in range(2000)]

    def result(what: str, measure, peer: str, peer_value: float) -> Result:
        value, resampled = measure(grouped), [measure(grouped[draw]) for draw in draws]
        return Result(
            name=f"{env}, {by}: {what}",
            value=value,
            unit="",
            # a gap is never negative, so resampling raises it: the interval is too high
            ci_low=min(value, float(np.quantile(resampled, 0.025))),
            ci_high=float(np.quantile(resampled, 0.975)),
            peer=peer,
            peer_value=peer_value,
            target="<= 0.02",
            reached=value <= 0.02,
            data=data,
        )

    chance = gap_by_chance(found["calibration"], found["test"], rng)
    return [
        result(
            "gap of mean false-alarm rates, calibrated by group", gap, "one calibration for all", gap(pooled)
        ),
        result("gap in one split, calibrated by group", gap_of_one_split, "chance alone", chance),
    ]


def main() -> None:
    bootstrap_project(".")
    rng = np.random.default_rng(0)
    results = []
    for env in ENVIRONMENTS:
        measured = rates(env)
        if measured is None:
            continue
        by_group, n = measured
        for by in GROUPS:
            if by not in by_group or by_group[by]["grouped"].shape[1] < 2:
                print(f"{env}: fewer than two groups of {by} with {MIN_GROUP} calibration normals")
                continue
            results += compared(env, by, by_group[by], n, rng)
    write("group_calibration", results, command="make bench NAME=group_calibration")


if __name__ == "__main__":
    main()
