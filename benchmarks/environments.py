"""Every real environment run from raw files to report, as a user runs it: all, or those that are named.

``python -m benchmarks.environments mitbih svdb`` measures two and keeps the rows of the others.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from benchmarks.record import RESULTS, Result, write

ROOT = Path(__file__).parents[1]
ADBENCH_SETS = ("annthyroid", "cardio", "mammography")
# environment, its parameters, and the file or folder it needs under MEDANOMALY_DATA
RUNS = (
    ("base", "", None),
    ("wdbc", "", None),
    *(("adbench", f"adbench_set={name}", f"adbench/*_{name}.npz") for name in ADBENCH_SETS),
    ("thyroid", "", "thyroid0387/thyroid0387.data"),
    ("hcv", "", "hcv/hcvdat0.csv"),
    ("appointments", "", "appointments/*.csv"),
    ("physionet2012", "", "physionet2012/set-c"),
    ("eicu", "", "eicu_demo/mortality24"),
    ("mitbih", "", "mitdb"),
    ("svdb", "", "svdb"),
    ("ecg5000", "", "ecg5000"),
    ("ucr", "", "ucr"),
    ("medmnist", "", "medmnist"),
    # chest_xray trains six networks for half an hour: benchmarks/imaging_networks.py has its figures
)
SHOWN = ("auroc", "auprc", "sensitivity", "false_alarm_rate")


def key(env: str, params: str) -> str:
    """Folder of the run's outputs."""
    return {"base": "synthetic", "physionet2012": "physionet2012_set-c"}.get(env, env) + (
        f"_{params.split('=')[1]}" if params else ""
    )


def rows_of_others(measured: set[str]) -> list[dict]:
    """Rows of an earlier run of what was not measured now, with the date they were measured on."""
    path = RESULTS / "environments.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    return [row for row in rows if row["name"].partition(":")[0].split(" ")[0] not in measured]


def main() -> None:
    chosen = set(sys.argv[1:])
    data = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw"))
    results = []
    measured = set()
    for env, params, needs in RUNS:
        if chosen and env not in chosen:
            continue
        if needs and not list((data if data.is_absolute() else ROOT / data).glob(needs)):
            print(f"{env} {params}: {needs} is not in MEDANOMALY_DATA, left out")
            continue
        arguments = [
            "run",
            *(["--env", env] if env != "base" else []),
            *(["--params", params] if params else []),
        ]
        started = time.perf_counter()
        subprocess.run([Path(sys.executable).parent / "kedro", *arguments], cwd=ROOT, check=True)
        seconds = time.perf_counter() - started
        measured.add(key(env, params))
        metrics = pd.read_csv(ROOT / "data" / "08_reporting" / key(env, params) / "metrics.csv")
        whole = metrics[metrics["subgroup"].isna() | metrics["subgroup"].eq("")]
        command = " ".join(["kedro", *arguments])
        several = len(set(whole["modality"])) > 1
        for row in whole[whole["metric"].isin(SHOWN)].itertuples():
            modality = f" {row.modality}" if several else ""
            role = "baseline: " if row.role == "baseline" else ""
            results.append(
                Result(
                    name=f"{key(env, params)}{modality}: {role}{row.model}, {row.metric}",
                    value=row.value,
                    unit="",
                    ci_low=row.ci_low,
                    ci_high=row.ci_high,
                    data=f"{command}; {row.n:.0f} test cases, {row.n_positive:.0f} anomalous",
                )
            )
        results.append(Result(name=f"{key(env, params)}: wall time", value=seconds, unit="s", data=command))
    others = rows_of_others(measured)
    path = write("environments", results, command="make bench NAME=environments")
    path.write_text(json.dumps([*json.loads(path.read_text()), *others], indent=1) + "\n")


if __name__ == "__main__":
    main()
