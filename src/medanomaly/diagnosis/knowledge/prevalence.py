"""How common diseases are, by Orphanet (``en_product9_prev.xml``); an optional file that users bring themselves."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from medanomaly.core.errors import DataNotFoundError, InputError

COLUMNS = ("disease", "name", "kind", "place", "per_100000", "given", "validated")
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


def read_prevalence(path: Path | str) -> pd.DataFrame:
    """One row per statement of how common a disease is.

    Source: https://www.orphadata.com/epidemiology/ (CC BY 4.0).

    Returns:
        ``disease`` (``ORPHA:1``), ``name``, ``kind`` (point prevalence, at birth, incidence, cases), ``place``,
        ``per_100000`` (the stated mean where it is above 0, else the middle of the class, NaN where nothing is said),
        ``given`` (the class as written), ``validated``.

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
            given = _text(prevalence, "PrevalenceClass/Name")
            stated = pd.to_numeric(_text(prevalence, "ValMoy") or None, errors="coerce")
            rows.append(
                (
                    f"ORPHA:{code}",
                    _text(disorder, "Name"),
                    _text(prevalence, "PrevalenceType/Name"),
                    _text(prevalence, "PrevalenceGeographic/Name"),
                    float(stated) if stated is not None and stated > 0 else class_per_100000(given),
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
    return pd.DataFrame(rows, columns=list(COLUMNS))
