"""Nodes of what signals add to the report: episodes, strips, classes, rhythm, quality."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.cases import reference_cases
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.signals.alarms.params import EpisodeParams
from medanomaly.signals.beats.params import BeatParams
from medanomaly.signals.recordings.recording_set import RecordingSet

if TYPE_CHECKING:
    from medanomaly.signals.alarms.beat_alarms import RecordingAlarms

CLASSES = {"all abnormal": ("S", "V", "F", "anomaly"), "S": "S", "V": "V", "F": "F"}
POINCARE_PANELS = 4


def alarm_episodes(
    beats: pd.DataFrame,
    cases: pd.DataFrame,
    contributions: pd.DataFrame,
    bundle: Bundle,
    params: EpisodeParams,
    evaluation: EvaluationParams,
    run: RunParams,
    quality_windows: pd.DataFrame | None = None,
    raw: RecordingSet | None = None,
) -> tuple[pd.DataFrame, dict]:
    """Episodes of every recording at a threshold from the calibration recordings, and what they cost in the test ones."""
    from medanomaly.signals.alarms.beat_alarms import (
        alarm_threshold,
        calibration_scores,
        cost_at,
        pooled_threshold,
        promised,
        recording_episodes,
        watched_patients,
    )

    alarms = _alarms(beats, cases, contributions, bundle, quality_windows, raw)
    calibration = [a for part, a in alarms if part == "calibration"]
    threshold = alarm_threshold(calibration, params)
    reference = calibration_scores(calibration)
    episodes = [recording_episodes(a, threshold, reference, params) for _, a in alarms]
    tested = [(a, of) for (part, a), of in zip(alarms, episodes, strict=True) if part == "test"]
    burden = {
        "threshold": threshold,
        "per_hour": params.per_hour,
        "patients": watched_patients(calibration),
        "promised": promised(watched_patients(calibration), params),
        "most": params.most,
        "pooled": cost_at([a for a, _ in tested], pooled_threshold(calibration, params), params),
        "hours": {a.record: a.hours for a, _ in tested},
        # of a recording that is divided in time, the test part alone
        "spans": {a.record: list(a.span) for a, _ in tested},
        "events": _events(tested, threshold, params, evaluation, run),
    }
    return pd.concat(episodes, ignore_index=True), burden


def _alarms(
    beats: pd.DataFrame,
    cases: pd.DataFrame,
    contributions: pd.DataFrame,
    bundle: Bundle,
    windows: pd.DataFrame | None,
    raw: RecordingSet | None,
) -> list[tuple[str, "RecordingAlarms"]]:
    """Part of the split, and alarm scores, of every recording, or of every part of one that is divided in time."""
    from medanomaly.signals.alarms.beat_alarms import recording_alarms
    from medanomaly.signals.beats.table import case_id

    ids = case_id(beats["record"], beats["sample"])
    by_case = cases.set_index("case_id")
    label = ids.map(by_case["label"]).astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    terms = contributions.set_index("case_id").reindex(ids).to_numpy()
    # beats in bad signal belong where their neighbours are
    part = (
        ids.map(by_case["split"]).groupby(beats["record"], sort=False).transform(lambda p: p.ffill().bfill())
    )
    found, learn_s = [], _learn_s(bundle)
    of_record = {} if windows is None else dict(list(windows.groupby("record", sort=False)))
    for record, rows in beats.groupby("record", sort=False).indices.items():
        quality, start = of_record.get(record), 0.0
        peaks = _peaks_between(raw, str(record), beats["time_s"].iloc[rows].to_numpy())
        for name in part.iloc[rows].dropna().unique():
            mine = rows[part.iloc[rows].eq(name).to_numpy(dtype=bool)]
            last = float(beats["time_s"].iloc[mine[-1]])
            # what comes before the first beat of a part belongs to it, and to the last part what comes after its last beat
            end = float(quality["end_s"].max()) if quality is not None and mine[-1] == rows[-1] else last
            of_part = recording_alarms(
                beats.iloc[mine], terms[mine], label[mine], learn_s, quality, (start, end), peaks
            )
            found.append((str(name), of_part))
            start = last
    return found


def _peaks_between(raw: RecordingSet | None, record: str, time_s: np.ndarray) -> np.ndarray | None:
    """Seconds of the R peaks that the project finds itself, where beats are so far apart that they matter."""
    from medanomaly.signals.alarms.rhythm_episodes import PAUSE_S
    from medanomaly.signals.beats.views import detected_beats

    if raw is None or not (np.diff(time_s) >= PAUSE_S).any():
        return None
    recording = raw[record]
    return detected_beats(recording) / recording.fs


def _events(
    tested: list[tuple["RecordingAlarms", pd.DataFrame]],
    threshold: float,
    params: EpisodeParams,
    evaluation: EvaluationParams,
    run: RunParams,
) -> dict | None:
    """Precision and recall of whole episodes with intervals by patient; None where no beat is known to be abnormal."""
    from medanomaly.evaluation.resampling.ratio_intervals import ratio_intervals
    from medanomaly.evaluation.series.events import event_counts
    from medanomaly.signals.alarms.episodes import episodes_above

    rows, patients = [], []
    for alarms, episodes in tested:
        truth = episodes_above(
            alarms.time_s,
            np.where(np.isfinite(alarms.score), alarms.label, np.nan),
            on=0.5,
            merge_gap_s=params.gap_s,
        )
        mine = episodes[episodes["kind"] == "beats"]
        counts = event_counts(*(t[["start_s", "end_s"]].to_numpy() for t in (truth, mine)), tolerance=0.15)
        abnormal = alarms.label == 1
        rows.append(
            (
                counts.found, counts.found + counts.false_positives,
                counts.true_positives, counts.true_positives + counts.false_negatives,
                alarms.false_episodes(threshold, params.gap_s), alarms.hours,
                (abnormal & (np.nan_to_num(alarms.score) > threshold)).sum(), (abnormal & np.isfinite(alarms.score)).sum(),
            )
        )  # fmt: skip
        patients.append(alarms.patient_id)
    table = np.array(rows, dtype=float).reshape(-1, 8)
    if not table[:, 3].sum():
        return None
    found = ratio_intervals(
        table[:, ::2], table[:, 1::2], np.array(patients), n_resamples=evaluation.n_resamples, seed=run.seed
    )
    names = ("precision", "recall", "false_per_hour", "beats")
    return {
        name: tuple(map(float, figures))
        for name, figures in zip(names, zip(*found, strict=True), strict=True)
    }


def _learn_s(bundle: Bundle) -> float:
    """Learning time of a recording, s: beats in it are scored, and are no alarms."""
    return float(bundle.manifest.options["learn_s"])


def _tested(cases: pd.DataFrame, scores: pd.DataFrame, model: str) -> pd.DataFrame:
    """Test beats with their record, sample and scores of one model."""
    tested = cases[cases["split"].eq("test")].merge(scores[scores["model"] == model], on="case_id")
    tested[["record", "sample"]] = tested["case_id"].str.rsplit(":", n=1, expand=True)
    return tested.assign(sample=tested["sample"].astype(int))


def describe_beats(
    raw: RecordingSet,
    beats: pd.DataFrame,
    cases: pd.DataFrame,
    quality_windows: pd.DataFrame,
    scores: pd.DataFrame,
    metrics: pd.DataFrame,
    evaluation: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
) -> list[dict]:
    """Sections on beats of recordings without a beat detector: alarms of the leading model on paper, rhythm, quality."""
    from medanomaly.reporting.sections import to_json

    tested = _tested(cases, scores, leading(scores, metrics))
    return to_json(_of_recordings(raw, beats, quality_windows, tested, alarm))


def leading(scores: pd.DataFrame, metrics: pd.DataFrame) -> str:
    """The model of highest AUROC in test, or the first one where there are no labels."""
    from medanomaly.reporting.scored_cases import metric_row

    names = list(dict.fromkeys(scores["model"]))
    rows = {name: metric_row(metrics, name, "auroc") for name in names}
    known = {name: float(row["value"]) for name, row in rows.items() if row is not None}
    return max(known, key=known.get) if known else names[0]


def _of_recordings(raw, beats, quality_windows, tested, alarm) -> list:
    from medanomaly.reporting.signals import beats as beat_report
    from medanomaly.signals.beats.views import bad_signal

    bad = beats["quality"].eq("bad").groupby(beats["record"].astype(str)).mean()
    return [
        beat_report.strips_section(_strips(raw, beats, tested), alarm.alpha),
        beat_report.rhythm_section(_rhythms(beats, tested)),
        beat_report.quality_section(bad_signal(quality_windows), bad),
    ]


def describe_detected_beats(
    raw: RecordingSet,
    beats: pd.DataFrame,
    cases: pd.DataFrame,
    quality_windows: pd.DataFrame,
    scores: pd.DataFrame,
    metrics: pd.DataFrame,
    features: pd.DataFrame,
    contributions: pd.DataFrame,
    bundle: Bundle,
    episodes: pd.DataFrame,
    burden: dict,
    found_by: BeatParams,
    evaluation: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
    on_features: Bundle | None = None,
) -> list[dict]:
    """Sections on beats of recordings, as the beat detector sees them.

    Args:
        bundle: of the beat detector; ``contributions`` are its terms.
        found_by: how beats were found, and what classes they have.
        on_features: bundle of a model on features, whose features are shuffled in turn; None leaves that out.
    """
    from medanomaly.reporting.sections import to_json
    from medanomaly.reporting.signals import beats as beat_report

    tested = _tested(cases, scores, bundle.manifest.name)
    known = tested[tested["label"].notna()]
    judged = {0, 1} <= set(known["label"])
    strips, rhythm, quality = _of_recordings(raw, beats, quality_windows, tested, alarm)
    sections = [strips]
    if judged:
        sections.append(
            _classes(
                raw, beats, tested, known, contributions, bundle, found_by.classes, evaluation, alarm, run
            )
        )
    spans = burden["spans"]
    shown = pd.concat(
        [
            episodes[episodes["record"].eq(r) & (episodes["start_s"] >= start) & (episodes["end_s"] <= end)]
            for r, (start, end) in spans.items()
        ]
    )
    sections += [
        beat_report.episodes_section(shown, burden["hours"], spans, burden, burden["events"]),
        rhythm,
    ]
    if judged:
        rests_on = _reliance(cases, features, contributions, on_features, run)
        sections.append(beat_report.reliance_section(rests_on))
    return to_json([*sections, quality])


def _strips(raw: RecordingSet, beats: pd.DataFrame, tested: pd.DataFrame) -> list[dict]:
    from medanomaly.signals.beats.views import chosen_beats, strip_around

    flagged, strips = tested.set_index("case_id")["flagged"], []
    for what, rows in chosen_beats(tested).items():
        for case in rows.itertuples():
            recording = raw[case.record]
            strip = strip_around(recording, beats[beats["record"] == case.record], flagged, case.sample)
            kind = case.kind if pd.notna(case.kind) else ("" if pd.isna(case.label) else "N")
            strips.append(
                {
                    "what": what,
                    "record": case.record,
                    "kind": kind,
                    "score": case.score,
                    "p_value": case.p_value,
                }
                | {"focus_s": case.sample / recording.fs}
                | {name: getattr(strip, name) for name in ("time_s", "signal", "leads", "beats")}
            )
    return strips


def _classes(raw, beats, tested, known, contributions, bundle, codes, evaluation, alarm, run):
    from medanomaly.evaluation.class_performance import class_performance
    from medanomaly.reporting.signals.beats import classes_section
    from medanomaly.signals.beats.beat_by_beat import record_table

    table = class_performance(
        known.assign(flagged=known["flagged"].astype(bool)),
        CLASSES,
        n_resamples=evaluation.n_resamples,
        seed=run.seed,
    )
    matrices = {
        record: _matrix(raw[record], beats[beats["record"] == record], rows, contributions, bundle, codes)
        for record, rows in tested.groupby("record", sort=False)
    }
    matrices = {record: matrix for record, matrix in matrices.items() if matrix is not None}
    if not matrices:
        return classes_section(table, "beat detector", alarm.alpha, pd.DataFrame(), pd.DataFrame(), codes)
    patients = dict(zip(tested["record"], tested["patient_id"], strict=True))
    own = {r: m[0] for r, m in matrices.items()}, {r: m[1] for r, m in matrices.items()}
    parts = [record_table(m, patients, n_resamples=evaluation.n_resamples, seed=run.seed) for m in own]
    lines, gross = parts[1]
    for column in ("qrs_sensitivity", "qrs_ppv"):
        lines[column] = parts[0][0][column]
        gross = gross[gross["statistic"] != column]
    gross = pd.concat([parts[0][1][parts[0][1]["statistic"].str.startswith("qrs")], gross])
    return classes_section(table, "beat detector", alarm.alpha, lines, gross, codes)


def _matrix(recording, beats, tested, contributions, bundle, codes):
    """Beat-by-beat matrices of a recording: own R peaks against the reference, and alarms as classes."""
    from medanomaly.signals.beat_detector.alarm_score import ectopic_shape
    from medanomaly.signals.beats.beat_by_beat import compare_beats
    from medanomaly.signals.beats.marks import flutter, shutdown
    from medanomaly.signals.beats.views import detected_beats, reference_beats

    own = detected_beats(recording)
    sample, classes = reference_beats(recording, own, codes)
    if not len(sample):
        return None
    limits = {
        "start_s": _learn_s(bundle),
        "fibrillation": flutter(recording),
        "reference_shutdown": shutdown(recording),
    }
    found = compare_beats(sample, classes, own, np.full(len(own), "N"), recording.fs, **limits).matrix
    terms = contributions.set_index("case_id").loc[tested["case_id"]].to_numpy()
    called = np.where(tested["flagged"].to_numpy(dtype=bool), np.where(ectopic_shape(terms), "V", "S"), "N")
    order = np.argsort(tested["sample"].to_numpy(), kind="stable")
    bad = beats.loc[beats["quality"] == "bad", "sample"].to_numpy()
    alarmed = compare_beats(
        sample,
        classes,
        tested["sample"].to_numpy()[order],
        called[order],
        recording.fs,
        test_shutdown=[(s, s) for s in bad],
        **limits,
    )
    return found, alarmed.matrix


def _rhythms(beats: pd.DataFrame, tested: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The test recordings with the most alarms on beats of each kind, and the quietest one."""
    from medanomaly.signals.beats.views import rr_pairs

    share = (
        tested.assign(flagged=tested["flagged"].fillna(False).astype(float))
        .groupby("record")["flagged"]
        .mean()
    )
    ordered = list(share.sort_values(ascending=False, kind="stable").index)
    chosen = ordered if len(ordered) <= POINCARE_PANELS else [*ordered[: POINCARE_PANELS - 1], ordered[-1]]
    return {r: rr_pairs(beats[beats["record"] == r].reset_index(drop=True)) for r in chosen}


