"""Known cases that are alike, the re-ranker, probabilities with their sets, and the next question."""

import json

import numpy as np
import pytest
from tests.diagnosis.test_ranker import DEFECT, DELAY, FOCAL, GENERALISED, SEIZURE, STROKE, one, patients_of

from medanomaly.core.errors import BundleError, ConfigurationError, InputError
from medanomaly.diagnosis.evaluation import matched_rank
from medanomaly.diagnosis.knowledge.source import read_knowledge
from medanomaly.diagnosis.ranking.boosted_trees import BoostedTrees
from medanomaly.diagnosis.ranking.neighbours import Neighbours, closed_upwards
from medanomaly.diagnosis.ranking.next_question import next_questions, with_answer
from medanomaly.diagnosis.ranking.params import RankingParams
from medanomaly.diagnosis.ranking.probabilities import (
    KEPT,
    RankProbabilities,
    judged,
    raw_probabilities,
    set_gap,
)
from medanomaly.diagnosis.ranking.ranker import Ranker
from medanomaly.diagnosis.ranking.rerank import (
    OF_EXCLUDED,
    RERANK_FEATURES,
    WITHOUT_CASES,
    Candidates,
    Reranker,
    RerankParams,
    few_per_disease,
)
from medanomaly.diagnosis.ranking.two_diseases import best_partners


@pytest.fixture(scope="module")
def knowledge(knowledge_folder):
    return read_knowledge(knowledge_folder)


@pytest.fixture(scope="module")
def ranker(knowledge):
    return Ranker.of(knowledge)


@pytest.fixture(scope="module")
def known_cases(small_ontology):
    """Cases of disease 1 with seizures, of disease 2 with a heart defect, and of 9 that only cases tell of."""
    symptoms = {"OMIM:1": (FOCAL, DELAY), "OMIM:2": (DEFECT, STROKE), "OMIM:9": (GENERALISED, DEFECT)}
    return patients_of(
        small_ontology,
        {
            f"{disease}-{pub}-{i}": (disease, f"PMID:{pub}", dict.fromkeys(terms[: 1 + i], 1.0))
            for disease, terms in symptoms.items()
            for pub in range(20, 40)
            for i in range(2)
        },
    )


def test_likeness_is_the_information_that_both_have_of_what_either_has(ranker, small_ontology, known_cases):
    part = known_cases.select(["OMIM:1-20-0", "OMIM:1-20-1", "OMIM:2-20-1", "OMIM:9-20-1"])
    neighbours = Neighbours.of(ranker, part)
    # the ranker was made without cases, so it does not know disease 9
    assert len(neighbours) == 3
    case = one(ranker, small_ontology, {FOCAL: 1.0, STROKE: 0.5})
    found = neighbours.similarity(case)
    ic = ranker.information

    def likeness(other):
        a, b = (closed_upwards(c, ranker.ancestors) for c in (case, other))
        shared = (a * b * ic).sum()
        return shared / ((a * ic).sum() + (b * ic).sum() - shared)

    like = [likeness(other) for other in ranker.code(part)][:3]
    np.testing.assert_allclose(found[0], [max(like[:2]), like[2]], rtol=1e-5)
    np.testing.assert_allclose(found[1], [np.mean(like[:2]), like[2]], rtol=1e-5)
    assert not Neighbours.none(ranker).similarity(case).any()


def test_a_case_without_observed_symptoms_is_like_nobody(ranker, small_ontology, known_cases):
    case = one(ranker, small_ontology, {FOCAL: None})
    assert not Neighbours.of(ranker, known_cases).similarity(case).any()


@pytest.fixture(scope="module")
def reranker(knowledge, known_cases):
    params = RerankParams(rounds=20, min_cases=2, per_disease=10)
    return Reranker.fit(knowledge, known_cases, params=params)


def test_the_reranker_learns_what_its_cases_show(reranker, small_ontology):
    new = patients_of(
        small_ontology,
        {
            "a": (None, None, {FOCAL: 1.0, DELAY: 1.0}),
            "b": (None, None, {DEFECT: 1.0, STROKE: 1.0}),
            "c": (None, None, {GENERALISED: 1.0, DEFECT: 1.0}),
        },
    )
    first = [
        reranker.ranker.profiles.diseases[int(np.argmax(reranker.scores(case)))]
        for case in reranker.ranker.code(new)
    ]
    assert first == ["OMIM:1", "OMIM:2", "OMIM:9"]


