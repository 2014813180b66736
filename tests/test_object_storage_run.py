"""Raw files and outputs in object storage: the same bytes as on a disk, from any machine, and nothing guessed."""

import os
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from medanomaly.commands.cli import cli
from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError
from medanomaly.core.object_storage import INDEX, ObjectStorage, fetched_folder
from medanomaly.datasets.synthetic_cohort import SyntheticClinicalDataset
from medanomaly.plain_errors import plain_error
from tests.conftest import ROOT
from tests.test_run_record import files_of

s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed (extra s3)")
server = pytest.importorskip("moto.server", reason="moto is not installed")

BUCKET = "hospital"


@pytest.fixture(scope="module")
def s3():
    """An object store of its own; the bucket is empty."""
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    # what an earlier server of this process was told is kept in the process
    urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST"), timeout=10).close()
    given = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        s3fs.S3FileSystem.clear_instance_cache()
        there = s3fs.S3FileSystem()
        there.mkdir(BUCKET)
        yield there
    finally:
        running.stop()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture(scope="module")
def visits():
    return SyntheticClinicalDataset(n_patients=150).load().to_csv(index=False)


def run(storage, outputs, **what):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDANOMALY_STORAGE", storage)
        patch.setenv("MEDANOMALY_OUTPUTS", str(outputs))
        bootstrap_project(ROOT)
        with KedroSession.create(ROOT, env="s3") as session:
            try:
                session.run(**what)
            except Exception as error:
                raise plain_error(error) or error from None


def stored(fs, root):
    return {name.removeprefix(f"{root}/"): fs.cat_file(name) for name in fs.find(root)}


@pytest.fixture(scope="module")
def runs(s3, visits, tmp_path_factory):
    """The environment run against the object store, and against a folder: outputs of both."""
    folder = tmp_path_factory.mktemp("storage")
    (folder / "disk" / "raw").mkdir(parents=True)
    (folder / "disk" / "raw" / "visits.csv").write_text(visits)
    s3.pipe_file(f"{BUCKET}/ward/raw/visits.csv", visits.encode())
    run(f"s3://{BUCKET}/ward", folder / "here")
    run((folder / "disk").as_uri(), folder / "local")
    return folder


def test_the_run_against_object_storage_gives_what_the_run_on_disk_gives(runs):
    of_s3, of_disk = files_of(runs / "here"), files_of(runs / "local")
    assert [name for name in of_disk if name != INDEX] == [name for name in of_s3 if name != INDEX]
    assert {name for name, content in of_disk.items() if of_s3[name] != content} <= {INDEX}
    assert any(name.endswith("report.html") for name in of_disk)


def test_every_output_is_in_the_store_byte_by_byte(runs, s3):
    there = stored(s3, f"{BUCKET}/ward")
    there.pop("raw/visits.csv")
    here = {
        path.relative_to(runs / "here").as_posix(): path.read_bytes()
        for path in (runs / "here").rglob("*")
        if path.is_file() and path.name not in (INDEX, ".lock")
    }
    assert there == here


def test_another_machine_goes_on_from_the_store(runs, s3, tmp_path):
    run(f"s3://{BUCKET}/ward", tmp_path, pipeline_names=["evaluation"])
    made = files_of(tmp_path)
    assert {name for name in made if name != INDEX} == {
        name for name in files_of(runs / "here") if name != INDEX
    }


def test_models_of_the_store_answer(runs, s3, visits, tmp_path):
    table = tmp_path / "new.csv"
    table.write_text("\n".join(visits.splitlines()[:6]) + "\n")
    models = f"s3://{BUCKET}/ward/06_models/s3"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDANOMALY_CACHE", str(tmp_path / "cache"))
        answers = [
            CliRunner().invoke(cli, ["score", str(table), "--models", of, "--json"])
            for of in (models, str(runs / "here/06_models/s3"))
        ]
    assert [a.exit_code for a in answers] == [0, 0], answers[0].output
    assert answers[0].stdout == answers[1].stdout


def test_an_environment_without_an_address_says_what_to_set(tmp_path, monkeypatch):
    monkeypatch.delenv("MEDANOMALY_STORAGE", raising=False)
    monkeypatch.setenv("MEDANOMALY_OUTPUTS", str(tmp_path))
    bootstrap_project(ROOT)
    with pytest.raises(Exception, match="MEDANOMALY_STORAGE"), KedroSession.create(ROOT, env="s3") as session:
        session.run()


