"""The detector of abnormal beats: what it learns from a population, how it scores a recording, and how it is stored.

From the population it learns how rare each term is among normal beats, where every patient counts the same, and a forest
over RR intervals. It knows nothing beforehand about the patient whose beats it scores: it learns from the first minutes
of the recording.
"""

from dataclasses import asdict, dataclass

import numpy as np

from medanomaly.core.errors import BundleError, ConfigurationError
from medanomaly.signals.beat_detector.fusion import (
    CONTRIBUTIONS,
    IFR,
    TAILED,
    Variant,
    anchor_features,
    contributions,
    named_variant,
)
from medanomaly.signals.beat_detector.rhythm_anchor import RhythmAnchor
from medanomaly.signals.beat_detector.series import BeatSeries
from medanomaly.signals.beat_detector.tails import PopulationTail
from medanomaly.signals.beat_detector.terms import beat_terms, log_rr_before
from medanomaly.signals.beats.beat_windows import beat_windows
from medanomaly.signals.beats.ecg_filters import linear_phase, zero_phase
from medanomaly.signals.beats.params import MIN_BEATS

FORMAT = 1
FOLDS = 5
_FOREST = ("roots", "feature", "threshold", "left", "right", "length")


@dataclass(frozen=True)
class PatientTerms:
    """Terms of one recording, and which of its beats are known to be normal.

    Attributes:
        patient_id: whose they are.
        terms: (n_beats, columns) of ``beat_terms``.
        normal: (n_beats,) bool, normal by label, in good signal and after the learning time; these make the population.
    """

    patient_id: str
    terms: np.ndarray
    normal: np.ndarray


def n_learned(samples: np.ndarray, fs: float, learn_s: float) -> int:
    """Number of beats in the first ``learn_s`` seconds, at least 16."""
    return min(len(samples), max(MIN_BEATS, int(np.searchsorted(samples, learn_s * fs))))


