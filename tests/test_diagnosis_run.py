"""The symptoms of one whole run on the smallest cohort: what they leave behind, and that it can be trusted."""

import re

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.cases import check_cases
from medanomaly.core.scores import check_scores
from medanomaly.diagnosis.patients import PatientSymptoms
from medanomaly.reporting.diagnosis.case_page import page_name
from medanomaly.reporting.sections import from_json

MODEL = "phenotype_ranker"


@pytest.fixture(scope="module")
def run(finished_run):
    return finished_run


@pytest.fixture(scope="module")
def patients(run):
    nothing = pd.DataFrame({"case_id": [], "reason": [], "given": []}, dtype="string")
    tables = (run[f"diagnosis.{name}"].load() for name in ("patients", "symptoms"))
    return PatientSymptoms(*tables, nothing, nothing)


def test_counts_add_up_and_patients_are_in_the_part_of_their_records(run, patients):
    cases, summary = check_cases(run["diagnosis.cases"].load()), run["diagnosis.summary"].load()
    assert summary["n_records"] == summary["n_kept"] + summary["n_quarantined"]
    assert summary["n_kept"] == len(cases) == len(patients)
    assert patients.cases["case_id"].tolist() == cases["case_id"].tolist()
    records = run["tabular.cases"].load().drop_duplicates("patient_id").set_index("patient_id")["split"]
    assert cases["split"].tolist() == records[cases["patient_id"]].tolist()


def test_patients_whose_disease_nobody_described_are_the_anomalies(run, patients):
    cases = run["diagnosis.cases"].load()
    unknown = patients.cases["disease"].str.startswith("SYNTHETIC:").to_numpy(dtype=bool)
    np.testing.assert_array_equal(cases["label"].to_numpy(dtype=int), unknown)
    assert cases.loc[unknown, "kind"].eq("not in the knowledge").all()
    # they are those of the other modalities
    assert set(run["tabular.cases"].load()["patient_id"]) >= set(cases["patient_id"])


def test_a_bundle_serves_the_scores_and_rankings_of_the_pipeline(run, patients):
    from medanomaly.core.open_bundle import open_bundle

    scorer = open_bundle(run[f"diagnosis.{MODEL}.bundle"].load())
    table = check_scores(run[f"diagnosis.{MODEL}.scores"].load())
    some = patients.select(table["case_id"].iloc[[0, 17, 101]])
    looked = scorer.look(some)
    np.testing.assert_allclose(looked.score, table["score"].iloc[[0, 17, 101]], atol=1e-6)
    known = run[f"diagnosis.{MODEL}.rankings"].load()
    known = known[known["case_id"].isin(some.cases["case_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(looked.rankings, known)
    test = (run["diagnosis.cases"].load()["split"] == "test").to_numpy()
    p = scorer.p_values(patients.select(table["case_id"][test]))
    np.testing.assert_allclose(p, table["p_value"][test], atol=1e-12)


def test_every_patient_has_a_list_in_order_and_the_diagnosed_disease_is_in_it(run, patients):
    rankings = run[f"diagnosis.{MODEL}.rankings"].load()
    assert set(rankings["case_id"]) == set(patients.cases["case_id"])
    assert rankings.groupby("case_id")["score"].apply(lambda s: s.is_monotonic_decreasing).all()
    own = patients.cases.merge(rankings, on=["case_id", "disease"])
    known = patients.cases["disease"].str.startswith("OMIM:")
    assert set(own["case_id"]) == set(patients.cases.loc[known, "case_id"])


def test_rankings_are_measured_with_intervals_over_patients(run):
    measured = run["diagnosis.ranking_metrics"].load()
    whole = measured[measured["subgroup"] == ""].set_index("metric")
    assert {"top_1", "top_3", "top_10", "mrr", "macro_top_1"} <= set(whole.index)
    assert whole.loc["top_1", "value"] <= whole.loc["top_3", "value"] <= whole.loc["top_10", "value"]
    # far better than one of thousands of diseases by chance, on patients that nothing was learned from
    assert whole.loc["top_1", "value"] > 0.5
    known = measured[measured["ci_low"].notna()]
    assert ((known["ci_low"] <= known["value"]) & (known["value"] <= known["ci_high"])).all()
    of_run = run["metrics"].load()
    own = of_run[(of_run["modality"] == "diagnosis") & (of_run["metric"] == "top_1")]
    assert own["value"].tolist() == measured.loc[measured["metric"] == "top_1", "value"].tolist()
    # standard tables and figures show what every modality has
    assert "top_1" not in set(run["diagnosis.metrics"].load()["metric"])
    assert "top 1" in run["cards"].load()[f"diagnosis_{MODEL}"]


def test_explanations_are_symptoms_and_add_up_to_the_score(run):
    table, scores = run["diagnosis.explanations"].load(), run["diagnosis.scores"].load()
    assert set(table["value"]) == {"observed"}
    sums = table.groupby("case_id")["contribution"].sum()
    np.testing.assert_allclose(sums, scores.set_index("case_id")["score"][sums.index], atol=1e-6)


def test_the_report_says_where_the_right_disease_stands_and_what_it_rests_on(run):
    sections = {section.title: section for section in from_json(run["diagnosis.sections"].load())}
    first = sections["Is the right disease at the top?"]
    assert "stands first in" in first.lead
    # nobody published the patients of the cohort, so nothing of them can be cited
    assert next(row[0] for row in first.tables[0].rows) == "All"
    assert "Publication cited" not in {row[0] for row in first.tables[0].rows}
    assert "Everything that was written could be used." in sections["What was not read"].text
    notes = " ".join(sections["Knowledge"].notes)
    assert "HPO 2025-01-16" in notes
    assert "do not alter the files" in notes
    pages = run["diagnosis.case_pages"].load()
    listed = [row[0] for row in sections["Cases with a page of their own"].tables[0].rows]
    assert {f"cases/{name}.html" for name in pages} == {cell.link for cell in listed}


def test_a_page_says_the_diseases_the_reasons_and_who_says_so(run, patients):
    pages = run["diagnosis.case_pages"].load()
    rankings = run[f"diagnosis.{MODEL}.rankings"].load()
    reasons = run[f"diagnosis.{MODEL}.reasons"].load()
    case = reasons["case_id"].iloc[0]
    html = pages[page_name(case)]
    own = rankings[rankings["case_id"] == case]
    for disease in own["disease"].head(5):
        assert disease in html
        assert f'id="disease-{disease.replace(":", "-")}"' in html
    assert "PMID:" in html
    for term in patients.symptoms.loc[patients.symptoms["case_id"] == case, "term"]:
        assert term in html
    assert "Research use only" in html
    assert "HPO 2025-01-16" in html
    assert "What was not read" not in html
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]+"', html)
