"""Images as a modality: a case is an image."""

import numpy as np
import pandas as pd
from kedro.pipeline import Node, Pipeline

from medanomaly.core.models import ModelInput
from medanomaly.imaging.sources.image_cases import ImageParams, shown_names
from medanomaly.pipelines.environment import Model
from medanomaly.pipelines.imaging.boxes import detection
from medanomaly.pipelines.imaging.check_nodes import check_batches, check_model, score_baselines
from medanomaly.pipelines.imaging.feature_nodes import measure_acquisition
from medanomaly.pipelines.imaging.patient_view import show_images
from medanomaly.pipelines.imaging.prepare_nodes import prepare_images, read_masks, seal_recipe
from medanomaly.pipelines.imaging.risk import risk_models
from medanomaly.pipelines.imaging.section_nodes import write_sections
from medanomaly.pipelines.modality import Cases, Modality, PatientView, View, typed_node
from medanomaly.pipelines.models import GROUPS

IMAGES = ["imaging.images", "imaging.manifest", "imaging.cases"]


def prepare() -> Pipeline:
    """Files to prepared images, manifest, cases, quarantine and masks."""
    return Pipeline(
        [
            Node(
                prepare_images,
                ["imaging.raw", "params:imaging_processing", "params:split"],
                [*IMAGES, "imaging.quarantine", "imaging.summary"],
                name="imaging.prepare_images",
            ),
            Node(
                read_masks,
                ["imaging.raw", "imaging.manifest", "params:imaging_processing"],
                "imaging.masks",
                name="imaging.read_masks",
            ),
            Node(
                seal_recipe,
                ["params:imaging_processing", "params:run"],
                "imaging.recipe",
                name="imaging.seal_recipe",
            ),
        ]
    )


def features() -> Pipeline:
    """Images to features of how they were taken."""
    node = Node(measure_acquisition, IMAGES[:2], "imaging.features", name="imaging.measure_acquisition")
    return Pipeline([node])


def prepared_images(
    cases: pd.DataFrame,
    images: np.ndarray,
    manifest: pd.DataFrame,
    imaging_processing: ImageParams,
    masks: dict[str, np.ndarray] | None = None,
) -> ModelInput:
    """What models read of images: the images of the cases, their input contract, and masks where they are asked for."""
    from medanomaly.imaging.lbe.acquisition import image_facts
    from medanomaly.imaging.sources.image_array import ImageArray

    about = {"contract": imaging_processing.contract} | ({} if masks is None else {"masks": masks})
    images, aspect = ImageArray(images, manifest["row"]), manifest["aspect"].to_numpy()
    return ModelInput(cases, images, about, lambda rows: image_facts(images[rows], aspect[rows]))


def checks(model: Model) -> Pipeline:
    """Identity leak, planted lesions, own lesions."""
    name = f"imaging.{model.name}"
    read = [*IMAGES, "imaging.masks", f"{name}.bundle"]
    settings = ["params:evaluation", "params:run"]
    return Pipeline([Node(check_model, [*read, *settings], f"{name}.checks", name=f"{name}.check")])


def baselines(models: tuple[Model, ...]) -> Pipeline:
    """Scores of what every model has to beat."""
    images = dict(zip(("images", "manifest", "cases"), ((name, None) for name in IMAGES), strict=True))
    node = typed_node(
        score_baselines, images | GROUPS, "imaging.image_baselines", "imaging.score_image_baselines"
    )
    return Pipeline([node])


def sections(models: tuple[Model, ...]) -> Pipeline:
    """Whether p-values hold for the test images; then images, scores, metrics and checks to sections of the report."""
    read = (
        *(name.removeprefix("imaging.") for name in IMAGES),
        "scores",
        "baselines",
        "metrics",
        "comparisons",
        "batch_checks",
    )
    parts = {f"{m.name}__{part}": f"imaging.{m.name}.{part}" for m in models for part in ("bundle", "checks")}
    settings = {"alarm": "params:alarm", "evaluation": "params:evaluation", "run": "params:run"}
    node = Node(
        write_sections,
        settings | {name: f"imaging.{name}" for name in read} | parts,
        "imaging.sections",
        name="imaging.sections",
    )
    batches = Node(
        check_batches,
        ["imaging.cases", "imaging.features", "imaging.scores", "params:alarm", "params:run"],
        "imaging.batch_checks",
        name="imaging.check_batches",
    )
    return Pipeline([batches, node])


def file_names(manifest: pd.DataFrame) -> dict[str, str]:
    """case_id of each image to the name of its file.

    Images that share a name, come from an array or have a pseudonym keep their id.
    """
    name = shown_names(manifest)
    own = name.str.contains(r"\.[A-Za-z]", na=False) & ~name.duplicated(keep=False)
    return dict(zip(manifest.loc[own, "case_id"], name[own], strict=True))


IMAGE_CASES = Cases(
    noun="image",
    recipe="image_recipe",
    prepare=prepare,
    features=features,
    views={
        "images": View(
            ("images", "manifest"), prepared_images, {"imaging_processing": ImageParams}, recipe=True
        )
    },
    before_gathering=baselines,
    also_scored=("image_baselines",),
    sections=sections,
    named_by=("manifest",),
    names=file_names,
    patient_view=PatientView(("images", "manifest"), show_images),
)

IMAGING = Modality(
    name="imaging",
    stage="imaging_models",
    cases={"images": IMAGE_CASES},
    each_model=checks,
    boxes=detection,
    risk=lambda risks, models: risk_models(risks, models, IMAGE_CASES.views["images"]),
)
