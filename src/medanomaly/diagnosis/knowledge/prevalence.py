"""How common diseases are, by Orphanet (``en_product9_prev.xml``); an optional file that users bring themselves."""

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from medanomaly.core.errors import DataNotFoundError, InputError

COLUMNS = ("disease", "name", "kind", "place", "per_100000", "given", "validated")
LICENCE = "Orphanet (https://www.orphadata.com), CC BY 4.0"
# a number of known cases is no share of a population
COUNTS_OF_CASES = "Cases/families"
# which statement of a disease is taken: the first of these kinds, validated before others, the world before a part of it
KINDS = ("Point prevalence", "Prevalence at birth", "Lifetime Prevalence", "Annual incidence")
PLACES = ("Worldwide", "Europe")
_CLASS = re.compile(r"^([<>]?)\s*([\d ]+)(?:-([\d ]+))?\s*/\s*([\d ]+)$")


def class_per_100000(given: str) -> float:
    """Middle of a class such as ``1-9 / 1 000 000``, half of ``<1 / 1 000 000``, the limit of ``>1 / 1000``; else NaN."""
    match = _CLASS.match(given.strip())
    if match is None:
        return float("nan")
    sign = match[1]
    low, high, of = (float(part.replace(" ", "")) if part else None for part in match.group(2, 3, 4))
    middle = low / 2 if sign == "<" else low if high is None else (low + high) / 2
    return middle / of * 1e5


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


@dataclass(frozen=True)
class Prevalences:
    """Statements of how common diseases are.

    Attributes:
        table: ``disease`` (``ORPHA:1``), ``name``, ``kind`` (point prevalence, at birth, incidence, cases), ``place``,
            ``per_100000`` (the stated mean where it is above 0, else the middle of the class; NaN where nothing is said,
            and of counts of cases), ``given`` (the class as written), ``validated``.
        version: date and version of the file, as it says itself.
    """

    table: pd.DataFrame
    version: str

    @property
    def about(self) -> str:
        """Version and licence, for every output."""
        return f"en_product9_prev.xml {self.version}. {LICENCE}"

    def of_diseases(self) -> pd.DataFrame:
        """``disease``, ``name``, ``per_100000`` of each disease of which any statement tells a share, one row each."""
        known = self.table[self.table["per_100000"] > 0]
        order = known.assign(
            kind=known["kind"].map({name: i for i, name in enumerate(KINDS)}).fillna(len(KINDS)),
            unsure=~known["validated"],
            place=known["place"].map({name: i for i, name in enumerate(PLACES)}).fillna(len(PLACES)),
        )
        first = order.sort_values(["kind", "unsure", "place"], kind="stable").drop_duplicates("disease")
        return first[["disease", "name", "per_100000"]].sort_values("disease", ignore_index=True)


def read_prevalence(path: Path | str) -> Prevalences:
    """Read how common diseases are.

    Source: https://www.orphadata.com/epidemiology/ (CC BY 4.0).

    Raises:
        DataNotFoundError: there is no such file.
        InputError: it is no such XML.
    """
    path = Path(path)
    if not path.is_file():
        raise DataNotFoundError(
            "the file does not exist",
            source=path,
            remedy="Get en_product9_prev.xml from https://www.orphadata.com/epidemiology/ (CC BY 4.0).",
        )
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise InputError(f"the file is no XML: {error}", source=path) from error
    rows = []
    for disorder in root.iter("Disorder"):
        code = _text(disorder, "OrphaCode") or _text(disorder, "OrphaNumber")
        for prevalence in disorder.iter("Prevalence"):
            given, kind = _text(prevalence, "PrevalenceClass/Name"), _text(prevalence, "PrevalenceType/Name")
            stated = pd.to_numeric(_text(prevalence, "ValMoy") or None, errors="coerce")
            share = float(stated) if stated is not None and stated > 0 else class_per_100000(given)
            rows.append(
                (
                    f"ORPHA:{code}",
                    _text(disorder, "Name"),
                    kind,
                    _text(prevalence, "PrevalenceGeographic/Name"),
                    float("nan") if kind == COUNTS_OF_CASES else share,
                    given,
                    _text(prevalence, "PrevalenceValidationStatus/Name") == "Validated",
                )
            )
    if not rows:
        raise InputError(
            "the file says nothing of prevalences",
            source=path,
            remedy="Give en_product9_prev.xml of Orphadata.",
        )
    said = [root.get("date", "").partition(" ")[0], root.get("version", "").strip()]
    version = ", version ".join(part for part in said if part) or "of unknown version"
    return Prevalences(pd.DataFrame(rows, columns=list(COLUMNS)), version)
