"""Real offline runs, read back from the files that ``wandb sync`` would send."""

import json
import socket
import time

import numpy as np
import optuna
import pandas as pd
import pytest
from kedro.io import MemoryDataset
from tests.conftest import environment

from medanomaly.core.bundle import array_bytes, make_bundle, write_bundle
from medanomaly.pipeline_registry import build
from medanomaly.tracking.params import WandbParams
from medanomaly.tracking.results import git_commit, metric_values, shareable_figures
from medanomaly.tracking.wandb_runs import active_mode, log_results, log_trial, training_loggers, wandb_run

wandb = pytest.importorskip("wandb", reason="needs the extra 'tracking'")
SVG = '<svg xmlns="http://www.w3.org/2000/svg"></svg>'


@pytest.fixture
def params(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "copies"))
    return WandbParams(folder=str(tmp_path / "logged"))


@pytest.fixture
def metrics():
    columns = [
        "modality",
        "model",
        "role",
        "split",
        "subgroup",
        "metric",
        "value",
        "ci_low",
        "ci_high",
        "n",
        "n_positive",
    ]
    return pd.DataFrame(
        [
            ["tabular", "ecdf", "model", "test", pd.NA, "auroc", 0.9, 0.8, 0.95, 100, 10],
            ["tabular", "ecdf", "model", "test", "sex=F", "auroc", 0.7, 0.5, 0.9, 50, 5],
            ["tabular", "1-NN", "baseline", "test", "", "brier", np.nan, np.nan, np.nan, 100, 10],
        ],
        columns=columns,
    )


def records(folder):
    """Every record of the one run under ``folder``, whose last ones a process of W&B writes a moment after the run's end."""
    (path,) = folder.rglob("run-*.wandb")
    for _ in range(200):
        found = read_log(path)
        if found and found[-1].WhichOneof("record_type") == "exit":
            return found
        time.sleep(0.05)
    raise AssertionError(f"the run was never finished: {[r.WhichOneof('record_type') for r in found]}")


def read_log(path):
    """A log in the format of LevelDB behind a header of seven bytes."""
    from wandb.proto import wandb_internal_pb2

    content, at, part, found = path.read_bytes(), 7, b"", []
    while at + 7 <= len(content):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        part += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(part)
            found.append(record)
            part = b""
    return found


def summary(found):
    updates = [u for r in found if r.WhichOneof("record_type") == "summary" for u in r.summary.update]
    return {u.key or "/".join(u.nested_key): json.loads(u.value_json) for u in updates}


def test_only_figures_of_many_patients_are_values(metrics):
    assert metric_values(metrics) == {
        "tabular/ecdf/auroc": 0.9,
        "tabular/ecdf/auroc/ci_low": 0.8,
        "tabular/ecdf/auroc/ci_high": 0.95,
    }


def test_a_figure_is_logged_only_if_it_is_known_to_show_many_cases():
    figures = dict.fromkeys(["tabular_roc", "signals_p_value_calibration", "tabular_explanation_1"], SVG)
    figures |= dict.fromkeys(["imaging_film_17", "roc"], SVG)
    assert list(shareable_figures(figures)) == ["tabular_roc", "signals_p_value_calibration"]


