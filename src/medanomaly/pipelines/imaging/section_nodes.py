"""Node that writes the report's sections about images, once metrics and comparisons are there."""

from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.cases import reference_cases
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.parameters import AlarmParams, RunParams

PREFERRED = "lbe"


def write_sections(
    images: np.ndarray,
    manifest: pd.DataFrame,
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    baselines: pd.DataFrame,
    metrics: pd.DataFrame,
    comparisons: pd.DataFrame,
    batch_checks: dict[str, dict],
    evaluation: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
    **parts: Bundle | dict,
) -> list[dict[str, Any]]:
    """Comparison, baselines, identity leak, planted lesions, validity, gallery, augmentation.

    Args:
        parts: ``<model>__bundle`` and ``<model>__checks``; the other arguments are datasets of their names.
    """
    from medanomaly.evaluation.images.stratified_table import stratified_table
    from medanomaly.pipelines.imaging import gallery
    from medanomaly.reporting.imaging import anomalies as image_report
    from medanomaly.reporting.scored_cases import metric_row
    from medanomaly.reporting.sections import to_json

    bundles = {name.partition("__")[0]: part for name, part in parts.items() if name.endswith("__bundle")}
    checks = {model: parts[f"{model}__checks"] for model in bundles}
    image_array = ImageArray(images, manifest["row"])
    everything = pd.concat([scores, baselines], ignore_index=True)
    stratified = stratified_table(
        cases, everything, manifest["aspect"].to_numpy(), n_resamples=evaluation.n_resamples, seed=run.seed
    )

    def rank(model: str) -> tuple[float, bool]:
        row = metric_row(metrics, model, "auroc")
        return (float(row["value"]) if row is not None else 0.0), model == PREFERRED

    healthy = image_array[np.flatnonzero(reference_cases(cases, "calibration").to_numpy())[: gallery.COPIED]]
    train = image_array[np.flatnonzero(reference_cases(cases, "train").to_numpy())[: gallery.AUGMENTED]]
    models = list(bundles)
    written = [
        image_report.comparison_section(models, metrics, comparisons, stratified, checks),
        image_report.baselines_section(models, metrics, stratified),
        image_report.leak_section(checks, gallery.leak_figure(healthy, bundles, run.seed)),
        image_report.planted_section(checks),
        image_report.validity_section(batch_checks, alarm.alpha),
        gallery.gallery_section(image_array, cases, scores, bundles, max(models, key=rank)),
        gallery.augmentation_section(train, bundles, run.seed),
    ]
    return to_json([section for section in written if section is not None])
