"""Choice of leads: by name, by another of their names, or a similar lead, which the notes of the recording say."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medanomaly.core.errors import InputError
from medanomaly.signals.recordings.recording import Recording

# unit of voltage -> mV
MILLIVOLTS = {
    unit: factor
    for factor, units in (
        (1e3, ("v", "volt", "volts")),
        (1.0, ("mv", "millivolt", "millivolts", "mvolt")),
        (1e-3, ("uv", "µv", "μv", "microvolt", "microvolts", "uvolt")),
        (1e-6, ("nv", "nanovolt", "nanovolts")),
    )
    for unit in units
}

# names of one lead in different systems; a modified lead (MLII, MCL1) counts as the lead that it imitates
ALIASES = {
    "I": ("I", "MLI", "D1", "DI"),
    "II": ("II", "MLII", "ML2", "D2", "DII"),
    "III": ("III", "MLIII", "ML3", "D3", "DIII"),
    "AVR": ("AVR",),
    "AVL": ("AVL",),
    "AVF": ("AVF",),
    **{f"V{j}": (f"V{j}", f"MCL{j}", f"MV{j}") for j in range(1, 7)},
    "V": ("V", "MCL"),
    "ECG": ("ECG", "EKG"),
    "PPG": ("PPG", "PLETH", "PLETHYSMOGRAM", "SPO2 WAVE"),
    "RESP": ("RESP", "RESPIRATION", "THORAX", "IMPEDANCE"),
    "ABP": ("ABP", "ART", "BP", "IBP"),
    # orthogonal leads of Frank
    **{f"V{axis}": (f"V{axis}",) for axis in "XYZ"},
}
_STANDARD = {alias: name for name, aliases in ALIASES.items() for alias in aliases}
_ECG = frozenset({*ALIASES} - {"PPG", "RESP", "ABP"})
_KINDS = {"PPG": "ppg", "RESP": "resp", "ABP": "abp"}
# European names of the chest leads V1 to V6; C3 and C4 are electrodes of an EEG, too
_CHEST = re.compile(r"((ECG|EKG)\s*\d*\s+(LEAD\s+)?)?C ?(?P<place>[1-6])")
# the two that a sleep recording has beside a lead called ECG
_EEG_PAIR = frozenset({"3", "4"})
# electrodes of an EEG (10-20 system) are named by their place: C3, Fp1, O2-A1
_ELECTRODE = re.compile(r"((FP|AF|FC|FT|CP|TP|PO|[FCTPOAM])(\d{1,2}|Z)|E[12])( |$)")
# what else is recorded beside an ECG; found by the beginnings of words
_BESIDE_AN_EEG = (
    r"EEG|EMG|EOG|ECOG|CHIN|[LR]?LEG|[LR]AT|LOC|ROC|AIRFLOW|C?FLOW|NASAL|CANNULA|PTAF|CPAP|TIDAL|CHEST|THO|ABD|EFFORT|"
    r"SNORE|MIC"
)
_BRAIN_OR_SLEEP = re.compile(rf"\b({_BESIDE_AN_EEG})")
_OTHER = re.compile(
    rf"\b({_BESIDE_AN_EEG}|SPO2|SAO2|OSAT|PULSE|HR|BPM|"
    r"TEMP|LIGHT|POSITION|BODY|ACC|GYRO|MAG|CVP|PAP|ICP|CO2|ETCO2|PRESSURE|EDA|GSR|BATTERY)"
)
# what counts, times or labels samples
_BOOKKEEPING = re.compile(
    r"\b(MARKER|EVENT|TRIGGER|STATUS|STIM|LABEL|CLASS|TARGET|ANN|SYMBOL|BEAT|RHYTHM|QUALITY|"
    r"INDEX|IDX|SAMPLE|ROW|COUNT|FRAME|TIME|TIMESTAMP|DATE|ELAPSED)"
)
_PREFIXES = {"PPG": "ppg", "PLETH": "ppg", "RESP": "resp", "THOR": "resp", "ABP": "abp"}
_LONGEST_NAME = 100
_FEWEST_VALUES, _LEAST_SAMPLES = 10, 100
# similar leads, which are tried first where a lead is missing
_NEIGHBOURS = {
    "I": ("AVL", "II"),
    "II": ("AVF", "III", "I"),
    "III": ("AVF", "II"),
    "AVF": ("II", "III"),
    "AVL": ("I",),
    "V": ("V1", "V2", "V5"),
    **{f"V{j}": tuple(f"V{k}" for k in sorted((k for k in range(1, 7) if k != j), key=lambda k, j=j: abs(k - j)))
       for j in range(1, 7)},
}  # fmt: skip


def standard_names(leads: Sequence[str]) -> list[str]:
    """Standard names of the leads of one recording: ``MLII``, ``ECG II``, ``lead ii`` -> ``II``; ``Pleth`` -> ``PPG``.

    ``C1`` to ``C6`` are the chest leads V1 to V6, unless what lies beside them says that they are electrodes of an EEG. A
    lead without a standard name keeps its own.
    """
    names = [_by_itself(lead) for lead in leads]
    chest = [_CHEST.fullmatch(name) for name in names]
    eeg = _is_eeg(names, chest)
    # a name with "ECG" in it leaves no doubt
    return [
        f"V{place['place']}" if place and (place[1] or not eeg) else name
        for name, place in zip(names, chest, strict=True)
    ]


def standard_name(lead: str) -> str:
    """Standard name of a lead by itself; see :func:`standard_names`."""
    return standard_names([lead])[0]


def _by_itself(lead: str) -> str:
    name = re.sub(r"[\s_\-.:]+", " ", str(lead)[:_LONGEST_NAME]).strip().upper()
    # the number that tells leads of one name apart
    name = re.sub(r" \(\d+\)$", "", name)
    if name in _STANDARD:
        return _STANDARD[name]
    shorter = re.sub(r"^(ECG|EKG|LEAD|CHANNEL|CH)\s*\d*\s+(LEAD\s+)?", "", name)
    if shorter in _STANDARD:
        return _STANDARD[shorter]
    numbered = re.fullmatch(r"(ECG|EKG|PPG|PLETH|RESP|ABP)\s?\d+", name)
    return _STANDARD[numbered[1]] if numbered else name


def _is_eeg(names: Sequence[str], chest: Sequence[re.Match | None]) -> bool:
    """Whether C1 to C6 of a recording are electrodes of an EEG, as the other names say."""
    others = [name for name, place in zip(names, chest, strict=True) if not place]
    if any(_ELECTRODE.match(name) or _BRAIN_OR_SLEEP.search(name) for name in others):
        return True
    places = {place["place"] for place in chest if place}
    return places <= _EEG_PAIR and {name for name in others if name in _ECG} == {"ECG"}


def kinds_of_names(leads: Sequence[str]) -> list[str | None]:
    """``ecg``, ``ppg``, ``resp``, ``abp`` or ``other`` as the names of the leads of one recording say; None where one says
    nothing.
    """
    return [_kind_of_standard_name(name) for name in standard_names(leads)]


def kind_of_name(lead: str) -> str | None:
    """Kind of a lead as its name by itself says; see :func:`kinds_of_names`."""
    return kinds_of_names([lead])[0]


def _kind_of_standard_name(name: str) -> str | None:
    if name in _ECG:
        return "ecg"
    if name in _KINDS:
        return _KINDS[name]
    for prefix, kind in _PREFIXES.items():
        if name.startswith(prefix):
            return kind
    if _ELECTRODE.match(name) or _OTHER.search(name) or _BOOKKEEPING.search(name):
        return "other"
    # leads further round the chest: V7, V4R
    return "ecg" if re.search(r"\b(ECG|EKG)", name) or re.fullmatch(r"V\d{1,2}R?", name) else None


def is_bookkeeping(name: str) -> bool:
    """Whether a name is that of a column that counts, times or labels samples."""
    return bool(_BOOKKEEPING.search(standard_name(name)))


def lead_kinds(leads: Sequence[str], units: Sequence[str]) -> list[str]:
    """``ecg``, ``ppg``, ``resp``, ``abp`` or ``other`` for each lead; a name that says nothing, in volts, is an ECG."""
    return [
        kind or ("ecg" if unit.strip().lower() in MILLIVOLTS else "other")
        for kind, unit in zip(kinds_of_names(leads), units, strict=True)
    ]


def unique_names(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of leads of which no two are equal, and a note where some were: ``II, II`` becomes ``II, II (2)``."""
    seen: dict[str, int] = {}
    taken, out = set(names), []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        own = name
        while seen[name] > 1 and own in taken:
            own = f"{name} ({seen[name]})"
            seen[name] += own in taken
        taken.add(own)
        out.append(own)
    twice = [name for name, n in seen.items() if n > 1]
    return tuple(out), (
        (f"several leads are called {', '.join(twice)}: they were numbered",) if twice else ()
    )


