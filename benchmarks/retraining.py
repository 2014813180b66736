"""The gate of a promotion, on simulated pairs of models, and how fast a service follows a promotion.

A pair of models agrees for the most part (their scores correlate by 0.7). The AUROC of the champion is 0.85. One patient in
four is abnormal. There are two sexes, four bands of age and five sites, which the gate looks at one by one.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
from scipy.stats import norm

from benchmarks.record import Result, write
from medanomaly.evaluation.resampling.bootstrap import ResampledCases
from medanomaly.evaluation.resampling.intervals import clopper_pearson
from medanomaly.scoring.promotion import GateParams, judge

CHAMPION, PREVALENCE, CORRELATION = 0.85, 0.25, 0.7
SIMULATIONS = 200
GROUPS = {"sex": 2, "age": 4, "site": 5}


def pair(rng: np.random.Generator, n: int, gain: float) -> tuple[ResampledCases, dict[str, np.ndarray]]:
    """Scores of a champion and of a challenger whose true AUROC differs by ``gain``, with probabilities that are right."""
    positive = rng.random(n) < PREVALENCE
    # AUROC of two normal distributions of unit variance at this distance
    apart = np.sqrt(2) * norm.ppf([CHAMPION, CHAMPION + gain])
    noise = np.sqrt(CORRELATION) * rng.normal(size=(n, 1)) + np.sqrt(1 - CORRELATION) * rng.normal(
        size=(n, 2)
    )
    score = noise + positive[:, None] * apart
    odds = apart * score - apart**2 / 2 + np.log(PREVALENCE / (1 - PREVALENCE))
    groups = {}
    for name, k in GROUPS.items():
        of = rng.integers(0, k, n)
        groups |= {f"{name} {i}": of == i for i in range(k)}
    return ResampledCases(np.arange(n), positive, score, None, 1 / (1 + np.exp(-odds))), groups


def promoted(n: int, gain: float) -> tuple[int, dict[str, int]]:
    """How many of the simulated challengers are promoted, and how often each condition fails."""
    rng, count, failed = np.random.default_rng([n, round(1000 * (gain + 1))]), 0, {}
    for i in range(SIMULATIONS):
        found = judge(*pair(rng, n, gain), GateParams(n_resamples=1000, seed=i))
        count += all(one.passed for one in found)
        for one in found:
            failed[one.name] = failed.get(one.name, 0) + (not one.passed)
    return count, failed


def gate() -> list[Result]:
    rows = []
    for n, gain, target in (
        (2000, -0.02, "0.05 or less"),
        (2000, 0.02, "0.8 or more"),
        (2000, 0.0, None),
        (500, -0.02, "0.05 or less"),
        (500, 0.02, None),
        (10_000, 0.02, None),
    ):
        count, failed = promoted(n, gain)
        share = count / SIMULATIONS
        low, high = clopper_pearson(count, SIMULATIONS)
        reached = None if target is None else (share <= 0.05 if gain < 0 else share >= 0.8)
        what = f"challengers promoted, true difference of AUROC {gain:+.2f}, {n:,} patients"
        rows.append(Result(what, share, "", low, high, target=target, reached=reached))
        if n == 2000 and gain > 0:
            rows += [
                Result(
                    f"condition that fails at a true difference of +0.02: {name}",
                    k / SIMULATIONS,
                    "",
                    data=f"{n:,} patients",
                )
                for name, k in failed.items()
            ]
    return rows


def follow() -> list[Result]:
    """Promotions and roll-backs of a registry that a service in a process of its own serves, while two clients ask."""
    from tests.scoring.small_models import trained, visits

    from medanomaly.scoring.registry import Registry

    root = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as made, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        folder, registry = Path(made), Registry(Path(made) / "registry")
        registry.add(trained(folder / "a", ("ecdf",)))
        registry.promote()
        registry.add(trained(folder / "b", ("ecdf", "mahalanobis")))
        registry._check_compared = lambda *_: None
        record = visits(1, 7).drop(columns="outcome").to_dict("records")[0]
        body = json.dumps({"records": [record, record | {"id": "b"}]}).encode()
        times, statuses, stop = [], [], threading.Event()
        service = subprocess.Popen(
            [sys.executable, "-m", "medanomaly", "serve", "--models", str(registry.folder), "--port", str(port)],
            env=os.environ | {"PYTHONPATH": str(root / "src")}, stderr=subprocess.DEVNULL,
        )  # fmt: skip

        def served() -> int:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=60) as found:
                    return json.loads(found.read())["models"]
            except OSError:
                return 0

        def until(models: int) -> float:
            began = time.perf_counter()
            while served() != models:
                if service.poll() is not None:
                    sys.exit(f"the service ended with {service.returncode}")
                time.sleep(0.02)
            return time.perf_counter() - began

        def ask() -> None:
            headers = {"Content-Type": "application/json"}
            while not stop.is_set():
                try:
                    request = urllib.request.Request(
                        f"http://127.0.0.1:{port}/v1/tabular/score", body, headers
                    )
                    with urllib.request.urlopen(request, timeout=60) as found:
                        statuses.append(found.status)
                except OSError:
                    statuses.append(0)

        try:
            until(1)
            threads = [threading.Thread(target=ask) for _ in range(2)]
            for thread in threads:
                thread.start()
            for change, models in 5 * [(registry.promote, 2), (registry.roll_back, 1)]:
                change()
                times.append(until(models))
            stop.set()
            for thread in threads:
                thread.join()
        finally:
            service.terminate()
            service.wait(60)
    lost = sum(status != 200 for status in statuses)
    load = f"2 clients without a pause; {os.getloadavg()[0]:.1f} processes wanted {os.cpu_count()} cores"
    return [
        Result("time until a service serves the promoted version, slowest of 10", max(times), "s",
               target="below 2", reached=max(times) < 2, data=load),
        Result("time until a service serves the promoted version, median of 10", float(np.median(times)), "s",
               data=load),
        Result("requests lost during 10 changes", lost, "", target="0", reached=lost == 0,
               data=f"{len(statuses):,} requests"),
    ]  # fmt: skip


def main() -> None:
    write("retraining", [*gate(), *follow()], command="make bench NAME=retraining")


if __name__ == "__main__":
    main()
