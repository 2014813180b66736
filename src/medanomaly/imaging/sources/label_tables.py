"""Tables of labels beside a folder of images: their columns, and which file each row means."""

import difflib
from pathlib import PurePosixPath

import pandas as pd

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.imaging.sources.manifest import MANIFEST_COLUMNS, PARTS
from medanomaly.imaging.sources.raw_image import DICOM_SUFFIXES, SUFFIXES

_MISSING = ("", "na", "n/a", "nan", "none", "null", "<na>")


def label_columns(table: pd.DataFrame, given: dict[str, str]) -> tuple[pd.DataFrame, list[str]]:
    """A label table under the names of a manifest, and notes.

    Paths, ids, kinds and parts are text as it stands in the file. Other columns keep their names; they are numbers where all
    of their values are.

    Args:
        table: as it was read.
        given: name in the manifest to name in the table; one column may be used twice.
    """
    absent = [column for column in given.values() if column not in table]
    if absent:
        raise ConfigurationError(
            f"columns {absent} are not in the label table", remedy=f"There are {list(table.columns)}."
        )
    result = pd.DataFrame({new: _as_text(table[old]) for new, old in given.items()})
    if "split_official" in result:
        part = result["split_official"].str.lower().map(PARTS)
        strange = result["split_official"][part.isna() & result["split_official"].notna()]
        if len(strange):
            raise InputError(
                f"part '{strange.iloc[0]}' of the data set is unknown",
                remedy=f"Expected one of {list(PARTS)}, or nothing.",
                column=given["split_official"],
            )
        result["split_official"] = part
    unused = [c for c in table if c not in given.values() and c in MANIFEST_COLUMNS]
    for column in table.columns.difference([*given.values(), *unused], sort=False):
        text = _as_text(table[column])
        number = pd.to_numeric(text, errors="coerce")
        padded = text.str.match(r"0\d", na=False).any()
        result[column] = text if padded or (number.isna() & text.notna()).any() else number
    notes = [
        f"Column '{c}' of the label table is not used: another one was chosen in its place." for c in unused
    ]
    return result, notes


def _as_text(values: pd.Series) -> pd.Series:
    """Text without blanks around it; words for "missing" become NA."""
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    text = values.astype("string").str.strip()
    return text.mask(text.str.lower().isin(_MISSING))


def _plain(path: str) -> str:
    return "/".join(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))


def _without_suffix(path: str) -> str:
    """Without the suffix of an image; what follows a dot may be part of a name, as in 1.2.840."""
    ending = PurePosixPath(path).suffix
    return path[: -len(ending)] if ending.lower() in SUFFIXES + DICOM_SUFFIXES else path


def matching_files(paths: pd.Series, names: list, root: str) -> list[str | None]:
    """The file of each path of a table, None without one; the nearest spelling wins, and it must fit one file only."""
    names = [str(name) for name in names]
    folder = root.rsplit("/", 1)[-1]
    spellings = (
        lambda n: n,
        lambda n: n.casefold(),
        lambda n: _without_suffix(n).casefold(),
        lambda n: n.rsplit("/", 1)[-1].casefold(),
        lambda n: _without_suffix(n.rsplit("/", 1)[-1]).casefold(),
    )
    known = []
    for spelling in spellings:
        files: dict[str, str | None] = {}
        for name in names:
            key = spelling(name)
            files[key] = None if key in files else name
        known.append(files)

    def match(path) -> str | None:
        if pd.isna(path):
            return None
        plain = _plain(path)
        parts = plain.split("/")
        below = "/".join(parts[parts.index(folder) + 1 :]) if folder in parts[:-1] else plain
        for number, (spelling, files) in enumerate(zip(spellings, known, strict=True)):
            for candidate in dict.fromkeys((plain, below)):
                # the last two spellings leave out folders, which is right only for a name without any
                if number < 3 or "/" not in candidate:
                    found = files.get(spelling(candidate))
                    if found is not None:
                        return found
        return None

    return [match(path) for path in paths]


def with_labels(
    frame: pd.DataFrame, labels: pd.DataFrame, root: str, source: str
) -> tuple[pd.DataFrame, list[str]]:
    """Join a label table by path.

    Args:
        frame: ``_name`` and other columns of n files.
        labels: ``path`` and other columns.
        root: folder of the files.
        source: shown in errors.

    Returns:
        The n files with the columns of the table and ``_listed``, and the paths of the table that have no file.

    Raises:
        InputError: a file has two rows, or nothing or only half fits (of the files or of the rows, whichever are fewer).
    """
    names = frame["_name"].tolist()
    labels = labels.assign(_name=matching_files(labels["path"], names, root))
    listed = labels["_name"].notna()
    # a table may list more than is in the folder, or less; a single row without a file costs only itself
    few, fit = min(len(names), len(labels)), labels["_name"].nunique()
    if few and (not fit or (2 * fit <= few and (~listed).sum() > 1)):
        raise _no_fit(
            labels.loc[~listed, "path"].dropna().tolist(), sorted(set(names) - set(labels["_name"])), source
        )
    twice = labels["path"][listed & labels["_name"].duplicated()]
    if len(twice):
        raise InputError("an image has two rows in the label table", source=source, record=twice.iloc[0])
    joined = labels[listed].set_index("_name").reindex(names).reset_index(drop=True)
    frame = frame.reset_index(drop=True).assign(_listed=joined["path"].notna())
    for column in joined.columns.drop("path"):
        frame[column] = joined[column] if column not in frame else joined[column].combine_first(frame[column])
    return frame, sorted(set(labels.loc[~listed, "path"].dropna()))


def _no_fit(paths: list[str], names: list[str], source: str) -> InputError:
    """The error for a label table that does not fit its files; it shows two that should have fitted."""
    path = paths[0] if paths else "nothing"
    near = difflib.get_close_matches(path, names[:2000], n=1, cutoff=0.0) or ["nothing"]
    return InputError(
        f"the label table does not fit the files: half of them or more have no row, such as '{near[0]}', "
        f"where the table has '{path}'",
        remedy="Write paths relative to the folder, as text: a program may have cut the zeros of 000012.",
        source=source,
    )
