import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import find_peaks, welch

from medanomaly.core.errors import ConfigurationError
from medanomaly.synthetic.ecg import EcgStream, synthetic_ecg
from medanomaly.synthetic.patients import draw_patients
from medanomaly.synthetic.ppg import PpgStream, synthetic_ppg
from medanomaly.synthetic.signal_anomalies import CODES, KINDS, SignalAnomalyParams
from medanomaly.synthetic.vitals import SIGNS, VitalsStream, synthetic_vitals

PATIENTS = draw_patients(12, seed=3).to_dict("records")
ALL = SignalAnomalyParams(share=1.0)
MAKERS = {"ecg": (synthetic_ecg, EcgStream, 200.0), "ppg": (synthetic_ppg, PpgStream, 200.0),
          "vitals": (synthetic_vitals, VitalsStream, 2.2 * 86400)}  # fmt: skip


def only(*kinds, share=1.0, snr_db=(12.0,)):
    return SignalAnomalyParams(share=share, kinds=dict.fromkeys(kinds, 1.0), snr_db=snr_db)


@pytest.mark.parametrize("kind", MAKERS)
@settings(max_examples=15)
@given(st.lists(st.integers(0, 17000), min_size=1, max_size=12))
def test_chunks_of_any_size_give_the_samples_of_one_call(kind, sizes):
    make, stream_type, seconds = MAKERS[kind]
    whole = make(PATIENTS[0], 3, seconds, anomalies=ALL)
    stream = stream_type(PATIENTS[0], 3, anomalies=ALL)
    parts, n = [], 0
    for size in [*sizes, len(whole.truth)]:
        parts.append(stream.read(min(size, len(whole.truth) - n)))
        n += len(parts[-1].truth)
    np.testing.assert_array_equal(np.concatenate([p.signal for p in parts]), whole.signal)
    np.testing.assert_array_equal(np.concatenate([p.truth for p in parts]), whole.truth)
    assert stream.events(n).equals(whole.events)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_seed_gives_the_same_signal_and_a_longer_one_begins_with_it(kind):
    make, _, seconds = MAKERS[kind]
    a, b = make(PATIENTS[1], 3, seconds, anomalies=ALL), make(PATIENTS[1], 3, 1.7 * seconds, anomalies=ALL)
    np.testing.assert_array_equal(a.signal, b.signal[: len(a.signal)])
    assert not np.array_equal(a.signal, make(PATIENTS[1], 4, seconds, anomalies=ALL).signal, equal_nan=True)
    assert not np.array_equal(a.signal, make(PATIENTS[2], 3, seconds, anomalies=ALL).signal, equal_nan=True)
    assert a.signal.dtype == np.float32


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_not_planted_is_the_normal_signal(kind):
    make, _, seconds = MAKERS[kind]
    kinds = ("spike", "drift", "dropout", "noise", "decompensation")
    clean = make(PATIENTS[4], 3, seconds)
    planted = make(PATIENTS[4], 3, seconds, anomalies=only(*kinds))
    normal = planted.truth == 0
    np.testing.assert_array_equal(planted.signal[normal], clean.signal[normal])
    assert (clean.truth == 0).all()
    assert len(clean.events) == 0
    assert np.isfinite(clean.signal).all()
    changed = ~normal
    assert changed.any()
    differs = ~np.isclose(planted.signal, clean.signal, equal_nan=True).all(axis=1)
    # monitors round, so that the beginning of a slow change may not be seen
    assert differs[changed].mean() > (0.6 if kind == "vitals" else 0.95)


@pytest.mark.parametrize("kind", MAKERS)
def test_events_are_the_truth_of_the_samples(kind):
    make, _, seconds = MAKERS[kind]
    signal = make(PATIENTS[5], 3, 3 * seconds, anomalies=ALL)
    truth = np.zeros(len(signal.truth), dtype=np.uint8)
    for event in signal.events.itertuples():
        assert 0 <= event.start < event.end <= len(truth)
        truth[event.start : event.end] = CODES[event.kind]
    np.testing.assert_array_equal(truth, signal.truth)
    assert len(signal.events) >= 3


def test_a_larger_share_keeps_the_events_of_a_smaller_one():
    few = synthetic_ecg(PATIENTS[0], 3, 1800, anomalies=only("spike", "drift", share=0.3)).events
    many = synthetic_ecg(PATIENTS[0], 3, 1800, anomalies=only("spike", "drift", share=0.9)).events
    assert len(few) < len(many)
    assert set(few["start"]) <= set(many["start"])


@pytest.mark.parametrize("snr_db", [6.0, 12.0, 18.0])
@pytest.mark.parametrize("kind", ["spike", "drift"])
def test_the_peak_of_what_is_planted_has_the_ratio_asked_for(kind, snr_db):
    clean = synthetic_ecg(PATIENTS[6], 3, 300)
    planted = synthetic_ecg(PATIENTS[6], 3, 300, anomalies=only(kind, snr_db=(snr_db,)))
    rms = (clean.signal - clean.signal.mean(axis=0)).std(axis=0)
    for event in planted.events.itertuples():
        j = planted.leads.index(event.lead)
        peak = np.abs(planted.signal - clean.signal)[event.start : event.end, j].max()
        assert 20 * np.log10(peak / rms[j]) == pytest.approx(snr_db, abs=2.0)
        assert event.snr_db == snr_db


def test_dropouts_hold_no_signal():
    planted = synthetic_ecg(PATIENTS[7], 3, 600, anomalies=only("dropout"))
    for event in planted.events.itertuples():
        part = planted.signal[event.start : event.end]
        assert np.isnan(part).all() or (part == part[0]).all()


