"""What the report says of long series with one anomaly each: who points to the right place, what the curves are worth."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from medanomaly.evaluation.resampling.ratio_intervals import ratio_intervals
from medanomaly.evaluation.series.events import event_counts, runs
from medanomaly.evaluation.series.point_adjust import point_adjusted_f1
from medanomaly.evaluation.series.vus import volume_under_surface
from medanomaly.reporting.figures.series import found_place
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.sections import Figure, Section, Table
from medanomaly.reporting.wording import number

WIDTH = 100
SHOWN = 8

Curve = tuple[str, str, np.ndarray, np.ndarray]


def series_sections(
    found: pd.DataFrame,
    curves: Sequence[Curve],
    signal: Callable[[str], np.ndarray],
    *,
    n_resamples: int,
    seed: int,
) -> list[Section]:
    """Share located, curve metrics, and the places.

    Args:
        found: ``model, record, source, peak, start, end, located, chance``.
        curves: ``(model, record, truth, score)`` of the samples after the beginning.
        signal: record -> its samples.
        n_resamples: of whole source recordings.
        seed: of the draws.

    Returns:
        Sections.
    """
    models = list(dict.fromkeys(found["model"]))
    return [
        _located(found, models, n_resamples, seed),
        _curves(found, curves, models, n_resamples, seed),
        _places(found, models, signal),
    ]


def places_section(places: Sequence[tuple[str, str, int, float]]) -> Section:
    """Where the score is highest in series without an annotated anomaly, so that nothing can be judged.

    Args:
        places: record, model, sample of the highest score after the beginning, rate in Hz.
    """
    rows = [
        (record.replace("_", " "), model_label(model), f"{peak:,}", f"{peak / fs:,.1f} s")
        for record, model, peak, fs in places
    ]
    return Section(
        "The most unusual place of each series",
        "No anomaly is annotated in these series: each detector names the place where its score is highest, and nothing "
        "says whether it is right.",
        tables=[Table("", ("Series", "Detector", "Sample", "Time"), rows)],
    )


def _interval(values: pd.Series, source: pd.Series, n_resamples: int, seed: int) -> str:
    column = values.to_numpy(dtype=float)[:, None]
    found = ratio_intervals(column, np.ones_like(column), source, n_resamples=n_resamples, seed=seed)
    value, low, high = (figure[0] for figure in found)
    return f"{number(value)} ({number(low)}–{number(high)})"


def _located(found: pd.DataFrame, models: list[str], n_resamples: int, seed: int) -> Section:
    rows = []
    for model in models:
        mine = found[found["model"] == model]
        rows.append(
            (
                model_label(model),
                f"{int(mine['located'].sum())} of {len(mine)}",
                _interval(mine["located"], mine["source"], n_resamples, seed),
            )
        )
    chance = found[found["model"] == models[0]]["chance"].mean()
    rows.append(("a random place", "", number(chance)))
    n = found["source"].nunique()
    return Section(
        "Is the anomaly located?",
        "Each detector names the one place of each series where its score is highest. It counts where that lies within "
        "max(100, length) samples of the anomaly (Wu & Keogh 2021).",
        tables=[
            Table(
                "",
                ("Detector", "Located", "Share (95 %)"),
                rows,
                f"{found['record'].nunique()} series cut from {n} recordings; intervals resample recordings. Each series is "
                "learned from its own beginning, so figures say nothing of a person never seen."
                + (
                    " Matrix profiles look at the whole series, before and after: they find a place, they do not raise an "
                    "alarm in time."
                    if any("profile" in model for model in models)
                    else ""
                ),
            )
        ],
    )


def _curves(
    found: pd.DataFrame, curves: Sequence[Curve], models: list[str], n_resamples: int, seed: int
) -> Section:
    rows = []
    source = found.drop_duplicates("record").set_index("record")["source"]
    for model, record, truth, score in curves:
        volume = volume_under_surface(truth, score, WIDTH)
        adjusted = point_adjusted_f1(truth, score, n_random=1, seed=seed)
        # as many alarmed samples as there are anomalous ones: an oracle's threshold, the same for all
        alarm = score >= np.sort(score)[-max(1, int(truth.sum()))]
        event = event_counts(runs(truth), runs(alarm), tolerance=WIDTH)
        rows.append(
            (
                model,
                source[record],
                volume.pr,
                volume.roc,
                event.precision,
                event.recall,
                adjusted.f1,
                adjusted.random_f1,
            )
        )
    columns = [
        "model",
        "source",
        "vus_pr",
        "vus_roc",
        "event_precision",
        "event_recall",
        "adjusted",
        "random",
    ]
    table = pd.DataFrame(rows, columns=columns)
    shown = []
    for model in models:
        mine = table[table["model"] == model]
        shown.append(
            (
                model_label(model),
                *(_interval(mine[c], mine["source"], n_resamples, seed) for c in columns[2:]),
            )
        )
    return Section(
        "Curves and events",
        "",
        tables=[
            Table(
                "Mean over the series",
                (
                    "Detector",
                    "VUS-PR",
                    "VUS-ROC",
                    "Event precision",
                    "Event recall",
                    "Point-adjusted F1",
                    "of a random score",
                ),
                shown,
                f"VUS: volume under the curve with a buffer of up to {WIDTH} samples (Paparrizos et al. 2022). Events: as "
                f"many samples alarm as are anomalous; an alarm within {WIDTH} samples counts. Point adjustment calls a "
                "whole event found when one sample is: a random score then looks good, so that column judges nobody. 95 % "
                "intervals by resampling recordings.",
            )
        ],
    )


def _places(found: pd.DataFrame, models: list[str], signal: Callable[[str], np.ndarray]) -> Section:
    best = found.groupby("model")["located"].mean().sort_values(kind="stable").index[-1]
    mine = found[found["model"] == best]
    order = pd.concat([mine[~mine["located"]].head(SHOWN // 2), mine[mine["located"]]]).head(SHOWN)
    figures = []
    for row in order.itertuples():
        verdict = "located" if row.located else "not located"
        figures.append(
            Figure(
                f"{row.record.replace('_', ' ')}: {verdict}",
                "Above: around the anomaly. Below: around the place that was named, where it is another."
                if not row.located
                else "",
                found_place(signal(row.record), row.start, row.end, row.peak, bool(row.located)),
            )
        )
    return Section(
        f"Where {model_label(best)} points to",
        f"Misses first. Shaded: the annotated anomaly. Line: where the score of {model_label(best)} is highest.",
        figures=figures,
    )
