import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from medanomaly.reporting import tables
from medanomaly.reporting.report import render_page, render_report
from medanomaly.reporting.tabular.risk import best_model, risk_lead, risk_sections
from medanomaly.reporting.tabular.why_unusual import COLUMNS, Evidence, why_unusual


@pytest.fixture(scope="module")
def first(results):
    """Id of the most unusual case, and everything known about it."""
    case_id = results.most_unusual["case_id"].iloc[0]
    explanations = results.explanations.assign(exact=results.explanations["model"] == results.leading)
    own = explanations[(explanations["case_id"] == case_id) & (explanations["model"] == results.leading)]
    unexpected = own.assign(
        expected="4.2", suspicion=np.r_[0.9, 0.096, np.full(len(own) - 2, 0.004 / (len(own) - 2))]
    ).drop(columns=["model", "contribution", "exact"])
    known = Evidence(
        unexpected_values=unexpected,
        nearest_normals=pd.DataFrame(
            {
                "case_id": case_id,
                "rank": [1, 2],
                "nearest_id": ["visit-1", "visit-2"],
                "feature": ["potassium", ""],
                "nearest_value": ["4.1", ""],
                "unit": ["mmol/L", ""],
            }
        ),
        changes=pd.DataFrame(
            {
                "case_id": [case_id],
                "model": [results.leading],
                "status": ["change"],
                "feature": ["potassium"],
                "value": ["48"],
                "changed_to": ["4.8"],
                "unit": ["mmol/L"],
                "score": [3800.4],
                "changed_score": [0.891],
                "threshold": [0.9],
            }
        ),
        quality_flags=pd.DataFrame(
            {"case_id": [case_id], "column": ["potassium"], "message": ["48 is outside 1 to 12 <mmol/L>"]}
        ),
    )
    return case_id, explanations, known


def page(make_results, run_record, explanations, known):
    results = make_results(figures={}, explanations=explanations)
    return render_report(run_record, [replace(results, sections=[why_unusual(results, known)])])


def test_a_card_says_value_expected_change_neighbours_and_flags(make_results, run_record, results, first):
    case_id, explanations, known = first
    html = page(make_results, run_record, explanations, known)
    card = html[html.index('<article class="card whole-card"') :].split("</article>")[0]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", card)).replace("&nbsp;", " ").replace("\u00a0", " ")
    assert case_id in text
    assert "potassium 4.8 mmol/L instead of 48" in text
    assert f"score {results.most_unusual['score'].iloc[0]:,.0f}, flagged above 0.9" in text
    assert "90 %" in text
    assert "visit-1: potassium 4.1 mmol/L" in text
    assert "visit-2: in nothing" in text
    # data are shown as text, not as markup
    assert "&lt;mmol/L&gt;" in card
    # the first row of the answer leads to it, and only cards of the section's own are there
    assert 'href="#tabular-why-1"' in html
    assert 'id="tabular-why-1"' in html
    assert "Bars show" not in html


def test_contributions_stand_beside_only_where_they_are_exact(make_results, first):
    _, explanations, known = first
    for exact in (True, False):
        shown = explanations.assign(exact=explanations["exact"] & exact)
        (card,) = why_unusual(make_results(figures={}, explanations=shown), known).cards
        assert card.table.columns == [*COLUMNS, *(["Adds"] if exact else [])]


def test_what_a_value_adds_is_explained_only_where_it_is_shown(make_results, run_record, first):
    _, explanations, known = first
    assert "what the value adds to the score of ecdf" in page(make_results, run_record, explanations, known)
    html = page(make_results, run_record, explanations.assign(exact=False), known)
    assert "what the value adds to the score of ecdf" not in html
    assert "is not a sum over values" in html


def test_rules_that_are_broken_are_named_and_otherwise_none_is(make_results, run_record, first):
    _, explanations, known = first
    html = page(make_results, run_record, explanations, known)
    assert "48 is outside 1 to 12" in html
    assert "No rule is broken." not in html
    unbroken = replace(known, quality_flags=known.quality_flags.iloc[:0])
    assert "No rule is broken." in page(make_results, run_record, explanations, unbroken)


def test_it_is_said_when_nothing_was_found_or_needed(make_results, run_record, first):
    _, explanations, known = first
    for status, words in (
        ("none", "No change of up to three values"),
        ("usual", "It is not flagged as it is"),
    ):
        changes = known.changes.assign(status=status, feature="", value="", changed_to="", unit="")
        html = page(make_results, run_record, explanations, replace(known, changes=changes))
        assert words in html


def test_a_modality_without_such_tables_keeps_its_bars(make_results, run_record):
    html = render_report(run_record, [make_results(figures={})])
    assert "Bars show" in html
    assert 'class="card whole-card"' not in html


