"""What does an answer over HTTP cost? One process of the service on loopback, from the request to the last byte.

The client is a plain connection of the standard library in another process, kept open. The plain way is the same request to
a route that hands the record to ``medanomaly.open(...).score(...).to_dict()``, as one would write it first.
"""

import asyncio
import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks import served_models
from benchmarks.record import Result, write

CALLS = int(os.environ.get("MEDANOMALY_SERVING_CALLS", "1000"))
SLOW_CALLS, CLIENTS = CALLS // 5, 16
STREAMS, STREAM_S, CHUNK_S = 8, float(os.environ.get("MEDANOMALY_SERVING_SECONDS", "40")), 0.1
PLAIN = "benchmarks.serving:plain_app"


def plain_app():
    """The first thing that one would write."""
    from fastapi import Body, FastAPI

    import medanomaly

    models, app = medanomaly.open(os.environ["PLAIN_FOLDER"]), FastAPI()

    @app.post("/score")
    def score(record: dict = Body()) -> dict:  # noqa: B008
        return models.score(record, modality="tabular", explain=False).to_dict()

    return app


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def served(command: list[str], port: int, ready: str) -> Iterator[tuple[int, int]]:
    """Port and number of a process that answers; it ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 300
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("GET", ready)
                if connection.getresponse().status == 200:
                    break
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{command} did not start")
            time.sleep(0.2)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def service(folder: Path) -> contextlib.AbstractContextManager[tuple[int, int]]:
    port = free_port()
    return served(["medanomaly.service", "serve", str(folder), "--port", str(port)], port, "/health/ready")


def caller(port: int, path: str, body: bytes, kind: str = "application/json") -> Callable[[], None]:
    """One request on a connection that stays open."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def call() -> None:
        connection.request("POST", path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(content[:300])

    return call


def processor_s(pid: int) -> float:
    """Processor time of a process so far; NaN where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def times_ms(call: Callable[[], None], calls: int, pid: int) -> tuple[np.ndarray, float]:
    """Time of each call, and mean processor time of the service, in ms; other programs hardly change the latter."""
    for _ in range(max(10, calls // 20)):
        call()
    taken, before = np.empty(calls), processor_s(pid)
    for i in range(calls):
        start = time.perf_counter()
        call()
        taken[i] = time.perf_counter() - start
    return 1e3 * taken, 1e3 * (processor_s(pid) - before) / calls


def latency(
    name: str, times: tuple[np.ndarray, float], targets: dict[float, float], data: str
) -> list[Result]:
    """p50 and p99, each with its target, and processor time."""
    taken, busy = times
    rows = [Result(name=f"{name}, processor time of the service, mean", value=busy, unit="ms", data=data)]
    for level in (0.5, 0.99):
        value, target = float(np.quantile(taken, level)), targets.get(level)
        rows.append(
            Result(
                name=f"{name}, p{100 * level:g}",
                value=value,
                unit="ms",
                target=None if target is None else f"< {target:g} ms",
                reached=None if target is None else bool(value < target),
                data=f"{data}; {len(taken)} requests one after the other",
            )
        )
    return rows


def rate(port: int, path: str, body: bytes, seconds: float = 5.0) -> float:
    """Answers per second of 16 clients at a time."""
    counts, stop, begin = [0] * CLIENTS, threading.Event(), threading.Barrier(CLIENTS + 1)

    def client(i: int) -> None:
        call = caller(port, path, body)
        call()
        begin.wait()
        while not stop.is_set():
            call()
            counts[i] += 1

    threads = [threading.Thread(target=client, args=(i,)) for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    begin.wait()
    start = time.perf_counter()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    # a slow answer that began in time counts, and so does the wait for it
    return sum(counts) / (time.perf_counter() - start)


def form(content: bytes) -> tuple[bytes, str]:
    """An image as an upload."""
    mark = "b" * 30
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'.encode()
    return head + content + f"\r\n--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"


async def live(port: int, seed: int) -> tuple[list[float], float]:
    """Delays of beats in ms beyond what the detector itself needs, and seconds that the last chunk was late."""
    from websockets.asyncio.client import connect

    signal = served_models.ecg(seed, STREAM_S).astype("<f4")
    step, delays = round(CHUNK_S * served_models.FS), []
    async with connect(f"ws://127.0.0.1:{port}/v1/signals/live", proxy=None) as stream:
        await stream.send(json.dumps({"fs": served_models.FS, "leads": ["II", "V1"]}))
        ready = json.loads(await stream.recv())
        began = time.perf_counter()

        async def listen() -> None:
            while (message := json.loads(await stream.recv()))["type"] != "end":
                now = time.perf_counter() - began
                for beat in message["beats"]:
                    # beats of the learning time come together when it ends
                    if beat["time_s"] > ready["learning_s"] + 1 and now < STREAM_S:
                        delays.append(1e3 * (now - beat["time_s"] - ready["latency_s"]))

        listener = asyncio.create_task(listen())
        for i, at in enumerate(range(0, len(signal), step)):
            # a chunk is sent when its last sample has been recorded
            await asyncio.sleep(max(0.0, (i + 1) * CHUNK_S - (time.perf_counter() - began)))
            await stream.send(signal[at : at + step].tobytes())
        late = time.perf_counter() - began - STREAM_S
        await stream.send('{"end": true}')
        await listener
    return delays, late


async def all_live(port: int) -> tuple[np.ndarray, float]:
    found = await asyncio.gather(*(live(port, seed) for seed in range(STREAMS)))
    return np.concatenate([delays for delays, _ in found]), max(late for _, late in found)


def main() -> None:
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as root:
        folder, streams = Path(root) / "models", Path(root) / "streams"
        record, window, image = (
            served_models.table(folder),
            served_models.windows(folder),
            served_models.images(folder),
        )
        served_models.beats(streams)
        body = json.dumps({"records": record}).encode()
        with service(folder) as (port, pid):
            taken = times_ms(caller(port, "/v1/tabular/score", body), CALLS, pid)
            results += latency(
                "one record of 30 numbers, forest of 300 trees", taken, {0.5: 1, 0.99: 5}, "wdbc"
            )
            taken = times_ms(
                caller(port, "/v1/signals/score", json.dumps({"signal": window}).encode()), SLOW_CALLS, pid
            )
            results += latency(
                "one window of 720 samples, features and both models",
                taken,
                {0.5: 5, 0.99: 15},
                "made-up ECG; forest of 100 trees, LSTM of 64 units",
            )
            taken = times_ms(caller(port, "/v1/imaging/score", *form(image)), SLOW_CALLS, pid)
            results += latency("one image of 128 px, PNG", taken, {0.99: 50}, "phantom; band energies (LBE)")
            ours = rate(port, "/v1/tabular/score", body)
        port = free_port()
        os.environ["PLAIN_FOLDER"] = str(folder)
        command = [
            "uvicorn",
            PLAIN,
            "--factory",
            "--port",
            str(port),
            "--log-level",
            "error",
            "--no-access-log",
        ]
        with served(command, port, "/openapi.json"):
            plain = rate(port, "/score", json.dumps(record).encode())
        results.append(
            Result(
                name=f"one record, {CLIENTS} clients at a time",
                value=ours,
                unit="answers/s",
                peer="the plain way: a route of FastAPI around score(...).to_dict()",
                peer_value=plain,
                ratio=ours / plain,
                target="faster than the plain way",
                reached=bool(ours > plain),
                data="wdbc; clients are threads of one process on the same machine",
            )
        )
        with service(streams) as (port, _):
            delays, late = asyncio.run(all_live(port))
        data = f"{STREAMS} streams of 2 leads at {served_models.FS:g} Hz for {STREAM_S:g} s, chunks of {CHUNK_S:g} s"
        for level in (0.5, 0.99):
            value = float(np.quantile(delays, level))
            results.append(
                Result(
                    name=f"live ECG, delay of a score beyond the detector's own, p{100 * level:g}",
                    value=value,
                    unit="ms",
                    target="< 250 ms" if level == 0.99 else None,
                    reached=bool(value < 250) if level == 0.99 else None,
                    data=f"{data}, which are part of the delay; {len(delays)} beats",
                )
            )
        results.append(
            Result(
                name="live ECG, last chunk behind real time",
                value=1e3 * late,
                unit="ms",
                target="< 250 ms",
                reached=bool(late < 0.25),
                data=data,
            )
        )
    write("serving", results, command="make bench NAME=serving")


if __name__ == "__main__":
    main()
