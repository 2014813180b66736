"""What does an answer over HTTP cost? One process of the service on loopback, from the request to the last byte.

The client is a socket in another process, kept open. Peers answer the same request with
the same forest and give the score alone: a route of FastAPI around scikit-learn's ``score_samples``, as one would write it
first, and LitServe around the ONNX model of the bundle, which collects requests to batches.
"""

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
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
import pandas as pd

from benchmarks import served_models
from benchmarks.record import Result, write

CALLS = int(os.environ.get("MEDANOMALY_SERVING_CALLS", "1000"))
SLOW_CALLS, CLIENTS = CALLS // 5, 16
STREAMS, STREAM_S, CHUNK_S = 8, float(os.environ.get("MEDANOMALY_SERVING_SECONDS", "40")), 0.1
PLAIN = "benchmarks.serving:plain_app"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
# so long a request may take when 16 clients ask at a time
SLOWEST_MS = 100.0


def plain_app():
    """The first thing that one would write."""
    from fastapi import Body, FastAPI

    forest, columns = served_models.plain_forest()
    app = FastAPI()

    @app.post("/score")
    def score(record: dict = Body()) -> dict:  # noqa: B008
        row = pd.DataFrame([record], columns=columns)
        return {"score": float(-forest.score_samples(row)[0])}

    return app


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def served(command: list[str], port: int, ready: str) -> Iterator[tuple[int, int]]:
    """Port and number of a process that answers; it ends with the block."""
    # LitServe leaves its workers behind unless the whole group is ended
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
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
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def service(folder: Path) -> contextlib.AbstractContextManager[tuple[int, int]]:
    port = free_port()
    return served(
        ["medanomaly", "serve", "--models", str(folder), "--port", str(port)], port, "/health/ready"
    )


def caller(port: int, path: str, body: bytes, kind: str = "application/json") -> Callable[[], None]:
    """One request on a connection that stays open; what the client does itself is a few microseconds."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    request = head.encode() + body

    def call() -> None:
        connection.sendall(request)
        received, whole = b"", None
        while whole is None or len(received) < whole:
            part = connection.recv(1 << 16)
            if not part:
                raise RuntimeError(f"the connection was closed after {received[:300]}")
            received += part
            at = received.find(b"\r\n\r\n")
            if whole is None and at >= 0:
                length = _LENGTH.search(received, 0, at + 2)
                if not received.startswith(b"HTTP/1.1 200 ") or length is None:
                    raise RuntimeError(received[:300])
                whole = at + 4 + int(length[1])

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


def rate(port: int, path: str, body: bytes, seconds: float = 5.0) -> tuple[float, float]:
    """Answers per second of 16 clients at a time, and the longest wait in ms."""
    waits, stop, begin = [[] for _ in range(CLIENTS)], threading.Event(), threading.Barrier(CLIENTS + 1)

    def client(i: int) -> None:
        call = caller(port, path, body)
        for _ in range(5):
            call()
        begin.wait()
        while not stop.is_set():
            start = time.perf_counter()
            call()
            waits[i].append(time.perf_counter() - start)

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
    took = time.perf_counter() - start
    return sum(map(len, waits)) / took, 1e3 * max(map(max, waits))


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


def peers(folder: Path, record: dict[str, float]) -> dict[str, float]:
    """Answers per second of each peer that is installed."""
    found, body = {}, json.dumps(record).encode()
    port = free_port()
    command = ["uvicorn", PLAIN, "--factory", "--port", str(port), "--log-level", "error", "--no-access-log"]
    with served(command, port, "/openapi.json"):
        found["scikit-learn's score_samples in a route of FastAPI"] = rate(port, "/score", body)[0]
    try:
        import litserve
    except ImportError:
        print("LitServe is left out: pip install litserve")
        return found
    port, model = free_port(), folder / "tabular" / "isolation_forest" / "model.onnx"
    program = [
        "benchmarks.serving_peer",
        str(port),
        str(model),
        *record,
    ]
    with served(program, port, "/health"):
        found[f"LitServe {litserve.__version__} around the same ONNX model"] = rate(port, "/score", body)[0]
    return found


def compared(folder: Path, record: dict[str, float], ours: float, slowest: float) -> list[Result]:
    """The rate of 16 clients beside that of each peer, and the longest wait."""
    name, data = (
        f"one record, {CLIENTS} clients at a time",
        "wdbc; clients are threads of one process on the same machine",
    )
    results = []
    for peer, theirs in peers(folder, record).items():
        least = 1 if peer.startswith("LitServe") else 10
        results.append(
            Result(
                name=name,
                value=ours,
                unit="answers/s",
                peer=f"{peer}, which gives the score alone",
                peer_value=theirs,
                ratio=ours / theirs,
                target=f">= {least} times the baseline",
                reached=bool(ours >= least * theirs),
                data=data,
            )
        )
    return [
        *results,
        Result(
            name=f"{name}, longest wait",
            value=slowest,
            unit="ms",
            target=f"<= {SLOWEST_MS:g} ms",
            reached=bool(slowest <= SLOWEST_MS),
            data=data,
        ),
    ]


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
        results += compared(folder, record, *ours)
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