def test_r_peaks_are_where_the_beats_are_said_to_be():
    signal = synthetic_ecg(PATIENTS[0], 3, 120, noise_db=40)
    x = signal.signal[:, 0]
    peaks, _ = find_peaks(x, height=0.5 * np.percentile(x, 99.5), distance=60)
    beats = signal.beats["sample"].to_numpy()
    assert len(peaks) == pytest.approx(len(beats), abs=2)
    gap = np.abs(peaks[:, None] - beats[None]).min(axis=1)
    assert np.median(gap) <= 2
    assert gap.max() <= 6
    assert set(signal.beats["symbol"]) == {"N"}


def test_variability_has_its_two_peaks_and_sinks_with_age():
    spread = {}
    for age in (25.0, 80.0):
        patient = dict(PATIENTS[0], age=age, severity=0.1)
        beats = synthetic_ecg(patient, 3, 900).beats["sample"].to_numpy() / 250
        rr = np.diff(beats)
        spread[age] = rr.std()
    assert spread[25.0] > 1.4 * spread[80.0]
    even = np.interp(np.arange(beats[1], beats[-1], 0.25), beats[1:], rr)
    f, p = welch(even - even.mean(), fs=4, nperseg=512)
    strongest = f[np.argsort(p)[::-1]]
    assert np.any(np.abs(strongest[:12] - 0.1) < 0.03)


def test_a_ventricular_beat_is_early_wide_and_followed_by_a_pause():
    signal = synthetic_ecg(PATIENTS[3], 3, 600, anomalies=only("PVC"))
    beats = signal.beats
    rr = beats["sample"].diff().to_numpy() / signal.fs
    usual = np.nanmedian(rr)
    at = np.flatnonzero(beats["symbol"] == "V")
    at = at[(at > 1) & (at < len(beats) - 2)]
    assert len(at) >= 5
    assert (rr[at] < 0.85 * usual).all()
    assert (rr[at + 1] > 1.1 * usual).all()
    # the sinus node went on: the two intervals make two usual ones
    np.testing.assert_allclose(rr[at] + rr[at + 1], 2 * usual, rtol=0.25)
    assert (signal.truth[beats["sample"].to_numpy()[at]] == CODES["PVC"]).all()


def test_fibrillation_is_irregular():
    signal = synthetic_ecg(PATIENTS[3], 3, 1200, anomalies=only("AF"))
    beats = signal.beats["sample"].to_numpy()
    rr, inside = np.diff(beats), signal.truth[beats[1:]] == CODES["AF"]
    spread = lambda x: np.std(np.diff(x)) / np.mean(x)  # noqa: E731
    assert spread(rr[inside]) > 3 * spread(rr[~inside])


def test_pulse_and_ecg_come_from_one_heart():
    ecg, ppg = (f(PATIENTS[2], 3, 120.0) for f in (synthetic_ecg, synthetic_ppg))
    np.testing.assert_allclose(ecg.beats["sample"] / ecg.fs, ppg.beats["sample"] / ppg.fs, atol=0.01)
    peaks, _ = find_peaks(ppg.signal[:, 0], distance=50, prominence=0.4)
    delay = peaks[1:-1] / ppg.fs - np.array([b for p in peaks[1:-1] for b in [
        (ppg.beats["sample"][ppg.beats["sample"] <= p].max()) / ppg.fs]])  # fmt: skip
    assert 0.2 < np.median(delay) < 0.6
    assert delay.std() < 0.08


def test_vital_signs_stay_within_what_a_patient_has():
    values = np.concatenate([synthetic_vitals(p, 3, 86400).signal for p in PATIENTS])
    low, high = np.percentile(values, [0.5, 99.5], axis=0)
    for name, bottom, top in zip(
        SIGNS, (40, 85, 75, 40, 7, 35.5), (150, 100, 200, 125, 32, 38.5), strict=True
    ):
        j = SIGNS.index(name)
        assert bottom <= low[j] < high[j] <= top, name
    assert (values[:, SIGNS.index("systolic")] > values[:, SIGNS.index("diastolic")]).mean() > 0.99


def test_decompensation_moves_the_signs_together():
    anomalies = only("decompensation", snr_db=(12.0,))
    clean, ill = (
        synthetic_vitals(PATIENTS[0], 3, 4 * 86400),
        synthetic_vitals(PATIENTS[0], 3, 4 * 86400, anomalies=anomalies),
    )
    event = ill.events.iloc[0]
    late = slice(int(0.8 * event["end"] + 0.2 * event["start"]), int(event["end"]))
    change = (ill.signal - clean.signal)[late].mean(axis=0)
    assert change[SIGNS.index("heart_rate")] > 10
    assert change[SIGNS.index("systolic")] < -10
    assert change[SIGNS.index("spo2")] < -1.5
    assert event["end"] - event["start"] >= 4 * 60


def test_strengths_and_kinds_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="unknown kinds"):
        SignalAnomalyParams(kinds={"ghost": 1.0})
    with pytest.raises(ValueError, match="finite"):
        SignalAnomalyParams(snr_db=())
    with pytest.raises(ConfigurationError, match="50 to 1000"):
        synthetic_ecg(PATIENTS[0], 0, 10, fs=20)
    with pytest.raises(ConfigurationError, match="no lead"):
        synthetic_ecg(PATIENTS[0], 0, 10, leads=("X",))
    with pytest.raises(ConfigurationError, match="0 or more"):
        EcgStream(PATIENTS[0], 0).read(-1)
    assert len(KINDS) == len(CODES) == 8
