"""Annotations of diseases by symptoms (``phenotype.hpoa``): how often a disease has a symptom, and who says so."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.diagnosis.knowledge.ontology import Ontology, open_text

COLUMNS = (
    "database_id",
    "disease_name",
    "qualifier",
    "hpo_id",
    "reference",
    "evidence",
    "onset",
    "frequency",
    "sex",
    "modifier",
    "aspect",
    "biocuration",
)
# middle of each range that the ontology defines for a word of frequency
FREQUENCY_OF_WORD = {
    "HP:0040280": ("Obligate", 1.0),
    "HP:0040281": ("Very frequent", 0.9),
    "HP:0040282": ("Frequent", 0.55),
    "HP:0040283": ("Occasional", 0.17),
    "HP:0040284": ("Very rare", 0.025),
    "HP:0040285": ("Excluded", 0.0),
}
_COUNTS = re.compile(r"^(\d+)/(\d+)$")
_PERCENT = re.compile(r"^(\d+(?:\.\d+)?)%$")


@dataclass(frozen=True)
class Annotations:
    """What one release says of diseases.

    Attributes:
        version: release, such as ``2025-01-16``.
        symptoms: one row per statement: ``disease`` (id), ``disease_name``, ``term`` (row of the ontology), ``term_given``
            (id as written), ``n`` and ``m`` (n of m patients, NaN without counts), ``frequency`` (share in [0, 1], NaN where
            nothing is said), ``frequency_given`` (as written, codes as words), ``references`` (ids joined by ``;``),
            ``evidence`` (PCS published, TAS author statement, IEA by machine), ``onset`` (id or empty), ``sex`` (``F``,
            ``M`` or missing), ``excluded`` (a NOT annotation).
        course: inheritance, course and modifiers: ``disease``, ``term_given``, ``aspect``, ``references``.
        unread: statements whose term the ontology does not have: ``disease``, ``given``, ``reason``.
        names: name per disease id, in order of the id; a disease stays where all its statements are left out.
    """

    version: str
    symptoms: pd.DataFrame
    course: pd.DataFrame
    unread: pd.DataFrame
    names: pd.Series

    def without(self, publications: Iterable[str]) -> "Annotations":
        """The same without any statement that cites one of ``publications``, for whatever disease it is."""
        left_out = set(publications)

        def kept(table: pd.DataFrame) -> pd.DataFrame:
            values = table["references"].cat.categories
            cites = np.array([not left_out.isdisjoint(v.split(";")) for v in values], dtype=bool)
            return table[~cites[table["references"].cat.codes.to_numpy()]].reset_index(drop=True)

        return replace(self, symptoms=kept(self.symptoms), course=kept(self.course))

    def cited(self) -> set[tuple[str, str]]:
        """Pairs of a disease and a publication that one of its statements cites."""
        table = self.symptoms[["disease", "references"]].drop_duplicates().astype(str)
        return {(d, r) for d, refs in table.itertuples(index=False) for r in refs.split(";")}


def _frequency(given: str) -> tuple[float, float, float, str]:
    """n, m, share and words of a frequency as it is written."""
    nan = float("nan")
    if not given:
        return nan, nan, nan, ""
    if (counts := _COUNTS.match(given)) is not None:
        n, m = int(counts[1]), int(counts[2])
        return (n, m, n / m, given) if 0 <= n <= m and m else (nan, nan, nan, given)
    if (percent := _PERCENT.match(given)) is not None:
        return nan, nan, min(float(percent[1]) / 100, 1.0), given
    word, share = FREQUENCY_OF_WORD.get(given, (given, nan))
    return nan, nan, share, word


def read_annotations(path: Path, ontology: Ontology) -> Annotations:
    """Read ``phenotype.hpoa``, plain or .gz.

    Ids that were merged or replaced are read as what took their place; a term that the ontology does not have is listed
    under ``unread``. A count such as 5/3 is read as no frequency.

    Source: https://obophenotype.github.io/human-phenotype-ontology/annotations/phenotype_hpoa/.

    Raises:
        DataNotFoundError: there is no such file.
        InputError: it has other columns.
    """
    path = Path(path)
    version, skipped, line = "unknown", 0, ""
    with open_text(path) as lines:
        for line in lines:
            if not line.startswith("#"):
                break
            skipped += 1
            tag, _, value = line[1:].partition(":")
            # releases before 2023 write date instead of version
            if tag.strip() in ("version", "date"):
                version = value.strip()
    names = [name.strip().lower() for name in line.rstrip("\n").split("\t")] if line else []
    old = {"databaseid": "database_id", "diseasename": "disease_name"}
    names = [old.get(name, name) for name in names]
    if missing := sorted(set(COLUMNS) - {"modifier", "biocuration"} - set(names)):
        raise InputError(
            f"there is no column {', '.join(missing)}",
            remedy="Give phenotype.hpoa of a release of the Human Phenotype Ontology, plain or .gz.",
            source=path,
        )
    table = pd.read_csv(
        path,
        sep="\t",
        skiprows=skipped + 1,
        names=names,
        dtype="category",
        usecols=[n for n in names if n not in ("modifier", "biocuration")],
        na_filter=False,
        quoting=3,
        encoding="utf-8",
    )
    return _tables(table, version, ontology)


def _mapped(column: pd.Series, values: list) -> np.ndarray:
    """One value per category, spread over the rows."""
    return np.asarray(values)[column.cat.codes.to_numpy()] if len(column) else np.asarray(values)


def _tables(table: pd.DataFrame, version: str, ontology: Ontology) -> Annotations:
    is_symptom = (table["aspect"] == "P").to_numpy()
    resolved = [ontology.resolve(term) for term in table["hpo_id"].cat.categories]
    row = _mapped(table["hpo_id"], [-1 if r.row is None else r.row for r in resolved])
    reason = _mapped(table["hpo_id"], [r.reason for r in resolved])
    frequency = [_frequency(given.strip()) for given in table["frequency"].cat.categories]
    sexes = {"MALE": "M", "FEMALE": "F"}
    symptoms = pd.DataFrame(
        {
            "disease": table["database_id"],
            "disease_name": table["disease_name"],
            "term": row.astype(np.int32),
            "term_given": table["hpo_id"],
            **{
                name: _mapped(table["frequency"], [f[k] for f in frequency]).astype(np.float32)
                for k, name in enumerate(("n", "m", "frequency"))
            },
            "frequency_given": pd.Categorical(_mapped(table["frequency"], [f[3] for f in frequency])),
            "references": table["reference"],
            "evidence": table["evidence"],
            "onset": table["onset"],
            "sex": table["sex"].astype(str).str.strip().str.upper().map(sexes).astype("category"),
            "excluded": (table["qualifier"] == "NOT").to_numpy(),
        }
    )
    known = row >= 0
    unread = pd.DataFrame(
        {"disease": table["database_id"].astype(str), "given": table["hpo_id"].astype(str), "reason": reason}
    )[is_symptom & ~known]
    course = table.loc[~is_symptom, ["database_id", "hpo_id", "aspect", "reference"]]
    course.columns = ["disease", "term_given", "aspect", "references"]
    named = table[is_symptom].drop_duplicates("database_id")
    return Annotations(
        version=version,
        symptoms=symptoms[is_symptom & known].reset_index(drop=True),
        course=course.reset_index(drop=True),
        unread=unread.reset_index(drop=True),
        names=pd.Series(
            named["disease_name"].astype(str).to_numpy(), index=named["database_id"].astype(str).to_numpy()
        ).sort_index(),
    )
