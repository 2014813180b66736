"""Outputs of different settings, half-written ones and those of two runs at once are never mixed."""

import json
import os
import re
import subprocess
import sys
import time

import pandas as pd
import pytest
import yaml
from filelock import FileLock
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

import medanomaly
from medanomaly.core.bundle import MANIFEST, read_bundle
from medanomaly.core.errors import ConfigurationError
from medanomaly.plain_errors import plain_error
from medanomaly.run_record import LOCK, RECORD, Outputs, RunRecordHooks
from tests.conftest import ROOT, described_models
from tests.test_bad_input import Project, good_table


class Small(Project):
    """One quick model on one table."""

    def write_conf(self):
        super().write_conf()
        path = self.conf / "mine" / "parameters.yml"
        blocks = dict.fromkeys(described_models("tabular")) | {"tails": {"kind": "ecdf"}}
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"models": {"tabular": blocks}}))

    def session_run(self, alpha=0.1, n_resamples=100, settings=(), **what):
        given = {"alarm": {"alpha": alpha}, "evaluation": {"n_resamples": n_resamples}} | dict(settings)
        bootstrap_project(ROOT)
        with KedroSession.create(
            ROOT, env="mine", conf_source=str(self.conf), runtime_params=given
        ) as session:
            try:
                session.run(**what)
            except Exception as error:
                raise plain_error(error) or error from None
            return session.load_context().catalog


def files_of(outputs):
    """Every file that a run leaves, without the times that stand in some."""
    found = {}
    for path in sorted(path for path in outputs.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.name == MANIFEST:
            content = read_bundle(path.parent).bundle_hash
        elif path.name == RECORD:
            content = sorted(json.loads(content)["made"])
        elif path.suffix in (".md", ".html"):
            content = re.sub(rb"\d{4}-\d\d-\d\d[T\d:.+]*|\d+ \w+ 20\d\d", b"", content)
        found[str(path.relative_to(outputs))] = content
    return found


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    small = Small(tmp_path_factory.mktemp("small"))
    good_table().to_csv(small.csv, index=False)
    small.write_conf()
    small.folder = small.outputs / "08_reporting" / "mine"
    small.session_run()
    small.undisturbed = files_of(small.outputs)
    return small


def flagged_at(catalog, alpha):
    scores = catalog["tabular.scores"].load().dropna(subset=["p_value"])
    return (scores["flagged"] == (scores["p_value"] <= alpha)).all() and scores["flagged"].any()


def test_a_part_that_reads_outputs_of_other_settings_is_refused_and_the_settings_are_named(small):
    # p-values within groups are other p-values
    grouped = {"alarm": {"alpha": 0.1, "min_group_size": 50}}
    with pytest.raises(
        ConfigurationError, match=r"was made with other alarm\.min_group_size than this run has.*outputs="
    ):
        small.session_run(settings=grouped, pipeline_names=["evaluation"])
    # a setting that these outputs do not depend on can change
    catalog = small.session_run(n_resamples=120, pipeline_names=["evaluation"])
    assert flagged_at(catalog, 0.1)


@pytest.fixture(scope="module")
def at_a_fifth(small, tmp_path_factory):
    """Files of a whole run whose alarm flags a fifth."""
    outputs = tmp_path_factory.mktemp("fifth")
    small.session_run(alpha=0.2, settings={"outputs": str(outputs)})
    return files_of(outputs)


def test_another_alpha_gives_what_a_whole_run_gives_without_a_new_model(small, at_a_fifth):
    assert at_a_fifth != small.undisturbed
    models = small.outputs / "06_models" / "mine" / "tabular"
    before = (models / "tails" / "manifest.json").stat().st_mtime_ns
    catalog = small.session_run(alpha=0.2, pipeline_names=["evaluation"])
    assert flagged_at(catalog, 0.2)
    assert files_of(small.outputs) == at_a_fifth
    # raw cases are flagged as those of the report
    assert [medanomaly.open(folder)["tails"].alpha for folder in (models, models / "tails")] == [0.2, 0.2]
    small.session_run(alpha=0.1, only_missing_outputs=True)
    assert files_of(small.outputs) == small.undisturbed
    assert (models / "tails" / "manifest.json").stat().st_mtime_ns == before


def test_only_missing_outputs_makes_again_what_other_settings_made(small):
    grouped = {"alarm": {"alpha": 0.1, "min_group_size": 50}}
    features = small.outputs / "04_feature" / "mine" / "tabular" / "features.parquet"
    manifest = small.outputs / "06_models" / "mine" / "tabular" / "tails" / "manifest.json"
    before, trained = features.stat().st_mtime_ns, manifest.stat().st_mtime_ns
    small.session_run(settings=grouped, only_missing_outputs=True)
    assert features.stat().st_mtime_ns == before
    assert manifest.stat().st_mtime_ns > trained
    small.session_run(only_missing_outputs=True)
    assert files_of(small.outputs) == small.undisturbed


def test_raw_data_that_changed_is_another_setting(small):
    good_table(seed=1).to_csv(small.csv, index=False)
    try:
        with pytest.raises(ConfigurationError, match=r"other tabular\.raw than"):
            small.session_run(pipeline_names=["evaluation"])
    finally:
        good_table().to_csv(small.csv, index=False)
        small.session_run()


def test_an_output_that_was_not_written_to_the_end_is_made_again_or_refused(small):
    scores = small.outputs / "07_model_output" / "mine" / "tabular" / "tails_scores.parquet"
    whole = pd.read_parquet(scores)
    # what a process leaves that is killed while it writes over an earlier file: half a file and no entry
    hooks = RunRecordHooks()
    hooks._latest = Outputs(
        small.folder, made=(known := json.loads((small.folder / RECORD).read_text()))["made"]
    )
    hooks._latest.since = known["since"]
    hooks.before_dataset_saved("tabular.tails.scores")
    scores.write_bytes(scores.read_bytes()[:100])
    assert "tabular.tails.scores" not in json.loads((small.folder / RECORD).read_text())["made"]
    with pytest.raises(ConfigurationError, match="not written to the end"):
        small.session_run(pipeline_names=["evaluation"])
    small.session_run(only_missing_outputs=True)
    pd.testing.assert_frame_equal(pd.read_parquet(scores), whole)


def test_a_second_run_in_the_same_folder_is_refused_while_the_first_goes_on(small):
    with (
        FileLock(small.folder / LOCK),
        pytest.raises(ConfigurationError, match="another run writes to this folder"),
    ):
        small.session_run()
    # a run that ended, well or not, leaves no lock
    small.session_run(pipeline_names=["evaluation"])


def test_a_run_that_was_killed_is_completed_to_what_an_undisturbed_one_leaves(small, tmp_path):
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "kedro", "run", "--env", "mine", "--conf-source", small.conf]
    given = f"outputs={killed},alarm.alpha=0.1,evaluation.n_resamples=100"
    run = subprocess.Popen(
        [*command, "--params", given], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    # in the middle of what writes the bundle, or shortly after it
    while not any("calibration.npy" in names for _, _, names in os.walk(killed)):
        assert run.poll() is None
        time.sleep(0.002)
    run.kill()
    run.wait()
    assert not list(killed.rglob("report.html"))
    small.session_run(settings={"outputs": str(killed)}, only_missing_outputs=True)
    assert files_of(killed) == small.undisturbed
