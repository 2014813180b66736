"""``python -m benchmarks [NAME]``: run one benchmark, or all."""

import importlib
import sys
from pathlib import Path

NOT_BENCHMARKS = {"__init__", "__main__", "chest_images", "compare_runs", "mitbih_stress", "record"}


def names() -> list[str]:
    return sorted({path.stem for path in Path(__file__).parent.glob("*.py")} - NOT_BENCHMARKS)


def main() -> None:
    wanted = sys.argv[1:] or names()
    unknown = set(wanted) - set(names())
    if unknown:
        sys.exit(f"no benchmark {sorted(unknown)}; there are {names()}")
    for name in wanted:
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
