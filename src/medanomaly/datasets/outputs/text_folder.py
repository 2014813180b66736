"""A folder of small text files: figures as SVG, cards as Markdown."""

import html
from pathlib import Path

from kedro.io import AbstractDataset
from kedro_datasets._typing import HTMLPreview


class TextFolderDataset(AbstractDataset[dict[str, str], dict[str, str]]):
    """Name to content, one file per name; files of earlier runs with the same suffix are removed.

    Args:
        filepath: the folder.
        suffix: of every file, with the dot.
    """

    def __init__(self, *, filepath: str, suffix: str, metadata: dict | None = None):
        self.folder, self.suffix, self.metadata = Path(filepath), suffix, metadata

    def load(self) -> dict[str, str]:
        """Read every file of the folder."""
        return {path.stem: path.read_text("utf-8") for path in sorted(self.folder.glob(f"*{self.suffix}"))}

    def save(self, data: dict[str, str]) -> None:
        """Write one file per key."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.glob(f"*{self.suffix}"):
            if path.stem not in data:
                path.unlink()
        for name, text in data.items():
            (self.folder / f"{name}{self.suffix}").write_text(text, "utf-8")

    def preview(self) -> HTMLPreview:
        """The page that Kedro-Viz shows: drawings, or plain text."""
        if self.suffix == ".svg":
            parts = [f"<h3>{html.escape(name)}</h3>{svg}" for name, svg in self.load().items()]
        else:
            parts = [f"<pre>{html.escape(text)}</pre>" for text in self.load().values()]
        return HTMLPreview("\n".join(parts))

    def _exists(self) -> bool:
        return self.folder.is_dir()

    def _describe(self) -> dict:
        return {"filepath": self.folder.as_posix(), "suffix": self.suffix}
