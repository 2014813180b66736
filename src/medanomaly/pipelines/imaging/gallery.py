"""Figures of images: the most unusual ones, where models fail, what networks copy, what augmentation does."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.imaging.image_models import detector_of
from medanomaly.imaging.image_scorer import ImageScorer
from medanomaly.imaging.model_checks import reconstructs
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.reporting.figures.images import contact_sheet_figure, image_grid, overlay
from medanomaly.reporting.imaging.anomalies import name_of
from medanomaly.reporting.sections import Figure, Section
from medanomaly.reporting.wording import p_value

UNUSUAL, FAILURES, COPIED, AUGMENTED = 6, 3, 2, 4
# whose reconstruction and map are shown beside the leading model's map, the first that are there
SHOWN = ("reversed_autoencoder", "denoising_unet", "inpainting_unet", "autoencoder")
COLOURED_FROM, COLOURED_TO = 0.95, 0.999


def gallery_section(
    image_array: ImageArray,
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    bundles: Mapping[str, Bundle],
    leading: str,
) -> Section:
    """The most unusual test images, and false alarms and misses, with maps and reconstructions."""
    of_leading = cases.merge(scores[scores["model"] == leading], on="case_id", validate="one_to_one")
    test = of_leading[of_leading["split"] == "test"]
    ranked = test.sort_values("score", ascending=False, kind="stable")
    flagged = ranked["flagged"].fillna(False).astype(bool)
    wrong = ranked[ranked["label"].eq(0).fillna(False) & flagged].head(FAILURES)
    missed = ranked[ranked["label"].eq(1).fillna(False) & ~flagged].tail(FAILURES).iloc[::-1]
    view = GalleryView(image_array, cases, bundles, leading)
    reading = (
        "Colour: where a map exceeds what 95 % of pixels of normal images show. "
        "Next to it: what a network makes of the image, and its map."
    )
    figures = [
        Figure("The most unusual test images", reading, view.draw(ranked.head(UNUSUAL), "most unusual"))
    ]
    failures = pd.concat([wrong, missed])
    if len(failures):
        words = f"{len(wrong)} normal images flagged, {len(missed)} abnormal images that look most usual."
        figures.append(Figure("Where it fails", words, view.draw(failures, "failures")))
    return Section(
        "Images, maps and reconstructions",
        f"Ordered by {name_of(leading)}. A map says where an image is unlike normal ones, not what is wrong there.",
        figures,
    )


class GalleryView:
    """Columns of the gallery: the image, the leading model's map, then reconstruction and map of some networks."""

    def __init__(
        self, image_array: ImageArray, cases: pd.DataFrame, bundles: Mapping[str, Bundle], leading: str
    ):
        self.image_array = image_array
        self.row = pd.Series(np.arange(len(cases)), index=cases["case_id"])
        normal = ((cases["split"] == "calibration") & ~cases["label"].eq(1).fillna(False)).to_numpy()
        self.healthy = image_array[np.flatnonzero(normal)[:50]]
        networks = [m for m in SHOWN if m in bundles and m != leading][:2]
        self.scorers = {m: ImageScorer(bundles[m]) for m in (leading, *networks)}
        self.detectors = {
            m: detector_of(bundles[m]) for m in (leading, *networks) if reconstructs(bundles[m])
        }
        self.leading = leading

    def draw(self, chosen: pd.DataFrame, what: str) -> str:
        """SVG of the chosen images: rows with ``case_id``, ``label``, ``kind`` and ``p_value``; ``what`` they are."""
        images = self.image_array[self.row[chosen["case_id"]].to_numpy()]
        columns, headings = [list(images)], ["image"]
        for model, scorer in self.scorers.items():
            if model in self.detectors:
                columns.append(list(self.detectors[model].reconstruct(images)))
                headings.append(_heading(model, "reconstruction"))
            low, high = np.quantile(scorer.maps(self.healthy), [COLOURED_FROM, COLOURED_TO])
            maps = scorer.maps(images)
            # the strongest image of the figure is not to be cut off at what normal images reach
            high = max(high, float(np.quantile(maps, COLOURED_TO)))
            columns.append([overlay(image, m, low, high) for image, m in zip(images, maps, strict=True)])
            headings.append(_heading(model, "map"))
        labels = [_label(row) for row in chosen.itertuples()]
        return image_grid(
            list(zip(*columns, strict=True)),
            headings,
            labels,
            f"{len(labels)} test images ({what}) with maps of {', '.join(map(name_of, self.scorers))}.",
        )


def _heading(model: str, what: str) -> str:
    return "\n".join([*name_of(model).rsplit(" ", 1), what])


def _label(row) -> str:
    name = str(row.case_id).rsplit("/", 1)[-1]
    name = name if len(name) <= 24 else f"{name[:10]}…{name[-12:]}"
    kind = row.kind if pd.notna(row.kind) else {0: "normal", 1: "anomalous"}.get(row.label, "no label")
    return f"{name}\n{kind}, p = {p_value(row.p_value)}"


def leak_figure(image_array: np.ndarray, bundles: Mapping[str, Bundle], seed: int) -> Figure | None:
    """Normal images with a disc, and what each network makes of them.

    Args:
        image_array: (n, size, size) normal images; the first two are shown.
        bundles: of the models.
        seed: of the discs' places.
    """
    from medanomaly.imaging.maps.identity_leak import paste_discs

    detectors = {m: detector_of(b) for m, b in bundles.items() if reconstructs(b)}
    if not detectors:
        return None
    image_array = image_array[:COPIED]
    pasted = paste_discs(image_array, image_array.shape[1] / 10, 0.3, seed)
    columns = [list(image_array), list(pasted), *(list(d.reconstruct(pasted)) for d in detectors.values())]
    headings = ["normal image", "with a disc", *(name_of(m).replace(" ", "\n", 1) for m in detectors)]
    svg = image_grid(
        list(zip(*columns, strict=True)),
        headings,
        [""] * len(image_array),
        f"A pasted disc, and reconstructions by {', '.join(map(name_of, detectors))}.",
    )
    return Figure("A pasted disc and its reconstructions", "The disc should be gone.", svg)


def augmentation_section(image_array: np.ndarray, bundles: Mapping[str, Bundle], seed: int) -> Section | None:
    """What each network's augmentation does to train images, one contact sheet per recipe; None where there is none.

    Args:
        image_array: (n, size, size) normal train images; the first four are shown.
        bundles: of the models.
        seed: of the changes.
    """
    from medanomaly.imaging.augmentation import contact_sheet
    from medanomaly.imaging.networks.params import AugmentationParams

    recipes: dict[str, list[str]] = {}
    for model, bundle in bundles.items():
        recipe = bundle.manifest.get("spec", {}).get("params", {}).get("augmentation")
        if recipe:
            recipes.setdefault(AugmentationParams(**recipe).model_dump_json(), []).append(name_of(model))
    if not recipes:
        return None
    figures = []
    for recipe, models in recipes.items():
        params = AugmentationParams.model_validate_json(recipe)
        words = (
            f"Left: the image. Rotated by up to {params.degrees:g}°, shifted by up to {params.shift:.0%}, resized by up to "
            f"{params.scale:.0%}, gamma by a factor of up to {np.exp(params.gamma):.2f}, noise of {params.noise:g}."
        )
        sheet = contact_sheet(image_array[:AUGMENTED], params, seed)
        svg = contact_sheet_figure(sheet, f"Augmented images, {', '.join(models)}.")
        figures.append(Figure(", ".join(models), words, svg))
    return Section(
        "Augmentation",
        "Small changes that leave a normal image normal. Images are never flipped, because the heart is on the left.",
        figures,
    )
