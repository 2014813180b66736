"""Does the service hold out? Minutes at half of its highest rate, with every answer in the store before it is given.

Each client sends its record at fixed moments, each time as another case. Afterwards the store is opened: a prediction that
was acknowledged and is not there would be lost. Memory is that of the whole process.
"""

import http.client
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks import served_models
from benchmarks.record import Result, write
from benchmarks.serving import CLIENTS, free_port, served

PATH = "/v1/tabular/score"
SECONDS = float(os.environ.get("MEDANOMALY_SOAK_SECONDS", "600"))
# the highest rate is measured for so long
RATE_S = min(15.0, SECONDS)
# at the beginning memory grows: caches fill, pools of threads and connections reach their size
WARM = 0.25
# MiB per minute: over ten minutes a few percent of what such a process holds
GROWTH = 2.0


def poster(port: int) -> Callable[[bytes], None]:
    """Sends bodies on a connection that stays open; an answer other than 200 is an error."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def post(body: bytes) -> None:
        connection.request("POST", PATH, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(content[:300])

    return post


def clients(work: Callable[[int], None]) -> float:
    """Run one call per client at a time; returns the seconds that it took."""
    threads = [threading.Thread(target=work, args=(i,)) for i in range(CLIENTS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


class Clients:
    """Clients that score one record, each time as another case.

    Args:
        port: of the service.
        record: that is scored.
    """

    def __init__(self, port: int, record: dict[str, float]):
        self._port, self._record = port, record
        self.acknowledged: list[list[str]] = [[] for _ in range(CLIENTS)]
        self.errors: list[str] = []
        self.late_s: list[float] = []
        self.taken_s: list[float] = []

    def highest_rate(self, seconds: float) -> float:
        """Answers per second of clients that ask again at once."""
        until = time.perf_counter() + seconds

        def client(i: int) -> None:
            ask = self._asker(i, "rate")
            while time.perf_counter() < until:
                ask()

        before = sum(map(len, self.acknowledged))
        taken = clients(client)
        return (sum(map(len, self.acknowledged)) - before) / taken

    def hold(self, rate: float, seconds: float) -> None:
        """Ask at a rate, whatever the answers take; a late one is asked at once, and how late it was is noted."""
        began, gap = time.perf_counter() + 0.1, CLIENTS / rate

        def client(i: int) -> None:
            ask = self._asker(i, "soak")
            due = began + gap * i / CLIENTS
            while due < began + seconds:
                time.sleep(max(0.0, due - time.perf_counter()))
                start = time.perf_counter()
                ask()
                self.late_s.append(start - due)
                self.taken_s.append(time.perf_counter() - start)
                due += gap

        clients(client)

    def _asker(self, i: int, phase: str) -> Callable[[], None]:
        call, calls = poster(self._port), 0

        def ask() -> None:
            nonlocal call, calls
            calls += 1
            case = f"{phase}-{i}-{calls}"
            try:
                call(json.dumps({"records": self._record | {"case": case}}).encode())
            except Exception as error:
                self.errors.append(str(error)[:200])
                call = poster(self._port)
            else:
                self.acknowledged[i].append(case)

        return ask


def memory_mib(pid: int) -> float:
    """Memory of a process that is in use; NaN where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def watched(pid: int, ended: threading.Event) -> tuple[list[float], list[float]]:
    """Seconds and MiB, once per half second, until the event is set."""
    times, memory, began = [], [], time.perf_counter()
    while not ended.wait(0.5):
        times.append(time.perf_counter() - began)
        memory.append(memory_mib(pid))
    return times, memory


def growth(times: list[float], memory: list[float]) -> tuple[float, float, float]:
    """MiB per minute after the warm-up, by the median of all slopes, with a 95 % interval."""
    from scipy.stats import theilslopes

    first = int(WARM * len(times))
    found = theilslopes(memory[first:], times[first:])
    return 60 * found.slope, 60 * found.low_slope, 60 * found.high_slope


def missing(url: str, acknowledged: list[str], n_models: int) -> tuple[int, int, bool]:
    """Acknowledged predictions that are not in the store, predictions in it, and whether its audit chain is whole."""
    from medanomaly.store.keys import SUBJECT_KEY, Keys
    from medanomaly.store.rows import CASE
    from medanomaly.store.store import Store

    with Store.open(url) as store:
        found = store.predictions()["case_key"].value_counts()
        wanted = Keys(SUBJECT_KEY.read()).hashes(CASE, acknowledged)
        lost = sum(n_models - min(int(found.get(key, 0)), n_models) for key in wanted)
        return lost, int(found.sum()), store.verify().whole


def main() -> None:
    os.environ["MEDANOMALY_SUBJECT_KEY"] = "the key of a benchmark"
    with tempfile.TemporaryDirectory() as root:
        record = served_models.table(Path(root) / "models", case_id="case")
        url, port = f"sqlite:///{root}/predictions.db", free_port()
        command = ["medanomaly", "serve", "--models", f"{root}/models", "--port", str(port), "--store", url]
        with served(command, port, "/health/ready") as (_, pid):
            asking = Clients(port, record)
            asking.highest_rate(min(2.0, RATE_S))
            highest = asking.highest_rate(RATE_S)
            ended, seen = threading.Event(), []
            watcher = threading.Thread(target=lambda: seen.append(watched(pid, ended)))
            watcher.start()
            before, began = sum(map(len, asking.acknowledged)), time.perf_counter()
            asking.hold(highest / 2, SECONDS)
            taken = time.perf_counter() - began
            held = (sum(map(len, asking.acknowledged)) - before) / taken
            ended.set()
            watcher.join()
        acknowledged = [case for cases in asking.acknowledged for case in cases]
        lost, stored, whole = missing(url, acknowledged, 1)
    slope, low, high = growth(*seen[0])
    at_end = seen[0][1][-1]
    data = f"one record of wdbc, forest of 300 trees, SQLite; {CLIENTS} clients on the same machine"
    soak = f"{SECONDS:g} s at half of the highest rate"
    late = float(np.quantile(asking.late_s, 0.99))
    write(
        "serving_soak",
        [
            Result("highest rate, every answer in the store before it is given", highest, "answers/s", data=data),
            Result(
                f"rate held for {SECONDS:g} s", held, "answers/s",
                target=f"half of the highest, {highest / 2:.0f}", reached=held > 0.98 * highest / 2, data=data,
            ),
            Result("errors", len(asking.errors), "", target="0", reached=not asking.errors, data=soak),
            Result(
                "time of an answer, p99", 1e3 * float(np.quantile(asking.taken_s, 0.99)), "ms",
                data=f"{soak}; requests left at most {1e3 * late:.0f} ms late (p99)",
            ),
            Result(
                "memory of the process, growth per minute", slope, "MiB", ci_low=low, ci_high=high,
                target=f"< {GROWTH:g} MiB", reached=bool(slope < GROWTH),
                data=f"{soak}, after the first {WARM:.0%}; {at_end:.0f} MiB at the end",
            ),
            Result(
                "acknowledged predictions that are not in the store", lost, "",
                target="0", reached=lost == 0, data=f"{len(acknowledged)} acknowledged, {stored} in the store",
            ),
            Result("audit chain is whole", float(whole), "", target="1", reached=whole, data=soak),
        ],
        command="make bench NAME=serving_soak",
    )  # fmt: skip
    for error in sorted(set(asking.errors))[:5]:
        print(error)


if __name__ == "__main__":
    main()
