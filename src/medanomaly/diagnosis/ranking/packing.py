"""Texts and sparse tables as plain arrays, so that a bundle holds nothing that is unpickled."""

from collections.abc import Iterable, Mapping

import numpy as np
from scipy import sparse

# no id, name or reference holds this control character
_BETWEEN = "\x1f"


def packed_texts(texts: Iterable[str]) -> np.ndarray:
    """(bytes,) uint8."""
    return np.frombuffer(_BETWEEN.join(texts).encode(), dtype=np.uint8)


def unpacked_texts(packed: np.ndarray) -> tuple[str, ...]:
    """The texts of :func:`packed_texts`; an empty array gives none."""
    return tuple(packed.tobytes().decode().split(_BETWEEN)) if len(packed) else ()


def packed_sparse(name: str, table: sparse.csr_array) -> dict[str, np.ndarray]:
    """``{name}.data`` and so on; positions are as small as they can be."""
    return {
        f"{name}.data": table.data,
        f"{name}.indices": table.indices.astype(np.int32),
        f"{name}.indptr": table.indptr.astype(np.int32),
        f"{name}.shape": np.array(table.shape),
    }


def unpacked_sparse(name: str, arrays: Mapping[str, np.ndarray]) -> sparse.csr_array:
    """The table of :func:`packed_sparse`."""
    parts = tuple(arrays[f"{name}.{part}"] for part in ("data", "indices", "indptr"))
    return sparse.csr_array(parts, shape=tuple(arrays[f"{name}.shape"]))
