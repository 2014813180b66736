import io
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.partitions.in_process import threads
from tests.scoring.small_models import trained, visits, without_training
from tests.service.small_models import ecg, imaging, signals

import medanomaly
from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError
from medanomaly.partitions.stage import Stage
from medanomaly.scoring.archives import archive_contents, archive_members
from medanomaly.scoring.batches import score_batch
from medanomaly.signals.beats.params import BeatParams
from medanomaly.signals.readers.npz import write_npz
from medanomaly.signals.recipe import signal_recipe
from medanomaly.signals.recordings.recording import Recording
from medanomaly.store.store import Store


@pytest.fixture(scope="module")
def workers():
    with threads(2) as opened:
        yield opened


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return medanomaly.open(trained(tmp_path_factory.mktemp("tables")))


def write(item, path):
    """A partition of visits."""
    visits(40, seed=item).to_parquet(path, index=False)
    return {}


@pytest.fixture(scope="module")
def partitions(workers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("partitions")
    Stage(folder, {}).run(workers, write, [1, 2, 3])
    return folder


def test_partitions_of_patients_get_the_answers_of_one_table(tables, workers, partitions, tmp_path):
    done = []
    summary = score_batch(
        tables, partitions, tmp_path / "answers.parquet", cluster=workers, chunk_rows=15, progress=done.append
    )
    found = pd.read_parquet(tmp_path / "answers.parquet")
    together = pd.concat([visits(40, seed=i) for i in (1, 2, 3)], ignore_index=True)
    score_batch(tables, together, tmp_path / "one.parquet")
    known = pd.read_parquet(tmp_path / "one.parquet")
    order = ["model", "case_id"]
    pd.testing.assert_frame_equal(
        found.sort_values(order, ignore_index=True), known.sort_values(order, ignore_index=True)
    )
    assert (summary.n_scored, summary.n_refused, summary.n_resumed) == (120, 0, 0)
    assert done[-1] == 120
    # all cases together are compared with calibration once
    assert set(summary.shift) == {"ecdf", "mahalanobis"}
    assert not list(tmp_path.glob(".answers*"))


def test_without_workers_the_answers_are_the_same(tables, workers, partitions, tmp_path):
    score_batch(tables, partitions, tmp_path / "with.csv", cluster=workers)
    score_batch(tables, partitions, tmp_path / "without.csv")
    assert (tmp_path / "with.csv").read_bytes() == (tmp_path / "without.csv").read_bytes()


def test_the_number_of_workers_changes_no_byte_and_a_stopped_batch_goes_on(
    tables, workers, partitions, tmp_path
):
    class StoppedError(Exception):
        pass

    def stop(done):
        raise StoppedError

    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    with threads(1) as single:
        with pytest.raises(StoppedError):
            score_batch(tables, partitions, one, cluster=single, progress=stop)
        assert list((tmp_path / ".one.parquet.parts").glob("part-*.parquet"))
        summary = score_batch(tables, partitions, one, cluster=single)
    assert summary.n_resumed >= 1
    score_batch(tables, partitions, two, cluster=workers)
    assert one.read_bytes() == two.read_bytes()


def test_a_table_is_divided_among_workers_too(tables, workers, tmp_path):
    score_batch(tables, visits(50, seed=1), tmp_path / "with.csv", cluster=workers, chunk_rows=20)
    score_batch(tables, visits(50, seed=1), tmp_path / "without.csv", chunk_rows=20)
    assert (tmp_path / "with.csv").read_bytes() == (tmp_path / "without.csv").read_bytes()


def test_a_folder_of_tables_is_no_folder_of_partitions(tables, tmp_path):
    (tmp_path / "tables").mkdir()
    visits(3).to_csv(tmp_path / "tables" / "a.csv")
    with pytest.raises(DataNotFoundError, match="the folder has no finished partitions.*give one file"):
        score_batch(tables, tmp_path / "tables", tmp_path / "answers.csv")


def test_what_a_cluster_cannot_do(tables, workers, partitions, tmp_path):
    with (
        Store.open("sqlite://") as store,
        pytest.raises(ConfigurationError, match="a cluster writes to no store"),
    ):
        score_batch(tables, partitions, tmp_path / "a.csv", cluster=workers, store=store)
    models = without_training(signal_recipe("beat_recipe", BeatParams(), {}, {}), "waveforms")
    with pytest.raises(ConfigurationError, match="models that were opened from a folder"):
        score_batch(models, tmp_path, tmp_path / "a.csv", cluster=workers)


def test_workers_that_see_other_models_are_refused(workers, partitions, tmp_path):
    models = medanomaly.open(trained(tmp_path / "models", ("ecdf",)))
    models.folder = trained(tmp_path / "other", ("ecdf",), min_patients=7)
    with pytest.raises(InputError, match="a worker finds other models in the folder than this process"):
        score_batch(models, partitions, tmp_path / "a.csv", cluster=workers)


def test_recordings_in_lists_of_files(workers, tmp_path):
    models_folder, folder = tmp_path / "models", tmp_path / "recordings"
    signals(models_folder)
    folder.mkdir()
    for i in range(5):
        signal = ecg(i, 20).astype(np.float32)
        write_npz(
            Recording(f"r{i}", f"p{i}", signal, 360.0, ("II", "V1"), ("mV", "mV")), folder / f"r{i}.npz"
        )
    (folder / "broken.npz").write_bytes(b"no recording")
    models = medanomaly.open(models_folder)
    options = {"names": ["isolation_forest"], "chunk_rows": 2}
    summary = score_batch(models, folder, tmp_path / "with.csv", cluster=workers, **options)
    score_batch(models, folder, tmp_path / "without.csv", **options)
    assert (tmp_path / "with.csv").read_bytes() == (tmp_path / "without.csv").read_bytes()
    found = pd.read_csv(tmp_path / "with.csv")
    assert set(found.loc[found["status"].eq("scored"), "case_id"].str.partition(":")[0]) == {
        f"r{i}" for i in range(5)
    }
    assert summary.refused["case_id"].tolist() == ["broken"]


def png(value, size=64):
    """The bytes of an image with a spot."""
    image = np.full((size, size), value, dtype=np.uint8)
    image[20:30, 20:30] += 20
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="PNG")
    return stream.getvalue()


