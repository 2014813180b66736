"""Does a run give what a kept run gave? Scores, metrics, comparisons and audits, cell by cell.

    python -m benchmarks.compare_runs KEPT NEW

KEPT and NEW are output folders (``MEDANOMALY_OUTPUTS``) of two runs of one environment. Every table of case scores,
baselines, metrics, comparisons and alarm choices, and every audit, of KEPT is looked up in NEW. Numbers may differ by 1e-9
relative, which is what another order of additions costs; everything else has to be equal. Prints what differs; exits with 1
if anything does.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import pandas as pd

TABLES = (
    "07_model_output/*/*/scores.parquet",
    "07_model_output/*/*/baselines.parquet",
    "07_model_output/*/*/probabilities.parquet",
    "08_reporting/*/metrics.csv",
    "08_reporting/*/comparisons.csv",
    "08_reporting/*/*/alarm_choices.csv",
    "08_reporting/*/*_risk/metrics.parquet",
)
AUDITS = ("08_reporting/*/audit.json",)
# columns that say the same in another way since a run was kept
IDENTITY = ("modality", "case_id", "model", "model_a", "model_b", "split", "subgroup", "metric", "way")
RELATIVE = 1e-9


def differences(kept: Path, new: Path) -> list[str]:
    """One line for each table, row or figure of ``kept`` that ``new`` does not have."""
    found, compared = [], 0
    for pattern in TABLES:
        for path in sorted(kept.glob(pattern)):
            compared += 1
            found += _table(path, new / path.relative_to(kept))
    for pattern in AUDITS:
        for path in sorted(kept.glob(pattern)):
            compared += 1
            found += _audit(path, new / path.relative_to(kept))
    return found if compared else [f"{kept}: nothing to compare"]


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, dtype={"subgroup": "string"})


def _table(old: Path, new: Path) -> list[str]:
    if not new.is_file():
        return [f"{new}: absent"]
    a, b = _read(old), _read(new)
    keys = [name for name in IDENTITY if name in a and name in b]
    # a baseline says so in a column, where it once said so in its name
    for table in (a, b):
        for name in {"model", "model_a", "model_b"} & set(table):
            table[name] = table[name].astype("string").str.removeprefix("baseline: ")
    shared = [name for name in a.columns if name in b and name not in keys]
    lost = sorted(set(a) - set(b))
    a, b = (t.assign(_n=t.groupby(keys, dropna=False).cumcount()).set_index([*keys, "_n"]) for t in (a, b))
    out = [f"{new}: column {name} is gone" for name in lost]
    absent = a.index.difference(b.index)
    out += [f"{new}: {len(absent)} rows are gone, first {absent[0]}"] if len(absent) else []
    more = b.index.difference(a.index)
    out += [f"{new}: {len(more)} rows are new, first {more[0]}"] if len(more) else []
    both = a.index.intersection(b.index)
    a, b = a.loc[both], b.loc[both]
    for name in shared:
        unlike = [i for i, (x, y) in enumerate(zip(a[name], b[name], strict=True)) if not _same(x, y)]
        if unlike:
            i = unlike[0]
            out.append(
                f"{new}: {name} differs in {len(unlike)} of {len(a)} rows, first {both[i]}: "
                f"{a[name].iloc[i]!r} was kept, {b[name].iloc[i]!r} is new"
            )
    return out


def _audit(old: Path, new: Path) -> list[str]:
    if not new.is_file():
        return [f"{new}: absent"]
    a, b = (
        {(c["modality"], c["name"]): c for c in json.loads(path.read_text("utf-8"))["checks"]}
        for path in (old, new)
    )
    out = [f"{new}: check {key} is gone" for key in a if key not in b]
    out += [f"{new}: check {key} is new" for key in b if key not in a]
    for key in a.keys() & b.keys():
        for what in ("verdict", "value"):
            if not _same(a[key].get(what), b[key].get(what)):
                out.append(
                    f"{new}: {what} of {key}: {a[key].get(what)!r} was kept, {b[key].get(what)!r} is new"
                )
    return out


def _same(x: object, y: object) -> bool:
    if pd.api.types.is_scalar(x) and pd.api.types.is_scalar(y):
        if pd.isna(x) or pd.isna(y):
            return bool(pd.isna(x) and pd.isna(y))
        if isinstance(x, float) or isinstance(y, float):
            return math.isclose(float(x), float(y), rel_tol=RELATIVE, abs_tol=1e-12)
    return x == y


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kept", type=Path)
    parser.add_argument("new", type=Path)
    folders = parser.parse_args()
    found = differences(folders.kept, folders.new)
    print("\n".join(found) or "equal")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