def test_a_run_is_written_offline_without_an_account_or_a_network(params, metrics, tmp_path, monkeypatch):
    connect = socket.socket.connect

    def refused(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1"):
            raise AssertionError(f"a connection to {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refused)
    bundle = make_bundle(
        {
            "kind": "ecdf",
            "name": "ecdf",
            "modality": "tabular",
            "dataset": "ward",
            "training_data": {"fingerprint": "abc"},
        },
        {"calibration.npy": array_bytes(np.arange(3.0))},
    )
    write_bundle(tmp_path / "bundle", bundle)
    with wandb_run(params, name="ward", config={"git_commit": "123"}) as run:
        log_results(
            run, params, metrics, metrics.head(0), {"tabular_roc": SVG}, {tmp_path / "bundle": bundle}
        )
    found = records(tmp_path / "logged")
    assert summary(found)["tabular/ecdf/auroc"] == 0.9
    artifacts = [r.artifact for r in found if r.WhichOneof("record_type") == "artifact"]
    models = [a for a in artifacts if a.type == "model"]
    assert [a.name for a in models] == ["ward-tabular-ecdf"]
    assert bundle.bundle_hash in models[0].metadata
    (run_record,) = [r.run for r in found if r.WhichOneof("record_type") == "run"][:1]
    config = {u.key: json.loads(u.value_json) for u in run_record.config.update}
    assert config["git_commit"] == "123"


def test_a_trial_is_a_run_of_the_group_of_its_study(params, tmp_path):
    study = optuna.create_study(study_name="ward/tabular.ecdf", direction="maximize")

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        trial.report(x / 2, 0)
        return x

    study.optimize(objective, n_trials=1)
    log_trial(params, study.study_name, study.trials[0])
    found = records(tmp_path / "logged")
    run = next(r.run for r in found if r.WhichOneof("record_type") == "run")
    assert run.run_group == "ward/tabular.ecdf"
    assert summary(found)["value"] == study.best_value


def test_disabled_writes_nothing(params, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert active_mode(params) == "disabled"
    with wandb_run(params, name="ward") as run:
        assert run is None
    assert not (tmp_path / "logged").exists()


def test_the_commit_says_when_files_differ_from_it(tmp_path):
    assert git_commit(tmp_path) is None


@pytest.fixture
def whole_pipeline(finished_run):
    return build(environment("test"), "__default__")


def test_the_hook_logs_a_whole_run_and_nothing_of_it_names_a_patient(
    finished_run, whole_pipeline, tmp_path, monkeypatch
):
    from medanomaly.hooks import TrackingHooks

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "copies"))
    monkeypatch.setitem(
        finished_run, "params:tracking", MemoryDataset({"wandb": {"folder": str(tmp_path / "logged")}})
    )
    TrackingHooks().after_pipeline_run({"env": "test"}, whole_pipeline, finished_run)
    found = records(tmp_path / "logged")
    measured = metric_values(finished_run["metrics"].load())
    logged = summary(found)
    assert {name: logged.get(name) for name in measured} == pytest.approx(measured)
    artifacts = [r.artifact for r in found if r.WhichOneof("record_type") == "artifact"]
    bundles = [name for name in whole_pipeline.datasets() if name.endswith(".bundle")]
    assert len([a for a in artifacts if a.type == "model"]) == len(bundles)
    config = {u.key: json.loads(u.value_json) for r in found for u in r.run.config.update}
    fingerprint = finished_run["tabular.ecdf.bundle"].load().manifest["training_data"]["fingerprint"]
    assert config["training_data"]["tabular.ecdf"] == fingerprint
    names = {
        str(value).encode()
        for entry in whole_pipeline.datasets()
        if entry.endswith(".cases")
        for column in ("case_id", "patient_id")
        for value in finished_run[entry].load()[column]
    }
    assert len(names) > 400
    for path in (tmp_path / "logged").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [name for name in names if name in content], path.name


def test_a_tracker_that_fails_does_not_fail_the_run(finished_run, whole_pipeline, monkeypatch):
    from medanomaly import hooks

    def broken(*_):
        raise OSError("no space left")

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(hooks, "_log_to_wandb", broken)
    said = []
    monkeypatch.setattr(hooks.logger, "warning", lambda text, *values, **_: said.append(text % values))
    hooks.TrackingHooks().after_pipeline_run({}, whole_pipeline, finished_run)
    assert said == ["Nothing was logged to W&B: no space left"]


def test_a_training_writes_its_epochs_to_a_run_of_its_own(params, tmp_path):
    from pytorch_lightning.loggers import WandbLogger

    with training_loggers(params, name="autoencoder", group="ward") as loggers:
        (logger,) = loggers
        assert isinstance(logger, WandbLogger)
        logger.log_metrics({"validation_loss": 0.25}, step=0)
    assert summary(records(tmp_path / "logged"))["validation_loss"] == 0.25


def test_a_training_has_no_logger_where_it_is_disabled(params, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with training_loggers(params, name="autoencoder") as loggers:
        assert loggers == []
