"""Past one machine: events of many patients, recordings and images in partitions, in a limited memory.

Events are synthetic: one patient per thousand events, 22 codes, files of two million events in which every patient occurs.
Each run is a process of its own, whose memory is that of all its processes together (RSS, which counts shared pages once per
process). ``--rows 1e9`` adds a run of that size; it needs 40 GB of disk, in ``TMPDIR``.
"""

import argparse
import datetime
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from benchmarks.record import RESULTS as FILES
from benchmarks.record import Result, machine, write

ROOT = Path(__file__).parents[1]
SECTIONS = ("events", "bytes", "kills", "dask", "recordings", "days", "images")
EVENTS_PER_PATIENT = 1000
SECRET = b"a key of the benchmark"
# of the peer: those that it has without a sort
SHARED = ("count", "mean", "min", "max", "slope")
GIB = 2**30
RESULTS: dict[str, Result] = {}


def add(name: str, value: float, unit: str = "", target: tuple[str, float] | None = None, **more) -> None:
    """One figure. ``target`` is a direction, ``>=`` or ``<=``, and a number."""
    reached = None
    if target is not None:
        reached = bool(value >= target[1]) if target[0] == ">=" else bool(value <= target[1])
    said = f"{target[0]} {target[1]:g}" if target else None
    RESULTS[name] = Result(name=name, value=float(value), unit=unit, target=said, reached=reached, **more)


# what runs in a process of its own


def make_events(rows: int, folder: Path, workers: int) -> dict:
    """Write the events and the table of patients, as the environment does."""
    from medanomaly.datasets.event_partitions import (
        SyntheticEventPartitionsDataset,
        _write_events,
        _write_patients,
    )
    from medanomaly.partitions.stage import Stage
    from medanomaly.partitions.workers import WorkersParams, open_workers

    made = SyntheticEventPartitionsDataset(
        n_events=rows, n_patients=rows // EVENTS_PER_PATIENT, work=str(folder)
    )
    with open_workers(WorkersParams(workers=workers)) as opened:
        Stage(made.patients, {}).run(opened, _write_patients, [0], cohort=made.cohort)
        Stage(made.folder, {}).run(opened, _write_events, range(made.cohort.n_files), cohort=made.cohort)
    return {}


def make_features(folder: Path, work: Path, workers: int, shared: bool) -> dict:
    """Events to features of patients; seconds without the start of the workers."""
    from medanomaly.partitions.workers import WorkersParams, open_workers
    from medanomaly.tabular.event_partitions.features import event_features
    from medanomaly.tabular.event_partitions.params import EventParams

    files = sorted((folder / "raw" / "events").glob("*.parquet"))
    people = [] if shared else sorted((folder / "raw" / "patients").glob("*.parquet"))
    params = EventParams(statistics=SHARED) if shared else EventParams()
    began = time.perf_counter()
    with open_workers(WorkersParams(workers=workers)) as opened:
        started = time.perf_counter()
        found = event_features(files, work, params, opened, SECRET, people)
        took = time.perf_counter() - started
    return {
        "seconds": took,
        "start": started - began,
        "patients": found.n_patients,
        "events": found.n_events,
        "partitions": len(found.files),
    }


def by_dask(folder: Path, work: Path, workers: int) -> dict:
    """The same statistics by dask.dataframe, to Parquet, one row per patient and code."""
    import dask
    import dask.dataframe as dd
    from distributed import Client, LocalCluster

    files = sorted(str(file) for file in (folder / "raw" / "events").glob("*.parquet"))
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as cluster,
        Client(cluster),
        dask.config.set({"dataframe.shuffle.method": "p2p"}),
    ):
        started = time.perf_counter()
        events = dd.read_parquet(files)
        events["code"] = events["code"].astype(str)
        hours = (events["time"] - pd.Timestamp("2025-07-01")).dt.total_seconds() / 3600
        events = events.assign(hours=hours, product=hours * events["numeric_value"], square=hours * hours)
        wanted = {
            "numeric_value": ["count", "sum", "mean", "min", "max"],
            "hours": ["sum"],
            "product": ["sum"],
            "square": ["sum"],
        }
        made = events.groupby(["subject_id", "code"]).agg(wanted, split_out=8)
        made.columns = ["_".join(names) for names in [("numeric_value", n) for n in wanted["numeric_value"]]] + [
            "hours_sum", "product_sum", "square_sum"
        ]  # fmt: skip
        n = made["numeric_value_count"]
        slope = (made["product_sum"] * n - made["hours_sum"] * made["numeric_value_sum"]) / (
            made["square_sum"] * n - made["hours_sum"] ** 2
        )
        made = made.assign(slope=slope).reset_index()
        made.to_parquet(work, write_index=False)
        took = time.perf_counter() - started
    return {"seconds": took}


