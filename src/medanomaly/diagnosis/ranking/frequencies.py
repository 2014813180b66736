"""How often each disease has each symptom: annotations, linked diseases of Orphanet, relatives, and cases, mixed."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from medanomaly.core.errors import ConfigurationError
from medanomaly.diagnosis.knowledge.annotations import Annotations
from medanomaly.diagnosis.knowledge.ontology import Ontology
from medanomaly.diagnosis.knowledge.source import Knowledge
from medanomaly.diagnosis.patients import PatientSymptoms
from medanomaly.diagnosis.ranking.params import RankingParams

# where the part of a name ends that a series shares: "Noonan syndrome 3", "Usher syndrome, type 2C", "... disorder with ..."
_SERIES = re.compile(r",|\s+(?:type\b|with\b|without\b|due\b|\d|[ivx]+[a-z]?$|[a-z]$)")
# words of a name that stand alone for too many things
LONGEST_TERM = 6


@dataclass(frozen=True)
class Profiles:
    """Frequencies of the symptoms of n diseases.

    Attributes:
        diseases: (n,) ids, ascending.
        names: (n,) what they are called.
        frequency: (terms, n) float32, 0 where nothing is known; a term is at least as frequent as each of its kinds.
        annotated: (n,) bool, the disease has annotations of its own.
        orphanet: (n,) strength of the linked diseases of Orphanet, 0 to 1.
        n_cases: (n,) cases that were mixed in.
        linked: (n,) diseases of Orphanet that were mixed in, the closest first.
    """

    diseases: tuple[str, ...]
    names: tuple[str, ...]
    frequency: sparse.csr_array
    annotated: np.ndarray
    orphanet: np.ndarray
    n_cases: np.ndarray
    linked: tuple[tuple[str, ...], ...]

    def index(self) -> dict[str, int]:
        """Column of each disease."""
        return {disease: column for column, disease in enumerate(self.diseases)}


def to_ancestors(
    disease: np.ndarray, term: np.ndarray, value: np.ndarray, n_diseases: int, ontology: Ontology
) -> sparse.csr_array:
    """Largest value of each disease for a term or any of its kinds: (n_diseases, terms) float32."""
    lengths = np.diff(ontology.ancestors.indptr)[term]
    first = ontology.ancestors.indptr[term]
    step = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    above = ontology.ancestors.indices[np.repeat(first, lengths) + step]
    key = np.repeat(disease.astype(np.int64), lengths) * len(ontology) + above
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    largest = np.maximum.reduceat(np.repeat(value, lengths)[order], starts) if len(key) else value[:0]
    rows, columns = np.divmod(key[starts], len(ontology))
    return sparse.csr_array((largest.astype(np.float32), (rows, columns)), shape=(n_diseases, len(ontology)))


def annotated_terms(annotations: Annotations, params: RankingParams) -> pd.DataFrame:
    """One row per disease and term: ``disease``, ``term``, ``n``, ``m``, ``frequency`` = (n + 1/2) / (m + 1).

    Counts of all publications are added up; a frequency without counts is worth ``pseudo_patients``. Annotations with NOT,
    and terms that no patient had, are left out.
    """
    table = annotations.symptoms[~annotations.symptoms["excluded"]]
    counted = table["n"].notna().to_numpy()
    share = table["frequency"].fillna(params.unstated).to_numpy()
    m = np.where(counted, table["m"].to_numpy(), params.pseudo_patients)
    n = np.where(counted, table["n"].to_numpy(), share * params.pseudo_patients)
    sums = (
        pd.DataFrame({"disease": table["disease"].astype(str), "term": table["term"], "n": n, "m": m})
        .groupby(["disease", "term"], sort=True, as_index=False)
        .sum()
    )
    sums = sums[sums["n"] > 0]
    return sums.assign(frequency=(sums["n"] + 0.5) / (sums["m"] + 1)).reset_index(drop=True)


def plain_name(name: str) -> str:
    """Words of a name in lower case, without marks between them."""
    return " ".join(re.findall(r"[a-z0-9]+", name.lower()))


def _series(name: str) -> str:
    lowered = name.lower().strip()
    return plain_name(_SERIES.split(lowered, maxsplit=1)[0]) or plain_name(lowered)


def named_terms(names: pd.Series, ontology: Ontology) -> pd.DataFrame:
    """Symptoms that names of diseases say, by the labels and exact synonyms of terms, the longest first.

    Args:
        names: what each disease is called, as "disorder with seizures and optic atrophy".

    Returns:
        ``disease`` (position in ``names``), ``term`` (row).
    """
    term_of: dict[str, int] = {}
    for row, synonyms in enumerate(ontology.synonyms):
        for text in [s.text for s in synonyms if s.scope == "EXACT" and s.language == "en"]:
            term_of.setdefault(_singular(text), row)
    term_of |= {_singular(name): row for row, name in enumerate(ontology.names)}
    found = []
    for position, name in enumerate(names):
        words = _singular(name).split()
        start = 0
        while start < len(words):
            for length in range(min(LONGEST_TERM, len(words) - start), 0, -1):
                row = term_of.get(" ".join(words[start : start + length]))
                if row is not None:
                    found.append((position, row))
                    start += length - 1
                    break
            start += 1
    return pd.DataFrame(found, columns=["disease", "term"])


def _singular(text: str) -> str:
    """Plain words without a plural s, so that "seizures" is "seizure"."""
    words = (w for w in plain_name(text).split())
    return " ".join(w[:-1] if len(w) > 4 and w.endswith("s") and not w.endswith("ss") else w for w in words)


def _means(groups: pd.DataFrame, known: np.ndarray, frequency: sparse.csr_array) -> tuple:
    """Mean profile of the other, annotated members of each disease's groups, and which diseases have one.

    ``groups``: ``disease`` (row), ``group``.
    """
    n = frequency.shape[0]
    code = pd.factorize(groups["group"])[0]
    membership = sparse.csr_array(
        (np.ones(len(code), dtype=np.float32), (groups["disease"], code)),
        shape=(n, code.max(initial=-1) + 1),
    )
    pairs = sparse.csr_array(membership @ membership.T)
    pairs = sparse.csr_array(pairs @ sparse.diags_array(known.astype(np.float32)))
    pairs.setdiag(0)
    pairs.eliminate_zeros()
    pairs.data[:] = 1
    size = pairs.sum(axis=1)
    weights = sparse.diags_array(1 / np.maximum(size, 1))
    return sparse.csr_array(weights @ pairs @ frequency), size > 0


def _orphanet(
    knowledge: Knowledge, diseases: pd.Series, ontology: Ontology, params: RankingParams
) -> tuple[sparse.csr_array, np.ndarray, tuple[tuple[str, ...], ...]]:
    """Profile of the linked diseases of Orphanet, how strong the link is (0 to 1), and which they are.

    A disease of Orphanet with a gene in common has the weight 1 / (its number of genes), one of the same name 1 more.
    """
    n = len(diseases)
    terms = annotated_terms(knowledge.annotations, params)
    terms = terms[terms["disease"].str.startswith("ORPHA:")]
    orpha = {d: i for i, d in enumerate(terms["disease"].unique())}
    profile = to_ancestors(
        terms["disease"].map(orpha).to_numpy(dtype=np.int64),
        terms["term"].to_numpy(),
        terms["frequency"].to_numpy(),
        len(orpha),
        ontology,
    )
    column = {d: i for i, d in enumerate(diseases.index)}
    genes = knowledge.genes
    of_orpha = genes[genes["disease"].isin(orpha)]
    weight = 1 / of_orpha.groupby("disease")["gene"].transform("size")
    shared = of_orpha.assign(weight=weight).merge(
        genes[genes["disease"].isin(column)], on="gene", suffixes=("_orpha", "")
    )
    links = [shared.groupby(["disease", "disease_orpha"], as_index=False)["weight"].first()]
    named = knowledge.annotations.names
    by_name = pd.DataFrame(
        {"disease_orpha": list(orpha), "name": [plain_name(named[d]) for d in orpha]}
    ).merge(pd.DataFrame({"disease": diseases.index, "name": diseases.map(plain_name).to_numpy()}), on="name")
    links.append(by_name.assign(weight=1.0)[["disease", "disease_orpha", "weight"]])
    table = pd.concat(links).groupby(["disease", "disease_orpha"], as_index=False)["weight"].sum()
    table = table[table["weight"] >= params.orphanet].sort_values(
        ["disease", "weight"], ascending=[True, False], kind="stable"
    )
    table = table[table.groupby("disease").cumcount() < params.orphanet_linked]
    squared = table["weight"] ** 2
    share = squared / squared.groupby(table["disease"]).transform("sum")
    rows = table["disease"].map(column).to_numpy(dtype=np.int64)
    mix = sparse.csr_array(
        (share.to_numpy(), (rows, table["disease_orpha"].map(orpha).to_numpy(dtype=np.int64))),
        shape=(n, len(orpha)),
    )
    strength = np.zeros(n)
    np.maximum.at(strength, rows, np.minimum(table["weight"].to_numpy(), 1.0))
    by_disease = table.groupby("disease")["disease_orpha"].agg(tuple).to_dict()
    return sparse.csr_array(mix @ profile), strength, tuple(by_disease.get(d, ()) for d in diseases.index)


def _of_cases(
    cases: PatientSymptoms, column: dict[str, int], ontology: Ontology, params: RankingParams
) -> tuple[sparse.csr_array, np.ndarray]:
    """Frequency of each symptom among the cases of each disease, and their number.

    A patient with a symptom has all that it is a kind of; a patient without it has none of its kinds.
    """
    n = len(column)
    row_of = cases.cases["disease"].map(column)
    known = row_of.notna().to_numpy()
    case_row = dict(zip(cases.cases["case_id"][known], range(int(known.sum())), strict=True))
    of_disease = row_of[known].to_numpy(dtype=np.int64)
    n_cases = np.bincount(of_disease, minlength=n)
    table = cases.symptoms[cases.symptoms["case_id"].isin(case_row)]
    row = table["case_id"].map(case_row).to_numpy(dtype=np.int64)
    term = table["term"].map(ontology.index).to_numpy(dtype=np.int64)
    excluded = table["excluded"].to_numpy()
    weight = table["weight"].to_numpy()
    present = to_ancestors(row[~excluded], term[~excluded], weight[~excluded], len(case_row), ontology)
    member = sparse.csr_array(
        (np.ones(len(of_disease)), (of_disease, np.arange(len(of_disease)))), shape=(n, len(case_row))
    )
    seen = sparse.csr_array(member @ present)
    absent = sparse.csr_array(
        (weight[excluded], (row[excluded], term[excluded])), shape=(len(case_row), len(ontology))
    )
    below = sparse.csr_array(absent @ ontology.descendants().astype(np.float64))
    below.data[:] = np.minimum(below.data, 1.0)
    # only where some case has the symptom
    not_seen = sparse.csr_array((member @ below) * (seen > 0)) if seen.nnz else seen
    where = seen.tocoo()
    m = not_seen.tocsr()[where.row, where.col] if seen.nnz else np.zeros(0)
    m = np.asarray(m.todense()).ravel() if sparse.issparse(m) else np.asarray(m).ravel()
    unknown = np.maximum(n_cases[where.row] - where.data - m, 0)
    share = where.data / (where.data + m + params.absent_share * unknown)
    return sparse.csr_array((share, (where.row, where.col)), shape=seen.shape), n_cases


def profiles(
    knowledge: Knowledge,
    params: RankingParams | None = None,
    cases: PatientSymptoms | None = None,
    names: pd.Series | None = None,
) -> Profiles:
    """Mix what is known of each disease with the cases there are.

    ``(k f + s o + c p) / (k + s + c)`` of annotations f (worth k patients), linked diseases of Orphanet o (worth s
    patients) and c cases with shares p; a disease that has none of them takes the mean of its relatives.

    Args:
        knowledge: ontology, annotations, links to genes.
        params: constants.
        cases: cases with a diagnosis to learn from; those of other databases are left out.
        names: the candidates, id -> name; None takes the diseases of knowledge and cases.

    Raises:
        ConfigurationError: no candidate is left.
    """
    params = params or RankingParams()
    if names is not None:
        return _mixed(knowledge, names.sort_index(), params, cases)
    prefixes = tuple(f"{database}:" for database in params.databases)
    named = knowledge.annotations.names
    named = named[named.index.str.startswith(prefixes)]
    if cases is not None:
        of_cases = cases.cases.dropna(subset="disease").drop_duplicates("disease")
        of_cases = of_cases[of_cases["disease"].str.startswith(prefixes)]
        more = pd.Series(of_cases["disease_name"].astype(str).to_numpy(), index=of_cases["disease"])
        named = pd.concat([named, more[~more.index.isin(named.index)]])
    named = named.sort_index()
    if not len(named):
        raise ConfigurationError(
            f"the annotations have no disease of {', '.join(params.databases)}",
            remedy="Give databases such as OMIM or ORPHA.",
        )
    return _mixed(knowledge, named, params, cases)


def _mixed(knowledge, named, params, cases) -> Profiles:
    ontology = knowledge.ontology
    column = {d: i for i, d in enumerate(named.index)}
    n = len(column)
    terms = annotated_terms(knowledge.annotations, params)
    terms = terms[terms["disease"].isin(column)]
    known = to_ancestors(
        terms["disease"].map(column).to_numpy(dtype=np.int64),
        terms["term"].to_numpy(),
        terms["frequency"].to_numpy(),
        n,
        ontology,
    )
    annotated = np.diff(known.indptr) > 0
    orphanet, strength, linked = sparse.csr_array(known.shape, dtype=np.float64), np.zeros(n), ((),) * n
    if params.orphanet_linked and "ORPHA" not in params.databases:
        orphanet, strength, linked = _orphanet(knowledge, named, ontology, params)
    shares, n_cases = sparse.csr_array(known.shape, dtype=np.float64), np.zeros(n, dtype=np.int64)
    if cases is not None:
        shares, n_cases = _of_cases(cases, column, ontology, params)
    own = params.knowledge_patients * annotated
    theirs = params.orphanet_patients * strength
    below = own + theirs + n_cases + 0.5 * ((own + theirs == 0) & (n_cases > 0))

    def scaled(weights: np.ndarray, table: sparse.csr_array) -> sparse.csr_array:
        return sparse.csr_array(sparse.diags_array(weights / np.maximum(below, 1e-9)) @ table)

    mixed = scaled(own, known) + scaled(theirs, orphanet) + scaled(n_cases, shares)
    lost = (own + theirs + n_cases) == 0
    if lost.any():
        mixed = mixed + _from_relatives(knowledge, named, column, known, annotated, lost, params)
    return Profiles(
        diseases=tuple(named.index),
        names=tuple(named),
        frequency=sparse.csr_array(mixed.T.astype(np.float32)),
        annotated=annotated,
        orphanet=strength,
        n_cases=n_cases,
        linked=linked,
    )


def _from_relatives(knowledge, named, column, known, annotated, lost, params) -> sparse.csr_array:
    """Profiles of diseases that have none: symptoms in their own name, and the mean of relatives."""
    genes = knowledge.genes[knowledge.genes["disease"].isin(column)]
    same_gene = pd.DataFrame({"disease": genes["disease"].map(column), "group": genes["gene"]})
    same_series = pd.DataFrame({"disease": np.arange(len(named)), "group": named.map(_series).to_numpy()})
    total = sparse.csr_array(known.shape)
    for groups in (same_gene, same_series):
        mean, has = _means(groups, annotated, known)
        total = total + sparse.diags_array(params.relatives * (has & lost)) @ mean
    if params.named:
        own = np.flatnonzero(lost)
        said = named_terms(named.iloc[own], knowledge.ontology)
        total = total + to_ancestors(
            own[said["disease"].to_numpy(np.int64)],
            said["term"].to_numpy(np.int64),
            np.full(len(said), params.named),
            len(named),
            knowledge.ontology,
        )
    total = sparse.csr_array(total)
    total.data[:] = np.minimum(total.data, 1)
    return total
