import numpy as np
import pandas as pd
import pytest

from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.summary import audit_lines, summary_rows
from medanomaly.reporting.wording import (
    asked,
    comparison_words,
    counted,
    day,
    equals_p_value,
    interval,
    joined,
    p_value,
    percent,
    plural,
    signed,
    smallest_p_value,
    written,
)

SPACE = "\u00a0"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.053, "5.3"), (0.61, "61"), (0.0004, "0.0"), (1.0, "100"), (0.0, "0"), (0.996, "99.6"), (np.nan, "–")],
)
def test_percentages_have_the_digits_a_reader_needs(share, text):
    assert percent(share, sign=False) == text


def test_alpha_is_written_as_it_was_asked_for():
    assert asked(0.05) == f"5{SPACE}%"
    assert asked(0.001) == f"0.1{SPACE}%"


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.00214, "0.0021"), (0.05, "0.05"), (1.0, "1"), (0.00001, f"<{SPACE}0.0001"), (np.nan, "–")],
)
def test_p_values_have_two_digits(p, text):
    assert p_value(p) == text


def test_shares_and_scores_are_written_in_their_own_units():
    assert written("sensitivity", 0.612) == f"61.2{SPACE}%"
    assert written("auroc", 0.9123) == "0.912"
    assert interval("sensitivity", 0.5, 0.7) == "50.0–70.0"
    assert interval("auroc", 0.5, np.nan) == ""


def test_what_rounds_to_zero_has_no_sign():
    assert signed(-0.0001) == "0.000"
    assert signed(-0.02) == "−0.020"
    assert signed(0.02, 1) == "0.0"
    assert signed(14.2, 1) == "+14.2"
    assert signed(-5838.4, 0) == "−5,838"


def test_nouns_are_counted_in_english():
    assert counted(1, "image") == f"1{SPACE}image"
    assert counted(1204, "study") == f"1,204{SPACE}studies"
    assert counted(3, "day") == f"3{SPACE}days"
    assert joined(["a", "b", "c"]) == "a, b and c"


def test_dates_are_given_as_data_and_read_as_days():
    assert day("2025-03-01T12:00:00+00:00") == f"1{SPACE}March 2025"
    assert day("last week") == "last week"
    assert day(None) == ""


def _comparison(metric, difference, low, high):
    return pd.Series(
        {
            "model_a": "a",
            "model_b": "b",
            "metric": metric,
            "difference": difference,
            "ci_low": low,
            "ci_high": high,
        }
    )


def test_an_interval_over_zero_is_no_difference():
    assert "not distinguishable" in comparison_words(_comparison("auroc", 0.02, -0.01, 0.05))
    assert "not distinguishable" in comparison_words(_comparison("auroc", 0.02, 0.0, 0.05))
    assert "nothing can be said" in comparison_words(_comparison("auroc", 0.02, np.nan, np.nan))


def test_the_better_model_is_named_whichever_way_the_metric_points():
    assert comparison_words(_comparison("auroc", 0.03, 0.01, 0.05)) == "a is better"
    assert comparison_words(_comparison("auroc", -0.03, -0.05, -0.01)) == "b is better"
    assert comparison_words(_comparison("brier", 0.03, 0.01, 0.05)) == "b is better"
    assert comparison_words(_comparison("flagged_share", 0.03, 0.01, 0.05)) == "a is higher"


def test_the_summary_has_the_leading_model_and_its_best_baseline(results):
    rows = summary_rows(results.metrics, alpha=0.05)
    assert [row["model"] for row in rows] == [
        "ecdf",
        "missing values (baseline)",
    ]
    row = results.metric("ecdf", "auroc")
    assert rows[0]["AUROC"] == f"{row['value']:.3f} ({row['ci_low']:.3f}–{row['ci_high']:.3f})"
    assert f"false alarms (5{SPACE}% asked)" in rows[0]
    assert set(summary_rows(results.metrics)[0]) == {
        "modality",
        "model",
        "AUROC",
        "false alarms",
        "anomalies caught",
    }


def test_the_summary_of_nothing_is_empty_and_gaps_are_dashes(results):
    assert summary_rows(None) == []
    assert summary_rows(results.metrics.iloc[:0]) == []
    unlabelled = results.metrics[results.metrics["metric"] == "flagged_share"]
    assert set(summary_rows(unlabelled)[0]) == {"modality", "model", "flagged"}
    models = [m for m in unlabelled["model"].unique() if m not in results.baselines]
    for model in models:
        shown = summary_rows(unlabelled, defaults={unlabelled["modality"].iloc[0]: model})
        assert shown[0]["model"] == model_label(model)
    assert summary_rows(results.metrics, defaults={"tabular": models[-1]}) == summary_rows(results.metrics)
    without_flags = results.metrics[results.metrics["metric"] == "auroc"]
    assert summary_rows(without_flags)[0]["anomalies caught"] == "–"


def test_the_audit_is_put_in_words_where_it_warns_or_fails(results):
    fails, warns = audit_lines(results.audit)
    assert fails.startswith(
        "The audit failed at “No single feature gives the answer away”: length of stay alone"
    )
    assert warns.startswith("The audit warns at “No test row is copied")
    named = {"checks": [{**check, "modality": "tabular"} for check in results.audit["checks"]]}
    assert audit_lines(named)[0].startswith("The audit of tabular failed at “")
    clean = {"checks": [check for check in results.audit["checks"] if check["verdict"] == "pass"]}
    assert audit_lines(clean) == ["The audit found nothing to warn of."]
    assert audit_lines(None) == []


@pytest.mark.parametrize(("n", "text"), [(189, "0.0053"), (11464, "0.000087"), (19, "0.05")])
def test_the_smallest_p_value_is_written_out(n, text):
    assert smallest_p_value(n) == text


def test_one_case_and_several_are_counted_in_words():
    assert plural("study") == "studies"
    assert plural("day") == "days"
    assert equals_p_value(0.00001) == f"<{SPACE}0.0001"
    assert equals_p_value(0.0021) == "= 0.0021"
