"""What the first minutes cost: processor time, wall time and memory of whole runs, each in a folder of its own."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.record import Result, write

ROOT = Path(__file__).parents[1]
# command -> most seconds of processor time, most MB of memory
RUNS = {"kedro run": (240.0, None), "kedro run --env wdbc": (12.0, 600.0)}


def measure(command: str) -> tuple[float, float, float]:
    """Processor time in s (``user`` of the process and its children), wall time in s, largest resident memory in MB."""
    folder = tempfile.mkdtemp()
    program, *arguments = command.split()
    try:
        started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        # a parent that waits for this run alone, so that its peak of memory is this run's
        watch = (
            "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]);"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
        )
        done = subprocess.run(
            [sys.executable, "-c", watch, Path(sys.executable).parent / program, *arguments],
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
            | {"MEDANOMALY_OUTPUTS": folder},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
        wall = time.perf_counter() - started
        user = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return user, wall, int(done.stdout.split()[-1]) / 1024


def main() -> None:
    # compiled code and bytecode are kept after the first run of an installation; this is the second
    measure("kedro run --env wdbc")
    results = []
    for command, (most_user, most_memory) in RUNS.items():
        user, wall, memory = measure(command)
        results += [
            Result(
                name=f"{command}, processor time",
                value=user,
                unit="s",
                target=f"at most {most_user:g} s",
                reached=user <= most_user,
            ),
            Result(name=f"{command}, wall time", value=wall, unit="s"),
            Result(
                name=f"{command}, memory",
                value=memory,
                unit="MB",
                target=None if most_memory is None else f"at most {most_memory:g} MB",
                reached=None if most_memory is None else memory <= most_memory,
            ),
        ]
    write("first_minutes", results, "python -m benchmarks.first_minutes")


if __name__ == "__main__":
    main()
