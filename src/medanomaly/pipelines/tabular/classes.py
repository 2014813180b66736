"""Models of classes of tables: the template of models, and what only classes have."""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.environment import Model
from medanomaly.pipelines.modality import View
from medanomaly.pipelines.models import gathered, model_pipeline
from medanomaly.pipelines.tabular.class_nodes import describe_classes, measure_classes
from medanomaly.pipelines.tabular.label_nodes import guess_members

NAMESPACE = "tabular_classes"


def class_models(models: tuple[Model, ...], view: View) -> Pipeline:
    """Records to bundles, and to probabilities and reasons of the test cases.

    Args:
        models: of the environment; the first one is shown, and compared with the others.
        view: how records are read.
    """
    parts = [model_pipeline(model, view, NAMESPACE, "tabular") for model in models]
    return Pipeline([*parts, gathered(NAMESPACE, models, ("probabilities",))])


def judged_classes(models: tuple[Model, ...]) -> Pipeline:
    """Probabilities to metrics, to what they tell of training, and to sections of the report."""
    bundles = [f"{NAMESPACE}.{model.name}.bundle" for model in models]
    bundle = bundles[0]
    of_models = {name: f"{NAMESPACE}.{name}" for name in ("probabilities", "explanations")}
    made = {name: f"{NAMESPACE}.{name}" for name in ("metrics", "comparisons", "by_class")}
    settings = {"params": "params:evaluation", "alarm": "params:alarm", "run": "params:run"}
    return Pipeline(
        [
            Node(
                measure_classes,
                {"cases": "tabular.cases", "probabilities": of_models["probabilities"], "bundle": bundle}
                | settings,
                list(made.values()),
                name=f"{NAMESPACE}.measure",
            ),
            Node(
                guess_members,
                ["tabular.cases", "tabular.features", *bundles],
                f"{NAMESPACE}.membership",
                name=f"{NAMESPACE}.guess_members",
            ),
            Node(
                describe_classes,
                {"cases": "tabular.cases", "bundle": bundle} | of_models | made,
                f"{NAMESPACE}.sections",
                name=f"{NAMESPACE}.sections",
            ),
        ]
    )
