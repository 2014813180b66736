"""Notes as numbers: TF-IDF and truncated SVD fitted on train cases, or sentence embeddings of a model on this machine.

The first is latent semantic analysis (Deerwester et al., JASIS 1990). The names of its directions are their strongest
words, so an explanation says which words made a note unusual.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.bundle import array_bytes
from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError
from medanomaly.tabular.table.description import Text

NAMED_BY = 3
# singular values this much below the first are rounding errors: their directions are noise
RANK_TOLERANCE = 1e-6
BATCH = 64
MAX_TOKENS = 512


@dataclass(frozen=True)
class TextModel:
    """Model of the notes of one column.

    Attributes:
        column: the column of notes.
        components: (k, n_terms) float64 for TF-IDF, (k, n_dimensions) for embeddings; rows have unit length.
        terms: words and pairs of words of the vocabulary; empty for embeddings.
        idf: (n_terms,) inverse document frequencies.
        centre: (n_dimensions,) mean embedding of train; zeros for TF-IDF.
        embedding: folder of the sentence model, or None.
    """

    column: str
    components: np.ndarray
    terms: tuple[str, ...] = ()
    idf: np.ndarray | None = None
    centre: np.ndarray | None = None
    embedding: str | None = None

    @property
    def names(self) -> list[str]:
        """Feature names; those of TF-IDF carry the strongest words of each direction."""
        k = len(self.components)
        if self.embedding is not None:
            return [self.words, *(f"{self.column} embedding {i + 1}" for i in range(k))]
        strongest = np.argsort(-np.abs(self.components), axis=1, kind="stable")[:, :NAMED_BY]
        named = (", ".join(self.terms[j] for j in row) for row in strongest)
        return [self.words, *(f"{self.column} {i}: {words}" for i, words in enumerate(named, start=1))]

    @property
    def words(self) -> str:
        """Name of the feature that counts the words of a note."""
        return f"{self.column}_words"

    def transform(self, notes: pd.Series) -> pd.DataFrame:
        """(n, k + 1) float64: number of words, then the k directions; a missing note has zero words and zero directions."""
        text = notes.astype("string").fillna("")
        count = text.str.split().str.len().fillna(0).to_numpy(dtype=np.float64)
        matrix = self._tfidf(text) if self.embedding is None else _embed(text, self.embedding) - self.centre
        directions = np.asarray(matrix @ self.components.T)
        directions[count == 0] = 0.0
        return pd.DataFrame(np.column_stack([count, directions]), columns=self.names, index=notes.index)

    def _tfidf(self, text: pd.Series):
        from scipy import sparse
        from sklearn.preprocessing import normalize

        counts = _counter(self.terms).transform(text)
        counts.data = 1 + np.log(counts.data.astype(np.float64))
        return normalize(counts @ sparse.diags(self.idf))

    def to_files(self) -> tuple[dict, dict[str, bytes]]:
        """JSON types for a manifest, and arrays as files of a bundle."""
        arrays = {"components": self.components, "idf": self.idf, "centre": self.centre}
        files = {f"{self.column}_{k}.npy": array_bytes(v) for k, v in arrays.items() if v is not None}
        return {"column": self.column, "terms": list(self.terms), "embedding": self.embedding}, files

    @classmethod
    def from_bundle(cls, described: dict, bundle) -> "TextModel":
        """The model that :meth:`to_files` wrote."""
        name = described["column"]
        arrays = {
            k: bundle.array(f"{name}_{k}.npy")
            for k in ("components", "idf", "centre")
            if f"{name}_{k}.npy" in bundle.files
        }
        return cls(name, terms=tuple(described["terms"]), embedding=described["embedding"], **arrays)


def fit_text(
    notes: pd.Series, params: Text, seed: int = 0, patients: pd.Series | None = None, min_patients: int = 2
) -> TextModel:
    """Learn the vocabulary and directions of one column of notes.

    Args:
        notes: (n,) notes of train cases; missing ones are skipped.
        params: number of directions, size of the vocabulary, folder of a sentence model.
        seed: of the randomised SVD.
        patients: (n,) whose note it is; None counts every note as another patient.
        min_patients: words in the notes of fewer patients are not learned: two notes may share the name of a person.

    Raises:
        InputError: no word occurs in the notes of ``min_patients`` train patients.
        DataNotFoundError: the folder holds no sentence model.
        ConfigurationError: the extra ``text`` is not installed.
    """
    text = notes.dropna().astype("string")
    # in an order of their own, so that the order of the records changes no direction
    text = text[text.str.strip().ne("")].sort_values(kind="stable")
    if params.embedding is not None:
        return _fit_embedding(str(notes.name), text, params)
    whose = pd.Series(text.index, index=text.index) if patients is None else patients.reindex(text.index)
    terms = _common_terms(text, whose, max(2, min_patients))
    if not terms:
        raise InputError(
            f"no word occurs in the notes of {max(2, min_patients)} train patients ({len(text)} notes)",
            column=notes.name,
            remedy="Bring more notes, or ignore the column.",
        )
    return _fit_tfidf(str(notes.name), text, terms, params, seed)


def _common_terms(text: pd.Series, patients: pd.Series, least: int) -> list[str]:
    """Words and pairs of words that the notes of at least ``least`` patients have."""
    from scipy import sparse
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(ngram_range=(1, 2))
    try:
        counts = counter.fit_transform(text)
    except ValueError:
        return []
    codes = pd.factorize(patients)[0]
    of_patient = sparse.csr_matrix((np.ones(len(codes)), (codes, np.arange(len(codes)))))
    n_patients = np.asarray(((of_patient @ counts) > 0).sum(axis=0)).ravel()
    return list(counter.get_feature_names_out()[n_patients >= least])


def _fit_tfidf(name: str, text: pd.Series, terms: list[str], params: Text, seed: int) -> TextModel:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    common = set(terms)
    analyse = TfidfVectorizer(ngram_range=(1, 2)).build_analyzer()
    vectoriser = TfidfVectorizer(
        analyzer=lambda note: [term for term in analyse(note) if term in common],
        max_features=params.max_terms,
        sublinear_tf=True,
    )
    matrix = vectoriser.fit_transform(text)
    k = min(params.n_components, matrix.shape[0] - 1, matrix.shape[1] - 1)
    if k < 1:
        raise InputError(
            f"{len(text)} notes with {matrix.shape[1]} words in common are too few",
            column=name,
            remedy="Bring more notes, or ignore the column.",
        )
    svd = TruncatedSVD(k, random_state=seed).fit(matrix)
    # few phrases that repeat have a rank below k; what lies beyond it would depend on the order of the rows
    kept = svd.singular_values_ > RANK_TOLERANCE * svd.singular_values_[0]
    return TextModel(
        name, svd.components_[kept], terms=tuple(vectoriser.get_feature_names_out()), idf=vectoriser.idf_
    )


def _fit_embedding(name: str, text: pd.Series, params: Text) -> TextModel:
    vectors = _embed(text, params.embedding)
    centre = vectors.mean(axis=0)
    _, sizes, directions = np.linalg.svd(vectors - centre, full_matrices=False)
    rank = max(1, int((sizes > RANK_TOLERANCE * sizes[0]).sum()))
    k = min(params.n_components, rank, vectors.shape[1])
    return TextModel(name, directions[:k], centre=centre, embedding=params.embedding)


def _counter(terms: Sequence[str]):
    from sklearn.feature_extraction.text import CountVectorizer

    return CountVectorizer(ngram_range=(1, 2), vocabulary={term: i for i, term in enumerate(terms)})


def _embed(text: pd.Series, folder: str) -> np.ndarray:
    """(n, d) float64: mean of the last hidden states over the tokens of each note, unit length (Reimers & Gurevych 2019)."""
    if not (Path(folder) / "config.json").is_file():
        raise DataNotFoundError(
            "the folder holds no Hugging Face model (config.json)",
            source=folder,
            remedy="text.embedding names a folder on this machine with config, tokenizer and safetensors weights.",
        )
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise ConfigurationError(
            "sentence embeddings need the extra 'text'", remedy="pip install 'medanomaly[text]'"
        ) from error

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    model = AutoModel.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
    ).eval()
    longest = min(MAX_TOKENS, int(getattr(model.config, "max_position_embeddings", MAX_TOKENS)))
    out = np.zeros((len(text), model.config.hidden_size))
    with torch.inference_mode():
        # batches, because single notes are slow; padding does not change a masked mean
        for first in range(0, len(text), BATCH):
            batch = text.iloc[first : first + BATCH].tolist()
            tokens = tokenizer(batch, padding=True, truncation=True, max_length=longest, return_tensors="pt")
            hidden = model(**tokens).last_hidden_state
            mask = tokens["attention_mask"].unsqueeze(-1)
            mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
            out[first : first + BATCH] = torch.nn.functional.normalize(mean, dim=1).double().numpy()
    return out
