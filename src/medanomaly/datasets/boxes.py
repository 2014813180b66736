"""Files of boxes as Kedro datasets."""

from pathlib import Path

from medanomaly.datasets.raw import RawDataset
from medanomaly.imaging.boxes.readers import read_boxes
from medanomaly.imaging.boxes.table import BoxTable


class BoxFileDataset(RawDataset[BoxTable | None]):
    """A file of boxes about what is on images, or none.

    Args:
        filepath: of the file; None where boxes come from the masks of the images.
        form: ``coco``, ``rsna``, ``vindr`` or ``nih``.
        options: of the reader of that form, such as ``least_readers`` of VinDr-CXR.
        metadata: for Kedro-Viz.
    """

    def __init__(
        self,
        *,
        filepath: str | None = None,
        form: str = "coco",
        options: dict | None = None,
        metadata: dict | None = None,
    ):
        self.filepath, self.form, self.options, self.metadata = filepath, form, options or {}, metadata

    def load(self) -> BoxTable | None:
        """Read the file."""
        return None if self.filepath is None else read_boxes(Path(self.filepath), self.form, **self.options)

    def _describe(self) -> dict:
        return {"filepath": self.filepath, "form": self.form} | self.options
