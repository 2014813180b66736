import json
import os
import signal
import subprocess
import sys

import pytest
from filelock import FileLock
from tests.partitions.in_process import threads

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.partitions.stage import Stage, has_parts, parts_of


@pytest.fixture(scope="module")
def workers():
    with threads(2) as opened:
        yield opened


def write(item, path, *, word="made"):
    """A partition, as a stage asks for it."""
    if item == "broken":
        raise InputError("it is broken", record=item)
    path.write_text(f"{word} {item}")
    return {"length": len(str(item))}


def test_the_files_of_a_stage_and_their_manifest(workers, tmp_path):
    stage, done = Stage(tmp_path, {"word": "made", "sizes": (1, 2)}), []
    assert stage.finished is None
    assert not has_parts(tmp_path)
    with pytest.raises(DataNotFoundError, match="no finished partitions"):
        parts_of(tmp_path)
    records = stage.run(workers, write, ["a", "bb", "ccc"], done.append)
    assert done == [1, 2, 3]
    assert [record["facts"] for record in records] == [{"length": 1}, {"length": 2}, {"length": 3}]
    assert [file.read_text() for file in stage.files(records)] == ["made a", "made bb", "made ccc"]
    assert stage.finished == records
    assert parts_of(tmp_path) == stage.files(records)
    assert json.loads((tmp_path / "manifest.json").read_text())["settings"]["sizes"] == [1, 2]
    # settings that are written in another form are the same
    assert Stage(tmp_path, {"word": "made", "sizes": [1, 2]}).finished == records


def test_what_is_finished_is_not_made_again(workers, tmp_path):
    stage = Stage(tmp_path, {})
    with pytest.raises(InputError, match="it is broken"):
        stage.run(workers, write, ["a", "b", "c", "broken"])
    assert stage.finished is None
    # a part counts as finished once its record is there; others may still have been at work
    finished = [int(file.stem[-1]) for file in tmp_path.glob("part-*.json")]
    assert finished
    (tmp_path / ".part-00001.123.parquet").write_text("of a process that was killed")
    again = stage.run(workers, write, ["a", "b", "c", "d"], word="again")
    texts = [file.read_text() for file in stage.files(again)]
    assert texts[3] == "again d"
    assert [texts[i] for i in finished] == [f"made {'abc'[i]}" for i in finished]
    assert not list(tmp_path.glob(".part-*"))


def test_a_part_that_is_not_as_it_was_left_is_made_again(workers, tmp_path):
    stage = Stage(tmp_path, {})
    records = stage.run(workers, write, ["a", "b"])
    (tmp_path / "part-00001.parquet").write_text("made x")
    # the size is the same, so only a new run sees it
    assert stage.finished == records
    (tmp_path / "manifest.json").unlink()
    assert stage.run(workers, write, ["a", "b"]) == records
    assert (tmp_path / "part-00001.parquet").read_text() == "made b"
    (tmp_path / "part-00000.parquet").write_text("cut")
    assert stage.finished is None


def test_other_settings_make_everything_again(workers, tmp_path):
    Stage(tmp_path, {"word": "made"}).run(workers, write, ["a", "b", "c"])
    other = Stage(tmp_path, {"word": "other"})
    assert other.finished is None
    other.run(workers, write, ["a"], word="other")
    assert [file.name for file in sorted(tmp_path.glob("part-*"))] == [
        "part-00000.json",
        "part-00000.parquet",
    ]
    assert (tmp_path / "part-00000.parquet").read_text() == "other a"
    other.remove()
    assert not tmp_path.exists()


def test_two_processes_do_not_work_in_one_folder(workers, tmp_path):
    with FileLock(tmp_path / "lock"), pytest.raises(InputError, match="another process works in this folder"):
        Stage(tmp_path, {}).run(workers, write, ["a"])


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.partitions.in_process import threads
from tests.partitions.test_stage import write
from medanomaly.partitions.stage import Stage

def progress(done):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)

with threads(1) as workers:
    Stage(Path(sys.argv[1]), {}).run(workers, write, list("abcdefgh"), progress)
"""


def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_bytes(workers, tmp_path):
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    killed.mkdir()
    run = subprocess.run([sys.executable, "-c", KILLED, str(killed)], check=False, env=os.environ)
    assert run.returncode == -signal.SIGKILL
    # a part without its record was not finished, and is made again
    finished = [file.with_suffix(".parquet") for file in killed.glob("part-*.json")]
    made = {file.name: file.stat().st_mtime_ns for file in finished}
    assert 3 <= len(made) < 8
    records = Stage(killed, {}).run(workers, write, list("abcdefgh"))
    assert records == Stage(undisturbed, {}).run(workers, write, list("abcdefgh"))
    assert made == {name: (killed / name).stat().st_mtime_ns for name in made}
    for file in undisturbed.glob("[pms]*"):
        assert (killed / file.name).read_bytes() == file.read_bytes()