def test_a_store_that_is_not_there_is_named(s3, tmp_path):
    (tmp_path / "a").write_text("a")
    with pytest.raises(ConfigurationError, match="s3://no-such-bucket"):
        ObjectStorage(tmp_path, "s3://no-such-bucket/x").push(every)


def test_an_unknown_kind_of_address_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="nowhere://x"):
        ObjectStorage(tmp_path, "nowhere://x")


@pytest.fixture(params=["s3", "disk"])
def url(request, tmp_path):
    if request.param == "disk":
        return (tmp_path / "there").as_uri()
    request.getfixturevalue("s3")
    return f"s3://{BUCKET}/{tmp_path.name}"


def every(path):
    return True


class TestTransfer:
    def test_what_changed_goes_over_and_nothing_else(self, url, tmp_path):
        here = tmp_path / "a"
        (here / "deep").mkdir(parents=True)
        (here / "deep" / "one").write_text("1")
        (here / "two").write_text("2")
        assert sorted(ObjectStorage(here, url).push(every)) == ["deep/one", "two"]
        assert ObjectStorage(here, url).push(every) == []
        other = ObjectStorage(tmp_path / "b", url)
        assert other.pull(every) == ["deep/one", "two"]
        assert (tmp_path / "b/deep/one").read_text() == "1"
        assert other.pull(every) == []

    def test_a_file_that_was_removed_here_is_removed_there(self, url, tmp_path):
        here = tmp_path / "a"
        here.mkdir()
        (here / "one").write_text("1")
        (here / "two").write_text("2")
        ObjectStorage(here, url).push(every)
        (here / "one").unlink()
        assert ObjectStorage(here, url).push(every) == ["one"]
        assert ObjectStorage(tmp_path / "b", url).pull(every) == ["two"]

    def test_the_newer_copy_wins_and_two_newer_ones_are_refused(self, url, tmp_path):
        a, b = tmp_path / "a", tmp_path / "b"
        a.mkdir()
        (a / "x").write_text("first")
        ObjectStorage(a, url).push(every)
        ObjectStorage(b, url).pull(every)
        (b / "x").write_text("second version")
        ObjectStorage(b, url).push(every)
        assert ObjectStorage(a, url).pull(every) == ["x"]
        assert (a / "x").read_text() == "second version"
        (a / "x").write_text("of a, third")
        (b / "x").write_text("of b, the third")
        ObjectStorage(b, url).push(every)
        with pytest.raises(InputError, match="each may be the newer one"):
            ObjectStorage(a, url).pull(every)
        assert (a / "x").read_text() == "of a, third"

    def test_an_equal_file_without_a_history_is_taken_as_it_is(self, url, tmp_path):
        a, b = tmp_path / "a", tmp_path / "b"
        for folder in (a, b):
            folder.mkdir()
            (folder / "x").write_text("same")
        ObjectStorage(a, url).push(every)
        assert ObjectStorage(b, url).pull(every) == []
        (b / "x").write_text("else")
        (b / INDEX).unlink(missing_ok=True)
        with pytest.raises(InputError, match="differs from its copy"):
            ObjectStorage(b, url).pull(every)

    def test_a_manifest_is_the_last_of_its_bundle(self, url, tmp_path):
        bundle = tmp_path / "a" / "model"
        bundle.mkdir(parents=True)
        for name in ("manifest.json", "zz.npy", "a.onnx"):
            (bundle / name).write_text(name)
        assert ObjectStorage(tmp_path / "a", url).push(every)[-1] == "model/manifest.json"

    def test_a_cache_follows_the_store(self, url, tmp_path):
        here = tmp_path / "a"
        here.mkdir()
        (here / "one").write_text("1")
        (here / "two").write_text("2")
        ObjectStorage(here, url).push(every)
        first = fetched_folder(url, tmp_path / "cache")
        (here / "one").unlink()
        (here / "two").write_text("22")
        ObjectStorage(here, url).push(every)
        second = fetched_folder(url, tmp_path / "cache")
        assert first == second
        assert [p.name for p in Path(second).iterdir() if p.name != INDEX] == ["two"]
        assert (second / "two").read_text() == "22"

    def test_an_empty_address_is_no_folder_of_models(self, url, tmp_path):
        with pytest.raises(DataNotFoundError):
            fetched_folder(f"{url}/nothing", tmp_path / "cache")
