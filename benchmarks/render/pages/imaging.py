"""Chest images: density of band energies, networks, speed, shift."""

from benchmarks.render.figures import Figure, best, having
from benchmarks.render.labels import plain
from benchmarks.render.page import Page, Section, cited, verdict
from benchmarks.render.tables import HIGHER, LOWER, Column, Grid, Listing

MODEL = (("Model", "model"),)


def summary(figures: dict[str, list[Figure]]) -> list[str]:
    alone = best(having(figures["imaging_lbe"], "auroc"))
    shape = having(figures["imaging_lbe"], "auroc", model="aspect ratio")[0]
    own = having(figures["imaging_networks"], "metric", metric="AUROC", splits="3")
    network = best([f for f in own if f.part("model").startswith(("U-Net,", "autoencoder", "reversed"))])
    return [
        "Models of normal chest images were compared on paediatric pneumonia (Kermany et al. 2018), in splits by patient.",
        f"{plain(alone.part('model'))} has the highest AUROC without a network, {cited(alone)}; the shape of the image "
        f"alone has {cited(shape)}.",
        f"The highest AUROC of a network's own score is {cited(network)} ({plain(network.part('model'))}, three splits).",
        verdict(figures),
    ]


LBE = Section(
    "Band energies (LBE)",
    "imaging_lbe",
    "LBE is a density of the energies of an image in frequency bands. It learns from normal images and scores images "
    "of other patients. Baselines use the shape, the brightness or the sharpness of an image, principal components, "
    "or the nearest normal image. Strata hold images of nearly one shape, so that shape alone cannot help.",
    (
        Grid(
            "Pneumonia against normal",
            MODEL,
            (
                Column("AUROC", "auroc", HIGHER),
                Column("AUROC within 8 strata of shape", "strata", HIGHER),
                Column("AUPRC (prevalence 0.74), smallest to largest of 5 folds", "auprc", HIGHER),
                Column("LBE minus this model, AUROC", "gain"),
                Column("LBE minus this model, within strata", "gain_strata"),
            ),
        ),
        Grid("LBE by subtype", (("Pneumonia", "subtype"),), (Column("AUROC against normal", "subtype"),)),
        Grid(
            "Where the lesion is: maps of LBE on synthetic lesions",
            (("Lesion", "lesion"),),
            (
                Column("Images", "lesion", show="images", where={"metric": "pixel_ap"}),
                Column("Average precision of pixels", "lesion", where={"metric": "pixel_ap"}),
                Column("Share of lesion pixels", "lesion", show="baseline", where={"metric": "pixel_ap"}),
                Column("AUROC of pixels", "lesion", where={"metric": "pixel_auroc"}),
                Column("Dice at the healthy threshold", "lesion", where={"metric": "dice_healthy_threshold"}),
                Column("Best Dice", "lesion", where={"metric": "best_dice"}),
                Column(
                    "Share of healthy pixels flagged", "lesion", where={"metric": "healthy_pixels_flagged"}
                ),
            ),
            "Lesions are pasted into held-out normal images. A random map has an average precision equal to the share "
            "of lesion pixels. A healthy threshold comes from normal images alone.",
        ),
        Listing("Images with a synthetic lesion against images without", ("lesion_images",)),
        Listing("Speed and agreement", ("speed",), times_header="Times as fast"),
    ),
)


def networks(title: str, splits: str, note: str) -> tuple[Grid, Grid]:
    """Scores of models whose figures come from the same number of splits: the main metrics, and the others folded."""
    named = {
        "AUROC, %": ("AUROC", HIGHER),
        "AUROC within strata of shape, %": ("AUROC stratified by aspect ratio", HIGHER),
        "AUPRC, %": ("AUPRC", HIGHER),
        "AUROC on synthetic lesions, %": ("AUROC on synthetic lesions", HIGHER),
        "AUROC, bacteria, %": ("AUROC, bacteria against normal", HIGHER),
        "AUROC, virus, %": ("AUROC, virus against normal", HIGHER),
        "False alarms, %": ("false alarms where 10% false alarms were asked", "≈10"),
        "Sensitivity, %": ("sensitivity where 10% false alarms were asked", ""),
    }
    columns = [
        Column(header, "metric", better, where={"metric": metric})
        for header, (metric, better) in named.items()
    ]
    return (
        Grid(title, MODEL, tuple(columns[:4]), note, keep={"splits": splits}),
        Grid(
            f"{title}: subtypes, and alarms where 10 % false alarms were asked for",
            MODEL,
            tuple(columns[4:]),
            folded=True,
            keep={"splits": splits},
        ),
    )


def energies(splits: str, number: str) -> Grid:
    return Grid(
        f"Band energies of what a network leaves over, {number}",
        (("Network", "model"), ("Energies of", "of")),
        (
            Column("AUROC, %", "energies", HIGHER, where={"metric": "AUROC"}),
            Column(
                "Within strata of shape, %",
                "energies",
                HIGHER,
                where={"metric": "AUROC stratified by aspect ratio"},
            ),
            Column("AUPRC, %", "energies", HIGHER, where={"metric": "AUPRC"}),
            Column(
                "Synthetic lesions, %", "energies", HIGHER, where={"metric": "AUROC on synthetic lesions"}
            ),
        ),
        "The score is the band-energy density of the residual, or of the image and the residual together.",
        keep={"splits": splits},
    )


