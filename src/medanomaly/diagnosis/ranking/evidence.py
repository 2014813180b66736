"""Which statement of the knowledge stands behind a frequency: counts, words and references, per disease and term."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.diagnosis.knowledge.annotations import Annotations
from medanomaly.diagnosis.ranking.packing import packed_texts, unpacked_texts


@dataclass(frozen=True)
class Evidence:
    """Statements of m diseases, sorted by disease and term.

    Attributes:
        first: (m + 1,) where the statements of each disease begin.
        term: (statements,) row of the ontology.
        frequency: (statements,) float32, NaN where nothing is said.
        stated: (statements,) code of what is said, such as ``3/7``.
        reference: (statements,) code of the references.
        texts: what the codes mean; code 0 is empty.
        index: row of each disease id.
    """

    first: np.ndarray
    term: np.ndarray
    frequency: np.ndarray
    stated: np.ndarray
    reference: np.ndarray
    texts: tuple[str, ...]
    index: dict[str, int]

    @classmethod
    def of(cls, annotations: Annotations, diseases: list[str]) -> "Evidence":
        """Statements of these diseases; counts of several publications are added up, as for the ranking."""
        table = annotations.symptoms[~annotations.symptoms["excluded"]]
        row_of = pd.Series(range(len(diseases)), index=diseases)
        disease = table["disease"].astype(str).map(row_of)
        table = table[disease.notna().to_numpy()].assign(row=disease.dropna().astype(np.int64))
        table = table.astype({"references": str, "frequency_given": str})
        key = ["row", "term"]
        alone = ~table.duplicated(key, keep=False)
        several = table[~alone].groupby(key, as_index=False)
        summed = several.agg(
            n=("n", lambda values: values.sum(min_count=1)),
            m=("m", lambda values: values.sum(min_count=1)),
            frequency=("frequency", "mean"),
            frequency_given=(
                "frequency_given",
                lambda texts: ", ".join(dict.fromkeys(t for t in texts if t)),
            ),
            references=("references", lambda texts: ";".join(dict.fromkeys(";".join(texts).split(";")))),
        )
        counted = summed["n"].notna()
        summed.loc[counted, "frequency"] = summed["n"] / summed["m"]
        summed.loc[counted, "frequency_given"] = [
            f"{n:.0f}/{m:.0f}" for n, m in summed.loc[counted, ["n", "m"]].to_numpy()
        ]
        table = pd.concat([table[alone], summed])[[*key, "frequency", "frequency_given", "references"]]
        table = table.sort_values(key, ignore_index=True)
        texts = pd.Index([""]).append(
            pd.Index(pd.concat([table["frequency_given"], table["references"]]).unique())
        )
        texts = texts.unique()
        return cls(
            first=np.searchsorted(table["row"], np.arange(len(diseases) + 1)).astype(np.int32),
            term=table["term"].to_numpy(np.int32),
            frequency=table["frequency"].to_numpy(np.float32),
            stated=texts.get_indexer(table["frequency_given"]).astype(np.int32),
            reference=texts.get_indexer(table["references"]).astype(np.int32),
            texts=tuple(texts),
            index={disease: row for row, disease in enumerate(diseases)},
        )

    def best(self, disease: str, terms: np.ndarray) -> tuple[int, str, str] | None:
        """The most frequent statement of a disease on one of these terms: term, what is said of how often, references."""
        row = self.index.get(disease)
        if row is None:
            return None
        start, end = self.first[row], self.first[row + 1]
        found = start + np.flatnonzero(np.isin(self.term[start:end], terms))
        if not len(found):
            return None
        at = found[np.argmax(np.nan_to_num(self.frequency[found], nan=0.5))]
        return int(self.term[at]), self.texts[self.stated[at]], self.texts[self.reference[at]]

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as arrays without objects; :meth:`from_arrays` reads them."""
        return {
            **{name: getattr(self, name) for name in ("first", "term", "frequency", "stated", "reference")},
            "texts": packed_texts(self.texts),
            "index": packed_texts(self.index),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Evidence":
        """The evidence that :meth:`arrays` described."""
        diseases = unpacked_texts(arrays["index"])
        return cls(
            **{name: arrays[name] for name in ("first", "term", "frequency", "stated", "reference")},
            texts=unpacked_texts(arrays["texts"]),
            index={disease: row for row, disease in enumerate(diseases)},
        )
