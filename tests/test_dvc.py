"""DVC as an outer tool: the pipeline file runs, does nothing twice, and its outputs go to an object store and come back."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

server = pytest.importorskip("moto.server", reason="moto is not installed")

DVC = os.environ.get("MEDANOMALY_DVC") or shutil.which("dvc")
pytestmark = pytest.mark.skipif(
    DVC is None, reason="no dvc: it has an environment of its own, MEDANOMALY_DVC names its command"
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A clone with DVC set up and an object store as its remote."""
    folder = tmp_path_factory.mktemp("dvc") / "checkout"
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = os.environ | {
        "PATH": os.pathsep.join(paths),
        "PYTHONPATH": str(folder / "src"),
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "DVC_NO_ANALYTICS": "1",
    }
    environment.pop("MEDANOMALY_OUTPUTS", None)

    def run(*command):
        done = subprocess.run(
            command,
            cwd=folder if folder.exists() else None,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    try:
        run("git", "clone", "--quiet", str(ROOT), str(folder))
        # what is not committed yet is tested too
        shutil.copytree(ROOT / "deploy/dvc", folder / "deploy/dvc", dirs_exist_ok=True)
        run(DVC, "init", "--quiet", "--force")
        run(DVC, "remote", "add", "-d", "store", "s3://versions/dvc")
        run(DVC, "remote", "modify", "store", "endpointurl", f"http://{host}:{port}")
        made = f"fsspec.filesystem('s3', endpoint_url='http://{host}:{port}').mkdir('versions')"
        run(sys.executable, "-c", f"import fsspec; {made}")
        yield folder, run
    finally:
        running.stop()


def test_outputs_are_made_once_pushed_and_pulled(checkout):
    folder, run = checkout
    run(DVC, "repro", "deploy/dvc/dvc.yaml")
    report = folder / "data/08_reporting/demo/report.html"
    made = report.read_bytes()
    again = run(DVC, "repro", "deploy/dvc/dvc.yaml")
    assert "didn't change, skipping" in again
    run(DVC, "push", "deploy/dvc/dvc.yaml")
    shutil.rmtree(folder / "data/08_reporting")
    shutil.rmtree(folder / "data/06_models")
    shutil.rmtree(folder / ".dvc/cache")
    run(DVC, "pull", "deploy/dvc/dvc.yaml")
    assert report.read_bytes() == made
    assert list((folder / "data/06_models/demo").rglob("manifest.json"))


def test_a_changed_configuration_runs_again(checkout):
    folder, run = checkout
    path = folder / "conf/demo/parameters.yml"
    path.write_text(path.read_text() + "alarm:\n  alpha: 0.2\n")
    assert "kedro run --env demo" in run(DVC, "repro", "--dry", "deploy/dvc/dvc.yaml")
