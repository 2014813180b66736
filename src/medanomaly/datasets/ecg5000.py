"""ECG5000: single beats with a class; they are cut out, resampled to 140 points and standardised."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.datasets.raw import RawDataset
from medanomaly.datasets.sources import not_found

N_POINTS = 140
# in the words of Chen et al. 2015, "A general framework for never-ending learning from time series streams", DMKD 29
CLASSES = {1: "normal", 2: "R-on-T PVC", 3: "PVC", 4: "supraventricular", 5: "unclassified"}


@dataclass(frozen=True)
class CutBeats:
    """Beats without their recording.

    Attributes:
        cases: ``case_id``, ``patient_id``, ``label`` (0 normal, 1 any other class), ``kind``, ``split_official``.
        beats: (n, 140) float32, row i is that of case i; standardised, no unit, no sampling rate.
        notes: what a user should know about the data.
    """

    cases: pd.DataFrame
    beats: np.ndarray
    notes: tuple[str, ...]

    @property
    def official_split(self) -> dict[str, str]:
        """case_id -> ``train`` or ``test``; empty where only one file exists."""
        own = self.cases["split_official"]
        return dict(zip(self.cases["case_id"], own, strict=True)) if set(own) == {"train", "test"} else {}


class ECG5000Dataset(RawDataset[CutBeats]):
    """The TRAIN and TEST files of the archive; one of them is enough.

    All beats are one patient's (record chf07 of the BIDMC Congestive Heart Failure Database), so no split by patient is
    possible. Each beat counts as a patient of its own, and figures say nothing about other patients.

    Args:
        folder: holds ``ECG5000_TRAIN.txt`` and ``ECG5000_TEST.txt``; the first column is the class, then come 140 values.
    """

    # what its cases are, where the catalog entry does not say
    cases = "cut_beats"

    def __init__(self, *, folder: str, metadata: dict | None = None):
        self.folder, self.metadata = Path(folder), metadata

    def load(self) -> CutBeats:
        """Read the files that exist."""
        parts = {part: self.folder / f"ECG5000_{part.upper()}.txt" for part in ("train", "test")}
        here = {part: path for part, path in parts.items() if path.is_file()}
        if not here:
            raise not_found(parts["train"])
        cases, beats = [], []
        for part, path in here.items():
            classes, values = _read(path)
            cases.append(
                pd.DataFrame(
                    {
                        "case_id": [f"{part}:{i}" for i in range(len(values))],
                        "label": (classes != 1).astype(np.int8),
                        "kind": [CLASSES[c] for c in classes],
                        "split_official": part,
                    }
                )
            )
            beats.append(values)
        table = pd.concat(cases, ignore_index=True)
        table.insert(1, "patient_id", table["case_id"])
        notes = ["all beats are of one patient: figures say nothing about other patients"]
        if absent := [part for part in parts if part not in here]:
            notes.append(
                f"{' and '.join(absent)} absent: a random split of the beats replaces the official one"
            )
        return CutBeats(
            cases=table.astype(
                {"case_id": "string", "patient_id": "string", "label": "Int8", "kind": "string"}
                | {"split_official": "string"}
            ),
            beats=np.concatenate(beats),
            notes=tuple(notes),
        )

    def _exists(self) -> bool:
        return any(self.folder.glob("ECG5000_*.txt"))

    def _describe(self) -> dict:
        return {"folder": self.folder.as_posix()}


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        text = path.read_text("ascii").replace(",", " ")
        table = np.loadtxt(text.splitlines(), dtype=np.float64, ndmin=2)
    except ValueError as error:
        raise InputError(f"the file is not a table of numbers: {error}", source=path) from error
    if table.shape[1] != N_POINTS + 1 or not set(table[:, 0]) <= set(CLASSES):
        raise InputError(
            f"{table.shape[1]} columns, classes {sorted(set(table[:, 0]))[:8]}",
            remedy=f"Give a class of {list(CLASSES)} and {N_POINTS} values per line.",
            source=path,
        )
    return table[:, 0].astype(np.int64), table[:, 1:].astype(np.float32)
