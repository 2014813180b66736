"""What the report says of every record: each sentence where it belongs, and nowhere else."""

from dataclasses import replace

import pandas as pd
import pytest

from medanomaly.reporting.report import answer_section, detail_section
from medanomaly.reporting.tabular.every_record import every_record_section


def table(n=40, labelled=False, refused=0, findings=()):
    scored = pd.DataFrame(
        {
            "case_id": [f"r{i}" for i in range(n)],
            "patient_id": [f"P{i}" for i in range(n)],
            "label": pd.array([i % 2 if labelled else pd.NA for i in range(n)], dtype="Int8"),
            "kind": pd.array([None] * n, dtype="string"),
            "split": ["train", "calibration", "test", "train"] * (n // 4),
            "status": "scored",
            "model": "two_view_ensemble",
            "score": [float(n - i) for i in range(n)],
            "p_value": [(i + 1) / n for i in range(n)],
            "flagged": pd.array([i < 2 for i in range(n)], dtype="boolean"),
            "reasons": ["glucose 300 mg/dL (usual 80 to 120 mg/dL)"] + [""] * (n - 1),
            "findings": ["bmi: 999 is impossible" if i in findings else "" for i in range(n)],
        }
    )
    last = pd.DataFrame(
        {"case_id": [f"x{i}" for i in range(refused)], "status": "refused", "reasons": "a: text"}
    )
    return pd.concat([scored.astype(object), last.astype(object)], ignore_index=True).reindex(
        columns=scored.columns
    )


def words(section):
    plain = " ".join([section.lead, section.text, *section.notes, *(t.note for t in section.tables)])
    return plain.replace("\u00a0", " ")


def test_without_judged_records_there_is_no_section():
    assert every_record_section(pd.DataFrame(), 0.05) is None


def test_what_is_flagged_and_what_is_guaranteed_are_said():
    said = words(every_record_section(table(), 0.05))
    assert "2 of 40 records are flagged (5.0 %)." in said
    assert "each record was judged by detectors that never saw its patient" in said
    assert "records of train and calibration are among them" in said
    assert "At most 10 % of all records are flagged, whatever the data are" in said
    assert "of usual records it is about 5 % when measured" in said
    assert "With 40 records no p-value is smaller than 0.025" in said
    assert "all_cases.csv" in said
    # nothing is guaranteed where 2 alpha is everything
    assert "At most" not in words(every_record_section(table(), 0.5))


@pytest.mark.parametrize(
    ("given", "group_by", "sentence"),
    [
        ({"labelled": True}, None, "Labels were not used."),
        ({}, "sex", "not within groups of sex"),
        ({"findings": (0, 30)}, None, "Values of 2 records among them look wrong; the list says which."),
        ({"refused": 1}, None, "1 record could not be used; the list ends with the reason."),
    ],
)
def test_a_sentence_stands_where_it_is_true_and_only_there(given, group_by, sentence):
    assert sentence in words(every_record_section(table(**given), 0.05, group_by))
    assert sentence not in words(every_record_section(table(), 0.05))


def test_the_most_unusual_of_all_parts_are_shown_with_reasons_findings_and_labels():
    (shown,) = every_record_section(table(labelled=True, findings=(1,), refused=2), 0.05).tables
    assert list(shown.columns) == ["Record", "Part", "p-value", "Reasons", "Looks wrong", "Label"]
    assert [[cell.text for cell in row][:2] for row in shown.rows[:3]] == [
        ["r0", "train"],
        ["r1", "calibration"],
        ["r2", "test"],
    ]
    assert len(shown.rows) == 10
    assert shown.rows[0][3].text.startswith("glucose 300 mg/dL")
    assert shown.rows[1][4].text == "bmi: 999 is impossible"
    (plain,) = every_record_section(table(), 0.05).tables
    assert list(plain.columns) == ["Record", "Part", "p-value", "Reasons"]


def test_the_answer_leads_to_it_only_where_it_stands(results):
    said = "Every record, those of train and calibration too"
    assert said not in dict(answer_section(results).links)
    section = every_record_section(table(), 0.05)
    shown = replace(results, sections=[*results.sections, section])
    address = dict(answer_section(shown).links)[said]
    assert address == f"#{results.slug}-every-record"
    assert address[1:] in [part.key for part in detail_section(shown).sections]
    assert dict(answer_section(replace(shown, page="x/report.html")).links)[said] == f"x/report.html{address}"
