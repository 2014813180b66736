"""The page of a case: every sentence where it must stand, and where it must not."""

import re

import numpy as np
import pandas as pd
import pytest

from medanomaly.reporting.diagnosis.case_page import SHOWN_SYMPTOMS, case_page, page_name

ABOUT = {"ontology": "HPO 2025-01-16", "annotations": "phenotype.hpoa 2025-01-16", "licence": "do not alter"}
MANIFEST = {"name": "phenotype_ranker", "dataset": "small", "version": "1", "knowledge": ABOUT}
CALIBRATED = MANIFEST | {"probabilities": {"coverage": 0.9}}


def patient(**changes):
    known = {
        "sex": "F",
        "age_years": 3.4,
        "onset_years": np.nan,
        "disease": "OMIM:2",
        "disease_name": "Second",
    }
    return pd.Series(known | changes)


def symptoms(**changes):
    table = pd.DataFrame(
        {
            "term": ["HP:1", "HP:2", "HP:3"],
            "excluded": [False, False, True],
            "weight": [1.0, 0.5, 1.0],
            "given": ["HP:1", "fits", "HP:3"],
        }
    )
    return table.assign(**changes)


def ranking(probability=np.nan, in_set=pd.NA, set_size=pd.NA, ranks=(1, 2)):
    return pd.DataFrame(
        {
            "rank": ranks,
            "disease": ["OMIM:1", "OMIM:2"],
            "disease_name": ["First", "Second"],
            "probability": [probability, np.nan if np.isnan(probability) else probability / 2],
            "in_set": pd.array([in_set, in_set], dtype="boolean"),
            "set_size": pd.array([set_size, set_size], dtype="Int32"),
            "score": [2.0, 1.0],
        }
    )


def reasons(n=3):
    rows = [("HP:1", "Seizure", False, 1.0, 2.5, "HP:1", "Seizure", 0.75, "3/4", "PMID:1;PMID:2")]
    rows += [("HP:2", "EEG abnormality", False, 0.5, -1.5, "HP:9", "Brain", 0.2, "Occasional", "ORPHA:3")]
    rows += [("HP:3", "Stroke", True, 1.0, 0.0, "", "", 0.0, "", "")] * (n - 2)
    columns = [
        "term", "name", "excluded", "weight", "log_ratio", "matched_term", "matched_name", "frequency", "stated",
        "reference",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns).assign(disease="OMIM:1")


NOTHING = pd.DataFrame({"given": [], "reason": []})


def page(p_value=0.5, manifest=MANIFEST, **parts):
    given = {
        "patient": patient(), "symptoms": symptoms(), "unread": NOTHING, "ranking": ranking(), "reasons": reasons(),
    } | parts  # fmt: skip
    return case_page("case 7", p_value=p_value, manifest=manifest, **given)


def test_a_page_has_the_list_the_reasons_and_where_they_come_from():
    html = page()
    assert "Diseases that fit the symptoms in <em>case 7</em>" in html
    assert "First (OMIM:1) fits best." in html
    assert "Female, 3\u00a0years." in html
    for said in (
        "PMID:1, PMID:2",
        "3/4",
        "+2.50",
        "−1.50",
        "ORPHA:3",
        "nothing like it",
        "weight 0.5",
    ):
        assert said in html, said
    assert "excluded: stroke" in html
    # abbreviations stay as they are
    assert "EEG abnormality" in html
    assert "eEG" not in html
    for said in (*ABOUT.values(), "Research use only"):
        assert said in html


SENTENCES = {
    "Its probability is": [{"ranking": ranking(0.7, True, 3)}, {}],
    "No disease is likely by itself": [{"ranking": ranking(0.05, True, 3)}, {"ranking": ranking(0.7, True, 3)}],
    "The set that holds the right disease in 90\u00a0% of such cases has 3\u00a0diseases": [
        {"ranking": ranking(0.7, True, 3), "manifest": CALIBRATED},
        {"ranking": ranking(0.7), "manifest": CALIBRATED},
    ],
    "Marked rows: the set": [{"ranking": ranking(0.7, True, 3)}, {"ranking": ranking(0.7, False, 3)}],
    "The p-value is 0.5:": [{}, {"p_value": np.nan}],
    "looks unlike the patients": [{"p_value": 0.05}, {"p_value": 0.06}],
    "Every symptom is excluded": [{"symptoms": symptoms(excluded=True)}, {}],
    "2 diseases fit equally well": [{"ranking": ranking(ranks=(2, 2))}, {}],
    "Second, stands at rank 2": [{}, {"patient": patient(disease=pd.NA)}],
    "is not in the list": [{"patient": patient(disease="OMIM:9")}, {}],
    "The disease that was diagnosed, OMIM:9,": [{"patient": patient(disease="OMIM:9", disease_name=pd.NA)}, {}],
    "onset at 6\u00a0months": [{"patient": patient(onset_years=0.5)}, {}],
    "onset at birth": [{"patient": patient(onset_years=0.01)}, {"patient": patient(onset_years=0.5)}],
    "onset before birth": [{"patient": patient(onset_years=-0.2)}, {}],
    "Sex not given, age not given.": [{"patient": patient(sex=pd.NA, age_years=np.nan)}, {}],
    "What was not read": [{"unread": pd.DataFrame({"given": ["xx"], "reason": ["no term"]})}, {}],
    "What to look for next": [
        {
            "questions": pd.DataFrame(
                {
                    "term": ["HP:5"], "name": ["Ataxia"], "gain_bits": [0.4], "yes": [0.3], "for_disease": ["OMIM:1"],
                    "for_name": ["First"], "against_disease": ["OMIM:2"], "against_name": ["Second"],
                }
            )
        },
        {"questions": NOTHING},
    ],
    "further symptoms say less": [{"reasons": reasons(SHOWN_SYMPTOMS + 5)}, {}],
    "a case that came later": [{}, {"dataset": "cohort"}],
}  # fmt: skip


@pytest.mark.parametrize("said", SENTENCES)
def test_a_sentence_stands_where_it_is_true_and_nowhere_else(said):
    true, false = SENTENCES[said]
    assert said in page(**true)
    assert said not in page(**false)


def test_names_cannot_run_anything():
    html = page(patient=patient(disease_name="<script>alert(1)</script>"), ranking=ranking())
    assert "<script" not in html


NAMES = {
    "P000002": "P000002",
    "0.1.24/ABC/x": "0.1.24_ABC_x-",
    "../../etc": "etc-",
    "Müller": "M_ller-",
    "//": "case-",
}


@pytest.mark.parametrize("case", NAMES)
def test_the_name_of_a_page_is_a_plain_file_name(case):
    name = NAMES[case]
    assert re.fullmatch(re.escape(name) + ("[0-9a-f]{8}" if name.endswith("-") else ""), page_name(case))


def test_two_cases_never_share_a_page():
    assert len({page_name(case) for case in ("a/b", "a_b", "a b", "a?b")}) == 4
