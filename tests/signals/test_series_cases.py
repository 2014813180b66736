"""Series as cases: windows keep to their part, scores to one scale, and the location rule is that of the archive."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.cases import check_cases, subgroup_columns
from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.evaluation.audit.leaks import patients_across_split
from medanomaly.pipelines.signals.prepare_nodes import cut_windows
from medanomaly.signals.recordings.annotated_intervals import interval_annotations
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.recordings.recording_set import RecordingSet
from medanomaly.signals.series.params import SeriesDetectorParams, SeriesParams
from medanomaly.signals.series.windows import (
    build_detector,
    location,
    point_scores,
    series_windows,
    window_features,
    window_scores,
)

PARAMS = SeriesParams()


def series(scale=1.0, n=6000, train_end=3000):
    rng = np.random.default_rng(3)
    values = np.sin(np.arange(n) * 2 * np.pi / 80) + 0.02 * rng.standard_normal(n)
    values[4500:4560] = 0.3
    return Recording(
        record="s",
        patient_id="s",
        signal=(scale * values).astype(np.float32)[:, None],
        fs=1.0,
        leads=("value",),
        units=("",),
        annotations=interval_annotations([4500], [4560], ["anomaly"]),
        attributes={"train_end": str(train_end)},
    )


def test_no_window_lies_in_two_parts_and_those_on_the_anomaly_are_labelled():
    table = series_windows(series(), "s", PARAMS)
    edges = {"train": (0, 1800), "calibration": (1800, 3000), "test": (3000, 6000)}
    for part, rows in table.groupby("split"):
        low, high = edges[part]
        assert rows["start"].min() >= low
        assert rows["end"].max() <= high
    overlapping = (table["start"] < 4560) & (table["end"] > 4500)
    assert (table["label"].eq(1) == overlapping).all()
    assert overlapping.any()


@pytest.mark.parametrize("name", ["one_liner", "matrix_profile", "many_scale_profile"])
def test_window_scores_do_not_depend_on_the_unit_of_the_series(name):
    scores = []
    for scale in (1.0, 1000.0):
        recording = series(scale)
        windows = series_windows(recording, "s", PARAMS)
        points = point_scores(recording, SeriesDetectorParams(kind=name), PARAMS)
        scores.append(window_scores(points, windows))
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-3)


def test_the_matrix_profile_finds_the_flat_stretch_in_a_thinned_series_too():
    recording = series()
    params = SeriesDetectorParams(kind="matrix_profile", options={"causal": False})
    for longest in (30_000, 2_000):
        settings = SeriesParams(longest=longest)
        points = point_scores(recording, params, settings)
        assert len(points) == recording.n_samples
        assert location(points, recording, settings)["located"]


def test_location_counts_within_a_hundred_samples():
    recording = series()
    for peak, counts in ((4399, False), (4400, True), (4659, True), (4660, False)):
        points = np.zeros(6000)
        points[peak] = 1.0
        assert location(points, recording, PARAMS)["located"] is counts


def test_features_are_in_units_of_the_series_own_train_windows():
    windows = series_windows(series(), "s", PARAMS)
    table = window_features(series(), windows)
    train = table[windows["split"].eq("train").to_numpy()]
    assert isinstance(table, pd.DataFrame)
    assert np.abs(train.median()).max() < 1e-9


def test_a_series_without_a_beginning_is_refused_with_what_to_do():
    recording = series()
    recording.attributes.clear()
    with pytest.raises(InputError, match="train_end"):
        series_windows(recording, "s", PARAMS)


def test_an_unknown_detector_is_refused():
    with pytest.raises(ConfigurationError, match="many_scale_profile"):
        build_detector(SeriesDetectorParams(kind="crystal_ball"))


def test_series_of_one_person_are_one_patient_divided_in_time():
    raw = RecordingSet(
        name="two series",
        readers={"001_a": series, "002_DISTORTEDa": lambda: replace(series(), record="d")},
        patients={"001_a": "a", "002_DISTORTEDa": "a"},
    )
    _, cases, _, _ = cut_windows(raw, PARAMS, SimpleNamespace(dataset="case"))
    assert set(cases["patient_id"]) == {"a"}
    assert set(cases["split"]) == {"train", "calibration", "test"}
    check = patients_across_split(check_cases(cases))
    assert (check.verdict, check.value) == ("warn", 1)
    assert "1 of 1 patients in more than one part: this set is divided in time" in check.figure
    assert "divided_in_time" not in subgroup_columns(cases)


def test_one_series_that_breaks_costs_only_itself():
    def broken():
        raise MemoryError

    raw = RecordingSet(name="two", readers={"bad": broken, "good": series}, patients={"good": "a"})
    windows, _, quarantine, _ = cut_windows(raw, PARAMS, SimpleNamespace(dataset="case"))
    assert set(windows["record"]) == {"s"}
    assert quarantine["record"].tolist() == ["bad"]
    assert "does not fit into the memory" in quarantine["reason"].item()
