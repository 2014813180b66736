"""What the report says of rankings: every sentence where it must stand, and where it must not."""

import numpy as np
import pandas as pd
import pytest

from medanomaly.evaluation.params import EvaluationParams
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.reporting.diagnosis.sections import (
    SHOWN_REASONS,
    diagnosis_sections,
    not_known,
    not_read,
    probabilities,
    where_it_stands,
)

MODEL = "phenotype_ranker"


def judged(rank=(1, 2, 5, np.inf, 1, 1), probability=np.nan, cited=(True, False)):
    n = len(rank)
    return pd.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(n)],
            "disease": [f"OMIM:{i % 3}" for i in range(n)],
            "publication": [f"PMID:{i}" for i in range(n)],
            "published": True,
            "rank": np.array(rank, dtype=float),
            "in_set": pd.array([r <= 2 for r in rank], dtype="boolean"),
            "set_size": pd.array([3] * n, dtype="Int32"),
            "probability": probability,
            "cited": np.resize(cited, n),
            "training_cases": np.resize([0, 3, 9], n),
        }
    )


def measured(table, group="", given=True):
    from medanomaly.evaluation.ranked_answers import ranking_metrics

    sets = (table["in_set"].to_numpy(bool), table["set_size"].to_numpy(float)) if given else ()
    found = ranking_metrics(
        table["rank"].to_numpy(),
        table["disease"],
        table["publication"],
        EvaluationParams(n_resamples=100),
        *sets,
    )
    return found.assign(model=MODEL, subgroup=group)


def test_the_share_at_the_top_is_said_with_its_interval_and_by_group():
    table = judged()
    metrics = pd.concat([measured(table), measured(table[table["cited"]], "publication=cited")])
    section = where_it_stands(metrics, {MODEL: table})
    assert "the diagnosed disease stands first in 50\u00a0% of 6\u00a0test cases" in section.lead
    rows = {row[0]: row for row in section.tables[0].rows}
    assert list(rows) == ["All", "Publication cited by the release for this disease"]
    assert rows["All"][1] == 6
    assert "In the set" in section.tables[0].columns
    assert "In the set" not in where_it_stands(measured(table, given=False), {MODEL: table}).tables[0].columns
    # of groups of which there is only one, one curve is drawn
    assert "Publication not cited (3 cases)" in section.figures[0].svg
    alone = where_it_stands(measured(table), {MODEL: judged(cited=(True,))})
    assert "Publication not cited" not in alone.figures[0].svg


def test_publications_are_spoken_of_only_where_cases_name_some():
    table = judged()
    for published in (True, False):
        section = where_it_stands(measured(table), {MODEL: table.assign(published=published)})
        note, caption = section.tables[0].note, section.figures[0].reading
        assert ("resampled publications" in note) == published
        assert ("resampled patients" in note) != published
        assert ("was left out of the knowledge" in note) == published
        assert ("is easier than a new one" in caption) == published


def test_without_a_diagnosis_nothing_is_said_of_ranks():
    section = where_it_stands(measured(judged()).head(0), {MODEL: judged().head(0)})
    assert "nothing can be said" in section.text
    assert not section.tables


def test_probabilities_are_shown_where_there_are_some():
    assert probabilities(MODEL, measured(judged()), judged()) is None
    table = judged(probability=0.5)
    section = probabilities(MODEL, measured(table), table)
    assert "mean gap between probability and what came true is 0.000" in section.text
    assert "holds the diagnosed one in 67\u00a0% of the cases" in section.text
    assert "has 3 diseases on average; half of the sets have 3 or fewer." in section.text
    assert "Share in which the first disease was right" in section.figures[0].svg
    assert "anomalous" not in section.figures[0].svg
    assert "With every publication counted once it is 67\u00a0%" in section.text
    unpublished = probabilities(MODEL, measured(table), table.assign(published=False))
    assert "counted once" not in unpublished.text
    assert "holds the diagnosed one" not in probabilities(MODEL, measured(table, given=False), table).text


def test_a_few_publications_with_unknown_diseases_judge_nothing():
    outside = pd.DataFrame(
        {
            "patient_id": [f"p{i}" for i in range(12)],
            "publication": [f"PMID:{i}" for i in range(11)] + [pd.NA],
            "disease": "OMIM:77",
        }
    )
    many = not_known(outside).text
    assert "12 test cases of 1 disease from 12 publications have a disease" in many.replace("\u00a0", " ")
    assert "too few" not in many
    few = not_known(outside.assign(publication="PMID:1")).text
    assert "from 1 publication have" in few.replace("\u00a0", " ")
    assert "too few to tell whether such a case is noticed" in few


