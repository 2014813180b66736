"""Make the bundle of a trained detector: its files, calibration scores and manifest, in every modality.

At which alpha cases are flagged is no part of it: p-values are compared with the alarm where they are used.
"""

import hashlib

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle, array_bytes, make_bundle
from medanomaly.core.cases import reference_cases
from medanomaly.core.errors import ConfigurationError

MIN_REFERENCE = 10
CALIBRATION = "calibration.npy"
CALIBRATION_GROUPS = "calibration_groups.npy"
# which calibration case each score is of; it is in no bundle of a run, where facts of some cases take its place
CALIBRATION_ORDER = "calibration_order.npy"


def check_reference(
    cases: pd.DataFrame, name: str, population: str = "normals"
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the cases that a detector learns from, and those that calibrate it.

    Args:
        cases: case table with the split.
        name: the model's name, for the error message.
        population: ``normals`` learns from the normals of train (one-class), ``all`` from all of train.

    Returns:
        Two (n,) bool: cases to learn from, and normal cases that calibrate.

    Raises:
        ConfigurationError: fewer than ten of either.
    """
    train = cases["split"].eq("train") if population == "all" else reference_cases(cases, "train")
    train, calibration = train.to_numpy(), reference_cases(cases, "calibration").to_numpy()
    for part, mask in (("train", train), ("calibration", calibration)):
        if mask.sum() < MIN_REFERENCE:
            raise ConfigurationError(
                f"{int(mask.sum())} normal cases in {part}; '{name}' needs at least {MIN_REFERENCE}",
                remedy=f"Bring more normal cases, or raise split.{part}.",
            )
    return train, calibration


def calibrated_bundle(
    files: dict[str, bytes],
    cases: pd.DataFrame,
    scores: np.ndarray,
    *,
    name: str,
    modality: str,
    kind: str,
    options: dict,
    seed: int,
    input_contract: dict | list,
    population: str = "normals",
    stamp: dict | None = None,
    fingerprint_of: np.ndarray | pd.DataFrame | None = None,
    more: dict | None = None,
) -> Bundle:
    """Add calibration scores and manifest to the files of a model.

    Args:
        files: of the model (ONNX, weights, arrays).
        cases: case table with the split.
        scores: (n,) scores by the exported model; only those of the normal calibration cases are used.
        name: the model's name.
        modality: of the cases that it scores.
        kind: of model.
        options: of the detector.
        seed: of its random numbers.
        input_contract: the inputs that it takes.
        population: as of :func:`check_reference`.
        stamp: data set, version, time, libraries. ``groups`` in it (column and ``min_group_size``) seals the group of every
            calibration score, for p-values within groups.
        fingerprint_of: values of the training cases; with the ids they identify the training data.
        more: further entries of the manifest.
    """
    in_train, in_calibration = check_reference(cases, name, population)
    calibration = np.asarray(scores, dtype=np.float64)[in_calibration]
    order = np.argsort(calibration, kind="stable")
    calibration = calibration[order]
    stamp = dict(stamp or {})
    if (groups := stamp.pop("groups", None)) is not None:
        column = cases.loc[in_calibration, groups["column"]].astype("string").iloc[order]
        codes, levels = pd.factorize(column, sort=True)
        # a case without a group counts in all of them together
        files = files | {CALIBRATION_GROUPS: array_bytes(np.where(codes < 0, len(levels), codes))}
        stamp["calibration_groups"] = dict(groups) | {"levels": [str(level) for level in levels]}
    manifest = {
        "name": name,
        "modality": modality,
        "kind": kind,
        "options": options,
        "population": population,
        "seed": seed,
        "training_data": {
            "n_cases": int(in_train.sum()),
            "n_patients": int(cases.loc[in_train, "patient_id"].nunique()),
            "n_calibration": int(in_calibration.sum()),
            "fingerprint": training_fingerprint(cases[in_train], fingerprint_of),
            "labelled": bool(cases["label"].notna().any()),
        },
        "input_contract": input_contract,
        "p_value_floor": 1.0 / (len(calibration) + 1),
    }
    sealed = {CALIBRATION: array_bytes(calibration), CALIBRATION_ORDER: array_bytes(order.astype(np.int32))}
    return make_bundle(manifest | (more or {}) | stamp, files | sealed)


def training_fingerprint(cases: pd.DataFrame, values: np.ndarray | pd.DataFrame | None = None) -> str:
    """SHA-256 over ids and values of the given cases: identifies the exact training data."""
    digest = hashlib.sha256()
    frames = [cases[["case_id", "patient_id"]]]
    if isinstance(values, pd.DataFrame):
        digest.update(",".join(values.columns).encode())
        frames.append(values)
    for frame in frames:
        digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    if isinstance(values, np.ndarray):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