class BeatDetector:
    """Score of every beat of a recording, higher = more abnormal.

    Args:
        variant: ``either``, ``A``, ``B``, or your own weights.
        causal: True uses a filter with a fixed delay and nothing that comes later than 0.86 s after the R peak; beats of
            the learning time are scored when it ends. False uses the whole recording (zero-phase filter, shapes of all
            beats, windows centred on the beat).
        learn_s: learning time of a recording in seconds; not used offline.
        seed: of the rhythm forest.

    Attributes:
        tails_: one ``PopulationTail`` per column of ``TAILED``.
        anchor_: the ``RhythmAnchor``, or None where its weight is 0.
        n_patients_: patients in the population.
    """

    def __init__(
        self, variant: str | Variant = "either", causal: bool = True, learn_s: float = 300.0, seed: int = 0
    ):
        self.variant, self.causal, self.learn_s, self.seed = variant, causal, learn_s, seed

    def terms(self, series: BeatSeries) -> np.ndarray:
        """(n_beats, columns) terms of a recording; they do not depend on the fit."""
        if not np.isfinite(series.signal).any():
            raise ConfigurationError(
                "the signal is missing throughout", record=series.record, remedy="Give samples of an ECG."
            )
        if not self.learn_s > 0:
            raise ConfigurationError(f"a learning time of {self.learn_s} s", remedy="Give one above 0.")
        signal = series.signal[:, :2]
        filtered = (linear_phase if self.causal else zero_phase)(signal, series.fs)
        samples = np.asarray(series.samples, dtype=np.int64)
        usable = series.usable if series.usable.any() else np.ones(series.n_beats, dtype=bool)
        log_rr, known = log_rr_before(samples, series.fs, usable)
        n_block = n_learned(samples, series.fs, self.learn_s) if self.causal else len(samples)
        if not usable[:n_block].any():
            n_block = int(np.argmax(usable)) + 1
        return beat_terms(beat_windows(filtered, samples, series.fs), log_rr, known, usable, n_block)

    def patient_terms(self, series: BeatSeries) -> PatientTerms:
        """Terms, and the beats that may teach the population: labelled N, good and after the learning time."""
        if series.aami is None:
            raise ConfigurationError(
                "the beats have no labels",
                record=series.record,
                remedy="Fit on recordings with AAMI classes.",
            )
        normal = (np.asarray(series.aami) == "N") & series.usable
        if self.causal:
            normal &= np.asarray(series.samples) >= self.learn_s * series.fs
        return PatientTerms(series.patient_id, self.terms(series), normal)

    def fit(self, recordings: list[BeatSeries]) -> "BeatDetector":
        """Learn the population from recordings with labels; only their normal beats are used.

        Raises:
            ConfigurationError: no labels, or no normal beat after the learning time.
        """
        return self.fit_terms([self.patient_terms(series) for series in recordings])

    def fit_terms(self, population: list[PatientTerms]) -> "BeatDetector":
        """``fit`` on terms that were computed before."""
        variant = named_variant(self.variant)
        patients = sorted({p.patient_id for p in population if p.normal.any()})
        if not patients:
            raise ConfigurationError(
                "there is no normal beat to learn from",
                remedy=f"Fit on labelled recordings longer than the learning time of {self.learn_s:.0f} s.",
            )
        normal = {
            patient: np.concatenate([p.terms[p.normal] for p in population if p.patient_id == patient])
            for patient in patients
        }
        values = {patient: np.column_stack([t, np.zeros(len(t))]) for patient, t in normal.items()}
        self.anchor_ = None
        if variant.ifr > 0:
            features = {patient: anchor_features(t) for patient, t in normal.items()}
            self.anchor_ = RhythmAnchor.fit(np.concatenate(list(features.values())), self.seed)
            # the forest knows the patients that it learned from, so their tail comes from forests that do not
            n_folds = min(FOLDS, len(patients))
            for fold in range(n_folds):
                inside = patients[fold::n_folds]
                others = [features[p] for p in patients if p not in inside] or list(features.values())
                forest = RhythmAnchor.fit(np.concatenate(others), self.seed)
                for patient in inside:
                    values[patient][:, IFR] = forest.score(features[patient])
        self.tails_ = {c: PopulationTail.fit([v[:, c] for v in values.values()]) for c in TAILED}
        self.n_patients_ = len(patients)
        return self

    def explain_terms(self, terms: np.ndarray) -> np.ndarray:
        """(n, 7) contributions in the order of ``CONTRIBUTIONS`` from (n, columns) terms."""
        if not hasattr(self, "tails_"):
            raise ConfigurationError("the beat detector is not fitted", remedy="Call fit first.")
        variant = named_variant(self.variant)
        tails = np.zeros((len(terms), IFR + 1))
        for column in TAILED[:-1]:
            tails[:, column] = self.tails_[column](terms[:, column])
        if self.anchor_ is not None:
            tails[:, IFR] = self.tails_[IFR](self.anchor_.score(anchor_features(terms)))
        return contributions(tails, variant)

    def explain(self, series: BeatSeries) -> np.ndarray:
        """(n_beats, 7) contributions in the order of ``CONTRIBUTIONS``; their sum over a row is the score."""
        return self.explain_terms(self.terms(series))

    def score(self, series: BeatSeries) -> np.ndarray:
        """(n_beats,) scores, 0 and up, finite."""
        return self.explain(series).sum(axis=1)

    def to_arrays(self) -> tuple[dict, dict[str, np.ndarray]]:
        """``(description, arrays)``: a JSON part and an npz part, from which ``from_arrays`` restores the detector."""
        description = {
            "format": FORMAT,
            "variant": asdict(named_variant(self.variant)),
            "causal": self.causal,
            "learn_s": self.learn_s,
            "seed": self.seed,
            "n_patients": self.n_patients_,
            "contributions": list(CONTRIBUTIONS),
        }
        arrays = {}
        for column, tail in self.tails_.items():
            arrays |= {f"tail_{column}_knots": tail.knots, f"tail_{column}_levels": tail.levels}
        if self.anchor_ is not None:
            arrays |= {f"forest_{name}": getattr(self.anchor_, name) for name in _FOREST}
            arrays["forest_normaliser"] = np.array(self.anchor_.normaliser)
        return description, arrays

    @classmethod
    def from_arrays(cls, description: dict, arrays: dict[str, np.ndarray]) -> "BeatDetector":
        """The detector of ``to_arrays``.

        Raises:
            BundleError: the format is another one, or an array is absent or not valid.
        """
        if description.get("format") != FORMAT:
            raise BundleError(
                f"a beat detector of format {description.get('format')}", remedy=f"This code reads {FORMAT}."
            )
        try:
            detector = cls(
                Variant(**description["variant"]),
                description["causal"],
                description["learn_s"],
                description["seed"],
            )
            detector.n_patients_ = description["n_patients"]
            detector.tails_ = {
                c: PopulationTail(arrays[f"tail_{c}_knots"], arrays[f"tail_{c}_levels"]) for c in TAILED
            }
            detector.anchor_ = None
            if "forest_roots" in arrays:
                parts = [arrays[f"forest_{name}"] for name in _FOREST]
                detector.anchor_ = RhythmAnchor(*parts, float(arrays["forest_normaliser"]))
        except (KeyError, TypeError) as error:
            raise BundleError(
                f"the stored beat detector is incomplete: {error}", remedy="Train it again."
            ) from None
        if detector.variant.ifr > 0 and detector.anchor_ is None:
            raise BundleError("the stored beat detector has no rhythm forest", remedy="Train it again.")
        for column, tail in detector.tails_.items():
            rises = np.all(np.diff(tail.knots) > 0) and np.all(np.diff(tail.levels) >= 0)
            if len(tail.levels) != len(tail.knots) + 1 or not rises or not np.isfinite(tail.levels).all():
                raise BundleError(f"the tail of column {column} does not rise", remedy="Train it again.")
        return detector
