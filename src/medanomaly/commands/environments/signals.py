"""The environment of a folder of recordings."""

import math
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from medanomaly.commands.environments.files import Written, global_settings, listed, raw_path, scalar
from medanomaly.core.errors import InputError, MedanomalyError
from medanomaly.signals.readers.folder import READERS, RecordingFolder
from medanomaly.signals.recordings.leads import lead_kinds
from medanomaly.signals.recordings.recording import Recording

# so many recordings are read to see what they hold
LOOKED_AT = 20
# learning time of a beat detector, s: a third of the shortest recording, five minutes at most
LONGEST_LEARNING, SHORTEST_LEARNING = 300.0, 5.0


def count(folder: Path) -> int:
    """Number of files that may be recordings."""
    return sum(
        file.suffix.lower() in READERS
        and file.name != "patients.csv"
        and not file.name.endswith(".annotations.csv")
        for file in folder.rglob("*")
    )


def signal_environment(name: str, folder: Path, fs: float | None, units: str | None) -> Written:
    """Catalog, globals and parameters for a folder of recordings.

    Raises:
        InputError: none of the recordings that were looked at can be read, or none holds an ECG.
    """
    found = RecordingFolder(folder, fs=fs, units=units).recordings()
    read, failed = [], []
    for _, recording in islice(found.each(), LOOKED_AT):
        (failed if isinstance(recording, MedanomalyError) else read).append(recording)
    if not read:
        raise InputError(
            f"none of the first {len(failed)} recordings can be read: {failed[0]}",
            source=folder,
            remedy="A CSV file without times needs --fs, its rate in Hz.",
        )
    windows = any("train_end" in recording.attributes for recording in read)
    leads = Counter(
        lead
        for r in read
        for lead, kind in zip(r.leads, lead_kinds(r.leads, r.units), strict=True)
        if kind == "ecg"
    )
    if not leads and not windows:
        raise InputError(
            "no recording holds an ECG, and beats come from ECG leads alone",
            source=folder,
            remedy="Name the ECG leads in the files, or give train_end in patients.csv for long series.",
        )
    shortest = min(recording.duration for recording in read)
    learn_s = min(LONGEST_LEARNING, max(SHORTEST_LEARNING, math.floor(shortest / 3)))
    files = {
        "catalog.yml": "\n".join(_catalog(folder, fs, units, leads, windows)) + "\n",
        "globals.yml": global_settings(name),
        "parameters.yml": _parameters(learn_s, windows),
    }
    patients = len(set(found.patients.values()))
    return Written(files, list(_said(len(found.readers), patients, read, failed, folder)))


def _catalog(
    folder: Path, fs: float | None, units: str | None, leads: Counter, windows: bool
) -> Iterator[str]:
    yield "# Where the recordings are, and how they are read. Nothing is copied. More: docs/data/your_own_signals.md"
    yield "signals.raw:"
    yield "  type: medanomaly.datasets.signal_folder.SignalFolderDataset"
    yield f"  folder: {raw_path(folder)}"
    if leads:
        yield "  # all leads are read; name those that you want, in any spelling"
        yield f"  # leads: {listed([lead for lead, _ in leads.most_common(2)])}"
    if fs is not None:
        yield f"  fs: {fs:g} # rate in Hz of files that state none"
    else:
        yield "  # fs: 250 # rate in Hz of CSV and npz files that state none"
    if units is not None:
        yield f"  units: {scalar(units)} # of CSV files that state none"
    else:
        yield "  # units: mV # of CSV files that state none"
    if windows:
        yield "  # patients.csv gives train_end, the samples of a normal beginning: cases are windows behind it"
        yield "  metadata: {cases: windows, kedro-viz: {layer: raw}}"
    else:
        yield "  # for windows instead of beats give patients.csv a column train_end: samples of a normal beginning"
        yield "  metadata: {kedro-viz: {layer: raw}}"


def _parameters(learn_s: float, windows: bool) -> str:
    if windows:
        return (
            "# How long series are cut (medanomaly.signals.series.params.SeriesParams)\n"
            "series_processing:\n"
            "  periods: 1.0 # length of a window, in periods of the series\n"
        )
    return (
        "# Annotations beside the recordings say which beats are normal. Without them the report ranks beats all the same.\n"
        "models:\n"
        "  signals:\n"
        "    beat_detector: # learns each patient from the beginning of the recording\n"
        f"      learn_s: {learn_s:g} # seconds: up to a third of the shortest recording, {LONGEST_LEARNING:g} at most\n"
        "    # lstm_autoencoder: null # leaves a model out\n"
    )


def _said(
    n_recordings: int, patients: int, read: list[Recording], failed: list[MedanomalyError], folder: Path
) -> Iterator[str]:
    rates = sorted({round(recording.fs, 3) for recording in read})
    shown = f"{rates[0]:g}" if len(rates) == 1 else f"{rates[0]:g} to {rates[-1]:g}"
    yield f"{n_recordings} recordings of {patients} patients, {shown} Hz"
    if failed:
        yield f"{len(failed)} of the first {len(read) + len(failed)} recordings cannot be read; the run says why and goes on"
    if not (folder / "patients.csv").is_file():
        yield "QUESTION: whose recordings are these? Write patients.csv (record,patient_id) beside them"
    if all(recording.annotations is None for recording in read):
        yield "no annotations: beats have no label, so the report cannot say how often it is right"
