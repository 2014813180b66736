import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from medanomaly.core.errors import InputError
from medanomaly.reporting.figures.decisions import confusion_matrices, reliability_diagram
from medanomaly.reporting.figures.explanations import explanation_bars, shown_unit, strongest, usual_range
from medanomaly.reporting.figures.groups import sensitivity_by_kind, subgroup_forest
from medanomaly.reporting.figures.p_values import _p_value_edges, p_value_calibration, score_distributions
from medanomaly.reporting.figures.ranking import DRAWN_STEPS, precision_recall, roc, thin_curve
from medanomaly.reporting.figures.standard import CAPTIONS, standard_figures
from medanomaly.reporting.figures.style import model_styles, panel_columns
from medanomaly.reporting.scored_cases import labelled_test_cases

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert('$x^1$')</script> & co"


def _texts(svg: str) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter(f"{SVG}text")]


def test_every_figure_is_one_svg_element_with_a_description(results):
    assert set(CAPTIONS) <= set(results.figures)
    for name, svg in results.figures.items():
        root = ET.fromstring(svg)
        assert root.tag == f"{SVG}svg", name
        assert root.get("role") == "img"
        assert len(root.get("aria-label")) > 20
        assert root.find(f"{SVG}title").text == root.get("aria-label")


def test_the_same_input_gives_the_same_bytes(results):
    assert standard_figures(results) == dict(results.figures)


def test_figures_carry_no_date_style_sheet_script_or_picture(results):
    for svg in results.figures.values():
        assert not re.search(r"<style|<script|<image|<metadata|data:|\b20\d\d-\d\d-\d\d", svg)


def test_ids_of_different_figures_never_meet_on_one_page(results):
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in results.figures.values()]
    assert sum(map(len, ids)) == len(set().union(*ids))
    for svg, own in zip(results.figures.values(), ids, strict=True):
        assert set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg)) <= {(i, "") for i in own} | {
            ("", i) for i in own
        }


def test_drawing_leaves_matplotlib_as_it_was(results):
    before = dict(mpl.rcParams)
    roc(results.cases, results.scores)
    assert dict(mpl.rcParams) == before


def test_pyplot_is_never_imported():
    code = "import sys, medanomaly.reporting.figures.standard; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_from_data_stay_text(results):
    explanations = results.explanations.assign(feature=HOSTILE)
    svg = explanation_bars(explanations, explanations["case_id"].iloc[0], "ecdf")
    assert "<script" not in svg
    assert any(HOSTILE in text for text in _texts(svg))


def test_roc_legend_gives_the_auroc_of_scikit_learn_where_no_metrics_are_given(results):
    test = labelled_test_cases(results.cases, results.scores)
    legend = " ".join(_texts(roc(results.cases, results.scores)))
    for model, rows in test.groupby("model"):
        expected = roc_auc_score(rows["label"].to_numpy(dtype=int), rows["score"])
        assert f"{model.replace('_', ' ')}: {expected:.3f}" in legend


def test_roc_legend_shows_the_interval_of_the_metrics_table(results):
    row = results.metric("ecdf", "auroc")
    expected = f"{row['value']:.3f} ({row['ci_low']:.3f}–{row['ci_high']:.3f})"
    assert expected in " ".join(_texts(results.figures["roc"]))


def test_precision_recall_states_the_prevalence(results):
    prevalence = (results.test_cases["label"] == 1).mean()
    assert f"flagging at random: {prevalence:.3f}" in " ".join(
        _texts(precision_recall(results.cases, results.scores))
    )


def test_confusion_matrix_counts_every_labelled_test_case_once(results):
    description = ET.fromstring(confusion_matrices(results.cases, results.scores)).get("aria-label")
    test = labelled_test_cases(results.cases, results.scores)
    for model, rows in test.groupby("model"):
        missed = ((rows["label"] == 1) & ~rows["flagged"].astype(bool)).sum()
        alarms = ((rows["label"] == 0) & rows["flagged"].astype(bool)).sum()
        expected = f"{results.label(model)}: {(rows['label'] == 1).sum() - missed} anomalies flagged, {missed} missed"
        assert expected in description
        assert f"{alarms} false alarms" in description


def test_score_distribution_says_the_share_flagged_of_each_class(results):
    description = ET.fromstring(score_distributions(results.cases, results.scores, 0.05)).get("aria-label")
    test = labelled_test_cases(results.cases, results.scores)
    for _, rows in test.groupby("model"):
        for label, word in ((0, "normal"), (1, "anomalous")):
            share = rows.loc[rows["label"] == label, "flagged"].astype(bool).mean()
            assert f"{100 * share:.1f} % of {word}" in description


@given(alpha=st.floats(0.001, 0.5), smallest=st.floats(1e-5, 1.0))
def test_the_threshold_is_a_bin_edge_and_every_p_value_has_a_bin(alpha, smallest):
    edges = _p_value_edges(smallest, alpha)
    assert np.isclose(edges, alpha).any()
    assert edges[0] == 1.0
    assert edges[-1] < smallest
    assert (np.diff(edges) < 0).all()


