"""Sections of the report about models of images, from plain tables: the comparison, the baselines, what was examined."""

from collections.abc import Mapping, Sequence

import pandas as pd

from medanomaly.core.scores import BASELINE
from medanomaly.evaluation.audit.baselines import NEAREST
from medanomaly.reporting.figures.images import paired_differences
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.scored_cases import metric_row
from medanomaly.reporting.sections import Figure, Section, Table
from medanomaly.reporting.wording import (
    DASH,
    asked,
    interval,
    joined,
    number,
    percent,
    signed,
    written,
)

REVERSED = "reversed_autoencoder"
U_NETS = ("unet", "denoising_unet", "inpainting_unet")
DENSITY = "lbe"
NEGATIVE_CONTROL = "unet"
NAMES = {
    "lbe": "LBE",
    "unet": "plain U-Net",
    "denoising_unet": "denoising U-Net",
    "inpainting_unet": "inpainting U-Net",
    "reversed_autoencoder": "Reversed Autoencoder",
    "lesion_segmenter": "lesion segmenter",
    NEAREST: "1-NN on how images were taken",
}
VERDICTS = {"holds": "nothing speaks against them", "broken": "not valid", "unknown": "cannot be said"}


def name_of(model: str) -> str:
    """A model as a reader knows it."""
    return NAMES.get(model, model_label(model))


def image_section(case_id: str, model: str, drawn: str) -> Section:
    """The most unusual image of a patient, for the page of the patient.

    Args:
        case_id: of the image.
        model: whose map it is.
        drawn: SVG of image and map.
    """
    reading = "Colour: where the map exceeds what 95 % of pixels of normal images show."
    return Section(
        f"Image {case_id}",
        f"A map of {name_of(model)} says where an image is unlike normal ones, not what is wrong there.",
        figures=[Figure("Image and map", reading, drawn)],
    )


def differences_from(comparisons: pd.DataFrame, model: str, others: Sequence[str]) -> pd.DataFrame:
    """AUROC of ``model`` minus that of each of the others: ``model, other, difference, ci_low, ci_high, n``."""
    rows = []
    auroc = comparisons[comparisons["metric"] == "auroc"]
    for other in others:
        for first, second, sign in ((model, other, 1), (other, model, -1)):
            found = auroc[(auroc["model_a"] == first) & (auroc["model_b"] == second)]
            if len(found):
                row = found.iloc[0]
                ends = sorted((sign * row["ci_low"], sign * row["ci_high"]))
                rows.append((model, other, sign * row["difference"], *ends, int(row["n"])))
    return pd.DataFrame(rows, columns=["model", "other", "difference", "ci_low", "ci_high", "n"])


def verdict(comparisons: pd.DataFrame, models: Sequence[str]) -> str:
    """Which of U-Net and Reversed Autoencoder finds more, and whether a network beats the density without one.

    A model is called better only where the 95 % interval of the paired difference does not hold zero.
    """
    said = []
    against = [m for m in (*U_NETS, "autoencoder") if m in models]
    if REVERSED in models and against:
        found = differences_from(comparisons, REVERSED, against)
        if len(found):
            parts = [f"{_outcome(row)} {_the(row.other)} ({_difference(row)})" for row in found.itertuples()]
            said.append(
                f"On the same {found['n'].iloc[0]:,} test images the Reversed Autoencoder {joined(parts)}."
            )
    if DENSITY in models:
        networks = [m for m in models if m != DENSITY]
        found = differences_from(comparisons, DENSITY, networks)
        above = [name_of(r.other) for r in found.itertuples() if r.ci_high < 0]
        level = [name_of(r.other) for r in found.itertuples() if r.ci_low <= 0 <= r.ci_high]
        if len(found) and not above and not level:
            said.append("LBE, which is no network, ranks better than every network.")
        elif above:
            said.append(f"Better than LBE, which is no network: {joined(above)}.")
        elif level:
            said.append(
                f"No network is better than LBE, which is none; {joined(level)} is not distinguishable from it."
            )
    return " ".join(said) or "There are not enough labels in test to compare models."


def _the(model: str) -> str:
    return f"the {name_of(model)}" if model != DENSITY else name_of(model)


def _outcome(row) -> str:
    if row.ci_low > 0:
        return "ranks better than"
    return "ranks worse than" if row.ci_high < 0 else "is not distinguishable from"


def _difference(row) -> str:
    return f"AUROC {signed(row.difference)}, interval {signed(row.ci_low)} to {signed(row.ci_high)}"


