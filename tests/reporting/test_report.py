import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.reporting import cards, tables
from medanomaly.reporting.findings import ranking
from medanomaly.reporting.report import render_report
from medanomaly.reporting.tabular.quality import quality_section
from medanomaly.reporting.unusual_cases import case_table, unusual_table, why_in_one_line

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
    assert {"answer", "trust", "tabular", "tabular-why-1"} <= links
    assert {"tabular-results", "tabular-audit"} <= set(ids)


def test_a_reader_with_a_keyboard_can_skip_the_contents(page):
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert links[0] == "#answer"


def test_the_page_answers_its_title_first(page):
    words = page.words()
    order = [
        "The answer",
        "ecdf flags",
        "Most unusual visits",
        "How far can this be trusted?",
        "Audit: leaks",
    ]
    places = [words.index(part, words.index("Research use only")) for part in [*order, "Tabular: details"]]
    assert places == sorted(places)


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
    assert words.index("Research use only. Not a medical device.") < words.index("ecdf flags")


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
    answer = page.words().index("ecdf flags")
    trusted = page.words().index("How far can this be trusted?", answer)
    assert "Do not rely on the figures" in page.words()[answer:trusted]


def test_an_unbeaten_baseline_is_said_in_the_answer(results, run_record):
    comparisons = results.comparisons.assign(ci_low=-0.5, ci_high=0.5)
    html = render_report(run_record, [dataclasses.replace(results, comparisons=comparisons, figures={})])
    assert "ecdf is not distinguishable from the baseline missing values" in html
    comparisons = comparisons.assign(ci_low=-0.5, ci_high=-0.1)
    html = render_report(run_record, [dataclasses.replace(results, comparisons=comparisons, figures={})])
    assert "The baseline missing values ranks better than every model" in html


def test_too_many_false_alarms_are_said_in_the_answer(results, run_record):
    metrics = results.metrics.copy()
    metrics.loc[metrics["metric"] == "false_alarm_rate", "value"] = 0.37
    html = render_report(run_record, [dataclasses.replace(results, metrics=metrics, figures={})])
    assert "p-values may not hold" in html
    assert "p-values may not hold" not in render_report(run_record, [results])


def cells(table):
    """Rows of a table as texts."""
    return [[getattr(cell, "text", cell) for cell in row] for row in table.rows]


def test_every_metric_of_every_model_is_in_the_results_tables(results):
    shown, folded = tables.results_tables(results)
    assert [row[0] for row in cells(shown)] == ["ecdf", "nearest neighbours", "missing values"]
    assert [row[0] for row in cells(folded)] == ["isolation forest"]
    value = results.metric("nearest_neighbours", "ppv")["value"]
    assert cells(shown)[1][shown.columns.index("Alarms right")].startswith(f"{100 * value:.1f}")
    assert sum(span for _, span in shown.groups) == len(shown.columns)
    assert list(shown.marks) == ["leading", "", "baseline"]


def test_models_that_are_not_distinguishable_are_folded_and_the_best_baseline_is_not(results):
    shown, folded = tables.results_tables(results)
    assert results.tied == ["isolation_forest"]
    assert (shown.folded, folded.folded) == (False, True)
    assert folded.title.replace(SPACE, " ") == "1 model not distinguishable from ecdf"
    apart = dataclasses.replace(results, comparisons=results.comparisons.assign(ci_low=0.01, ci_high=0.2))
    assert len(tables.results_tables(apart)) == 1
    # the word may be printed only of what was compared
    unknown = dataclasses.replace(results, comparisons=None)
    assert len(tables.results_tables(unknown)) == 1


def test_a_second_baseline_is_folded(results):
    scores = results.scores[results.scores["model"] == "missing values"].assign(model="random")
    metrics = results.metrics[results.metrics["model"] == "missing values"].assign(model="random")
    metrics.loc[metrics["metric"] == "auroc", "value"] = 0.5
    two = dataclasses.replace(
        results,
        scores=pd.concat([results.scores, scores]),
        metrics=pd.concat([results.metrics, metrics]),
    )
    shown, folded = tables.results_tables(two)
    assert "missing values" in [row[0] for row in cells(shown)]
    assert "random" in [row[0] for row in cells(folded)]
    assert "1 further baseline" in folded.title.replace(SPACE, " ")


def test_confusion_matrices_beyond_the_leading_model_are_folded(html, results):
    assert {"confusion", "confusion_of_others"} <= set(results.figures)
    title = "Decisions of the other models and of the baselines"
    assert f"<summary>{title}</summary>" in html
    assert "isolation forest" not in results.figures["confusion"]


