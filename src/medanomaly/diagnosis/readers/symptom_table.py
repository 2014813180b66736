"""Symptoms as a table (CSV, TSV, Excel, Parquet): one patient per row, or one symptom per row.

Columns are found by their names (:data:`ROLES`), whatever their case. A cell holds one symptom or several, divided by ``;``,
``|`` or lines: an HPO id, or a name or synonym of a term. ``-HP:0001250`` and ``no seizures`` are excluded symptoms, and
``seizures @0.5`` is one that is half as sure. A column ``excluded`` may hold symptoms too, or say yes or no for its row.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from medanomaly.core.errors import DataNotFoundError, InputError, did_you_mean
from medanomaly.core.plain_text import plain_text
from medanomaly.core.unpacked_size import check_zip_size
from medanomaly.diagnosis.knowledge.ontology import Ontology
from medanomaly.diagnosis.patients import PatientSymptoms, read_symptoms, written_symptoms
from medanomaly.diagnosis.readers.ages import years
from medanomaly.diagnosis.readers.case_table import case_table
from medanomaly.diagnosis.readers.words import Words, folded

# what a column is -> names that say so, folded
ROLES: Mapping[str, tuple[str, ...]] = {
    "case_id": ("case id", "case", "id", "individual", "individual id", "subject", "subject id"),
    "patient_id": ("patient id", "patient"),
    "symptoms": (
        "symptoms", "symptom", "hpo", "hpo id", "hpo ids", "hpo term", "hpo terms", "term", "terms", "term id", "phenotype",
        "phenotypes", "phenotypic features", "observed", "signs",
    ),
    "excluded": ("excluded", "absent", "negated", "negative", "excluded symptoms", "not observed"),
    "present": ("present", "status"),
    "weight": ("weight", "certainty", "sureness"),
    "sex": ("sex", "gender"),
    "age_years": ("age", "age years", "age at last encounter"),
    "onset_years": ("onset", "onset years", "age of onset", "onset age", "age at onset"),
    "disease": ("disease", "disease id", "diagnosis", "omim", "omim id"),
    "disease_name": ("disease name", "diagnosis name"),
    "publication": ("publication", "pmid", "reference"),
}  # fmt: skip
SEXES = {
    **dict.fromkeys(("f", "female", "w", "woman", "girl", "weiblich", "femme", "féminin"), "F"),
    **dict.fromkeys(("m", "male", "man", "boy", "männlich", "homme", "masculin"), "M"),
}
_NO_SEX = {"", "u", "unknown", "o", "other", "na", "n a", "d", "divers", "unk"}
_YES = {"1", "true", "yes", "y", "x", "excluded", "absent", "negated", "not", "negative", "ja", "oui"}
_NO = {"0", "false", "no", "n", "present", "observed", "nein", "non"}
_PRESENT = {"1", "true", "yes", "y", "x", "present", "observed", "positive", "ja", "oui"}
_ABSENT = {"0", "false", "no", "n", "absent", "excluded", "negated", "negative", "nein", "non"}
_EXCLUDED = re.compile(r"^'?\s*(?:[-−–]\s*|(?:no|not|without|excluded)[:\s]\s*)(?=\S)", re.IGNORECASE)
_WEIGHT = re.compile(r"\s*@\s*(\d+(?:[.,]\d+)?)\s*(%?)$")
_TEXT_ENDINGS, _EXCEL_ENDINGS, _PARQUET_ENDINGS = (
    (".csv", ".tsv", ".txt"),
    (".xlsx", ".xlsm"),
    (".parquet", ".pq"),
)
ENDINGS = (*_TEXT_ENDINGS, *_EXCEL_ENDINGS, *_PARQUET_ENDINGS)
# a name that is as like a known one as this is a slip of the pen
_LIKE = 0.8


def read_symptom_table(
    source: Path | str | pd.DataFrame, ontology: Ontology | Words, columns: Mapping[str, str] | None = None
) -> PatientSymptoms:
    """Cases of a table; a term that is unknown, withdrawn or no symptom is listed under ``unread``.

    Args:
        source: the path of a file, or a table.
        ontology: release that terms are resolved with.
        columns: role (a key of :data:`ROLES`) -> name of its column, where the names do not say it.

    Raises:
        DataNotFoundError: there is no such file.
        InputError: the file is no table, has no column of symptoms, or nothing says whose they are.
    """
    table = source.copy() if isinstance(source, pd.DataFrame) else read_file(Path(source))
    name = "table" if isinstance(source, pd.DataFrame) else source
    roles = _roles([str(column) for column in table.columns], columns or {}, name)
    table = table.set_axis([str(column) for column in table.columns], axis=1)
    text = pd.DataFrame({role: plain_text(table[column]).fillna("") for role, column in roles.items()})
    text = text[(text != "").any(axis=1)]
    words = ontology if isinstance(ontology, Words) else Words(ontology)
    return _Table(text, words, str(name)).patients()


def read_file(path: Path, header_only: bool = False) -> pd.DataFrame:
    """A file with every cell as it is written, or only its columns.

    Raises:
        DataNotFoundError: there is no such file.
        InputError: it is no table.
    """
    rows = 0 if header_only else None
    if not path.is_file():
        raise DataNotFoundError("the file does not exist", source=path)
    ending = path.suffix.lower()
    try:
        if ending in _EXCEL_ENDINGS:
            check_zip_size(str(path), path.stat().st_size, path)
            return pd.read_excel(path, dtype=object, keep_default_na=False, na_values=[""], nrows=rows)
        if ending in _PARQUET_ENDINGS:
            import pyarrow.parquet as pq

            return pq.read_schema(path).empty_table().to_pandas() if header_only else pd.read_parquet(path)
        if ending in _TEXT_ENDINGS:
            return pd.read_csv(
                path, sep=_separator(path), dtype=str, keep_default_na=False, encoding="utf-8-sig", nrows=rows
            )
    except InputError:
        raise
    # the libraries of these formats raise what they like
    except Exception as error:
        raise InputError(f"the file cannot be read as a table: {error}", source=path) from error
    raise InputError(
        f"a file that ends in '{ending}' is no table of symptoms",
        remedy=f"Tables end in {', '.join(ENDINGS)}.",
        source=path,
    )


def _separator(path: Path) -> str:
    with path.open(encoding="utf-8-sig") as lines:
        head = lines.readline()
    # symptoms are often divided by ; inside of a cell, so the header alone tells
    return max("\t,;|", key=head.count)


def _roles(names: list[str], given: Mapping[str, str], source: object) -> dict[str, str]:
    """Role -> column.

    Raises:
        InputError: a column of that name is not there, two have one role, or a needed one is missing or misspelt.
    """
    found: dict[str, str] = {}
    for role, column in given.items():
        if role not in ROLES or column not in names:
            known = ROLES if role not in ROLES else names
            wrong = role if role not in ROLES else column
            raise InputError(
                f"there is no {'role' if role not in ROLES else 'column'} '{wrong}'",
                remedy=f"{did_you_mean(wrong, known)}There are {', '.join(known)}.",
                source=source,
            )
        found[role] = column
    others = []
    for column in names:
        role = next(
            (role for role, words in ROLES.items() if folded(column.replace("_", " ")) in words), None
        )
        if role is None:
            others.append(column)
        elif role not in given:
            if role in found:
                raise InputError(
                    f"the columns '{found[role]}' and '{column}' both say {role.replace('_', ' ')}",
                    remedy=f"Rename one, or name the right one: columns={{'{role}': '{column}'}}.",
                    source=source,
                )
            found[role] = column
    _refuse_misspelt([column for column in others if column not in given.values()], found, source)
    if "symptoms" not in found:
        raise InputError(
            f"no column holds symptoms: {names[:20]}",
            remedy="Call it 'symptoms', with HPO ids or names of terms.",
            source=source,
        )
    if not {"case_id", "patient_id"} & set(found):
        raise InputError(
            f"nothing says whose the symptoms are: {names[:20]}",
            remedy="Give a column 'case_id', which is equal in all rows of one patient.",
            source=source,
        )
    return found


def _refuse_misspelt(others: list[str], found: Mapping[str, str], source: object) -> None:
    from difflib import get_close_matches

    open_names = [
        word for role, words in ROLES.items() if role not in found for word in words if len(word) > 4
    ]
    for column in others:
        if near := get_close_matches(folded(column.replace("_", " ")), open_names, 1, _LIKE):
            raise InputError(
                f"the column '{column}' is not known, and '{near[0]}' is not given",
                remedy=f"Rename it to '{near[0]}' if it is that, else leave it out.",
                source=source,
                column=column,
            )


@dataclass
class _Table:
    """Text of the columns by role, and what is found in it."""

    text: pd.DataFrame
    words: Words
    source: str
    rows: list[tuple] = field(default_factory=list)
    unread: list[tuple[str, str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def patients(self) -> PatientSymptoms:
        ids = self.text["case_id"] if "case_id" in self.text else self.text["patient_id"]
        for number in (ids == "").to_numpy().nonzero()[0]:
            self.refused.append(
                (f"row {self.text.index[number] + 1}", "nothing says whose symptoms these are")
            )
        kept = self.text.assign(case_id=ids)[(ids != "").to_numpy()]
        cases = []
        for case, part in kept.groupby("case_id", sort=False):
            # an onset beside a single row is that of the disease
            of_disease = len(part) == 1
            for row in part.to_dict("records"):
                self._row(
                    row, float("nan") if of_disease else self._age(str(case), row.get("onset_years", ""))
                )
            cases.append(self._case(str(case), part, of_disease))
        return read_symptoms(
            case_table(cases), written_symptoms(self.rows), self.words, self.refused, self.unread
        )

    def _row(self, row: Mapping[str, str], onset: float) -> None:
        case, others = row["case_id"], row.get("excluded", "")
        excluded = folded(others) in _YES
        if row.get("present"):
            state = folded(row["present"])
            if state not in _PRESENT | _ABSENT:
                self.unread.append(
                    (case, row["symptoms"], f"'{row['present']}' says neither present nor absent")
                )
                return
            excluded = state in _ABSENT
        cells = [(row["symptoms"], excluded)]
        if others and folded(others) not in _YES | _NO:
            cells.append((others, True))
        for cell, absent in cells:
            for entry in self._entries(cell):
                self._entry(case, entry, absent, row.get("weight", ""), onset)

    def _entries(self, cell: str) -> Iterator[str]:
        parts = [part.strip() for part in re.split(r"[;|\n]", cell)]
        for part in filter(None, parts):
            # names of terms hold commas too: Intellectual disability, mild
            by_comma = [one.strip() for one in part.split(",")]
            several = len(by_comma) > 1 and not self.words.knows(_bare(part))
            if several and all(self.words.knows(_bare(one)) for one in by_comma):
                yield from by_comma
            else:
                yield part

    def _entry(self, case: str, entry: str, excluded: bool, weight: str, onset: float) -> None:
        sure = _weight(weight) if weight else 1.0
        if (match := _WEIGHT.search(entry)) is not None:
            sure, entry = _weight(match[1] + match[2]), entry[: match.start()]
        # names such as "No social interaction" begin like an exclusion
        if not self.words.knows(entry) and (negated := _EXCLUDED.match(entry)) is not None:
            excluded, entry = True, entry[negated.end() :].strip()
        self.rows.append((case, entry, excluded, sure, onset))

    def _case(self, case: str, part: pd.DataFrame, onset_of_disease: bool) -> tuple:
        def one(role: str) -> str | None:
            """The value of a column; a case of which rows say different things keeps none of them."""
            values = [value for value in part[role].unique() if value] if role in part else []
            if len(values) > 1:
                self.unread.append(
                    (
                        case,
                        ", ".join(values),
                        f"rows of one case differ in {role.replace('_', ' ')}: it is not used",
                    )
                )
            return values[0] if len(values) == 1 else None

        sex, written = None, one("sex") or ""
        if folded(written) in SEXES:
            sex = SEXES[folded(written)]
        elif folded(written) not in _NO_SEX:
            self.unread.append((case, written, "it is no sex such as F or M"))
        age = one("age_years") or ""
        return (
            case, one("patient_id") or case, one("publication"), one("disease"), one("disease_name"), sex,
            self._age(case, age), self._age(case, one("onset_years") or "") if onset_of_disease else float("nan"),
        )  # fmt: skip

    def _age(self, case: str, text: str) -> float:
        found = years(text) if text else None
        if text and found is None:
            self.unread.append((case, text, "it is no age, such as 3.5 (years), 18 months or P3Y6M"))
        return float("nan") if found is None else found


def _bare(entry: str) -> str:
    """An entry without its weight and its mark of exclusion."""
    return _EXCLUDED.sub("", _WEIGHT.sub("", entry))


def _weight(text: str) -> float:
    """A weight or a percentage; NaN, which is refused, where it is neither."""
    try:
        number = float(text.strip().rstrip("%").replace(",", "."))
    except ValueError:
        return float("nan")
    return number / 100 if text.strip().endswith("%") else number
