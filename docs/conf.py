"""The documentation site: `make docs`. It is built without a network, and a warning is an error."""

import ast
import re
import runpy
from pathlib import Path

import medanomaly

ROOT = Path(__file__).parents[1]

project, author = "medanomaly", "medanomaly contributors"
version = release = medanomaly.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "jupyter_execute", "demo", "gallery"]
html_theme = "pydata_sphinx_theme"
html_title = "medanomaly"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "use_edit_page_button": False,
    "header_links_before_dropdown": 7,
}
# pages without pages below them need no navigation at their side
html_sidebars = {"gallery": [], "glossary": []}
html_copy_source = False
html_static_path = ["images", "site.css"]
html_css_files = ["site.css"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
# the notebooks are run by the tests; here they are shown
nb_execution_mode = "off"

autodoc_default_options = {"members": True, "exclude-members": "model_config"}
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autosummary_generate = False
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_ivar = True
suppress_warnings = ["autosummary", "myst.xref_missing"]


def _written_pages(app, *_):
    """Pages that follow from other files: glossary, contributing and notebooks keep their one place."""
    source = Path(app.srcdir)
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    table = contributing[contributing.index("## Glossary") :]
    ending = re.search(r"\n## (?!Glossary)", table)
    _write(source / "glossary.md", "# " + table[3 : ending.start() if ending else None].strip() + "\n")
    sections = contributing[contributing.index("## A data set") : contributing.index("## Glossary")]
    _write(source / "extending.md", "# Add a data set, a detector, a network or a pipeline\n\n" + sections)
    _gallery(source)
    folder = source / "notebooks"
    folder.mkdir(exist_ok=True)
    for path in sorted((ROOT / "notebooks").glob("0*.ipynb")):
        _write(folder / path.name, path.read_text("utf-8"))


def _gallery(source):
    """A figure per script of docs/gallery, which leaves it as ``svg``; the first line of its docstring is the title."""
    made = source / "gallery/made"
    made.mkdir(exist_ok=True)
    parts = [
        "# Gallery",
        "A script draws each figure while the site is built, from data that come with the package.",
    ]
    for path in sorted((source / "gallery").glob("*.py")):
        script = path.read_text("utf-8")
        title, _, text = ast.get_docstring(ast.parse(script)).partition("\n\n")
        _write(made / f"{path.stem}.svg", runpy.run_path(str(path))["svg"])
        code = script.split('"""\n', 1)[1].strip()
        parts += [f"## {title}", text, f"```{{image}} gallery/made/{path.stem}.svg\n:alt: {title}\n```"]
        parts += ["<details><summary>Script</summary>", f"```python\n{code}\n```", "</details>"]
    _write(source / "gallery.md", "\n\n".join(parts) + "\n")


def _write(path, text):
    # an unchanged page is not read again
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def _links_to_the_repository(app, docname, source):
    """A link to a file outside the documentation is shown as the path it is."""
    source[0] = re.sub(
        r"\[([^\]]+)\]\((?:\.\./)+(?:deploy|src|notebooks|benchmarks|conf)[^)]*\)", r"\1", source[0]
    )


def setup(app):
    """Connect what is written while the site is built."""
    app.connect("builder-inited", _written_pages)
    app.connect("source-read", _links_to_the_repository)