@given(
    steps=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=2, max_size=400),
)
def test_a_thinned_curve_stays_within_half_a_cell_of_the_one_given(steps):
    x = np.cumsum([dx for dx, _ in steps]).astype(float)
    y = np.cumsum([dy for _, dy in steps]).astype(float)
    x, y = x / max(x[-1], 1), y / max(y[-1], 1)
    thin_x, thin_y = thin_curve(x, y)
    assert len(thin_x) <= len(x)
    corners = np.column_stack([thin_x, thin_y])
    for point in np.column_stack([x, y]):
        assert _distance(point, corners) <= 0.5 * np.sqrt(2) / DRAWN_STEPS + 1e-12


def _distance(point: np.ndarray, corners: np.ndarray) -> float:
    start, end = (corners[:-1], corners[1:]) if len(corners) > 1 else (corners, corners)
    along = end - start
    length = np.maximum((along**2).sum(axis=1), 1e-300)
    place = np.clip(((point - start) * along).sum(axis=1) / length, 0, 1)
    return float(np.hypot(*(point - start - place[:, None] * along).T).min())


def test_a_curve_of_twelve_thousand_cases_stays_small():
    rng = np.random.default_rng(0)
    n = 12_000
    label = pd.array((rng.random(n) < 0.5).astype(int), dtype="Int8")
    ids = pd.array([str(i) for i in range(n)], dtype="string")
    cases = pd.DataFrame({"case_id": ids, "patient_id": ids, "label": label, "kind": "", "split": "test"})
    score = rng.standard_normal(n) + 0.3 * (label == 1)
    scores = pd.DataFrame(
        {"case_id": ids, "model": "a", "role": "model", "score": score, "p_value": 0.5, "flagged": False}
    )
    for draw in (roc, precision_recall):
        assert len(draw(cases, scores)) < 60_000


def test_models_are_told_apart_and_baselines_are_dashed():
    models = [f"model {i}" for i in range(12)]
    styles = model_styles([*models, "trivial"], ["trivial"])
    assert len({(styles[m].colour, styles[m].dashes) for m in models}) == 12
    assert styles["trivial"].dashes
    assert styles["trivial"].width < min(styles[m].width for m in models)
    assert not styles["model 0"].dashes


def test_a_ranking_figure_needs_both_classes(results):
    cases = results.cases.assign(label=pd.array([0] * len(results.cases), dtype="Int8"))
    for draw in (roc, precision_recall, confusion_matrices):
        with pytest.raises(InputError, match="both normal and anomalous"):
            draw(cases, results.scores)


def test_scores_of_other_cases_are_refused(results):
    strangers = results.scores.assign(case_id=results.scores["case_id"] + "?")
    with pytest.raises(InputError, match="no test case has a score"):
        score_distributions(results.cases, strangers)


def test_what_cannot_be_drawn_says_so(results):
    with pytest.raises(InputError, match="mean_probability"):
        reliability_diagram(pd.DataFrame({"model": ["a"]}))
    with pytest.raises(InputError, match="no sensitivity by kind"):
        sensitivity_by_kind(results.metrics, "unknown")
    with pytest.raises(InputError, match="no subgroup"):
        subgroup_forest(results.metrics, "unknown")
    with pytest.raises(InputError, match="no explanation"):
        explanation_bars(results.explanations, "nobody", "ecdf")


def test_without_labels_only_figures_that_need_none_are_drawn(make_results):
    figures = make_results(n=600, labelled=False, explanations=None).figures
    assert set(figures) == {"p_value_calibration", "score_distributions"}
    assert "Share of test cases flagged" in _texts(figures["p_value_calibration"])


def test_p_value_calibration_describes_the_realised_rate(results):
    normal = results.test_cases.loc[results.test_cases["label"] == 0, "case_id"]
    p = results.scores[(results.scores["model"] == "ecdf") & results.scores["case_id"].isin(normal)][
        "p_value"
    ]
    description = ET.fromstring(p_value_calibration(results.cases, results.scores, alpha=0.05)).get(
        "aria-label"
    )
    assert f"ecdf {100 * (p <= 0.05).mean():.2g} %" in description


def test_a_missing_value_has_no_unit():
    assert shown_unit("5.1", "mmol/L") == "mmol/L"
    assert shown_unit("missing", "mmol/L") == ""
    assert shown_unit("5.1", None) == ""


@given(n=st.integers(1, 40))
def test_panels_leave_as_few_empty_places_as_the_columns_allow(n):
    columns = panel_columns(n, (4, 3))
    assert columns == n if n <= 4 else -n % columns == min(-n % 4, -n % 3)


def test_contributions_left_out_are_summed_into_one_row(results):
    case_id = results.explanations["case_id"].iloc[0]
    rows = strongest(results.explanations, case_id, "ecdf", 3)
    own = results.explanations.query("case_id == @case_id and model == 'ecdf'")
    assert len(rows) == 4
    assert np.isclose(rows["contribution"].sum(), own["contribution"].sum())
    assert (rows["contribution"].abs().iloc[:3].min()) >= np.sort(own["contribution"].abs())[:-3].max()


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(3.5, 5.1, "3.5–5.1"), (-2.4, 2.6, "−2.4 to 2.6"), (153.1, 1843.6, "153–1,844"), (np.nan, 1, "")],
)
def test_usual_ranges_read_well(low, high, text):
    assert usual_range(low, high) == text
