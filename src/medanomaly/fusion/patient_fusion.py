"""One p-value per patient, whatever modalities the patient has, and which of them speaks.

Two steps of the same kind. First, the smallest p-value of each modality is ranked among those of calibration patients. Then
the Cauchy statistic of these ranks is ranked among calibration patients who have the same modalities. Both steps use the
same patients and stay valid: ranks are those of the calibration patients and the new one together, so that exchanging the
new patient for one of them changes nothing (full conformal prediction, Vovk et al. 2005). How modalities go together is
then part of the comparison, and nothing is assumed about it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.fusion.statistics import cauchy_statistic, cauchy_table, cauchy_terms

# what a fused p-value rests on
SAME, MORE, TABLE = "same_modalities", "more_modalities", "table"
MIN_JOINT = 100
# p-values times calibration patients that are in memory at once
_BLOCK = 2_000_000


@dataclass(frozen=True)
class FusedPatients:
    """Fused p-values of n patients with k modalities.

    Attributes:
        modalities: (k,) names of the columns.
        by_modality: (n, k) p-value of each modality among patients, NaN where a patient lacks it.
        p_value: (n,) fused.
        basis: (n,) ``same_modalities``: calibrated on patients with the same modalities, which is exact;
            ``more_modalities``: on all patients who have at least these; ``table``: by the table of the Cauchy distribution.
        n_joint: (n,) calibration patients that the fused p-value was compared with; 0 for the table.
    """

    modalities: tuple[str, ...]
    by_modality: np.ndarray
    p_value: np.ndarray
    basis: np.ndarray
    n_joint: np.ndarray

    def speaking(self, alpha: float) -> list[tuple[str, ...]]:
        """The modalities that speak in each patient: none where the fused p-value is above alpha, else those with the
        smallest p-value, which are several where they are equal."""
        smallest = np.nanmin(self.by_modality, axis=1)
        found = (self.by_modality == smallest[:, None]) & (self.p_value <= alpha + 1e-12)[:, None]
        names = np.array(self.modalities, dtype=object)
        return [tuple(names[row]) for row in found]

    def patterns(self) -> list[tuple[str, ...]]:
        """The modalities that each patient has."""
        names = np.array(self.modalities, dtype=object)
        return [tuple(names[row]) for row in ~np.isnan(self.by_modality)]


class PatientFusion:
    """Fuses p-values of new patients.

    Args:
        calibration: (m, k) smallest p-value of each normal calibration patient and modality, NaN where there is none.
        modalities: (k,) names of the columns.
        min_joint: a pattern of modalities with fewer calibration patients is not calibrated on them alone.

    Raises:
        InputError: the shape does not fit, a p-value is outside (0, 1], or a modality has no calibration patient.
    """

    def __init__(self, calibration: np.ndarray, modalities: tuple[str, ...], min_joint: int = MIN_JOINT):
        self.calibration = _checked(calibration, len(modalities))
        self.modalities, self.min_joint = tuple(modalities), min_joint
        self._has = ~np.isnan(self.calibration)
        self.n_patients = self._has.sum(axis=0)
        for modality, n in zip(self.modalities, self.n_patients, strict=True):
            if not n:
                raise InputError(
                    f"no normal calibration patient has {modality} cases",
                    remedy=f"Leave {modality} out, or bring more patients.",
                )
        self._ordered = [
            np.sort(column[has]) for column, has in zip(self.calibration.T, self._has.T, strict=True)
        ]
        # how many calibration patients look at least as unusual as each of them
        self._ranks = self._counted(self.calibration)

    def _counted(self, values: np.ndarray) -> np.ndarray:
        counts = [np.searchsorted(o, v, side="right") for o, v in zip(self._ordered, values.T, strict=True)]
        return np.where(np.isnan(values), np.nan, np.stack(counts, axis=1))

    def fuse(self, smallest: np.ndarray) -> FusedPatients:
        """Fused p-values.

        Args:
            smallest: (n, k) smallest p-value of each new patient and modality, NaN where there is none.

        Raises:
            InputError: a patient has no p-value at all, or one is outside (0, 1].
        """
        new = _checked(smallest, len(self.modalities))
        has = ~np.isnan(new)
        if not has.any(axis=1).all():
            raise InputError(
                "a patient has no p-value of any modality",
                remedy="Leave out patients that no model scored.",
                record=int(np.flatnonzero(~has.any(axis=1))[0]) + 1,
            )
        by_modality = (1 + self._counted(new)) / (self.n_patients + 1.0)
        p, n_joint = np.empty(len(new)), np.zeros(len(new), dtype=np.int64)
        basis = np.full(len(new), TABLE, dtype=object)
        patterns, which = np.unique(has, axis=0, return_inverse=True)
        for i, pattern in enumerate(patterns):
            members = np.flatnonzero(which.ravel() == i)
            found, joint = self._joint(pattern)
            basis[members], n_joint[members] = found, len(joint)
            columns = np.flatnonzero(pattern)
            statistic = cauchy_statistic(by_modality[np.ix_(members, columns)])
            if found == TABLE:
                p[members] = cauchy_table(statistic)
            else:
                p[members] = self._calibrated(new[np.ix_(members, columns)], statistic, joint, columns)
        return FusedPatients(self.modalities, by_modality, p, basis, n_joint)

    def _joint(self, pattern: np.ndarray) -> tuple[str, np.ndarray]:
        """What patients of a pattern are compared with: those of the same pattern, of more modalities, or nobody."""
        same = np.flatnonzero((self._has == pattern).all(axis=1))
        if len(same) >= self.min_joint:
            return SAME, same
        more = np.flatnonzero(self._has[:, pattern].all(axis=1))
        # a single modality needs no table: its rank is a p-value, however few the patients are
        return (MORE, more) if len(more) >= self.min_joint or pattern.sum() == 1 else (TABLE, more[:0])

    def _calibrated(
        self, new: np.ndarray, statistic: np.ndarray, joint: np.ndarray, columns: np.ndarray
    ) -> np.ndarray:
        """Rank of each statistic among those of the calibration patients, whose ranks count the new patient too."""
        known = self.calibration[np.ix_(joint, columns)]
        ranks, n = self._ranks[np.ix_(joint, columns)], self.n_patients[columns]
        alone, together = cauchy_terms(ranks / (n + 1.0)), cauchy_terms((ranks + 1) / (n + 1.0))
        out = np.empty(len(new))
        step = max(1, _BLOCK // known.size)
        for start in range(0, len(new), step):
            part = slice(start, start + step)
            # a p-value of 1 is behind everybody, even where theirs is 1 too
            ahead = (new[part, None, :] <= known) & (new[part, None, :] < 1)
            theirs = np.where(ahead, together, alone).mean(axis=-1)
            # rounding must not make a patient more unusual than one who is equal
            as_unusual = theirs >= statistic[part, None] - 1e-9 * (1 + np.abs(statistic[part, None]))
            out[part] = (1.0 + as_unusual.sum(axis=1)) / (len(joint) + 1.0)
        return out


def _checked(values: np.ndarray, k: int) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != k:
        raise InputError(
            f"p-values have the shape {values.shape}", remedy=f"Expected one row per patient, {k} columns."
        )
    with np.errstate(invalid="ignore"):
        outside = (values <= 0) | (values > 1)
    if outside.any():
        raise InputError(
            f"a p-value is {values[outside][0]:g}",
            remedy="A p-value lies above 0 and is at most 1.",
            record=int(np.flatnonzero(outside.any(axis=1))[0]) + 1,
        )
    return values


def fused_table(patient_id: pd.Series, fused: FusedPatients, alpha: float) -> pd.DataFrame:
    """One row per patient, as people and programs read it.

    Returns:
        ``patient_id``, ``pattern`` (modalities that the patient has, joined by " + "), ``p_<modality>`` of each modality,
        ``p_value``, ``flagged``, ``speaks``, ``basis``, ``n_joint``, ``approximation`` (a sentence; empty where the p-value
        is exact).
    """
    table = pd.DataFrame({"patient_id": pd.array(list(patient_id), dtype="string")})
    table["pattern"] = pd.array([" + ".join(pattern) for pattern in fused.patterns()], dtype="string")
    for j, modality in enumerate(fused.modalities):
        table[f"p_{modality}"] = fused.by_modality[:, j]
    table["p_value"] = fused.p_value
    table["flagged"] = fused.p_value <= alpha + 1e-12
    table["speaks"] = pd.array([" + ".join(names) for names in fused.speaking(alpha)], dtype="string")
    table["basis"] = pd.array(fused.basis, dtype="string")
    table["n_joint"] = fused.n_joint
    said = [approximation(*row) for row in zip(fused.basis, fused.n_joint, strict=True)]
    table["approximation"] = pd.array(said, dtype="string")
    return table


def approximation(basis: str, n_joint: int) -> str:
    """What a fused p-value assumes, as a sentence; empty where it assumes no more than that patients are alike."""
    if basis == SAME:
        return ""
    if basis == MORE:
        return (
            f"Compared with {n_joint:,} patients who have these modalities and perhaps others: this holds if what was not "
            "recorded was not left out because of the illness."
        )
    return (
        "Taken from the table of the Cauchy distribution, because too few calibration patients have all of these "
        "modalities: the rate of false alarms may exceed what was asked by about a fifth where modalities go together."
    )
