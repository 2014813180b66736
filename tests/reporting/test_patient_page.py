"""What is said of patients: every sentence where it must and where it must not appear."""

import numpy as np
import pandas as pd
import pytest

from medanomaly.fusion.patient_fusion import MORE, SAME, TABLE, approximation
from medanomaly.pipelines.patients.nodes import false_patients_at_most
from medanomaly.reporting.patients import PatientResults, patient_page, patient_section, shown_patients
from medanomaly.reporting.sections import Section
from medanomaly.reporting.tabular.patients import NOTHING_WRONG, record_section

RUN = {"dataset": "ward"}


def table(rows):
    """Rows of patient, label, p of tabular, p of signals, p, basis, joint calibration patients."""
    made = pd.DataFrame(
        rows, columns=["patient_id", "label", "p_tabular", "p_signals", "p_value", "basis", "n_joint"]
    ).astype({"label": "Int8"})
    given = made[["p_tabular", "p_signals"]].notna()
    made["pattern"] = [" + ".join(np.array(["tabular", "signals"])[row]) for row in given.to_numpy()]
    made["flagged"] = made["p_value"] <= 0.05
    smallest = made[["p_tabular", "p_signals"]].idxmin(axis=1).str.removeprefix("p_")
    made["speaks"] = smallest.where(made["flagged"], "")
    made["approximation"] = [
        approximation(basis, n) for basis, n in zip(made["basis"], made["n_joint"], strict=True)
    ]
    return made


FUSED = table(
    [
        ("a", 1, 0.002, np.nan, 0.002, SAME, 480),
        ("b", 0, 0.4, 0.005, 0.01, TABLE, 0),
        ("c", 0, 0.6, 0.5, 0.5, TABLE, 0),
        ("d", pd.NA, np.nan, 0.7, 0.7, MORE, 12),
        ("e", 0, 0.8, np.nan, 0.8, SAME, 480),
    ]
)


def manifest(n_signals=12, left_out=None, several=0):
    fuses = [{"modality": "tabular", "n_patients": 480}, {"modality": "signals", "n_patients": n_signals}]
    return {
        "fuses": fuses,
        "left_out": left_out or {},
        "patients_in_several_parts": several,
        "min_joint": 100,
    }


def results(fused=FUSED, bound=None, **changes):
    views = {"signals": {"b": [Section("Recording r1")]}, "tabular": {"b": [Section("Record v1")]}}
    return PatientResults(fused, manifest(**changes), 0.05, views, bound)


def plain(text):
    return text.replace("\u00a0", " ")


def test_the_section_answers_first_and_says_how_far_it_can_be_trusted():
    section = patient_section(results(bound=(2, 1)))
    assert plain(section.lead) == "2 of 5 test patients are unusual at a false-alarm rate of 5 %."
    text = plain(section.text)
    assert "Of 3 normal patients 33 % are flagged." in text
    assert "Who speaks: tabular 1, signals 1." in text
    assert "Of the 2 alarms with an exact p-value at most 1 are false, with a confidence of 90 %" in text
    assert "cannot be bounded" not in text
    said = [plain(caution) for caution in section.cautions]
    assert said[0].startswith(
        "The p-values of 2 patients come from the table of the Cauchy distribution: fewer than 100"
    )
    assert said[1] == ("Signals alone cannot flag a patient at 5 %: with 12 calibration patients its p-value is at least "
                       "0.0769.")  # fmt: skip
    assert len(said) == 2


def test_a_bound_that_says_nothing_is_not_given_as_one():
    text = plain(patient_section(results(bound=(30, 30))).text)
    assert (
        "How many of the 30 alarms with an exact p-value are false cannot be bounded without labels" in text
    )
    assert "at most" not in text


def test_what_is_not_so_is_not_said():
    exact = FUSED[FUSED["basis"] == SAME].assign(label=pd.array([pd.NA] * 2, dtype="Int8"))
    section = patient_section(results(exact, n_signals=200))
    assert section.cautions == []
    assert "normal patient" not in section.text.partition("Speaks:")[2]
    assert "alarm with an exact" not in plain(section.text)
    assert "Label" not in section.tables[0].columns
    quiet = exact.assign(flagged=False, speaks="")
    assert "Who speaks" not in patient_section(results(quiet, n_signals=200)).text


def test_patients_and_modalities_that_are_left_out_are_named():
    section = patient_section(
        results(left_out={"imaging": "no normal calibration patient has such cases"}, several=3)
    )
    said = [plain(caution) for caution in section.cautions]
    assert "Imaging is left out: no normal calibration patient has such cases." in said
    assert "3 patients left out: different modalities put them into different parts." in said


def test_the_page_shows_a_patient_with_who_speaks_first():
    page = plain(patient_page(RUN, results()))
    assert "p = 0.01: signals speaks." in page
    assert page.index("Recording r1") < page.index("Record v1")
    assert "p = 0.5: not unusual at 5 %." in page
    assert "p = 0.4 among patients" in page
    assert "the rate of false alarms may exceed" in page
    assert "Research use only" in page


def test_what_is_missing_is_said(run_record):
    page = plain(patient_page(RUN, results()))
    d = page[page.rindex("Patient d") :]
    assert "Not given" in d
    assert "tabular" in d[d.index("Not given") : d.index("Not given") + 200]


def test_the_most_unusual_of_every_pattern_is_shown():
    rows = [(f"t{i}", 0, 0.001, np.nan, 0.001 + i / 1e4, SAME, 480) for i in range(20)]
    rows += [(f"b{i}", 0, 0.3, 0.3, 0.3 + i / 1e3, TABLE, 0) for i in range(4)]
    shown = shown_patients(table(rows))["patient_id"].tolist()
    assert shown == ["t0", "t1", "b0", "b1", "b2", "b3"]


def test_false_alarms_are_bounded_where_p_values_are_exact_alone():
    n, false = false_patients_at_most(FUSED)
    assert (n, false) == (1, 0), "one of two patients with p = 0.002 is hardly chance"
    assert false_patients_at_most(FUSED.assign(basis=TABLE)) is None
    assert false_patients_at_most(FUSED.assign(flagged=False)) is None
    many = table([(f"t{i}", 0, p, np.nan, p, SAME, 480) for i, p in enumerate([0.0021] * 30 + [0.6] * 70)])
    n, false = false_patients_at_most(many)
    assert n == 30
    assert false < 10


def test_a_record_says_what_looks_wrong_and_what_is_missing():
    terms = pd.DataFrame(
        {
            "case_id": "v1", "model": "ecdf", "feature": ["potassium", "age"], "value": ["7.9", "57"],
            "unit": ["mmol/L", "years"], "usual_low": [3.5, np.nan], "usual_high": [5.1, np.nan],
            "contribution": [2.0, 0.1], "exact": True,
        }
    )  # fmt: skip
    flags = pd.DataFrame({"column": ["temperature"], "message": ["98.6 is plausible in °F"]})
    section = record_section("v1", terms, flags, ["blood_urea"])
    assert section.tables[0].rows[0][0].text == "potassium"
    assert [fact.lines for fact in section.facts] == [
        ["temperature: 98.6 is plausible in °F"],
        ["blood urea"],
    ]
    bare = record_section("v1", terms.iloc[:0], flags.iloc[:0], [])
    assert bare.text == "The model gives no reasons."
    assert [fact.lines for fact in bare.facts] == [[NOTHING_WRONG], ["Nothing."]]


@pytest.mark.parametrize("name", ["<script>", "=cmd()"])
def test_ids_are_text(name):
    page = patient_page(RUN, results(FUSED.replace({"patient_id": {"b": name}})))
    assert "<script>" not in page