@pytest.fixture
def shards(tmp_path):
    """Images in a folder, in a zip and in a tar, one of each damaged; and an archive that is none."""
    folder = tmp_path / "shards"
    (folder / "ward").mkdir(parents=True)
    contents = {"a.png": png(60), "b/c.png": png(90), "broken.png": b"none", ".hidden": b"x"}
    (folder / "ward" / "a.png").write_bytes(png(60))
    with zipfile.ZipFile(folder / "one.zip", "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    with tarfile.open(folder / "two.tar", "w") as archive:
        for name, content in contents.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    (folder / "three.zip").write_bytes(b"no archive")
    return folder


def test_images_of_folders_and_archives(workers, shards, tmp_path):
    imaging(tmp_path / "models")
    models = medanomaly.open(tmp_path / "models")
    summary = score_batch(models, shards, tmp_path / "with.csv", cluster=workers, chunk_rows=2)
    score_batch(models, shards, tmp_path / "without.csv", chunk_rows=2)
    assert (tmp_path / "with.csv").read_bytes() == (tmp_path / "without.csv").read_bytes()
    found = pd.read_csv(tmp_path / "with.csv")
    scored = found[found["status"].eq("scored")].set_index("case_id")["score"]
    names = ["ward/a.png", "one.zip/a.png", "one.zip/b/c.png", "two.tar/a.png", "two.tar/b/c.png"]
    assert sorted(scored.index.unique()) == sorted(names)
    # the same bytes get the same score, wherever they lie
    assert scored["one.zip/a.png"] == scored["two.tar/a.png"] == scored["ward/a.png"]
    refused = summary.refused.set_index("case_id")["reason"]
    assert set(refused.index) == {"one.zip/broken.png", "two.tar/broken.png", "three.zip"}
    assert refused["three.zip"] == "cannot be read (BadZipFile)"


def test_an_image_of_an_archive_that_cannot_be_had_is_empty(tmp_path, monkeypatch):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("large.png", bytes(5000))
        archive.writestr("good.png", b"good")
        archive.writestr("damaged.png", b"damaged content")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"damaged content", b"changed content"))
    monkeypatch.setattr("medanomaly.scoring.archives.LARGEST_FILE", 1000)
    assert archive_members(path) == ["damaged.png", "good.png", "large.png"]
    assert archive_contents(path, ["damaged.png", "good.png", "large.png"]) == [b"", b"good", b""]


def test_two_files_of_one_name_in_an_archive(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("same.png"), io.BytesIO())
    with pytest.raises(InputError, match="two files in it are called 'same.png'"):
        archive_members(path)


def test_an_archive_that_would_fill_the_memory(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.png", bytes(70 * 2**20))
    with pytest.raises(InputError, match="when it is unpacked"):
        archive_members(path)
