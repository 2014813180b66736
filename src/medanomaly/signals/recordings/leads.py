"""Choice of leads: by name, by another of their names, or a similar lead, which the notes of the recording say."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medanomaly.core.errors import InputError
from medanomaly.signals.recordings.recording import Recording

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
}
_STANDARD = {alias: name for name, aliases in ALIASES.items() for alias in aliases}
_ECG = frozenset({"I", "II", "III", "AVR", "AVL", "AVF", "V", "ECG", *(f"V{j}" for j in range(1, 7))})
_KINDS = {"PPG": "ppg", "RESP": "resp", "ABP": "abp"}
_VOLTS = frozenset({"v", "mv", "uv", "µv", "μv", "nv"})
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


def standard_name(lead: str) -> str:
    """Standard name of a lead (``MLII``, ``ECG II``, ``lead ii`` -> ``II``; ``Pleth`` -> ``PPG``), else its own name."""
    name = re.sub(r"[\s_\-.:]+", " ", str(lead)).strip().upper()
    if name in _STANDARD:
        return _STANDARD[name]
    shorter = re.sub(r"^(ECG|EKG|LEAD|CHANNEL|CH)\s*\d*\s+(LEAD\s+)?", "", name)
    if shorter in _STANDARD:
        return _STANDARD[shorter]
    numbered = re.fullmatch(r"(ECG|EKG|PPG|PLETH|RESP|ABP)\s?\d+", name)
    return _STANDARD[numbered[1]] if numbered else name


def lead_kind(lead: str, unit: str = "") -> str:
    """``ecg``, ``ppg``, ``resp``, ``abp`` or ``other``; an unknown name in volts is an ECG."""
    name = standard_name(lead)
    if name in _KINDS:
        return _KINDS[name]
    # the unit of EEG, EMG and EOG is volts too
    if name.startswith(("EEG", "EMG", "EOG")):
        return "other"
    return "ecg" if name in _ECG or unit.strip().lower() in _VOLTS else "other"


def lead_index(leads: Sequence[str], wanted: str) -> int | None:
    """Index of the lead that is called ``wanted``, exactly or by another of its names; None where there is none."""
    if wanted in leads:
        return list(leads).index(wanted)
    standard = [standard_name(lead) for lead in leads]
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
    kind = lead_kind(name, "")
    free = [
        j
        for j, lead in enumerate(recording.leads)
        if j not in taken and lead_kind(lead, recording.units[j]) == kind and kind != "other"
    ]
    near = _NEIGHBOURS.get(standard_name(name), ())
    rank = {n: r for r, n in enumerate(near)}
    return min(free, key=lambda j: (rank.get(standard_name(recording.leads[j]), len(near)), j), default=None)
