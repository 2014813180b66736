"""Chest phantoms of the embedded cohort as an image source."""

from medanomaly.imaging.sources.manifest import ImageSource, manifest_table
from medanomaly.imaging.sources.readers import MemoryReader
from medanomaly.synthetic.chest import ChestParams, chest_images
from medanomaly.synthetic.patients import draw_patients


def phantom_source(n_patients: int, params: ChestParams) -> ImageSource:
    """One image per patient of the synthetic cohort; lesions have exact masks.

    Args:
        n_patients: number of patients; they are those of the clinical table of the same seed.
        params: size, seed, share of lesions.
    """
    drawn = chest_images(draw_patients(n_patients, params.seed), params)
    rows = drawn.table.drop(columns=["width", "height", "contrast"]).assign(path=drawn.table["case_id"])
    # normal images also have an exact mask, which is empty
    rows["mask_path"] = "mask/" + rows["case_id"]
    images = dict(zip(rows["path"], drawn.images, strict=True))
    images |= {m: mask.astype("float32") for m, mask in zip(rows["mask_path"], drawn.masks, strict=True)}
    return ImageSource(
        manifest_table(rows, "synthetic cohort"), MemoryReader(images), name="synthetic cohort"
    )
