"""FHIR of many patients, some at a time: resources go to files by a hash of the patient, and each file is read."""

import json
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from medanomaly.core.errors import InputError
from medanomaly.tabular.events.account import Account
from medanomaly.tabular.events.description import EventSpec
from medanomaly.tabular.events.form import EventPart, sliced
from medanomaly.tabular.events.readers.fhir import (
    READ,
    TWICE,
    Walk,
    fhir_files,
    has_lines,
    id_of,
    lose,
    no_resource,
    read_fhir,
    resources_of_file,
)

# bytes of resources that are read at once; a packed file holds about so many times its size
_BYTES, _PACKED = 1 << 26, 10
_MOST_PILES = 256
# resources whose ids are compared with those of earlier ones at once
_BATCH = 20_000


def fhir_parts(source: Any, spec: EventSpec, patients: int) -> Iterator[EventPart]:
    """Events of FHIR resources, so many patients at a time.

    Files with one resource per line and folders are copied to a temporary folder, divided by patient; one JSON document is
    read at once. A JSON document of a folder that cannot be read costs only what it says.

    Args:
        source: as of :func:`medanomaly.tabular.events.readers.fhir.read_fhir`.
        spec: the recipe.
        patients: of a part.

    Raises:
        DataNotFoundError: as of ``read_fhir``.
        InputError: as of ``read_fhir``, or a file with one resource per line is cut off: it may hold events of everybody.
    """
    path = Path(source) if isinstance(source, (str, Path)) else None
    if path is None or (path.is_file() and not has_lines(path)):
        yield from sliced(read_fhir(source, spec), patients)
        return
    with tempfile.TemporaryDirectory(prefix="medanomaly-") as folder:
        divided = _Divided(spec, fhir_files(path), Path(folder))
        refused = divided.divide(path)
        for i, piles in enumerate(divided.together()):
            walk = Walk(spec, divided.account if i == 0 else None, divided.pointed)
            for pile in piles:
                for resource in resources_of_file(pile, walk.account):
                    walk.add(resource)
                pile.unlink()
            yield from sliced(walk.events(), patients, refused if i == 0 else {})


class _Divided:
    """Resources in piles, a file each; all of a patient are in one."""

    def __init__(self, spec: EventSpec, files: list[Path], folder: Path):
        self._files, self._folder = files, folder
        size = sum(file.stat().st_size * (_PACKED if file.suffix.lower() == ".gz" else 1) for file in files)
        self._n = min(_MOST_PILES, max(1, -(-size // _BYTES)))
        self._walk = Walk(spec)
        self._same: set[tuple[int, int]] = set()
        self._seen = np.empty(0, np.int64)

    @property
    def account(self) -> Account:
        """What became of the resources that are in no pile."""
        return self._walk.account

    @property
    def pointed(self) -> dict[str, Mapping]:
        """Resources that others point to."""
        return self._walk.pointed

    def divide(self, source: Path) -> dict[str, str]:
        """Write the piles; returns name of a file -> why it cannot be read."""
        refused, n, batch = {}, 0, []
        with ExitStack() as stack:
            piles = [stack.enter_context(file.open("w", encoding="utf-8")) for file in self._piles()]
            for file in self._files:
                try:
                    for resource in resources_of_file(file, self.account):
                        n += 1
                        if resource["resourceType"] not in READ:
                            self._walk.add(resource)
                            continue
                        batch.append(resource)
                        if len(batch) == _BATCH:
                            self._write(batch, piles)
                            batch = []
                except InputError as error:
                    if has_lines(file) or len(self._files) == 1:
                        raise
                    refused[file.relative_to(source).as_posix()] = (
                        f"the file cannot be used, and whatever it says of a patient is in no answer: {error.problem}"
                    )
            self._write(batch, piles)
        if not n:
            raise no_resource(source)
        return refused

    def together(self) -> list[list[Path]]:
        """The piles, those together that speak of one patient under two names."""
        root = list(range(self._n))
        for a, b in self._same:
            old, new = sorted((root[a], root[b]), reverse=True)
            root = [new if one == old else one for one in root]
        piles = self._piles()
        return [[piles[i] for i in range(self._n) if root[i] == one] for one in sorted(set(root))]

    def _piles(self) -> list[Path]:
        return [self._folder / f"{i}.ndjson" for i in range(self._n)]

    def _write(self, batch: list[Mapping], piles: list) -> None:
        # eight bytes per id are all that is kept of earlier resources
        keys = np.array([hash((one["resourceType"], str(one.get("id")))) for one in batch], dtype=np.int64)
        named = np.array([one.get("id") is not None for one in batch], dtype=bool)
        again = np.isin(keys, self._seen)
        first = np.zeros(len(keys), dtype=bool)
        first[np.unique(keys, return_index=True)[1]] = True
        again = named & (again | ~first)
        self._seen = np.union1d(self._seen, keys[named])
        for resource, twice in zip(batch, again.tolist(), strict=True):
            if twice:
                lose(self.account, resource["resourceType"], TWICE)
            else:
                piles[self._pile(resource)].write(json.dumps(resource) + "\n")

    def _pile(self, resource: Mapping) -> int:
        if resource["resourceType"] == "Patient":
            mine, url = self._of(str(id_of(resource))), resource.get("_url")
            if url:
                # events may name the patient by either
                self._same.add((mine, self._of(_end(url))))
            return mine
        try:
            subject = (resource.get("subject") or resource.get("patient") or {}).get("reference")
        except AttributeError:
            subject = None
        return self._of(_end(str(subject)))

    def _of(self, patient: str) -> int:
        return zlib.crc32(patient.encode("utf-8", "surrogatepass")) % self._n


def _end(reference: str) -> str:
    """The id at the end of a reference or an address."""
    return reference.partition("/_history")[0].rpartition("/")[2].removeprefix("urn:uuid:")