def test_checks_that_pass_are_folded_and_others_are_not(results):
    raised, quiet = tables.audit_tables(results.audit)
    assert [row[1] for row in cells(raised)] == ["fail", "warn"]
    assert (raised.folded, quiet.folded) == (False, True)
    assert quiet.title.replace(SPACE, " ") == "2 checks passed and 1 not applicable"
    clean = {"checks": [check for check in results.audit["checks"] if check["verdict"] == "pass"]}
    assert [table.folded for table in tables.audit_tables(clean)] == [True]


def test_small_groups_are_named_as_not_shown(page, results):
    suppressed = results.suppressed.set_index("subgroup")["n"]
    assert "age_band=0-17" in suppressed
    assert f"age band 0-17 ({suppressed['age_band=0-17']} visits)" in page.words()
    assert all(row[1] != "0-17" for row in cells(tables.subgroup_table(results)))


def test_broken_rules_of_plausibility_are_shown_with_an_example(results):
    rule = {
        "column": "temperature",
        "meaning": "looks like another unit",
        "n_records": 7,
        "examples": [{"value": "98.6", "message": "98.6 <°C> looks like 98.6 °F"}],
    }
    broken = quality_section({"n_records": 3000, "n_clean_records": 2993, "rules": [rule]}, "visit")
    shown = render_report({"dataset": "x"}, [dataclasses.replace(results, sections=[broken], figures={})])
    assert "2,993 of 3,000 visits break no rule" in shown
    assert "98.6 &lt;°C&gt; looks like 98.6 °F" in shown
    assert "quality_flags.csv" in shown
    unbroken = quality_section({"n_records": 3000, "n_clean_records": 3000, "rules": []}, "visit")
    shown = render_report({"dataset": "x"}, [dataclasses.replace(results, sections=[unbroken], figures={})])
    assert "3,000 of 3,000" in shown
    assert "quality_flags.csv" not in shown
    assert "Worth checking" not in render_report({"dataset": "x"}, [dataclasses.replace(results, figures={})])


def test_counts_of_the_quarantine_add_up(page, results):
    count = tables.counts(results)
    assert count["read"] == count["used"] + count["set_aside"]
    assert "2,410 visits read = 2,400 used + 10 set aside" in page.words()
    assert sum(row[2] for row in tables.quarantine_table(results).rows[:-1]) == 12
    assert "some have several faults and are counted once" in page.words()


def test_counts_that_do_not_add_up_are_said(results, run_record):
    lost = dataclasses.replace(results, summary={"n_records": 3000, "n_quarantined": 10}, figures={})
    assert tables.counts(lost)["unexplained"] == 590
    assert "590 visits cannot be accounted for" in _Page(render_report(run_record, [lost])).words()


def test_a_set_divided_in_time_is_not_said_to_be_divided_by_patient(page, results, run_record):
    by_patient, in_time = "A patient's visits are all in one part", "The parts are divided in time"
    assert by_patient in page.words()
    assert in_time not in page.words()
    divided = dataclasses.replace(results, cases=results.cases.assign(divided_in_time=True), figures={})
    words = _Page(render_report(run_record, [divided])).words()
    assert in_time in words
    assert by_patient not in words


def test_beats_and_recordings_are_not_counted_together(results, run_record):
    bad = [
        (record, f"{record}:{sample}", "signal", "1.0 s", "bad signal")
        for record in "ab"
        for sample in range(60)
    ]
    refused = [(record, record, "recording", "", "cannot be read") for record in "cd"]
    quarantine = pd.DataFrame(
        [*bad, *refused], columns=["record", "case_id", "column", "value", "reason"], dtype="string"
    )
    n = len(results.cases)
    summary = {"n_records": n + 120, "n_kept": n, "n_quarantined": 120, "n_refused": 2}
    beats = dataclasses.replace(results, quarantine=quarantine, summary=summary, noun="beat", figures={})
    assert tables.counts(beats) == {
        "read": n + 120,
        "used": n,
        "set_aside": 120,
        "refused": 2,
        "unexplained": 0,
    }
    rows = tables.quarantine_table(beats).rows
    assert [row[2] for row in rows] == [120, "2\u00a0whole recordings"]
    words = _Page(render_report(run_record, [beats])).words()
    assert "cannot be accounted for" not in words
    assert "2 whole recordings" in words
    # a beat that is missing is still said
    lost = dataclasses.replace(beats, quarantine=quarantine.iloc[1:])
    assert tables.counts(lost)["unexplained"] == 1