def score_files(models: Path, source: Path, destination: Path, workers: int, rows: int) -> dict:
    """Score a folder of recordings or images; seconds without the start of the workers."""
    import medanomaly
    from medanomaly.partitions.workers import WorkersParams, open_workers
    from medanomaly.scoring.batches import score_batch

    opened_models = medanomaly.open(models)
    with open_workers(WorkersParams(workers=workers)) as opened:
        summary = score_batch(opened_models, source, destination, cluster=opened, chunk_rows=rows)
    return {
        "seconds": summary.seconds,
        "scored": summary.n_scored,
        "refused": summary.refused["case_id"].tolist(),
        "resumed": summary.n_resumed,
    }


def measure_recordings(models: Path, source: Path) -> dict:
    """Features and forest of beats that are found already; processor seconds of all threads."""
    import medanomaly
    from medanomaly.core.models import ModelInput
    from medanomaly.signals.beats.feature_table import feature_units, measured_beats
    from medanomaly.signals.beats.found import FoundBeats, beats_of_each
    from medanomaly.signals.beats.table import beat_cases, beats_table

    opened = medanomaly.open(models)
    recipe, (name,) = opened.recipe(modality="signals"), opened
    found = {
        record: of
        for record, of in beats_of_each(recipe.recordings(source), recipe.params)
        if isinstance(of, FoundBeats)
    }
    beats = beats_table([of.columns for of in found.values()], recipe.params)
    cases, ecgs = beat_cases(beats), {record: of.ecg for record, of in found.items()}
    seconds = []
    for _ in range(3):
        started = time.process_time()
        features, _ = measured_beats(ecgs, beats, cases["case_id"])
        opened[name].kind.scores(
            opened[name].scorer, ModelInput(cases, features, {"units": feature_units()}), {}
        )
        seconds.append(time.process_time() - started)
    return {"seconds": min(seconds), "recordings": len(found), "beats": len(beats)}


TASKS: dict[str, Callable[..., dict]] = {
    "measure_recordings": lambda models, source: measure_recordings(Path(models), Path(source)),
    "make_events": lambda rows, folder, workers: make_events(int(rows), Path(folder), int(workers)),
    "make_features": lambda folder, work, workers, shared: make_features(
        Path(folder), Path(work), int(workers), shared == "True"
    ),
    "by_dask": lambda folder, work, workers: by_dask(Path(folder), Path(work), int(workers)),
    "score_files": lambda models, source, destination, workers, rows: score_files(
        Path(models), Path(source), Path(destination), int(workers), int(rows)
    ),
}