def no_waveform(x: np.ndarray) -> str:
    """Why a column cannot be a waveform: it is empty, constant, only rises, or has a few values alone; else ``""``.

    Args:
        x: (n,) float, NaN = missing.
    """
    x = x[np.isfinite(x)]
    if not len(x):
        return "no value"
    if len(x) < _LEAST_SAMPLES:
        return ""
    if x.min() == x.max():
        return "one value"
    if np.all(np.diff(x) >= 0):
        return "values that only rise"
    values = len(np.unique(x))
    return f"{values} different values" if values <= _FEWEST_VALUES else ""


def lead_index(leads: Sequence[str], wanted: str) -> int | None:
    """Index of the lead that is called ``wanted``, exactly or by another of its names; None where there is none."""
    if wanted in leads:
        return list(leads).index(wanted)
    standard = standard_names(leads)
    name = standard_name(wanted)
    return standard.index(name) if name in standard else None


def select_leads(recording: Recording, wanted: Sequence[str], *, fallback: bool = True) -> Recording:
    """The leads that are asked for, in that order.

    A missing lead is replaced by the most similar lead of the same kind that was not asked for, or left out where there
    is none; ``notes`` say so.

    Args:
        recording: any recording.
        wanted: names, in any of their spellings.
        fallback: False raises instead of replacing.

    Raises:
        InputError: no lead can be returned; the error names the leads of the recording.
    """
    if isinstance(wanted, str):
        wanted = (wanted,)
    found = [lead_index(recording.leads, name) for name in wanted]
    taken = {j for j in found if j is not None}
    columns, notes = [], []
    for name, j in zip(wanted, found, strict=True):
        if j is None and not fallback:
            raise _no_lead(recording, name)
        column = _replacement(recording, name, taken) if j is None else j
        if column is None:
            notes.append(f"lead {name} is missing and no other lead can replace it: left out")
            continue
        if j is None:
            notes.append(f"lead {name} is missing: {recording.leads[column]} replaces it")
        elif recording.leads[j] != name:
            notes.append(f"lead {name} is called {recording.leads[j]} here")
        taken.add(column)
        columns.append(column)
    if not columns:
        raise _no_lead(recording, ", ".join(wanted))
    return replace(
        recording,
        signal=np.ascontiguousarray(recording.signal[:, columns]),
        leads=tuple(recording.leads[j] for j in columns),
        units=tuple(recording.units[j] for j in columns),
        notes=(*recording.notes, *notes),
    )


def _no_lead(recording: Recording, name: str) -> InputError:
    return InputError(
        f"there is no lead {name}", record=recording.record, remedy=f"There are {list(recording.leads)}."
    )


def _replacement(recording: Recording, name: str, taken: set[int]) -> int | None:
    (kind,) = lead_kinds([name], [""])
    named, names = kinds_of_names(recording.leads), standard_names(recording.leads)
    kinds = lead_kinds(recording.leads, recording.units)
    free = [j for j, own in enumerate(kinds) if j not in taken and own == kind and kind != "other"]
    near = _NEIGHBOURS.get(standard_name(name), ())
    rank = {n: r for r, n in enumerate(near)}

    def order(j: int) -> tuple[bool, int, int]:
        # a name that says what the lead is goes before an unknown one in volts
        return named[j] != kind, rank.get(names[j], len(near)), j

    return min(free, key=order, default=None)
