"""What the report says of heart beats beyond what it says of every modality: strips, classes, episodes, rhythm, quality."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.reporting.figures.ecg import (
    CLASS_NAMES,
    beat_shapes,
    ecg_strip,
    episode_timeline,
    loss_bars,
    poincare,
)
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.sections import Figure, Section, Table
from medanomaly.reporting.wording import DASH, asked, counted, equals_p_value, number, percent
from medanomaly.signals.beats.table import clock

WORDS = {
    "found": ("Alarm that is right", "The framed beat is abnormal and was flagged."),
    "false": ("False alarm", "The framed beat is normal by its mark and was flagged."),
    "missed": ("Miss", "The framed beat is abnormal and looked usual."),
    "flagged": ("Alarm", "The framed beat is among the most unusual; nothing says what it is."),
}
SHAPE_WORDS = {
    "found": "Alarms that are right",
    "false": "False alarms",
    "missed": "Misses",
    "flagged": "Alarms",
}
CODES = {
    "ec57": "Classes of ANSI/AAMI EC57: escape beats of the atria and the node are supraventricular.",
    "de_chazal": "Classes of de Chazal et al. 2004: as in EC57, but escape beats of the atria and the node are normal.",
}
EPISODE_WORDS = {
    "beats": "beats above the alarm threshold",
    "AF": "irregular as in atrial fibrillation, for half a minute or more",
    "bigeminy": "every second beat unusual, four times or more",
    "trigeminy": "every third beat unusual, four times or more",
    "run": "three or more unusual beats in a row",
    "pause": "3 s or more without a beat, in usable signal",
    "asystole": "3 s or more without a beat and with hardly any signal; it may be a lead that is off",
    "lead off": "3 s or more without a beat where every lead is missing or a flat line",
    "noise": "bad signal: neither alarm nor normal",
}
# drawn at most
SHOWN_RECORDINGS = 40


def strips_section(strips: Sequence[Mapping], alpha: float) -> Section:
    """Strips of beats.

    Args:
        strips: each with ``what`` (a key of ``WORDS``), ``record``, ``focus_s``, ``kind``, ``score``, ``p_value`` and the
            arguments of :func:`~medanomaly.reporting.figures.ecg.ecg_strip`.
        alpha: at which beats were flagged.
    """
    figures = []
    for strip in strips:
        title, reading = WORDS[strip["what"]]
        what = CLASS_NAMES.get(strip["kind"], "not labelled")
        figures.append(
            Figure(
                f"{title}: {strip['record']} at {clock(strip['focus_s'])}, {what}",
                reading,
                ecg_strip(
                    strip["time_s"],
                    strip["signal"],
                    strip["leads"],
                    strip["beats"],
                    strip["focus_s"],
                    f"p {equals_p_value(strip['p_value'])}, score {strip['score']:.1f}",
                ),
            )
        )
    return Section(
        "Alarms on paper",
        f"25 mm per second, 10 mm per millivolt; the pulse on the left is 1 mV. Letters are the reference's classes (N "
        f"normal, S supraventricular, V ventricular, F fusion; a dot: none). Shaded: beats flagged at {asked(alpha)}. "
        "Each lead minus its median.",
        figures=figures,
    )


def beat_section(case: Any, strip: Any, record: str, at_s: float, n_beats: int, bad: float) -> Section:
    """The most unusual beat of a patient, for the page of the patient.

    Args:
        case: with ``score`` and ``p_value``.
        strip: of :func:`medanomaly.signals.beats.views.strip_around`.
        record: whose beat it is.
        at_s: when it was, s.
        n_beats: that were scored of this patient.
        bad: share of beats of the recording in bad signal.
    """
    drawn = ecg_strip(
        strip.time_s,
        strip.signal,
        strip.leads,
        strip.beats,
        at_s,
        f"p {equals_p_value(case.p_value)}, score {case.score:.1f}",
    )
    text = f"The most unusual of {counted(n_beats, 'beat')}. Its p-value is among beats, not among patients."
    quality = f"{percent(bad)} of the beats are in bad signal." if bad > 0 else "No beat is in bad signal."
    return Section(
        f"Recording {record}",
        text,
        figures=[Figure(f"{record} at {clock(at_s)}", "25 mm per second, 10 mm per millivolt.", drawn)],
        notes=[quality],
    )


def classes_section(
    table: pd.DataFrame,
    model: str,
    alpha: float,
    lines: pd.DataFrame,
    gross: pd.DataFrame,
    codes: str = "ec57",
) -> Section:
    """Figures by class, and the beat-by-beat comparison of EC57.

    Args:
        table: of :func:`medanomaly.evaluation.class_performance.class_performance`.
        model: whose alarms they are, in words.
        alpha: at which beats were flagged.
        lines: of :func:`medanomaly.signals.beats.beat_by_beat.record_table`.
        gross: likewise; both empty where there are no reference classes.
        codes: table of classes, see :func:`medanomaly.signals.beats.aami.aami_class`.
    """
    rows = [
        (
            row["name"],
            f"{row['n']:,}",
            f"{row['patients']}",
            *(
                _with_span(row[m], row[f"{m}_low"], row[f"{m}_high"], share=m != "auroc")
                for m in ("auroc", "sensitivity", "ppv")
            ),
        )
        for _, row in table.iterrows()
    ]
    tables = [
        Table(
            f"By class, {model}",
            (
                "Class",
                "Beats",
                "Patients",
                "AUROC against N",
                f"Found at {100 * alpha:g} %",
                "Alarms that are right",
            ),
            rows,
            "95 % intervals by resampling patients; with few patients they are wide and still optimistic. The last column "
            "counts alarms on this class and on normal beats. The detector knows no classes: none was trained on.",
        )
    ]
    if len(lines):
        tables += _ec57(lines, gross)
    return Section(
        "Found and missed, by class of beat",
        f"{CODES[codes]} Beats in bad signal are set aside here."
        + (
            " The table of the standard has them as shutdown and counts them as missed." if len(lines) else ""
        ),
        tables=tables,
    )


def _ec57(lines: pd.DataFrame, gross: pd.DataFrame) -> list[Table]:
    shares = [c for c in lines.columns if c not in {"record", "N", "S", "V", "F", "Q"}]
    heads = {
        "qrs_sensitivity": "QRS Se",
        "qrs_ppv": "QRS +P",
        "veb_sensitivity": "VEB Se",
        "veb_ppv": "VEB +P",
        "veb_false_positive_rate": "VEB FPR",
        "sveb_sensitivity": "SVEB Se",
        "sveb_ppv": "SVEB +P",
    }
    rows = [
        (
            str(row["record"]),
            *(f"{row[c]:,.0f}" for c in "NSVF"),
            *(percent(row[c], 1) if pd.notna(row[c]) else DASH for c in shares),
        )
        for _, row in lines.iterrows()
    ]
    spans = gross.set_index("statistic")
    interval = [
        f"{percent(spans['ci_low'][c], 1, sign=False)}–{percent(spans['ci_high'][c], 1, sign=False)}"
        for c in shares
    ]
    # between the gross line and the average
    rows.insert(len(rows) - 1, ("gross, 95 %", *("" for _ in "NSVF"), *interval))
    return [
        Table(
            "Beat by beat (ANSI/AAMI EC57)",
            ("Record", "N", "S", "V", "F", *(heads[c] for c in shares)),
            rows,
            "After the learning time; pairs lie within 150 ms; ventricular flutter is left out. QRS: the project's own R "
            "peaks against the reference. VEB and SVEB: an alarm on a beat of ectopic shape is called ventricular, any "
            "other supraventricular. The detector never learned to separate them: this is a rule of thumb, not a "
            "classifier.",
        )
    ]


def episodes_section(
    episodes: pd.DataFrame,
    hours: Mapping[str, float],
    spans: Mapping[str, tuple[float, float]],
    facts: Mapping,
    events: Mapping | None,
) -> Section:
    """Episodes of the test recordings and what they cost.

    Args:
        episodes: of the test recordings.
        hours: record -> hours watched.
        spans: record -> seconds from which on, and up to which, it was looked at.
        facts: ``threshold``, ``per_hour``; ``promised``, whether the threshold holds it for a new patient, from so many
            ``patients``, of whom each counts with at most ``most`` times the rate; ``pooled``, the threshold of all
            calibration recordings together, with its ``false_per_hour`` and share of abnormal ``beats`` on test.
        events: ``precision``, ``recall`` and ``false_per_hour``, each (value, low, high); None without labels.
    """
    total = sum(hours.values())
    recorded = sum(end - start for start, end in spans.values())
    rows = []
    for kind, meaning in EPISODE_WORDS.items():
        mine = episodes[episodes["kind"] == kind]
        length = mine["end_s"] - mine["start_s"]
        rows.append(
            (
                kind,
                meaning,
                f"{len(mine):,}",
                f"{len(mine) / total:.1f}" if total > 0 else DASH,
                percent(length.sum() / recorded),
                DASH if mine.empty else f"{length.median():.1f} s" if length.median() > 0 else "one beat",
            )
        )
    tables = [
        Table(
            "",
            ("Kind", "What", "Episodes", "Per hour watched", "Share of recorded time", "Median length"),
            rows,
            f"{counted(len(hours), 'test recording')}, {recorded / 3600:.2f} hours. {total:.2f} hours were watched: "
            "those of usable signal after the learning time. Kinds overlap: an alarm in a run is counted as both.",
        )
    ]
    drawn = dict(list(spans.items())[:SHOWN_RECORDINGS])
    shown = episodes[episodes["record"].isin(list(drawn))]
    text = (
        "An alarm is raised once and lasts while beats keep alarming (5 s apart at most). Three seconds without a beat are "
        f"an alarm too, whatever the beats around them look like. {_threshold_in_words(facts)}"
    )
    if events:
        written = {
            name: f"{value[0]:.2f} ({value[1]:.2f}–{value[2]:.2f})"
            if name == "false_per_hour"
            else _with_span(*value, share=True)
            for name, value in events.items()
        }
        text += (
            f" On the test recordings: {written['false_per_hour']} false episodes per hour; {written['recall']} of the "
            f"episodes of abnormal beats meet an alarm, {written['precision']} of the alarms meet one; {written['beats']} "
            "of the abnormal beats lie above the threshold."
        )
    figure = Figure(
        "Every episode of the test recordings",
        "One line per recording. A short bar is a beat or two, widened to be seen.",
        episode_timeline(shown, {record: end for record, (_, end) in drawn.items()}),
    )
    return Section("Episodes and what they cost", text, [figure], tables)


def _threshold_in_words(facts: Mapping) -> str:
    """Whose false episodes the threshold limits, and what the other threshold would cost."""
    rate, patients = f"{facts['per_hour']:g} false episodes per hour", facts["patients"]
    if not facts["promised"]:
        return (
            f"The threshold ({facts['threshold']:.2f}) is the lowest at which the calibration recordings have {rate}. They "
            f"are of {counted(patients, 'patient')}, too few to promise that of a new patient."
        )
    pooled = facts["pooled"]
    costs = [
        f"{pooled['false_per_hour']:.2f} false episodes per hour"
        if pooled["false_per_hour"] is not None
        else "",
        f"{percent(pooled['beats'], 1)} of the abnormal beats above it"
        if pooled["beats"] is not None
        else "",
    ]
    said = " and ".join(filter(None, costs))
    return (
        f"The threshold ({facts['threshold']:.2f}) is the lowest at which a new patient is expected to have {rate} at most, "
        f"where one patient counts with {facts['most'] * facts['per_hour']:g} at most. It comes from {patients} calibration "
        f"patients. The threshold that holds the rate of these patients together is {pooled['threshold']:.2f}"
        + (f"; it would have had {said} on the test recordings." if said else ".")
    )


def rhythm_section(records: Mapping[str, pd.DataFrame]) -> Section:
    """Poincaré plots; argument as of :func:`~medanomaly.reporting.figures.ecg.poincare`."""
    return Section(
        "Rhythm",
        figures=[
            Figure(
                "Poincaré plots of test recordings",
                "Each point is a beat: the RR interval before it and the one after. A steady rhythm lies on the diagonal; a "
                "beat that comes early and is followed by a pause lies above it, to the left; fibrillation fills a fan. "
                "Ellipse: SD1 across and SD2 along the diagonal, of intervals between normal beats, two standard "
                "deviations wide.",
                poincare(records),
            )
        ],
    )


def reliance_section(parts: Sequence[tuple[str, str, pd.DataFrame]]) -> Section:
    """What the scores rest on: a figure for each ``(title, reading, name/loss/spread)``."""
    return Section(
        "What the scores rest on",
        figures=[
            Figure(title, reading, loss_bars(table, "AUROC lost on test beats"))
            for title, reading, table in parts
        ],
    )


def quality_section(quality: pd.DataFrame, set_aside: pd.Series, most: int = 30) -> Section:
    """Bad signal by recording.

    Args:
        quality: of :func:`medanomaly.signals.beats.views.bad_signal`.
        set_aside: record -> share of its beats in bad signal.
        most: recordings shown, worst first.
    """
    leads = list(dict.fromkeys(quality["lead"]))
    worst = set_aside.sort_values(ascending=False, kind="stable").index[:most]
    by_record = dict(list(quality.groupby("record", sort=False)))
    rows = []
    for record in worst:
        part = by_record.get(record)
        if part is None:
            continue
        leads = "; ".join(f"{row.lead} {percent(row.bad)}" for row in part.itertuples())
        why = "; ".join(f"{row.lead}: {row.reasons}" for row in part.itertuples() if row.reasons)
        rows.append((str(record), percent(set_aside[record]), leads, why or DASH))
    left = len(set_aside) - len(rows)
    return Section(
        "Signal quality",
        "A beat is set aside where no lead is good. A bad window of one lead costs nothing while another lead is good.",
        tables=[
            Table(
                "",
                (
                    "Recording",
                    "Beats set aside",
                    "Bad windows of each lead",
                    "Most often because of (windows)",
                ),
                rows,
                f"{counted(left, 'recording')} with less bad signal left out." if left > 0 else "",
            )
        ],
    )


def cut_beats_section(
    shapes: Mapping[str, Sequence[tuple[str, float, np.ndarray]]],
    normal: np.ndarray,
    model: str,
    alpha: float,
) -> Section:
    """Single beats without a recording.

    Args:
        shapes: a key of ``WORDS`` -> ``(kind, p-value, samples)`` of some beats.
        normal: (n, n_samples) usual beats.
        model: whose alarms they are.
        alpha: at which beats were flagged.
    """
    figures = [
        Figure(
            f"{SHAPE_WORDS[what]}, {model_label(model)}",
            "Band: where 90 % of the train beats lie that count as normal; grey line: their median.",
            beat_shapes(
                [(f"{kind}, p {equals_p_value(p)}", x) for kind, p, x in beats],
                normal,
            ),
        )
        for what, beats in shapes.items()
        if beats
    ]
    return Section(
        "Beats that stand out",
        f"Flagged at {asked(alpha)}.",
        figures=figures,
    )


def _with_span(value: float, low: float, high: float, *, share: bool) -> str:
    if pd.isna(value):
        return DASH
    if share:
        span = f"{percent(low, 1, sign=False)}–{percent(high, 1, sign=False)}"
        return f"{percent(value, 1)} ({span})" if pd.notna(low) else percent(value, 1)
    return f"{number(value)} ({number(low)}–{number(high)})" if pd.notna(low) else number(value)
