"""Units of voltage, and amplitudes that do not fit the unit of an ECG."""

from dataclasses import replace

import numpy as np

from medanomaly.core.errors import InputError
from medanomaly.signals.quality.ecg import ecg_index, ecg_measures
from medanomaly.signals.quality.faults import bridged
from medanomaly.signals.quality.params import LARGEST_ECG_SWING, SMALLEST_ECG_SWING
from medanomaly.signals.recordings.leads import MILLIVOLTS, kinds_of_names, lead_kinds, no_waveform
from medanomaly.signals.recordings.recording import Recording

# unit of numbers as an analogue-to-digital converter (ADC) gives them, without a scale
COUNTS = "adu"
_LONGEST_SAMPLE = 200_000
# of the index of quality that does not look at the amplitude; an ECG has more
_LIKE_AN_ECG = 0.55
_LOOKED_AT_S, _SLOWEST_HZ = 60.0, 50.0
_SCALED = "scaled to a usual swing of 1 mV, so amplitudes mean nothing"


def ecg_of(recording: Recording) -> Recording:
    """The ECG leads of a recording in mV: what R peaks, features and scores of beats are made of.

    Leads that are called ECG are taken. Where there is none, leads of unknown names in volts are, and where there is none
    of these, leads of which neither name nor unit says anything. A column that is constant, only rises, or has a few
    values is no lead unless its name is that of one. A constant lead is not used where there is another. Every choice and
    every scale that is assumed stands in ``notes``.

    Raises:
        InputError: there is no ECG lead.
    """
    leads = recording.leads
    kinds = kinds_of_names(leads)
    usable = [j for j, kind in enumerate(kinds) if kind is None and not no_waveform(recording.signal[:, j])]
    in_volts = [j for j in usable if recording.units[j].strip().lower() in MILLIVOLTS]
    chosen = [j for j, kind in enumerate(kinds) if kind == "ecg"] or in_volts or usable
    # a lead that was never connected goes behind those that were
    chosen = [j for j in chosen if not _dead(recording.signal[:, j])] or chosen
    if not chosen:
        raise InputError(
            f"there is no ECG among the leads {', '.join(leads)}",
            record=recording.record,
            remedy="Beats need an ECG; call its leads ECG, II, V1 and so on.",
        )
    if len(chosen) < len(leads):
        rest = ", ".join(lead for j, lead in enumerate(leads) if j not in chosen)
        recording = replace(
            recording,
            signal=np.ascontiguousarray(recording.signal[:, chosen]),
            leads=tuple(leads[j] for j in chosen),
            units=tuple(recording.units[j] for j in chosen),
            notes=(
                *recording.notes,
                f"beats are those of {', '.join(leads[j] for j in chosen)}; not used: {rest}",
            ),
        )
    return _to_scale(in_millivolts(recording))


def _dead(x: np.ndarray) -> bool:
    known = x[np.isfinite(x)]
    return not len(known) or known.min() == known.max()


def _to_scale(recording: Recording) -> Recording:
    """Scale leads whose unit is no voltage, or whose amplitude cannot be that of an ECG in mV, and say so."""
    fs, units, factors, notes = recording.fs, list(recording.units), np.ones(len(recording.leads)), []
    columns = recording.signal.T
    swings = ecg_swings(recording.signal, fs)
    in_volts = np.array([unit.strip().lower() in MILLIVOLTS for unit in units])
    # a single small lead may be one that lies across the heart; where all are small, the unit is wrong
    too_small = bool(in_volts.any()) and np.nanmax(swings[in_volts], initial=0.0) < SMALLEST_ECG_SWING
    for j in np.flatnonzero(in_volts & ((swings > LARGEST_ECG_SWING) | (too_small & (swings > 0)))):
        if not _like_an_ecg(columns[j], fs):
            continue
        large = swings[j] > LARGEST_ECG_SWING
        factors[j] = 1e-3 if large else 1e3
        said = f"the unit is wrong by a factor of 1,000: {'divided' if large else 'multiplied'} by 1,000"
        if not SMALLEST_ECG_SWING <= swings[j] * factors[j] <= LARGEST_ECG_SWING:
            factors[j], said = 1.0 / swings[j], _SCALED
        notes.append(f"{recording.leads[j]}: beats of {swings[j]:.3g} mV are impossible: {said}")
    for unit in dict.fromkeys(unit for unit, volts in zip(units, in_volts, strict=True) if not volts):
        own = [j for j in range(len(units)) if recording.units[j] == unit]
        names = ", ".join(recording.leads[j] for j in own)
        seen = swings[own][swings[own] > 0]
        usual = float(np.median(seen)) if len(seen) else 1.0
        plausible = SMALLEST_ECG_SWING <= usual <= LARGEST_ECG_SWING
        if not unit and plausible and not whole_numbers(recording.signal[:, own]):
            notes.append(f"{names}: no unit is stated: mV was taken")
        else:
            # one factor for all leads of one unit, so that they can still be compared
            factors[own] = 1.0 / usual
            name = "counts of an ADC" if unit == COUNTS else f"unit '{unit}'" if unit else "no unit"
            notes.append(f"{names}: the scale is unknown ({name}): {_SCALED}")
        for j in own:
            units[j] = "mV"
    if not notes:
        return recording
    return replace(
        recording,
        signal=recording.signal * factors.astype(np.float32),
        units=tuple(units),
        notes=(*recording.notes, *notes),
    )


