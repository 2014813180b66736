import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.reporting import tables, unusual_cases
from medanomaly.reporting.report import render_report

VOID = {"meta", "link", "br", "hr", "img", "input"}
SPACE = "\u00a0"


class _Page(HTMLParser):
    """Start tags in order, and tags that were closed in the wrong order."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.tags, self.open, self.wrong, self.text = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    def words(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.text).replace(SPACE, " "))


@pytest.fixture(scope="module")
def html(results, run_record) -> str:
    return render_report(run_record, [results])


@pytest.fixture(scope="module")
def page(html) -> _Page:
    return _Page(html)


def test_the_page_is_well_formed(page):
    assert page.wrong == []
    assert page.open == []


def test_the_page_reaches_for_nothing_outside_itself(html, page):
    assert "script" not in {tag for tag, _ in page.tags}
    for tag, attrs in page.tags:
        assert tag not in {"link", "img", "iframe", "object"}
        for name in ("src", "href", "xlink:href", "srcset"):
            assert attrs.get(name, "#").startswith("#"), (tag, attrs)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv"))
    assert "default-src 'none'" in policy


def test_ids_are_unique_and_every_link_leads_somewhere(page):
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = {attrs["href"][1:] for tag, attrs in page.tags if tag == "a"}
    assert links <= set(ids)
    assert {"answer", "audit", "tabular-results", "tabular-why-1"} <= links


def test_tables_and_figures_can_be_read_aloud(page):
    assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")
    assert all(attrs.get("aria-label") for tag, attrs in page.tags if tag == "svg")
    assert ("html", {"lang": "en"}) in page.tags


def test_values_from_the_data_are_escaped_everywhere(make_results, run_record):
    hostile = "<script>alert(1)</script>"
    results = make_results(n=900, figures={})
    kind = results.cases["kind"].where(results.cases["label"] == 0, hostile)
    hostile_results = dataclasses.replace(
        results,
        cases=results.cases.assign(kind=kind, site=hostile),
        explanations=results.explanations.assign(feature=hostile, value=hostile, unit=hostile),
        quarantine=results.quarantine.assign(value=hostile, reason=hostile, column=hostile),
        audit={"checks": [{"title": hostile, "verdict": "fail", "figure": hostile, "what_to_do": hostile}]},
        name=hostile,
        summary={**results.summary, "notes": [hostile]},
    )
    run = run_record | {"dataset": hostile, "command": hostile, "parameters": {hostile: hostile}}
    html = render_report(run, [hostile_results])
    assert "<script" not in html
    assert html.count("&lt;script&gt;") > 20


def test_research_use_is_said_before_anything_else(page):
    words = page.words()
    assert words.index("Research use only. Not a medical device.") < words.index("The answer")


def test_the_answer_names_the_best_model_its_interval_and_its_alarms(page, results):
    words = page.words()
    area, alarms = results.metric("ecdf", "auroc"), results.metric("ecdf", "false_alarm_rate")
    assert results.leading == "ecdf"
    assert (
        f"ecdf ranks an anomalous visit above a normal one {100 * area['value']:.0f} % of the time" in words
    )
    assert f"At a threshold meant for 5 % false alarms it raised {100 * alarms['value']:.1f} %" in words


def test_ties_and_baselines_are_part_of_the_answer(page):
    words = page.words()
    assert "Its lead over isolation forest is not distinguishable from zero." in words
    assert "The best baseline, missing values, reaches" in words
    assert "difference not distinguishable from zero" in words


def test_a_failed_audit_stands_beside_the_answer(page):
    answer, audit = page.words().index("The answer"), page.words().index("Audit: can these")
    assert "Do not rely on the figures" in page.words()[answer:audit]


def test_an_unbeaten_baseline_is_said_in_the_answer(results, run_record):
    comparisons = results.comparisons.assign(ci_low=-0.5, ci_high=0.5)
    html = render_report(run_record, [dataclasses.replace(results, comparisons=comparisons, figures={})])
    assert "No model is distinguishable from the baseline missing values" in html
    comparisons = comparisons.assign(ci_low=-0.5, ci_high=-0.1)
    html = render_report(run_record, [dataclasses.replace(results, comparisons=comparisons, figures={})])
    assert "The baseline missing values ranks better than every model" in html


def test_too_many_false_alarms_are_said_in_the_answer(results, run_record):
    metrics = results.metrics.copy()
    metrics.loc[metrics["metric"] == "false_alarm_rate", "value"] = 0.37
    html = render_report(run_record, [dataclasses.replace(results, metrics=metrics, figures={})])
    assert "p-values may not hold" in html
    assert "p-values may not hold" not in render_report(run_record, [results])


def test_every_metric_of_every_model_is_in_the_results_table(results):
    table = tables.results_table(results)
    assert [row["model"] for row in table["rows"]] == [
        "ecdf",
        "isolation forest",
        "nearest neighbours",
        "missing values",
    ]
    shown = results.metric("isolation_forest", "ppv")
    column = [c["label"] for c in table["columns"]].index("Alarms right")
    assert table["rows"][1]["cells"][column]["value"].startswith(f"{100 * shown['value']:.1f}")
    assert sum(span for _, span in table["groups"]) == len(table["columns"])
    assert [row["baseline"] for row in table["rows"]] == [False, False, False, True]


def test_small_groups_are_named_as_not_shown(page, results):
    suppressed = results.suppressed.set_index("subgroup")["n"]
    assert "age_band=0-17" in suppressed
    assert f"age band 0-17 ({suppressed['age_band=0-17']} visits)" in page.words()
    assert all(row["group"] != "0-17" for row in tables.subgroup_rows(results))


def test_broken_rules_of_plausibility_are_shown_with_an_example(results):
    rule = {
        "column": "temperature",
        "meaning": "looks like another unit",
        "n_records": 7,
        "examples": [{"value": "98.6", "message": "98.6 <°C> looks like 98.6 °F"}],
    }
    checked = {"n_records": 3000, "n_clean_records": 2993, "rules": [rule]}
    shown = render_report({"dataset": "x"}, [dataclasses.replace(results, quality=checked, figures={})])
    assert "2,993 of 3,000" in shown
    assert "98.6 &lt;°C&gt; looks like 98.6 °F" in shown
    without = render_report({"dataset": "x"}, [dataclasses.replace(results, quality=None, figures={})])
    assert "Worth checking" not in without


def test_counts_of_the_quarantine_add_up(page, results):
    count = tables.counts(results)
    assert count["read"] == count["used"] + count["set_aside"]
    assert "2,410 visits read = 2,400 used + 10 set aside" in page.words()
    assert sum(row["records"] for row in tables.quarantine_rows(results.quarantine)) == 12


def test_counts_that_do_not_add_up_are_said(results, run_record):
    lost = dataclasses.replace(results, summary={"n_records": 3000, "n_quarantined": 10}, figures={})
    assert tables.counts(lost)["unexplained"] == 590
    assert "590 visits cannot be accounted for" in _Page(render_report(run_record, [lost])).words()


def test_the_leading_model_comes_first_in_its_comparisons(results):
    rows, left_out = tables.comparison_rows(results)
    turned = results.comparisons.rename(columns={"model_a": "model_b", "model_b": "model_a"})
    turned = turned.assign(
        difference=-turned["difference"],
        ci_low=-results.comparisons["ci_high"],
        ci_high=-results.comparisons["ci_low"],
    )
    assert left_out == 0
    assert tables.comparison_rows(dataclasses.replace(results, comparisons=turned))[0][:3] == rows[:3]
    assert all(row["pair"].startswith("ecdf −") for row in rows[:3])


def test_unusual_cases_are_in_order_and_counted_over_models(results):
    view = unusual_cases.unusual_rows(results)
    scores = results.scores[results.scores["case_id"].isin(results.test_cases["case_id"])]
    expected = scores[scores["model"] == "ecdf"].nlargest(len(view["rows"]), "score")["case_id"]
    assert [row["case_id"] for row in view["rows"]] == list(expected)
    contenders = scores[scores["role"] != "baseline"]
    for row in view["rows"]:
        assert row["n_flagging"] == contenders.loc[contenders["case_id"] == row["case_id"], "flagged"].sum()


def test_realised_rates_are_the_share_of_test_normals_flagged(results):
    rates = tables.realised_rates(results)
    normal = results.test_cases.loc[results.test_cases["label"] == 0, "case_id"]
    scores = results.scores[(results.scores["model"] == "ecdf") & results.scores["case_id"].isin(normal)]
    model, shares = rates["rows"][0]
    assert (model, rates["alphas"][1]) == ("ecdf", f"5{SPACE}%")
    assert shares[1] == f"{100 * scores['flagged'].mean():.1f}{SPACE}%"


def test_explanation_bars_share_one_scale_and_stay_in_their_track(results):
    for card in unusual_cases.explained_cases(results):
        ends = [float(row["bar_left"]) + float(row["bar_width"]) for row in card["features"]]
        starts = [float(row["bar_left"]) for row in card["features"]]
        assert min(starts) == pytest.approx(0, abs=0.1)
        assert max(ends) == pytest.approx(100, abs=0.1)
    high = [
        row
        for card in unusual_cases.explained_cases(results)
        for row in card["features"]
        if row["side"] == "high"
    ]
    assert high


def test_without_labels_the_report_lists_what_is_flagged(make_results, run_record):
    results = make_results(
        n=900, labelled=False, explanations=None, audit=None, quarantine=None, summary=None
    )
    words = _Page(render_report(run_record, [results])).words()
    flagged = results.most_unusual["flagged"].sum()
    assert f"flags {flagged} of" in words
    assert "AUROC (95" not in words
    assert "No audit was run" in words
    assert "Most unusual visits" in words


def test_a_single_model_without_extras_is_enough(make_results, run_record):
    results = make_results(
        n=900,
        models=("ecdf",),
        comparisons=None,
        audit=None,
        explanations=None,
        quarantine=None,
        reliability=None,
        summary=None,
    )
    page = _Page(render_report({"dataset": run_record["dataset"]}, [results]))
    assert page.wrong == []
    assert "best of" not in page.words()
    assert "Compared on the same" not in page.words()


def test_each_modality_has_its_own_sections(make_results, run_record):
    tabular = make_results(n=900)
    signals = make_results(n=900, name="signals", noun="recording", labelled=False)
    page = _Page(render_report(run_record, [tabular, signals]))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert page.wrong == []
    assert {"tabular-results", "signals-results", "signals-unusual"} <= set(ids)
    assert "recordings" in page.words()


def test_the_same_input_gives_the_same_page(results, run_record, html):
    assert render_report(run_record, [results]) == html


def test_twelve_thousand_test_cases_stay_below_a_megabyte(make_results, run_record):
    results = make_results(n=40_000, explanations=None)
    assert len(results.test_cases) > 11_000
    assert len(render_report(run_record, [results]).encode()) < 1_000_000


def test_figures_follow_the_colours_of_the_page(html):
    drawn = html[html.index("<svg") :]
    assert "var(--ink)" in drawn
    assert "#1f2933" not in drawn


def test_input_that_cannot_be_reported_is_refused(results, run_record):
    with pytest.raises(InputError, match="nothing to report"):
        render_report(run_record, [])
    with pytest.raises(InputError, match="one name"):
        render_report(run_record, [results, results])
    with pytest.raises(InputError, match="not SVG"):
        render_report(run_record, [dataclasses.replace(results, figures={"roc": "<b>no</b>"})])
    with pytest.raises(ConfigurationError, match="alpha"):
        dataclasses.replace(results, alpha=5.0)


def test_baselines_are_recognised_by_their_role(results):
    assert results.baselines == ("missing values",)


def test_a_report_of_the_real_evaluation_renders(results, run_record):
    from medanomaly.evaluation.audit.report import audit
    from medanomaly.evaluation.comparison import compare_models
    from medanomaly.evaluation.metrics import evaluate
    from medanomaly.evaluation.params import EvaluationParams
    from medanomaly.reporting.figures.standard import standard_figures

    params = EvaluationParams(n_resamples=100)
    rng = np.random.default_rng(0)
    features = pd.DataFrame({"case_id": results.cases["case_id"], "x": rng.normal(size=len(results.cases))})
    evaluated = dataclasses.replace(
        results,
        metrics=evaluate(results.cases, results.scores, "tabular", params),
        comparisons=compare_models(results.cases, results.scores, "tabular", params),
        audit=audit(results.cases, features, results.scores, "tabular", params),
    )
    evaluated = dataclasses.replace(evaluated, figures=standard_figures(evaluated))
    page = _Page(render_report(run_record, [evaluated]))
    assert page.wrong == []
    assert {"roc", "subgroups", "sensitivity_by_kind"} <= set(evaluated.figures)
    assert f"above a normal one {100 * evaluated.metric('ecdf', 'auroc')['value']:.0f} %" in page.words()
    assert "Too small to say anything" in page.words()
