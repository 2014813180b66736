import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from drawn_ecg import FS, LEARN_S, ecg, replace
from scipy.signal import fftconvolve
from sklearn.metrics import roc_auc_score

from medanomaly.core.errors import BundleError, ConfigurationError, InputError
from medanomaly.signals.beat_detector.detector import BeatDetector
from medanomaly.signals.beat_detector.fusion import CONTRIBUTIONS, VARIANTS, Variant
from medanomaly.signals.beat_detector.series import BeatSeries
from medanomaly.signals.beats.aami import aami_class, is_beat
from medanomaly.signals.beats.ecg_filters import kernel, linear_phase, zero_phase
from medanomaly.signals.readers.wfdb import read_mitbih


@pytest.fixture(scope="module", params=list(VARIANTS))
def detector(request):
    return BeatDetector(request.param, learn_s=LEARN_S).fit([ecg(seed) for seed in range(1, 5)])


def after_learning(series: BeatSeries) -> np.ndarray:
    return series.samples >= LEARN_S * series.fs


@pytest.mark.parametrize("kind", ["S", "V"])
@pytest.mark.parametrize("causal", [True, False])
def test_ectopic_beats_of_an_unknown_patient_rank_above_normal_ones(kind, causal):
    model = BeatDetector(causal=causal, learn_s=LEARN_S).fit([ecg(seed) for seed in range(1, 5)])
    series = ecg(0)
    keep = after_learning(series) & np.isin(series.aami, ["N", kind])
    assert roc_auc_score(series.aami[keep] == kind, model.score(series)[keep]) > 0.97


def test_contributions_add_up_to_the_score_and_none_is_negative(detector):
    explained = detector.explain(ecg(0))
    assert explained.shape == (160, len(CONTRIBUTIONS))
    assert (explained >= 0).all()
    np.testing.assert_allclose(explained.sum(axis=1), detector.score(ecg(0)), rtol=0, atol=1e-12)


def test_a_causal_score_does_not_change_with_what_comes_later(detector):
    series = ecg(0)
    cut = series.samples[119] + int(0.9 * FS)
    changed = series.signal.copy()
    changed[cut:] = 7.0 * np.random.default_rng(0).standard_normal(changed[cut:].shape)
    later = replace(series, signal=changed)
    np.testing.assert_array_equal(detector.score(series)[:120], detector.score(later)[:120])
    short = replace(series, signal=series.signal[:cut], samples=series.samples[:120], aami=series.aami[:120])
    np.testing.assert_array_equal(detector.score(series)[:119], detector.score(short)[:119])


def test_score_does_not_depend_on_gain_or_offset(detector):
    series = ecg(0)
    louder = replace(series, signal=2.0 * series.signal + 3.0)
    np.testing.assert_allclose(detector.score(louder), detector.score(series), atol=0.01)


def test_one_lead_scores_as_that_lead_twice(detector):
    series = ecg(0)
    one, two = replace(series, signal=series.signal[:, :1]), replace(series, signal=series.signal[:, [0, 0]])
    np.testing.assert_array_equal(detector.score(one), detector.score(two))


def test_what_is_marked_bad_teaches_nothing(detector):
    series = ecg(0)
    good = np.ones(series.n_beats, dtype=bool)
    good[70:80] = False
    first, last = series.samples[70] - int(0.1 * FS), series.samples[79] + int(0.1 * FS)
    scores = []
    for seed in (1, 2):
        signal = series.signal.copy()
        signal[first:last] = np.random.default_rng(seed).standard_normal((last - first, 2))
        scores.append(detector.score(replace(series, signal=signal, good=good)))
    # the filter reaches 0.6 s around the noise, so the beats next to it may differ
    np.testing.assert_array_equal(scores[0][:68], scores[1][:68])
    np.testing.assert_allclose(np.median(scores[0][83:]), np.median(scores[1][83:]), atol=0.2)


def test_gaps_give_finite_scores(detector):
    series = ecg(0)
    signal = series.signal.copy()
    signal[3000:6000] = np.nan
    signal[:50, 0] = np.nan
    assert np.isfinite(detector.score(replace(series, signal=signal))).all()


def test_a_flat_line_gives_finite_scores(detector):
    assert np.isfinite(detector.score(replace(ecg(0), signal=np.zeros_like(ecg(0).signal)))).all()


@pytest.mark.parametrize("fs", [128.0, 360.0, 500.0])
def test_scores_find_the_same_beats_at_any_sampling_rate(detector, fs):
    series = ecg(0, fs=fs)
    keep = after_learning(series)
    assert roc_auc_score(series.aami[keep] != "N", detector.score(series)[keep]) > 0.95


def test_stored_as_json_and_arrays_it_gives_the_same_scores(detector):
    description, arrays = detector.to_arrays()
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        again = BeatDetector.from_arrays(json.loads(json.dumps(description)), dict(stored))
    np.testing.assert_array_equal(again.score(ecg(0)), detector.score(ecg(0)))


