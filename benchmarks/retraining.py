"""The gate of a promotion, on simulated pairs of models, and how fast a service follows a promotion.

A pair of models agrees for the most part (their scores correlate by 0.7). The AUROC of the champion is 0.85. One patient in
four is abnormal. There are two sexes, four bands of age and five sites, which the gate looks at one by one.
"""

import tempfile
import threading
import time
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
                Result(f"of these, condition that fails: {name}", k / SIMULATIONS, "", data=f"{n:,} patients")
                for name, k in failed.items()
            ]
    return rows


def follow() -> list[Result]:
    """Promotions and roll-backs of a registry that a service serves, while four clients ask without a pause."""
    from starlette.testclient import TestClient
    from tests.scoring.small_models import trained, visits

    from medanomaly.scoring.registry import Registry
    from medanomaly.service.app import create_app
    from medanomaly.service.settings import Settings

    with tempfile.TemporaryDirectory() as made:
        folder, registry = Path(made), Registry(Path(made) / "registry")
        registry.add(trained(folder / "a", ("ecdf",)))
        registry.promote()
        registry.add(trained(folder / "b", ("ecdf", "mahalanobis")))
        registry._check_compared = lambda *_: None
        record = visits(1, 7).drop(columns="outcome").to_dict("records")[0]
        times, statuses, stop = [], [], threading.Event()
        with TestClient(create_app(registry.folder, Settings()), base_url="http://127.0.0.1") as client:

            def ready() -> int:
                found = client.get("/health/ready")
                return found.json()["models"] if found.is_success else 0

            def until(models: int) -> float:
                began = time.perf_counter()
                while ready() != models:
                    time.sleep(0.005)
                return time.perf_counter() - began

            def ask() -> None:
                while not stop.is_set():
                    found = client.post("/v1/tabular/score", json={"records": [record, record | {"id": "b"}]})
                    statuses.append(found.status_code)

            until(1)
            threads = [threading.Thread(target=ask) for _ in range(4)]
            for thread in threads:
                thread.start()
            for _ in range(5):
                registry.promote()
                times.append(until(2))
                registry.roll_back()
                times.append(until(1))
            stop.set()
            for thread in threads:
                thread.join()
    lost = sum(status != 200 for status in statuses)
    slowest = max(times)
    return [
        Result("time until a service serves the promoted version, slowest of 10", slowest, "s",
               target="below 2", reached=slowest < 2),
        Result("time until a service serves the promoted version, median of 10", float(np.median(times)), "s"),
        Result(f"requests lost of {len(statuses):,} during 10 changes", lost, "", target="0", reached=lost == 0),
    ]  # fmt: skip


def main() -> None:
    write("retraining", [*gate(), *follow()], command="make bench NAME=retraining")


if __name__ == "__main__":
    main()