def comparison_section(
    models: Sequence[str],
    metrics: pd.DataFrame,
    comparisons: pd.DataFrame,
    stratified: pd.DataFrame,
    examinations: Mapping[str, dict],
) -> Section:
    """U-Net against the Reversed Autoencoder, and both against the rest: same images, same procedure, paired intervals."""
    rows = []
    for model in sorted(models, key=lambda m: -_value(metrics, m, "auroc")):
        leak = examinations[model]["leak"]
        rows.append(
            [
                name_of(model) + (" (negative control)" if model == NEGATIVE_CONTROL else ""),
                _measured(metrics, model, "auroc"),
                _measured(metrics, model, "auprc"),
                _stratum(stratified, model),
                DASH if leak is None else f"{leak['value']:.2f}",
            ]
        )
    figures = []
    against = differences_from(comparisons, REVERSED, [m for m in models if m != REVERSED])
    density = differences_from(comparisons, DENSITY, [m for m in models if m not in (DENSITY, REVERSED)])
    found = [part.dropna(subset=["ci_low", "ci_high"]) for part in (against, density) if len(part)]
    # without labels in test there is nothing to compare by
    pairs = pd.concat(found, ignore_index=True) if found else pd.DataFrame()
    if len(pairs):
        shown = pairs.assign(model=pairs["model"].map(name_of), other=pairs["other"].map(name_of))
        figures.append(
            Figure(
                "Paired differences",
                "Right of zero, the first of the two ranks better. Grey: the interval holds zero.",
                paired_differences(shown),
            )
        )
    columns = ["Model", "AUROC", "Average precision", "AUROC at equal image shape", "Identity leak"]
    return Section(
        "U-Net against Reversed Autoencoder" if REVERSED in models else "Models side by side",
        verdict(comparisons, models),
        figures,
        [Table("The same images, the same procedure", columns, rows, _comparison_note(models))],
    )


def _comparison_note(models: Sequence[str]) -> str:
    said = [
        "95 % intervals in brackets, by resampling patients. All models learned from normal train images alone."
    ]
    if any(model != DENSITY for model in models):
        said.append("The best epoch of a network was chosen on normal images held out of train.")
    if NEGATIVE_CONTROL in models:
        said.append("The plain U-Net is a negative control: its skip connections copy their input.")
    if REVERSED in models:
        said.append(
            "The published score of the Reversed Autoencoder needs perceptual weights from elsewhere; here it is the "
            "distance between the embeddings of an image and of its reconstruction."
        )
    return " ".join(said)


def baselines_section(models: Sequence[str], metrics: pd.DataFrame, stratified: pd.DataFrame) -> Section:
    """What needs no model: shape, brightness, sharpness, PCA, the nearest image."""
    baselines = metrics["model"][metrics["role"] == BASELINE].unique().tolist()
    order = sorted([*models, *baselines], key=lambda m: -_value(metrics, m, "auroc"))
    rows = [
        [
            name_of(m),
            "baseline" if m in baselines else "negative control" if m == NEGATIVE_CONTROL else "model",
            _measured(metrics, m, "auroc"),
            _stratum(stratified, m),
        ]
        for m in order
    ]
    columns = ["Model or baseline", "Role", "AUROC", "AUROC at equal image shape"]
    return Section(
        "What a model has to beat",
        "Image shape, brightness and sharpness say how an image was taken, not what it shows. A figure that falls among "
        "images of about the same shape owed something to the shape.",
        tables=[Table("Baselines and models", columns, rows, "Equal shape: strata by width over height.")],
    )


def leak_section(examinations: Mapping[str, dict], figure: Figure | None) -> Section | None:
    """How much of a pasted disc each reconstruction gives back."""
    found = {m: e["leak"] for m, e in examinations.items() if e["leak"] is not None}
    if not found:
        return None
    rows = [
        [name_of(m), f"{v['value']:.2f}", f"{v['low']:.2f} to {v['high']:.2f}", percent(v["explained"])]
        for m, v in sorted(found.items(), key=lambda item: item[1]["value"])
    ]
    return Section(
        "Does a network copy what it should take out?",
        "A disc is pasted into normal images. The leak is the share of it that comes back in the reconstruction: 0 takes it "
        "out, 1 copies it. What is copied leaves no error. A network that answers every image with the mean image leaks "
        "nothing either, but it gives back nothing of what differs between normal images.",
        [figure] if figure else [],
        [
            Table(
                "Identity leak",
                ["Model", "Leak", "95 % interval", "Variance of normal images given back"],
                rows,
            )
        ],
    )