class Run:
    """A task in a process of its own, with the most memory of all its processes together, and the most disk of a folder."""

    def __init__(self, task: str, *arguments: object, watched: Path | None = None):
        command = [sys.executable, "-m", "benchmarks.scale", "--task", task, *map(str, arguments)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self._tree, self._watched = psutil.Process(self.process.pid), watched
        self.peak_bytes = self.peak_disk = 0
        self._next_disk = 0.0

    def processes(self) -> list[psutil.Process]:
        """The process and those that it started."""
        try:
            return [self._tree, *self._tree.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def workers(self) -> list[psutil.Process]:
        """The processes that do tasks: those with the most memory."""
        return sorted(self.processes()[1:], key=_memory, reverse=True)

    def look(self) -> None:
        """Measure memory and disk once."""
        self.peak_bytes = max(self.peak_bytes, sum(map(_memory, self.processes())))
        if self._watched is not None and time.monotonic() >= self._next_disk:
            self.peak_disk = max(self.peak_disk, _disk(self._watched))
            self._next_disk = time.monotonic() + 3

    def wait(self) -> dict:
        """What the task returned."""
        while self.process.poll() is None:
            self.look()
            time.sleep(0.1)
        said = self.process.stdout.read()
        if self.process.returncode:
            sys.exit(f"a task ended with {self.process.returncode}")
        return json.loads(said.splitlines()[-1])


def _memory(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def _disk(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        # files come and go
        with suppress(FileNotFoundError):
            total += file.stat().st_size
    return total


def content(folder: Path) -> str:
    """A hash of the names and bytes of all Parquet files in a folder."""
    made = hashlib.sha256()
    for file in sorted(folder.rglob("*.parquet")):
        made.update(file.relative_to(folder).as_posix().encode())
        with file.open("rb") as stream:
            made.update(hashlib.file_digest(stream, "sha256").digest())
    return made.hexdigest()


def said_rows(rows: int) -> str:
    return f"{rows:,} events"


def timed(folder: Path, rows: int, workers: int = 2, shared: bool = False) -> tuple[dict, Run, Path]:
    """Features of so many events, which are made first; what the run returned, the run, and where its files are."""
    source = folder / f"events-{rows}"
    if not source.exists():
        Run("make_events", rows, source, 2).wait()
    work = Path(tempfile.mkdtemp(dir=folder))
    run = Run("make_features", source, work, workers, shared, watched=work)
    return run.wait(), run, work


# sections


def events(folder: Path, rows: Sequence[int]) -> None:
    """Time, memory and disk by the number of events."""
    seconds: dict[int, float] = {}
    limits = {10**8: 60.0, 10**9: 480.0}
    for n in rows:
        found, run, work = timed(folder, n)
        seconds[n] = found["seconds"]
        said, limit = said_rows(n), limits.get(n)
        about = f"{found['patients']:,} patients, {found['partitions']} partitions, 2 workers"
        add(
            f"{said}: features of patients",
            found["seconds"],
            "s",
            None if limit is None else ("<=", limit),
            data=about,
        )
        add(f"{said}: start of the workers", found["start"], "s", data=about)
        add(f"{said}: most memory", run.peak_bytes / GIB, "GiB", ("<=", 2.0), data="all processes together")
        add(
            f"{said}: most disk besides the events",
            run.peak_disk / 1e9,
            "GB",
            ("<=", 40.0) if n >= 10**9 else None,
        )
        shutil.rmtree(work)
        if n >= 10**8:
            shutil.rmtree(folder / f"events-{n}")
    for small, large in pairwise(rows):
        ratio = seconds[large] / seconds[small]
        # files of 1e8 events stay in the cache of the machine, those of 1e9 do not
        target = ("<=", 11.0) if large <= 10**8 else None
        add(f"time of {said_rows(large)} to that of {said_rows(small)}", ratio, "", target)


def same_bytes(folder: Path, rows: int) -> None:
    """Runs with 1, 2 and 4 workers."""
    found = {}
    for workers in (1, 2, 4):
        _, _, work = timed(folder, rows, workers)
        found[workers] = content(work)
        shutil.rmtree(work)
    different = len(set(found.values())) - 1
    add("runs of 1, 2 and 4 workers: results that differ", different, "", ("<=", 0.0), data=said_rows(rows))


def kills(folder: Path, rows: int) -> None:
    """A worker is killed at its work, then the process of the scheduler with all others; the run goes on and ends alike."""
    _, _, work = timed(folder, rows)
    known = content(work)
    shutil.rmtree(work)
    source, work = folder / f"events-{rows}", folder / "killed"
    work.mkdir()

    run = Run("make_features", source, work, 2, False)
    _until(run, work, 2)
    run.workers()[0].send_signal(signal.SIGKILL)
    run.wait()
    add(
        "kill -9 of a worker: results that differ",
        float(content(work) != known),
        "",
        ("<=", 0.0),
        data=said_rows(rows),
    )
    shutil.rmtree(work)
    work.mkdir()
    for times in range(1, 4):
        run = Run("make_features", source, work, 2, False)
        _until(run, work, 2 * times)
        # the scheduler lives in the first process
        run.process.send_signal(signal.SIGKILL)
        run.process.wait()
        time.sleep(1)
    began = time.perf_counter()
    Run("make_features", source, work, 2, False).wait()
    add(
        "kill -9 of the scheduler, three times: results that differ", float(content(work) != known), "", ("<=", 0.0),
        data=f"{said_rows(rows)}, the last run took {time.perf_counter() - began:.0f} s",
    )  # fmt: skip
    shutil.rmtree(work)


def _until(run: Run, work: Path, parts: int) -> None:
    while run.process.poll() is None and len(list(work.rglob("part-*.json"))) < parts:
        time.sleep(0.02)
    if run.process.poll() is not None:
        sys.exit("the run ended before it was killed: ask for more events")


def against_dask(folder: Path, rows: int) -> None:
    """The same statistics of the same files by dask.dataframe, with as many workers."""
    ours, run, work = timed(folder, rows, shared=True)
    theirs_folder = folder / "dask"
    theirs_run = Run("by_dask", folder / f"events-{rows}", theirs_folder, 2)
    theirs = theirs_run.wait()
    n, worst = _compared(work / "aggregates", theirs_folder)
    ratio, said = theirs["seconds"] / ours["seconds"], said_rows(rows)
    add(
        f"statistics per patient and code of {said}, against dask.dataframe", ours["seconds"], "s",
        peer="dask.dataframe", peer_value=theirs["seconds"], data=f"{n:,} groups",
    )  # fmt: skip
    add(f"dask.dataframe, {said}: times the time", ratio, "", (">=", 5.0), data=f"{n:,} groups")
    memory = theirs_run.peak_bytes / GIB
    add(f"dask.dataframe, {said}: most memory", memory, "GiB", data=f"here {run.peak_bytes / GIB:.2f} GiB")
    what = "count, mean, minimum, maximum, slope"
    add(f"dask.dataframe, {said}: largest relative difference", worst, "", ("<=", 1e-6), data=what)
    shutil.rmtree(work)
    shutil.rmtree(theirs_folder)


def _compared(ours: Path, theirs: Path) -> tuple[int, float]:
    mine = pd.concat([pd.read_parquet(file) for file in sorted(ours.glob("*.parquet"))])
    other = pd.read_parquet(theirs)
    both = mine.merge(
        other, left_on=["patient", "code"], right_on=["subject_id", "code"], how="outer", indicator=True
    )
    if not both["_merge"].eq("both").all():
        return len(both), float("inf")
    pairs = {"count": "numeric_value_count", "mean": "numeric_value_mean", "min": "numeric_value_min",
             "max": "numeric_value_max", "slope_x": "slope_y"}  # fmt: skip
    worst = 0.0
    for mine_name, other_name in pairs.items():
        a, b = both[mine_name].to_numpy(dtype=float), both[other_name].to_numpy(dtype=float)
        known = np.isfinite(a) & np.isfinite(b)
        # sums far from zero lose digits of slopes that are nearly flat
        scale = np.maximum(np.abs(a[known]), np.nanmedian(np.abs(a)))
        worst = max(worst, float(np.max(np.abs(a[known] - b[known]) / scale)))
    return len(both), worst


def sealed_forest(folder: Path) -> Path:
    """A forest of 200 trees on the beats of forty synthetic patients, whose recipe takes recordings of ten seconds."""
    from medanomaly.core.bundle import write_bundle
    from medanomaly.core.models import FitContext, ModelInput, kind
    from medanomaly.core.splits import SplitParams, split_by_patient
    from medanomaly.signals.beats.feature_table import feature_units, measured_beats
    from medanomaly.signals.beats.params import BeatParams
    from medanomaly.signals.beats.table import beat_cases, beats_and_marks
    from medanomaly.signals.recipe import signal_recipe

    settings = BeatParams(min_beats=6)
    raw = {one.record: one for one in ecgs(40, 60.0, seed=1)}
    beats = pd.concat([beats_and_marks(one, settings)[0] for one in raw.values()], ignore_index=True)
    cases = beat_cases(beats).drop(columns=["record"])
    cases.insert(4, "split", split_by_patient(cases["patient_id"], cases["label"], SplitParams()))
    features, _ = measured_beats(raw, beats, cases["case_id"])
    recipe, of = signal_recipe("beat_recipe", settings, {}, {}), kind("isolation_forest")
    context = FitContext("isolation_forest", "signals", stamp={"recipe": recipe.bundle_hash})
    data = ModelInput(cases, features, {"units": feature_units()})
    write_bundle(folder / "signals" / "recipe", recipe)
    bundle = of.fit(data, of.params.model_validate({"options": {"n_estimators": 200}}), context)[0]
    write_bundle(folder / "signals" / "isolation_forest", bundle)
    return folder


def ecgs(n: int, seconds: float, seed: int, fs: float = 360.0):
    """Recordings of two leads of so many synthetic patients, without annotations."""
    from medanomaly.signals.recordings.recording import Recording
    from medanomaly.synthetic.ecg import synthetic_ecg
    from medanomaly.synthetic.patients import draw_patients

    for patient in draw_patients(n, seed).to_dict("records"):
        made = synthetic_ecg(patient, seed, seconds, fs=fs, leads=("II", "V1"))
        yield Recording(made.patient_id, made.patient_id, made.signal, made.fs, made.leads, made.units)


def write_ecgs(folder: Path, n: int) -> Path:
    """So many recordings of ten seconds, in subfolders of a thousand: those of 200 patients, each with noise of its own."""
    from dataclasses import replace

    from medanomaly.signals.readers.npz import write_npz

    known, rng = list(ecgs(200, 10.0, seed=2)), np.random.default_rng(0)
    for i in range(n):
        one = known[i % len(known)]
        noise = rng.standard_normal(one.signal.shape, dtype=np.float32) * np.float32(0.01)
        path = folder / f"{i // 1000:04d}" / f"r{i:07d}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_npz(replace(one, record=path.stem, patient_id=path.stem, signal=one.signal + noise), path)
    return folder


def recordings(folder: Path, sizes: tuple[int, int] = (1000, 10_000), rows: int = 250) -> None:
    """Recordings of ten seconds from file to answers."""
    models = sealed_forest(folder / "models")
    found = {}
    for n in sizes:
        source = write_ecgs(folder / f"recordings-{n}", n)
        broken = source / "0000" / "broken.npz"
        broken.write_bytes(b"no recording")
        run = Run("score_files", models, source, folder / f"answers-{n}.parquet", 2, rows)
        found[n] = (run.wait(), run.peak_bytes)
    (small, small_bytes), (large, large_bytes) = found[sizes[0]], found[sizes[1]]
    own = Run("measure_recordings", models, folder / f"recordings-{sizes[0]}").wait()
    add(
        "recordings of ten seconds per second and core: features and forest",
        own["recordings"] / own["seconds"],
        "1/s",
        (">=", 400.0),
        data=f"{own['recordings']:,} recordings in memory, {own['beats']:,} beats that are found, processor time",
    )
    n = sizes[1]
    about = f"{n:,} recordings of 10 s, two leads, {large['scored']:,} beats, 2 workers"
    add(
        "recordings of ten seconds per second and core: from files to a file of answers",
        n / large["seconds"] / 2,
        "1/s",
        (">=", 400.0),
        data=about,
    )
    add("recordings of ten seconds: answers to all", large["seconds"], "s", data=about)
    million = 1e6 * large["seconds"] / n / 3600
    add("a million recordings of ten seconds, at this speed", million, "h", data="two cores; extrapolated")
    time_ratio = large["seconds"] / small["seconds"]
    add(f"time of {n:,} recordings to that of {sizes[0]:,}", time_ratio, "", ("<=", 11.0))
    add("recordings of ten seconds: most memory", large_bytes / GIB, "GiB", ("<=", 2.0), data=about)
    add(
        f"most memory of {n:,} recordings to that of {sizes[0]:,}", large_bytes / small_bytes, "", ("<=", 1.2)
    )
    lost = [name for name in large["refused"] if name != "0000.broken"]
    missing = "0000.broken" not in large["refused"]
    add(
        "recordings that a corrupt one costs besides itself", len(lost) + missing, "", ("<=", 0.0), data=about
    )
    again = Run("score_files", models, folder / f"recordings-{sizes[0]}", folder / "one.parquet", 1, rows)
    again.wait()
    same = (folder / "one.parquet").read_bytes() == (folder / f"answers-{sizes[0]}.parquet").read_bytes()
    add("recordings with 1 and 2 workers: results that differ", float(not same), "", ("<=", 0.0))


def days(folder: Path, n: int = 20, fs: float = 128.0) -> None:
    """Recordings of a day, each by itself."""
    from medanomaly.signals.readers.npz import write_npz

    models, source = sealed_forest(folder / "models"), folder / "days"
    source.mkdir()
    for one in ecgs(n, 86_400.0, seed=3, fs=fs):
        write_npz(one, source / f"{one.record}.npz")
    run = Run("score_files", models, source, folder / "days.parquet", 2, 1)
    found = run.wait()
    about = f"{n} recordings of 24 h, two leads at {fs:g} Hz, {found['scored']:,} beats, 2 workers"
    add("recordings of a day: answers to all", found["seconds"], "s", data=about)
    add("recordings of a day: most memory", run.peak_bytes / GIB, "GiB", data=about)
    add("recordings of a day that were refused", len(found["refused"]), "", ("<=", 0.0), data=about)


def images(folder: Path, n: int = 5000, per_shard: int = 500) -> None:
    """Images in zip archives, one of which is cut off."""
    from PIL import Image
    from tests.service.small_models import images as drawn
    from tests.service.small_models import imaging

    models, source = folder / "imaging", folder / "shards"
    imaging(models)
    source.mkdir()
    pixels = (drawn(240) * 255).astype(np.uint8)
    for shard in range(n // per_shard):
        with zipfile.ZipFile(source / f"{shard:04d}.zip", "w") as archive:
            for i in range(per_shard):
                stream = io.BytesIO()
                Image.fromarray(pixels[(shard * per_shard + i) % len(pixels)]).save(stream, format="PNG")
                archive.writestr(f"{i:04d}.png", stream.getvalue())
    broken = source / "broken.zip"
    broken.write_bytes((source / "0000.zip").read_bytes()[:-200])
    run = Run("score_files", models, source, folder / "images.parquet", 2, 64)
    found = run.wait()
    about = f"{n:,} images of 64 x 64 in {n // per_shard} zip archives, LBE, 2 workers"
    add("images from archives per second and core", n / found["seconds"] / 2, "1/s", data=about)
    add("images from archives: most memory", run.peak_bytes / GIB, "GiB", ("<=", 2.0), data=about)
    lost = abs(n - found["scored"]) + (found["refused"] != ["broken.zip"])
    add("images that a damaged archive costs besides its own", lost, "", ("<=", 0.0), data=about)


def measured_today() -> dict[str, Result]:
    """Figures of the file, which a section that is measured again stands beside: of this day and this machine only."""
    path = FILES / "scale.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    if any((row["date"], row["machine"]) != (datetime.date.today().isoformat(), machine()) for row in rows):
        sys.exit("the other figures are of another day or machine: measure all")
    names = [field.name for field in fields(Result)]
    return {row["name"]: Result(**{name: row[name] for name in names}) for row in rows}


def main(arguments: Sequence[str] = ()) -> None:
    """All sections, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sections", nargs="*", help=f"of {', '.join(SECTIONS)}; the other figures of today stay"
    )
    parser.add_argument("--rows", type=float, help="measure the events of this number too")
    parser.add_argument("--days", type=int, default=20, help="so many recordings of a day")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.sections) - set(SECTIONS)):
        parser.error(f"there is no section {', '.join(unknown)}")
    if given.sections:
        RESULTS.update(measured_today())
    sizes = [10**7, 10**8, *([int(given.rows)] if given.rows else [])]
    for name in given.sections or SECTIONS:
        with tempfile.TemporaryDirectory(prefix="scale-") as made:
            folder = Path(made)
            {
                "events": lambda folder=folder: events(folder, sizes),
                "bytes": lambda folder=folder: same_bytes(folder, 10**7),
                "kills": lambda folder=folder: kills(folder, 10**7),
                "dask": lambda folder=folder: [against_dask(folder, n) for n in (10**7, 10**8)],
                "recordings": lambda folder=folder: recordings(folder),
                "days": lambda folder=folder: days(folder, given.days),
                "images": lambda folder=folder: images(folder),
            }[name]()
        print(f"{name}: load of the machine {os.getloadavg()[0]:.1f}", flush=True)
        write("scale", list(RESULTS.values()), command="make bench NAME=scale")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--task"]:
        print(json.dumps(TASKS[sys.argv[2]](*sys.argv[3:])))
    else:
        main(sys.argv[1:])
