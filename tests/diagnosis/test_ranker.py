"""The ranker against frequencies and ratios that are counted by hand, and what must hold for every ranking."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.diagnosis.evaluation import (
    is_cited,
    publication_folds,
    training_cases,
    true_ranks,
    usable,
)
from medanomaly.diagnosis.knowledge.source import read_knowledge
from medanomaly.diagnosis.patients import read_symptoms, written_symptoms
from medanomaly.diagnosis.ranking.closer_look import compared_candidates, even_weights, fit_weights
from medanomaly.diagnosis.ranking.features import FEATURES
from medanomaly.diagnosis.ranking.frequencies import _series, annotated_terms, named_terms, profiles
from medanomaly.diagnosis.ranking.params import RankingParams
from medanomaly.diagnosis.ranking.ranker import Ranker, best_first

NAN = float("nan")
# round numbers, so that frequencies can be counted by hand
MIX = {"knowledge_patients": 2, "orphanet_patients": 1, "absent_share": 0.1, "relatives": 0.5, "named": 0}
SEIZURE, FOCAL, GENERALISED, DELAY, DEFECT, STROKE = (
    "HP:0001250",
    "HP:0007359",
    "HP:0002197",
    "HP:0001263",
    "HP:0001631",
    "HP:0001297",
)


@pytest.fixture(scope="module")
def knowledge(knowledge_folder):
    return read_knowledge(knowledge_folder)


@pytest.fixture(scope="module")
def ranker(knowledge):
    return Ranker.of(knowledge)


def patients_of(ontology, cases):
    """``cases``: id -> (disease, publication, {term: weight, or None if excluded})."""
    table = pd.DataFrame(
        [
            (case, f"p {case}", publication, disease, disease, None, NAN, NAN)
            for case, (disease, publication, _) in cases.items()
        ],
        columns=[
            "case_id", "patient_id", "publication", "disease", "disease_name", "sex", "age_years", "onset_years",
        ],
    )  # fmt: skip
    rows = [
        (case, term, weight is None, 1.0 if weight is None else weight, NAN)
        for case, (_, _, terms) in cases.items()
        for term, weight in terms.items()
    ]
    return read_symptoms(table, written_symptoms(rows), ontology)


def one(ranker, ontology, terms):
    return next(iter(ranker.code(patients_of(ontology, {"c": (None, None, terms)}))))


def frequency(of_diseases, ontology, term, disease):
    return float(of_diseases.frequency[[ontology.index[term]]][:, [of_diseases.index()[disease]]].sum())


def test_counts_of_publications_are_added_and_words_count_as_some_patients(small_annotations, small_ontology):
    table = annotated_terms(small_annotations, RankingParams()).set_index(["disease", "term"])["frequency"]
    row = small_ontology.index
    # 3/4 and 1/6; nothing stated: .6 of 4 patients; very frequent: .9 of 4
    np.testing.assert_allclose(table["OMIM:1", row[FOCAL]], 4.5 / 11)
    np.testing.assert_allclose(table["OMIM:1", row[DELAY]], 2.9 / 5, rtol=1e-6)
    np.testing.assert_allclose(table["OMIM:2", row[DEFECT]], 4.1 / 5, rtol=1e-6)
    assert ("OMIM:1", row[DEFECT]) not in table.index


def test_a_disease_has_what_its_symptoms_are_a_kind_of(knowledge, small_ontology):
    found = profiles(knowledge, RankingParams(**MIX, orphanet_linked=0))
    assert found.diseases == ("OMIM:1", "OMIM:2")
    assert frequency(found, small_ontology, SEIZURE, "OMIM:1") == pytest.approx(4.5 / 11)
    assert frequency(found, small_ontology, "HP:0000707", "OMIM:1") == pytest.approx(2.9 / 5)
    assert frequency(found, small_ontology, GENERALISED, "OMIM:1") == 0


def test_linked_diseases_of_orphanet_are_mixed_in(knowledge, small_ontology):
    alone = profiles(knowledge, RankingParams(**MIX, orphanet_linked=0))
    mixed = profiles(knowledge, RankingParams(**MIX))
    assert mixed.linked == ((), ("ORPHA:3",))
    np.testing.assert_allclose(mixed.orphanet, [0, 1])
    # own .125 of 4 patients -> 1/5, of Orphanet .17 of 4 -> 1.18/5; weights 2 and 1
    own, theirs = (0.125 * 4 + 0.5) / 5, (0.17 * 4 + 0.5) / 5
    assert frequency(alone, small_ontology, STROKE, "OMIM:2") == pytest.approx(own)
    assert frequency(mixed, small_ontology, STROKE, "OMIM:2") == pytest.approx((2 * own + theirs) / 3)


def test_cases_are_mixed_in_and_excluded_symptoms_lower_a_share(knowledge, small_ontology):
    cases = patients_of(
        small_ontology,
        {
            "a": ("OMIM:1", "PMID:1", {GENERALISED: 1.0}),
            "b": ("OMIM:1", "PMID:2", {DELAY: 1.0, SEIZURE: None}),
            "c": ("OMIM:9", "PMID:3", {DEFECT: 1.0, STROKE: 1.0}),
            "d": ("OMIM:9", "PMID:4", {DEFECT: 1.0}),
        },
    )
    found = profiles(knowledge, RankingParams(**MIX, orphanet_linked=0), cases)
    assert found.n_cases.tolist() == [2, 0, 2]
    # of two cases one had it, and one had no seizure of any kind; 2 patients stand for the annotations
    assert frequency(found, small_ontology, GENERALISED, "OMIM:1") == pytest.approx(2 * 0.5 / 4)
    # a disease that only cases tell of
    assert found.diseases[2] == "OMIM:9"
    assert frequency(found, small_ontology, DEFECT, "OMIM:9") == pytest.approx(2 * 1 / 2.5)
    # a case that says nothing of strokes counts as a tenth of one without
    assert frequency(found, small_ontology, STROKE, "OMIM:9") == pytest.approx(2 * (1 / 1.1) / 2.5)


def test_a_disease_without_statements_takes_the_mean_of_its_relatives(knowledge, small_ontology):
    genes = pd.DataFrame({"disease": ["OMIM:1", "OMIM:2"], "gene": ["AAA", "AAA"]})
    # all statements on disease 1 cite these
    bare = replace(
        knowledge, genes=genes, annotations=knowledge.annotations.without(["PMID:11", "PMID:12", "OMIM:1"])
    )
    found = profiles(bare, RankingParams(**MIX, orphanet_linked=0))
    assert found.annotated.tolist() == [False, True]
    theirs = frequency(found, small_ontology, STROKE, "OMIM:2")
    assert frequency(found, small_ontology, STROKE, "OMIM:1") == pytest.approx(theirs / 2)
    without = profiles(bare, RankingParams(**MIX | {"relatives": 0}, orphanet_linked=0))
    assert frequency(without, small_ontology, STROKE, "OMIM:1") == 0


def test_the_name_of_a_disease_that_nothing_else_is_known_of_is_read(small_ontology, knowledge):
    names = pd.Series(["Disorder with strokes and focal-onset seizures", "Heart disease 2"])
    said = named_terms(names, small_ontology)
    assert [(d, small_ontology.ids[t]) for d, t in said.itertuples(index=False)] == [(0, STROKE), (0, FOCAL)]
    of_genes = pd.Series({"OMIM:1": "Seizure disease 1", "OMIM:4": "Disorder with strokes"})
    found = profiles(knowledge, RankingParams(**MIX | {"named": 0.6}, orphanet_linked=0), names=of_genes)
    assert found.diseases == ("OMIM:1", "OMIM:4")
    assert frequency(found, small_ontology, STROKE, "OMIM:4") == pytest.approx(0.6)
    assert frequency(found, small_ontology, STROKE, "OMIM:1") == 0


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("Noonan syndrome 3", "noonan syndrome"),
        ("Usher syndrome, type 2C", "usher syndrome"),
        ("Immunodeficiency 118, mycobacteriosis", "immunodeficiency"),
        ("Neurodevelopmental disorder with seizures", "neurodevelopmental disorder"),
        ("Mucopolysaccharidosis type VI", "mucopolysaccharidosis"),
        ("3-M syndrome", "3 m syndrome"),
        ("Marfan syndrome", "marfan syndrome"),
    ],
)
def test_names_of_one_series_agree(name, series):
    assert _series(name) == series


def test_a_database_without_diseases_is_an_error(knowledge):
    with pytest.raises(ConfigurationError, match="no disease of DECIPHER"):
        profiles(knowledge, RankingParams(databases=("DECIPHER",)))


def test_log_ratio_is_own_frequency_or_a_detour_or_the_floor(knowledge, small_ontology):
    params = RankingParams(orphanet_linked=0, common=1)
    ranker = Ranker.of(knowledge, params)
    row = small_ontology.index
    share = 4.5 / 11
    background = share / 2 + 1 / 2
    np.testing.assert_allclose(ranker.of_symptom(row[FOCAL])[0, 0], np.log(share / background), rtol=1e-5)
    # no kind of seizure but the focal one: over the ancestor "seizure", which disease 2 has too (5/3 is no count: .6 of 4)
    other = 2.9 / 5
    background = (share + other) / 2 + 1 / 2
    np.testing.assert_allclose(
        ranker.of_symptom(row[GENERALISED])[0, 0],
        max(np.log(0.05 * share / background), np.log(0.05)),
        rtol=1e-5,
    )
    assert ranker.of_symptom(row[DEFECT])[0, 0] == pytest.approx(np.log(0.05))
    without = ranker.components(one(ranker, small_ontology, {FOCAL: None})).ratio
    np.testing.assert_allclose(without, [params.excluded * np.log(1 - share), 0], rtol=1e-5)


def test_similarity_is_the_information_of_the_best_common_ancestor(ranker, small_ontology):
    row = small_ontology.index
    # both diseases have a stroke or a delay, hence trouble of nerves; only the second has trouble of the heart
    assert ranker.of_symptom(row[FOCAL])[1].tolist() == pytest.approx([np.log(2), 0])
    assert ranker.of_symptom(row[STROKE])[1].tolist() == pytest.approx([0, np.log(2)])


def test_the_closer_look_compares_what_case_and_disease_share(ranker, small_ontology):
    case = one(ranker, small_ontology, {FOCAL: 1.0, DEFECT: 0.5, DELAY: None})
    of_case = ranker.components(case)
    found = ranker.comparison.features(case, np.array([0, 1]), of_case)
    table = pd.DataFrame(found, columns=FEATURES)
    f = ranker.profiles.frequency.toarray()
    ic = ranker.information
    closed = np.zeros(len(ic))
    for row, weight in zip(case.observed, case.weight, strict=True):
        above = ranker.ancestors[[row]].indices
        closed[above] = np.maximum(closed[above], weight)
    shared = (f.T * ic * closed).sum(axis=1)
    total = (f.T * ic).sum(axis=1)
    np.testing.assert_allclose(
        table["shared_information"], shared / (total + (closed * ic).sum() - shared), rtol=1e-5
    )
    np.testing.assert_allclose(table["disease_covered"], shared / total, rtol=1e-5)
    norm = np.sqrt(((f.T * ic) ** 2).sum(axis=1) * ((closed * ic) ** 2).sum())
    np.testing.assert_allclose(table["cosine"], (f.T * ic**2 * closed).sum(axis=1) / norm, rtol=1e-5)
    index = small_ontology.index
    known = np.array([1.0, 0.5]) / 1.5
    np.testing.assert_allclose(table["known_symptoms"], known, rtol=1e-6)
    np.testing.assert_allclose(
        table["mean_frequency"], known * [f[index[FOCAL], 0], f[index[DEFECT], 1]], rtol=1e-5
    )
    np.testing.assert_allclose(table["known_of_many"], known * np.log1p((f > 0).sum(axis=0)), rtol=1e-6)
    np.testing.assert_allclose(table["ratio"], of_case.ratio, rtol=1e-6)
    np.testing.assert_allclose(table["ratio_per_root"], of_case.ratio / np.sqrt(2), rtol=1e-6)
    single = [ranker.of_symptom(int(r))[0] * w for r, w in zip(case.observed, case.weight, strict=True)]
    np.testing.assert_allclose(table["worst_ratio"], np.min(single, axis=0), rtol=1e-6)
    np.testing.assert_allclose(table["best_ratio"], np.max(single, axis=0), rtol=1e-6)
    np.testing.assert_allclose(table["excluded_ratio"], np.log1p(-f[index[DELAY]]), rtol=1e-5)
    # terms without a further kind: disease 1 has focal seizures and delay, what it shares is each one's best ancestor
    leaf = {0: (FOCAL, DELAY), 1: (DEFECT, STROKE, SEIZURE)}
    for disease, terms in leaf.items():
        rows = [index[t] for t in terms]
        best = [max(ic[a] for a in ranker.ancestors[[r]].indices if closed[a] > 0) for r in rows]
        expected = np.dot(f[rows, disease], best) / f[rows, disease].sum()
        np.testing.assert_allclose(table["disease_to_case"][disease], expected, rtol=1e-5)


def test_only_the_best_are_looked_at_more_closely(knowledge, small_ontology):
    case_terms = {FOCAL: 1.0, STROKE: 1.0}
    plain = Ranker.of(knowledge, RankingParams(looked_at=0))
    case = one(plain, small_ontology, case_terms)
    assert plain.scores(case).tolist() == plain.plain_scores(plain.components(case)).tolist()
    # a weight that turns the order of the two around
    turned = Ranker.of(knowledge, RankingParams(looked_at=2, closer_look={"ratio": -1.0}))
    by_ratio = np.argsort(turned.components(case).ratio)[::-1]
    assert np.argsort(turned.scores(case)).tolist() == by_ratio.tolist()
    first = Ranker.of(knowledge, RankingParams(looked_at=1, closer_look={"ratio": -1.0}))
    assert np.argsort(first.scores(case)).tolist() == np.argsort(plain.scores(case)).tolist()


def test_weights_of_the_closer_look_are_found_again():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2000, 5, len(FEATURES)))
    score = 2 * features[:, :, 0] - features[:, :, 3] + rng.gumbel(size=(2000, 5))
    true = score.argmax(axis=1)
    true[:10] = -1
    found = fit_weights(features, true, ("ratio", "similarity", "cosine"), np.ones(2000), ridge=1e-6)
    assert found == pytest.approx({"ratio": 2, "similarity": -1, "cosine": 0}, abs=0.15)
    with pytest.raises(InputError, match="among the candidates"):
        fit_weights(features[:3], np.full(3, -1), ("ratio",), np.ones(3))
    assert even_weights(np.array(["a", "b", "a", "a", "a"])).tolist() == [0.5, 1, 0.5, 0.5, 0.5]


def test_candidates_are_compared_before_the_closer_look(ranker, small_ontology):
    patients = patients_of(
        small_ontology, {"a": ("OMIM:2", None, {DEFECT: 1.0}), "b": ("OMIM:77", None, {DEFECT: 1.0})}
    )
    features, candidates, true = compared_candidates(ranker, patients, 2)
    assert features.shape == (2, 2, len(FEATURES))
    assert candidates.tolist() == [[1, 0], [1, 0]]
    assert true.tolist() == [0, -1]


def test_the_disease_that_has_the_symptoms_comes_first(ranker, small_ontology):
    patients = patients_of(
        small_ontology,
        {
            "seizures": (None, None, {FOCAL: 1.0, DELAY: 1.0}),
            "heart": (None, None, {DEFECT: 1.0, STROKE: 1.0}),
        },
    )
    ranking = ranker.rank(patients)
    assert ranking["case_id"].tolist() == ["seizures"] * 2 + ["heart"] * 2
    assert ranking["disease"].tolist() == ["OMIM:1", "OMIM:2", "OMIM:2", "OMIM:1"]
    assert ranking["rank"].tolist() == [1, 2, 1, 2]
    assert len(ranker.rank(patients, top=1)) == 2
    assert ranker.rank(patients.select([])).empty


def test_weight_of_a_symptom_moves_the_score_in_one_direction(ranker, small_ontology):
    terms = [one(ranker, small_ontology, {DELAY: 1.0, STROKE: w}) for w in (0.0, 0.25, 0.5, 1.0)]
    ratios = np.array([ranker.components(case).ratio for case in terms])
    # disease 1 has no stroke, disease 2 has
    assert (np.diff(ratios[:, 0]) < 0).all()
    assert (np.diff(ratios[:, 1] - ratios[:, 0]) > 0).all()
    alone = one(ranker, small_ontology, {DELAY: 1.0})
    np.testing.assert_allclose(ranker.components(alone).ratio, ratios[0], rtol=1e-6)


def test_an_excluded_symptom_speaks_against_who_has_it(ranker, small_ontology):
    seen = one(ranker, small_ontology, {DELAY: 1.0})
    less = one(ranker, small_ontology, {DELAY: 1.0, DEFECT: None})
    change = ranker.components(less).ratio - ranker.components(seen).ratio
    assert change[0] == 0
    assert change[1] < 0


def test_order_of_symptoms_does_not_matter_and_the_sealed_ranker_ranks_alike(
    ranker, small_ontology, tmp_path
):
    forward = patients_of(small_ontology, {"c": (None, None, {FOCAL: 1.0, DELAY: 0.3, STROKE: None})})
    backward = patients_of(small_ontology, {"c": (None, None, {STROKE: None, DELAY: 0.3, FOCAL: 1.0})})
    np.savez(tmp_path / "r.npz", **ranker.arrays())
    with np.load(tmp_path / "r.npz", allow_pickle=False) as arrays:
        opened = Ranker.from_arrays(dict(arrays))
    expected = ranker.rank(forward)
    pd.testing.assert_frame_equal(ranker.rank(backward), expected)
    pd.testing.assert_frame_equal(opened.rank(forward), expected)
    case = next(iter(opened.code(forward)))
    pd.testing.assert_frame_equal(opened.explain(case, "OMIM:1"), ranker.explain(case, "OMIM:1"))
    assert opened.about == ranker.about


def test_each_symptom_is_explained_by_the_statement_behind_it(ranker, small_ontology):
    case = one(ranker, small_ontology, {SEIZURE: 1.0, DEFECT: None, STROKE: 1.0})
    first = ranker.explain(case, "OMIM:1").set_index("term")
    assert first.loc[SEIZURE, ["matched_term", "stated", "reference"]].tolist() == [
        FOCAL,
        "4/10",
        "PMID:11;PMID:12",
    ]
    assert first.loc[STROKE, "stated"] == "not known of this disease"
    assert first.loc[STROKE, "log_ratio"] < 0
    assert first.loc[STROKE, "reference"] == ""
    second = ranker.explain(case, "OMIM:2").set_index("term")
    assert second.loc[STROKE, ["matched_term", "stated", "reference"]].tolist() == [
        STROKE,
        "12.5%",
        "PMID:13",
    ]
    assert second.loc[DEFECT, "excluded"]
    assert second.loc[DEFECT, "log_ratio"] < 0
    # the reasons add up to the score they are the reasons of
    ratio = ranker.components(case).ratio
    np.testing.assert_allclose(first["log_ratio"].sum(), ratio[0], rtol=1e-5)
    np.testing.assert_allclose(second["log_ratio"].sum(), ratio[1], rtol=1e-5)
    with pytest.raises(InputError, match="does not know the disease 'OMIM:77'"):
        ranker.explain(case, "OMIM:77")


def test_what_stands_behind_cases_and_orphanet_is_named(knowledge, small_ontology):
    cases = patients_of(small_ontology, {"a": ("OMIM:9", "PMID:3", {DEFECT: 1.0})})
    ranker = Ranker.of(
        replace(knowledge, annotations=knowledge.annotations.without(["PMID:13"])), cases=cases
    )
    case = one(ranker, small_ontology, {DEFECT: 1.0, STROKE: 1.0})
    of_cases = ranker.explain(case, "OMIM:9").set_index("term")
    assert of_cases.loc[DEFECT, ["stated", "reference"]].tolist() == ["1 known cases", "cases"]
    linked = ranker.explain(case, "OMIM:2").set_index("term")
    assert linked.loc[STROKE, ["stated", "reference"]].tolist() == ["Occasional", "ORPHA:3"]


def test_a_symptom_of_another_release_is_an_error(ranker, small_ontology):
    patients = patients_of(small_ontology, {"c": (None, None, {DELAY: 1.0})})
    other = replace(patients, symptoms=patients.symptoms.assign(term="HP:7777777"))
    with pytest.raises(InputError, match="HP:7777777 is not in the ontology of this ranker"):
        list(ranker.code(other))


def test_the_best_come_first_and_ties_count_against_each():
    best, rank, score = best_first(np.array([1.0, 3.0, 3.0, -np.inf, 2.0]), 3)
    assert best.tolist() == [1, 2, 4]
    assert rank.tolist() == [2, 2, 3]
    assert score.tolist() == [3, 3, 2]
    assert best_first(np.array([-np.inf]), 3)[0].size == 0


def test_folds_never_divide_a_publication_and_leave_its_statements_out(knowledge, small_ontology):
    cases = {
        f"{pub}-{i}": (f"OMIM:{1 + pub % 2}", f"PMID:{pub}", {DELAY: 1.0, DEFECT: 1.0})
        for pub in range(5, 25)
        for i in range(3)
    }
    cases["excluded only"] = ("OMIM:1", "PMID:5", {DELAY: None})
    cases["other database"] = ("ORPHA:3", "PMID:5", {DELAY: 1.0})
    patients = usable(patients_of(small_ontology, cases))
    assert len(patients) == 60
    seen = []
    for fold in publication_folds(knowledge, patients, 3):
        inside = set(fold.test.cases["publication"])
        assert not inside & set(fold.train.cases["publication"])
        assert len(fold.train) + len(fold.test) == 60
        cited = {p for _, p in fold.knowledge.annotations.cited()}
        assert not inside & cited
        seen += fold.test.cases["case_id"].tolist()
        of_disease = fold.train.cases["disease"].value_counts()
        assert training_cases(fold.train, fold.test).tolist() == [
            of_disease[disease] for disease in fold.test.cases["disease"]
        ]
        ranks = true_ranks(Ranker.of(fold.knowledge, cases=fold.train), fold.test)
        assert ranks.shape == (len(fold.test),)
    assert sorted(seen) == sorted(patients.cases["case_id"])
    cited = is_cited(knowledge, patients)
    assert set(patients.cases["publication"][cited]) == {"PMID:11", "PMID:12", "PMID:13"}
    assert not is_cited(fold.knowledge, fold.test).any()
