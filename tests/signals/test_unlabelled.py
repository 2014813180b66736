"""Signals that nobody has labelled, with few models or none of a kind: nodes say what they can, and count all beats."""

import numpy as np
import pandas as pd
import pytest
from sample_recordings import beats as drawn

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.core.models import kind
from medanomaly.core.scores import score_table
from medanomaly.core.splits import SplitParams
from medanomaly.datasets.ecg5000 import CutBeats
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.environment import Model
from medanomaly.pipelines.models import fit_model
from medanomaly.pipelines.signals.modality import SIGNALS
from medanomaly.pipelines.signals.prepare_nodes import cut_windows, find_beats, split_beats
from medanomaly.pipelines.signals.section_nodes import describe_beats, describe_cut_beats
from medanomaly.pipelines.signals.series_nodes import describe_series
from medanomaly.reporting.results import ModalityResults
from medanomaly.reporting.signals.beats import episodes_section
from medanomaly.reporting.tables import counts
from medanomaly.signals.alarms.beat_alarms import alarm_threshold, recording_alarms
from medanomaly.signals.alarms.params import EpisodeParams
from medanomaly.signals.alarms.rhythm_episodes import silence_episodes
from medanomaly.signals.beats.params import BeatParams
from medanomaly.signals.recordings.annotated_intervals import interval_annotations
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.recordings.recording_set import RecordingSet
from medanomaly.signals.series.params import SeriesParams

FS, RUN, ALARM = 250.0, RunParams(dataset="t", table="t"), AlarmParams()


def recording_set(n=4, seconds=60, **more):
    def one(name, seed):
        signal = drawn(int(seconds * FS), FS, seed=seed)[:, None].astype(np.float32)
        # noise in which no beat can be trusted
        signal[: int(10 * FS)] += 2 * np.random.default_rng(seed).standard_normal((int(10 * FS), 1))
        return Recording(name, name, signal, FS, ("II",), ("mV",), **more)

    def broken():
        raise InputError("the file cannot be read")

    names = [f"r{i}" for i in range(n)]
    readers = {name: (lambda name=name, i=i: one(name, i)) for i, name in enumerate(names)}
    return RecordingSet("t", readers | {"broken": broken}, {name: name for name in names})


def scores_of(cases, model="isolation_forest"):
    return score_table(cases, np.random.default_rng(0).random(len(cases)), model, 0.05)


def test_every_beat_of_recordings_is_accounted_for_although_one_cannot_be_read():
    raw = recording_set()
    beats, windows, quarantine, summary = find_beats(raw, BeatParams(), RUN)
    cases = split_beats(raw, beats, SplitParams())
    scores = scores_of(cases)
    assert summary["n_quarantined"] == beats["quality"].eq("bad").sum() > 4
    results = ModalityResults("signals", cases, scores, quarantine=quarantine, summary=summary, noun="beat")
    count = counts(results)
    assert (count["unexplained"], count["refused"]) == (0, 1)
    assert count["read"] == len(beats) == count["used"] + count["set_aside"]
    sections = describe_beats(raw, beats, cases, windows, scores, None, EvaluationParams(), ALARM, RUN)
    assert [section["title"] for section in sections] == ["Alarms on paper", "Rhythm", "Signal quality"]


def test_cut_beats_without_labels_are_compared_with_all_train_beats():
    n = 200
    cases = pd.DataFrame(
        {
            "case_id": [f"b{i}" for i in range(n)],
            "patient_id": [f"b{i}" for i in range(n)],
            "label": pd.array([pd.NA] * n, dtype="Int8"),
            "kind": pd.array([pd.NA] * n, dtype="string"),
            "split_official": "",
        }
    )
    raw = CutBeats(cases, np.random.default_rng(0).standard_normal((n, 140)).astype(np.float32), ())
    beats, _, _, summary = find_beats(raw, BeatParams(), RUN)
    split = split_beats(raw, beats, SplitParams())
    unusual = score_table(split, split["split"].eq("test").to_numpy(float), "isolation_forest", 0.05)
    (section,) = describe_cut_beats(split, {"waveforms": raw.beats[:, :, None]}, unusual, None, ALARM)
    assert [figure["title"] for figure in section["figures"]] == ["Alarms, isolation forest"]
    assert "no label, p" in section["figures"][0]["svg"]
    assert summary["n_records"] == n


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("detectors", [[], ["one_liner"]])
def test_series_with_and_without_annotations_or_detectors(labelled, detectors):
    marks = interval_annotations([9000], [9500], ["anomaly"]) if labelled else None
    raw = recording_set(annotations=marks, attributes={"train_end": "7500"})
    settings = SeriesParams()
    _, cases, _, _ = cut_windows(raw, settings, RUN)
    tested = cases["split"].eq("test")
    assert cases.loc[~tested, "label"].eq(0).all()
    assert cases.loc[tested, "label"].notna().all() == labelled
    points = {name: {f"r{i}": np.random.default_rng(i).random(15000) for i in range(4)} for name in detectors}
    found, sections = describe_series(raw, settings, EvaluationParams(n_resamples=100), RUN, **points)
    assert len(found) == (4 if labelled and detectors else 0)
    titles = [section["title"] for section in sections]
    if not detectors:
        assert titles == []
    elif labelled:
        assert titles[0] == "Is the anomaly located?"
    else:
        assert titles == ["The most unusual place of each series"]
        assert len(sections[0]["tables"][0]["rows"]) == 4


def test_a_learning_time_that_is_too_long_is_said_with_one_that_fits():
    raw = recording_set()
    beats, *_ = find_beats(raw, BeatParams(), RUN)
    cases = split_beats(raw, beats, SplitParams())
    detector, view = kind("beat_detector"), SIGNALS.cases["beats"].views["recordings"]
    given = {"cases": cases, "raw": raw, "beats": beats}

    def fit(learn_s):
        model, params = Model("detector", detector), detector.params(learn_s=learn_s)
        return fit_model(model, "signals", view, given, params, RUN, {}, None)[0]

    with pytest.raises(ConfigurationError, match="longer than the learning time of 300 s") as raised:
        fit(300)
    assert "learn_s to 19 or less" in str(raised.value)
    bundle = fit(19)
    assert bundle.manifest.options["learn_s"] == 19
    # what is too short for alarms alone is said likewise
    one = beats[beats["record"] == "r0"]
    too_short = [recording_alarms(one, np.zeros((len(one), 7)), np.zeros(len(one)), 300.0)]
    with pytest.raises(ConfigurationError, match="learn_s to 19 or less"):
        alarm_threshold(too_short, EpisodeParams())


def test_episodes_of_unlabelled_recordings_are_counted_also_where_nothing_was_watched():
    span = {"r0": (0.0, 60.0)}
    silent = silence_episodes([0.0, 1.0, 21.0, 22.0], record="r0")
    facts = {"threshold": 1.0, "per_hour": 5.0, "patients": 1, "promised": False}
    section = episodes_section(silent, {"r0": 0.0}, span, facts, None)
    rows = {row[0]: row for row in section.tables[0].rows}
    assert rows["pause"][2:5] == ("1", "–", "33\u00a0%")
    assert "0.00 hours were watched" in section.tables[0].note
    assert "Three seconds without a beat are an alarm too" in section.text
    watched = episodes_section(silent, {"r0": 0.01}, span, facts, None)
    assert {row[0]: row for row in watched.tables[0].rows}["pause"][3] == "100.0"
