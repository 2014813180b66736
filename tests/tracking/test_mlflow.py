"""A run with kedro-mlflow, read back from the store that it left.

It runs in a process of its own, since the plugin changes every session of the one it is loaded into.
"""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from medanomaly.tracking.results import metric_values

mlflow = pytest.importorskip("mlflow", reason="needs the extra 'mlflow'")
pytest.importorskip("kedro_mlflow", reason="needs the extra 'mlflow'")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logged")
    command = [sys.executable, "-m", "kedro", "run", "--env", "test", "--params", f"outputs={folder}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def logged(outputs):
    client = mlflow.MlflowClient(f"sqlite:///{outputs}/mlflow.db")
    experiment = client.get_experiment_by_name("medanomaly")
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def test_mlflow_has_every_figure_of_the_metrics_table(outputs, logged):
    table = pd.read_csv(outputs / "08_reporting/synthetic/metrics.csv", dtype={"subgroup": "string"})
    expected = metric_values(table)
    assert len(expected) > 50
    assert logged.data.metrics == pytest.approx(expected)


def test_the_run_says_what_it_is_of_and_which_options_it_had(logged):
    assert logged.info.status == "FINISHED"
    assert logged.data.tags["dataset"] == "synthetic"
    assert "n_estimators" in logged.data.params["models.tabular.isolation_forest"]


def test_nothing_logged_names_a_case(outputs, logged):
    cases = pd.read_parquet(outputs / "03_primary/synthetic/tabular/cases.parquet")
    text = str(logged.to_dictionary())
    assert not [name for name in [*cases["case_id"], *cases["patient_id"]] if str(name) in text]


def test_the_store_stays_among_the_outputs():
    assert not (ROOT / "mlruns").exists()
    assert not (ROOT / "mlflow.db").exists()
