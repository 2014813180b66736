"""Re-rank the best candidates by gradient boosting (LambdaMART, Burges 2010) that learned from cases with a diagnosis."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import Field

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.params import Params
from medanomaly.diagnosis.evaluation import publication_folds
from medanomaly.diagnosis.knowledge.source import Knowledge
from medanomaly.diagnosis.patients import PatientSymptoms
from medanomaly.diagnosis.ranking.boosted_trees import MOST_LEAVES, BoostedTrees
from medanomaly.diagnosis.ranking.closer_look import even_weights
from medanomaly.diagnosis.ranking.features import FEATURES
from medanomaly.diagnosis.ranking.neighbours import Neighbours
from medanomaly.diagnosis.ranking.packing import packed_texts, unpacked_texts
from medanomaly.diagnosis.ranking.params import RankingParams
from medanomaly.diagnosis.ranking.ranker import CodedCase, Look, Ranker, best_places

# as mixed with cases, from knowledge alone, and of the case against its other candidates
OF_MIXTURE = tuple(FEATURES)
OF_KNOWLEDGE = tuple(f"knowledge_{name}" for name in FEATURES)
OF_PLACE = (
    "score",
    "score_gap",
    "place",
    "ratio_gap",
    "knowledge_score",
    "knowledge_score_gap",
    "knowledge_place",
)
OF_NEIGHBOURS = ("nearest_case", "three_nearest_cases")
OF_CASE = ("symptoms", "excluded_symptoms")
# which symptoms a report lists as absent says much of the disease it was written on: whoever writes it looks for what the
# disease often has; off by default, because a case without a suspicion has no such list
OF_EXCLUDED = ("excluded_known", "excluded_share")
RERANK_FEATURES = (*OF_MIXTURE, *OF_KNOWLEDGE, *OF_PLACE, *OF_NEIGHBOURS, *OF_CASE, *OF_EXCLUDED)
# sex with X-linked inheritance, and how far onset or age lie outside the usual one, were tried and did not help (top-1 .531
# with them, .546 without, fold 0 of 0.1.24); nor did the mean of two boosters, or n^-.8 in place of n^-.5 as weights
USUAL_FEATURES = RERANK_FEATURES[: -len(OF_EXCLUDED)]
# what knows no difference between a disease with cases and one without, but by its profile
WITHOUT_CASES = (*OF_MIXTURE, "score", "score_gap", "place", "ratio_gap", *OF_CASE)


class RerankParams(Params):
    """Settings of the re-ranker.

    Attributes:
        candidates: how many of the best diseases of the ranker are looked at.
        more: how many of the best of knowledge alone, and of those with the most similar cases, are looked at besides.
        features: which of ``RERANK_FEATURES`` are learned from.
        per_disease: largest number of cases of a disease in each fold, so that a frequent one does not rule.
        folds: publication-disjoint folds within training.
        rounds: trees.
        learning_rate: of each tree.
        leaves: of each tree, at most 64.
        min_cases: candidates per leaf.
        seed: of the draws of columns and rows.
    """

    candidates: int = Field(default=50, ge=2)
    more: int = Field(default=15, ge=0)
    features: tuple[str, ...] = USUAL_FEATURES
    per_disease: int = Field(default=20, ge=1)
    folds: int = Field(default=4, ge=2)
    rounds: int = Field(default=250, ge=1)
    learning_rate: float = Field(default=0.06, gt=0)
    leaves: int = Field(default=15, ge=2, le=MOST_LEAVES)
    min_cases: int = Field(default=40, ge=1)
    seed: int = Field(default=0, ge=0)


class Candidates:
    """The best diseases of a case by the ranker, by knowledge alone and by known cases, with what tells them apart.

    Args:
        ranker: knowledge and cases.
        alone: knowledge alone; the same as ``ranker`` where there are no cases.
        neighbours: the cases.
        params: settings.
    """

    def __init__(self, ranker: Ranker, alone: Ranker, neighbours: Neighbours, params: RerankParams):
        self.ranker, self.alone, self.neighbours, self.params = ranker, alone, neighbours, params

    @classmethod
    def of(
        cls,
        knowledge: Knowledge,
        cases: PatientSymptoms | None,
        ranking: RankingParams,
        params: RerankParams,
    ) -> "Candidates":
        """From knowledge and cases with a diagnosis."""
        ranker = Ranker.of(knowledge, ranking, cases)
        if cases is None:
            return cls(ranker, ranker, Neighbours.none(ranker), params)
        names = pd.Series(ranker.profiles.names, index=list(ranker.profiles.diseases))
        alone = Ranker.of(knowledge, ranking, names=names)
        return cls(ranker, alone, Neighbours.of(ranker, cases), params)

    def table(self, case: CodedCase) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(k,) columns of the candidates, ascending; (k, ``RERANK_FEATURES``) float32; (n,) scores of the ranker."""
        of_case = self.ranker.components(case)
        look = self.ranker.look(case, of_case)
        same = self.alone is self.ranker
        of_alone = of_case if same else self.alone.components(case)
        look_alone = look if same else self.alone.look(case, of_alone)
        scores, alone = look.scores, look_alone.scores
        like = self.neighbours.similarity(case)
        chosen = [_best(look, self.params.candidates)]
        if not same:
            known = np.flatnonzero(like[0])
            chosen.append(_best(look_alone, self.params.more))
            chosen.append(known[best_places(like[0, known], self.params.more)])
        candidates = np.unique(np.concatenate(chosen))
        mixed = self.ranker.compared(case, candidates, of_case, look)
        by_knowledge = mixed if same else self.alone.compared(case, candidates, of_alone, look_alone)
        own, other = scores[candidates], alone[candidates]
        ratio = of_case.ratio[candidates]
        places = [
            own,
            own - own.max(),
            np.argsort(np.argsort(-own)),
            ratio - ratio.max(),
            np.maximum(other, -100),
            np.maximum(other, -100) - other.max(),
            np.argsort(np.argsort(-other)),
        ]
        whole = np.ones(len(candidates))
        features = np.column_stack(
            [
                mixed,
                by_knowledge,
                *places,
                like[0, candidates],
                like[1, candidates],
                len(case.observed) * whole,
                len(case.excluded) * whole,
                *self._excluded(case, candidates),
            ]
        )
        return candidates, features.astype(np.float32), scores

    def _excluded(self, case: CodedCase, candidates: np.ndarray) -> np.ndarray:
        """(2, k): how many excluded symptoms each candidate has, and their share of all its information."""
        if not set(OF_EXCLUDED) & set(self.params.features) or not len(case.excluded):
            return np.zeros((2, len(candidates)))
        table = self.ranker.comparison.by_disease[candidates]
        absent = table[:, case.excluded]
        information = self.ranker.information
        total = np.maximum(table @ information, 1e-6)
        return np.stack([(absent > 0) @ case.excluded_weight, absent @ information[case.excluded] / total])


