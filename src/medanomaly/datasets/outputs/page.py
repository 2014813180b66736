"""An HTML page as text, which Kedro-Viz displays as a page."""

from typing import ClassVar

from kedro_datasets._typing import HTMLPreview
from kedro_datasets.text import TextDataset


class PageDataset(TextDataset):
    """``text.TextDataset`` in UTF-8, as the page says it is, with a preview."""

    DEFAULT_FS_ARGS: ClassVar[dict] = {
        "open_args_save": {"mode": "w", "encoding": "utf-8"},
        "open_args_load": {"mode": "r", "encoding": "utf-8"},
    }

    def preview(self) -> HTMLPreview:
        """The page itself."""
        return HTMLPreview(self.load())
