"""The fusion of a run as a bundle: which models it fuses, and what patients are compared with."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle, array_bytes, make_bundle
from medanomaly.core.errors import BundleError, ConfigurationError
from medanomaly.fusion.patient_fusion import MIN_JOINT, PatientFusion
from medanomaly.fusion.patient_p_values import SEVERAL_PARTS, patients_by_part, smallest_p_values

KIND, MODALITY, NAME = "patient_fusion", "patients", "fusion"
CALIBRATION = "calibration.npy"


def calibration_patients(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The smallest p-value of each patient that calibrates the fusion.

    These are patients of the calibration part who have a normal case in each of their modalities. Their normal cases alone
    count: nearly everybody has some unusual beat in a long recording.

    Args:
        tables: modality -> :func:`~medanomaly.fusion.patient_p_values.case_p_values`.

    Returns:
        As of :func:`~medanomaly.fusion.patient_p_values.smallest_p_values`.
    """
    together = pd.concat(list(tables.values()), ignore_index=True)
    parts = patients_by_part(tables)
    inside = together[together["patient_id"].map(parts).eq("calibration")]
    known = smallest_p_values(inside[inside["reference"]], tuple(tables))
    n_given = inside.groupby("patient_id")["modality"].nunique().reindex(known.index)
    return known[known.notna().sum(axis=1).eq(n_given)]


def seal_fusion(
    tables: Mapping[str, pd.DataFrame],
    bundles: Mapping[str, Bundle],
    alpha: float,
    min_joint: int = MIN_JOINT,
    stamp: Mapping[str, Any] | None = None,
) -> Bundle:
    """Everything that a new patient is compared with.

    Args:
        tables: modality -> :func:`~medanomaly.fusion.patient_p_values.case_p_values`.
        bundles: modality -> the model whose p-values these are.
        alpha: false-alarm rate at which a patient is flagged.
        min_joint: a pattern of modalities with fewer calibration patients is not calibrated on them alone.
        stamp: data set, version, time, libraries.

    Raises:
        ConfigurationError: no modality has a normal calibration patient.
    """
    known = calibration_patients(tables)
    left_out = {
        modality: "no normal calibration patient has such cases"
        for modality in tables
        if not known[modality].notna().any()
    }
    modalities = [modality for modality in tables if modality not in left_out]
    if not modalities:
        raise ConfigurationError(
            "no patient of the calibration part has a normal case in each modality, so patients cannot be compared",
            remedy="Bring more normal patients, or run each modality alone.",
        )
    known = known.loc[known[modalities].notna().any(axis=1), modalities]
    parts = patients_by_part(tables)
    # in an order that says nothing about who they are
    rows = known.to_numpy()[np.lexsort(known.to_numpy().T[::-1])]
    manifest = {
        "kind": KIND,
        "name": NAME,
        "modality": MODALITY,
        "fuses": [
            {
                "modality": modality,
                "model": bundles[modality].manifest.name,
                "bundle": bundles[modality].bundle_hash,
                "n_patients": int(known[modality].notna().sum()),
            }
            for modality in modalities
        ],
        "left_out": left_out,
        "patients_in_several_parts": int(parts.eq(SEVERAL_PARTS).sum()),
        "min_joint": min_joint,
        "training_data": {
            "n_calibration": len(known),
            "fingerprint": hashlib.sha256(rows.tobytes()).hexdigest(),
        },
        "input_contract": "p-values of these models, per patient",
        "thresholds": {"alpha": alpha},
    }
    files = {CALIBRATION: array_bytes(rows), "card.md": _card(manifest).encode()}
    return make_bundle(manifest | dict(stamp or {}), files)


def _card(manifest: Mapping[str, Any]) -> str:
    """What the fusion is, for people."""
    lines = [
        "# Fusion of modalities",
        "",
        "Makes one p-value of those of a patient, and says which modality speaks. Research use only.",
        "",
        "| modality | model | calibration patients | smallest p-value |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {of['modality']} | {of['model']} | {of['n_patients']:,} | {1 / (of['n_patients'] + 1):.2g} |"
        for of in manifest["fuses"]
    ]
    lines += [f"\n{modality} is left out: {why}." for modality, why in manifest["left_out"].items()]
    lines += [
        "",
        f"A pattern of modalities with fewer than {manifest['min_joint']} calibration patients is compared with all who "
        "have at least these modalities, and where these are too few with the table of the Cauchy distribution.",
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class SealedFusion:
    """A fusion that was opened.

    Attributes:
        bundle: that it was opened from.
    """

    bundle: Bundle

    @cached_property
    def fusion(self) -> PatientFusion:
        """Ready to fuse."""
        manifest = self.bundle.manifest
        return PatientFusion(self.bundle.array(CALIBRATION), self.modalities, manifest["min_joint"])

    @property
    def modalities(self) -> tuple[str, ...]:
        """In the order of the columns."""
        return tuple(of["modality"] for of in self.bundle.manifest["fuses"])

    @property
    def models(self) -> dict[str, str]:
        """Modality -> name of its model."""
        return {of["modality"]: of["model"] for of in self.bundle.manifest["fuses"]}

    @property
    def alpha(self) -> float:
        """False-alarm rate at which a patient is flagged."""
        return self.bundle.manifest.thresholds["alpha"]

    @property
    def floors(self) -> dict[str, float]:
        """Modality -> the smallest p-value that its calibration patients allow."""
        return {of["modality"]: 1 / (of["n_patients"] + 1) for of in self.bundle.manifest["fuses"]}


def open_fusion(bundle: Bundle, sealed: Collection[str] | None = None) -> SealedFusion:
    """The fusion of a bundle.

    Args:
        bundle: of the kind ``patient_fusion``.
        sealed: hashes of the models that are there; None asks for none.

    Raises:
        BundleError: it is of another kind, or a model that it fuses is not there.
    """
    if bundle.manifest.kind != KIND:
        raise BundleError(f"'{bundle.manifest.name}' is a bundle of kind '{bundle.manifest.kind}'",
                          remedy="Expected the fusion of a run.")  # fmt: skip
    for of in bundle.manifest["fuses"]:
        if sealed is not None and of["bundle"] not in sealed:
            raise BundleError(
                f"the fusion compares p-values of {of['modality']}.{of['model']} in the state {of['bundle'][:12]}, which is "
                "not there",
                remedy="Keep the folders of a run together, or run all modalities again.",
            )
    return SealedFusion(bundle)
