"""The one place that knows how benchmarks word their labels: what a label is about, and how people read it.

A benchmark writes one label per figure, such as ``"one-class auroc, two-view ensemble minus isolation forest"``.
A table needs the parts: the metric, the model, what it is compared with. ``LABELS`` has the patterns for this.
Where the data of a figure is already a column of its table, the pattern leaves ``data`` empty.
"""

import re
from collections.abc import Mapping

METRIC = "(?P<metric>auroc|auprc)"
BEAT_METRIC = "(?P<metric>(?:[SVF] )?(?:AUROC|AUPRC))"
ONE_SET = r"(?P<data>)\d+_(?P<set>\w+)"
TIES = "(?P<ties>no ties|tied, 2 decimals)"
IMAGE_METRIC = (
    "(?P<metric>AUROC stratified by aspect ratio|AUROC, bacteria against normal|AUROC, virus against normal|(?:false "
    "alarms|sensitivity) where 10% false alarms were asked|AUROC on synthetic lesions|AUROC|AUPRC)"
)
SPLITS = r"(?P<data>chest_xray train part), (?P<splits>\d) splits? by subject, 64 px"
WALL_CLOCK = r"(?P<data>.+); by the clock (?P<clock>[\d.]+) ms"

# benchmark -> (kind, pattern of the whole name, pattern of the whole data); the first that fits counts
LABELS: dict[str, tuple[tuple[str, ...], ...]] = {
    "conformal_validity": (("rate", r".+, (?P<set>\w+)", r".+, (?P<normals>\d+) normals, (?P<data>.+)"),),
    "auroc_bootstrap": (
        ("time", f"2,000 resamples of 100,000, {TIES}, (?P<way>.+)", "(?P<data>).*"),
        ("time", f"the same (?P<way>on 2 threads), {TIES}", "(?P<data>).*"),
        ("part", f"of it the (?P<way>sort and fold), {TIES}"),
        ("check", f"(?P<way>largest difference to scikit-learn over 40 resamples|standard error), {TIES}"),
        ("other", ".+"),
    ),
    "isolation_forest_onnx": (
        ("time", r"(?P<what>one row|batch of 20000), (?P<trees>\d+) trees, (?P<quantile>.+)"),
        ("equal", r"largest difference from scikit-learn, (?P<trees>\d+) trees"),
    ),
    "ecdf_speed": (("other", ".+"),),
    "fusion": (
        ("learned", "learned fusion, .+"),
        ("luck", "realised rate, .+, single calibration sets outside .+"),
        ("rate", "realised rate, .+, (lowest|highest) of .+"),
        ("beats", "realised rate per patient with many beats, .+"),
        ("wrong", "Fisher with its table, .+"),
        ("table", "Cauchy by the table, .+"),
        ("power", "power, .+"),
        ("named", "the abnormal modality alone is named, .+"),
    ),
    "alarms": (
        ("share", "share of false alarms, (?P<way>.+)", "(?P<data>)(?P<size>.+)"),
        ("power", "power, (?P<way>.+)", "(?P<data>)(?P<size>.+)"),
        ("stream", ".+ of a stream|streams in which .+"),
        ("bound", "false alarms at most .+"),
        ("broken", "days on which the bound was broken, .+"),
        ("ecg", "ECG, threshold of .+"),
        ("reviews", r"reviews, (?P<set>\w+): (?P<figure>.+)"),
    ),
    "cross_conformal": (
        ("rate", r"(?P<set>\w+): usual records flagged at alpha (?P<alpha>.+)"),
        ("auroc", r"(?P<set>\w+): AUROC of p-values, every record"),
    ),
    "scoring_raw": (
        ("equal", "(?P<env>.+), (?P<modality>.+): largest difference of a score"),
        ("start", "import, open a bundle and score one row in a fresh process.*"),
    ),
    "serving": (
        ("live", "live ECG, .+"),
        ("rate", r"one record, \d+ clients at a time.*"),
        ("time", "(?P<what>.+), (?P<figure>p50|p99|processor time of the service, mean)"),
    ),
    "privacy": (
        ("dicom", "DICOM: (?P<what>.+)"),
        ("pixels", "Pixels: (?P<what>[^(]+?)(?: \\(.+\\))?"),
        ("notes", "Notes: (?P<what>[^(]+?)(?: \\(.+\\))?"),
        ("tables", "Tables: (?P<what>.+)"),
        ("membership", "Membership: (?P<model>.+)"),
        ("by_label", "Membership by label: (?P<model>.+)"),
        ("prototypes", "Prototypes: (?P<what>.+)"),
        ("private", "Differential privacy: (?P<what>.+)"),
    ),
    "rare_data": (
        ("few_gain", "few cases, .+ minus .+"),
        ("few", "few cases, .+"),
        ("speed", ".+: learn from 10,000 rows of 20 columns and draw as many"),
        ("best", "all sets, adversarial forest: .+"),
        ("difference", r"(?P<set>[\w ]+), (?P<way>.+) minus nothing: AUPRC"),
        ("rows", r"(?P<set>[\w ]+), rows of (?P<way>.+): (?P<measure>.+)"),
        ("auprc", r"(?P<set>\w+), (?P<way>.+): AUPRC"),
        ("corrected", r"(?P<set>\w+), (?P<way>.+): ECE, corrected"),
        ("ece", r"(?P<set>\w+), (?P<way>.+): ECE"),
        ("balanced", r"(?P<set>\w+), (?P<way>.+): balanced accuracy"),
    ),
    "detection": (
        ("found", "detector: (?P<what>.+)"),
        ("map", "map: (?P<what>.+)"),
        ("gain", "gain over the map: (?P<what>.+)"),
        ("held", "threshold for (?P<rate>.+) false boxes: (?P<what>.+)"),
        ("cost", "cost: (?P<what>.+)"),
    ),
    "serving_fuzz": (("other", ".+"),),
    "serving_soak": (("other", ".+"),),
    "tabular_oneclass": (
        ("difference", f"one-class {METRIC}, (?P<model>.+) minus (?P<against>.+)"),
        ("set", f"one-class {METRIC}, (?P<model>.+)", ONE_SET),
        ("mean", f"one-class {METRIC}, (?P<model>.+)"),
        ("unsupervised", f"unsupervised {METRIC}, (?P<model>.+)"),
        ("cause", "planted cause named, (?P<test>.+): (?P<model>.+)"),
        ("leak", "leak: .+"),
        ("took", "time of this benchmark"),
    ),
    "tabular_networks": (
        ("difference", f"one-class {METRIC}, (?P<model>.+) minus (?P<against>.+)"),
        ("set", f"one-class {METRIC}, (?P<model>.+)", ONE_SET),
        ("mean", f"one-class {METRIC}, (?P<model>.+)"),
        ("seconds", "fit and score one set, (?P<model>.+)"),
    ),
    "tabular_explanations": (
        ("cause_set", "(?P<rule>broken correlation, r with .+): named in the first two", ONE_SET),
        ("cause", "(?P<rule>.+): named (?P<rank>first|in the first two)", "ADBench.*: (?P<sets>.+)"),
        ("seconds", "smallest change for 20 records, (?P<model>.+)"),
        (
            "alone",
            "flagged after a 6 sd shift, and the smallest change is that value alone, (?P<model>.+)",
            r"(?P<data>)\w+, (?P<flagged>\d+) flagged of 20",
        ),
    ),
    "diagnosis_text": (
        ("kind", r"report: F1 of terms, (?P<sentences>.+)"),
        (
            "said",
            r"(?P<half>report|rules): (?P<what>[a-z].* (?:accuracy|are|counted|relatives|weight|excluded))",
        ),
        ("terms", r"(?P<half>report|rules): (?P<metric>precision|recall|F1) of terms"),
        ("other", "rules: F1 of terms, .+|one note, warm|index of names"),
    ),
    "diagnosis_tables": (
        ("difference", r"(?P<set>\w+), (?P<model>.+) - (?P<against>.+): macro-F1(?:, (?P<classes>.+))?"),
        ("macro", r"(?P<set>\w+), (?P<model>.+): macro-F1(?:, (?P<classes>.+))?"),
        ("class", r"(?P<set>\w+), class (?P<name>.+) \((?P<records>[\d,]+) records\): F1 of the .+"),
        ("width", r"(?P<set>\w+), naive Bayes: width of the 90 % interval, (?P<classes>\w+) classes"),
        (
            "metric",
            r"(?P<set>\w+), (?P<model>.+): (?P<metric>accuracy|ece|ece, .+|probability of rare classes)",
        ),
    ),
    "unknown_classes": (
        (
            "found",
            r"(?P<set>\w+), (?P<detector>.+): (?P<which>mean|lowest|highest) share of a left-out class .+",
        ),
    ),
    "physionet_mortality": (
        ("leak", r".+\(a leak\)"),
        ("event", r"(?P<model>.+): min\(sensitivity, PPV\)"),
        ("age", "(?P<model>.+), age_band=(?P<age>.+): (?P<metric>auroc|ece)"),
        ("paired", r"(?P<model>.+) - (?P<against>.+): (?P<metric>\w+)"),
        ("calibration", r"(?P<model>.+), (?P<way>uncalibrated|logit-adjusted|\w+ across the folds): ece"),
        ("bayes", "Bayesian logistic: risk groups .+"),
        ("seconds", "(?P<model>.+): one fit and prediction"),
        ("metric", "(?P<model>.+): (?P<metric>auroc|auprc|brier|ece)"),
        ("took", "whole benchmark"),
    ),
    "group_calibration": tuple(
        (
            kind,
            rf"(?P<set>\w+), (?P<by>\w+): gap {words}, calibrated by group",
            r"(?P<records>[\d,]+) records, (?P<groups>\d+) groups, (?P<data>.+)",
        )
        for kind, words in (("means", "of mean false-alarm rates"), ("split", "in one split"))
    ),
    "diagnosis": (
        ("ranks", r"(?P<model>.+): top-(?P<rank>\d+)"),
        ("gain", r"(?P<model>.+): gain in top-(?P<rank>\d+)"),
        ("macro", ".+: macro top-1"),
        ("calibration", "(?:calibration|one against the rest), .+|forward in time, .+ most confident"),
        ("simulated", "(?:noise|two diseases|three questions).+"),
        ("speed", "(?:speed|memory), .+"),
    ),
    "detector_latency": (("p50", r"(?P<model>\w+), one row, p50", r"(?P<data>.+); p99 (?P<p99>[\d.]+) us"),),
    "mitbih_beats": (
        ("own", f"variant either, causal, own R peaks, (?P<count>.+): {BEAT_METRIC}"),
        (
            "stress",
            rf"stress, (?P<condition>.+), variant (?P<variant>\w+): {BEAT_METRIC}",
            r"(?P<data>.+?)(?:; (?P<made>\d+) made from them)?",
        ),
        ("alarm", "alarms: .+"),
        ("took", "time of this benchmark"),
        ("metric", f"(?P<model>.+): {BEAT_METRIC}"),
    ),
    "r_peaks": (
        (
            "found",
            "R peaks, (?P<metric>sensitivity|positive predictive value), (?P<model>.+)",
            r"(?P<data>.+?), (?P<beats>[\d,]+)(?:\.0)? beats",
        ),
        ("distance", "distance from the reference mark, median of the absolute value, (?P<model>.+)"),
        ("seconds", "30 minutes, (?P<model>.+), the fastest record"),
        (
            "record",
            r"record (?P<record>\d+): (?P<missed>\d+) missed, (?P<extra>\d+) extra, .+; errors in all",
            r"(?P<beats>\d+) beats",
        ),
        ("pulse", ".*pulse.*"),
    ),
    "signal_quality": (
        ("auroc", "AUROC of (?P<index>.+)"),
        ("bad", "share called bad, windows marked (?P<mark>.+)"),
        ("beats", r"share of (?P<label>\w) beats without a good lead", r"(?P<beats>\d+) beats"),
        ("cost", ".+"),
    ),
    "ucr": (
        ("located", "share located, (?P<model>.+)", r"(?P<data>.+?)(?:; (?P<located>\d+) located)?"),
        (
            "difference",
            "(?P<model>.+) less (?P<against>.+), difference in share",
            r"(?P<data>.+); (?P<won>\d+) won, (?P<lost>\d+) lost, exact McNemar p = (?P<p>.+)",
        ),
        ("cost", ".+"),
    ),
    "signal_features": (("other", ".+"),),
    "signal_feature_cost": (
        ("latency", "one window of 720 samples, (?P<what>.+), (?P<quantile>p50|p99)"),
        (
            "memory",
            r"(?P<hours>\d+) h, 2 leads, streamed: peak memory \((?P<before>\d+) MB of it .+\)",
            r"(?P<data>.+), (?P<windows>\d+) (?P<rest>windows .+)",
        ),
        (
            "stream",
            r"(?P<hours>\d+) h, 2 leads, streamed: (?P<measure>.+)",
            r"(?P<data>.+), (?P<windows>\d+) (?P<rest>windows .+)",
        ),
        ("other", ".+"),
    ),
    "streaming": (
        ("delay", "delay .+"),
        (
            "stream",
            r"variant (?P<variant>\w+), chunks of (?P<chunk>.+): (?P<measure>.+)",
            r"(?P<data>.+), variant \w+",
        ),
    ),
    "vus_speed": (("time", "VUS.+"), ("equal", "largest difference from (?P<against>.+)")),
    "imaging_lbe": (
        ("subtype", "AUROC, LBE, (?P<subtype>bacteria|virus) against normal"),
        (
            "auprc",
            r"AUPRC \(prevalence [\d.]+\), (?P<model>.+), mean of 5 folds",
            "(?P<data>.+); limits: smallest and largest fold",
        ),
        ("strata", "AUROC within 8 strata of aspect ratio, (?P<model>.+)"),
        ("gain", "AUROC: LBE minus (?P<model>.+), paired"),
        ("gain_strata", "AUROC within strata: LBE minus (?P<model>.+), paired"),
        ("lesion_images", "SYNTHETIC lesions: .+"),
        (
            "lesion",
            r"SYNTHETIC lesions, (?P<lesion>\w+): (?P<metric>\w+), LBE map",
            r"(?P<data>.+); (?P<images>\d+) held-out normals with a pasted lesion",
        ),
        ("auroc", "AUROC, (?P<model>.+)"),
        ("speed", ".+"),
    ),
    "imaging_networks": (
        ("difference", "AUROC difference, (?P<model>.+) minus (?P<against>.+)", SPLITS),
        ("classifier", "calibration error .+|Grad-CAM, .+", SPLITS),
        (
            "map",
            "(?P<metric>pixel average precision|Dice at the healthy threshold) of synthetic lesions, (?P<model>.+)",
            SPLITS,
        ),
        ("leak", "identity leak, (?P<model>.+)", SPLITS),
        ("variance", "share of the images' variance that is reconstructed, (?P<model>.+)", SPLITS),
        ("training", r"training, (?P<model>.+) \((?P<epochs>\d+) epochs\)", SPLITS),
        (
            "energies",
            f"{IMAGE_METRIC}, (?P<model>.+): energies of (?P<of>the residual|image and residual)",
            SPLITS,
        ),
        ("metric", f"{IMAGE_METRIC}, (?P<model>.+)", SPLITS),
    ),
    "imaging_scoring": (
        ("p50", "(?P<model>.+), p50"),
        ("p99", "(?P<model>.+), p99", WALL_CLOCK),
        ("equal", "(?P<model>.+), largest difference from torch"),
    ),
    "imaging_shift": (
        ("alarms", r"false alarms at 10 % asked: (?P<shift>.+), (?P<abnormal>\d+)% abnormal, (?P<way>.+)"),
        ("found", r"sensitivity: (?P<shift>.+), (?P<abnormal>\d+)% abnormal, (?P<way>.+)"),
        ("check", "shift check .+"),
    ),
    "validity": (
        ("still", r"(?P<set>images|ECG|tables): 'broken' at level 0.05, nothing shifted, (?P<ill>\d+)% ill"),
        ("shift", r"(?P<set>images|ECG|tables): 'broken' at a shift, (?P<shift>.+), (?P<ill>\d+)% ill"),
        ("unlabelled", ".+ without known abnormal cases, .+"),
        ("ward", "(?P<set>images|ECG|tables): (?:alarm in a stream|delay of the stream).+"),
        ("stream", "stream, .+"),
        ("mending", "mending, .+"),
        (
            "hidden",
            r"(?P<share>\d+)% anomalies hidden in calibration, (?P<set>.+), (?P<way>plain|trimmed): (?P<figure>.+)",
        ),
        ("patients", "(?P<set>.+), threshold of (?P<way>[^:]+): (?P<figure>.+)"),
        ("oracle", "p-values, .+: largest difference"),
    ),
    "monitoring": (
        ("size", "(?P<what>verdict on all columns|peak memory .+)"),
        ("guess", "AUROC without labels, (?P<what>.+)", r"(?P<data>)(?P<set>\w+), .+"),
        ("inside", "true AUROC inside .+", r"(?P<data>)(?P<set>\w+), .+"),
        ("kept", "estimates without shift .+", r"(?P<data>)(?P<set>\w+), .+"),
        ("caught", "estimates under shift .+", r"(?P<data>)(?P<set>\w+), .+"),
        ("wrong", "tables without change .+"),
    ),
    "retraining": (
        (
            "gate",
            r"challengers promoted, true difference of AUROC (?P<gain>[+-][\d.]+), (?P<n>[\d,]+) patients",
        ),
        ("failed", r"condition that fails at .+"),
        ("follow", "time until a service .+|requests lost .+"),
    ),
    "scale": (
        ("events", r"(?P<size>[\d,]+) events: (?P<what>.+)"),
        ("linear", r"time of [\d,]+ events to that of .+"),
        ("same", "runs of .+: results that differ|kill -9 of .+: results that differ"),
        ("peer", "statistics per patient and code of .+|dask.dataframe, .+"),
        (
            "recordings",
            "recordings? .+|a million recordings .+|(?:time|most memory) of [0-9,]+ recordings to that of .+",
        ),
        ("images", "images .+"),
    ),
    "interchange": (
        ("speed", "(?:FHIR|OMOP measurements) into features, .+"),
        (
            "same",
            "values that differ .+|largest difference of a p-value .+|events that are not accounted for, all .+",
        ),
        ("units", ".*laboratory analytes.*"),
        ("malformed", "malformed events .+"),
        ("others", ".+ that are not accounted for"),
        ("answers", "answers .+"),
    ),
    "thirty_days": (
        ("day_cases", r"day (?P<day>\d+): cases"),
        ("day_flagged", r"day (?P<day>\d+): share flagged"),
        ("day_capital", r"day (?P<day>\d+): capital"),
        ("day_limits", r"day (?P<day>\d+): limits crossed"),
        ("day_notices", r"day (?P<day>\d+): notices"),
        ("day_version", r"day (?P<day>\d+): version"),
        ("day_auroc", r"day (?P<day>\d+): AUROC"),
        ("month", ".+"),
    ),
    "first_minutes": (
        ("processor", "(?P<run>.+), processor time"),
        ("wall", "(?P<run>.+), wall time"),
        ("memory", "(?P<run>.+), memory"),
    ),
    "environments": (
        ("took", "(?P<set>.+): wall time", "(?P<data>)(?P<run>.+)"),
        (
            "metric",
            "(?P<set>.+?): (?P<model>.+), (?P<metric>auroc|auprc|sensitivity|false_alarm_rate)",
            r"(?P<data>)(?P<run>.+); (?P<cases>\d+) test cases, (?P<anomalous>\d+) anomalous",
        ),
    ),
}


