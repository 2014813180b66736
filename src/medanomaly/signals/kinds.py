"""Models of signals as kinds: on waveforms of beats, on whole recordings, on long series."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
from pydantic import create_model

from medanomaly.core.bundle import Bundle
from medanomaly.core.conformal import p_values
from medanomaly.core.manifest import require_kind
from medanomaly.core.models import EXPLANATION_COLUMNS, FitContext, ModelInput, ModelKind
from medanomaly.signals.beat_detector.params import BeatDetectorParams
from medanomaly.signals.lstm.params import LSTMModelParams
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.series.params import SERIES_KINDS, SeriesDetectorParams, SeriesParams


@dataclass(frozen=True)
class RecordedBeats:
    """Beats where they are: in their recordings.

    Attributes:
        raw: record -> recording.
        beats: beats of all recordings, in order.
        case_id: ids of the beats that are scored.
    """

    raw: Mapping[str, Recording]
    beats: pd.DataFrame
    case_id: pd.Series


@dataclass(frozen=True)
class Series:
    """Long series and their windows.

    Attributes:
        raw: record -> recording of one lead with a normal beginning.
        windows: windows of all series.
        case_id: ids of the windows, in the order in which they are scored.
    """

    raw: Mapping[str, Recording]
    windows: pd.DataFrame
    case_id: pd.Series


class LSTMAutoencoder(ModelKind):
    """An LSTM autoencoder of the waveform of a beat."""

    name = "lstm_autoencoder"
    reads = "waveforms"
    params = create_model("lstm_autoencoder_params", __base__=LSTMModelParams, kind=(str, name))
    tunable = by_epochs = True
    label = "LSTM autoencoder"

    def fit(self, data: ModelInput, params: LSTMModelParams, context: FitContext) -> tuple[Bundle, Mapping]:
        """Train on normal train beats, calibrate the exported model."""
        from medanomaly.signals.lstm.bundle import lstm_bundle

        return lstm_bundle(
            data.inputs,
            data.cases,
            params,
            **context.by_epochs,
        ), {}

    def open(self, bundle: Bundle) -> "WaveformScorer":
        """A scorer of waveforms."""
        return WaveformScorer(bundle)

    def objective(
        self, data: ModelInput, params: LSTMModelParams, n_folds: int, seed: int
    ) -> tuple[Callable, dict]:
        """How well it ranks beats of train patients that were left out."""
        import hashlib

        from medanomaly.signals.lstm.objective import lstm_objective

        train = data.cases["split"].eq("train").to_numpy()
        about = {
            "model": params.model_dump(exclude={"kind"}),
            "train": hashlib.sha256(np.ascontiguousarray(data.inputs[train]).tobytes()).hexdigest(),
            "labels": data.cases.loc[train, "label"].astype("string").fillna("").str.cat(),
        }
        return lstm_objective(data.cases, data.inputs, params, n_folds=n_folds, seed=seed), about


class WaveformScorer:
    """A bundle of the LSTM autoencoder, ready to score (n, n_samples, n_leads) float32 waveforms."""

    def __init__(self, bundle: Bundle):
        from medanomaly.core.onnx_session import open_session

        require_kind(bundle.manifest, [LSTMAutoencoder.name], "an LSTM autoencoder of waveforms")
        self.bundle, self.calibration = bundle, bundle.array("calibration.npy")
        self._session = open_session(bundle.files["model.onnx"])

    def score(self, waveforms: np.ndarray) -> np.ndarray:
        """(n,) float64 scores, higher = more anomalous."""
        from medanomaly.signals.lstm.bundle import waveform_scores

        return waveform_scores(self._session, waveforms)

    def p_values(self, waveforms: np.ndarray) -> np.ndarray:
        """(n,) conformal p-values against the bundle's calibration normals."""
        return p_values(self.score(waveforms), self.calibration)


class BeatDetectorKind(ModelKind):
    """The beat detector, which adapts to the patient and reads whole recordings."""

    name = "beat_detector"
    reads = "recordings"
    params = create_model("beat_detector_params", __base__=BeatDetectorParams, kind=(str, name))
    explains = True
    score_leaves = ("contributions",)

    def fit(
        self, data: ModelInput, params: BeatDetectorParams, context: FitContext
    ) -> tuple[Bundle, Mapping]:
        """Learn the population from train recordings, calibrate on those of calibration."""
        from medanomaly.signals.beat_detector.bundle import beat_detector_bundle

        return beat_detector_bundle(
            data.inputs.raw,
            data.inputs.beats,
            data.cases,
            params,
            name=context.name,
            seed=context.seed,
            stamp=dict(context.stamp),
        ), {}

    def open(self, bundle: Bundle) -> "BeatScorer":
        """A scorer of beats in their recordings."""
        return BeatScorer(bundle)

    def scores(
        self, scorer: "BeatScorer", data: ModelInput, left: Mapping
    ) -> tuple[np.ndarray, Mapping[str, Any]]:
        """Scores, and the terms that each is the sum of."""
        terms = scorer.contributions(data.inputs)
        return terms.to_numpy().sum(axis=1), {"contributions": terms.reset_index()}

    def explain(
        self, scorer: "BeatScorer", data: ModelInput, chosen: np.ndarray, left: Mapping
    ) -> pd.DataFrame:
        """The terms of each score, the largest first."""
        from medanomaly.signals.beat_detector.fusion import CONTRIBUTION_MEANINGS

        terms = left["contributions"].iloc[chosen].set_index("case_id")
        rows = [
            (
                case,
                scorer.bundle.manifest.name,
                CONTRIBUTION_MEANINGS[term],
                f"{value:.2f}",
                "",
                np.nan,
                np.nan,
                value,
                True,
            )
            for case, of_case in terms.iterrows()
            for term, value in of_case.sort_values(ascending=False, kind="stable").items()
        ]
        return pd.DataFrame(rows, columns=list(EXPLANATION_COLUMNS))


