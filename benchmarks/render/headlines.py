"""The table of the README: a few figures of each modality, good or not."""

from pathlib import Path

from benchmarks.render.figures import RESULTS, read
from benchmarks.render.labels import plain
from benchmarks.render.tables import interval, markdown, number

START, END = "<!-- headlines: rendered by make results -->", "<!-- end of headlines -->"

# modality -> benchmark, name of the result, what a reader is told
HEADLINES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Tables": (
        (
            "tabular_oneclass",
            "one-class auroc, two-view ensemble",
            "The two-view ensemble reaches this AUROC (mean of 7 medical ADBench data sets)",
        ),
        (
            "tabular_oneclass",
            "one-class auroc, two-view ensemble minus isolation forest (scikit-learn, 100 trees)",
            "AUROC of the two-view ensemble minus AUROC of the isolation forest, when both score the same splits",
        ),
        (
            "tabular_networks",
            "one-class auroc, denoising autoencoder minus isolation forest (scikit-learn, 100 trees)",
            "AUROC of a denoising autoencoder minus AUROC of the isolation forest, when both score the same splits",
        ),
        (
            "conformal_validity",
            "realised false-alarm rate at alpha = 0.05, mammography",
            "Normal records of the mammography table raise false alarms at this rate when 0.05 is asked for",
        ),
        (
            "group_calibration",
            "appointments, age_band: gap in one split, calibrated by group",
            "False-alarm rates of age bands differ by this much in one split when each band is calibrated "
            "(appointments)",
        ),
        (
            "physionet_mortality",
            "gradient boosting, wide: auroc",
            "Gradient boosting predicts death in hospital with this AUROC (PhysioNet 2012)",
        ),
        (
            "physionet_mortality",
            "isolation forest (anomaly score): auroc",
            "An anomaly score that is read as a risk of death in hospital has this AUROC (PhysioNet 2012)",
        ),
    ),
    "Signals": (
        (
            "mitbih_beats",
            "variant either, causal: AUROC",
            "The beat detector finds abnormal beats of MIT-BIH with this AUROC when the R peaks are given",
        ),
        (
            "mitbih_beats",
            "variant either, causal, own R peaks, missed beats score 0 and false ones are normal: AUPRC",
            "The beat detector has this AUPRC on MIT-BIH when it finds the R peaks itself and missed beats count",
        ),
        (
            "mitbih_beats",
            "stress, all conditions pooled, variant A: AUROC",
            "Variant A of the beat detector has this AUROC on recordings made harder (ectopic rhythm, fibrillation, "
            "noise)",
        ),
        (
            "r_peaks",
            "R peaks, sensitivity, ours, two leads",
            "This share of the R peaks of MIT-BIH is found from two leads",
        ),
        (
            "ucr",
            "share located, six profiles, earlier neighbours",
            "Matrix profiles locate this share of the anomalies in the biomedical series of the UCR archive",
        ),
    ),
    "Images": (
        (
            "imaging_lbe",
            "AUROC, LBE",
            "Band energies (LBE) find pneumonia in paediatric chest images with this AUROC",
        ),
        (
            "imaging_lbe",
            "AUROC within 8 strata of aspect ratio, LBE",
            "Band energies (LBE) find pneumonia with this AUROC when only images of similar shape are compared",
        ),
        (
            "imaging_lbe",
            "AUROC, aspect ratio",
            "The shape of the image alone separates pneumonia from normal with this AUROC",
        ),
        (
            "imaging_networks",
            "AUROC difference, reversed autoencoder: embedding_distance minus autoencoder, latent 16",
            "AUROC of the reversed autoencoder minus AUROC of a plain autoencoder, when both score the same images",
        ),
        (
            "imaging_networks",
            "AUROC, classifier",
            "A classifier that learned from labels finds pneumonia with this AUROC",
        ),
        (
            "imaging_shift",
            "false alarms at 10 % asked: blurrier and wider, 40% abnormal, none",
            "Normal images of a blurrier and wider site raise false alarms at this rate when 0.1 is asked for "
            "(interval: lowest and highest of 10 splits)",
        ),
        (
            "imaging_shift",
            "false alarms at 10 % asked: blurrier and wider, 40% abnormal, mixture",
            "Normal images of that site raise false alarms at this rate after recalibration without labels (interval: "
            "lowest and highest of 10 splits)",
        ),
    ),
}


def headline_table(folder: Path = RESULTS) -> str:
    """The table; results that are not there are left out, and said to be."""
    rows = []
    for modality, headlines in HEADLINES.items():
        for benchmark, name, said in headlines:
            found = [f for f in read(benchmark, folder) if f.name == name]
            if not found:
                print(f"README.md: {benchmark} has no '{name}', left out")
                continue
            f = found[0]
            unit = f" {f.unit}" if f.unit in ("%", "points") else ""
            baseline = f"{plain(f.baseline)}: {number(f.baseline_value, f.unit)}{unit}" if f.baseline else ""
            figure = number(f.value, f.unit) + unit
            rows.append([modality, said, figure, interval(f), baseline, f"`{f.command}`"])
    return "\n".join(
        markdown(["Data", "What was measured", "Figure", "95 % interval", "Baseline", "Command"], rows)
    )


def with_headlines(readme: str, folder: Path = RESULTS) -> str:
    """The text of the README with the table between its markers replaced."""
    before, _, rest = readme.partition(START)
    return f"{before}{START}\n{headline_table(folder)}\n{END}{rest.partition(END)[2]}"
