"""FHIR of many patients, some at a time: resources go to files by a hash of the patient, and each file is read."""

import json
import tempfile
import zlib
from array import array
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
                for resource, twice in divided.resources(pile):
                    if twice:
                        lose(walk.account, resource["resourceType"], TWICE)
                    else:
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
        self._twice: set[int] = set()

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
        refused = {}
        # eight bytes per resource are all that is kept of it
        keys = array("q")
        with ExitStack() as stack:
            piles = [stack.enter_context(file.open("w", encoding="utf-8")) for file in self._piles()]
            for file in self._files:
                try:
                    for resource in resources_of_file(file, self.account):
                        kind, given = resource["resourceType"], resource.get("id")
                        # a resource without an id is none that was read before
                        keys.append(len(keys) if given is None else hash((kind, str(given))))
                        if kind in READ:
                            line = f"{len(keys) - 1}\t{json.dumps(resource)}\n"
                            piles[self._pile(resource)].write(line)
                        else:
                            self._walk.add(resource)
                except InputError as error:
                    if has_lines(file) or len(self._files) == 1:
                        raise
                    refused[file.relative_to(source).as_posix()] = (
                        f"the file cannot be used, and whatever it says of a patient is in no answer: {error.problem}"
                    )
        if not keys:
            raise no_resource(source)
        _, first = np.unique(np.frombuffer(keys, dtype=np.int64), return_index=True)
        self._twice = set(np.setdiff1d(np.arange(len(keys)), first, assume_unique=True).tolist())
        return refused

    def resources(self, pile: Path) -> Iterator[tuple[Mapping, bool]]:
        """The resources of a pile, and whether one of this kind and id was read before."""
        with pile.open(encoding="utf-8") as file:
            for line in file:
                number, _, text = line.partition("\t")
                yield json.loads(text), int(number) in self._twice

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
