"""A folder of recordings of people's own, in any mix of formats, or one of its files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from medanomaly.core.errors import DataNotFoundError, InputError, did_you_mean
from medanomaly.signals.readers.annotation_files import read_marks
from medanomaly.signals.readers.csv import read_csv
from medanomaly.signals.readers.edf import edf_patient, read_edf
from medanomaly.signals.readers.npz import npz_patient, read_npz
from medanomaly.signals.readers.text_table import read_text_table
from medanomaly.signals.readers.wfdb import read_wfdb, segment_names
from medanomaly.signals.recordings.leads import lead_index, lead_kinds, select_leads
from medanomaly.signals.recordings.patient_ids import stated_id
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.recordings.recording_set import RecordingSet
from medanomaly.signals.recordings.resampling import resample
from medanomaly.signals.recordings.voltage import in_millivolts, voltage_doubts

READERS = {".hea": "wfdb", ".edf": "edf", ".bdf": "edf", ".csv": "csv", ".tsv": "csv", ".npz": "npz"}


@dataclass(frozen=True)
class RecordingFolder:
    """A folder of recordings: WFDB, EDF, EDF+, BDF, CSV and npz.

    ``patients.csv`` in it (``record, patient_id``, and any further columns) says whose each recording is; its other
    columns become attributes. ``<record>.annotations.csv`` in the folder of a recording holds its annotations (``.atr``
    for WFDB). Leads in V, µV or nV come in mV; notes say which amplitudes do not fit their unit.

    Attributes:
        folder: read with its subfolders; the name of a record is its path without suffix, with ``.`` for ``/``.
        leads: the leads at whose rate annotations count samples; None: the ECG leads.
        fs: rate in Hz of CSV and npz files that state none.
        units: of the leads of CSV files that state none: one for all, or one per lead.
        csv: further options of :func:`medanomaly.signals.readers.csv.read_csv` (``delimiter``, ``decimal``, ``time``);
            delimiter and decimal hold for annotations and ``patients.csv`` too, unless their first line shows another.
        resample: rate in Hz that every recording is brought to, 50 to 1000; None keeps their own. Beats need 100 Hz.
    """

    folder: Path
    leads: Sequence[str] | None = None
    fs: float | None = None
    units: str | Mapping[str, str] | None = None
    csv: Mapping[str, Any] = field(default_factory=dict)
    resample: float | None = None

    def recordings(self) -> RecordingSet:
        """One recording per file of a known format; segments of a multi-segment WFDB record belong to that record."""
        if not self.folder.is_dir():
            raise DataNotFoundError(
                "the folder does not exist", remedy="Correct folder in the catalog entry.", source=self.folder
            )
        known = self._known()
        parts = self._segments()
        readers, patients, left_out = {}, {}, {}
        for path in self._files():
            if path.name == "patients.csv" or path.name.endswith(".annotations.csv") or path in parts:
                continue
            record = ".".join(path.relative_to(self.folder).with_suffix("").parts)
            if record in readers:
                left_out[f"{record}{path.suffix}"] = f"another file is called {record}"
                continue
            patients[record] = (
                stated_id(known.get(record, {}).get("patient_id", "")) or _stated_patient(path) or record
            )
            readers[record] = partial(self.read, path, record, patients[record], known.get(record, {}))
        if not readers:
            raise DataNotFoundError(
                f"there are no files that end in {', '.join(READERS)}",
                remedy="Put recordings into the folder, or correct folder in the catalog entry.",
                source=self.folder,
            )
        _check_names(known, readers, self.folder / "patients.csv")
        absent = sorted(set(known) - set(readers))
        notes = [f"{len(readers)} recordings of {len(set(patients.values()))} patients"]
        if not known:
            notes.append(
                "there is no patients.csv: a recording whose file names no patient counts as a patient of its own"
            )
        elif unknown := sorted(set(readers) - set(known)):
            notes.append(
                f"not in patients.csv, so their files name the patient, or each is its own: {', '.join(unknown)}"
            )
        if absent:
            notes.append(f"in patients.csv, but without a file: {', '.join(absent)}")
        return RecordingSet(
            name=self.folder.name,
            readers=readers,
            patients=patients,
            left_out=left_out,
            notes=tuple(notes),
        )

    def _known(self) -> dict[str, dict[str, str]]:
        path = self.folder / "patients.csv"
        if not path.is_file():
            return {}
        table, _ = read_text_table(path, self.csv.get("delimiter"))
        table = table.apply(lambda column: column.str.strip())
        if not {"record", "patient_id"} <= set(table.columns):
            raise InputError(
                f"columns are {list(table.columns)}", remedy="Give record and patient_id.", source=path
            )
        if table["record"].duplicated().any():
            raise InputError(
                f"record {table.loc[table['record'].duplicated(), 'record'].iloc[0]} is listed twice",
                remedy="List each record once.",
                source=path,
            )
        return {row["record"]: {k: v for k, v in row.items() if v} for row in table.to_dict("records")}

    def _table_options(self) -> dict[str, str]:
        """The options of CSV files that hold for those of annotations too."""
        return {name: self.csv[name] for name in ("delimiter", "decimal") if name in self.csv}

    def _counted_at(self, recording: Recording) -> float:
        """Rate at which annotations count samples: that of the leads that are asked for, else of the ECG leads."""
        names = recording.leads
        if self.leads is None:
            kinds = lead_kinds(names, recording.units)
            wanted = [name for name, kind in zip(names, kinds, strict=True) if kind == "ecg"]
        else:
            wanted = [names[j] for lead in self.leads if (j := lead_index(names, lead)) is not None]
        return max((recording.own_rates.get(name, recording.fs) for name in wanted), default=recording.fs)

    def _segments(self) -> set[Path]:
        """Headers that are segments of a multi-segment record."""
        headers = [path for path in self._files() if path.suffix.lower() == ".hea"]
        return {path.parent / f"{name}.hea" for path in headers for name in segment_names(path)}

    def _files(self) -> list[Path]:
        return sorted(p for p in self.folder.rglob("*") if p.suffix.lower() in READERS and p.is_file())

    def read(
        self, path: Path, record: str, patient: str, known: Mapping[str, str] | None = None
    ) -> Recording:
        """One file as the recording ``record`` of a patient, with what is known of it besides."""
        kind = READERS[path.suffix.lower()]
        if kind == "wfdb":
            recording = read_wfdb(path)
        elif kind == "edf":
            recording = read_edf(path)
        elif kind == "npz":
            recording = read_npz(path, fs=self.fs)
        else:
            options = ({"delimiter": "\t"} if path.suffix.lower() == ".tsv" else {}) | dict(self.csv)
            recording = read_csv(path, fs=self.fs, units=self.units, **options)
        marks = path.with_name(f"{path.stem}.annotations.csv")
        if marks.is_file():
            found, notes = read_marks(
                marks, recording.fs, rate=self._counted_at(recording), **self._table_options()
            )
            recording = replace(recording, annotations=found, notes=(*recording.notes, *notes))
        if self.resample is not None:
            recording = resample(recording, self.resample)
        recording = in_millivolts(recording)
        doubts = (f"lead {lead}: {doubt}" for lead, doubt in voltage_doubts(recording).items())
        return replace(
            recording,
            notes=(*recording.notes, *doubts),
            record=record,
            # the patient is the same before and after reading
            patient_id=patient,
            attributes=recording.attributes
            | {key: value for key, value in (known or {}).items() if key not in {"record", "patient_id"}},
        )


def read_recording(path: str | Path, leads: Sequence[str] | None = None, **options: Any) -> Recording:
    """One file as a recording, named after the file.

    Args:
        path: of a WFDB header (``.hea``; ``.dat`` and ``.atr`` lie beside it), EDF, BDF, CSV or npz file.
        leads: names of the wanted leads; None takes all.
        options: of :class:`RecordingFolder`.

    Raises:
        DataNotFoundError: there is no such file.
        InputError: it is no recording, or cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() in (".dat", ".atr", ""):
        path = path.with_suffix(".hea")
    if path.suffix.lower() not in READERS:
        raise InputError(
            f"a file that ends in '{path.suffix}' is no recording",
            source=path,
            remedy=f"{did_you_mean(path.suffix, READERS)}Recordings end in {', '.join(READERS)}.",
        )
    if not path.is_file():
        raise DataNotFoundError("there is no such file", source=path, remedy="Give the path of a recording.")
    known = RecordingFolder(path.parent, leads, **options)
    recording = known.read(path, path.stem, _stated_patient(path) or path.stem)
    return recording if leads is None else select_leads(recording, leads)


