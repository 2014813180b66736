"""An ontology as the files of a bundle, and back; to open it takes a fraction of reading ``hp.obo``."""

import json
import zlib
from collections.abc import Mapping

import numpy as np
from scipy import sparse

from medanomaly.core.bundle import Bundle, array_bytes
from medanomaly.core.errors import BundleError
from medanomaly.diagnosis.knowledge.ontology import Ontology, Synonym

TERMS = "terms.npy"
LINKS = ("parents", "ancestors")


def packed_json(value: object) -> bytes:
    """JSON types as the content of a ``.npy`` file, compressed."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return array_bytes(np.frombuffer(zlib.compress(text, 6), dtype=np.uint8))


def unpacked_json(bundle: Bundle, name: str) -> object:
    """What :func:`packed_json` packed.

    Raises:
        BundleError: the file holds something else.
    """
    try:
        return json.loads(zlib.decompress(bundle.array(name).tobytes()))
    except (zlib.error, ValueError) as error:
        raise BundleError(f"'{name}' holds no packed text: {error}", remedy="Train again.") from error


def ontology_files(ontology: Ontology) -> dict[str, bytes]:
    """Files of a bundle that hold the ontology."""
    files = {
        TERMS: packed_json(
            {
                "version": ontology.version,
                "ids": ontology.ids,
                "names": ontology.names,
                "synonyms": ontology.synonyms,
                "replaced": ontology.replaced,
                "other": ontology.other,
                "obsolete": ontology.obsolete,
            }
        )
    }
    for name in LINKS:
        links: sparse.csr_array = getattr(ontology, name)
        files[f"{name}_indices.npy"] = array_bytes(links.indices.astype(np.int32))
        files[f"{name}_indptr.npy"] = array_bytes(links.indptr.astype(np.int32))
    return files


def opened_ontology(bundle: Bundle) -> Ontology:
    """The ontology of a bundle.

    Raises:
        BundleError: the bundle holds none.
    """
    terms = unpacked_json(bundle, TERMS)
    if not isinstance(terms, Mapping):
        raise BundleError(f"'{TERMS}' holds no ontology", remedy="Train again.")
    ids, n = tuple(terms["ids"]), len(terms["ids"])
    links = {}
    for name in LINKS:
        indices, indptr = bundle.array(f"{name}_indices.npy"), bundle.array(f"{name}_indptr.npy")
        links[name] = sparse.csr_array((np.ones(len(indices), dtype=bool), indices, indptr), shape=(n, n))
    return Ontology(
        version=terms["version"],
        ids=ids,
        names=tuple(terms["names"]),
        synonyms=tuple(tuple(Synonym(*s) for s in of) for of in terms["synonyms"]),
        index={term: row for row, term in enumerate(ids)},
        replaced=terms["replaced"],
        other=terms["other"],
        obsolete={term: (name, tuple(consider)) for term, (name, consider) in terms["obsolete"].items()},
        **links,
    )