def test_without_labels_the_declared_default_leads_and_the_report_says_so(make_results, results):
    unlabelled = make_results(n=900, labelled=False, figures={})
    first, *_, last = unlabelled.contenders
    assert unlabelled.leading == first
    declared = dataclasses.replace(unlabelled, default=last)
    assert declared.leading == last
    assert set(declared.models) == set(unlabelled.models)
    assert declared.models[-len(declared.baselines) :] == unlabelled.models[-len(unlabelled.baselines) :]
    assert "leads it as the declared default" in ranking(declared)[1]
    assert len(ranking(unlabelled)) == 1
    # with labels the AUROC decides
    assert dataclasses.replace(results, default=results.contenders[-1]).models == results.models


def test_the_leading_model_comes_first_in_its_comparisons(results):
    rows = cells(tables.comparison_table(results))
    turned = results.comparisons.rename(columns={"model_a": "model_b", "model_b": "model_a"})
    turned = turned.assign(
        difference=-turned["difference"],
        ci_low=-results.comparisons["ci_high"],
        ci_high=-results.comparisons["ci_low"],
    )
    assert tables.comparison_table(results).note == ""
    assert cells(tables.comparison_table(dataclasses.replace(results, comparisons=turned)))[:3] == rows[:3]
    assert all(row[0].startswith("ecdf −") for row in rows[:3])


def test_unusual_cases_are_in_order_and_counted_over_models(results):
    rows = cells(unusual_table(results, {}))
    scores = results.scores[results.scores["case_id"].isin(results.test_cases["case_id"])]
    expected = scores[scores["model"] == "ecdf"].nlargest(len(rows), "score")["case_id"]
    assert [row[0] for row in rows] == list(expected)
    contenders = scores[scores["role"] != "baseline"]
    for row in rows:
        n_flagging = contenders.loc[contenders["case_id"] == row[0], "flagged"].sum()
        assert row[4] == f"{n_flagging} of 3"


def test_an_unusual_case_leads_to_its_card_and_says_why(html, results):
    first = results.most_unusual["case_id"].iloc[0]
    assert f'<a href="#tabular-why-1">{first}</a>' in html
    assert 'id="tabular-why-1"' in html
    strongest = results.reasons[first].sort_values("contribution").iloc[-1]
    assert why_in_one_line(results, first).startswith(f"{strongest['feature']} {strongest['value']}")
    assert why_in_one_line(results, "nobody") == ""


def test_the_table_of_cases_has_every_test_case_once_the_most_unusual_first(results):
    table = case_table(results)
    assert set(table["case_id"]) == set(results.test_cases["case_id"])
    assert table["case_id"].is_unique
    assert table["score"].is_monotonic_decreasing
    assert (table["model"] == "ecdf").all()
    expected = table["case_id"].isin(results.reasons)
    assert table["why"].ne("").equals(expected)


def test_the_table_of_cases_is_linked_only_where_it_is_written(make_results, run_record):
    results = make_results(n=900, figures={})
    assert "with their scores" not in render_report(run_record, [results])
    told = render_report(run_record, [dataclasses.replace(results, cases_file="tabular/cases.csv")])
    assert (
        f'<a href="tabular/cases.csv">All {len(results.test_cases):,}{SPACE}test visits with their scores</a>'
        in told
    )


def test_a_case_goes_by_the_name_that_a_reader_knows(results, run_record):
    first = results.most_unusual["case_id"].iloc[0]
    named = dataclasses.replace(results, case_names={first: "100 at 12:05.3"}, figures={})
    html = render_report(run_record, [named])
    assert "100 at 12:05.3" in html
    assert first not in html
    assert case_table(named)[["case_id", "case"]].iloc[0].tolist() == [first, "100 at 12:05.3"]
    assert results.case_name(first) == first


def test_labels_of_flagged_cases_are_said_only_where_there_are_labels(
    make_results, results, page, run_record
):
    flagged = results.most_unusual[results.most_unusual["flagged"]]
    n_anomalous = int((flagged["label"] == 1).sum())
    words = (
        f"By their labels, those flagged are {n_anomalous} anomalous and {len(flagged) - n_anomalous} normal."
    )
    assert words in page.words()
    unlabelled = make_results(n=900, labelled=False, figures={})
    assert "By their labels" not in render_report(run_record, [unlabelled])