def take_apart(benchmark: str, name: str, data: str | None) -> tuple[str, dict[str, str]]:
    """Kind of a figure and the parts of its label; kind "unplaced" where no pattern fits."""
    for kind, of_name, *of_data in LABELS.get(benchmark, ()):
        found = re.fullmatch(of_name, name)
        found_data = re.fullmatch(of_data[0], data or "") if of_data else None
        if found and (found_data or not of_data):
            parts = found.groupdict() | (found_data.groupdict() if found_data else {})
            return kind, {key: part for key, part in parts.items() if part is not None}
    return "unplaced", {}


# names of models and data sets in the configuration -> what people read
NAMES: Mapping[str, str] = {
    "ecdf": "tail probabilities (ECDF)",
    "isolation_forest": "isolation forest",
    "nearest_neighbours": "nearest neighbours",
    "mahalanobis": "Mahalanobis",
    "four_member_ensemble": "four-member ensemble",
    "two_view_ensemble": "two-view ensemble",
    "pca": "principal components",
    "lstm_autoencoder": "LSTM autoencoder",
    "beat_detector": "beat detector",
    "one_liner": "one-liner",
    "matrix_profile": "matrix profile",
    "many_scale_profile": "matrix profile, many scales",
    "lbe": "band energies (LBE)",
    "autoencoder": "autoencoder",
    "unet": "U-Net",
    "denoising_unet": "denoising U-Net",
    "inpainting_unet": "inpainting U-Net",
    "reversed_autoencoder": "reversed autoencoder",
    "lesion_segmenter": "lesion segmenter",
    "none": "no recalibration",
    "base": "synthetic cohort",
    "synthetic tabular": "synthetic cohort, table",
    "synthetic signals": "synthetic cohort, ECG",
    "synthetic imaging": "synthetic cohort, chest images",
    "wdbc": "breast cancer (WDBC)",
    "hcv": "hepatitis C",
    "adbench_annthyroid": "annthyroid",
    "adbench_cardio": "cardio",
    "adbench_mammography": "mammography",
    "physionet2012": "PhysioNet 2012",
    "physionet2012_set-c": "PhysioNet 2012",
    "eicu": "eICU demo",
    "mitbih": "MIT-BIH",
    "svdb": "SVDB",
    "ecg5000": "ECG5000",
    "ucr": "UCR archive",
}

