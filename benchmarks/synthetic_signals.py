"""Spikes and drift planted in synthetic signals: raw point F1 at each signal-to-noise ratio, nothing adjusted.

Thresholds come from normal records of other patients, for every detector by the same rule (10 % of normal records may
hold an alarm), and are the same at every ratio. One block a minute (waveforms) or 12 hours (vital signs) holds one
event of one kind with chance one half. Intervals draw whole patients.
"""

import numpy as np

from benchmarks.record import Result, write
from medanomaly.core.conformal import score_threshold
from medanomaly.evaluation.resampling.intervals import percentile_interval
from medanomaly.signals.quality.spike_drift import SpikeDriftDetector
from medanomaly.synthetic.ecg import synthetic_ecg
from medanomaly.synthetic.patients import draw_patients
from medanomaly.synthetic.signal_anomalies import SignalAnomalyParams
from medanomaly.synthetic.vitals import synthetic_vitals

SEED, CALIBRATION, TEST, ALPHA = 0, 40, 16, 0.1
RATIOS = (6.0, 12.0, 18.0)
TARGETS = {6.0: 0.80, 12.0: 0.80, 18.0: 0.95}
# signal: generator, seconds of a record, detector
SIGNALS = {
    "ECG, 2 leads, 250 Hz": (
        synthetic_ecg,
        600.0,
        lambda: SpikeDriftDetector(250.0, alpha=ALPHA),
    ),
    "vital signs, one value a minute": (
        synthetic_vitals,
        7 * 24 * 3600.0,
        lambda: SpikeDriftDetector(1 / 60, alpha=ALPHA, beat_s=300.0, long_s=12 * 3600.0, beats=False),
    ),
}
OURS, ONE_LINER, LEVEL = "spike and drift detector", "one-liner |diff|", "distance from the record's median"


def usual(values: np.ndarray) -> np.ndarray:
    middle = np.nanmedian(np.abs(values), axis=0)
    return np.nan_to_num(np.abs(values) / np.where(middle > 0, middle, 1.0)).max(axis=1)


TRIVIAL = {
    ONE_LINER: lambda x: usual(np.diff(x, axis=0, prepend=x[:1])),
    LEVEL: lambda x: usual(x - np.nanmedian(x, axis=0)),
}


def alarms(
    signal: np.ndarray, detector: SpikeDriftDetector, thresholds: dict[str, float]
) -> dict[str, np.ndarray]:
    found = {OURS: detector.predict(signal)}
    return found | {name: TRIVIAL[name](signal) > threshold for name, threshold in thresholds.items()}


def f1(counts: np.ndarray) -> np.ndarray:
    """From (..., 3) hits, alarms and true samples."""
    with np.errstate(invalid="ignore"):
        return 2 * counts[..., 0] / (counts[..., 1] + counts[..., 2])


def main() -> None:
    patients = [row for _, row in draw_patients(CALIBRATION + TEST, SEED).iterrows()]
    results = []
    for signal, (generate, seconds, make) in SIGNALS.items():
        normal = [generate(p, SEED, seconds).signal for p in patients[:CALIBRATION]]
        detector = make().fit(normal)
        thresholds = {
            name: score_threshold(np.array([score(x).max() for x in normal]), ALPHA)
            for name, score in TRIVIAL.items()
        }
        quiet = [detector.predict(generate(p, SEED, seconds).signal).any() for p in patients[CALIBRATION:]]
        results.append(
            Result(
                f"{signal}: share of {TEST} other normal records with an alarm ({ALPHA:.0%} asked for)",
                float(np.mean(quiet)),
                "",
                data=f"{CALIBRATION} calibration and {TEST} test patients, {seconds / 60:.0f} minutes each",
            )
        )
        for ratio in RATIOS:
            counts: dict[str, dict[str, np.ndarray]] = {}
            for kind in ("spike", "drift"):
                params = SignalAnomalyParams(kinds={kind: 1.0}, snr_db=(ratio,))
                table = {name: [] for name in (OURS, *TRIVIAL)}
                for patient in patients[CALIBRATION:]:
                    record = generate(patient, SEED, seconds, anomalies=params)
                    truth = record.truth > 0
                    for name, alarm in alarms(record.signal, detector, thresholds).items():
                        table[name].append(((alarm & truth).sum(), alarm.sum(), truth.sum()))
                counts[kind] = {name: np.array(rows, dtype=float) for name, rows in table.items()}
            counts["spikes and drift"] = {n: counts["spike"][n] + counts["drift"][n] for n in counts["spike"]}
            for kind, table in counts.items():
                drawn = np.random.default_rng(SEED).multinomial(TEST, np.full(TEST, 1 / TEST), 2000)
                low, high = percentile_interval(f1(drawn @ table[OURS]))
                best = max(TRIVIAL, key=lambda name, t=table: f1(t[name].sum(axis=0)))
                value = float(f1(table[OURS].sum(axis=0)))
                hits, alarmed, true = table[OURS].sum(axis=0)
                results.append(
                    Result(
                        f"{signal}: {kind} at {ratio:.0f} dB, raw point F1",
                        value,
                        "",
                        low,
                        high,
                        peer=f"better of two trivial scores ({best})",
                        peer_value=float(f1(table[best].sum(axis=0))),
                        target=f">= {TARGETS[ratio]:.2f}",
                        reached=bool(value >= TARGETS[ratio]),
                        data=f"{int(true):,} true samples, precision {hits / max(alarmed, 1):.3f}, "
                        f"recall {hits / true:.3f}; thresholds from {CALIBRATION} normal patients",
                    )
                )
    write("synthetic_signals", results, command="make bench NAME=synthetic_signals")


if __name__ == "__main__":
    main()
