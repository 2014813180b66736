"""Signals as a modality: a case is a beat of a recording, a beat that was cut out, or a window of a long series."""

from functools import partial, update_wrapper

import numpy as np
import pandas as pd
from kedro.pipeline import Node, Pipeline

from medanomaly.core.models import ModelInput
from medanomaly.pipelines.environment import Model
from medanomaly.pipelines.modality import Cases, Modality, PatientView, View
from medanomaly.pipelines.signals.feature_nodes import measure_beats, measure_recordings, measure_windows
from medanomaly.pipelines.signals.patient_view import show_beats
from medanomaly.pipelines.signals.prepare_nodes import (
    cut_windows,
    find_beats,
    seal_beat_recipe,
    seal_series_recipe,
    split_beats,
)
from medanomaly.pipelines.signals.section_nodes import (
    alarm_episodes,
    describe_beats,
    describe_cut_beats,
    describe_detected_beats,
)
from medanomaly.pipelines.signals.series_nodes import describe_series
from medanomaly.signals.kinds import RecordedBeats, Series
from medanomaly.signals.recordings.recording_set import RecordingSet
from medanomaly.signals.series.params import SeriesParams

JUDGED = ["params:evaluation", "params:alarm", "params:run"]


def _signals(*names: str) -> list[str]:
    return [f"signals.{name}" for name in names]


def beats() -> Pipeline:
    """Recordings to beats, their quality, quarantine and cases."""
    return Pipeline(
        [
            Node(
                find_beats,
                ["signals.raw", "params:signal_processing", "params:run"],
                _signals("beats", "quality_windows", "quarantine", "summary"),
                name="signals.find_beats",
            ),
            Node(
                split_beats,
                ["signals.raw", "signals.beats", "params:split"],
                "signals.cases",
                name="signals.split_beats",
            ),
            Node(
                seal_beat_recipe,
                ["signals.raw", "params:signal_processing", "params:run"],
                "signals.recipe",
                name="signals.seal_recipe",
            ),
        ]
    )


def windows() -> Pipeline:
    """Long series to windows, quarantine and cases."""
    read = ["signals.raw", "params:series_processing", "params:run"]
    made = _signals("windows", "cases", "quarantine", "summary")
    return Pipeline(
        [
            Node(cut_windows, read, made, name="signals.cut_windows"),
            Node(seal_series_recipe, read, "signals.recipe", name="signals.seal_recipe"),
        ]
    )


def beat_features() -> Pipeline:
    """Beats to rhythm, shape and waveforms."""
    node = Node(
        measure_beats,
        _signals("raw", "beats", "cases"),
        _signals("features", "waveforms"),
        name="signals.measure_beats",
    )
    return Pipeline([node])


def recorded_beat_features() -> Pipeline:
    """Beats to rhythm, shape and waveforms; recordings to the facts of how they were taken."""
    read = _signals("raw", "quality_windows")
    node = Node(measure_recordings, read, "signals.recording_facts", name="signals.measure_recordings")
    return beat_features() + Pipeline([node])


def window_features() -> Pipeline:
    """Windows of series to their features."""
    read = _signals("raw", "windows", "cases")
    return Pipeline([Node(measure_windows, read, "signals.features", name="signals.measure_windows")])


def features_of_beats(
    cases: pd.DataFrame, features: pd.DataFrame, recording_facts: pd.DataFrame | None = None
) -> ModelInput:
    """Features of beats, with their units."""
    from medanomaly.signals.beats.feature_table import feature_units

    return ModelInput(cases, features, {"units": feature_units()}, _facts(cases, recording_facts))


def _facts(cases: pd.DataFrame, facts: pd.DataFrame | None):
    """Facts of the recordings of beats; beats that were cut out have none."""
    from medanomaly.signals.quality.recording_facts import facts_of_beats

    return None if facts is None else facts_of_beats(cases, facts)


def features_of_windows(cases: pd.DataFrame, features: pd.DataFrame) -> ModelInput:
    """Features of windows, which have no units: they are in units of the series' own spread."""
    return ModelInput(cases, features)


def waveforms_of_beats(
    cases: pd.DataFrame, waveforms: dict[str, np.ndarray], recording_facts: pd.DataFrame | None = None
) -> ModelInput:
    """Waveform of every beat."""
    return ModelInput(cases, waveforms["waveforms"], facts=_facts(cases, recording_facts))


def beats_in_recordings(
    cases: pd.DataFrame, raw: RecordingSet, beats: pd.DataFrame, recording_facts: pd.DataFrame | None = None
) -> ModelInput:
    """Recordings with their beats."""
    return ModelInput(
        cases, RecordedBeats(raw, beats, cases["case_id"]), facts=_facts(cases, recording_facts)
    )


