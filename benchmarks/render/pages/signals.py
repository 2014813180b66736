"""Heart beats, series, features and quality of signals."""

from benchmarks.render.figures import Figure, best, having
from benchmarks.render.page import Page, Section, cited, verdict
from benchmarks.render.tables import HIGHER, LOWER, Column, Grid, Listing

METRICS = ("AUROC", "AUPRC", "S AUROC", "V AUROC", "F AUROC")
CLASSES = (
    "S, V and F are supraventricular, ventricular and fusion beats; their AUROC is against normal beats."
)


def summary(figures: dict[str, list[Figure]]) -> list[str]:
    beats = having(figures["mitbih_beats"], "metric", metric="AUROC")
    detector = best([f for f in beats if f.part("model").startswith("variant") and "causal" in f.name])
    forest = best([f for f in beats if f.part("model").startswith("Isolation Forest")])
    series = having(figures["ucr"], "located")
    first = best(series)
    one_liner = having(series, "located", model="one-liner |diff|")[0]
    return [
        "Beat detectors were compared on MIT-BIH, and detectors of series on the biomedical part of the UCR archive.",
        "The cost of features, R peaks and scores was compared with public libraries.",
        f"The highest AUROC of a causal beat detector is {cited(detector)}, and an isolation forest has {cited(forest)}.",
        f"The best detector of series located a share of {cited(first)} of the anomalies, and a one-liner "
        f"{cited(one_liner)}.",
        verdict(figures),
    ]


def beat_metrics(kind: str) -> tuple[Column, ...]:
    return tuple(Column(metric, kind, HIGHER, where={"metric": metric}) for metric in METRICS)


def stress(metric: str) -> Grid:
    return Grid(
        f"Harder recordings, {metric}",
        (("Recordings", "condition"),),
        (
            Column("Made from real ones", "stress", show="made"),
            *(
                Column(f"Variant {variant}", "stress", HIGHER, where={"variant": variant})
                for variant in ("A", "B", "either")
            ),
        ),
        f"Figures are {metric}.",
        folded=metric != "AUROC",
        across=True,
        keep={"metric": metric},
    )


BEATS = Section(
    "Abnormal beats",
    "mitbih_beats",
    "The beat detector learns from the normal beats of other patients and adapts to the patient. MIT-BIH records of "
    "DS1 are left out one patient at a time. Variant A follows the patient alone, variant B is anchored to other "
    "people too, and `either` takes the larger of two references of the patient. Baselines are an isolation forest on "
    "RR intervals, the deviation from the median RR interval, a one-liner and random scores." + CLASSES,
    (
        Grid(
            "Reference R marks",
            (("Model", "model"),),
            beat_metrics("metric"),
            "A causal model knows only what came before; an offline model knows the whole record.",
        ),
        Grid(
            "Own R peaks",
            (("What counts", "count"),),
            beat_metrics("own"),
            "Variant either, causal. The row of the reference R marks repeats its figures from the table above.",
            baseline_rows=True,
        ),
        *(stress(metric) for metric in METRICS),
        Listing(
            "Alarms",
            ("alarm",),
            "The threshold comes from the other patients.",
        ),
    ),
)

PEAKS = Section(
    "R peaks",
    "r_peaks",
    "Beats that are found in MIT-BIH, with one lead and with two, are compared with `xqrs` of wfdb. A peak within 150 "
    "ms of a reference mark counts. The pulses come from a photoplethysmogram (PPG).",
    (
        Grid(
            "Beats that are found",
            (("Detector", "model"),),
            (
                Column("Sensitivity", "found", HIGHER, where={"metric": "sensitivity"}),
                Column("Reference beats", "found", show="beats", where={"metric": "sensitivity"}),
                Column(
                    "Positive predictive value",
                    "found",
                    HIGHER,
                    where={"metric": "positive predictive value"},
                ),
                Column("Found peaks", "found", show="beats", where={"metric": "positive predictive value"}),
                Column("Median distance from the mark, ms", "distance", LOWER),
                Column("30 minutes, fastest record, s", "seconds", LOWER),
                Column("Times as fast as xqrs", "seconds", show="ratio"),
            ),
            baseline_rows=True,
        ),
        Grid(
            "Hard records: missed and extra beats",
            (("Record", "record"),),
            (
                Column("Beats", "record", show="beats"),
                Column("Missed, two leads", "record", show="missed"),
                Column("Extra, two leads", "record", show="extra"),
                Column("Errors, two leads, beats", "record", LOWER),
                Column("Errors of xqrs, first lead, beats", "record", LOWER, show="baseline"),
            ),
            across=True,
        ),
        Listing("Pulses of a PPG", ("pulse",)),
    ),
)

