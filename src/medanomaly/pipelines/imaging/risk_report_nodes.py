"""The node that writes the page about the supervised models of images."""

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.parameters import AlarmParams, RunParams, judged_as_flagged
from medanomaly.pipelines.provenance import run_facts


def write_image_risk_report(
    images: np.ndarray,
    manifest: pd.DataFrame,
    cases: pd.DataFrame,
    masks: dict[str, np.ndarray],
    bundle: Bundle,
    segmenters: dict[str, Bundle],
    scores: pd.DataFrame,
    beside: pd.DataFrame,
    metrics: pd.DataFrame,
    comparisons: pd.DataFrame,
    reliability: pd.DataFrame,
    map_check: pd.DataFrame,
    outlines: pd.DataFrame,
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
) -> str:
    """Probabilities beside anomaly scores and controls, Grad-CAM with its check, outlines where there is a segmenter."""
    from medanomaly.evaluation.images.stratified_table import stratified_table
    from medanomaly.evaluation.metrics import evaluate
    from medanomaly.pipelines.imaging.risk_gallery import map_figures, outline_figure
    from medanomaly.reporting.imaging import risk as image_risk
    from medanomaly.reporting.report import render_page
    from medanomaly.reporting.tabular.risk import figures_of_merit, not_an_anomaly_score, risk_lead

    image_array, best = ImageArray(images, manifest["row"]), bundle.manifest.name
    whole = cases[["case_id", "patient_id", "label", "kind", "split"]]
    other = evaluate(whole, beside, "imaging", judged_as_flagged(params, alarm, run))
    together = pd.concat([scores, beside], ignore_index=True)
    stratified = stratified_table(
        cases, together, manifest["aspect"].to_numpy(), n_resamples=params.n_resamples, seed=run.seed
    )
    sections = [
        not_an_anomaly_score(metrics, other, comparisons, best, bundle.manifest["outcome"], "image"),
        figures_of_merit(metrics, reliability, "image", "calibration images"),
        image_risk.groups_section(metrics, stratified, best),
        image_risk.map_section(map_figures(image_array, cases, scores, bundle), map_check),
        image_risk.no_outlines_section(),
    ]
    for segmenter in segmenters.values():
        figure = outline_figure(image_array, cases, masks, segmenter)
        threshold = segmenter.manifest["outline_threshold"]
        sections[-1] = image_risk.outline_section(outlines, threshold, [figure] if figure else [])
    facts = run_facts(params, alarm, run, [cases])
    return render_page(
        facts, "risk report", "What is at risk among images", risk_lead(metrics, other, "image"), sections
    )
