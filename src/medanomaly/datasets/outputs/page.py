"""An HTML page as text, which Kedro-Viz displays as a page."""

from kedro_datasets._typing import HTMLPreview
from kedro_datasets.text import TextDataset


class PageDataset(TextDataset):
    """``text.TextDataset`` with a preview."""

    def preview(self) -> HTMLPreview:
        """The page itself."""
        return HTMLPreview(self.load())
