"""Rankers and re-rankers as the files of a bundle, and back; nothing of them is unpickled."""

import zlib

import numpy as np

from medanomaly.core.bundle import Bundle, array_bytes
from medanomaly.diagnosis.ranking.neighbours import Neighbours
from medanomaly.diagnosis.ranking.packing import packed_sparse, unpacked_sparse
from medanomaly.diagnosis.ranking.ranker import Ranker
from medanomaly.diagnosis.ranking.rerank import Candidates, Reranker, RerankParams

TREES, ALONE, CASES = "trees", "alone.", "cases"


def ranker_of(model: Ranker | Reranker) -> Ranker:
    """What explains and knows the diseases: the ranker itself, or the one whose candidates are ordered again."""
    return model.ranker if isinstance(model, Reranker) else model


def model_files(model: Ranker | Reranker) -> dict[str, bytes]:
    """Files of a bundle that hold the model."""
    arrays = ranker_of(model).arrays()
    if isinstance(model, Reranker):
        candidates = model.candidates
        # knowledge alone shares most of its arrays with the mixture
        alone = {name: of for name, of in candidates.alone.arrays().items() if not _equal(of, arrays[name])}
        arrays |= {f"{ALONE}{name}": of for name, of in alone.items()}
        arrays |= packed_sparse(CASES, candidates.neighbours.closed)
        arrays |= {f"{CASES}.disease": candidates.neighbours.disease}
        trees = zlib.compress(model.booster.model_to_string().encode(), 6)
        arrays |= {TREES: np.frombuffer(trees, dtype=np.uint8)}
    return {f"{name}.npy": array_bytes(values) for name, values in arrays.items()}


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and np.array_equal(one, other)


def opened_model(bundle: Bundle, rerank: RerankParams | None) -> Ranker | Reranker:
    """The model of a bundle.

    Args:
        bundle: of :func:`model_files`.
        rerank: settings of the re-ranker; None opens the ranker alone.
    """
    names = [name.removesuffix(".npy") for name in bundle.files if name.endswith(".npy")]
    arrays = {name: bundle.array(f"{name}.npy") for name in names}
    ranker = Ranker.from_arrays(arrays)
    if rerank is None:
        return ranker
    import lightgbm

    own = {name.removeprefix(ALONE): of for name, of in arrays.items() if name.startswith(ALONE)}
    alone = Ranker.from_arrays(arrays | own) if own else ranker
    closed, disease = unpacked_sparse(CASES, arrays), arrays[f"{CASES}.disease"]
    known = Neighbours(ranker.information, ranker.ancestors, closed, disease, len(ranker.columns))
    trees = lightgbm.Booster(model_str=zlib.decompress(arrays[TREES].tobytes()).decode())
    return Reranker(Candidates(ranker, alone, known, rerank), trees, rerank.features)