def test_without_p_values_nothing_is_said_of_what_chance_would_flag(results, run_record):
    scores = results.scores.assign(
        p_value=np.nan, flagged=pd.array([pd.NA] * len(results.scores), dtype="boolean")
    )
    bare = dataclasses.replace(results, scores=scores, figures={})
    words = _Page(render_report(run_record, [bare])).words()
    assert "ecdf has no p-values, so it flags none of" in words
    assert "would be expected. By" not in words


@pytest.mark.parametrize("kind", ["records", "beats", "cut_beats", "windows", None])
def test_what_cases_are_is_said_as_the_data_declares_it(results, run_record, kind):
    summary = {**results.summary, **({"cases": kind} if kind else {})}
    declared = dataclasses.replace(results, summary=summary, figures={}, explanations=None)
    html = render_report(run_record, [declared])
    assert ("there is no rhythm, no time and no millivolt" in html) == (kind == "cut_beats")
    assert ("Each case is one beat of a recording." in html) == (kind == "beats")
    assert ("Each case is one window of a long series." in html) == (kind == "windows")


def test_the_usual_range_is_explained_only_where_it_is_shown(results, run_record):
    bare = results.explanations.assign(usual_low=np.nan, usual_high=np.nan)
    words = "Usual: 5th to 95th percentile"
    assert words in render_report(run_record, [dataclasses.replace(results, figures={})])
    assert words not in render_report(
        run_record, [dataclasses.replace(results, explanations=bare, figures={})]
    )


def test_a_column_of_reasons_is_there_only_where_a_case_was_explained(results):
    told = dataclasses.replace(results, explanations=results.explanations.assign(exact=True))
    assert "What adds most to the score" in unusual_table(told, {}).columns
    assert "Where most of the score comes from" in unusual_table(results, {}).columns
    bare = dataclasses.replace(results, explanations=None)
    assert not {"What adds most to the score", "Where most of the score comes from"} & set(
        unusual_table(bare, {}).columns
    )


def test_bars_are_said_to_add_to_the_score_only_where_they_do(results, run_record):
    for exact, words in ((True, "what each value adds to the score"), (False, "is attributed to each value")):
        told = results.explanations.assign(exact=exact)
        html = render_report(run_record, [dataclasses.replace(results, explanations=told, figures={})])
        assert words in html
        assert ("what each value adds to the score" in html) == exact


def test_realised_rates_are_the_share_of_test_normals_flagged(results):
    rates = tables.realised_rates(results)
    normal = results.test_cases.loc[results.test_cases["label"] == 0, "case_id"]
    scores = results.scores[(results.scores["model"] == "ecdf") & results.scores["case_id"].isin(normal)]
    assert (rates.rows[0][0], rates.columns[2]) == ("ecdf", f"5{SPACE}%")
    assert rates.rows[0][2] == f"{100 * scores['flagged'].mean():.1f}{SPACE}%"


def test_explanation_bars_share_one_scale_and_stay_in_their_track(results):
    shown = cards.why_section(results).cards
    for card in shown:
        bars = [row[-1].bar for row in card.table.rows]
        assert min(left for left, _ in bars) == pytest.approx(0, abs=0.1)
        assert max(left + width for left, width in bars) == pytest.approx(100, abs=0.1)
    assert [row for card in shown for row in card.table.rows if row[1].mark == "high"]


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
    assert {"tabular-results", "signals-results", "signals-answer", "signals"} <= set(ids)
    assert "recordings" in page.words()


def test_a_modality_with_a_page_of_its_own_is_linked_and_not_repeated(make_results, run_record):
    tabular = make_results(n=900, page="tabular/report.html")
    signals = make_results(n=900, name="signals", noun="recording")
    page = _Page(render_report(run_record, [tabular, signals]))
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    links = {attrs["href"] for tag, attrs in page.tags if tag == "a"}
    assert {"tabular/report.html", "tabular/report.html#tabular-why-1", "#signals-why-1"} <= links
    assert {"signals-data", "tabular-answer", "tabular-results"} <= ids
    assert "tabular-data" not in ids
    # alone, it is that page
    alone = _Page(render_report(run_record, [tabular]))
    assert "tabular-data" in {attrs["id"] for _, attrs in alone.tags if "id" in attrs}
    assert all(attrs["href"].startswith("#") for tag, attrs in alone.tags if tag == "a")


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
    assert "too small to say anything" in page.words()
