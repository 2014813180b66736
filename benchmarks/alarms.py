"""Lists of alarms: what each way of choosing finds, how many are false, and what can be promised about them.

Simulated days of normal scores with some anomalous cases shifted by 3 standard deviations; p-values are conformal, so the
realised shares do not depend on the distribution. Means over 200 days. Then alarms of ECG for patients who were never seen,
and lists that learn from reviews.
"""

import numpy as np

from benchmarks.ecg_alarms import ecg_rows
from benchmarks.fusion import drawn
from benchmarks.record import Result, write
from benchmarks.review_list import review_rows
from medanomaly.core.alarms import alarm_budget
from medanomaly.core.conformal import benjamini_hochberg, leave_one_out_p_values, p_values
from medanomaly.evaluation.false_alarm_bounds import false_alarms_at_most, false_alarms_of_stream
from medanomaly.evaluation.online_fdr import lord, saffron
from medanomaly.fusion.patient_fusion import PatientFusion

DAYS, SHIFT, FDR, CONFIDENCE, PER_DAY = 200, 3.0, 0.1, 0.9, 20
SIZES = ((1000, 50, 200), (1000, 50, 1000), (1000, 50, 5000), (200, 20, 200))


def simes_bound(p: np.ndarray, chosen: np.ndarray, confidence: float) -> int:
    """The bound of closed testing with Simes' inequality, its linear envelope (Goeman & Solari 2011): the peer."""
    k = np.arange(1, len(p) + 1)
    beyond = chosen.sum() - np.searchsorted(np.sort(p[chosen]), (1 - confidence) * k / len(p), side="right")
    return int(min(chosen.sum(), (k - 1 + beyond).min()))


def days(n: int, anomalous: int, m: int) -> list[Result]:
    """Batches of n cases: shares of false alarms, power, and bounds."""
    rng = np.random.default_rng(0)
    ways = {
        "alpha 0.05": lambda p, s: p <= 0.05 + 1e-12,
        f"{PER_DAY} a day": lambda p, s: alarm_budget(s, PER_DAY),
        "Benjamini-Hochberg": lambda p, s: benjamini_hochberg(p, FDR),
        "LORD++": lambda p, s: lord(p, FDR).flagged,
        "SAFFRON": lambda p, s: saffron(p, FDR).flagged,
    }
    found = {way: [] for way in ways}
    for _ in range(DAYS):
        is_anomalous = rng.permutation(n) < anomalous
        scores = rng.standard_normal(n) + SHIFT * is_anomalous
        p = p_values(scores, rng.standard_normal(m))
        for way, choose in ways.items():
            flagged = choose(p, scores)
            false = int((flagged & ~is_anomalous).sum())
            found[way].append(
                (
                    false / max(flagged.sum(), 1),
                    (flagged & is_anomalous).sum() / anomalous,
                    flagged.sum(),
                    false,
                    false_alarms_at_most(p, flagged, m, CONFIDENCE),
                    simes_bound(p, flagged, CONFIDENCE),
                )
            )
    rows, data = [], f"{n:,} cases, {anomalous} anomalous, {m:,} for calibration"
    for way, of_days in found.items():
        share, power, n_flagged, false, bound, simes = np.array(of_days, dtype=float).T
        limited = way in ("Benjamini-Hochberg", "LORD++", "SAFFRON")
        rows += [
            Result(
                f"share of false alarms, {way}",
                float(share.mean()),
                "",
                target=f"{FDR:g} or less" if limited else None,
                # 200 days leave some noise
                reached=bool(share.mean() <= FDR + 2 * share.std() / np.sqrt(DAYS)) if limited else None,
                data=data,
            ),
            Result(f"power, {way}", float(power.mean()), "", data=data),
            Result(
                f"false alarms at most (90 %), mean of {n_flagged.mean():.0f} alarms, {way}",
                float(bound.mean()),
                "",
                peer="closed testing with Simes",
                peer_value=float(simes.mean()),
                data=data,
            ),
            Result(
                f"days on which the bound was broken, {way}",
                float((false > bound).mean()),
                "",
                target="0.1 or less",
                reached=bool((false > bound).mean() <= 0.1),
                data=data,
            ),
        ]
    return rows


def patients(n: int = 400, n_calibration: int = 400) -> list[Result]:
    """Fused p-values of normal patients with two modalities: the bound takes them for plain conformal ones."""
    rng, broken = np.random.default_rng(2), 0
    for _ in range(DAYS):
        known, new = (drawn(rng, size, 0.5)[:, :2] for size in (n_calibration, n))
        smallest = np.column_stack([leave_one_out_p_values(of) for of in known.T])
        given = np.column_stack([p_values(ours, of) for ours, of in zip(new.T, known.T, strict=True)])
        p = PatientFusion(smallest, ("a", "b")).fuse(given).p_value
        broken += any(
            (p <= level).sum() > false_alarms_at_most(p, p <= level, n_calibration, CONFIDENCE)
            for level in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
        )
    return [
        Result(
            "days on which the bound was broken, fused p-values of patients at any of six levels",
            broken / DAYS,
            "",
            target="0.1 or less",
            # 200 days leave some noise
            reached=bool(broken / DAYS <= 0.1 + 2 * np.sqrt(0.09 / DAYS)),
            data=f"{n} normal patients, two modalities that correlate 0.5, {n_calibration} for calibration",
        )
    ]


def streams(m: int, n: int = 5000, level: float = 0.01) -> list[Result]:
    """Long streams at a fixed level: is the bound broken at any time, and how far above the truth is it?"""
    rng, broken, truth = np.random.default_rng(1), 0, []
    bound = false_alarms_of_stream(np.full(n, level), m, CONFIDENCE)
    for _ in range(DAYS):
        false = np.cumsum(p_values(rng.standard_normal(n), rng.standard_normal(m)) <= level)
        broken += bool((false > bound).any())
        truth.append(false[-1])
    data = f"{n:,} normal cases at a level of {level:g}, {m:,} for calibration"
    return [
        Result(
            "streams in which the bound was broken at any time",
            broken / DAYS,
            "",
            target="0.1 or less",
            reached=broken / DAYS <= 0.1,
            data=data,
        ),
        Result(
            "false alarms at most (90 %) at the end of a stream",
            float(bound[-1]),
            "",
            peer="false alarms, mean",
            peer_value=float(np.mean(truth)),
            data=data,
        ),
    ]


def main() -> None:
    results = [row for size in SIZES for row in days(*size)]
    results += patients()
    results += [row for m in (200, 1000) for row in streams(m)]
    results += ecg_rows() + review_rows()
    write("alarms", results, command="make bench NAME=alarms")


if __name__ == "__main__":
    main()
