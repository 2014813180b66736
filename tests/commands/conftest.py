import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kedro.runner import SequentialRunner
from PIL import Image
from tests.signals.drawn_ecg import ecg

from medanomaly.commands.cli import call

ROOT = Path(__file__).parents[2]
# one model that is fast, and an evaluation that is
QUICK_GLOBALS = "models: {tabular: [ecdf, nearest_neighbours]}\n"
QUICK_PARAMETERS = "evaluation: {n_resamples: 200}\ntracking: {wandb: {mode: disabled}}\n"


def visits(n=400, seed=0):
    """A table as people export one: units in headers, ids, a name, dates, an outcome."""
    random = np.random.default_rng(seed)
    patient = random.integers(1, 200, n)
    admitted = pd.Timestamp("2023-01-01") + pd.to_timedelta(random.integers(0, 700, n), unit="D")
    ill = random.random(n) < 0.1
    return pd.DataFrame({
        "Visit ID": [f"V{seed}{i:04d}" for i in range(n)],
        "PatientID": [f"P{i:04d}" for i in patient],
        "Name": [f"Doe{i} Jane{7 * i}" for i in patient],
        "Sex": random.choice(["F", "M"], n),
        "Age (years)": random.integers(18, 95, n),
        "Admitted": admitted.strftime("%Y-%m-%d"),
        "Discharged": (admitted + pd.to_timedelta(random.integers(1, 9, n), unit="D")).strftime("%Y-%m-%d"),
        "Glucose mg/dL": (100 + 15 * random.standard_normal(n) + 90 * ill).round(),
        "MAP [mmHg]": (90 + 10 * random.standard_normal(n) - 25 * ill).round(),
        "Temp (°C)": (36.8 + 0.3 * random.standard_normal(n) + 1.5 * ill).round(1),
        "K": (4.1 + 0.3 * random.standard_normal(n)).round(1),
        "Ward": random.choice(["A", "B", "C"], n),
        "Outcome": np.where(ill, random.choice(["sepsis", "DKA"], n), "well"),
    })  # fmt: skip


def environment_variables(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MEDANOMALY_")}
    return kept | {"PYTHONPATH": str(ROOT / "src"), "WANDB_MODE": "disabled"} | more


def process(*words, cwd, script=None):
    """The command in a process of its own, or a script in its place."""
    command = [sys.executable, *(("-c", script) if script else ("-m", "medanomaly", *map(str, words)))]
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    return subprocess.run(command, cwd=cwd, env=environment_variables(), check=False, **options)


def run_here(project, env, **what):
    """Run pipelines of an environment in this process, which has imported what they need."""
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(ROOT)
    # relative paths are those of the folder that the command is called in
    with contextlib.chdir(project), KedroSession.create(project, env=env) as session:
        session.run(runner=SequentialRunner(), **what)


@pytest.fixture
def answer(capsys):
    """Call the command in this process; returns exit code, output and errors."""

    def asked(*words):
        with pytest.raises(SystemExit) as ended:
            call([str(word) for word in words])
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return asked


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A folder with a copy of the configuration, as in a checkout, and the raw data of somebody."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "conf", folder / "conf")
    visits().to_csv(folder / "visits.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def trained(project):
    """Outputs of the environment that ``init`` writes for the table, made once."""
    written = process("init", "visits", "visits.csv", cwd=project)
    assert written.returncode == 0, written.stderr
    for file, more in (("globals.yml", QUICK_GLOBALS), ("parameters.yml", QUICK_PARAMETERS)):
        path = project / "conf/visits" / file
        path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")
    ran = process("run", "--env", "visits", cwd=project)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return project / "data"


@pytest.fixture(scope="session")
def models(trained):
    return trained / "06_models/visits"


@pytest.fixture(scope="session")
def new_visits(project):
    """Cases that no model has seen, some of them strange."""
    table = (
        visits(60, seed=1)
        .drop(columns=["Outcome", "Name"])
        .astype({"Glucose mg/dL": object, "Temp (°C)": object})
    )
    table.loc[0, "Glucose mg/dL"] = 940
    table.loc[1, "Temp (°C)"] = 98.6
    table.loc[2, "Glucose mg/dL"] = "4.0 clotted"
    table.loc[3, "Visit ID"] = "=cmd|'/c calc'!A1"
    path = project / "new.csv"
    table.to_csv(path, index=False)
    return path


def draw_images(folder, n, seed, spot=False):
    """Grey gradients with noise; those with a spot have a bright square."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        image = np.linspace(40, 180, 72)[:, None] + 12 * random.standard_normal((72, 72))
        if spot:
            image[20:40, 20:40] = 250
        Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(
            folder / f"{'spot' if spot else 'plain'}_{i:03d}.png"
        )


def draw_recordings(folder, n=4):
    """CSV files of one lead each, without times."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(n):
        series = ecg(seed, n_beats=60)
        pd.DataFrame({"II [mV]": series.signal[:, 0].round(4)}).to_csv(folder / f"r{seed}.csv", index=False)


def as_json(text):
    """JSON as any program reads it: without NaN."""

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)