def series_and_windows(
    cases: pd.DataFrame, raw: RecordingSet, windows: pd.DataFrame, series_processing: SeriesParams
) -> ModelInput:
    """Series with their windows."""
    return ModelInput(cases, Series(raw, windows, cases["case_id"]), {"settings": series_processing})


def names_of_beats(beats: pd.DataFrame) -> dict[str, str]:
    """case_id of each beat to its record and time."""
    from medanomaly.signals.beats.table import beat_names

    return beat_names(beats)


def detector_of(models: tuple[Model, ...]) -> Model | None:
    """The first beat detector among the models."""
    return next((model for model in models if model.kind.name == "beat_detector"), None)


def episodes(models: tuple[Model, ...]) -> Pipeline:
    """Episodes of alarms, where a beat detector is among the models."""
    detector = detector_of(models)
    if detector is None:
        return Pipeline([])
    name = f"signals.{detector.name}"
    node = Node(
        alarm_episodes,
        [
            *_signals("beats", "cases"),
            f"{name}.contributions",
            f"{name}.bundle",
            "params:signal_episodes",
            "params:evaluation",
            "params:run",
            *_signals("quality_windows", "raw"),
        ],
        _signals("episodes", "alarm_burden"),
        name="signals.find_episodes",
    )
    return Pipeline([node])


def beat_sections(models: tuple[Model, ...]) -> Pipeline:
    """What the report says of beats of recordings: more where a beat detector is among the models."""
    detector = detector_of(models)
    read = _signals("raw", "beats", "cases", "quality_windows", "scores", "metrics")
    if detector is None:
        node = Node(describe_beats, [*read, *JUDGED], "signals.sections", name="signals.sections")
        return Pipeline([node])
    on_features = [f"signals.{m.name}.bundle" for m in models if m.kind.reads == "features"][:1]
    node = Node(
        describe_detected_beats,
        [
            *read,
            "signals.features",
            f"signals.{detector.name}.contributions",
            f"signals.{detector.name}.bundle",
            *_signals("episodes", "alarm_burden"),
            "params:signal_processing",
            *JUDGED,
            *on_features,
        ],
        "signals.sections",
        name="signals.sections",
    )
    return Pipeline([node])


def cut_beat_sections(models: tuple[Model, ...]) -> Pipeline:
    """What the report says of beats that were cut out."""
    read = [*_signals("cases", "waveforms", "scores", "metrics"), "params:alarm"]
    drawn = next((model.name for model in models if model.kind.reads == "waveforms"), None)
    describe = update_wrapper(partial(describe_cut_beats, on_waveforms=drawn), describe_cut_beats)
    return Pipeline([Node(describe, read, "signals.sections", name="signals.sections")])


def series_sections(models: tuple[Model, ...]) -> Pipeline:
    """Where each detector of series points to."""
    detectors = [model.name for model in models if model.kind.reads == "series"]
    read = {
        "raw": "signals.raw",
        "settings": "params:series_processing",
        "evaluation": "params:evaluation",
        "run": "params:run",
    }
    node = Node(
        describe_series,
        read | {name: f"signals.{name}.points" for name in detectors},
        _signals("located", "sections"),
        name="signals.sections",
    )
    return Pipeline([node])


FACTS = "recording_facts"
ON_FEATURES = View(("features",), features_of_beats, recipe=True)
ON_WAVEFORMS = View(("waveforms",), waveforms_of_beats, recipe=True)

SIGNALS = Modality(
    name="signals",
    stage="signal_models",
    cases={
        "beats": Cases(
            noun="beat",
            recipe="beat_recipe",
            prepare=beats,
            features=recorded_beat_features,
            views={
                "features": View(("features", FACTS), features_of_beats, recipe=True),
                "waveforms": View(("waveforms", FACTS), waveforms_of_beats, recipe=True),
                "recordings": View(("raw", "beats", FACTS), beats_in_recordings, recipe=True),
            },
            after_models=episodes,
            sections=beat_sections,
            named_by=("beats",),
            names=names_of_beats,
            patient_view=PatientView(("raw", "beats"), show_beats),
        ),
        "cut_beats": Cases(
            noun="beat",
            recipe="cut_beat_recipe",
            prepare=beats,
            features=beat_features,
            views={"features": ON_FEATURES, "waveforms": ON_WAVEFORMS},
            sections=cut_beat_sections,
        ),
        "windows": Cases(
            noun="window",
            recipe="series_recipe",
            prepare=windows,
            features=window_features,
            views={
                "features": View(("features",), features_of_windows, recipe=True),
                "series": View(
                    ("raw", "windows"), series_and_windows, {"series_processing": SeriesParams}, recipe=True
                ),
            },
            sections=series_sections,
        ),
    },
)
