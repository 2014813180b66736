"""Real recordings from raw files to sections of the report, node by node, on a few minutes of a few patients."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.cases import check_cases
from medanomaly.core.models import kind
from medanomaly.core.splits import SplitParams
from medanomaly.datasets.recordings import MITBIHDataset, SVDBDataset
from medanomaly.datasets.ucr import UCRDataset
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.parameters import RunParams
from medanomaly.pipelines.environment import Model
from medanomaly.pipelines.models import explain_cases, fit_model, score_cases
from medanomaly.pipelines.signals.modality import SIGNALS
from medanomaly.pipelines.signals.prepare_nodes import cut_windows, find_beats, split_beats
from medanomaly.pipelines.signals.section_nodes import alarm_episodes
from medanomaly.pipelines.signals.series_nodes import describe_series
from medanomaly.signals.alarms.params import EpisodeParams
from medanomaly.signals.beats.params import BeatParams
from medanomaly.signals.series.params import SeriesParams

DATA = os.environ.get("MEDANOMALY_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="MEDANOMALY_DATA names no folder of real data")
RUN = RunParams(dataset="test", table="test")
SPLIT = SplitParams()


def folder(name):
    path = Path(DATA) / name
    if not path.is_dir():
        pytest.skip(f"{name} is absent")
    return str(path)


def minutes(recording, n):
    """The first minutes of a recording, its marks with it."""
    stop, marks = int(n * 60 * recording.fs), recording.annotations
    inside = marks.sample < stop
    kept = type(marks)(marks.sample[inside], marks.symbol[inside], marks.text[inside])
    return replace(recording, signal=recording.signal[:stop], annotations=kept)


def few(raw, records, n):
    readers = {r: (lambda read=raw.readers[r]: minutes(read(), n)) for r in records if r in raw.readers}
    if len(readers) < 3:
        pytest.skip("fewer than three of the records are there")
    return replace(raw, readers=readers, official_split={})


@needs_data
def test_mitbih_goes_from_raw_files_to_scores_and_episodes():
    raw = few(MITBIHDataset(folder=folder("mitdb")).load(), ("106", "114", "119", "208", "215"), 4)
    beats, _, quarantine, summary = find_beats(raw, BeatParams(), RUN)
    assert summary["n_records"] == summary["n_kept"] + summary["n_quarantined"] == len(beats)
    assert len(quarantine) == summary["n_quarantined"]
    cases = check_cases(split_beats(raw, beats, SPLIT))
    detector, view = kind("beat_detector"), SIGNALS.cases["beats"].views["recordings"]
    given = {"cases": cases, "raw": raw, "beats": beats}
    (bundle,) = fit_model(
        Model("detector", detector), "signals", view, given, detector.params(learn_s=60), RUN, {}, None
    )
    data = view.make(**given)
    scores, terms = score_cases(detector, bundle, data, {})
    explanations = explain_cases(detector, bundle, data, scores, {"contributions": terms})
    assert set(scores["model"]) == {"detector"}
    np.testing.assert_allclose(terms.drop(columns="case_id").sum(axis=1), scores["score"])
    assert set(explanations["case_id"]) <= set(cases.loc[cases["split"] == "test", "case_id"])
    episodes, burden = alarm_episodes(beats, cases, terms, bundle, EpisodeParams(), EvaluationParams(), RUN)
    assert (episodes["end_s"] >= episodes["start_s"]).all()
    assert set(burden["hours"]) == set(cases.loc[cases["split"] == "test", "patient_id"])


@needs_data
def test_a_record_without_beat_codes_is_labelled_by_its_stretches_and_divided_in_time():
    raw = SVDBDataset(folder=folder("svdb")).load()
    if len(raw) != 1:
        pytest.skip("the complete set is here")
    raw = replace(
        raw, readers={r: (lambda read=read: minutes(read(), 10)) for r, read in raw.readers.items()}
    )
    beats, _, _, summary = find_beats(raw, BeatParams(), RUN)
    assert any("divided in time" in note for note in summary["notes"])
    cases = check_cases(split_beats(raw, beats, SPLIT))
    assert cases["label"].notna().all()
    assert set(cases["kind"].dropna()) <= {"anomaly"}
    assert cases["split"].nunique() == 3


@needs_data
def test_ucr_goes_from_raw_files_to_a_share_located():
    raw = UCRDataset(folder=folder("ucr")).load()
    short = [r for r in raw.readers if "InternalBleeding" in r][:3]
    if not short:
        pytest.skip("none of the short series is there")
    raw = replace(raw, readers={r: raw.readers[r] for r in short})
    settings = SeriesParams()
    windows, cases, quarantine, summary = cut_windows(raw, settings, RUN)
    assert summary["noun"] == "window"
    assert quarantine.empty
    points, view = {}, SIGNALS.cases["windows"].views["series"]
    given = {"cases": cases, "raw": raw, "windows": windows, "series_processing": settings}
    for name in ("one_liner", "matrix_profile"):
        model = Model(name, kind(name))
        bundle, points[name] = fit_model(model, "signals", view, given, None, RUN, {}, None)
        (scores,) = score_cases(model.kind, bundle, view.make(**given), {"points": points[name]})
        assert bundle.manifest["name"] == name
        assert scores["case_id"].tolist() == cases["case_id"].tolist()
    located, sections = describe_series(raw, settings, EvaluationParams(n_resamples=100), RUN, **points)
    assert len(located) == 2 * len(short)
    assert sections[0]["title"] == "Is the anomaly located?"
    assert isinstance(located, pd.DataFrame)
