"""Recordings of MIT-BIH, SVDB and BIDMC; each recording is read when it is asked for."""

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from medanomaly.core.errors import InputError
from medanomaly.datasets.raw import RawDataset
from medanomaly.datasets.sources import not_found
from medanomaly.signals.beats.aami import mitbih_patient
from medanomaly.signals.beats.inter_patient import inter_patient_protocol
from medanomaly.signals.readers.csv import read_csv
from medanomaly.signals.readers.wfdb import read_mitbih, read_wfdb
from medanomaly.signals.recordings.annotated_intervals import interval_annotations, runs
from medanomaly.signals.recordings.leads import select_leads
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.recordings.recording_set import RecordingSet


class RecordingsDataset(RawDataset[RecordingSet]):
    """Base class of data sets of recordings: a folder, and the leads to take from each recording.

    Args:
        folder: holds the files.
        leads: names of the wanted leads, in any spelling; None takes all. A lead that a recording lacks is replaced by a
            similar one, which its notes say.
    """

    def __init__(self, *, folder: str, leads: Sequence[str] | None = None, metadata: dict | None = None):
        self.folder, self.metadata = Path(folder), metadata
        self.leads = None if leads is None else tuple([leads] if isinstance(leads, str) else leads)

    @abstractmethod
    def recordings(self) -> RecordingSet:
        """The recordings that exist; none is read yet."""

    def load(self) -> RecordingSet:
        """List the recordings, with the leads chosen as each is read."""
        found = self.recordings()
        if self.leads is None:
            return found
        chosen = {name: partial(_chosen, read, self.leads) for name, read in found.readers.items()}
        return replace(found, readers=chosen, reading=found.reading | {"leads": list(self.leads)})

    def _exists(self) -> bool:
        return self.folder.is_dir()

    def _describe(self) -> dict:
        return {"folder": self.folder.as_posix(), "leads": self.leads}


def _chosen(read, leads) -> Recording:
    return select_leads(read(), leads)


class MITBIHDataset(RecordingsDataset):
    """MIT-BIH Arrhythmia Database with the inter-patient split of de Chazal et al. 2004.

    Args:
        folder: holds the WFDB files.
        leads: as for :class:`RecordingsDataset`.
        keep_shared_patient: see :func:`medanomaly.signals.beats.inter_patient.inter_patient_protocol`.
    """

    def __init__(
        self,
        *,
        folder: str,
        leads: Sequence[str] | None = None,
        keep_shared_patient: bool = False,
        metadata: dict | None = None,
    ):
        super().__init__(folder=folder, leads=leads, metadata=metadata)
        self.keep_shared_patient = keep_shared_patient

    def recordings(self) -> RecordingSet:
        """The records of DS1 and DS2 that exist; paced records are left out, which the notes say."""
        names = sorted(path.stem for path in self.folder.glob("*.hea"))
        if not names:
            raise not_found(self.folder / "*.hea")
        split, left_out, notes = inter_patient_protocol(names, keep_shared_patient=self.keep_shared_patient)
        kept = [name for name in names if name not in left_out]
        return RecordingSet(
            name="MIT-BIH Arrhythmia Database",
            readers={name: partial(read_mitbih, self.folder, name) for name in kept},
            patients={name: mitbih_patient(name) for name in names},
            official_split=split,
            left_out=left_out,
            notes=notes,
        )


class SVDBDataset(RecordingsDataset):
    """MIT-BIH Supraventricular Arrhythmia Database: WFDB records, or ``*ECG805*.out`` files of ``value,label`` lines."""

    RATE = 128.0

    def recordings(self) -> RecordingSet:
        """Records by number; a record that exists in both forms is read from its WFDB files."""
        readers, notes = {}, []
        for path in sorted(self.folder.glob("*.out")):
            number = re.search(r"ECG(\d+)", path.stem)
            readers[number[1] if number else path.stem] = partial(_labelled_values, path, self.RATE)
        if readers:
            notes.append(
                f"records {', '.join(readers)} have one lead, labels of samples, and no codes of beats"
            )
        headers = sorted(self.folder.glob("*.hea"))
        readers |= {path.stem: partial(read_wfdb, path) for path in headers}
        if not readers:
            raise not_found(self.folder / "*.hea")
        return RecordingSet(
            name="MIT-BIH Supraventricular Arrhythmia Database",
            readers=dict(sorted(readers.items())),
            patients={name: name for name in readers},
            notes=tuple(notes),
        )


def _labelled_values(path: Path, fs: float) -> Recording:
    # columns are called by their number; the second holds labels, which are no lead
    table = read_csv(path, fs=fs, units="mV", channels=["lead 1", "lead 2"])
    if table.signal.shape[1] != 2:
        raise InputError(
            f"{table.signal.shape[1]} columns", remedy="Give two columns, value and label.", source=path
        )
    stretches = runs(table.signal[:, 1] > 0)
    number = re.search(r"ECG(\d+)", path.stem)
    name = number[1] if number else path.stem
    return Recording(
        record=name,
        patient_id=name,
        signal=table.signal[:, :1],
        fs=fs,
        leads=("ECG1",),
        units=("mV",),
        annotations=interval_annotations(stretches[:, 0], stretches[:, 1], ["anomaly"] * len(stretches)),
        notes=("labels of samples became stretches named anomaly",),
    )


class BIDMCDataset(RecordingsDataset):
    """BIDMC PPG and Respiration: ``bidmc_01_Signals.csv``, or WFDB records ``bidmc01``; age and sex from ``*_Fix.txt``."""

    LABELS = (("age", re.compile(r"Age:\s*(\d+)")), ("sex", re.compile(r"Gender:\s*([MF])")))

    def recordings(self) -> RecordingSet:
        """One recording per patient, ``bidmc01`` to ``bidmc53``."""
        tables = sorted(self.folder.rglob("bidmc_*_[Ss]ignals.csv"))
        readers = {f"bidmc{path.stem.split('_')[1]}": partial(self._read, path) for path in tables}
        for path in sorted(self.folder.rglob("bidmc*.hea")):
            # records that end in n hold numerics, one value per second
            if path.stem not in readers and not path.stem.endswith("n"):
                readers[path.stem] = partial(read_wfdb, path, annotator="breath")
        if not readers:
            raise not_found(self.folder / "bidmc_*_Signals.csv")
        readers = dict(sorted(readers.items()))
        return RecordingSet(
            name="BIDMC PPG and Respiration",
            readers=readers,
            patients={n: n for n in readers},
            notes=("signals in the CSV files are scaled, so their units are unknown (NU)",) if tables else (),
        )

    def _read(self, path: Path) -> Recording:
        name = f"bidmc{path.stem.split('_')[1]}"
        # the first times are exact, later ones are rounded until they repeat
        recording = read_csv(path, units="NU")
        fixed = path.with_name(path.name.split("_Signals")[0] + "_Fix.txt")
        attributes = {}
        if fixed.is_file():
            text = fixed.read_text("utf-8", errors="replace")
            attributes = {key: found[1] for key, label in self.LABELS if (found := label.search(text))}
        return replace(recording, record=name, patient_id=name, attributes=attributes)
