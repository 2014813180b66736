"""The notebook without the package: it follows the modules, and without project and network gives the pipeline's figures."""

import json
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT

NOTEBOOK = ROOT / "notebooks" / "unet_vs_reversed_ae_colab.ipynb"
# what Colab brings along, of what the notebook needs
ON_COLAB = {
    "IPython",
    "PIL",
    "fsspec",
    "matplotlib",
    "numba",
    "numpy",
    "pandas",
    "pydantic",
    "safetensors",
    "scipy",
    "skimage",
    "torch",
    "torchvision",
}
# what Colab lacks and the notebook does without
NOT_ON_COLAB = ("kedro", "onnx", "pydicom", "skops", "rapidfuzz", "pyedflib")
# run at the start of the kernel: no way out but that to the notebook itself
SITE = """\
import ipaddress, socket

def blocked(*args, **kwargs):
    raise OSError("there is no network in this test")

class Socket(socket.socket):
    def connect(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not ipaddress.ip_address(address[0]).is_loopback:
            blocked()
        return super().connect(address)

socket.socket, socket.getaddrinfo = Socket, blocked
"""


@pytest.fixture(scope="module")
def made():
    sys.path.insert(0, str(ROOT / "notebooks"))
    try:
        import make_colab
    finally:
        sys.path.pop(0)
    return make_colab


def code_cells():
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def module_cells():
    """Name and text of each module."""
    cells = [cell.partition("\n") for cell in code_cells() if cell.startswith("%%module ")]
    return {first.removeprefix("%%module "): text for first, _, text in cells}


def test_it_is_what_make_colab_writes(made):
    assert NOTEBOOK.read_text("utf-8") == made.notebook(), "run make colab"
    assert NOTEBOOK.stat().st_size < 1e6


def test_its_modules_are_the_files_word_for_word_in_import_order(made):
    held = module_cells()
    seen = set()
    for name, text in held.items():
        assert text + "\n" == (ROOT / "src" / f"{name.replace('.', '/')}.py").read_text("utf-8")
        needed = {i.name for i in made.imports_of(name) if not i.late and i.name in held}
        assert needed <= seen, name
        seen.add(name)


def test_it_installs_nothing_that_colab_has(made):
    assert made.outside() <= ON_COLAB | {"pytorch_lightning"}
    installed = [line.strip() for cell in code_cells() for line in cell.splitlines() if "%pip" in line]
    assert installed == ['%pip install --quiet "pytorch-lightning>=2.6,<3"']


def test_every_cell_is_python():
    from IPython.core.inputtransformer2 import TransformerManager

    for cell in code_cells():
        text = cell.partition("\n")[2] if cell.startswith("%%module ") else cell
        compile(TransformerManager().transform_cell(text), "a cell", "exec")


def test_a_late_import_that_nobody_decided_on_is_refused(made, monkeypatch):
    monkeypatch.setattr(made, "LEFT_OUT", {"training.export": "nothing is exported"})
    with pytest.raises(ValueError, match=r"sources\.dicom.*LEFT_OUT"):
        made.modules()