def _best(look: Look, top: int) -> np.ndarray:
    """Columns of the ``top`` best diseases; those that were looked at stand above all others."""
    if len(look.candidates) <= top:
        return best_places(look.scores, top)
    columns = np.sort(look.candidates)
    return columns[best_places(look.scores[columns], top)]


@dataclass(frozen=True)
class Learned:
    """What is learned from: candidates of many cases.

    Attributes:
        features: (rows, ``RERANK_FEATURES``).
        right: (rows,) bool, the case's own disease.
        sizes: (cases,) candidates of each case.
        disease: (cases,) ids.
    """

    features: np.ndarray
    right: np.ndarray
    sizes: np.ndarray
    disease: np.ndarray


def learned_from(candidates: Candidates, patients: PatientSymptoms) -> Learned:
    """Candidates of the cases that have their own disease among them."""
    tables = (candidates.table(case)[:2] for case in candidates.ranker.code(patients))
    return learned_of(tables, candidates.ranker.columns, patients.cases["disease"])


def learned_of(
    tables: Iterable[tuple[np.ndarray, np.ndarray]], columns: Mapping[str, int], diseases: Iterable[str]
) -> Learned:
    """The same of candidates that were compared already.

    Raises:
        ConfigurationError: no case has its own disease among its candidates.
    """
    features, right, sizes, found = [], [], [], []
    for (candidates, table), disease in zip(tables, diseases, strict=True):
        hit = candidates == columns.get(disease, -1)
        if hit.any():
            features.append(table)
            right.append(hit)
            sizes.append(len(candidates))
            found.append(disease)
    if not features:
        raise ConfigurationError(
            "no case has its own disease among the candidates", remedy="Bring cases with a diagnosis."
        )
    return Learned(np.concatenate(features), np.concatenate(right), np.array(sizes), np.array(found))


def few_per_disease(patients: PatientSymptoms, most: int, seed: int) -> PatientSymptoms:
    """At most ``most`` cases of each disease, drawn by the seed."""
    shuffled = patients.cases[["case_id", "disease"]].sample(frac=1, random_state=seed)
    kept = shuffled[shuffled.groupby("disease").cumcount() < most]
    return patients.select(kept["case_id"])


def cross_compared(
    knowledge: Knowledge, cases: PatientSymptoms, ranking: RankingParams, params: RerankParams
) -> list[Learned]:
    """Candidates of the cases of each fold, compared by knowledge and cases of the other publications."""
    return [
        learned_from(
            Candidates.of(fold.knowledge, fold.train, ranking, params),
            few_per_disease(fold.test, params.per_disease, params.seed),
        )
        for fold in publication_folds(knowledge, cases, params.folds, params.seed + 1)
    ]


