"""One p-value per patient: does it hold, whatever the patient has and however modalities go together, and what does it find?

Simulated patients with normal scores that correlate by ``rho``; an abnormal modality is shifted by some standard
deviations. Every row is a mean over 30 calibration sets of 400 patients per pattern, unless it says otherwise. That mean
varies by 0.002 (1 sd) at 400 patients, so of 45 patterns and correlations one may leave the target by chance.
"""

import sys
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from benchmarks.fusion_learned import learned_rows
from benchmarks.record import Result, write
from medanomaly.core.conformal import leave_one_out_p_values, p_values
from medanomaly.fusion.patient_fusion import TABLE, FusedPatients, PatientFusion
from medanomaly.fusion.statistics import fisher_table

MODALITIES = ("tabular", "signals", "imaging", "diagnosis")
PATTERNS = [set(c) for k in range(1, 5) for c in combinations(range(4), k)]
CORRELATIONS = (0.0, 0.3, 0.6)
ALPHA, DRAWS, N_CALIBRATION, N_TEST = 0.05, 30, 400, 1000
SINGLE = "the abnormal modality alone"


def drawn(rng: np.random.Generator, n: int, rho: float, shift: float | np.ndarray = 0.0) -> np.ndarray:
    """(n, 4) scores with standard normal margins and correlation rho, shifted."""
    own, common = rng.standard_normal((n, 4)), rng.standard_normal((n, 1))
    return np.sqrt(1 - rho) * own + np.sqrt(rho) * common + shift


def fused(calibration: np.ndarray, new: np.ndarray, min_joint: int = 100) -> tuple[FusedPatients, np.ndarray]:
    """Fused p-values of new scores, and the smallest p-values per modality that they are made from; NaN is absent."""
    known, given = np.full(calibration.shape, np.nan), np.full(new.shape, np.nan)
    for j, (theirs, ours) in enumerate(zip(calibration.T, new.T, strict=True)):
        has, asked = ~np.isnan(theirs), ~np.isnan(ours)
        known[has, j] = leave_one_out_p_values(theirs[has])
        given[asked, j] = p_values(ours[asked], theirs[has])
    return PatientFusion(known, MODALITIES, min_joint).fuse(given), given


def only(scores: np.ndarray, pattern: set[int]) -> np.ndarray:
    """The scores without modalities that are not in the pattern."""
    return np.where(np.isin(np.arange(4), list(pattern)), scores, np.nan)


def realised(rng: np.random.Generator, n_calibration: int) -> list[Result]:
    """Rate of false alarms for every pattern and correlation, all patterns in one calibration."""
    rows = []
    for rho in CORRELATIONS:
        what = f"{n_calibration:,} patients per pattern, correlation {rho:g}"
        rates = np.empty((DRAWS, len(PATTERNS)))
        for d in range(DRAWS):
            calibration = np.vstack([only(drawn(rng, n_calibration, rho), p) for p in PATTERNS])
            for i, pattern in enumerate(PATTERNS):
                found, _ = fused(calibration, only(drawn(rng, N_TEST, rho), pattern))
                rates[d, i] = (found.p_value <= ALPHA).mean()
        means, error = rates.mean(axis=0), rates.std(axis=0, ddof=1) / np.sqrt(DRAWS)
        for which, i in (("lowest", means.argmin()), ("highest", means.argmax())):
            rows.append(
                Result(
                    f"realised rate, {what}, {which} of {len(PATTERNS)} patterns",
                    float(means[i]),
                    "",
                    float(means[i] - 2.045 * error[i]),
                    float(means[i] + 2.045 * error[i]),
                    target="0.045 to 0.055",
                    reached=bool(0.045 <= means[i] <= 0.055),
                    data=" + ".join(MODALITIES[j] for j in sorted(PATTERNS[i])),
                )
            )
        rows.append(
            Result(
                f"realised rate, {what}, single calibration sets outside 0.03 to 0.07",
                float(((rates < 0.03) | (rates > 0.07)).mean()),
                "",
                data=f"{DRAWS} sets, {len(PATTERNS)} patterns",
            )
        )
    return rows


