"""Short recordings are measured together; each gets what it gets by itself, and one that fails costs itself alone."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.signals.drawn_ecg import ecg

from medanomaly.signals.beats import found
from medanomaly.signals.beats.found import beats_of_each
from medanomaly.signals.beats.params import BeatParams
from medanomaly.signals.beats.table import beats_and_marks, beats_table
from medanomaly.signals.features.morphology import beat_features, rhythm_features
from medanomaly.signals.quality.assessment import assess_quality, quality_at, quality_of_each, quality_table
from medanomaly.signals.recipe import BeatRecipe, signal_recipe
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.recordings.recording_set import RecordingSet
from medanomaly.signals.recordings.voltage import ecg_of, ecg_swings

FS = 250.0


def recording(name, seed=1, fs=FS, n_beats=18, **changes):
    series = ecg(seed, n_beats=n_beats, fs=fs)
    signal = series.signal + 0.01 * np.random.default_rng(seed).standard_normal(series.signal.shape)
    whole = Recording(name, name, signal.astype(np.float32), fs, ("MLII", "V1"), ("mV", "mV"))
    return replace(whole, **changes)


def several():
    """Recordings alike, and some with a gap, another rate, length, unit, kind or number of leads, or a flat lead."""
    plain = [recording(f"r{i}", seed=i) for i in range(6)]
    gap, flat = plain[1].signal.copy(), plain[2].signal.copy()
    gap[500:700, 0], flat[:, 1] = np.nan, 0.25
    return [
        *plain,
        recording("faster", fs=360.0),
        recording("longer", n_beats=40),
        replace(plain[1], record="gap", signal=gap),
        replace(plain[2], record="flat", signal=flat),
        replace(plain[3], record="micro", signal=plain[3].signal * 1000, units=("uV", "uV")),
        replace(plain[4], record="pulse", leads=("II", "PLETH"), units=("mV", "NU")),
        replace(plain[5], record="single", signal=plain[5].signal[:, :1], leads=("II",), units=("mV",)),
        replace(plain[0], record="empty", signal=plain[0].signal[:0]),
        replace(plain[0], record="silent", signal=np.full_like(plain[0].signal, np.nan)),
    ]


def as_set(recordings):
    return RecordingSet(
        name="t",
        readers={one.record: lambda one=one: one for one in recordings},
        patients={one.record: one.patient_id for one in recordings},
    )


@pytest.mark.parametrize("together", [1, 4000, 10**7])
def test_quality_of_many_is_that_of_each(monkeypatch, together):
    monkeypatch.setattr("medanomaly.signals.quality.assessment._TOGETHER", together)
    recordings = several()
    found_windows = quality_of_each(recordings)
    assert len(found_windows) == len(recordings)
    for one, windows in zip(recordings, found_windows, strict=True):
        pd.testing.assert_frame_equal(
            quality_table(one.record, windows), assess_quality(one), check_exact=True, obj=one.record
        )


def test_quality_at_reads_columns_as_it_reads_a_table():
    one = several()[8]
    table = assess_quality(one)
    at = np.linspace(-1, 20, 50)
    np.testing.assert_array_equal(
        quality_at({name: table[name].to_numpy() for name in table}, at), quality_at(table, at)
    )


@pytest.mark.parametrize("together", [1, 20_000, 10**9])
def test_beats_of_many_are_those_of_each(monkeypatch, together):
    monkeypatch.setattr(found, "TOGETHER", together)
    params, recordings = BeatParams(min_beats=4), several()
    got = dict(beats_of_each(as_set(recordings), params))
    assert list(got) == [one.record for one in recordings]
    refused = {record for record, of in got.items() if isinstance(of, str)}
    assert refused == {"empty", "silent"}
    for one in recordings:
        if one.record not in refused:
            beats, quality, marks = beats_and_marks(ecg_of(one), params)
            of = got[one.record]
            pd.testing.assert_frame_equal(beats_table([of.columns], params), beats, check_exact=True)
            pd.testing.assert_frame_equal(of.quality, quality, check_exact=True)
            assert of.has_bad_window == quality["quality"].eq("bad").any()
            assert of.marks.account.r_peaks == marks.account.r_peaks


def test_one_table_is_that_of_tables_joined():
    params = BeatParams(min_beats=4)
    some = [
        recording("a"),
        recording("b", seed=2, attributes={"sex": "F", "age": "71"}),
        recording("c", seed=3),
    ]
    for chosen in (some, some[::2], [some[1], some[1]]):
        columns = [
            of.columns
            for _, of in beats_of_each(
                as_set([replace(r, record=f"{i}") for i, r in enumerate(chosen)]), params
            )
        ]
        apart = pd.concat([beats_table([of], params) for of in columns], ignore_index=True)
        pd.testing.assert_frame_equal(beats_table(columns, params), apart, check_exact=True)


def test_what_breaks_one_recording_leaves_the_others(monkeypatch):
    whole = found.quality_of_each

    def breaks(recordings, params):
        if any(one.record == "r1" for one in recordings):
            raise FloatingPointError("broken")
        return whole(recordings, params)

    monkeypatch.setattr(found, "quality_of_each", breaks)
    got = dict(beats_of_each(as_set([recording(f"r{i}", seed=i) for i in range(4)]), BeatParams(min_beats=4)))
    assert got["r1"] == "FloatingPointError: broken"
    assert [record for record, of in got.items() if not isinstance(of, str)] == ["r0", "r2", "r3"]


def test_answers_to_many_recordings_are_those_to_each():
    recipe = BeatRecipe(signal_recipe("beat_recipe", BeatParams(min_beats=4), {}, {}))
    recordings = [one for one in several() if one.record not in ("empty", "silent")]
    together = recipe.read(recordings)
    apart = [recipe.read(one) for one in recordings]
    for name in ("features", "waveforms"):
        values = [read.inputs[name].inputs for read in apart]
        if name == "features":
            joined = pd.concat(values, ignore_index=True)
            pd.testing.assert_frame_equal(together.inputs[name].inputs, joined, check_exact=True)
        else:
            np.testing.assert_array_equal(together.inputs[name].inputs, np.concatenate(values))
    facts = together.inputs["features"].facts(np.arange(len(together.cases)))
    each = pd.concat([read.inputs["features"].facts(np.arange(len(read.cases))) for read in apart])
    pd.testing.assert_frame_equal(facts, each.reset_index(drop=True), check_exact=True)
    assert together.missing == {case: of for read in apart for case, of in read.missing.items()}
    assert together.findings.to_dict("records") == [
        row for read in apart for row in read.findings.to_dict("records")
    ]


def test_swings_are_those_of_each_lead():
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((5000, 3)).astype(np.float32) * np.array([1, 10, 0.1], dtype=np.float32)
    signal[:700, 1] = np.nan
    swings = ecg_swings(signal, FS)
    for lead in range(3):
        windows = signal[:, lead].reshape(-1, 500)
        low, high = np.percentile(windows[np.isfinite(windows).all(axis=1)], [1, 99], axis=1)
        assert swings[lead] == np.median(high - low)
    assert np.isnan(ecg_swings(np.full((5000, 2), np.nan, dtype=np.float32), FS)).all()
    assert np.isnan(ecg_swings(signal[:1], FS)).all()
    assert ecg_swings(signal[800:900], FS).shape == (3,)


def test_the_local_rhythm_is_the_median_of_the_last_eight_intervals():
    peaks = np.cumsum(np.random.default_rng(0).integers(150, 300, 40))
    intervals = np.diff(peaks / FS)
    local = rhythm_features(peaks, FS)[:, 2]
    assert np.isnan(local[:2]).all()
    for i in range(2, len(peaks)):
        assert local[i] == np.median(intervals[max(0, i - 9) : i - 1]), i


@pytest.mark.parametrize("n_beats", [16, 600])
def test_few_beats_are_measured_as_many_are(n_beats):
    """A reference of all beats gives what beats get without one, whether they are few or more than a template takes."""
    from medanomaly.signals.features.morphology import beat_reference

    series = ecg(2, n_beats=n_beats, fs=FS)
    peaks = np.asarray(series.samples)
    given = beat_features(series.signal, FS, peaks, reference=beat_reference(series.signal, FS, peaks))
    pd.testing.assert_frame_equal(beat_features(series.signal, FS, peaks), given, check_exact=True)


def test_a_set_that_is_changed_changes_every_recording_when_it_is_read():
    source = as_set([recording("a"), recording("b", seed=2)])
    read = []
    changed = source.changed(lambda one: read.append(one.record) or replace(one, notes=("seen",)))
    assert read == []
    assert changed["b"].notes == ("seen",)
    assert (read, source["b"].notes, changed.patients) == (["b"], (), source.patients)