def test_what_was_not_read_is_counted_by_reason_with_an_example():
    symptoms = pd.DataFrame({"excluded": [False, True]})
    patients = pd.DataFrame({"case_id": ["a"]})
    nothing = pd.DataFrame({"case_id": [], "given": [], "reason": []})
    assert "Everything that was written could be used." in not_read(patients, symptoms, nothing).text
    unread = pd.DataFrame(
        {
            "case_id": "a",
            "given": [f"x{i}" for i in range(20)],
            "reason": [f"reason {i // 2}" for i in range(20)],
        }
    )
    section = not_read(patients, symptoms, unread)
    assert (
        "2 symptoms of 1\u00a0patient were read, 1 of them excluded. 20 parts were not used" in section.text
    )
    assert section.tables[0].rows[0] == ("reason 0", 2, "x0")
    assert section.links == [("All parts that were not read", "unread.csv")]
    assert section.tables[0].note == ""
    many = unread.assign(reason=unread["given"])
    assert section.tables[0].note == ""
    assert f"And {20 - SHOWN_REASONS} more reasons." in not_read(patients, symptoms, many).tables[0].note


def test_cases_with_a_page_are_listed_with_what_was_diagnosed():
    patients = pd.DataFrame(
        {
            "case_id": ["c0", "c1", "c3"],
            "disease": ["OMIM:0", pd.NA, "OMIM:0"],
            "disease_name": ["Zero", pd.NA, ""],
        }
    )
    rankings = pd.DataFrame(
        {
            "case_id": ["c0", "c1", "c3", "c9"],
            "disease": "OMIM:0",
            "disease_name": "Zero",
            "in_set": True,
            "rank": 1,
        }
    )
    table = judged()
    sections = diagnosis_sections(
        patients.assign(excluded=False), pd.DataFrame({"excluded": [False]}), pd.DataFrame({"reason": []}),
        measured(table), {MODEL: rankings}, {MODEL: table}, {"c0", "c1", "c3"}, {"ontology": "HPO x", "licence": "cite"},
    )  # fmt: skip
    found = {section.title: section for section in sections}
    assert "Diseases that are not in the knowledge" not in found
    rows = found["Cases with a page of their own"].tables[0].rows
    assert [row[0].link for row in rows] == ["cases/c0.html", "cases/c1.html", "cases/c3.html"]
    # c1 was not diagnosed by anybody, and the disease of c3 is not ranked
    assert [row[2].text for row in rows] == ["1", "2", "not ranked"]
    assert found["Knowledge"].notes == ["Ontology: HPO x", "Licence: cite"]


@pytest.fixture
def small_run():
    patients = pd.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(40)],
            "patient_id": [f"p{i}" for i in range(40)],
            "disease": [f"OMIM:{i % 4}" for i in range(40)],
            "publication": [pd.NA if i == 39 else f"PMID:{i // 2}" for i in range(40)],
        }
    ).astype("string")
    split = ["train"] * 20 + ["test"] * 20
    cases = pd.DataFrame(
        {"case_id": patients["case_id"], "split": split, "label": pd.array([0] * 40, dtype="Int8")}
    )
    rankings = pd.DataFrame(
        {
            "case_id": np.repeat(patients["case_id"].to_numpy(), 2),
            "disease": ["OMIM:0", "OMIM:1"] * 40,
            "rank": [1, 2] * 40,
        }
    ).assign(probability=0.5, in_set=pd.array([True, False] * 40, dtype="boolean"), set_size=1)
    return patients, cases, rankings


def test_rankings_are_judged_on_test_with_what_is_known_of_each_case(small_run):
    from types import SimpleNamespace

    from medanomaly.pipelines.diagnosis.ranking_nodes import groups, judged_cases, measure_rankings

    patients, cases, rankings = small_run
    knowledge = SimpleNamespace(annotations=SimpleNamespace(cited=lambda: {("OMIM:0", "PMID:10")}))
    found = judged_cases(patients, cases, rankings, knowledge).set_index("case_id")
    assert found.index.tolist() == [f"c{i}" for i in range(20, 40)]
    assert found.loc[["c20", "c21", "c22"], "rank"].tolist() == [1, 2, np.inf]
    assert found.loc[["c20", "c21", "c22"], "in_set"].fillna(False).tolist() == [True, False, False]
    assert found["cited"].sum() == 1
    assert found.loc["c39", "publication"] == "p39"
    assert found["published"].tolist() == [True] * 19 + [False]
    assert found["training_cases"].eq(5).all()
    masks = groups(found.reset_index())
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {
        "": 20, "publication=cited": 1, "publication=not cited": 19, "training cases=0": 0, "training cases=1-4": 0,
        "training cases=5 and more": 20,
    }  # fmt: skip
    run = RunParams(dataset="x", table="x")
    settings = (EvaluationParams(n_resamples=100), AlarmParams(), run)
    table = measure_rankings(patients, cases, knowledge, *settings, ranker__rankings=rankings)
    whole = table[table["subgroup"] == ""].set_index("metric")["value"]
    assert whole[["top_1", "top_3", "coverage", "set_size"]].tolist() == [0.25, 0.5, 0.25, 1.0]
    assert set(table["model"]) == {"ranker"}
    # one case is too few to measure
    assert "publication=cited" not in set(table["subgroup"])
    nobody = cases.assign(label=pd.array([pd.NA] * 40, dtype="Int8"))
    assert measure_rankings(patients, nobody, knowledge, *settings, ranker__rankings=rankings).empty
