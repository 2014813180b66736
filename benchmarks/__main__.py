"""``python -m benchmarks [NAME]``: run one benchmark, or all."""

import importlib
import sys
from pathlib import Path

# programs of their own
NOT_BENCHMARKS = {"__main__", "compare_runs"}


def names() -> list[str]:
    files = Path(__file__).parent.glob("*.py")
    return sorted(
        f.stem for f in files if "\ndef main(" in f.read_text("utf-8") and f.stem not in NOT_BENCHMARKS
    )


def main() -> None:
    wanted = sys.argv[1:] or names()
    unknown = set(wanted) - set(names())
    if unknown:
        sys.exit(f"no benchmark {sorted(unknown)}; there are {names()}")
    # a benchmark that reads arguments of its own must not take these for them
    sys.argv = sys.argv[:1]
    failed = {}
    for name in wanted:
        try:
            importlib.import_module(f"benchmarks.{name}").main()
        except (Exception, SystemExit) as error:
            if len(wanted) == 1:
                raise
            # such as data that is not here: the others run
            failed[name] = error
    if failed:
        sys.exit("\n".join(f"{name}: {error}" for name, error in failed.items()))


if __name__ == "__main__":
    main()
