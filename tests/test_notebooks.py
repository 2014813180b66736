"""Every notebook runs from top to bottom on what ``kedro run --env test`` leaves, and holds no outputs in git."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# the one that needs no run of the project is run by test_colab_notebook.py
OF_THE_RUN = [path for path in NOTEBOOKS if path.stem[0].isdigit()]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_holds_no_outputs(path):
    cells = json.loads(path.read_text())["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.parametrize("path", OF_THE_RUN, ids=lambda p: p.stem)
def test_notebook_runs(path, finished_run, finished_outputs, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("KEDRO_ENV", "test")
    monkeypatch.setenv("MEDANOMALY_OUTPUTS", str(finished_outputs))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}})
    client.execute()
    assert any(cell.get("outputs") for cell in notebook.cells)
