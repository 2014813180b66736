"""Chest phantoms of the embedded cohort as an image source: drawn on loading, equal for equal seeds."""

from medanomaly.datasets.raw import RawDataset
from medanomaly.imaging.sources.manifest import ImageSource, manifest_table
from medanomaly.imaging.sources.readers import MemoryReader
from medanomaly.synthetic.chest import ChestParams, chest_images
from medanomaly.synthetic.patients import draw_patients


class SyntheticChestDataset(RawDataset[ImageSource]):
    """One image per patient of the synthetic cohort; lesions have exact masks.

    Args:
        n_patients: number of patients; they are those of the clinical table of the same seed.
        seed: of the cohort.
        lesion_share: share of images with a lesion.
        height: of an image, px.
    """

    def __init__(
        self,
        *,
        n_patients: int,
        seed: int = 0,
        lesion_share: float = 0.15,
        height: int = 96,
        metadata: dict | None = None,
    ):
        self.n_patients, self.metadata = n_patients, metadata
        self.params = ChestParams(seed=seed, lesion_share=lesion_share, height=height)

    def load(self) -> ImageSource:
        """Draw the images."""
        drawn = chest_images(draw_patients(self.n_patients, self.params.seed), self.params)
        rows = drawn.table.drop(columns=["width", "height", "contrast"]).assign(path=drawn.table["case_id"])
        # normal images also have an exact mask, which is empty
        rows["mask_path"] = "mask/" + rows["case_id"]
        images = dict(zip(rows["path"], drawn.images, strict=True))
        images |= {m: mask.astype("float32") for m, mask in zip(rows["mask_path"], drawn.masks, strict=True)}
        return ImageSource(
            manifest_table(rows, "synthetic cohort"), MemoryReader(images), name="synthetic cohort"
        )

    def _describe(self) -> dict:
        return {"n_patients": self.n_patients} | self.params.model_dump()