def _like_an_ecg(x: np.ndarray, fs: float) -> bool:
    """Whether a lead has the shape of an ECG, whatever its amplitude."""
    if fs < _SLOWEST_HZ or len(x) < 2 * fs:
        return False
    start = max(0, len(x) // 2 - round(_LOOKED_AT_S * fs / 2))
    x = bridged(x[start : start + round(_LOOKED_AT_S * fs)])
    spread = float(np.std(x))
    if not spread > 0:
        return False
    index, _ = ecg_index(ecg_measures(x / spread, fs, round(5 * fs)), volts=False)
    return float(np.median(index)) >= _LIKE_AN_ECG


def whole_numbers(x: np.ndarray) -> bool:
    """Whether values are whole numbers alone, and more than a few: counts of an ADC, or a unit that is not stated."""
    x = x[np.isfinite(x)]
    return bool(len(x)) and bool(np.all(x == np.rint(x))) and np.ptp(x) > 10


def in_millivolts(recording: Recording) -> Recording:
    """Convert leads in V, µV or nV to mV and say so in ``notes``; other units stay."""
    factors = [MILLIVOLTS.get(unit.strip().lower(), 1.0) for unit in recording.units]
    if all(factor == 1.0 for factor in factors):
        return recording
    changed = [j for j, factor in enumerate(factors) if factor != 1.0]
    return replace(
        recording,
        signal=recording.signal * np.array(factors, dtype=np.float32),
        units=tuple("mV" if j in changed else unit for j, unit in enumerate(recording.units)),
        notes=(
            *recording.notes,
            *(f"lead {recording.leads[j]} converted from {recording.units[j]} to mV" for j in changed),
        ),
    )


def ecg_swings(signal: np.ndarray, fs: float) -> np.ndarray:
    """Median over windows of 2 s of the range between the 1st and the 99th percentile, in the unit of each lead.

    Args:
        signal: (n_samples, n_leads), NaN = missing.
        fs: Hz.

    Returns:
        (n_leads,) swings, NaN where no window is complete.
    """
    width, (n_samples, n_leads) = max(2, round(2 * fs)), signal.shape
    n = n_samples // width
    if n:
        windows = signal[: n * width].reshape(n, width, n_leads)
        # in a long recording, windows spread over it are enough
        windows = windows[:: max(1, n * width // _LONGEST_SAMPLE)]
    else:
        windows = signal[None] if n_samples > 1 else np.empty((0, 1, n_leads), dtype=signal.dtype)
    windows = np.ascontiguousarray(windows.transpose(2, 0, 1))
    swings = np.full(n_leads, np.nan)
    whole = np.isfinite(windows).all(axis=2)
    if whole.any():
        low, high = np.percentile(windows[whole], [1, 99], axis=1)
        ends = np.cumsum(whole.sum(axis=1))
        for lead, (start, stop) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            if start < stop:
                swings[lead] = np.median(high[start:stop] - low[start:stop])
    return swings


def voltage_doubts(recording: Recording) -> dict[str, str]:
    """ECG leads whose amplitude does not fit their unit: name -> what is wrong and what it probably is.

    A swing above 30 mV means a file in µV that says mV. Below 0.02 mV it means a file in V that says mV, or there is no
    ECG. A flat lead is not a case of wrong units.
    """
    doubts, kinds = {}, lead_kinds(recording.leads, recording.units)
    units = [unit.strip().lower() for unit in recording.units]
    ecg = [j for j, unit in enumerate(units) if unit in MILLIVOLTS and kinds[j] == "ecg"]
    signal = recording.signal if len(ecg) == len(units) else recording.signal[:, ecg]
    for j, own in zip(ecg, ecg_swings(signal, recording.fs).tolist(), strict=True):
        lead, swing = recording.leads[j], own * MILLIVOLTS[units[j]]
        if swing > LARGEST_ECG_SWING:
            doubts[lead] = (
                f"a swing of {swing:.3g} mV: the values are probably in µV or unscaled, not in {recording.units[j]}"
            )
        elif 0 < swing < SMALLEST_ECG_SWING:
            doubts[lead] = (
                f"a swing of {swing:.3g} mV: this is not an ECG, or the values are not in {recording.units[j]}"
            )
    return doubts