def fit_booster(parts: Sequence[Learned], params: RerankParams) -> BoostedTrees:
    """Gradient boosting (LightGBM) that orders candidates; each case counts n^-1/2 of its disease's n cases."""
    import lightgbm

    columns = [RERANK_FEATURES.index(name) for name in params.features]
    sizes = np.concatenate([part.sizes for part in parts])
    weight = even_weights(np.concatenate([part.disease for part in parts]))
    data = lightgbm.Dataset(
        np.concatenate([part.features for part in parts])[:, columns],
        label=np.concatenate([part.right for part in parts]).astype(int),
        group=sizes,
        weight=np.repeat(weight / weight.mean(), sizes),
        feature_name=list(params.features),
        free_raw_data=True,
    )
    settings = {
        "objective": "lambdarank",
        "learning_rate": params.learning_rate,
        "num_leaves": params.leaves,
        "min_data_in_leaf": params.min_cases,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "lambdarank_truncation_level": 10,
        "max_bin": 127,
        "seed": params.seed,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    booster = lightgbm.train(settings, data, num_boost_round=params.rounds)
    return BoostedTrees([booster.model_to_string()])


class Reranker:
    """The ranker with its best candidates in the order that was learned.

    Args:
        candidates: what is compared.
        booster: what :func:`fit_booster` learned.
        features: which of ``RERANK_FEATURES`` it reads.
    """

    def __init__(self, candidates: Candidates, booster: BoostedTrees, features: Sequence[str]):
        self.candidates, self.booster = candidates, booster
        self.reads = [RERANK_FEATURES.index(name) for name in features]

    @classmethod
    def fit(
        cls,
        knowledge: Knowledge,
        cases: PatientSymptoms,
        ranking: RankingParams | None = None,
        params: RerankParams | None = None,
    ) -> "Reranker":
        """Learn from cases, each compared by knowledge and cases of other publications than its own.

        Raises:
            ConfigurationError: no case has its disease among the candidates.
        """
        ranking, params = ranking or RankingParams(), params or RerankParams()
        booster = fit_booster(cross_compared(knowledge, cases, ranking, params), params)
        return cls(Candidates.of(knowledge, cases, ranking, params), booster, params.features)

    @property
    def ranker(self) -> Ranker:
        """The ranker whose candidates are ordered again."""
        return self.candidates.ranker

    @property
    def columns(self) -> dict[str, int]:
        """Column of each disease, as the ranker has it."""
        return self.ranker.columns

    def code(self, patients: PatientSymptoms) -> Iterator[CodedCase]:
        """Each case of ``patients``, as the ranker codes it."""
        return self.ranker.code(patients)

    def scores(self, case: CodedCase) -> np.ndarray:
        """(n,) float32; diseases that are no candidates stand below all that are, in the order of the ranker."""
        columns, table, scores = self.candidates.table(case)
        learned = self.booster.predict(table[:, self.reads])
        return reordered(scores, columns, learned)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as arrays without objects, for ``np.savez``; :meth:`from_arrays` reads them."""
        c = self.candidates
        parts = {"ranker": c.ranker.arrays(), "neighbours": c.neighbours.arrays()}
        if c.alone is not c.ranker:
            parts["alone"] = c.alone.arrays()
        return {
            **{f"{part}.{name}": values for part, of in parts.items() for name, values in of.items()},
            "booster": packed_texts(self.booster.texts),
            "params": packed_texts([c.params.model_dump_json()]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Reranker":
        """The re-ranker that :meth:`arrays` described."""

        def part(name: str) -> dict[str, np.ndarray]:
            return {k.removeprefix(f"{name}."): v for k, v in arrays.items() if k.startswith(f"{name}.")}

        params = RerankParams.model_validate_json(unpacked_texts(arrays["params"])[0])
        ranker = Ranker.from_arrays(part("ranker"))
        alone = Ranker.from_arrays(part("alone")) if part("alone") else ranker
        neighbours = Neighbours.from_arrays(ranker, part("neighbours"))
        booster = BoostedTrees(unpacked_texts(arrays["booster"]))
        return cls(Candidates(ranker, alone, neighbours, params), booster, params.features)


def reordered(scores: np.ndarray, columns: np.ndarray, learned: np.ndarray) -> np.ndarray:
    """Scores in which those of the candidates are what was learned, and the others follow below in their own order."""
    scores = scores.copy()
    others = np.isfinite(scores)
    others[columns] = False
    if others.any():
        scores[others] += learned.min() - 1 - scores[others].max()
    scores[columns] = learned
    return scores
