from medanomaly.datasets.outputs.page import PageDataset
from medanomaly.datasets.outputs.text_folder import TextFolderDataset


def test_figures_are_previewed_as_drawings_under_their_names(tmp_path):
    folder = TextFolderDataset(filepath=str(tmp_path), suffix=".svg")
    folder.save({"roc<1>": "<svg></svg>"})
    assert folder.preview() == "<h3>roc&lt;1&gt;</h3><svg></svg>"


def test_cards_are_previewed_as_text(tmp_path):
    folder = TextFolderDataset(filepath=str(tmp_path), suffix=".md")
    folder.save({"card": "# a < b"})
    assert folder.preview() == "<pre># a &lt; b</pre>"


def test_a_report_is_previewed_as_the_page_it_is(tmp_path):
    page = PageDataset(filepath=str(tmp_path / "r.html"))
    page.save("<html></html>")
    assert page.preview() == "<html></html>"