def test_parts_in_another_order_are_refused(made, monkeypatch):
    monkeypatch.setattr(made, "PARTS", made.PARTS[::-1])
    with pytest.raises(ValueError, match="change the order of PARTS"):
        made.modules()


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """The command of a kernel that has the packages of this environment, but neither the project nor a network."""
    folder = tmp_path_factory.mktemp("empty")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for found in Path(sysconfig.get_path("purelib")).iterdir():
        # an editable install is a file that names a folder
        if found.suffix != ".pth" and not found.name.startswith(("medanomaly", *NOT_ON_COLAB)):
            (packages / found.name).symlink_to(found)
    (packages / "sitecustomize.py").write_text(SITE, "utf-8")
    python = str(folder / "bin" / "python")
    for name in ("medanomaly", *NOT_ON_COLAB):
        done = subprocess.run(
            [python, "-I", "-c", f"import {name}"], check=False, capture_output=True, text=True
        )
        assert "ModuleNotFoundError" in done.stderr, name
    done = subprocess.run(
        [python, "-I", "-c", "import socket; socket.create_connection(('192.0.2.1', 80))"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert "no network" in done.stderr
    return [python, "-I", "-m", "ipykernel_launcher", "-f", "{connection_file}"]


def run(kernel, folder):
    """Execute the notebook in a folder; returns what it printed and the tables that it left."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class Manager(AsyncKernelManager):
        kernel_spec = KernelSpec(argv=kernel, language="python")

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(
        notebook, timeout=1500, kernel_manager_class=Manager, resources={"metadata": {"path": str(folder)}}
    ).execute()
    printed = [
        o.text for cell in notebook.cells for o in cell.get("outputs", []) if o.output_type == "stream"
    ]
    return "".join(printed), {
        name: pd.read_csv(folder / "unet_vs_reversed_ae" / f"{name}.csv", keep_default_na=False, na_values="")
        for name in ("scores", "metrics", "comparisons")
    }


@pytest.fixture(scope="module")
def pipeline(made, tmp_path_factory):
    """Scores and metrics of the same models by the pipeline, of ``conf/base``."""
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    from medanomaly.core.scores import flagged_at
    from medanomaly.pipelines.evaluation.nodes import measure

    bootstrap_project(ROOT)
    outputs = {"outputs": str(tmp_path_factory.mktemp("pipeline"))}
    wanted = [f"imaging.{model}.scores" for model in made.MODELS]
    with KedroSession.create(ROOT, env="base", runtime_params=outputs) as session:
        session.run(to_outputs=wanted)
        context = session.load_context()
    catalog, parameters = context.catalog, context.params
    alarm = parameters["alarm"]
    scores = flagged_at(pd.concat([catalog.load(name) for name in wanted], ignore_index=True), alarm.alpha)
    metrics, comparisons = measure(
        "imaging",
        catalog.load("imaging.cases"),
        scores,
        scores.iloc[:0],
        parameters["evaluation"],
        alarm,
        parameters["run"],
    )
    return {"scores": scores, "metrics": metrics, "comparisons": comparisons}


@pytest.mark.slow
def test_it_runs_without_project_and_network_and_gives_the_figures_of_the_pipeline(
    kernel, pipeline, tmp_path
):
    printed, tables = run(kernel, tmp_path)
    assert "of an earlier run" not in printed
    keys = {
        "scores": ["case_id", "model"],
        "metrics": ["model", "subgroup", "metric"],
        "comparisons": ["model_a", "model_b", "metric"],
    }
    for name, key in keys.items():
        ours, theirs = (
            t[name].fillna({"subgroup": "", "model": ""}).set_index(key) for t in (tables, pipeline)
        )
        assert ours.index.tolist() == theirs.index.tolist()
        numbers = [c for c in theirs.columns if pd.api.types.is_float_dtype(theirs[c].dtype)]
        assert numbers
        pd.testing.assert_frame_equal(
            ours[numbers].astype(float).set_axis(theirs.index),
            theirs[numbers].astype(float),
            rtol=0,
            # scores of torch here, of the ONNX model there
            atol=1e-5 if name == "scores" else 1e-6,
            check_names=False,
        )
    assert (tmp_path / "unet_vs_reversed_ae" / "error_maps.png").stat().st_size > 20_000
    # a second run goes on from the checkpoints: nothing is trained again. Only last digits of scores change, since
    # weights that were read lie in memory in another order than those that were trained
    printed, again = run(kernel, tmp_path)
    assert printed.count("of an earlier run") == 3
    for name in keys:
        pd.testing.assert_frame_equal(
            again[name], tables[name], rtol=0, atol=1e-5 if name == "scores" else 1e-6
        )


@pytest.fixture
def steps(made, monkeypatch, tmp_path):
    """Runs the cells behind the modules in this process, in an empty folder, with short trainings; returns their names."""
    import matplotlib

    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)

    def execute(n=None, **replaced):
        cells = code_cells()
        first = next(i for i, cell in enumerate(cells) if "SEED =" in cell)
        names = {"Path": Path}
        for cell in cells[first:][:n]:
            text = re.sub(r'"max_epochs": \d+', '"max_epochs": 2', cell)
            text = re.sub(r'"warm_up_epochs": \d+', '"warm_up_epochs": 1', text)
            for old, new in replaced.items():
                text = text.replace(SHORTER[old], new)
            exec(compile(text, "a cell", "exec"), names)
        return names

    return execute


SHORTER = {"drive": "/content/drive", "size": "InputContract(size=64", "resamples": "n_resamples=2000"}


@pytest.fixture
def images(made):
    """Writes phantoms into a folder as people keep images: a folder per class; one file is no image."""
    import numpy as np
    from PIL import Image

    from medanomaly.datasets.chest_phantoms import phantom_source
    from medanomaly.synthetic.chest import ChestParams

    def write(folder):
        source = phantom_source(60, ChestParams(height=48, lesion_share=0.3))
        for row in source.manifest.itertuples():
            place = folder / ("pneumonia" if row.label else "normal")
            place.mkdir(parents=True, exist_ok=True)
            pixels = np.round(255 * source.reader.images[row.path]).astype(np.uint8)
            Image.fromarray(pixels).save(place / f"{row.case_id}.png")
        (folder / "normal" / "broken.png").write_bytes(b"no image")

    return write


def test_images_of_a_folder_are_taken_and_what_is_no_image_is_set_aside(steps, images, tmp_path, capsys):
    images(tmp_path / "unet_vs_reversed_ae" / "images")
    names = steps(size="InputContract(size=32", resamples="n_resamples=200")
    assert "60 of 61 images are used." in capsys.readouterr().out
    assert names["quarantine"]["reason"].tolist() == ["no PNG, JPEG, BMP, TIFF or DICOM file"]
    auroc = names["whole"].query("metric == 'auroc'").set_index("model")["value"]
    assert set(auroc.index) == {"unet", "denoising_unet", "reversed_autoencoder"}
    assert auroc.between(0, 1).all()
    assert (tmp_path / "unet_vs_reversed_ae" / "checkpoints" / "unet" / "member_0" / "last.ckpt").is_file()


def test_on_colab_the_drive_is_mounted_and_keeps_images_and_results(steps, images, tmp_path, monkeypatch):
    import types

    mounted = []
    colab = types.ModuleType("google.colab")
    colab.drive = types.SimpleNamespace(mount=mounted.append)
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    drive = tmp_path / "drive"
    place = drive / "MyDrive" / "unet_vs_reversed_ae"
    names = steps(n=1, drive=str(drive))
    assert mounted == [str(drive)]
    assert (names["FOLDER"], names["DATA"]) == (place, None)
    images(place / "images")
    names = steps(n=2, drive=str(drive), size="InputContract(size=32")
    assert names["DATA"] == place / "images"
    assert names["summary"]["n_kept"] == 60
