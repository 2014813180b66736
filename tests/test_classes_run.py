"""Models of classes in a run: what an environment wants, and what their nodes make of a small table."""

import pytest

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.models import kind
from medanomaly.evaluation.membership import remarkable
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipeline_registry import build
from medanomaly.pipelines.environment import Environment, Model
from medanomaly.pipelines.evaluation.report_nodes import write_cards
from medanomaly.pipelines.modalities import ALL, judged_classes, trained_classes
from medanomaly.pipelines.tabular.class_nodes import judged_cases
from medanomaly.pipelines.tabular.modality import DataProcessingParams
from medanomaly.reporting.sections import from_json
from medanomaly.tabular.classes.params import ClassMember
from tests.conftest import environment
from tests.tabular.classes.small_class_models import PARAMS, SPEC, prepared

CLASSES = tuple(Model(name, kind("tabular_classes")) for name in ("trees", "bayes"))


def nodes(env, pipeline="__default__"):
    return {node.name for node in build(env, pipeline).nodes}


@pytest.mark.parametrize("env", ["thyroid0387", "dermatology"])
def test_an_environment_with_models_of_classes_trains_and_judges_them(env):
    found = environment(env)
    assert [model.name for model in found.models["tabular_classes"]] == ["mean_of_trees", "naive_bayes"]
    whole = nodes(found)
    assert {"tabular_classes.mean_of_trees.fit", "tabular_classes.naive_bayes.score"} <= nodes(
        found, "tabular_models"
    )
    assert {"tabular_classes.measure", "tabular_classes.sections"} <= nodes(found, "evaluation") <= whole
    report = next(node for node in build(found, "evaluation").nodes if node.name == "write_report")
    assert {"tabular_classes.sections", "tabular_classes.metrics"} <= set(report.inputs)
    cards = next(node for node in build(found, "evaluation").nodes if node.name == "write_cards")
    assert {"tabular_classes.mean_of_trees.bundle", "tabular_classes.membership"} <= set(cards.inputs)


def test_other_environments_have_no_node_of_them():
    assert not [name for name in nodes(environment("wdbc")) if "classes" in name]
    assert not any("classes" in name for name in build(environment("wdbc"), "__default__").datasets())


def test_models_of_classes_of_a_modality_without_them_are_refused():
    models = {"signals": (), "signals_classes": CLASSES}
    wanted = Environment(("signals",), {"signals": "beats"}, models)
    for part in (trained_classes, judged_classes):
        with pytest.raises(
            ConfigurationError,
            match=r"no model tells classes of signals apart\. There is models\.tabular_classes",
        ):
            part(wanted, "signals")


@pytest.fixture(scope="module")
def made():
    """Outputs of the nodes on a small table."""
    clean, cases, recipe, features = prepared()
    of = ALL["tabular"].classes
    run = RunParams(dataset="visits", table="visits")
    given = {
        "tabular.cases": cases, "tabular.features": features, "tabular.recipe": recipe, "tabular.summary": clean.summary,
        "params:data_processing": DataProcessingParams(tables={"visits": SPEC}), "params:run": run,
        "params:alarm.group_by": None, "params:alarm.min_group_size": 100, "params:alarm": AlarmParams(),
        "params:evaluation": EvaluationParams(n_resamples=100),
        "params:models.tabular_classes.trees": PARAMS,
        "params:models.tabular_classes.bayes": PARAMS.model_copy(update={"members": (ClassMember(model="bayes"),)}),
    }  # fmt: skip
    for node in (of.train(CLASSES) + of.judge(CLASSES)).nodes:
        given |= node.run({name: given[name] for name in node.inputs})
    return given


def test_bundles_name_the_recipe_and_carry_a_card(made):
    bundle = made["tabular_classes.trees.bundle"]
    assert bundle.manifest["recipe"] == made["tabular.recipe"].bundle_hash
    assert bundle.manifest.modality == "tabular_classes"
    assert b"## What it says" in bundle.files["card.md"]
    # there is no calibration of an anomaly score, so nothing takes it for one
    assert "calibration.npy" not in bundle.files


def test_test_records_alone_are_judged(made):
    cases = made["tabular.cases"]
    probabilities = made["tabular_classes.probabilities"]
    test = set(cases.loc[cases["split"] == "test", "case_id"])
    assert set(probabilities["case_id"]) == test
    assert set(probabilities["model"]) == {"trees", "bayes"}
    metrics = made["tabular_classes.metrics"]
    assert metrics.loc[metrics["metric"].eq("accuracy") & metrics["model"].eq("trees"), "value"].iloc[0] > 0.9
    assert set(metrics["modality"]) == {"tabular_classes"}
    table = made["tabular_classes.by_class"]
    assert table.groupby("model")["n_test"].sum().tolist() == [len(test)] * 2
    titles = [section.title for section in from_json(made["tabular_classes.sections"])]
    assert titles == ["Which class?", "Each class", "What is taken for what", "Single records"]


def test_cards_say_whether_probabilities_tell_who_was_in_training(made):
    told = made["tabular_classes.membership"]
    assert told["model"].tolist() == ["trees", "bayes"]
    assert (told["n_others"] == made["tabular.cases"]["split"].eq("test").sum()).all()
    bundles = {name.replace(".", "__"): made[name] for name in made if name.endswith(".bundle")}
    cards = write_cards(
        made["tabular_classes.metrics"], AlarmParams(), tabular_classes__membership=told, **bundles
    )
    assert set(cards) == {"tabular_classes_trees", "tabular_classes_bayes"}
    for row in told.itertuples():
        card = cards[f"tabular_classes_{row.model}"]
        said = "may" if remarkable(row.auroc, row.ci_high) else "hardly"
        assert f"Its predictions {said} tell who was in training: AUROC {row.auroc:.3f}" in card
        assert f"{row.n_members:,} labelled cases of training against {row.n_others:,} others" in card
        assert "Its scores" not in card
        assert "was not measured" not in card


def test_without_a_known_class_in_test_the_column_is_asked_for():
    _, cases, _, _ = prepared()
    unknown = cases["split"].eq("test")
    none = cases.assign(label=cases["label"].mask(unknown), kind=cases["kind"].mask(unknown))
    with pytest.raises(ConfigurationError, match="the class of no test case is known"):
        judged_cases(none)
    assert len(judged_cases(cases)) == unknown.sum()