class BeatScorer:
    """A bundle of the beat detector, ready to score :class:`RecordedBeats`."""

    def __init__(self, bundle: Bundle):
        from medanomaly.signals.beat_detector.bundle import beat_detector_of

        require_kind(bundle.manifest, [BeatDetectorKind.name], "a beat detector")
        self.bundle, self.calibration = bundle, bundle.array("calibration.npy")
        self.detector = beat_detector_of(bundle)

    def contributions(self, beats: RecordedBeats) -> pd.DataFrame:
        """(n, 7) terms by ``case_id``; their sum is the score."""
        from medanomaly.signals.beat_detector.bundle import beat_contributions
        from medanomaly.signals.beat_detector.fusion import CONTRIBUTIONS

        values = beat_contributions(self.detector, beats.raw, beats.beats, beats.case_id)
        return pd.DataFrame(
            values, columns=list(CONTRIBUTIONS), index=pd.Index(beats.case_id, name="case_id")
        )

    def score(self, beats: RecordedBeats) -> np.ndarray:
        """(n,) float64 scores, higher = more anomalous."""
        return self.contributions(beats).to_numpy().sum(axis=1)

    def p_values(self, beats: RecordedBeats) -> np.ndarray:
        """(n,) conformal p-values against the bundle's calibration normals."""
        return p_values(self.score(beats), self.calibration)


class SeriesDetectorKind(ModelKind):
    """A detector of long series: each series teaches and calibrates its own.

    Args:
        name: of the detector.
    """

    reads = "series"
    fit_leaves = ("points",)

    def __init__(self, name: str):
        self.name = name
        self.params = _series_params(name)

    def fit(
        self, data: ModelInput, params: SeriesDetectorParams, context: FitContext
    ) -> tuple[Bundle, Mapping]:
        """Score every series by its own beginning, calibrate on the windows of calibration."""
        from medanomaly.core.calibrated_bundle import calibrated_bundle
        from medanomaly.signals.series.windows import series_points, series_scores

        settings = data.about["settings"]
        points = series_points(data.inputs, params, settings)
        bundle = calibrated_bundle(
            {},
            data.cases,
            series_scores(points, data.inputs),
            name=context.name,
            modality=context.modality,
            kind=self.name,
            options=params.options,
            seed=context.seed,
            input_contract={"series": "one lead, with a beginning that is known to be normal, which teaches"},
            stamp=dict(context.stamp),
            more={"series": settings.model_dump()},
        )
        return bundle, {"points": points}

    def open(self, bundle: Bundle) -> "SeriesScorer":
        """A scorer of series."""
        return SeriesScorer(bundle)

    def scores(
        self, scorer: "SeriesScorer", data: ModelInput, left: Mapping
    ) -> tuple[np.ndarray, Mapping[str, Any]]:
        """Scores of the windows; the fit has scored the series of a run already, and left their points."""
        from medanomaly.signals.series.windows import series_scores

        if "points" not in left:
            return scorer.score(data.inputs), {}
        return series_scores(left["points"], data.inputs), {}


class SeriesScorer:
    """A bundle of a detector of series, ready to score the windows of :class:`Series`."""

    def __init__(self, bundle: Bundle):
        require_kind(bundle.manifest, SERIES_KINDS, "a detector of series")
        self.bundle, self.calibration = bundle, bundle.array("calibration.npy")
        self.params = SeriesDetectorParams(kind=bundle.manifest.kind, options=bundle.manifest.options)
        self.settings = SeriesParams(**bundle.manifest["series"])

    def score(self, series: Series) -> np.ndarray:
        """(n,) float64 scores of the windows, higher = more anomalous."""
        from medanomaly.signals.series.windows import series_points, series_scores

        return series_scores(series_points(series, self.params, self.settings), series)

    def p_values(self, series: Series) -> np.ndarray:
        """(n,) conformal p-values against the bundle's calibration normals."""
        return p_values(self.score(series), self.calibration)


@cache
def _series_params(name: str) -> type[SeriesDetectorParams]:
    return create_model(f"{name}_params", __base__=SeriesDetectorParams, kind=(str, name))


def kinds() -> dict[str, Callable[[], ModelKind]]:
    """Every kind of model of signals that reads more than features."""
    return {"lstm_autoencoder": LSTMAutoencoder, "beat_detector": BeatDetectorKind} | {
        name: partial(SeriesDetectorKind, name) for name in SERIES_KINDS
    }
