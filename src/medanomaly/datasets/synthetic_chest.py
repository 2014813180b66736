"""Chest phantoms of the embedded cohort as a dataset: drawn on loading, equal for equal seeds."""

from medanomaly.datasets.chest_phantoms import phantom_source
from medanomaly.datasets.raw import RawDataset
from medanomaly.imaging.sources.manifest import ImageSource
from medanomaly.synthetic.chest import ChestParams


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
        return phantom_source(self.n_patients, self.params)

    def _describe(self) -> dict:
        return {"n_patients": self.n_patients} | self.params.model_dump()
