"""Recipes of signals: raw recordings, cut beats or long series to what training made of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle, make_bundle
from medanomaly.core.errors import InputError, MedanomalyError
from medanomaly.core.models import ModelInput
from medanomaly.core.recipe import FINDING_COLUMNS, REFUSED_COLUMNS, PlainCase, ReadCases, no_rows, text_rows
from medanomaly.signals.beats.feature_table import cut_beat_features, feature_units, measured_beats
from medanomaly.signals.beats.found import FoundBeats, beats_of_each, why_refused
from medanomaly.signals.beats.params import BeatParams
from medanomaly.signals.beats.table import BAD_SIGNAL, beat_cases, beat_names, beats_table, case_id
from medanomaly.signals.kinds import RecordedBeats, Series
from medanomaly.signals.quality.assessment import BAD
from medanomaly.signals.quality.recording_facts import facts_of_beats, recording_facts
from medanomaly.signals.readers.folder import READERS, RecordingFolder, read_recording
from medanomaly.signals.recordings.leads import select_leads
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.recordings.recording_set import RecordingSet
from medanomaly.signals.recordings.resampling import resample
from medanomaly.signals.recordings.voltage import in_millivolts, voltage_doubts
from medanomaly.signals.series.params import SeriesParams
from medanomaly.signals.series.windows import measured_windows, series_windows

UNNAMED = "recording"


def signal_recipe(
    kind: str, settings: BeatParams | SeriesParams, reading: Mapping[str, Any], stamp: Mapping
) -> Bundle:
    """Seal a recipe of signals.

    Args:
        kind: ``beat_recipe``, ``cut_beat_recipe`` or ``series_recipe``.
        settings: how beats are found, or windows are cut.
        reading: options with which files were read.
        stamp: data set, version, time, libraries.
    """
    about = {"settings": settings.model_dump(mode="json"), "reading": dict(reading)}
    return make_bundle({"kind": kind, "name": "recipe", "modality": "signals"} | about | dict(stamp), {})


class _SignalRecipe:
    """What recipes of recordings have in common."""

    def __init__(self, bundle: Bundle):
        self.bundle = bundle
        self.reading = {name: value for name, value in bundle.manifest["reading"].items() if value}

    def takes(self, raw: Any) -> int:
        """Recordings, an array of numbers, or the path of a recording or of a folder of some."""
        if isinstance(raw, (str, Path)):
            path = Path(raw)
            known = (*READERS, ".dat")
            if path.is_dir():
                return any(file.suffix.lower() in known for file in path.rglob("*"))
            return path.suffix.lower() in known or path.with_suffix(".hea").is_file()
        if isinstance(raw, (Recording, RecordingSet)):
            return True
        return isinstance(raw, np.ndarray) and (
            raw.ndim == 1 or (raw.ndim == 2 and raw.shape[0] > 20 * raw.shape[1])
        )

    def recordings(self, raw: Any, **options: Any) -> RecordingSet:
        """Raw data as recordings, none of which is read yet where they are files.

        Args:
            raw: a recording, several, an array (n_samples,) or (n_samples, n_leads), or the path of a file or a folder.
            options: ``fs``, ``leads``, ``units``, ``record``, ``patient_id`` and ``attributes`` of an array; options of
                :class:`~medanomaly.signals.readers.folder.RecordingFolder` for files.
        """
        if isinstance(raw, RecordingSet):
            return raw
        if isinstance(raw, Recording):
            return _set([raw])
        if isinstance(raw, (str, Path)):
            return self._files(Path(raw), **options)
        if isinstance(raw, Sequence) and raw and all(isinstance(recording, Recording) for recording in raw):
            return _set(raw)
        return _set([self._array(np.asarray(raw), **options)])

    def _files(self, path: Path, **options: Any) -> RecordingSet:
        reading = self.reading | {name: value for name, value in options.items() if value is not None}
        leads = reading.pop("leads", None)
        if path.is_dir():
            found = RecordingFolder(path, leads, **reading).recordings()
            if leads is None:
                return found
            return found.changed(lambda recording: select_leads(recording, leads))
        return _set([read_recording(path, leads, **reading)])

    def _array(
        self,
        signal: np.ndarray,
        *,
        fs: float | None = None,
        leads: Sequence[str] | None = None,
        units: str | Sequence[str] | None = None,
        record: str = UNNAMED,
        patient_id: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Recording:
        if fs is None:
            raise InputError("an array says nothing of its rate", record=record, remedy="Give fs, in Hz.")
        try:
            # what is too large for float32 becomes infinite and counts as not measured
            with np.errstate(over="ignore"):
                signal = np.asarray(signal, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise InputError(f"the signal is no array of numbers: {error}", record=record) from error
        signal = signal[:, None] if signal.ndim == 1 else signal
        if signal.ndim != 2 or not len(signal):
            raise InputError(
                f"a signal of the shape {signal.shape}",
                record=record,
                remedy="Give (n_samples,) or (n_samples, n_leads).",
            )
        n = signal.shape[1]
        leads = tuple(leads) if leads else tuple(f"ECG{i + 1}" for i in range(n))
        units = (units,) * n if isinstance(units, str) or units is None else tuple(units)
        recording = Recording(
            record=record,
            patient_id=patient_id or record,
            signal=signal,
            fs=float(fs),
            leads=leads,
            units=tuple(unit or "" for unit in units),
            attributes={name: str(value) for name, value in (attributes or {}).items()},
        )
        rate = self.reading.get("resample")
        recording = in_millivolts(recording if rate is None else resample(recording, rate))
        doubts = (f"lead {lead}: {doubt}" for lead, doubt in voltage_doubts(recording).items())
        return replace(recording, notes=(*recording.notes, *doubts))


def _set(recordings: Sequence[Recording]) -> RecordingSet:
    return RecordingSet(
        name=UNNAMED,
        readers={recording.record: lambda recording=recording: recording for recording in recordings},
        patients={recording.record: recording.patient_id for recording in recordings},
    )


class BeatRecipe(_SignalRecipe):
    """How the beats of recordings are found and measured.

    Args:
        bundle: of kind ``beat_recipe``.
    """

    noun = "beat"

    def __init__(self, bundle: Bundle):
        super().__init__(bundle)
        self.params = BeatParams.model_validate(bundle.manifest["settings"])

    def read(self, raw: Any, **options: Any) -> ReadCases:
        """Recordings to beats; a beat in bad signal is neither usual nor unusual and is refused.

        Args:
            raw, options: see :meth:`recordings`.

        Raises:
            InputError: there is no recording, or it says nothing of its rate.
        """
        source = self.recordings(raw, **options)
        beaten: dict[str, FoundBeats] = {}
        found, refused, notes, single = [], [], list(source.notes), set()
        for record, of in beats_of_each(source, self.params):
            if isinstance(of, str):
                refused.append((record, of))
                continue
            beaten[record] = of
            single |= {record} if len(of.ecg.leads) == 1 else set()
            notes += [f"{record}: {note}" for note in (*of.ecg.notes, *of.marks.notes)]
            found += [_finding(record, "rhythm", "pause", said) for said in of.silences]
            found += _bad_windows(record, of.quality) if of.has_bad_window else []
        if not beaten:
            return ReadCases(
                *_nothing(),
                refused=text_rows(refused, REFUSED_COLUMNS),
                notes=tuple(notes),
                independent=False,
            )
        beats = beats_table([of.columns for of in beaten.values()], self.params)
        kept = {record: of.recording for record, of in beaten.items()}
        cases = beat_cases(beats).drop(columns=["label", "kind", "record"])
        bad = beats[beats["quality"].eq("bad")]
        refused += [(name, BAD_SIGNAL) for name in case_id(bad["record"], bad["sample"])]
        ecgs = {record: of.ecg for record, of in beaten.items()}
        features, waveforms = measured_beats(ecgs, beats, cases["case_id"])

        def facts(rows: np.ndarray) -> pd.DataFrame:
            # only batches of many patients ask for them
            windows = {record: of.quality for record, of in beaten.items()}
            return facts_of_beats(cases, recording_facts(kept.values(), windows))(rows)

        without = {
            case: ("a second ECG lead",) for case in cases["case_id"] if case.rpartition(":")[0] in single
        }
        return ReadCases(
            cases=cases,
            inputs={
                "features": ModelInput(cases, features, {"units": feature_units()}, facts),
                "waveforms": ModelInput(cases, waveforms, facts=facts),
                "recordings": ModelInput(cases, RecordedBeats(kept, beats, cases["case_id"]), facts=facts),
            },
            findings=text_rows(found, FINDING_COLUMNS),
            refused=text_rows(refused, REFUSED_COLUMNS),
            missing=without,
            notes=tuple(dict.fromkeys(notes)),
            names=beat_names(beats),
            independent=False,
        )


def _finding(record: str, column: str, rule: str, message: str) -> tuple:
    return record, column, "", rule, message, ""


def _bad_windows(record: str, quality: pd.DataFrame) -> list[tuple]:
    bad = quality[quality["quality"].eq(BAD)]
    return [
        _finding(
            record,
            row.lead,
            BAD_SIGNAL,
            f"{row.start_s:.0f} to {row.end_s:.0f} s: {row.reasons or BAD_SIGNAL}",
        )
        for row in bad.itertuples()
    ]


def _nothing() -> tuple[pd.DataFrame, dict]:
    return no_rows(("case_id", "patient_id")), {}


class CutBeatRecipe:
    """How beats that their source cut out are measured.

    Args:
        bundle: of kind ``cut_beat_recipe``.
    """

    noun = "beat"

    def __init__(self, bundle: Bundle):
        self.bundle = bundle
        self.n_points = int(bundle.manifest["reading"]["n_points"])

    def takes(self, raw: Any) -> int:
        """An array of beats of the length of training."""
        return hasattr(raw, "beats") or (
            isinstance(raw, (np.ndarray, list)) and np.shape(raw)[-1:] == (self.n_points,)
        )

    def read(self, raw: Any) -> ReadCases:
        """(n, n_points) or (n_points,) values, or an object with ``beats`` and ``cases``; a beat with a gap is refused."""
        ids = raw.cases["case_id"].astype("string") if hasattr(raw, "cases") else None
        try:
            values = np.atleast_2d(np.asarray(getattr(raw, "beats", raw), dtype=np.float32))
        except (TypeError, ValueError) as error:
            raise InputError(f"the beats are no array of numbers: {error}", source="beats") from error
        if values.ndim != 2 or values.shape[1] != self.n_points:
            raise InputError(
                f"beats of the shape {values.shape}",
                source="beats",
                remedy=f"Give (n, {self.n_points}): one beat per row.",
            )
        ids = pd.Series([str(i + 1) for i in range(len(values))], dtype="string") if ids is None else ids
        whole = np.isfinite(values).all(axis=1)
        cases = pd.DataFrame({"case_id": ids, "patient_id": ids})[whole].reset_index(drop=True)
        refused = text_rows(
            [(case, "a value is missing or infinite") for case in ids[~whole]], REFUSED_COLUMNS
        )
        if not whole.any():
            return ReadCases(*_nothing(), refused=refused, independent=False)
        features, waveforms = cut_beat_features(values[whole])
        features.insert(0, "case_id", cases["case_id"])
        return ReadCases(
            cases=cases,
            inputs={
                "features": ModelInput(cases, features, {"units": feature_units()}),
                "waveforms": ModelInput(cases, waveforms),
            },
            refused=refused,
            independent=False,
        )

    def read_plain(self, raw: Any) -> PlainCase | None:
        """One whole beat (n_points,) as :meth:`read` makes it; None where it is something else."""
        try:
            values = np.asarray(raw, dtype=np.float32)
        except (TypeError, ValueError):
            return None
        if values.shape not in ((self.n_points,), (1, self.n_points)) or not np.isfinite(values).all():
            return None
        features, waveforms = cut_beat_features(values.reshape(1, -1))
        named = dict(zip(features.columns, features.to_numpy()[0].tolist(), strict=True))
        return PlainCase("1", named, waveforms, independent=False)


class SeriesRecipe(_SignalRecipe):
    """How long series are cut into windows; each teaches and calibrates its own detectors with its normal beginning.

    Args:
        bundle: of kind ``series_recipe``.
    """

    noun = "window"

    def __init__(self, bundle: Bundle):
        super().__init__(bundle)
        self.params = SeriesParams.model_validate(bundle.manifest["settings"])

    def read(self, raw: Any, *, normal_until: int | None = None, **options: Any) -> ReadCases:
        """Series to the windows after their normal beginning.

        Args:
            raw, options: see :meth:`recordings`.
            normal_until: sample at which the normal beginning ends, for recordings that do not say it.
        """
        options = {"fs": 1.0} | options if isinstance(raw, (np.ndarray, list)) else options
        source = self.recordings(np.asarray(raw) if isinstance(raw, list) else raw, **options)
        kept, tables, refused = {}, [], []
        for record, found in source.each():
            try:
                if isinstance(found, MedanomalyError):
                    raise found
                recording = found
                if normal_until is not None:
                    recording = replace(
                        recording, attributes=recording.attributes | {"train_end": str(int(normal_until))}
                    )
                tables.append(series_windows(recording, source.patients.get(record, record), self.params))
            except Exception as error:
                refused.append((record, why_refused(error)))
                continue
            kept[record] = recording
        if not tables:
            return ReadCases(*_nothing(), refused=text_rows(refused, REFUSED_COLUMNS), independent=False)
        windows = pd.concat(tables, ignore_index=True).astype(
            {"record": "string", "source": "string", "split": "string", "case_id": "string"}
        )
        after = windows[windows["split"].eq("test")].reset_index(drop=True)
        cases = pd.DataFrame({"case_id": after["case_id"], "patient_id": after["source"]})
        return ReadCases(
            cases=cases,
            inputs={
                "features": ModelInput(cases, measured_windows(kept, windows, cases["case_id"])),
                "series": ModelInput(
                    cases, Series(kept, windows, cases["case_id"]), {"settings": self.params}
                ),
            },
            refused=text_rows(refused, REFUSED_COLUMNS),
            notes=tuple(source.notes),
            independent=False,
        )