def _reliance(cases, features, contributions, on_features, run):
    from medanomaly.detectors.scorer import TabularScorer
    from medanomaly.evaluation.class_performance import auroc_lost
    from medanomaly.evaluation.resampling.ranking import auroc
    from medanomaly.reporting.wording import model_label
    from medanomaly.signals.beat_detector.fusion import CONTRIBUTION_MEANINGS

    judged = (cases["split"].eq("test") & cases["label"].notna()).to_numpy()
    positive = cases.loc[judged, "label"].eq(1).to_numpy(dtype=bool)
    terms = contributions.loc[judged].drop(columns="case_id")
    total = terms.sum(axis=1)
    whole = auroc(total, positive)
    without = pd.DataFrame(
        [
            {
                "name": CONTRIBUTION_MEANINGS[name],
                "loss": whole - auroc(total - terms[name], positive),
                "spread": 0.0,
            }
            for name in terms
            if terms[name].any()
        ]
    ).sort_values("loss", ascending=False, kind="stable", ignore_index=True)
    parts = [
        (
            "Beat detector, without each of its terms",
            "What is left of the sum when one term is left out. A bar to the left: on these recordings the sum is "
            "better without it.",
            without,
        )
    ]
    if on_features is not None:
        lost = auroc_lost(TabularScorer(on_features).score, features[judged], positive, seed=run.seed).head(
            12
        )
        parts.append(
            (
                f"{model_label(on_features.manifest['name'])}, with each feature shuffled",
                "Permutation importance on test beats. Features that say the same hide each other. Lines: spread over "
                "three shuffles.",
                lost.assign(name=lost["name"].str.replace("_", " ").str.replace(".", ": ", regex=False)),
            )
        )
    return parts