def more_energies(splits: str, number: str) -> Grid:
    asked = "where 10% false alarms were asked"
    return Grid(
        f"Band energies of what a network leaves over, {number}: subtypes, and alarms where 10 % "
        f"false alarms were asked for",
        (("Network", "model"), ("Energies of", "of")),
        (
            Column(
                "AUROC, bacteria, %", "energies", HIGHER, where={"metric": "AUROC, bacteria against normal"}
            ),
            Column("AUROC, virus, %", "energies", HIGHER, where={"metric": "AUROC, virus against normal"}),
            Column("False alarms, %", "energies", "≈10", where={"metric": f"false alarms {asked}"}),
            Column("Sensitivity, %", "energies", where={"metric": f"sensitivity {asked}"}),
        ),
        folded=True,
        keep={"splits": splits},
    )


NETWORKS = Section(
    "Networks that learn normal images",
    "imaging_networks",
    "Networks learn normal images and score what they reconstruct badly. They are compared with LBE and with trivial "
    "baselines. The classifier is different: it learns from labels. Models with the same number of splits stand in "
    "one table, because only those are comparable. Settings were fixed before any abnormal image was scored.",
    (
        *networks("Three splits", "3", "Models and baselines that were measured in three splits."),
        *networks("One split", "1", "Models that were measured in one split."),
        *networks(
            "Classifier that learned from labels, two splits", "2", "This model is not an anomaly detector."
        ),
        energies("3", "three splits"),
        more_energies("3", "three splits"),
        energies("1", "one split"),
        more_energies("1", "one split"),
        Grid(
            "What the networks copy and where they see lesions",
            (("Network", "model"), ("Splits", "splits")),
            (
                Column("Identity leak", "leak", LOWER),
                Column("Share of the variance reconstructed", "variance"),
                Column(
                    "Average precision of pixels", "map", HIGHER, where={"metric": "pixel average precision"}
                ),
                Column(
                    "Dice at the healthy threshold",
                    "map",
                    HIGHER,
                    where={"metric": "Dice at the healthy threshold"},
                ),
                Column("Epochs", "training", show="epochs"),
                Column("Training, minutes of one core", "training", LOWER),
            ),
            "An identity leak of 1 means that the network copies a lesion, and 0 that it removes it. The lesions are "
            "synthetic.",
        ),
        Grid(
            "Paired differences of AUROC",
            (("Model", "model"), ("Minus", "against"), ("Splits", "splits")),
            (Column("Difference, points", "difference"),),
            "A positive difference favours the first model.",
        ),
        Listing("Classifier: calibration, and whether Grad-CAM points at what counts", ("classifier",)),
    ),
)

SCORING = Section(
    "Time for one image",
    "imaging_scoring",
    "The exported graph scores one image at a time, from pixels to score and map. The baseline is torch on one "
    "thread. How long a call takes does not depend on what the network has learned.",
    (
        Grid(
            "One image of 128 px, one thread",
            MODEL,
            (
                Column("Median, ms", "p50", LOWER),
                Column("Median of torch, ms", "p50", show="baseline"),
                Column("Times as fast", "p50", show="ratio"),
                Column("99th percentile, ms", "p99", LOWER),
                Column("99th percentile, wall-clock time, ms", "p99", show="clock"),
                Column("Largest difference from torch, relative", "equal"),
            ),
        ),
    ),
)

GPU = Section(
    "Training on a GPU",
    "imaging_gpu",
    "The question is whether the project's `fit` uses a GPU as well as a plain Lightning loop with the same module "
    "and data.",
)


def by_method(kind: str, title: str, better: str, note: str) -> Grid:
    return Grid(
        title,
        (("Recalibration", "way"),),
        (Column("{}", kind, better, each="shift"),),
        note,
        keep={"abnormal": "40"},
    )


def by_prevalence(kind: str, title: str) -> Grid:
    return Grid(
        title,
        (("Abnormal images in the batch, %", "abnormal"),),
        (Column("{}", kind, each="shift"),),
        "Recalibration: mixture.",
        keep={"way": "mixture"},
    )


SHIFT = Section(
    "Images of another site",
    "imaging_shift",
    "Two sites are made from one data set: the new site has blurrier, wider, or sharper and narrower images. Models "
    "and calibration come from normal images of the old site. The methods recalibrate with images of the new site "
    "that have no labels. Brackets hold the smallest and largest of 10 splits, not a 95 % interval.",
    (
        by_method(
            "alarms",
            "False alarms where 10 % were asked for, 40 % abnormal images",
            "≈0.1",
            "Every column is a kind of shift; figures are shares of the normal images.",
        ),
        by_method(
            "found",
            "Sensitivity at the same alarms, 40 % abnormal images",
            "",
            "Sensitivity has to be read with the false alarms above, so no figure is the best.",
        ),
        by_prevalence("alarms", "False alarms where 10 % were asked for, by share of abnormal images"),
        by_prevalence("found", "Sensitivity at the same alarms, by share of abnormal images"),
        Listing("Does the shift check notice?", ("check",)),
    ),
)

PAGE = Page(
    "imaging",
    "Images: densities, networks, speed, shift",
    summary,
    (LBE, NETWORKS, SCORING, GPU, SHIFT),
)
