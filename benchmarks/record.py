"""Write what a benchmark measured, and print it: the one format that ``docs/results`` is rendered from."""

import datetime
import json
import math
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Result:
    """One measured figure. ``ratio`` says how many times better than the peer (faster, smaller error)."""

    name: str
    value: float
    unit: str
    ci_low: float | None = None
    ci_high: float | None = None
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    target: str | None = None
    reached: bool | None = None
    data: str | None = None


def machine() -> str:
    """Processor and core count, without anything that names the host."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _json(value: object) -> object:
    """Numpy scalars as plain ones, NaN and infinity as null."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write(
    name: str, results: list[Result], command: str, path: Path | None = None, keep: bool = False
) -> Path:
    """Print the table of ``results`` and write it as JSON; returns the path.

    Args:
        name: of the file.
        results: the figures.
        command: that measures them.
        path: of the file; None: beside the others.
        keep: whether other rows of the file stay, each with its own date and machine: for a single section.
    """
    stamp = {"command": command, "date": datetime.date.today().isoformat(), "machine": machine()}
    path = path or RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{key: _json(value) for key, value in asdict(result).items()} | stamp for result in results]
    if keep and path.exists():
        measured = {row["name"]: row for row in rows}
        before = json.loads(path.read_text())
        rows = [measured.pop(row["name"], row) for row in before] + list(measured.values())
    path.write_text(json.dumps(rows, indent=1) + "\n")

    table = Table(title=f"{name}: {command}")
    for column in (
        "what",
        "value",
        "unit",
        "95 % interval",
        "peer",
        "peer value",
        "ratio",
        "target",
        "reached",
    ):
        table.add_column(column, justify="right" if column in ("value", "peer value", "ratio") else "left")
    for r in results:
        table.add_row(
            r.name,
            f"{r.value:.4g}",
            r.unit,
            f"{r.ci_low:.4g} .. {r.ci_high:.4g}" if r.ci_low is not None and r.ci_high is not None else "",
            r.peer or "",
            f"{r.peer_value:.4g}" if r.peer_value is not None else "",
            f"{r.ratio:.3g}" if r.ratio is not None else "",
            r.target or "",
            {True: "yes", False: "no", None: ""}[r.reached],
        )
    Console(width=160).print(table)
    return path
