import re

import pandas as pd
import pytest
import yaml

from medanomaly.reporting.model_card import render_card

MANIFEST = {
    "name": "isolation_forest",
    "modality": "tabular",
    "dataset": "synthetic cohort",
    "kind": "isolation_forest",
    "options": {"n_trees": 200},
    "population": "normals",
    "version": "0.1.0",
    "created": "2025-03-01T12:00:00+00:00",
    "seed": 7,
    "libraries": {"numpy": "2.3.1"},
    "training_data": {
        "n_cases": 5200,
        "n_patients": 2100,
        "n_calibration": 467,
        "fingerprint": "9f2b" * 16,
        "labelled": True,
    },
    "input_contract": [
        {
            "name": "potassium",
            "kind": "number",
            "unit": "mmol/L",
            "usual_low": 3.5,
            "usual_high": 5.1,
            "missing_share": 0.12,
        },
        {"name": "ward", "kind": "category", "levels": ["surgery", "medicine"]},
    ],
    "thresholds": {"alpha": 0.05, "score": 0.61234},
    "p_value_floor": 1 / 468,
}


def _front_matter(card: str) -> dict:
    return yaml.safe_load(re.match(r"---\n(.*?)\n---\n", card, re.DOTALL).group(1))


def _plain(card: str) -> str:
    return card.replace("\u00a0", " ")


@pytest.fixture
def card(results) -> str:
    return render_card(MANIFEST, results.metrics)


def test_front_matter_holds_what_the_hub_reads(card, results):
    front = _front_matter(card)
    assert front["license"] == "mit"
    assert front["library_name"] == "medanomaly"
    assert all(isinstance(tag, str) for tag in front["tags"])
    (entry,) = front["model-index"]
    (result,) = entry["results"]
    # what the hub's model-index schema requires of a result
    assert entry["name"] == "isolation_forest"
    assert result["task"]["type"]
    assert result["dataset"]["name"] == "synthetic cohort"
    assert result["dataset"]["type"] == "synthetic-cohort"
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert values["auroc"] == pytest.approx(results.metric("isolation_forest", "auroc")["value"], abs=1e-6)


def test_the_card_says_research_use_threshold_units_and_ranges(card):
    text = _plain(card)
    assert "Research use only. Not a medical device." in text
    assert "| potassium | number | mmol/L | 3.5–5.1 | 12 % |" in text
    assert "surgery, medicine" in text
    assert "may be flagged: 5 %" in text
    assert "0.61234" in text
    assert "9f2b9f2b" in text


NOT_MEASURED = "Whether its scores tell who was in training was not measured when this card was written."
NOT_GUESSED = "Whether its predictions tell who was in training was not measured when this card was written."
KEEPS = "It holds 1,204 of its training rows, without ids. Whoever has the bundle can read them: it is patients' data."
INSTEAD = "The option `prototypes` leaves them out."
INSTEAD_OF_KNOWN = "The option `prototypes` of `known` leaves them out."
NO_OPTION = "This kind of model has no option that leaves them out."
MEANS = "It holds 240 means of training rows, each of at least 5 patients, and no row."
PRIVATE = (
    "Its weights were trained with differential privacy of a row: epsilon 7.99 at delta 1e-05, counted by Rényi. Means, "
    "spreads and calibration scores are not covered."
)
TELLS, HARDLY = "Its scores may tell who was in training", "Its scores hardly tell who was in training"
BETRAYS, HIDES = (
    "Its predictions may tell who was in training",
    "Its predictions hardly tell who was in training",
)
NORMAL = "of 5,200 normal cases of training against 900 others, where 0.5 is a guess."
LABELLED = (
    "of 5,200 labelled cases of training against 900 others with the same labels, where 0.5 is a guess."
)
FEW = (
    "It holds counts or means per class, and 2 of its classes have fewer than 5 cases. What it holds of them may tell what "
    "these cases are like."
)
SENTENCES = (
    FEW,
    *(NOT_MEASURED, NOT_GUESSED, KEEPS, INSTEAD, INSTEAD_OF_KNOWN, NO_OPTION, MEANS, PRIVATE),
    *(TELLS, HARDLY, BETRAYS, HIDES, NORMAL, LABELLED),
)
RISK = {"meaning": "probability of label 1", "kind": "tabular_risk"}