def test_the_sealed_reranker_scores_alike(reranker, knowledge, small_ontology, tmp_path):
    case = one(reranker.ranker, small_ontology, {FOCAL: 1.0, DEFECT: 0.5, DELAY: None})
    np.savez(tmp_path / "r.npz", **reranker.arrays())
    with np.load(tmp_path / "r.npz", allow_pickle=False) as arrays:
        opened = Reranker.from_arrays(dict(arrays))
    np.testing.assert_array_equal(opened.scores(case), reranker.scores(case))
    assert opened.columns == reranker.columns


def test_candidates_have_all_features_and_no_nan(reranker, small_ontology):
    for terms in ({FOCAL: 1.0}, {FOCAL: None, DELAY: 0.2}, {SEIZURE: None}):
        case = one(reranker.ranker, small_ontology, terms)
        columns, table, _ = reranker.candidates.table(case)
        assert table.shape == (len(columns), len(RERANK_FEATURES))
        assert np.isfinite(table).all()
        assert (np.diff(columns) > 0).all()
        assert np.isfinite(reranker.scores(case)).all()


def test_without_cases_knowledge_stands_for_both(knowledge, small_ontology):
    params = RerankParams()
    alone = Candidates.of(knowledge, None, RankingParams(), params)
    case = one(alone.ranker, small_ontology, {FOCAL: 1.0, DEFECT: 1.0})
    columns, table, _ = alone.table(case)
    assert columns.tolist() == [0, 1]
    names = list(RERANK_FEATURES)
    np.testing.assert_array_equal(table[:, names.index("cosine")], table[:, names.index("knowledge_cosine")])
    assert not table[:, names.index("nearest_case")].any()
    assert set(WITHOUT_CASES) < set(RERANK_FEATURES)


def test_what_was_looked_for_is_compared_only_where_it_is_asked_for(knowledge, small_ontology):
    names = list(RERANK_FEATURES)
    columns = [names.index(name) for name in OF_EXCLUDED]
    terms = {FOCAL: 1.0, DEFECT: None, STROKE: None}
    usual = Candidates.of(knowledge, None, RankingParams(), RerankParams())
    assert not set(OF_EXCLUDED) & set(usual.params.features)
    case = one(usual.ranker, small_ontology, terms)
    assert not usual.table(case)[1][:, columns].any()
    asked = Candidates.of(knowledge, None, RankingParams(), RerankParams(features=RERANK_FEATURES))
    found = asked.table(case)[1][:, columns]
    assert found[:, 0].tolist() == [0, 2]
    f = asked.ranker.profiles.frequency.toarray()[:, 1] * asked.ranker.information
    rows = [small_ontology.index[t] for t in (DEFECT, STROKE)]
    assert found[:, 1].tolist() == pytest.approx([0, f[rows].sum() / f.sum()], rel=1e-5)


def test_frequent_diseases_do_not_rule(known_cases):
    few = few_per_disease(known_cases, 3, seed=0)
    assert few.cases["disease"].value_counts().tolist() == [3, 3, 3]
    assert few.cases["case_id"].tolist() == few_per_disease(known_cases, 3, seed=0).cases["case_id"].tolist()


def test_nothing_is_learned_from_cases_of_unknown_diseases(knowledge, small_ontology):
    strangers = patients_of(
        small_ontology, {str(i): ("ORPHA:77", f"PMID:{i}", {DEFECT: 1.0}) for i in range(9)}
    )
    with pytest.raises(ConfigurationError, match="no case has its own disease"):
        Reranker.fit(knowledge, strangers, params=RerankParams(folds=2))


def test_matched_ranks_leave_out_what_having_cases_says():
    scores, n_cases = np.array([5.0, 4.0, 3.0, 2.0]), np.array([3, 0, 2, 0])
    assert [matched_rank(scores, t, n_cases) for t in range(4)] == [1, 1, 2, 2]
    assert matched_rank(scores, -1, n_cases) == np.inf