QUALITY = Section(
    "Signal quality",
    "signal_quality",
    "The quality index is compared with what readers of MIT-BIH marked as noisy. Baselines are kurtosis alone and "
    "amplitude alone. The limits of the index were set on these records.",
    (
        Grid("Which score finds noisy windows?", (("Score", "index"),), (Column("AUROC", "auroc", HIGHER),)),
        Grid(
            "Windows that are called bad", (("Windows marked", "mark"),), (Column("Share called bad", "bad"),)
        ),
        Grid(
            "Beats for which no lead is good",
            (("Label of the beat", "label"),),
            (Column("Beats", "beats", show="beats"), Column("Share without a good lead", "beats")),
        ),
        Listing("Time", ("cost",)),
    ),
)

ECG5000 = Section(
    "Beats that were cut out (ECG5000)",
    "ecg5000_autoencoder",
    "The question is whether an LSTM autoencoder of normal beats finds abnormal beats better than principal "
    "components or a mean beat.",
)

SERIES = Section(
    "Anomalies of series (UCR archive)",
    "ucr",
    "Every detector learns from the normal beginning of a series and names one place in what follows. The place "
    "counts where it lies within max(100, length) samples of the anomaly. A causal detector compares with earlier "
    "windows only.",
    (
        Grid(
            "Anomalies that are located",
            (("Detector", "model"),),
            (
                Column("Located of 31 series", "located", show="located"),
                Column("Share located", "located", HIGHER),
            ),
        ),
        Grid(
            "Paired differences",
            (("Detector", "model"), ("Minus", "against")),
            (
                Column("Difference in share", "difference"),
                Column("Series won", "difference", show="won"),
                Column("Series lost", "difference", show="lost"),
                Column("Exact McNemar p", "difference", show="p"),
            ),
            "A large p means that these series do not tell the two detectors apart.",
        ),
        Listing("Time, and agreement with stumpy", ("cost",)),
    ),
)

FEATURES = Section(
    "Speed of the features of windows",
    "signal_features",
    "The same features are computed by this project, tsfresh, tsfel and antropy, in one process.",
    (Listing("Windows per second", ("other",), "A ratio below 1 is a share of the floor."),),
)

COST = Section(
    "Cost of the features",
    "signal_feature_cost",
    "One window, one record and a long recording in blocks are timed.",
    (
        Grid(
            "One window of 720 samples",
            (("Work", "what"),),
            (
                Column("Median, ms", "latency", where={"quantile": "p50"}),
                Column("99th percentile, ms", "latency", where={"quantile": "p99"}),
            ),
        ),
        Grid(
            "A recording that is streamed",
            (("Hours of signal", "hours"),),
            (
                Column("Windows", "stream", show="windows", where={"measure": "time"}),
                Column("Time, s", "stream", where={"measure": "time"}),
                Column("Time per hour, s/h", "stream", where={"measure": "time an hour"}),
                Column("Peak memory, MB", "memory"),
                Column("Of it before the first block, MB", "memory", show="before"),
            ),
            "Windows last 2 s, in blocks of 60 s.",
        ),
        Listing("All features", ("other",), times_header="Share of the speed of the floor"),
    ),
)

STREAMING = Section(
    "Scores of a live ECG",
    "streaming",
    "One real record arrives in chunks. R peaks are found in the stream. Every score is compared with the score in a "
    "batch.",
    (
        Grid(
            "Cost and agreement by size of the chunk",
            (("Variant", "variant"), ("Chunk", "chunk")),
            (
                Column("Per sample, µs", "stream", where={"measure": "time a sample, R peaks included"}),
                Column(
                    "Per sample in a batch with given R peaks, µs",
                    "stream",
                    show="baseline",
                    where={"measure": "time a sample, R peaks included"},
                ),
                Column(
                    "Scoring one beat, median, ms",
                    "stream",
                    where={"measure": "push that scores one beat, median"},
                ),
                Column(
                    "Scoring one beat, 99th percentile, ms",
                    "stream",
                    where={"measure": "push that scores one beat, p99"},
                ),
                Column(
                    "Largest difference from batch",
                    "stream",
                    where={"measure": "largest difference from batch"},
                ),
            ),
        ),
        Listing("Delay", ("delay",)),
    ),
)

VUS = Section(
    "VUS-ROC and VUS-PR",
    "vus_speed",
    "The volume under the surface is computed for 101 widths. Baselines are a plain version of the definition and the "
    "program of the authors.",
    (
        Grid(
            "Time and agreement",
            (("Series", "data"), ("Baseline", "against")),
            (
                Column("This project, s", "time"),
                Column("Baseline, s", "time", show="baseline"),
                Column("Times as fast", "time", show="ratio"),
                Column("Largest difference", "equal"),
            ),
            "Each row is one comparison: the two programs take turns in the same process.",
        ),
    ),
)

PAGE = Page(
    "signals",
    "Signals: beats, series, features",
    summary,
    (BEATS, PEAKS, QUALITY, ECG5000, SERIES, FEATURES, COST, STREAMING, VUS),
)
