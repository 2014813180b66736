"""UCR Anomaly Archive: one text file per series, with the end of training and the anomaly in its name."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.datasets.recordings import RecordingsDataset
from medanomaly.datasets.sources import not_found
from medanomaly.signals.recordings.annotated_intervals import interval_annotations
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.recordings.recording_set import RecordingSet


class UCRDataset(RecordingsDataset):
    """UCR Anomaly Archive: the file name gives the end of the normal beginning and the one anomaly of each series.

    The archive states no sampling rate, so ``fs`` is 1 and seconds mean samples. Attributes: ``train_end``,
    ``anomaly_start``, ``anomaly_end`` (samples from 0, ends excluded). Series cut from one recording share a patient.
    """

    # what its cases are, where the catalog entry does not say
    cases = "windows"

    NAME = re.compile(r"^(\d+)_UCR_Anomaly_(.+?)_(\d+)_(\d+)_(\d+)$")

    def recordings(self) -> RecordingSet:
        """Series, named by the number and name of their file."""
        paths = sorted(self.folder.glob("*_UCR_Anomaly_*.txt"))
        if not paths:
            raise not_found(self.folder / "*.txt")
        parts = {path: self.NAME.match(path.stem) for path in paths}
        strange = {
            path.stem: "the name does not end in train end, anomaly start, anomaly end"
            for path, p in parts.items()
            if p is None
        }
        found = {f"{p[1]}_{p[2]}": (path, p) for path, p in parts.items() if p is not None}
        return RecordingSet(
            name="UCR Anomaly Archive",
            readers={name: partial(_ucr_series, path) for name, (path, _) in found.items()},
            # DISTORTED and NOISE series are altered copies of others
            patients={n: re.sub(r"^(DISTORTED|NOISE)", "", p[2]) for n, (_, p) in found.items()},
            left_out=strange,
            notes=("no sampling rate is stated: seconds are samples", "one anomaly in each series"),
        )


def _ucr_series(path: Path) -> Recording:
    number, name, *positions = UCRDataset.NAME.match(path.stem).groups()
    # some files of the archive have one line, others one value per line
    values = pd.to_numeric(pd.Series(path.read_text("ascii", errors="replace").split()), errors="coerce")
    train_end, first, last = (int(p) for p in positions)
    if (
        values.isna().any()
        or not 0 < train_end < len(values)
        or not train_end <= first <= last <= len(values)
    ):
        raise InputError(
            f"{len(values)} values, {int(values.isna().sum())} of which are not numbers, for positions {positions}",
            remedy="Give numbers only, and positions inside the series.",
            source=path,
        )
    # the archive counts from 1 and includes the end
    start, end = first - 1, last
    return Recording(
        record=f"{number}_{name}",
        patient_id=re.sub(r"^(DISTORTED|NOISE)", "", name),
        signal=values.to_numpy(dtype=np.float32)[:, None],
        fs=1.0,
        leads=("value",),
        units=("",),
        annotations=interval_annotations([start], [end], ["anomaly"]),
        attributes={"train_end": str(train_end), "anomaly_start": str(start), "anomaly_end": str(end)},
    )