def test_a_damaged_store_is_refused():
    model = BeatDetector("B", learn_s=LEARN_S).fit([ecg(seed) for seed in range(1, 4)])
    description, arrays = model.to_arrays()
    with pytest.raises(BundleError, match="format"):
        BeatDetector.from_arrays(description | {"format": 0}, arrays)
    with pytest.raises(BundleError, match="incomplete"):
        BeatDetector.from_arrays(description, {k: v for k, v in arrays.items() if k != "tail_0_knots"})
    with pytest.raises(BundleError, match="points outside"):
        BeatDetector.from_arrays(description, arrays | {"forest_left": np.zeros_like(arrays["forest_left"])})
    with pytest.raises(BundleError, match="does not rise"):
        BeatDetector.from_arrays(description, arrays | {"tail_1_levels": -arrays["tail_1_levels"]})


def test_labels_of_abnormal_beats_are_not_used():
    recordings = [ecg(seed) for seed in range(1, 4)]
    renamed = [replace(s, aami=np.where(s.aami == "S", "Q", s.aami)) for s in recordings]
    one, other = (BeatDetector(learn_s=LEARN_S).fit(population) for population in (recordings, renamed))
    np.testing.assert_array_equal(one.score(ecg(0)), other.score(ecg(0)))


def test_a_recording_twice_as_long_does_not_count_twice():
    """Repeating a patient's beats changes nothing: every patient has the same weight."""
    population = [BeatDetector(learn_s=LEARN_S).patient_terms(ecg(seed)) for seed in range(1, 4)]
    once = BeatDetector(learn_s=LEARN_S).fit_terms(population)
    twice = BeatDetector(learn_s=LEARN_S).fit_terms([population[0], *population])
    np.testing.assert_allclose(once.score(ecg(0)), twice.score(ecg(0)), atol=0.01)


def test_the_causal_filter_is_its_kernel_and_passes_no_baseline():
    signal = np.random.default_rng(0).standard_normal((4000, 2))
    h = kernel(FS)
    inside = slice(len(h) // 2, -(len(h) // 2))
    expected = fftconvolve(signal, h[:, None], mode="valid", axes=0)
    np.testing.assert_allclose(linear_phase(signal, FS)[inside], expected, atol=1e-12)
    np.testing.assert_allclose(linear_phase(np.full((2000, 1), 5.0), FS), 0.0, atol=1e-12)
    np.testing.assert_allclose(zero_phase(np.full((2000, 1), 5.0), FS), 0.0, atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"samples": np.arange(100, 105)}, "5 beat"),
        ({"samples": np.full(160, 500)}, "strictly increasing"),
        ({"samples": np.arange(160) + 10**7}, "R peaks from"),
        ({"signal": np.zeros(5000)}, "shape"),
        ({"fs": 20.0}, "sampling rate"),
        ({"aami": np.array(["N"])}, "1 values of aami"),
    ],
)
def test_a_series_whose_parts_do_not_fit_is_refused(changed, message):
    with pytest.raises(InputError, match=message):
        replace(ecg(0), **changed)


def test_what_cannot_be_fitted_or_scored_is_said():
    with pytest.raises(ConfigurationError, match="no variant 'C'"):
        BeatDetector("C", learn_s=LEARN_S).fit([ecg(1)])
    with pytest.raises(ConfigurationError, match="no labels"):
        BeatDetector().fit([replace(ecg(1), aami=None)])
    with pytest.raises(ConfigurationError, match="no normal beat"):
        BeatDetector(learn_s=1e6).fit([ecg(1)])
    with pytest.raises(ConfigurationError, match="not fitted"):
        BeatDetector().score(ecg(1))
    with pytest.raises(ConfigurationError, match="missing throughout"):
        BeatDetector().score(replace(ecg(1), signal=np.full_like(ecg(1).signal, np.nan)))
    with pytest.raises(ConfigurationError, match="below 0"):
        Variant(cpm=-1.0)


FOLDER = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "mitdb"


@pytest.mark.skipif(not (FOLDER / "101.hea").exists(), reason="MIT-BIH is not under MEDANOMALY_DATA")
def test_on_real_patients_it_finds_ventricular_beats_of_one_that_it_does_not_know():
    def series(record):
        recording = read_mitbih(FOLDER, record)
        marks = recording.annotations
        beat = is_beat(marks.symbol)
        classes = aami_class(marks.symbol[beat]).to_numpy(dtype=str)
        return BeatSeries(
            record, recording.patient_id, recording.signal, recording.fs, marks.sample[beat], classes
        )

    model = BeatDetector().fit([series(r) for r in ("101", "106", "112", "205", "220")])
    unknown = series("119")
    keep = (unknown.samples >= 300 * 360) & np.isin(unknown.aami, ["N", "V"])
    assert roc_auc_score(unknown.aami[keep] == "V", model.score(unknown)[keep]) > 0.99
