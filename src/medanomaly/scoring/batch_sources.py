"""Raw data of a batch in parts, so that it never has to be in memory at once."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError, DataNotFoundError, MedanomalyError
from medanomaly.core.plain_text import plain_text
from medanomaly.core.recipe import Recipe
from medanomaly.partitions.stage import has_parts, parts_of
from medanomaly.scoring.archives import ARCHIVES, archive_contents, archive_members
from medanomaly.tabular.events.form import EventPart, Events
from medanomaly.tabular.events.readers.any_form import event_parts, form_of
from medanomaly.tabular.recipe import TableRecipe
from medanomaly.tabular.table.cleaning import USED_BEFORE
from medanomaly.tabular.table.files import TablePart, read_table, table_parts

# cases of a table, recordings, images and files of patients per part
ROWS = {"tabular": 20_000, "signals": 8, "imaging": 64, "diagnosis": 500}
# patients of events per part; a patient has many events
PATIENTS = 2_000
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Part:
    """Some cases of a batch.

    Attributes:
        names: of its n cases, or of the recordings that they come from.
        take: from and to which place -> raw data of these, and options with which the recipe reads them.
        refused: name -> why it was never given to the recipe.
        account: what became of events that no case is made of; None where there are no events.
    """

    names: Sequence[str]
    take: Callable[[int, int], tuple[Any, Mapping[str, Any]]]
    refused: Mapping[str, str]
    account: pd.DataFrame | None = None

    def __len__(self) -> int:
        return len(self.names)


# a path, the URL of a database, or a table
Source = Path | str | pd.DataFrame
# what a process of its own can open: the parts of one partition of a batch
Opener = Callable[[Recipe], Iterator[Part]]


def parts(recipe: Recipe, source: Source, rows: int) -> Iterator[Part]:
    """The source in parts of so many cases, patients, recordings or images; see :func:`openers`."""
    for opened in openers(recipe, source, rows):
        yield from opened(recipe)


def rows_per_part(recipe: Recipe, source: Source) -> int:
    """Cases of a table, patients of events, recordings or images per part, where nothing else is asked for."""
    return PATIENTS if _of_events(recipe, source) else ROWS[recipe.bundle.manifest.modality]


def openers(recipe: Recipe, source: Source, rows: int) -> Iterator[Opener]:
    """The source in partitions, each of which another process can open with its own copy of the recipe.

    A table is divided by rows, events of a hospital format by patients, a folder of partitions of patients by its files, a
    folder of recordings or images into lists of files, archives of images (zip, tar) one by one.

    Args:
        recipe: that reads the cases.
        source: a table or its file, a folder, or the URL of a database.
        rows: cases of a table, patients of events, recordings or images per part.

    Raises:
        DataNotFoundError: there is nothing at this path.
        ConfigurationError: the recipe reads no files.
    """
    if _of_events(recipe, source):
        # equal records of two patients are counted together
        patients = None if recipe.spec.count_repeats else rows
        for found in event_parts(source, recipe.spec.events, patients):
            yield partial(_opened, part=_some_patients(found))
    elif isinstance(source, str):
        raise DataNotFoundError("there is no such file or folder", source=source, remedy="Correct the path.")
    elif isinstance(recipe, TableRecipe):
        if isinstance(source, Path) and source.is_dir():
            for file in parts_of(source):
                yield partial(_records, source=file, rows=rows)
        else:
            for part in _records(recipe, source, rows):
                yield partial(_opened, part=part)
    elif not isinstance(source, Path):
        raise ConfigurationError(f"a {type(source).__name__} holds no {recipe.noun}s", remedy="Give a path.")
    elif hasattr(recipe, "recordings"):
        recordings = recipe.recordings(source)
        for names in _slices(list(recordings), rows):
            readers = {name: recordings.readers[name] for name in names}
            patients = {name: recordings.patients[name] for name in names if name in recordings.patients}
            own = replace(recordings, readers=readers, patients=patients, left_out={}, notes=())
            yield partial(_opened, part=Part(names, partial(_taken_recordings, own), {}))
    elif hasattr(recipe, "files"):
        files = recipe.files(source) if source.is_dir() else {source.name: source}
        archives = {name: file for name, file in files.items() if file.suffix.lower() in ARCHIVES}
        single = [name for name in files if name not in archives]
        for names in _slices(single, rows):
            own = {name: files[name] for name in names}
            yield partial(_opened, part=Part(names, partial(_taken_files, own), {}))
        for name, file in archives.items():
            yield partial(_archived, name=name, file=file, rows=rows)
    else:
        raise ConfigurationError(
            f"{recipe.noun}s that were cut out come as an array, not as files",
            remedy="Score the array instead.",
        )


def _of_events(recipe: Recipe, source: Source) -> bool:
    if not isinstance(recipe, TableRecipe) or recipe.spec.events is None or isinstance(source, pd.DataFrame):
        return False
    return form_of(source) is not None and not has_parts(Path(source))


def _some_patients(found: EventPart) -> Part:
    if found.events is None:
        return Part([], _nobody, found.refused)
    names = found.events.patients["patient_id"].astype(str).tolist()
    return Part(names, partial(_taken_patients, found.events), found.refused, found.events.account.table)


def _nobody(start: int, stop: int) -> tuple[Any, Mapping[str, Any]]:
    raise IndexError(f"{start} to {stop} of nobody")


def _taken_patients(events: Events, start: int, stop: int) -> tuple[Any, Mapping[str, Any]]:
    return events.of_patients(start, stop), {"duplicates": False}


def _opened(_: Recipe, part: Part) -> Iterator[Part]:
    yield part


def _taken_recordings(recordings: Any, start: int, stop: int) -> tuple[Any, Mapping[str, Any]]:
    names = list(recordings)[start:stop]
    return replace(recordings, readers={name: recordings.readers[name] for name in names}), {}


def _taken_files(files: Mapping[str, Any], start: int, stop: int) -> tuple[Any, Mapping[str, Any]]:
    return {name: files[name] for name in list(files)[start:stop]}, {}


def _archived(_: Recipe, name: str, file: Path, rows: int) -> Iterator[Part]:
    """The images of an archive; they are named after it and their place in it."""
    try:
        inside = archive_members(file)
    except Exception as error:  # whatever is wrong with an archive, the others are answered
        why = (
            error.problem
            if isinstance(error, MedanomalyError)
            else f"cannot be read ({type(error).__name__})"
        )
        yield Part([], lambda start, stop: ({}, {}), {name: why})
        return
    for members in _slices(inside, rows):
        names = [f"{name}/{member}" for member in members]
        yield Part(names, partial(_taken_members, file, members, names), {})


def _taken_members(
    file: Path, members: list[str], names: list[str], start: int, stop: int
) -> tuple[Any, Mapping[str, Any]]:
    contents = archive_contents(file, members[start:stop])
    return dict(zip(names[start:stop], contents, strict=True)), {}


def whole(recipe: Recipe) -> bool:
    """Whether the features of a case depend on other cases, so that the table cannot be divided."""
    return isinstance(recipe, TableRecipe) and (recipe.spec.history is not None or recipe.spec.count_repeats)


def _records(recipe: TableRecipe, source: Path | pd.DataFrame, rows: int) -> Iterator[Part]:
    id_column = recipe.spec.case_id
    seen = np.zeros(0, dtype=np.uint64)
    for part in _tables(source, rows, whole(recipe)):
        table = part.table.rename(columns=lambda name: str(name).strip())
        numbers, names = part.numbers, [f"record {number}" for number in part.numbers]
        refused = {f"record {number}": why for number, why in part.misfits.items()}
        if id_column is not None and id_column in table:
            ids = plain_text(table[id_column])
            names = ids.fillna(pd.Series(names, index=ids.index, dtype="string")).tolist()
            # eight bytes per id are all that is kept of earlier parts
            hashed = pd.util.hash_array(ids.fillna("").to_numpy(dtype=object), categorize=False)
            again = (ids.notna() & (ids.duplicated() | np.isin(hashed, seen))).to_numpy(dtype=bool)
            seen = np.union1d(seen, hashed[ids.notna().to_numpy()])
            if again.any():
                # the same id was answered already, so the answer is listed under the number of the row
                refused |= {
                    f"record {numbers[i]}": f"{id_column}: {USED_BEFORE} ({names[i]})"
                    for i in np.flatnonzero(again)
                }
                table, numbers = table[~again].reset_index(drop=True), numbers[~again]
                names = [name for name, gone in zip(names, again, strict=True) if not gone]

        def take(start: int, stop: int, table=table, numbers=numbers):
            return (
                table.iloc[start:stop].reset_index(drop=True),
                {"numbers": numbers[start:stop], "duplicates": False},
            )

        yield Part(names, take, refused)


def _tables(source: Path | pd.DataFrame, rows: int, undivided: bool) -> Iterator[TablePart]:
    if isinstance(source, Path):
        if not undivided:
            yield from table_parts(source, rows)
            return
        source = read_table(source)
    step = len(source) if undivided else rows
    for start in range(0, len(source), max(step, 1)):
        some = source.iloc[start : start + step].reset_index(drop=True)
        yield TablePart(some, np.arange(start + 1, start + 1 + len(some)))


def _slices(names: list[str], rows: int) -> Iterator[list[str]]:
    for start in range(0, len(names), rows):
        yield names[start : start + rows]


def fingerprint(source: Source) -> str:
    """A hash that changes whenever the source does: of a file's bytes, of the names, sizes and times of a folder's files.

    Nobody can tell whether a database behind a URL has changed, so its hash is another one each time.

    Raises:
        DataNotFoundError: there is nothing at this path.
    """
    made = hashlib.sha256()
    if isinstance(source, str):
        made.update(os.urandom(16))
    elif isinstance(source, pd.DataFrame):
        made.update("\x1f".join(map(str, source.columns)).encode())
        text = source.astype("string").fillna("\x00")
        made.update(pd.util.hash_pandas_object(text, index=False).to_numpy().tobytes())
    elif source.is_file():
        with source.open("rb") as stream:
            while block := stream.read(_BLOCK):
                made.update(block)
    elif source.is_dir():
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            state = file.stat()
            made.update(f"{file.relative_to(source)}\x1f{state.st_size}\x1f{state.st_mtime_ns}\n".encode())
    else:
        raise DataNotFoundError("there is no such file or folder", source=source, remedy="Correct the path.")
    return made.hexdigest()
