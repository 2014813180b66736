import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from PIL import Image
from tests.conftest import ROOT
from tests.scoring.small_models import trained, visits, without_training
from tests.signals.sample_recordings import recording

import medanomaly
from medanomaly.core.bundle import write_bundle
from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError
from medanomaly.core.sealed_alarm import seal_alarm
from medanomaly.imaging.recipe import image_recipe
from medanomaly.imaging.sources.image_cases import ImageParams
from medanomaly.scoring import batch_sources
from medanomaly.scoring.batch_output import COLUMNS
from medanomaly.scoring.batches import score_batch
from medanomaly.signals.beats.params import BeatParams
from medanomaly.signals.readers.npz import write_npz
from medanomaly.signals.recipe import signal_recipe
from medanomaly.store.store import Store

KEY = b"a secret key of the tests"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def models(folder):
    return medanomaly.open(folder)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "visits.csv"
    visits(100, seed=1).to_csv(path, index=False)
    return path


def scores(table):
    return table.set_index(["model", "case_id"])["score"].sort_index().astype("float64")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("written", ["csv", "parquet", "table"])
def test_a_batch_gives_the_scores_of_one_table(models, tmp_path, ending, written):
    raw = visits(100, seed=1)
    source = tmp_path / f"visits.{written}" if written != "table" else raw
    if written != "table":
        (raw.to_csv if written == "csv" else raw.to_parquet)(source, index=False)
    done = []
    path = tmp_path / f"answers.{ending}"
    summary = score_batch(models, source, path, chunk_rows=30, progress=done.append)
    found = pd.read_parquet(path) if ending == "parquet" else pd.read_csv(path, dtype={"case_id": str})
    assert list(found) == list(COLUMNS)
    pd.testing.assert_series_equal(scores(found), scores(models.score(raw).table), check_index_type=False)
    assert done == [30, 60, 90, 100]
    assert summary.n_scored == 100
    assert summary.n_refused == 0
    assert summary.n_flagged == found.groupby("model")["flagged"].sum().to_dict()
    assert set(summary.shift) == {"ecdf", "mahalanobis"}
    assert summary.to_dict()["modality"] == "tabular"
    # nothing but the answers is left
    assert {file.name for file in tmp_path.iterdir()} <= {path.name, f"visits.{written}"}


def test_the_number_of_threads_changes_nothing(models, source, tmp_path):
    made = []
    for workers in (1, 3):
        path = tmp_path / f"{workers}.parquet"
        score_batch(models, source, path, chunk_rows=30, workers=workers, explain=1)
        made.append(path.read_bytes())
    assert made[0] == made[1]


KILLED = """
import os, signal, sys
import medanomaly
from medanomaly.scoring.batches import score_batch
from medanomaly.store.store import Store

def stop(n):
    if n >= 40:
        os.kill(os.getpid(), signal.SIGKILL)

models, source, destination, store = sys.argv[1:]
with Store.open(store, key=b"a secret key of the tests") as store:
    score_batch(medanomaly.open(models), source, destination, chunk_rows=20, explain=2, store=store, progress=stop)
"""


