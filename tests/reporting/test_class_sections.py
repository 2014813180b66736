"""What the report says of classes: every sentence where it is true, and nowhere else."""

import pandas as pd
import pytest
from tests.evaluation.test_class_metrics import COUNTS, NAMES, judged_cases

from medanomaly.evaluation.class_metrics import by_class, class_metrics
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.reporting.sections import from_json, to_json
from medanomaly.reporting.summary import summary_rows
from medanomaly.reporting.tabular.classes import class_sections, reason_words

PARAMS = EvaluationParams(n_resamples=200)


def manifest(strength=0.5, unlike_at=0.01, names=NAMES):
    return {
        "name": "good",
        "classes": [{"name": name, "n_cases": COUNTS[name]} for name in names],
        "decision": {"name": "adjusted", "strength": strength},
        "coverage": 0.9,
        "unlike_at": unlike_at,
    }


def explained(cases=("c0", "c1"), contribution=2.0):
    rows = [
        {
            "case_id": case,
            "model": "good",
            "feature": "serum_tsh",
            "value": "9.6",
            "unit": "mU/L",
            "contribution": contribution,
        }
        for case in cases
    ]
    return pd.DataFrame(rows)


def sections(judged=None, about=None, explanations=None):
    judged = judged_cases() if judged is None else judged
    about = about or manifest()
    counts = {of["name"]: of["n_cases"] for of in about["classes"]}
    metrics, differences = class_metrics(judged, counts, "tabular_classes", PARAMS, rare=30)
    first = judged[judged["model"] == "good"]
    rows = [
        {"case_id": case, "model": "good", "class": name, "probability": 0.25, "in_set": name in ("a", "b")}
        for case in first["case_id"].head(5)
        for name in counts
    ]
    made = class_sections(
        judged, pd.DataFrame(rows), explained() if explanations is None else explanations, metrics, differences,
        by_class(judged, counts, PARAMS), about,
    )  # fmt: skip
    # a node hands them on as JSON
    return {section.title: section for section in from_json(to_json(made))}


@pytest.fixture(scope="module")
def found():
    return sections()


def texts(section):
    return " ".join([section.lead, section.text, *section.notes])


def test_the_lead_says_how_well_how_many_classes_are_told_apart(found):
    first = found["Which class?"]
    assert first.lead.startswith("Good tells 4 classes apart with a macro-F1 of 0.")
    assert first.lead.endswith("on 300\u00a0test records.")
    assert "Against poor: +0." in first.text
    assert "Against most frequent class: +0." in first.text
    assert "which chance may explain" not in first.text


def test_a_difference_that_chance_may_explain_is_said_to_be_one():
    judged = judged_cases()
    good = judged[judged["model"] == "good"]
    both = pd.concat([good, good.assign(model="poor")], ignore_index=True)
    assert (
        "Against poor: 0.000 macro-F1 (0.000 to 0.000), which chance may explain."
        in sections(both)["Which class?"].text
    )


def test_the_table_of_models_has_the_baseline_and_rare_classes_apart(found):
    (table,) = found["Which class?"].tables
    assert [row[0] for row in table.rows] == ["good", "poor", "most frequent class"]
    assert list(table.marks) == ["leading", "", "baseline"]
    assert "Macro-F1, fewer than 30 cases" in table.columns
    assert table.rows[2][list(table.columns).index("ECE")].text == "–"


@pytest.mark.parametrize(
    ("about", "sentence", "there"),
    [
        (manifest(strength=0.0), "The class that is named is the most likely one.", True),
        (manifest(strength=0.5), "The class that is named is the most likely one.", False),
        (manifest(strength=0.5), "rare classes are preferred (strength 0.5 of 1", True),
        (manifest(strength=0.0), "rare classes are preferred", False),
        (manifest(unlike_at=0.0137), "at most 1.4\u00a0% of the known records", True),
        (manifest(), "hold the right one in 90\u00a0% of the records of each class with 30 records or more", True),
        (manifest(), "Never learned", False),
        (manifest(names=["a", "b", "c"]), "Never learned, as training has no record of it: d. Its F1 is 0.", True),
    ],
)  # fmt: skip
def test_a_sentence_stands_where_it_is_true_and_only_there(about, sentence, there):
    assert (sentence in texts(sections(about=about)["Which class?"])) == there


def test_rare_classes_have_a_table_of_their_own_with_a_warning(found):
    section = found["Each class"]
    assert [table.title for table in section.tables] == [
        "Classes with 30 records or more to learn from", "Rare classes, with fewer than 30",
    ]  # fmt: skip
    assert [row[0] for row in section.tables[0].rows] == ["a", "b", "c"]
    assert list(section.tables[1].rows[0][:2]) == ["d", 6]
    assert "one record more or less moves these figures" in section.text
    judged = judged_cases()
    frequent = judged[judged["class"].ne("d") & judged["named"].ne("d")]
    kept = frequent[frequent.groupby("case_id")["model"].transform("size") == 2]
    section = sections(kept, manifest(names=["a", "b", "c"]))["Each class"]
    assert len(section.tables) == 1
    assert "one record more or less" not in section.text


def test_the_confusion_shows_all_classes_where_they_are_few(found):
    (table,) = found["What is taken for what"].tables
    assert list(table.columns) == ["Class", "a", "b", "c", "d"]
    many = judged_cases()
    # nine classes: the eight largest, and the others as one
    turn = many.groupby("model").cumcount() % 6
    many = many.assign(**{"class": many["class"].where(many["class"] != "a", "a" + turn.astype(str))})
    many["named"] = many["class"]
    counts = dict.fromkeys(many["class"].unique(), 40)
    about = manifest() | {"classes": [{"name": name, "n_cases": n} for name, n in counts.items()]}
    (table,) = sections(many, about)["What is taken for what"].tables
    assert len(table.columns) == 10
    assert table.columns[-1] == "another class"


def test_single_records_are_shown_with_what_speaks_for_their_class():
    judged = judged_cases()
    unlike = judged["case_id"].eq("c1")
    section = sections(judged.assign(abstains=unlike))["Single records"]
    (table,) = section.tables
    shown = {row[0]: row for row in table.rows}
    assert set(shown) == {"c0", "c1"}
    assert shown["c1"][2] == "none: looks like no known record"
    assert shown["c0"][2].text in NAMES
    assert shown["c0"][2].small in ("right", "wrong")
    assert shown["c0"][-1] == "serum tsh 9.6 mU/L (7.39 times)"
    assert (
        sections(explanations=explained(cases=()).reindex(columns=explained().columns))[
            "Single records"
        ].tables
        == []
    )


def test_values_that_say_hardly_anything_are_no_reasons():
    assert reason_words(explained(("c0",), contribution=0.01)) == "no single value"
    assert reason_words(explained(("c0",), contribution=-3)) == "no single value"


def test_the_terminal_shows_classes_in_a_table_of_their_own():
    metrics, _ = class_metrics(judged_cases(), COUNTS, "tabular_classes", PARAMS, rare=30)
    rows = summary_rows(metrics)
    assert [row["model"] for row in rows] == ["good", "most frequent class (baseline)"]
    assert set(rows[0]) == {"modality", "model", "macro-F1", "accuracy", "calibration error"}
    other = metrics.assign(modality="tabular", metric="auroc", subgroup="")[:1]
    both = summary_rows(pd.concat([other, metrics], ignore_index=True))
    assert [row["modality"] for row in both] == ["tabular"]
    assert "macro-F1" not in both[0]