def _check_names(known: Mapping[str, object], readers: Mapping[str, object], source: Path) -> None:
    """Refuse a table of patients that names none of the recordings, or some of them in another spelling."""
    free = {_plain(record): record for record in readers if record not in known}
    pairs = [(name, free[_plain(name)]) for name in known if name not in readers and _plain(name) in free]
    if pairs:
        raise InputError(
            f"record '{pairs[0][0]}' is called '{pairs[0][1]}' in the folder ({len(pairs)} such names)",
            remedy="Give the path of the file in the folder, with . for / and without its suffix.",
            source=source,
        )
    if known and not set(known) & set(readers):
        raise InputError(
            f"none of its records is in the folder: it has '{next(iter(known))}', the folder has '{next(iter(readers))}'",
            remedy="Give the path of the file in the folder, with . for / and without its suffix.",
            source=source,
        )


def _plain(name: str) -> str:
    """A name without suffix, case, folder marks and leading zeros, to find what was meant."""
    name = name.strip().lower().replace("\\", "/").replace("/", ".")
    name = name.removesuffix(next((suffix for suffix in READERS if name.endswith(suffix)), ""))
    return re.sub(r"\b0+(?=\d)", "", name.removesuffix(".0"))


def _stated_patient(path: Path) -> str | None:
    """The patient that the file itself names, read without its signal."""
    kind = READERS[path.suffix.lower()]
    if kind == "edf":
        return edf_patient(path)
    return npz_patient(path) if kind == "npz" else None