def _in_words(kind: object, label: object) -> str:
    return str(kind) if pd.notna(kind) else "no label" if pd.isna(label) else "normal"


def describe_cut_beats(
    cases: pd.DataFrame,
    waveforms: dict[str, np.ndarray],
    scores: pd.DataFrame,
    metrics: pd.DataFrame,
    alarm: AlarmParams,
    *,
    on_waveforms: str | None = None,
) -> list[dict]:
    """Sections on beats that were cut out of their recording: the most unusual ones against the usual ones.

    Args:
        on_waveforms: a model that looks at what is drawn; None takes the leading one.
    """
    from medanomaly.reporting.sections import to_json
    from medanomaly.reporting.signals.beats import cut_beats_section
    from medanomaly.signals.beats.views import chosen_beats

    model = on_waveforms or leading(scores, metrics)
    tested = cases.assign(row=np.arange(len(cases)))
    tested = tested[tested["split"].eq("test")].merge(scores[scores["model"] == model], on="case_id")
    normal = waveforms["waveforms"][reference_cases(cases, "train").to_numpy()]
    shapes = {
        what: [
            (_in_words(c.kind, c.label), float(c.p_value), waveforms["waveforms"][c.row, :, 0])
            for c in rows.itertuples()
        ]
        for what, rows in chosen_beats(tested).items()
    }
    return to_json([cut_beats_section(shapes, normal[:, :, 0], model, alarm.alpha)])
