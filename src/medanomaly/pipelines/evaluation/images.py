"""Wiring of what the evaluation of films has beside that of every modality."""

from kedro.pipeline import Node, Pipeline

from medanomaly.modalities import active_models
from medanomaly.pipelines.imaging_models.pipeline import MODELS
from medanomaly.pipelines.imaging_models.section_nodes import write_sections

READ = ("images", "manifest", "cases", "scores", "baselines", "metrics", "comparisons")
PARTS = ("bundle", "examination")


def image_sections() -> Pipeline:
    """Films, scores, metrics and examinations to sections of the report."""
    models = active_models("imaging", tuple(MODELS))
    parts = {f"{m}__{part}": f"imaging.{m}.{part}" for m in models for part in PARTS}
    settings = {"params": "params:evaluation", "alarm": "params:alarm", "run": "params:run"}
    node = Node(
        write_sections,
        settings | {name: f"imaging.{name}" for name in READ} | parts,
        "imaging.sections",
        name="write_image_sections",
    )
    return Pipeline([node], tags="imaging")
