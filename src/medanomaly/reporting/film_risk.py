"""Sections and card of the supervised models of films, from plain tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.evaluation.baselines import is_baseline
from medanomaly.evaluation.intervals import percentile_interval
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.sections import Figure, Section, Table
from medanomaly.reporting.wording import DASH, interval, number, percent, signed, written

SEGMENTATION = {"dice": "Dice", "iou": "Intersection over union", "boundary_f1": "Boundary F1 (within 2 px)"}


def shown_kind(case) -> str:
    """What a film shows, as the data set says."""
    if pd.notna(case.kind):
        return str(case.kind)
    return {0: "normal", 1: "anomalous"}.get(case.label, "no label") if pd.notna(case.label) else "no label"


def kinds_section(metrics: pd.DataFrame, stratified: pd.DataFrame, best: str) -> Section:
    """The classifier by kind of anomaly, and everything among films of about one shape.

    Args:
        metrics: metrics table of the classifier.
        stratified: ``model, value, ci_low, ci_high`` of classifier, LBE and controls.
        best: the classifier's name.
    """
    of_kind = metrics[
        (metrics["model"] == best)
        & metrics["subgroup"].fillna("").str.startswith("kind=")
        & metrics["value"].notna()
    ]
    rows = []
    for name, group in of_kind.groupby("subgroup", sort=True):
        cells = {
            row.metric: written(row.metric, row.value)
            + _bracket(interval(row.metric, row.ci_low, row.ci_high))
            for row in group.itertuples()
        }
        n = int(group["n_positive"].iloc[0])
        rows.append(
            (name.removeprefix("kind="), f"{n:,}", cells.get("auroc", DASH), cells.get("sensitivity", DASH))
        )
    tables = []
    if rows:
        tables.append(
            Table("By kind", ("Kind", "Test films", "AUROC against normal films", "Sensitivity"), rows)
        )
    shape = [
        (
            model_label(row.model),
            "control" if is_baseline(pd.Series([row.model])).iloc[0] else "model",
            f"{number(row.value)} ({number(row.ci_low)} to {number(row.ci_high)})",
        )
        for row in stratified.dropna(subset=["value"]).sort_values("value", ascending=False).itertuples()
    ]
    if shape:
        note = "AUROC within strata of width over height: what ranks by the shape of a film alone ranks nothing here."
        tables.append(
            Table("Among films of about one shape", ("", "", "AUROC at equal film shape"), shape, note)
        )
    return Section(
        "Which films, and is it their shape?",
        "A classifier learns whatever tells the two labels apart, how films were taken included.",
        tables=tables,
    )


def cam_section(figure: Figure, check: Mapping[str, Mapping[str, float]] | None) -> Section:
    """Grad-CAM, and whether to believe it.

    Args:
        figure: of the maps.
        check: of :func:`medanomaly.imaging.cam_check.cam_check`; None without abnormal test films.
    """
    if check is None:
        return Section("Where the classifier looks", "No abnormal test film to check the maps on.", [figure])
    better = [name for name, row in check.items() if row["low"] > 0]
    text = (
        "The highlighted pixels matter more to the probability than others do: both checks are better than a random order."
        if len(better) == len(check)
        else "These maps may not be read as reasons: "
        + (
            f"only {better[0]} is better than a random order."
            if better
            else "neither taking highlighted pixels away nor putting them back does more than a random order."
        )
    )
    rows = [
        (
            name.capitalize(),
            number(row["value"]),
            number(row["random"]),
            f"{signed(row['gain'])} ({signed(row['low'])} to {signed(row['high'])})",
        )
        for name, row in check.items()
    ]
    note = (
        "Area under the probability as highlighted pixels become those of a normal film (deletion, low is good), or "
        "come back (insertion, high is good). Gain: in the direction that is good, 95 % interval over films."
    )
    columns = ("", "Grad-CAM first", "Random order", "Gain")
    return Section(
        "Where the classifier looks", text, [figure], [Table("Deletion and insertion", columns, rows, note)]
    )


def outline_table(
    measured: Mapping[str, np.ndarray],
    patient: np.ndarray,
    outlined_normals: np.ndarray,
    normal_patient: np.ndarray,
    settings: EvaluationParams,
) -> list[tuple[str, str, int]]:
    """Means over test films with intervals from resampled patients: rows of what, value, number of films.

    Args:
        measured: Dice, IoU and boundary F1 of the n films that have a mask; patient: (n,) theirs.
        outlined_normals: (m,) bool, films with nothing on them on which something is outlined; normal_patient: (m,).
        settings: seed, resamples, confidence.
    """
    rows = [(SEGMENTATION[name], values, patient) for name, values in measured.items()]
    rows.append(("Normal films with something outlined", outlined_normals.astype(float), normal_patient))
    table = []
    for name, values, who in rows:
        if not len(values):
            continue
        write = percent if values is rows[-1][1] else number
        codes, patients = pd.factorize(who)
        random = np.random.default_rng(settings.seed)
        weight = random.multinomial(
            len(patients), np.full(len(patients), 1 / len(patients)), settings.n_resamples
        )[:, codes]
        low, high = percentile_interval(weight @ values / weight.sum(axis=1), settings.confidence)
        table.append((name, f"{write(values.mean())} ({write(low)} to {write(high)})", len(values)))
    return table


def outline_section(
    table: Sequence[tuple[str, str, int]], threshold: float, figures: Sequence[Figure]
) -> Section:
    """How well outlines agree with the masks of test films."""
    return Section(
        "Outlines",
        f"A segmenter learned from the masks of train films. It outlines what it gives {percent(threshold)} or more, the "
        "value of best Dice on calibration films.",
        figures,
        [
            Table(
                "Test films",
                ("", "Mean", "Films"),
                table,
                "In brackets: 95 % intervals, by resampling patients.",
            )
        ],
    )


def no_outlines_section() -> Section:
    """Said where there are too few masks."""
    return Section(
        "Outlines",
        "Train and calibration films came with fewer than five masks each, so no segmenter was trained.",
    )


def _bracket(span: str) -> str:
    return f" ({span})" if span else ""


def film_risk_card(manifest: Mapping[str, Any]) -> str:
    """The card of a supervised model of films in Markdown; it holds no figure of test, which training never reads."""
    data = manifest["training_data"]
    parts = [
        f"# {manifest['name']}",
        "> **Research use only. Not a medical device.** No decision about a patient may rest on this model.",
        f"## What it says\n\nThe {manifest['meaning']}.",
        "## Training data\n\n"
        f"- Films: {data['n_cases']:,} of {data['n_patients']:,} patients, {data['n_positive']:,} of them anomalous "
        f"({100 * data['prevalence']:.1f} %)\n"
        f"- Fingerprint (SHA-256): `{data['fingerprint']}`",
        f"## Input\n\n{manifest['input_contract']['image']}; geometry {manifest['input_contract']['geometry']}.",
    ]
    if "risk_threshold" in manifest:
        threshold, calibration = manifest["risk_threshold"], manifest["calibration"]
        found = threshold["calibration"]
        parts.append(
            "## Calibration and threshold\n\n"
            f"- Calibration: {calibration['name']}, on {calibration['n_cases']:,} films that were not trained on\n"
            f"- Threshold: {threshold['probability']:.4g}; of the calibration films it finds "
            f"{percent(found['sensitivity'])} of the anomalous ones and flags {percent(1 - found['specificity'])} of the "
            "normal ones (the same films chose it)"
        )
    else:
        parts.append(f"## Threshold\n\nOf best Dice on calibration films: {manifest['outline_threshold']:g}.")
    parts.append(
        "## Limits\n\n"
        "- It holds for films of the same site, devices and patients; another site moves probabilities first.\n"
        "- It may have learned how films were taken: look at the figures at equal film shape.\n"
        "- What it was not shown in training it cannot be expected to find."
    )
    return "\n\n".join(parts) + "\n"
