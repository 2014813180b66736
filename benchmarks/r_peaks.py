"""How many heart beats of MIT-BIH are found from one lead and from two, compared with wfdb's xqrs? How many pulses of a PPG?

Every record of DS1 and DS2 with reference marks in ``$MEDANOMALY_DATA/mitdb`` is used; the protocol leaves out paced
records. The window is 150 ms. Ventricular flutter of the reference does not count. Intervals resample whole patients.
"""

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from wfdb.processing import XQRS

from benchmarks.record import Result, write
from medanomaly.signals.beats.aami import DS1, DS2, is_beat, mitbih_patient
from medanomaly.signals.beats.beat_by_beat import BeatComparison, compare_beats, match_beats, record_table
from medanomaly.signals.beats.marks import flutter, shutdown
from medanomaly.signals.peaks.pulse_peaks import detect_pulse_peaks
from medanomaly.signals.peaks.r_peaks import detect_r_peaks
from medanomaly.signals.readers.wfdb import read_mitbih

FOLDER = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw"))
OURS, OURS_ONE, PEER = "ours, two leads", "ours, first lead", "wfdb xqrs, first lead"


def xqrs(signal: np.ndarray, fs: float) -> np.ndarray:
    detector = XQRS(sig=signal[:, 0], fs=fs)
    detector.detect(verbose=False)
    return np.asarray(detector.qrs_inds, dtype=np.int64)


DETECTORS = {OURS: detect_r_peaks, OURS_ONE: lambda x, fs: detect_r_peaks(x[:, 0], fs), PEER: xqrs}


def compare(record: str, start_s: float) -> tuple[dict[str, BeatComparison], dict[str, float]]:
    """Comparison and seconds of each detector on one record."""
    recording = read_mitbih(FOLDER / "mitdb", record)
    marks = recording.annotations
    beats = marks.sample[is_beat(marks.symbol)]
    found, seconds = {}, {}
    for name, detect in DETECTORS.items():
        start = time.perf_counter()
        peaks = detect(recording.signal.astype(np.float64), recording.fs)
        seconds[name] = time.perf_counter() - start
        found[name] = compare_beats(
            beats,
            ["N"] * len(beats),
            peaks,
            ["N"] * len(peaks),
            recording.fs,
            start_s=start_s,
            fibrillation=flutter(recording),
            reference_shutdown=shutdown(recording),
        )
    return found, seconds


def beats_of_mitbih() -> list[Result]:
    records = [r for r in (*DS1, *DS2) if (FOLDER / "mitdb" / f"{r}.hea").exists()]
    if not records:
        print(f"{FOLDER / 'mitdb'} is absent, left out")
        return []
    detect_r_peaks(np.zeros((1000, 2)), 360.0)
    both = {r: compare(r, 0.0) for r in records}
    patients = {r: mitbih_patient(r) for r in records}
    data = f"{len(records)} records of MIT-BIH ({'DS1' if set(records) == set(DS1) else 'DS1 and DS2'}), whole records"
    tables = {
        name: record_table({r: both[r][0][name].matrix for r in records}, patients)[1].set_index("statistic")
        for name in DETECTORS
    }
    results = []
    for name in (OURS, OURS_ONE):
        for statistic, title in (
            ("qrs_sensitivity", "sensitivity"),
            ("qrs_ppv", "positive predictive value"),
        ):
            mine, peer = tables[name].loc[statistic], tables[PEER].loc[statistic]
            results.append(
                Result(
                    f"R peaks, {title}, {name}",
                    mine.value,
                    "",
                    mine.ci_low,
                    mine.ci_high,
                    peer=f"{PEER} ({peer.ci_low:.4f} to {peer.ci_high:.4f})",
                    peer_value=peer.value,
                    data=f"{data}, {mine.n:,} beats",
                )
            )
        offset = np.concatenate([both[r][0][name].offset_ms for r in records])
        results.append(
            Result(
                f"distance from the reference mark, median of the absolute value, {name}",
                float(np.median(np.abs(offset))),
                "ms",
                peer=PEER,
                peer_value=float(
                    np.median(np.abs(np.concatenate([both[r][0][PEER].offset_ms for r in records])))
                ),
                data=data,
            )
        )
        seconds = {n: min(both[r][1][n] for r in records) for n in DETECTORS}
        results.append(
            Result(
                f"30 minutes, {name}, the fastest record",
                seconds[name],
                "s",
                peer=PEER,
                peer_value=seconds[PEER],
                ratio=seconds[PEER] / seconds[name],
                data=data,
            )
        )
    for record in records:
        m = both[record][0][OURS].matrix
        missed, extra = int(m.loc["N", "o"]), int(m.loc["O", "n"])
        if missed + extra >= 10:
            p = both[record][0][PEER].matrix
            results.append(
                Result(
                    f"record {record}: {missed} missed, {extra} extra, {OURS}; errors in all",
                    missed + extra,
                    "beats",
                    peer=PEER,
                    peer_value=float(p.loc["N", "o"] + p.loc["O", "n"]),
                    data=f"{int(m.loc['N'].sum())} beats",
                )
            )
    return results


def pulses_of_bidmc() -> list[Result]:
    path = FOLDER / "bidmc_ppg" / "bidmc_01_Signals.csv"
    if not path.exists():
        print(f"{path} is absent, left out")
        return []
    table = pd.read_csv(path)
    table.columns = table.columns.str.strip()
    beats = detect_r_peaks(table["II"].to_numpy(), 125.0)
    pulses = detect_pulse_peaks(table["PLETH"].to_numpy(), 125.0)
    delay = int(np.median([pulses[pulses > r][0] - r for r in beats if (pulses > r).any()]))
    i, j = match_beats(beats + delay, pulses, round(0.15 * 125))
    jitter = float(np.std(pulses[j] - beats[i]) / 125 * 1000)
    data = f"one patient of BIDMC, {len(beats)} R peaks, {len(pulses)} pulses, 8 minutes; of one patient, so no interval"
    return [
        Result(
            "R peaks followed by a pulse at the usual delay, within 150 ms",
            len(i) / len(beats),
            "",
            data=data,
        ),
        Result("pulses that follow an R peak", len(i) / len(pulses), "", data=data),
        Result("pulse delay, standard deviation of the pairs", jitter, "ms", data=data),
    ]


def main() -> None:
    results = [*beats_of_mitbih(), *pulses_of_bidmc()]
    if results:
        write("r_peaks", results, command="make bench NAME=r_peaks")


if __name__ == "__main__":
    main()