def choices(**changes):
    row = {
        "model": "ecdf", "way": "alpha", "setting": 0.05, "n_days": 1, "n_cases": 700, "n_flagged": 60,
        "implied_alpha": 0.05, "largest_p": 0.05, "fdp": 0.5, "fdp_low": 0.4, "fdp_high": 0.6,
        "power": 0.7, "power_low": 0.6, "power_high": 0.8,
    }  # fmt: skip
    budget = row | {"way": "budget", "setting": 20.0, "implied_alpha": 0.2, "n_days": 7, "n_flagged": 140}
    fdr = row | {
        "way": "fdr",
        "setting": 0.1,
        "n_flagged": 0,
        "largest_p": np.nan,
        "fdp": np.nan,
        "power": 0.0,
    }
    return pd.DataFrame([row, budget, fdr | changes])


def test_three_ways_to_choose_stand_side_by_side(make_results, run_record):
    results = make_results(figures={}, alarm_choices=choices())
    alpha, budget, fdr = tables.choice_table(results).rows
    assert (alpha[4].text, alpha[4].small) == ("50.0\u00a0%", "40.0–60.0")
    assert "20 per day (100 per day, 7 days)" in budget[1]
    # an empty list has no share of wrong alarms, and catches nothing
    assert (fdr[2], fdr[4].text, fdr[5].text) == ("0", "–", "0.0\u00a0%")
    assert "Three ways to choose whom to look at" in render_report(run_record, [results])


def test_how_many_alarms_can_be_false_is_said_where_it_is_known(make_results):
    known = choices().assign(false_at_most=pd.array([12, 40, 0], dtype="Int64"))
    table = tables.choice_table(make_results(figures={}, alarm_choices=known))
    assert [row[4] for row in table.rows] == ["12", "40", "–"], "an empty list has no false alarm to count"
    assert table.columns[4] == "False at most"
    assert "no more of these alarms are false, with a confidence of 90\u00a0%" in table.note
    unknown = choices().assign(false_at_most=pd.array([pd.NA] * 3, dtype="Int64"))
    table = tables.choice_table(make_results(figures={}, alarm_choices=unknown))
    assert "False at most" not in table.columns
    assert "no more of these alarms are false" not in table.note


def metric_rows(model, auroc):
    columns = ["model", "metric", "value", "ci_low", "ci_high"]
    rows = [(model, "auroc", auroc, auroc - 0.02, auroc + 0.02), (model, "brier", 0.1, 0.09, 0.11)]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(role="model", split="test", subgroup="", n=500, n_positive=50)


def test_the_risk_page_puts_both_aurocs_beside_each_other(run_record):
    metrics = pd.concat([metric_rows("logistic", 0.85), metric_rows("mean", 0.87)], ignore_index=True)
    anomaly = metric_rows("isolation_forest", 0.71)
    assert best_model(metrics) == "mean"
    lead = risk_lead(metrics, anomaly)
    assert "0.870 (0.850–0.890)" in lead
    assert "0.710 (0.690–0.730)" in lead
    assert "not a risk score" in lead
    reasons = {"value": ["7.1"], "unit": ["mmol/L"], "contribution": [1.25], "feature": ["blood_urea"]}
    sections = risk_sections(
        metrics,
        pd.DataFrame(
            {"model": ["mean"], "mean_probability": [0.3], "observed": [0.3], "n": [500]}
            | {"ci_low": [0.2], "ci_high": [0.4]}
        ),
        pd.DataFrame(reasons | {"case_id": ["a"], "model": ["mean"]}),
        pd.DataFrame({"case_id": ["a"], "model": ["mean"], "probability": [0.9]}),
        pd.DataFrame(
            {"feature": ["x"], "auroc_loss": [0.1], "auroc_loss_sd": [0.01], "log_loss_rise": [0.2]}
            | {"log_loss_rise_sd": [0.02]}
        ),
        pd.DataFrame({"case_id": ["b"], "label": [0], "suggested": [1], "probability_of_label": [0.02]}),
        anomaly,
        pd.DataFrame(
            {"metric": ["auroc"], "model_a": ["mean"], "model_b": ["isolation_forest"], "difference": [0.16]}
            | {"ci_low": [0.1], "ci_high": [0.2]}
        ),
        "died",
    )
    html = render_page(run_record, "risk report", "What is at risk", lead, sections)
    assert "+0.160 (+0.100 to +0.200)" in html
    assert "blood urea 7.1 mmol/L (+1.25)" in html
    assert "Research use only" in html
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]+"', html)


def test_nobody_is_told_that_a_value_is_certainly_wrong_or_what_the_others_do_not_say(make_results, first):
    _, explanations, known = first
    sure = np.r_[
        0.9999, np.full(len(known.unexpected_values) - 1, 0.0001 / (len(known.unexpected_values) - 1))
    ]
    unsaid = known.unexpected_values.assign(suspicion=sure, expected="")
    results = make_results(figures={}, explanations=explanations)
    (card,) = why_unusual(results, replace(known, unexpected_values=unsaid)).cards
    shown = [[getattr(cell, "text", cell) for cell in row] for row in card.table.rows]
    place, expected = COLUMNS.index("Out of place"), COLUMNS.index("Expected")
    assert [row[place] for row in shown] == [">\u00a099\u00a0%", *["<\u00a01\u00a0%"] * (len(shown) - 1)]
    assert {row[expected] for row in shown} == {"–"}
