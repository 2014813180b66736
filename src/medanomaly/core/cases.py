"""The case table: one row per case, with its patient, label, split and subgroups.

Columns, in this order: ``case_id`` (str, unique), ``patient_id`` (str), ``label`` (Int8: 0 normal, 1 anomalous, NA
unknown), ``kind`` (str: the label in the words of the data set, empty where it says nothing more), ``split``
(``train`` | ``calibration`` | ``test``), then any subgroup columns (``sex``, ``age_band``, ``site``, ...). Where there
are too few patients for a split by patient, a last column ``divided_in_time`` (bool) says that the same people are in
every part.
"""

from itertools import pairwise

import pandas as pd

from medanomaly.core.errors import InputError

SPLITS = ("train", "calibration", "test")
CASE_COLUMNS = ("case_id", "patient_id", "label", "kind", "split")
DIVIDED_IN_TIME = "divided_in_time"
# class of normal cases, which have no kind
NORMAL_CLASS = "normal"

AGE_BAND_EDGES = (0, 18, 40, 65, 80)


def subgroup_columns(cases: pd.DataFrame) -> list[str]:
    """Names of the subgroup columns of a case table."""
    return [column for column in cases.columns if column not in (*CASE_COLUMNS, DIVIDED_IN_TIME)]


def class_of(cases: pd.DataFrame) -> pd.Series:
    """(n,) class of each case in the words of its data set: its kind, ``normal`` without one, missing where unknown."""
    normal = cases["label"].eq(0).fillna(False).astype(bool)
    return cases["kind"].astype("string").mask(normal & cases["kind"].isna(), NORMAL_CLASS)


def age_band(age: pd.Series) -> pd.Series:
    """Age in years to the bands 0-17, 18-39, 40-64, 65-79, 80+; unknown or negative ages give NA."""
    edges = [*AGE_BAND_EDGES, float("inf")]
    labels = [f"{low}-{high - 1}" for low, high in pairwise(AGE_BAND_EDGES)]
    labels.append(f"{AGE_BAND_EDGES[-1]}+")
    return pd.cut(age, bins=edges, right=False, labels=labels).astype("string")


def rare_levels(levels: pd.Series, patients: pd.Series, least: int) -> list[str]:
    """Levels of a category that fewer than ``least`` patients have."""
    counts = patients.groupby(levels, observed=True).nunique()
    return list(counts.index[counts < least])


def rare_as_one(levels: pd.Series, patients: pd.Series, least: int) -> pd.Series:
    """Levels in which those of too few patients are one, so that nothing that is learned or shown names a person."""
    return levels.mask(levels.isin(rare_levels(levels, patients, least)), rare_level(least))


def rare_level(least: int) -> str:
    """The one level in place of all that fewer than ``least`` patients have."""
    return f"(fewer than {least} patients)"


def check_cases(cases: pd.DataFrame, source: object = "case table") -> pd.DataFrame:
    """Return the case table in its declared dtypes, or raise :class:`InputError` naming what breaks the contract."""
    missing = [column for column in CASE_COLUMNS if column not in cases.columns]
    if missing:
        raise InputError(f"columns {missing} are missing", remedy=f"Expected {CASE_COLUMNS}.", source=source)
    cases = cases.astype({"case_id": "string", "patient_id": "string", "label": "Int8", "kind": "string"})
    repeated = cases["case_id"][cases["case_id"].duplicated()]
    if len(repeated):
        raise InputError(
            f"case_id '{repeated.iloc[0]}' occurs {int((cases['case_id'] == repeated.iloc[0]).sum())} times",
            remedy="Give every case a unique id.",
            source=source,
        )
    if cases[["case_id", "patient_id"]].isna().any(axis=None):
        raise InputError(
            "a case has no case_id or no patient_id", remedy="Give every case both ids.", source=source
        )
    strange = set(cases["label"].dropna().unique()) - {0, 1}
    if strange:
        raise InputError(
            f"labels {sorted(strange)} are neither 0, 1 nor unknown",
            remedy="Give 0 (normal), 1 (anomalous) or a missing value.",
            source=source,
            column="label",
        )
    unknown = set(cases["split"].unique()) - set(SPLITS)
    if unknown:
        raise InputError(
            f"unknown splits {sorted(map(str, unknown))}", remedy=f"Expected {SPLITS}.", source=source
        )
    crossing = cases.groupby("patient_id")["split"].nunique()
    if DIVIDED_IN_TIME not in cases and (crossing > 1).any():
        raise InputError(
            f"patient '{crossing.idxmax()}' is in more than one part",
            remedy="Split by patient (medanomaly.core.splits).",
            source=source,
        )
    return cases[[*CASE_COLUMNS, *subgroup_columns(cases), *(c for c in (DIVIDED_IN_TIME,) if c in cases)]]


def reference_cases(cases: pd.DataFrame, split: str) -> pd.Series:
    """Mask of the cases of ``split`` that count as normal.

    Where any case has a label, these are the normal cases. Where none has, these are all cases; a few anomalies among
    them make the p-values conservative, never too small.
    """
    inside = cases["split"] == split
    if cases["label"].notna().any():
        return inside & (cases["label"] == 0).fillna(False).astype(bool)
    return inside
