"""The manifest: one row per image of any source, and a table of the files that were not listed, with reasons.

Columns: ``case_id`` (unique), ``patient_id``, ``label`` (Int8: 0 normal, 1 anomalous, NA unknown), ``kind`` (in the
words of the data set), ``split_official`` (``train``, ``test`` or NA), ``path`` (what the reader takes),
``mask_path`` (NA without a mask), then subgroup columns. A store adds ``width``, ``height`` and ``aspect`` (width / height).
"""

from dataclasses import dataclass, field, replace

import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.core.splits import SplitParams, split_by_patient, split_outside_test
from medanomaly.imaging.sources.pseudonyms import pseudonym
from medanomaly.imaging.sources.readers import Reader

MANIFEST_COLUMNS = ("case_id", "patient_id", "label", "kind", "split_official", "path", "mask_path")
QUARANTINE_COLUMNS = ("case_id", "path", "reason")
# the words of data sets for their parts; what is no test is divided again
PARTS = {"train": "train", "val": "train", "valid": "train", "validation": "train", "test": "test"}


@dataclass(frozen=True)
class ImageSource:
    """A data set that is listed but not yet read.

    Attributes:
        manifest: one row per image.
        reader: reads the paths of the manifest.
        quarantine: columns case_id, path, reason: files that were found and not listed.
        notes: sentences that a reader of the results should know.
        name: of the data set, named in errors.
    """

    manifest: pd.DataFrame
    reader: Reader
    quarantine: pd.DataFrame = field(default_factory=lambda: quarantine_table([]))
    notes: tuple[str, ...] = ()
    name: str = ""


def quarantine_table(rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    """Rows (case_id, path, reason) as a table of strings."""
    return pd.DataFrame(rows, columns=list(QUARANTINE_COLUMNS), dtype="string")


def manifest_table(rows: pd.DataFrame, source: object) -> pd.DataFrame:
    """Give rows the columns and types of a manifest; missing optional columns become NA.

    Raises:
        InputError: no row, a repeated case_id, a label that is neither 0, 1 nor missing.
    """
    if rows.empty:
        raise InputError("there is no image", source=source)
    rows = rows.reset_index(drop=True).copy()
    for column in MANIFEST_COLUMNS:
        if column not in rows:
            rows[column] = pd.NA
    label = pd.to_numeric(rows["label"], errors="coerce")
    strange = rows["label"][(rows["label"].notna() & label.isna()) | (label.notna() & ~label.isin([0, 1]))]
    if len(strange):
        raise InputError(
            f"label '{strange.iloc[0]}' is neither 0, 1 nor missing",
            remedy="0 = normal, 1 = anomalous.",
            source=source,
            record=rows.loc[strange.index[0], "case_id"],
        )
    rows["label"] = label.astype("Int8")
    rows = rows.astype(dict.fromkeys([c for c in MANIFEST_COLUMNS if c != "label"], "string"))
    rows["patient_id"] = rows["patient_id"].fillna(rows["case_id"])
    repeated = rows["case_id"][rows["case_id"].duplicated()]
    if len(repeated):
        raise InputError("two images have one case_id", source=source, record=repeated.iloc[0])
    return rows[[*MANIFEST_COLUMNS, *(c for c in rows.columns if c not in MANIFEST_COLUMNS)]]


def with_pseudonyms(source: ImageSource, key: bytes | None, *, patients: bool = True) -> ImageSource:
    """The source under ids that show neither files nor patients; paths stay, because the reader needs them.

    Args:
        source: with names of files as case ids.
        key: of the pseudonyms; None for a random one of this process.
        patients: whether patient ids are replaced too; those of DICOM headers are pseudonyms already.
    """

    def hidden(ids: pd.Series, prefix: str) -> pd.Series:
        return ids.map(lambda value: pseudonym(value, prefix, key)).astype("string")

    manifest = source.manifest
    case = hidden(manifest["case_id"], "I")
    # an image without a patient counts as its own
    alone = manifest["patient_id"] == manifest["case_id"]
    patient = hidden(manifest["patient_id"], "D") if patients else manifest["patient_id"]
    return replace(
        source,
        manifest=manifest.assign(case_id=case, patient_id=patient.mask(alone, case)),
        quarantine=source.quarantine.assign(case_id=hidden(source.quarantine["case_id"], "I")),
    )


def assign_split(manifest: pd.DataFrame, params: SplitParams) -> tuple[pd.Series, pd.DataFrame, str]:
    """Assign train, calibration or test to every image; images of a patient stay together.

    An official test part stays the test part. The rest is divided into train and calibration in the ratio of their
    shares. Training images of a patient who is also in the official test part go to quarantine. Without an official test
    part the split is by patient (:func:`split_by_patient`).

    Args:
        manifest: of n images.
        params: shares and seed.

    Returns:
        ``(split, quarantine, note)``: (n,) strings, NA for quarantined images; the quarantined images with their reasons;
        one sentence that says which split this is.
    """
    test = (manifest["split_official"] == "test").fillna(False).to_numpy(dtype=bool)
    if not test.any():
        split = split_by_patient(manifest["patient_id"], manifest["label"], params)
        return split, quarantine_table([]), "There is no official test part: the split is by patient."
    in_test = set(manifest.loc[test, "patient_id"])
    crossing = manifest["patient_id"].isin(in_test).to_numpy() & ~test
    split = split_outside_test(manifest["patient_id"], test, params)
    split[crossing] = pd.NA
    rows = [
        (row.case_id, row.path, f"patient '{row.patient_id}' is also in the official test part")
        for row in manifest[crossing].itertuples()
    ]
    note = f"The official test part of {int(test.sum())} images is test; calibration is split off by patient."
    if rows:
        note += f" {len(rows)} training images of patients in the test part are left out."
    return split, quarantine_table(rows), note
