"""The measured figures of a benchmark, each with the parts of its label."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.render.labels import take_apart

RESULTS = Path(__file__).parents[1] / "results"


@dataclass(frozen=True)
class Figure:
    """One measured figure. ``parts`` are those of its label and of its data, such as model, metric, set."""

    benchmark: str
    name: str
    value: float | None
    unit: str
    low: float | None
    high: float | None
    baseline: str | None
    baseline_value: float | None
    ratio: float | None
    target: str | None
    reached: bool | None
    data: str
    command: str
    date: str
    machine: str
    kind: str = "unplaced"
    is_baseline: bool = False
    parts: dict[str, str] = field(default_factory=dict, compare=False)

    def part(self, key: str) -> str:
        """What the label says of ``key``; empty where it says nothing."""
        return self.parts.get(key, "")

    def of_baseline(self) -> "Figure | None":
        """The figure that this one was compared with, as a figure of its own."""
        if self.baseline is None:
            return None
        with_range = re.fullmatch(r"(.+) \(([\d.]+) to ([\d.]+)\)", self.baseline)
        name, low, high = with_range.groups() if with_range else (self.baseline, None, None)
        return replace(
            self,
            value=self.baseline_value,
            low=None if low is None else float(low),
            high=None if high is None else float(high),
            baseline=None,
            ratio=None,
            target=None,
            is_baseline=True,
            parts=self.parts | {"model": name, "count": name, "way": name},
        )


def read(benchmark: str, folder: Path = RESULTS) -> list[Figure]:
    """All figures of a benchmark in the order of its file; none where it has not been measured."""
    path = folder / f"{benchmark}.json"
    if not path.exists():
        return []
    figures = []
    for row in json.loads(path.read_text()):
        kind, parts = take_apart(benchmark, row["name"], row["data"])
        data = row["data"] or ""
        figures.append(
            Figure(
                benchmark=benchmark,
                name=row["name"],
                value=row["value"],
                unit=row["unit"],
                low=row["ci_low"],
                high=row["ci_high"],
                baseline=row["peer"],
                baseline_value=row["peer_value"],
                ratio=row["ratio"],
                target=row["target"],
                reached=row["reached"],
                data=data,
                command=row["command"],
                date=row["date"],
                machine=row["machine"],
                kind=kind,
                parts={"data": data, "against": row["peer"] or "", "baseline_name": row["peer"] or ""}
                | parts,
            )
        )
    return figures


def having(figures: Iterable[Figure], kind: str, **parts: str) -> list[Figure]:
    return [f for f in figures if f.kind == kind and all(f.part(k) == v for k, v in parts.items())]


def best(figures: list[Figure], pick: Callable = max) -> Figure:
    """The figure with the highest (or, with ``min``, lowest) value."""
    return pick((f for f in figures if f.value is not None), key=lambda f: f.value)