# words of the labels -> plain English, in this order
WORDS: tuple[tuple[str, str], ...] = (
    (r"baseline: (.+)", r"\1 (baseline)"),
    (r"^(kedro run.*)$", r"`\1`"),
    (r"^base, ", "synthetic cohort, "),
    (r"^physionet2012, ", "PhysioNet 2012, "),
    (r"10% asked for", "10 % asked for"),
    (r"\bwhere 10% false alarms were asked\b", "where 10 % false alarms were asked for"),
    (r"\bat 10 % asked\b", "where 10 % were asked for"),
    (r"\b(\d+)% abnormal\b", r"\1 % abnormal"),
    (r"\b\d+_(?=[A-Za-z])", ""),
    (r"adbench/(\w+)\.npz", r"\1"),
    (r"\ba call a window\b", "one call per window"),
    (r"\btime a sample\b", "time per sample"),
    (r"\btime an hour\b", "time per hour of signal"),
    (r"\bepisodes an hour\b", "episodes per hour"),
    (r"\bvalue a minute\b", "value per minute"),
    (r"\bfeatures a split\b", "features per split"),
    (r"\bbytes a row\b", "bytes per row"),
    (r"\bonce a process\b", "once per process"),
    (r"\bours\b", "this project"),
    (r"\bof it the\b", "part of it: the"),
    (r"\bas in PyOD\b", "as PyOD computes it"),
    (r"\bclahe_residual\b", "residual after CLAHE"),
    (r"\bembedding_distance\b", "distance of embeddings"),
    (r"\blesion_probability\b", "probability of a lesion"),
    (r"\bage_band\b", "age band"),
    (r"\bSYNTHETIC\b", "synthetic"),
    (r"\bpixel_ap\b", "pixel average precision"),
    (r"\bpixel_auroc\b", "pixel AUROC"),
    (r"\bdice_healthy_threshold\b", "Dice at the healthy threshold"),
    (r"\bbest_dice\b", "best Dice"),
    (r"\bhealthy_pixels_flagged\b", "share of healthy pixels flagged"),
    (r"\bauroc\b", "AUROC"),
    (r"\bauprc\b", "AUPRC"),
    (r"\bece\b", "ECE"),
    (r"\bbrier\b", "Brier score"),
    (r"\bus\b", "µs"),
    (r"\bp50\b", "median"),
    (r"\bp99\b", "99th percentile"),
    (r"\bnormals\b", "normal cases"),
    (r"\bunet\b", "U-Net"),
    (r"\bR2\b", "R²"),
    (r">= ", "≥ "),
    (r"<= ", "≤ "),
    (r"\b1e-0?(\d+)\b", r"1e-\1"),
)


def plain(text: str) -> str:
    """A label as people read it: names of the configuration and words of the code become plain English."""
    head, one_row, tail = text.partition(", one row")
    text = NAMES.get(head, head) + one_row + tail
    start, comma, last = text.rpartition(", ")
    text = start + comma + NAMES.get(last, last)
    for pattern, word in WORDS:
        text = re.sub(pattern, word, text)
    return text