def made_cases(n, seed, sharp=3.0):
    """Scores of 40 diseases of which the true one is higher; raw softmaxes are far too sure by the factor 4."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, 40))
    true = rng.integers(0, 40, n)
    scores[np.arange(n), true] += rng.exponential(sharp, n)
    return 4 * scores, true


def test_calibrated_probabilities_agree_with_what_happens():
    scores, true = made_cases(3000, 0)
    cases = [judged(s, t) for s, t in zip(scores, true, strict=True)]
    maps = RankProbabilities.fit(cases, np.arange(3000))
    scores, true = made_cases(3000, 1)
    raw = [raw_probabilities(s) for s in scores]
    p = np.array([maps.of(r) for _, r in raw])
    best = np.array([b for b, _ in raw])
    right = best == true[:, None]
    sure = p[:, 0] > 0.8
    assert abs(p[sure, 0].mean() - right[sure, 0].mean()) < 0.05
    assert abs(p[:, 0].mean() - right[:, 0].mean()) < 0.03
    assert abs(p[:, 1:3].sum() - right[:, 1:3].sum()) < 0.05 * len(p)
    assert np.mean([r[0] for _, r in raw]) - right[:, 0].mean() > 0.15
    assert (p.sum(axis=1) <= 1 + 1e-9).all()
    assert (np.diff(p, axis=1) <= 1e-12).all()
    held = np.array([maps.in_set(s)[t] for s, t in zip(scores, true, strict=True)])
    assert 0.87 < held.mean() < 0.93


def test_the_maps_are_sealed_as_json():
    scores, true = made_cases(200, 2)
    maps = RankProbabilities.fit([judged(s, t) for s, t in zip(scores, true, strict=True)], np.arange(200))
    again = RankProbabilities.from_dict(json.loads(json.dumps(maps.to_dict())))
    raw = raw_probabilities(scores[0])[1]
    np.testing.assert_allclose(again.of(raw), maps.of(raw))
    assert again.gap == maps.gap
    never = RankProbabilities.from_dict(json.loads(json.dumps(RankProbabilities([], np.inf, 0.9).to_dict())))
    assert never.gap == np.inf
    assert never.in_set(scores[0]).all()


def test_a_publication_counts_as_one_whatever_its_cases():
    # nine publications with one case each, and one with a thousand hard ones
    gap = np.concatenate([np.arange(9.0), np.full(1000, 100.0)])
    publication = np.array([*(f"p{i}" for i in range(9)), *(["large"] * 1000)])
    assert set_gap(gap, publication, 0.5) == 5.0
    assert set_gap(gap, publication, 0.95) == np.inf
    assert set_gap(np.array([np.inf, 1.0, 2.0]), np.arange(3), 0.5) == 2.0


def test_a_large_publication_does_not_rule_the_probabilities():
    right, wrong = (judged(np.array([2.0, 1.0]), true) for true in (0, -1))
    publication = [*(f"p{i}" for i in range(100)), *(["large"] * 400)]
    maps = RankProbabilities.fit([right] * 100 + [wrong] * 400, publication)
    # 400 cases count as 20
    assert maps.of(right.raw)[0] == pytest.approx(100 / 120, abs=0.01)


def test_diseases_that_are_no_candidates_are_never_right():
    scores = np.array([1.0, -np.inf, 0.0])
    assert judged(scores, 0).right == 0
    assert judged(scores, 2).gap == 1.0
    for true in (1, -1):
        case = judged(scores, true)
        assert (case.right, case.gap) == (-1, np.inf)
    assert judged(scores, 0).raw.shape == (KEPT,)
    with pytest.raises(InputError, match="calibration needs cases"):
        RankProbabilities.fit([], np.array([]))


def test_the_next_question_tells_the_candidates_apart(ranker, small_ontology):
    case = one(ranker, small_ontology, {"HP:0000707": 1.0})
    asked = next_questions(ranker, case, top=9)
    assert (np.diff(asked["gain_bits"]) <= 0).all()
    assert (asked["gain_bits"] > 0).all()
    # what is known already is not asked: trouble of nerves, and that it is abnormal
    assert not {"HP:0000707", "HP:0000118"} & set(asked["term"])
    row = asked.set_index("term").loc[DEFECT]
    assert (row["for_disease"], row["against_disease"]) == ("OMIM:2", "OMIM:1")
    # two candidates with probability p: the mutual information by its definition
    scores = ranker.scores(case)
    p = np.exp(scores - scores.max())
    p /= p.sum()
    f = np.clip(ranker.profiles.frequency[[small_ontology.index[DEFECT]]].toarray()[0], 0.01, 0.95)
    joint = np.array([p * f, p * (1 - f)])
    expected = (joint * np.log2(joint / (joint.sum(axis=1, keepdims=True) * p))).sum()
    assert row["gain_bits"] == pytest.approx(expected, rel=1e-4)
    assert row["yes"] == pytest.approx(p @ f, rel=1e-4)


def test_answers_are_added_and_not_asked_again(ranker, small_ontology):
    index = small_ontology.index
    case = one(ranker, small_ontology, {DELAY: 0.5})
    more = with_answer(ranker, with_answer(ranker, case, index[SEIZURE], False), index[STROKE], True)
    assert more.observed.tolist() == sorted([index[DELAY], index[STROKE]])
    assert more.excluded.tolist() == [index[SEIZURE]]
    # a no to a question counts in full, unlike what a report lists as absent
    against = (
        ranker.components(more).ratio
        - ranker.components(with_answer(ranker, case, index[STROKE], True)).ratio
    )
    f = ranker.profiles.frequency[[index[SEIZURE]]].toarray()[0]
    np.testing.assert_allclose(against, np.log1p(-f), rtol=1e-4)
    asked = set(next_questions(ranker, more, top=20)["term"])
    # no seizure at all: none of its kinds; a stroke: trouble of nerves and of the heart
    assert not {SEIZURE, FOCAL, GENERALISED, STROKE, DELAY, "HP:0000707", "HP:0001626"} & asked
    surer = with_answer(ranker, case, index[DELAY], True)
    assert surer.weight.tolist() == [1.0]
    assert case.weight.tolist() == [0.5]


def test_only_what_may_be_asked_is_asked(ranker, small_ontology):
    case = one(ranker, small_ontology, {DELAY: 1.0})
    rows = np.array([small_ontology.index[t] for t in (DELAY, STROKE)])
    assert next_questions(ranker, case, among=rows)["term"].tolist() == [STROKE]
    assert next_questions(ranker, case, among=rows[:1]).empty


def test_two_diseases_explain_together_what_neither_does_alone(ranker, small_ontology):
    case = one(ranker, small_ontology, {FOCAL: 1.0, DEFECT: 1.0})
    found = best_partners(ranker, case)
    assert set(found["disease"]) == {"OMIM:1", "OMIM:2"}
    assert found["partner"].tolist() == found["disease"].tolist()[::-1]
    rows = [ranker.of_symptom(int(t))[0] for t in case.observed]
    assert found["log_ratio"].tolist() == pytest.approx([float(np.max(rows, axis=1).sum())] * 2, rel=1e-5)
    assert best_partners(ranker, one(ranker, small_ontology, {FOCAL: None})).empty


def boosted(seed, rounds=20):
    """A LightGBM model on numbers of float32, and numbers to predict, ties with its thresholds among them."""
    import lightgbm

    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(400, 3)), 1).astype(np.float32)
    y = (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(int)
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5, "seed": seed}
    return lightgbm.train(settings, lightgbm.Dataset(x, y), num_boost_round=rounds), x


def test_boosted_trees_predict_exactly_as_lightgbm_does():
    first, x = boosted(0)
    second, _ = boosted(1)
    rows = np.vstack([x, np.full((1, 3), -np.inf, dtype=np.float32)])
    trees = BoostedTrees([first.model_to_string()])
    expected = first.predict(rows, raw_score=True)
    np.testing.assert_array_equal(trees.predict(rows), expected)
    both = BoostedTrees([first.model_to_string(), second.model_to_string()])
    np.testing.assert_allclose(
        both.predict(rows), expected + second.predict(rows, raw_score=True), rtol=1e-12
    )


def test_a_tree_of_one_leaf_says_the_same_of_all():
    import lightgbm

    x = np.zeros((50, 1), dtype=np.float32)
    y = np.arange(50) % 2
    flat = lightgbm.train({"objective": "binary", "verbosity": -1}, lightgbm.Dataset(x, y), num_boost_round=2)
    np.testing.assert_array_equal(
        BoostedTrees([flat.model_to_string()]).predict(x), flat.predict(x, raw_score=True)
    )


def test_a_booster_that_points_outside_itself_is_refused():
    model, x = boosted(0, rounds=1)
    text = model.model_to_string()
    line = next(line for line in text.splitlines() if line.startswith("left_child="))
    for wrong in ("left_child=0" + line[len("left_child=1") :], line + " 1", "left_child=99 " + line[13:]):
        with pytest.raises(BundleError, match="booster cannot be read"):
            BoostedTrees([text.replace(line, wrong)])
    with pytest.raises(BundleError, match="has no end"):
        BoostedTrees([text.partition("end of trees")[0]])
    with pytest.raises(BundleError, match="booster cannot be read"):
        BoostedTrees(["no booster"])
    with pytest.raises(BundleError, match="different numbers of columns"):
        BoostedTrees([text, text.replace("max_feature_idx=2", "max_feature_idx=3")])
    with pytest.raises(BundleError, match="reads 3 columns"):
        BoostedTrees([text]).predict(np.hstack([x, x]))
