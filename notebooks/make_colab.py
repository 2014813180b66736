"""Write ``unet_vs_reversed_ae_colab.ipynb``: the modules it needs as cells, in import order, then what they are used for.

``make colab``. The notebook needs no installed package and no network. Its module cells are the files of ``src``, word for
word, and its settings are those of ``conf/base``. A test fails where it is not what this script would write.
"""

import ast
import json
import pprint
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kedro.config import OmegaConfigLoader

from medanomaly.settings import CONFIG_LOADER_ARGS

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
TARGET = ROOT / "notebooks" / "unet_vs_reversed_ae_colab.ipynb"
NETWORKS = ("unet", "reversed_autoencoder")
MODELS = ("unet", "denoising_unet", "reversed_autoencoder")

# what the cells below use, and what is imported by name only when it is needed
USED = (
    "core.cases",
    "core.scores",
    "core.splits",
    "datasets.chest_phantoms",
    "evaluation.comparison",
    "evaluation.metrics",
    "imaging.augmentation",
    "imaging.maps.identity_leak",
    "imaging.networks.detector",
    *(f"imaging.networks.{network}.{part}" for network in NETWORKS for part in ("kind", "lightning", "head")),
    "imaging.sources.folders",
    "imaging.sources.image_cases",
    "imaging.sources.store",
)
# imported inside functions that the notebook does not reach
LEFT_OUT = {
    "imaging.sources.dicom": "Colab lacks pydicom; a DICOM file is set aside with that reason",
    "training.export": "nothing is exported",
}
# heading, what it is, and the packages whose modules stand below it; the longest name that fits a module counts
PARTS = (
    ("Cases, splits, scores", "The vocabulary: tables of cases, the division by patient, p-values, errors.", ("core",)),
    ("Phantoms of chests", "Images that are drawn, so that everything can be tried without data.", ("synthetic",)),
    (
        "From files to prepared images",
        "Folders are listed, files are decoded a few at a time into one array on the disk, and cases are divided.",
        ("imaging.sources", "datasets"),
    ),
    ("Training", "Epochs with a checkpoint after each; a stopped training goes on where it was.", ("training",)),
    ("What networks share", "Blocks, contrast, augmentation, and the detector that a network becomes.", ("imaging",)),
    ("U-Net", "Encoder and decoder, joined at every resolution; three tasks.", ("imaging.networks.unet",)),
    (
        "Reversed Autoencoder",
        "A variational autoencoder that learns to tell its own images from real ones.",
        ("imaging.networks.reversed_autoencoder",),
    ),
    ("Figures with intervals", "Metrics and paired differences, from resampled patients.", ("evaluation",)),
)  # fmt: skip


@dataclass(frozen=True)
class Import:
    """One import of a module.

    Attributes:
        name: full name of what is imported.
        late: it stands inside a function.
    """

    name: str
    late: bool


def file_of(module: str) -> Path | None:
    """The file of a module of the project, None for a package and for anything else."""
    path = SOURCE.joinpath(*module.split(".")).with_suffix(".py")
    return path if path.is_file() else None