def classes(member, *counts):
    of = [{"name": f"class {i}", "n_cases": n} for i, n in enumerate(counts)]
    return RISK | {"kind": "tabular_classes", "members": [member], "classes": of}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, [NOT_MEASURED]),
        ({"rows_kept": 1204, "kind": "nearest_neighbours"}, [KEEPS, INSTEAD, NOT_MEASURED]),
        ({"rows_kept": 1204, "kind": "local_outlier_factor"}, [KEEPS, INSTEAD, NOT_MEASURED]),
        ({"rows_kept": 1204, "kind": "one_class_svm"}, [KEEPS, INSTEAD, NOT_MEASURED]),
        ({"rows_kept": 1204, "kind": "two_view_ensemble"}, [KEEPS, INSTEAD, NOT_MEASURED]),
        ({"rows_kept": 1204, "kind": "four_member_ensemble"}, [KEEPS, INSTEAD, NOT_MEASURED]),
        ({"rows_kept": 1204, "kind": "lbe"}, [KEEPS, NO_OPTION, NOT_MEASURED]),
        ({"rows_kept": 1204, "kind": "phenotype_reranker"}, [KEEPS, NO_OPTION, NOT_MEASURED]),
        (
            RISK | {"known": {"rows_kept": 1204, "kind": "nearest_neighbours"}},
            [KEEPS, INSTEAD_OF_KNOWN, NOT_GUESSED],
        ),
        ({"prototypes": {"n": 240, "patients_each": 5}}, [MEANS, NOT_MEASURED]),
        (RISK | {"known": {"prototypes": {"n": 240, "patients_each": 5}}}, [MEANS, NOT_GUESSED]),
        (RISK, [NOT_GUESSED]),
        (classes("bayes", 90, 4, 1), [FEW, NOT_GUESSED]),
        (classes("prototypes", 90, 4, 1), [FEW, NOT_GUESSED]),
        (classes("bayes", 90, 5), [NOT_GUESSED]),
        (classes("lightgbm", 90, 4, 1), [NOT_GUESSED]),
        (RISK | {"known": {"kind": "mahalanobis"}}, [NOT_GUESSED]),
        (
            {"differential_privacy": {"epsilon": 7.991, "delta": 1e-5, "accountant": "Rényi"}},
            [PRIVATE, NOT_MEASURED],
        ),
        ({"membership": (0.52, 0.49, 0.55)}, [f"{HARDLY}: AUROC 0.520 (0.490–0.550) {NORMAL}"]),
        ({"membership": (0.52, 0.49, 0.56)}, [f"{TELLS}: AUROC 0.520 (0.490–0.560) {NORMAL}"]),
        ({"membership": (1.0, float("nan"), float("nan"))}, [f"{TELLS}: AUROC 1.000 {NORMAL}"]),
        ({"membership": (0.0, float("nan"), float("nan"))}, [f"{HARDLY}: AUROC 0.000 {NORMAL}"]),
        (RISK | {"membership": (0.52, 0.49, 0.55)}, [f"{HIDES}: AUROC 0.520 (0.490–0.550) {LABELLED}"]),
        (RISK | {"membership": (0.82, 0.79, 0.86)}, [f"{BETRAYS}: AUROC 0.820 (0.790–0.860) {LABELLED}"]),
    ],
)
def test_the_card_says_what_the_model_gives_away_and_nothing_else(more, said):
    if "membership" in more:
        figures = dict(zip(("auroc", "ci_low", "ci_high"), more["membership"], strict=True))
        more = more | {"membership": figures | {"n_members": 5200, "n_others": 900}}
    text = _plain(render_card(MANIFEST | more))
    for sentence in SENTENCES:
        assert (sentence in text) == any(sentence in wanted for wanted in said), sentence
    assert all(sentence in text for sentence in said)


def test_metrics_come_with_their_intervals(card, results):
    row = results.metric("isolation_forest", "auroc")
    values = f"{row['value']:.3f} | {row['ci_low']:.3f}–{row['ci_high']:.3f}"
    assert f"| AUROC | {values} | {row['n']} | {row['n_positive']} |" in card


def test_a_risk_model_counts_labels_and_detects_no_anomalies(card, results):
    (entry,) = _front_matter(card)["model-index"]
    assert entry["results"][0]["task"] == {"type": "anomaly-detection", "name": "Anomaly detection"}
    assert "| Cases | Anomalous |" in card
    risk = render_card(MANIFEST | RISK, results.metrics)
    (entry,) = _front_matter(risk)["model-index"]
    assert entry["results"][0]["task"] == {"type": "tabular-classification", "name": "Tabular classification"}
    assert "| Cases | Positive |" in risk
    assert "Anomalous" not in risk


def test_a_model_that_was_not_judged_says_so(results):
    for metrics in (None, results.metrics.iloc[:0], results.metrics[results.metrics["model"] == "ecdf"]):
        card = render_card(MANIFEST, metrics)
        assert "Not judged" in card
        assert "model-index" not in _front_matter(card)


def test_an_unreachable_alpha_is_said_in_words():
    card = render_card(MANIFEST | {"thresholds": {"alpha": 0.001, "score": None}}, None)
    assert "too few calibration cases" in card


def test_the_card_in_a_bundle_knows_no_alarm_and_says_the_smallest_p_value():
    known = {name: entry for name, entry in MANIFEST.items() if name != "thresholds"}
    card = _plain(render_card(known, None))
    assert "## P-values\n\n- Smallest possible p-value: 0.0021" in card
    assert "Alpha, the share" not in card
    assert "## Threshold" not in card
    assert "## P-values" not in render_card(MANIFEST, None)


def test_the_name_alone_makes_a_card():
    card = render_card({"name": "ecdf"}, None)
    assert card.startswith("---\n")
    assert "# ecdf" in card
    assert "None" not in card


def test_names_from_data_cannot_break_the_card(results):
    hostile = "a|b <script>x</script>\n# heading `c` *d*"
    manifest = MANIFEST | {
        "dataset": hostile,
        "input_contract": [
            {"name": hostile, "kind": "number", "unit": hostile, "usual_low": 0.0, "usual_high": 1.0}
        ],
        "options": {hostile: hostile},
    }
    card = render_card(manifest, results.metrics)
    body = card.split("---\n", 2)[2]
    assert "<script" not in re.sub(r"`[^`]*`", "", body.replace("\\<", "").replace("\\`", ""))
    assert "\n# heading" not in body
    (row,) = [line for line in body.splitlines() if "| number |" in line]
    assert len(re.findall(r"(?<!\\)\|", row)) == 6
    assert _front_matter(card)["model-index"][0]["results"][0]["dataset"]["name"] == hostile


def test_the_same_manifest_gives_the_same_card(results, card):
    assert render_card(MANIFEST, results.metrics) == card


def test_metrics_without_labels_leave_gaps_instead_of_failing(results):
    metrics = results.metrics[results.metrics["metric"] == "flagged_share"].assign(
        n_positive=pd.array([pd.NA] * (results.metrics["metric"] == "flagged_share").sum(), dtype="Int64")
    )
    assert "| Flagged |" in render_card(MANIFEST, metrics)