def planted_section(examinations: Mapping[str, dict], noun: str = "images") -> Section:
    """Lesions that were pasted into normal images, and own masks where there are any."""
    columns = [
        "Model",
        "AUROC, lesion against none",
        "Pixel average precision",
        "Dice",
        "Healthy pixels flagged",
    ]

    def rows(part: str, ranking: bool) -> list:
        return [
            [
                name_of(m),
                *([number(e[part]["auroc"])] if ranking else []),
                _bracketed(e[part], "pixel_ap"),
                _bracketed(e[part], "dice_healthy_threshold"),
                percent(e[part]["healthy_pixels_flagged"]),
            ]
            for m, e in sorted(examinations.items(), key=lambda item: -item[1][part]["pixel_ap"])
        ]

    tables = [
        Table(
            "Synthetic lesions",
            columns,
            rows("planted", True),
            "Opacities, effusions and nodules pasted into normal calibration images. Dice at the value that 5 % of "
            "healthy pixels exceed.",
        )
    ]
    if any("own" in e for e in examinations.values()):
        tables.append(
            Table("Abnormal test images that came with masks", [columns[0], *columns[2:]], rows("own", False))
        )
    return Section(
        "Do maps find lesions? (synthetic)",
        f"Real masks are rare, so lesions are planted into {noun} that hold none. This is a test of the maps, "
        "not a figure about patients.",
        tables=tables,
    )


def validity_section(batches: Mapping[str, dict], alpha: float) -> Section:
    """Whether p-values of each model hold for the test images, and what unlabelled recalibration would give."""
    rows, shares = [], ("False alarms", "Sensitivity")
    for model, e in batches.items():
        rows.append(
            [
                name_of(model),
                VERDICTS[e["verdict"]],
                _share(e["false_alarms"]),
                _share(e["sensitivity"]),
                _share(e.get("recalibrated_false_alarms")),
                _share(e.get("recalibrated_sensitivity")),
            ]
        )
    broken = [name_of(m) for m, e in batches.items() if e["verdict"] == "broken"]
    unknown = [name_of(m) for m, e in batches.items() if e["verdict"] == "unknown"]
    text = "Test images were taken like the calibration images."
    if broken:
        text = (
            f"For {joined(broken)} the test images differ from the calibration images in ways that illness does not "
            "explain."
        )
    elif unknown:
        text = f"For {joined(unknown)} the test images do not tell whether p-values hold."
    # one check per model, of the same images: the plainest of them speaks for all
    doubtful = [e for e in batches.values() if e["verdict"] != "holds"]
    plainest = min(doubtful, key=lambda e: 1.0 if e["p"] is None else e["p"], default={"reason": ""})
    return Section(
        "Do p-values hold for these images?",
        text + " The check sees no label.",
        tables=[
            Table(
                f"{asked(alpha)} false alarms were asked for",
                ["Model", "P-values", *shares, *(f"{share}, recalibrated" for share in shares)],
                rows,
                "Recalibrated: scores moved and stretched to the lower component of the unlabelled test images; shown to be "
                f"weighed, not used. {plainest['reason'][:1].upper()}{plainest['reason'][1:]}",
            )
        ],
    )  # fmt: skip


def _value(metrics: pd.DataFrame, model: str, metric: str) -> float:
    row = metric_row(metrics, model, metric)
    return float(row["value"]) if row is not None else -1.0


def _measured(metrics: pd.DataFrame, model: str, metric: str) -> str:
    row = metric_row(metrics, model, metric)
    if row is None:
        return DASH
    span = interval(metric, row["ci_low"], row["ci_high"])
    return written(metric, row["value"]) + (f" [{span}]" if span else "")


def _stratum(stratified: pd.DataFrame, model: str) -> str:
    rows = stratified[stratified["model"] == model]
    if rows.empty or pd.isna(rows["value"].iloc[0]):
        return DASH
    row = rows.iloc[0]
    return f"{number(row['value'])} [{number(row['ci_low'])}–{number(row['ci_high'])}]"


def _bracketed(found: Mapping[str, float], metric: str) -> str:
    return f"{number(found[metric])} [{number(found[f'{metric}_low'])}–{number(found[f'{metric}_high'])}]"


def _share(value: float | None) -> str:
    return DASH if value is None else percent(value)