@cache
def imports_of(module: str) -> list[Import]:
    """Everything that a module imports, except for type checkers."""
    found: list[Import] = []

    def look(node: ast.AST, late: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                found.extend(Import(alias.name, late) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                names = (f"{child.module}.{alias.name}" for alias in child.names)
                found.extend(Import(name if file_of(name) else child.module, late) for name in names)
            look(child, late or isinstance(child, ast.FunctionDef))

    look(ast.parse(file_of(module).read_text("utf-8")), False)
    return found


def modules() -> list[str]:
    """What the notebook holds, in import order.

    Raises:
        ValueError: a part imports a later one, or a module imports one late that is neither held nor left out on purpose.
    """
    found: list[str] = []

    def visit(module: str) -> None:
        if module in found or file_of(module) is None:
            return
        for needed in imports_of(module):
            if not needed.late and needed.name.startswith("medanomaly"):
                visit(needed.name)
        found.append(module)

    for module in USED:
        visit(f"medanomaly.{module}")
    # each part after those that it imports
    order = sorted(found, key=_part)
    early = [
        (module, needed.name)
        for at, module in enumerate(order)
        for needed in imports_of(module)
        if not needed.late and needed.name in order[at:]
    ]
    if early:
        raise ValueError(f"these import what comes later: {early}; change the order of PARTS")
    unknown = {
        late.name
        for module in order
        for late in imports_of(module)
        if late.late and file_of(late.name) and late.name not in order and _short(late.name) not in LEFT_OUT
    }
    if unknown:
        raise ValueError(f"{sorted(unknown)} are imported late: add them to USED or to LEFT_OUT")
    return order


def outside() -> set[str]:
    """Packages that the modules need besides the standard library."""
    names = {i.name.partition(".")[0] for module in modules() for i in imports_of(module)}
    return names - set(sys.stdlib_module_names) - {"medanomaly"}


def _short(module: str) -> str:
    return module.removeprefix("medanomaly.")


def _part(module: str) -> int:
    """Number of the part that a module belongs to."""
    fitting = [
        (len(package), number)
        for number, (*_, packages) in enumerate(PARTS)
        for package in packages
        if _short(module).startswith(f"{package}.")
    ]
    return max(fitting)[1]


def settings() -> dict[str, str]:
    """The settings of ``conf/base`` as Python, by their place in the cells."""
    loader = OmegaConfigLoader(str(ROOT / "conf"), env="base", **CONFIG_LOADER_ARGS)
    parameters, catalog = loader["parameters"], loader["catalog"]
    phantoms = {k: v for k, v in catalog["imaging.raw"].items() if k not in ("type", "metadata", "seed")}
    models = {
        name: {
            "network": {"network": block["kind"]} | block["network"],
            "training": block["training"],
        }
        for name, block in parameters["models"]["imaging"].items()
        if name in MODELS
    }
    split = {name: value for name, value in parameters["split"].items() if name != "seed"}
    alarm = {name: parameters["alarm"][name] for name in ("alpha", "group_by", "min_group_size")}
    return {
        "SEED": repr(parameters["run"]["seed"]),
        "N_PHANTOMS": repr(phantoms.pop("n_patients")),
        "PHANTOMS": _arguments(phantoms),
        "CONTRACT": _arguments(parameters["imaging_processing"]["contract"]),
        "SPLIT": _arguments(split),
        "EVALUATION": _arguments(alarm | {"n_resamples": parameters["evaluation"]["n_resamples"]}),
        "MODELS": pprint.pformat(models, sort_dicts=False, width=100),
    }


def _arguments(values: dict) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


INTRODUCTION = """\
# U-Net against the Reversed Autoencoder, in one notebook

Both networks see only normal images in training, and both are used to find what is not normal. This notebook holds all
the code that is needed, so it runs where nothing else is: on Colab, or on a machine without a network. Run it from top to
bottom.

- Without data it draws chest phantoms: a few minutes on one core. They show how the comparison is made, not what it gives on
  real images.
- With images of your own, put them on your Drive or name their folder under *Settings*.
- A training that was interrupted goes on after its last epoch when the cells are run again.

The code cells of the first half are the modules of the project `medanomaly`, word for word. What they are used for begins at
*Settings*. Research use only: no decision about a patient may rest on it.
"""

INSTALL = """\
import importlib.util

# the only package that Colab lacks
if importlib.util.find_spec("pytorch_lightning") is None:
    %pip install --quiet "pytorch-lightning>=2.6,<3"
"""

MAGIC = '''\
import importlib
import sys
import tempfile
from pathlib import Path

from IPython.core.magic import register_cell_magic

CELLS = Path(tempfile.mkdtemp(prefix="cells_"))
sys.path.insert(0, str(CELLS))


@register_cell_magic("module")
def define_module(name, text):
    """Make the text of a cell the module of this name, so that others can import it."""
    path = CELLS.joinpath(*name.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    for package in (folder for folder in path.parents if CELLS in folder.parents):
        (package / "__init__.py").touch()
    path.write_text(text, "utf-8")
    # after a change of a cell, run those below it again
    sys.modules.pop(name, None)
    importlib.invalidate_caches()
    importlib.import_module(name)
'''

SETTINGS = """\
import logging

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from medanomaly.core.cases import reference_cases
from medanomaly.core.scores import check_scores, flagged_at, score_table
from medanomaly.core.splits import SplitParams
from medanomaly.datasets.chest_phantoms import phantom_source
from medanomaly.evaluation.comparison import compare_models
from medanomaly.evaluation.metrics import evaluate
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.imaging.maps.identity_leak import identity_leak, paste_discs
from medanomaly.imaging.networks.detector import NetworkDetector
from medanomaly.imaging.networks.kinds import network_params
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.folders import class_folders
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.imaging.sources.image_cases import image_cases
from medanomaly.imaging.sources.store import load_masks, open_store
from medanomaly.synthetic.chest import ChestParams
from medanomaly.training.params import TrainingParams

# how far a training is, and what was set aside
logging.basicConfig(level=logging.WARNING, format="%(message)s")
logging.getLogger("medanomaly").setLevel(logging.INFO)

# where checkpoints and results are kept
try:
    from google.colab import drive
except ImportError:
    FOLDER = Path("unet_vs_reversed_ae")
else:
    drive.mount("/content/drive")
    FOLDER = Path("/content/drive/MyDrive/unet_vs_reversed_ae")
FOLDER.mkdir(parents=True, exist_ok=True)

# PNG or JPEG images, one folder per class, one of them called "normal"; above them there may be "train" and "test".
# None draws phantoms. By default: the folder "images" beside the results, if there is one.
DATA = FOLDER / "images" if (FOLDER / "images").is_dir() else None

SEED = {SEED}
CONTRACT = InputContract({CONTRACT})
SPLIT = SplitParams({SPLIT}, seed=SEED)
EVALUATION = EvaluationParams({EVALUATION}, seed=SEED)
# Sized for the phantoms. Real images need wider networks and longer training: start with a width of 8, four levels and
# 40 epochs for the U-Nets, and with a latent of 32, widths of 8 to 64 and 36 epochs, 20 of them warm-up, for the Reversed
# Autoencoder.
MODELS = {MODELS}
"""

DATA = """\
if DATA is None:
    source = phantom_source({N_PHANTOMS}, ChestParams({PHANTOMS}, seed=SEED))
else:
    source = class_folders(str(DATA))
# on the local disk: a Drive would be read image by image in every epoch
store = open_store(source, CONTRACT, "prepared_images")
manifest, cases, quarantine, summary = image_cases(source, store, SPLIT)
images = ImageArray(store.images, manifest["row"])
print(f"{{summary['n_kept']}} of {{summary['n_records']}} images are used.", *summary["notes"])
pd.crosstab(cases["split"], cases["kind"])
"""

TRAIN = """\
normal = np.flatnonzero(reference_cases(cases, "train"))
patients = cases["patient_id"].to_numpy()[normal]
detectors, losses = {}, {}
for name, model in MODELS.items():
    detector = NetworkDetector(network_params(model["network"]), TrainingParams(**model["training"]), SEED)
    detector.fit(images.at(normal), groups=patients, folder=FOLDER / "checkpoints" / name)
    detectors[name], (run,) = detector, detector.runs_
    again = f", after {run.resumed_from_epoch} of an earlier run" if run.resumed_from_epoch else ""
    print(f"{name}: {run.epochs_run} epochs{again}, the best is {run.best_epoch}")
    losses[name] = run.history.query("metric == 'validation_loss'").set_index("epoch")["value"]

axis = pd.DataFrame(losses).plot(logy=True, figsize=(6, 3), marker="o")
axis.set(xlabel="epoch", ylabel="error on held-out normal images");
"""

EVALUATE = """\
def in_batches(function, images, size=256):
    \"\"\"A function of images, of which only some are in memory at a time.\"\"\"
    return np.concatenate([function(images[i : i + size]) for i in range(0, len(images), size)])


scores = pd.concat(
    [
        score_table(cases, in_batches(detector.score, images), name, None)
        for name, detector in detectors.items()
    ],
    ignore_index=True,
)
scores = flagged_at(check_scores(scores), EVALUATION.alpha)
metrics = evaluate(cases, scores, "imaging", EVALUATION)
comparisons = compare_models(cases, scores, "imaging", EVALUATION)
for name, table in (("scores", scores), ("metrics", metrics), ("comparisons", comparisons)):
    table.to_csv(FOLDER / f"{name}.csv", index=False)

whole = metrics[metrics["subgroup"].eq("") & metrics["metric"].isin(["auroc", "auprc", "false_alarm_rate"])]
shown = [f"{row.value:.3f} [{row.ci_low:.3f}, {row.ci_high:.3f}]" for row in whole.itertuples()]
whole.assign(shown=shown).pivot_table(index="model", columns="metric", values="shown", aggfunc="first")
"""

COMPARE = """\
comparisons.query("metric == 'auroc'")[["model_a", "model_b", "difference", "ci_low", "ci_high"]].round(3)
"""

MAPS = """\
chosen = np.flatnonzero((cases["split"] == "test") & (cases["label"] == 1))[:5]
chosen = np.append(chosen, np.flatnonzero((cases["split"] == "test") & (cases["label"] == 0))[0])
looked_at = images[chosen]
masks, known = load_masks(source, manifest.iloc[chosen].reset_index(drop=True), CONTRACT)

fig, axes = plt.subplots(1 + 2 * len(detectors), len(chosen), figsize=(8.4, 1.4 * (1 + 2 * len(detectors))))
grey = {"cmap": "gray", "vmin": 0, "vmax": 1}
for axis, image, mask, kind in zip(axes[0], looked_at, masks, cases["kind"].iloc[chosen], strict=True):
    axis.imshow(image, **grey)
    axis.set_title(kind, fontsize=8)
    if mask.any():
        axis.contour(mask, levels=[0.5], colors="tab:orange", linewidths=0.8)
axes[0, 0].set_ylabel("image", fontsize=8)
for (name, detector), answers, maps in zip(detectors.items(), axes[1::2], axes[2::2], strict=True):
    found = detector.error_map(looked_at)
    # one scale per network, so that images can be compared; most errors at the border say nothing
    border = found.shape[1] // 8
    top = np.quantile(found[:, border:-border, border:-border], 0.999)
    for axis, answer in zip(answers, detector.reconstruct(looked_at), strict=True):
        axis.imshow(answer, **grey)
    for axis, error in zip(maps, found, strict=True):
        axis.imshow(error, cmap="inferno", vmin=0, vmax=top)
    label = name.replace("_", "\\n")
    answers[0].set_ylabel(f"{label}\\nanswer", fontsize=8)
    maps[0].set_ylabel(f"{label}\\nerror", fontsize=8)
for axis in axes.ravel():
    axis.set(xticks=[], yticks=[])
fig.tight_layout(pad=0.3)
fig.savefig(FOLDER / "error_maps.png", dpi=120)
"""

LEAK = """\
healthy = images[np.flatnonzero(reference_cases(cases, "calibration"))[:20]]
discs = paste_discs(healthy, healthy.shape[1] / 10, 0.3, seed=SEED)

fig, axes = plt.subplots(1, 2 + len(detectors), figsize=(2 * (2 + len(detectors)), 2.4))
pictures = {"normal image": healthy[0], "with a disc": discs[0]}
for name, detector in detectors.items():
    leak = identity_leak(detector.reconstruct, healthy).leak
    pictures[f"{name.replace('_', ' ')}\\nleak {leak:.2f}"] = detector.reconstruct(discs[:1])[0]
for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
    axis.imshow(picture, **grey)
    axis.set_title(title, fontsize=9)
    axis.axis("off")
"""

NEXT = """\
## Where to go on

- Change `MODELS` and run from *Settings* on: other settings start a training of their own, equal ones are not trained again.
- A difference counts only if its interval does not include zero, and it counts for these images: the shape of an image, or
  how it was taken, can say much of a label. The project's report shows such baselines, whether p-values hold, and subgroups.
- The project also exports, seals and serves these models, reads DICOM, and does the same for tables and recordings. Its
  `kedro run --tags imaging` gives the figures of this notebook.
"""


MODULES = """\
## The modules

Each cell that begins with `%%module` is a file of the project. The magic makes it importable.
"""

# what a step does, and its code
STEPS = (
    ("## Settings\n\nOn Colab your Drive keeps checkpoints and results.", SETTINGS),
    (
        "## The images\n\nFiles are decoded one after the other into an array on the disk, from which batches are read. "
        "All images of a patient are in the same part. An image that cannot be read is set aside with the reason "
        "(`quarantine`).",
        DATA,
    ),
    (
        "## Training\n\nOn normal images only; 15 % of their patients are held out to choose the best epoch. The state is "
        "saved after each epoch. If the runtime stops, run all cells again.",
        TRAIN,
    ),
    (
        "## Which finds more?\n\nOn the test images, with 95 % intervals from resampled patients. An alarm is a p-value "
        "of at most alpha among the normal calibration images.",
        EVALUATE,
    ),
    ("Paired differences in AUROC: both models are measured on the same resamples.", COMPARE),
    (
        "## Where is an image unusual?\n\nThe answer of each network, and its error. The outline is the lesion, where it is "
        "known; the last image is normal.",
        MAPS,
    ),
    (
        "## Does it copy?\n\nA disc is pasted into a normal image. A network that copies it leaves no error. The leak is "
        "the share of the disc that remains: 0 removes it, 1 copies it.",
        LEAK,
    ),
)


def cells() -> Iterator[tuple[str, str]]:
    """Kind and text of every cell, from top to bottom."""
    yield "markdown", INTRODUCTION
    yield "code", INSTALL
    yield "markdown", MODULES
    yield "code", MAGIC
    last = None
    for module in modules():
        title, about, _ = PARTS[_part(module)]
        if title != last:
            yield "markdown", f"### {title}\n\n{about}"
            last = title
        yield "code", f"%%module {module}\n" + file_of(module).read_text("utf-8")
    values = settings()
    for about, code in STEPS:
        yield "markdown", about
        yield "code", code.format(**values) if code in (SETTINGS, DATA) else code
    yield "markdown", NEXT


def notebook() -> str:
    """The text of the notebook file."""
    made = []
    for number, (kind, text) in enumerate(cells()):
        cell = {"cell_type": kind, "id": f"cell-{number:03d}", "metadata": {}}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        made.append(cell | {"source": text.rstrip("\n").splitlines(keepends=True)})
    about = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    whole = {"cells": made, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return _formatted(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")


def _formatted(text: str) -> str:
    """As the project formats its notebooks; cells of modules are formatted already."""
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TARGET), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout


if __name__ == "__main__":
    TARGET.write_text(notebook(), "utf-8")
    sys.stdout.write(
        f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size / 1e6:.2f} MB, {len(modules())} modules\n"
    )
