"""Cases of an image data set (one per image), their split, and the images that could not be used."""

import numpy as np
import pandas as pd
from pydantic import Field

from medanomaly.core.cases import SPLITS, age_band, check_cases, rare_as_one
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.params import Params
from medanomaly.core.splits import SplitParams
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.manifest import ImageSource, assign_split
from medanomaly.imaging.sources.store import ImageStore

# columns of a manifest that do not define groups of patients
_NO_GROUPS = ("case_id", "patient_id", "label", "kind", "split_official", "path", "mask_path", "split", "row",
              "transfer_syntax", "burned_in", "age")  # fmt: skip
MAX_LEVELS = 30
MIN_PATIENTS = 5


class ImageParams(Params):
    """How images are prepared.

    Attributes:
        contract: size, geometry and contrast.
        dtype: of the store; ``uint8`` needs a quarter of the space.
        store: folder of the prepared images.
        min_patients: a level of a subgroup that fewer patients have is written as "(fewer than 5 patients)": fields of a
            header sometimes hold what belongs into another one.
    """

    contract: InputContract = InputContract()
    dtype: str = "float32"
    store: str
    min_patients: int = Field(MIN_PATIENTS, ge=1)


def shown_names(table: pd.DataFrame) -> pd.Series:
    """(n,) name of the file of each row with ``case_id`` and ``path``, NA where the id is a pseudonym that hides it."""
    name = table["path"].astype("string").str.rsplit("/", n=1).str[-1]
    case = table["case_id"].astype("string").str.rsplit("/", n=1).str[-1]
    return name.where((case == name) | (case == name.str.rsplit(".", n=1).str[0]))


def image_cases(
    source: ImageSource, store: ImageStore, split: SplitParams, min_patients: int = MIN_PATIENTS
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict]:
    """Split the images that could be read.

    Args:
        source: the listed images.
        store: those that could be read.
        split: shares; an official test part stays the test part.
        min_patients: as of :class:`ImageParams`.

    Returns:
        ``(manifest, cases, quarantine, summary)``. Row i of the manifest is row i of the case table; its ``row`` is the row
        in the store. The quarantine has ``record, case_id, column, value, reason, path``. The counts of the summary add up.

    Raises:
        ConfigurationError: a part of the split is empty.
    """
    part, crossing, note = assign_split(store.manifest, split)
    used = part.notna().to_numpy()
    manifest = store.manifest.assign(row=np.arange(len(store.manifest)), split=part)[used].reset_index(
        drop=True
    )
    missing = [name for name in SPLITS if not manifest["split"].eq(name).any()]
    if missing:
        raise ConfigurationError(
            f"{' and '.join(missing)} would have no image: {manifest['patient_id'].nunique()} patients are too few",
            source=source.name,
            remedy="Bring images of more patients.",
        )
    cases = manifest[["case_id", "patient_id", "label", "kind", "split"]].copy()
    for name in manifest.columns.difference(_NO_GROUPS, sort=False):
        if not pd.api.types.is_numeric_dtype(manifest[name]) and 1 < manifest[name].nunique() <= MAX_LEVELS:
            levels = rare_as_one(manifest[name].astype("string"), manifest["patient_id"], min_patients)
            # nothing is compared where all are rare
            if len(levels.dropna().unique()) > 1:
                cases[name] = levels
    if "age" in manifest:
        cases["age_band"] = age_band(pd.to_numeric(manifest["age"], errors="coerce"))
    rejected = pd.concat([store.quarantine, crossing], ignore_index=True)
    # only the name: folders describe the machine, not the image
    shown = shown_names(rejected).fillna(rejected["case_id"])
    quarantine = pd.DataFrame(
        {
            "record": rejected["case_id"],
            "case_id": rejected["case_id"],
            "column": "file",
            "value": shown,
            "reason": rejected["reason"],
            # stays in the intermediate table, so that the file can be found
            "path": rejected["path"],
        },
        dtype="string",
    )
    summary = {
        "source": source.name.rsplit("/", 1)[-1],
        "n_records": len(cases) + len(quarantine),
        "n_kept": len(cases),
        "n_quarantined": len(quarantine),
        "reasons": [
            {"column": "file", "reason": reason, "n_records": int(n)}
            for reason, n in quarantine["reason"].value_counts().items()
        ],
        "notes": [note, *source.notes, *store.notes],
    }
    return manifest, check_cases(cases), quarantine, summary
