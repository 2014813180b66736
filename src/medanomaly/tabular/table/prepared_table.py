"""The first step with every raw table: check its header, mark missing values, number its records."""

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.core.plain_text import plain_text
from medanomaly.tabular.table.description import TableSpec

CASE_ID = "case_id"


def check_header(raw: pd.DataFrame, spec: TableSpec, source: str) -> None:
    """Raise :class:`InputError` if the delimiter, the names or the number of columns are wrong."""
    if raw.shape[1] == 1 and any(mark in str(raw.columns[0]) for mark in ";,\t|"):
        raise InputError(
            f"the table has a single column, named {str(raw.columns[0])[:80]!r}: the delimiter is wrong",
            remedy="Set load_args: sep: in the catalog entry to the character that separates the names.",
            source=source,
        )
    repeated = raw.columns[raw.columns.duplicated()]
    if len(repeated):
        raise InputError(
            f"two columns are named '{repeated[0]}'", remedy="Rename one of them.", source=source
        )
    if CASE_ID in raw.columns and CASE_ID not in spec.not_features():
        raise InputError(
            f"a column is named '{CASE_ID}', which the project's own tables use",
            remedy=f"Set case_id: {CASE_ID} if it identifies the record, else list it under ignore or rename it.",
            source=source,
            column=CASE_ID,
        )
    missing = sorted(spec.named_columns() - set(raw.columns))
    if missing:
        raise InputError(
            f"columns {missing} are missing",
            remedy=f"The table has {list(map(str, raw.columns))}; correct the table specification or the file.",
            source=source,
        )
    if len(raw) == 0:
        raise InputError(
            "the table has no records", remedy="Give a file with a header and data rows.", source=source
        )


def prepared(raw: pd.DataFrame, spec: TableSpec, source: str) -> pd.DataFrame:
    """The raw table with stripped names, a checked header, rows numbered from 0, and missing values as NA.

    Columns whose cells hold lists, as Parquet allows, are left out.
    """
    raw = raw.reset_index(drop=True)
    raw.columns = [str(name).strip() for name in raw.columns]
    check_header(raw, spec, source)
    nested = [name for name in raw.columns if _is_nested(raw[name])]
    if used := sorted(set(nested) & (spec.named_columns() - set(spec.ignore))):
        raise InputError(
            "a cell holds a list",
            remedy="Give one value per cell, such as a mean or a count, or list the column under ignore.",
            source=source,
            column=used[0],
        )
    raw = raw.drop(columns=nested)
    stated = list(spec.missing_values)
    words = [*plain_text(pd.Series([str(value) for value in stated], dtype="string")), ""]
    # words such as NA are in no column of numbers; -9 may be
    as_numbers = pd.to_numeric(pd.Series(words, dtype=object), errors="coerce").notna().any()
    plain = [name for name in raw if not as_numbers and pd.api.types.is_numeric_dtype(raw[name])]
    compared = raw.drop(columns=plain).apply(
        lambda values: values.mask(values.isin(stated) | plain_text(values).isin(words))
    )
    return pd.concat([raw[plain], compared], axis=1)[list(raw.columns)]


def nested_columns(raw: pd.DataFrame) -> list[str]:
    """Names of the columns whose cells hold lists."""
    return [str(name).strip() for name in raw.columns if _is_nested(raw[name])]


def _is_nested(values: pd.Series | pd.DataFrame) -> bool:
    if not isinstance(values, pd.Series) or values.dtype != object:
        return False
    return values.map(lambda cell: isinstance(cell, list | tuple | set | dict | np.ndarray)).any()


def case_ids(raw: pd.DataFrame, spec: TableSpec) -> pd.Series:
    """(n,) ids of the records as text: from the id column, or numbers from 1."""
    if spec.case_id is None:
        return pd.Series([str(i + 1) for i in range(len(raw))], dtype="string", index=raw.index)
    return plain_text(raw[spec.case_id])