def test_a_batch_that_was_killed_goes_on_where_it_stopped(models, folder, source, tmp_path):
    command = [sys.executable, "-c", KILLED, folder, source, tmp_path / "a.parquet", tmp_path / "a.db"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    ended = subprocess.run(command, env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not (tmp_path / "a.parquet").exists()
    settings = {"chunk_rows": 20, "explain": 2}
    with Store.open(tmp_path / "a.db", key=KEY) as store:
        resumed = score_batch(models, source, tmp_path / "a.parquet", store=store, **settings)
        # the part that was being written when the process ended may be in the store already
        assert resumed.n_resumed == 2
        assert 80 <= resumed.n_stored <= 120
        assert len(store.predictions(batch=resumed.batch)) == 200
        whole = score_batch(models, source, tmp_path / "b.parquet", store=store, **settings)
        assert whole.n_resumed == whole.n_stored == 0
        assert store.verify().whole
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert resumed.batch == whole.batch
    assert (resumed.n_scored, resumed.n_flagged) == (whole.n_scored, whole.n_flagged)


def stopped(models, source, path, **settings):
    """A run that ends after its first part."""

    def stop(n):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_batch(models, source, path, progress=stop, **settings)


def test_parts_of_another_alarm_are_not_used(models, folder, source, tmp_path):
    shutil.copytree(folder, tmp_path / "models")
    write_bundle(tmp_path / "models" / "tabular" / "alarm", seal_alarm(0.2, "tabular", "visits"))
    wider, path = medanomaly.open(tmp_path / "models"), tmp_path / "answers.parquet"
    stopped(models, source, path, chunk_rows=50)
    assert score_batch(wider, source, path, chunk_rows=50).n_resumed == 0
    scored = pd.read_parquet(path).query("status == 'scored'")
    assert scored["alpha"].eq(0.2).all()
    assert (scored["flagged"] == (scored["p_value"] <= 0.2)).all()


def test_parts_of_another_batch_are_not_used(models, source, tmp_path):
    path = tmp_path / "answers.parquet"
    stopped(models, source, path, chunk_rows=50)
    visits(100, seed=2).to_csv(source, index=False)
    assert score_batch(models, source, path, chunk_rows=50).n_resumed == 0
    assert set(pd.read_parquet(path)["case_id"].str[:3]) == {"002"}
    stopped(models, source, path, chunk_rows=50)
    assert score_batch(models, source, path, chunk_rows=50, alpha=0.2).n_resumed == 0
    stopped(models, source, path, chunk_rows=50)
    assert score_batch(models, source, path, chunk_rows=50).n_resumed == 1


def test_a_row_that_fails_costs_only_itself(models, tmp_path, monkeypatch):
    raw = visits(60, seed=3)
    raw.loc[5, "potassium"] = "haemolysed"
    raw.loc[44, "id"] = raw.loc[2, "id"]
    raw.loc[45, "id"] = raw.loc[43, "id"]
    raw.loc[50, "potassium"] = "9.75"
    lines = raw.to_csv(index=False).splitlines()
    lines[21] += ",one,more"
    lines[31] = lines[31].partition(",")[0]
    source = tmp_path / "visits.csv"
    source.write_text("\n".join(lines))
    scorer = models["ecdf"].scorer
    score = scorer.score

    def fails(features):
        if features["potassium"].eq(9.75).any():
            raise RuntimeError(f"of patient {raw.loc[50, 'patient']}")
        return score(features)

    monkeypatch.setattr(scorer, "score", fails)
    summary = score_batch(models, source, tmp_path / "answers.csv", chunk_rows=20)
    reasons = summary.refused.set_index("case_id")["reason"].to_dict()
    assert reasons == {
        raw.loc[5, "id"]: "potassium: not a number",
        "record 21": "the row has 8 fields, the header has 6",
        "record 31": "the row has 1 fields, the header has 6",
        "record 45": f"id: id was used by an earlier record ({raw.loc[2, 'id']})",
        "record 46": f"id: id was used by an earlier record ({raw.loc[43, 'id']})",
        # what a library says may hold values, and names
        raw.loc[50, "id"]: "cannot be scored (RuntimeError)",
    }
    assert (summary.n_scored, summary.n_refused) == (54, 6)
    found = pd.read_csv(tmp_path / "answers.csv", dtype=str)
    assert found["status"].eq("refused").sum() == 6


def test_text_of_a_csv_runs_as_no_formula(models, tmp_path):
    raw = visits(3, seed=4)
    raw.loc[0, "id"] = "=cmd|' /C calc'!A0"
    raw.loc[1, "id"] = "+1+1"
    score_batch(models, raw, tmp_path / "answers.csv")
    written = pd.read_csv(tmp_path / "answers.csv", dtype=str)
    assert set(written["case_id"]) == {"'=cmd|' /C calc'!A0", "'+1+1", raw.loc[2, "id"]}


def test_records_without_ids_go_by_their_number_in_the_file(tmp_path):
    models = medanomaly.open(trained(tmp_path / "models", names=("ecdf",), case_id=None, ignore=["id"]))
    raw = visits(20, seed=5)
    raw.loc[13, "potassium"] = "?!"
    summary = score_batch(models, raw, tmp_path / "answers.parquet", chunk_rows=6)
    found = pd.read_parquet(tmp_path / "answers.parquet")
    assert sorted(found["case_id"].astype(int)) == list(range(1, 21))
    assert summary.refused["case_id"].tolist() == ["14"]


def test_what_is_wrong_with_all_rows_is_raised_at_once(models, tmp_path):
    wrong = visits(30).rename(columns={"potassium": "Potassium"})
    with pytest.raises(InputError, match="Rename it to 'potassium'"):
        score_batch(models, wrong, tmp_path / "a.csv")
    with pytest.raises(ConfigurationError, match=r"'\.xlsx'"):
        score_batch(models, visits(3), tmp_path / "a.xlsx")
    with pytest.raises(ConfigurationError, match="no model"):
        score_batch(models, visits(3), tmp_path / "a.csv", names=["ecfd"])
    with pytest.raises(ConfigurationError, match="chunk_rows"):
        score_batch(models, visits(3), tmp_path / "a.csv", chunk_rows=0)
    with pytest.raises(DataNotFoundError):
        score_batch(models, tmp_path / "nothing.csv", tmp_path / "a.csv")


def test_two_processes_do_not_write_one_batch(models, source, tmp_path):
    path = tmp_path / "answers.csv"
    stopped(models, source, path, chunk_rows=10)
    with FileLock(tmp_path / ".answers.csv.parts" / "lock"):
        with pytest.raises(InputError, match="another process"):
            score_batch(models, source, path, chunk_rows=10)


def test_only_a_few_parts_are_in_memory(models, source, tmp_path, monkeypatch):
    read, done = [], []
    table_parts = batch_sources.table_parts

    def counted(*arguments, **options):
        for part in table_parts(*arguments, **options):
            read.append(part.n_rows)
            assert sum(read) - (done[-1] if done else 0) <= 4 * 10
            yield part

    monkeypatch.setattr(batch_sources, "table_parts", counted)
    visits(50).to_csv(source, index=False)
    score_batch(models, source, tmp_path / "a.csv", chunk_rows=10, workers=2, progress=done.append)
    assert read == [10] * 5


def test_earlier_records_come_from_the_store(tmp_path):
    history = {"time": "when", "measurements": ["potassium"]}
    models = medanomaly.open(trained(tmp_path / "models", names=("ecdf",), history=history))
    raw = visits(40, seed=6)
    first, second = raw.iloc[::2], raw.iloc[1::2]
    one = models.score(raw).table.set_index("case_id")["score"]

    def batch(rows, name, store):
        path = tmp_path / f"{name}.parquet"
        score_batch(models, rows, path, store=store)
        return pd.read_parquet(path).set_index("case_id")

    with Store.open(tmp_path / "with.db", key=KEY, keep_clinical_values=True) as store:
        batch(first, "first", store)
        found = batch(second, "second", store)
        wanted = one[found.index].astype(float)
        pd.testing.assert_series_equal(found["score"], wanted, check_names=False, check_index_type=False)
        assert not found["missing"].str.contains("earlier records").any()
        before = len(store.predictions())
        batch(second, "again", store)
        assert len(store.predictions()) == before
    with Store.open(tmp_path / "without.db", key=KEY) as store:
        batch(first, "third", store)
        found = batch(second, "fourth", store)
        assert found["missing"].str.contains("earlier records").all()


def test_a_folder_of_images(tmp_path):
    folder = tmp_path / "images"
    (folder / "ward").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(7):
        pixels = rng.integers(0, 255, (40, 40)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / ("ward" if i % 2 else ".") / f"{i}.png")
    (folder / "broken.png").write_bytes(b"no image")
    models = without_training(image_recipe(ImageParams(store=str(tmp_path)), {}), "images")
    done = []
    summary = score_batch(models, folder, tmp_path / "answers.csv", chunk_rows=3, progress=done.append)
    found = pd.read_csv(tmp_path / "answers.csv")
    assert (summary.n_scored, summary.n_refused) == (7, 1)
    assert "ward/1.png" in set(found["case_id"])
    assert summary.refused["case_id"].tolist() == ["broken.png"]
    assert done == [3, 6, 8]


def test_a_folder_of_recordings(tmp_path):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for i in range(3):
        write_npz(recording(20 * 360, marks=False), folder / f"r{i}.npz")
    (folder / "broken.npz").write_bytes(b"no recording")
    models = without_training(signal_recipe("beat_recipe", BeatParams(), {}, {}), "waveforms")
    summary = score_batch(models, folder, tmp_path / "answers.parquet", chunk_rows=2)
    found = pd.read_parquet(tmp_path / "answers.parquet")
    assert summary.n_scored > 20
    assert {case.partition(":")[0] for case in found.loc[found["status"].eq("scored"), "case_id"]} == {
        "r0",
        "r1",
        "r2",
    }
    assert "broken" in set(summary.refused["case_id"])
    # beats of one person are not independent
    assert summary.shift == {}


def test_the_modality_of_a_large_file_is_found_by_its_header(models, tmp_path):
    recipe = models.recipe(modality="tabular")
    # a row that does not fit its header would be found only by reading all
    source = tmp_path / "visits.csv"
    source.write_text(visits(3).to_csv(index=False) + "one\n")
    assert recipe.takes(source)
    source.write_text("a,b\n1,2\n")
    assert not recipe.takes(source)


def test_the_moment_of_a_batch_is_kept_and_is_part_of_its_name(models, source, tmp_path):
    day = datetime(2026, 11, 3, tzinfo=UTC)
    with Store.open(f"sqlite:///{tmp_path / 'p.db'}", key=KEY) as store:
        batches = {
            score_batch(models, source, tmp_path / "a.csv", store=store, observed_at=when).batch
            for when in (None, day, day)
        }
        found = store.predictions()
        assert len(batches) == 2
        assert found["case_time"].isna().sum() == found["case_time"].eq(day).sum() == len(found) / 2