def wrong_and_approximate(rng: np.random.Generator) -> list[Result]:
    """Fisher's rate, and that of the table where too few patients have all modalities."""
    fisher, table = {}, {}
    for rho in (*CORRELATIONS, 0.5):
        pairs = [(drawn(rng, N_CALIBRATION, rho), drawn(rng, N_TEST, rho)) for _ in range(DRAWS)]
        made = [fused(*pair, min_joint=N_CALIBRATION + 1) for pair in pairs]
        assert all((found.basis == TABLE).all() for found, _ in made)
        fisher[rho] = np.mean([(fisher_table(given) <= ALPHA).mean() for _, given in made])
        table[rho] = np.mean([(found.p_value <= ALPHA).mean() for found, _ in made])
    rows = [
        Result(
            f"Fisher with its table, realised rate, correlation {rho:g}",
            float(value),
            "",
            target="0.1 or more: it is wrong" if rho == 0.5 else None,
            reached=bool(value >= 0.1) if rho == 0.5 else None,
        )
        for rho, value in sorted(fisher.items())
    ]
    rows += [
        Result(f"Cauchy by the table, realised rate, correlation {rho:g}", float(value), "")
        for rho, value in sorted(table.items())
    ]
    return rows


def power(rng: np.random.Generator) -> list[Result]:
    """What is found where one modality is abnormal, and where all are mildly abnormal."""
    one, rows = np.array([3.0, 0, 0, 0]), []
    for rho in (0.0, 0.5):
        for what, shift in (("one modality at 3 sd", one), ("all modalities at 1 sd", 1.0)):
            caught, alone, named = [], [], []
            for _ in range(DRAWS):
                found, given = fused(drawn(rng, N_CALIBRATION, rho), drawn(rng, N_TEST, rho, shift))
                flagged = found.p_value <= ALPHA
                caught.append(flagged.mean())
                alone.append((given[:, 0] <= ALPHA).mean())
                speaks = [names for names in found.speaking(ALPHA) if names]
                named.append(np.mean([names == (MODALITIES[0],) for names in speaks]))
            ratio = float(np.mean(caught) / np.mean(alone))
            least = 0.75 if shift is one else 1.0
            rows.append(
                Result(
                    f"power, {what}, correlation {rho:g}",
                    float(np.mean(caught)),
                    "",
                    peer=SINGLE if shift is one else "one modality alone",
                    peer_value=float(np.mean(alone)),
                    ratio=ratio,
                    target=f"{least:g} of the baseline or more",
                    reached=ratio >= least,
                )
            )
            if shift is one:
                rows.append(
                    Result(
                        f"the abnormal modality alone is named, among alarms, correlation {rho:g}",
                        float(np.mean(named)),
                        "",
                        target="0.95 or more",
                        reached=bool(np.mean(named) >= 0.95),
                    )
                )
    return rows


def many_cases(rng: np.random.Generator) -> list[Result]:
    """Patients with 20 to 200 beats that share what is special about the patient: does the smallest p-value hold?"""

    def beats(patients: int, extreme: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        n = rng.integers(20, 201, patients)
        own = np.repeat(0.7 * rng.standard_normal(patients), n)
        first = np.zeros(n.sum())
        first[np.cumsum(n) - n] = extreme
        return np.repeat(np.arange(patients), n), own + rng.standard_normal(n.sum()) + first

    rates = {"smallest p-value, ranked among patients": [], "smallest p-value times the number of beats": []}
    for _ in range(DRAWS):
        (known, theirs), (new, ours) = beats(N_CALIBRATION), beats(N_CALIBRATION)
        p_known, p_new = leave_one_out_p_values(theirs), p_values(ours, theirs)
        smallest = [np.minimum.reduceat(p, np.searchsorted(of, np.arange(N_CALIBRATION)))
                    for p, of in ((p_known, known), (p_new, new))]  # fmt: skip
        found = PatientFusion(smallest[0][:, None], ("signals",)).fuse(smallest[1][:, None])
        rates["smallest p-value, ranked among patients"].append((found.p_value <= ALPHA).mean())
        rates["smallest p-value times the number of beats"].append(
            (smallest[1] * np.bincount(new) <= ALPHA).mean()
        )
    return [
        Result(
            f"realised rate per patient with many beats, {name}",
            float(np.mean(values)),
            "",
            target="0.045 to 0.055" if "ranked" in name else None,
            reached=bool(0.045 <= np.mean(values) <= 0.055) if "ranked" in name else None,
        )
        for name, values in rates.items()
    ]


def main(sections: Sequence[str] = ()) -> None:
    """All of it, or the section ``learned`` alone."""
    if list(sections) == ["learned"]:
        write("fusion", learned_rows(), command="python -m benchmarks.fusion learned", keep=True)
        return
    rng = np.random.default_rng(0)
    results = [
        *realised(rng, N_CALIBRATION),
        *realised(rng, 1000),
        *wrong_and_approximate(rng),
        *power(rng),
        *many_cases(rng),
        *learned_rows(),
    ]
    write("fusion", results, command="make bench NAME=fusion")


if __name__ == "__main__":
    main(sys.argv[1:])
