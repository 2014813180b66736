"""Symptoms of the synthetic cohort as raw data: drawn on loading, equal for equal seeds and releases of the ontology."""

from functools import partial

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError
from medanomaly.datasets.raw import RawDataset
from medanomaly.diagnosis.knowledge.source import Knowledge
from medanomaly.diagnosis.patients import PatientSymptoms, read_symptoms, written_symptoms
from medanomaly.diagnosis.readers.case_table import case_table
from medanomaly.diagnosis.sources import SymptomSource
from medanomaly.synthetic.patients import draw_patients
from medanomaly.synthetic.symptoms import COMORBIDITY_TERMS, Profile, SymptomParams, draw_symptoms

# a disease is drawn from where so many of its symptoms were counted in so many patients
FEWEST_SYMPTOMS, FEWEST_PATIENTS = 8, 3


class SyntheticSymptomsDataset(RawDataset[SymptomSource]):
    """One list of symptoms per patient of the synthetic cohort, of real diseases and of some that nobody has described.

    Args:
        n_patients: number of patients; they are those of the clinical table of the same seed.
        seed: of the cohort.
        n_diseases: number of real diseases.
        unknown_share: share of patients whose disease nobody has described.
    """

    def __init__(
        self,
        *,
        n_patients: int,
        seed: int = 0,
        n_diseases: int = 40,
        unknown_share: float = 0.12,
        metadata: dict | None = None,
    ):
        self.n_patients, self.n_diseases, self.metadata = n_patients, n_diseases, metadata
        self.params = SymptomParams(seed=seed, unknown_share=unknown_share)

    def load(self) -> SymptomSource:
        """The source; it is drawn once the ontology is there."""
        return SymptomSource(
            "synthetic cohort", partial(_drawn, self.n_patients, self.n_diseases, self.params)
        )

    def _describe(self) -> dict:
        return {"n_patients": self.n_patients, "n_diseases": self.n_diseases} | self.params.model_dump()


def _drawn(n_patients: int, n_diseases: int, params: SymptomParams, knowledge: Knowledge) -> PatientSymptoms:
    patients = draw_patients(n_patients, params.seed)
    cases, symptoms = draw_symptoms(patients, counted_profiles(knowledge, n_diseases), params)
    rows = cases.assign(onset_years=np.nan).itertuples(index=False, name=None)
    written = symptoms[["case_id", "term", "excluded", "weight"]].assign(onset_years=np.nan)
    return read_symptoms(
        case_table(list(rows)),
        written_symptoms(list(written.itertuples(index=False, name=None))),
        knowledge.ontology,
    )


def counted_profiles(knowledge: Knowledge, n: int) -> list[Profile]:
    """Diseases of OMIM whose symptoms were counted in patients, evenly over the ids; half fit an illness of the cohort.

    Raises:
        ConfigurationError: the annotations have too few of them.
    """
    table = knowledge.annotations.symptoms
    table = table[~table["excluded"] & table["m"].ge(FEWEST_PATIENTS) & table["n"].gt(0)]
    table = table[table["disease"].astype(str).str.startswith("OMIM:").to_numpy()]
    sums = table.assign(disease=table["disease"].astype(str)).groupby(["disease", "term"])[["n", "m"]].sum()
    share = (sums["n"] / sums["m"]).astype(float)
    size = share.groupby(level="disease").size()
    share = share[share.index.get_level_values("disease").isin(size.index[size >= FEWEST_SYMPTOMS])]
    fits = _fitting(share, knowledge)
    known = share.index.get_level_values("disease").unique()
    fitting = [disease for disease in known if fits[disease]]
    others = [disease for disease in known if not fits[disease]]
    if len(known) < n:
        raise ConfigurationError(
            f"{len(known)} diseases have {FEWEST_SYMPTOMS} counted symptoms, {n} were asked for",
            remedy="Ask for fewer (n_diseases), or give a whole release of the annotations.",
        )
    first = min(n // 2, len(fitting))
    first = max(first, n - len(others))
    chosen = sorted([*_spread(fitting, first), *_spread(others, n - first)])
    ids, names = np.asarray(knowledge.ontology.ids), knowledge.annotations.names
    return [
        Profile(disease, names[disease], dict(zip(ids[of.index], of.tolist(), strict=True)), fits[disease])
        for disease, of in ((disease, share.loc[disease]) for disease in chosen)
    ]


def _fitting(share: pd.Series, knowledge: Knowledge) -> dict[str, frozenset[str]]:
    """Disease -> illnesses of the cohort of which one of its symptoms is a kind."""
    ontology = knowledge.ontology
    rows = share.index.get_level_values("term").to_numpy()
    fits: dict[str, set[str]] = {disease: set() for disease in share.index.get_level_values("disease")}
    for illness, term in COMORBIDITY_TERMS.items():
        if (row := ontology.resolve(term).row) is None:
            continue
        kinds = np.flatnonzero(ontology.ancestors[:, [row]].toarray().ravel())
        for disease in share.index.get_level_values("disease")[np.isin(rows, kinds)]:
            fits[disease].add(illness)
    return {disease: frozenset(of) for disease, of in fits.items()}


def _spread(names: list[str], n: int) -> list[str]:
    return [names[i] for i in np.linspace(0, len(names) - 1, n).round().astype(int)] if n else []
