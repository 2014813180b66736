"""Thirty nights of a hospital: the tasks of the DAG of Airflow in order, day by day, with drift from day 15 and late labels.

The commands are read from the DAG's file, so that what is measured is what Airflow runs. To save the start of a process per
task, ``kedro run`` is called with the same words inside this process. Where ``MEDANOMALY_AIRFLOW`` names a Python that has
Airflow, days are replayed by ``airflow dags test`` too.
"""

import ast
import contextlib
import hashlib
import io
import json
import os
import shlex
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.record import RESULTS, Result, write

ROOT = Path(__file__).parents[1]
DAG = ROOT / "deploy" / "airflow" / "dags" / "medanomaly_nightly.py"
FIGURE = ROOT / "docs" / "images" / "thirty_days.svg"
SKIPPED = 99
REPLAYED, BY_AIRFLOW = (1, 14, 15, 21, 30), (3,)
MODEL = "tabular.ecdf"


def dag_tasks() -> dict[str, str]:
    """Task -> command, from the file of the DAG, without Airflow."""
    tree = ast.parse(DAG.read_text(encoding="utf-8"))
    value = next(
        node.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "TASKS"
    )
    return ast.literal_eval(value)


def words_of(command: str, variables: dict[str, str]) -> list[str] | None:
    """What the shell makes of a command: the words behind ``kedro``; None where it ends with the code of a skipped task."""
    done = subprocess.run(
        ["bash", "-c", command],
        env=os.environ | variables | {"KEDRO": "echo"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == SKIPPED:
        return None
    done.check_returncode()
    return shlex.split(done.stdout)


def run_task(command: str, folder: Path, day: date) -> bool:
    """Run a task for a day as the DAG does; False where it is skipped."""
    from kedro.framework.cli.utils import find_run_command

    variables = {"DAY": str(day), "FOLDER": str(folder / "days" / str(day)), "ENVIRONMENT": "nightly"}
    words = words_of(command, variables)
    if words is None:
        return False
    with contextlib.redirect_stdout(io.StringIO()):
        find_run_command("medanomaly")(words[1:], prog_name="kedro run", standalone_mode=False)
    return True


def run_day(folder: Path, day: date, but_not: tuple[str, ...] = ()) -> list[str]:
    """Run the tasks of a day in order until one is skipped; the names of those that ran."""
    ran = []
    for name, command in dag_tasks().items():
        if name in but_not:
            continue
        if not run_task(command, folder, day):
            break
        ran.append(name)
    return ran


def run_day_by_airflow(folder: Path, day: date, home: Path) -> None:
    """Run a day by ``airflow dags test`` with Airflow's own Python."""
    airflow = Path(os.environ["MEDANOMALY_AIRFLOW"]).parent / "airflow"
    variables = os.environ | airflow_variables(folder, home)
    if not home.exists():
        subprocess.run([airflow, "db", "migrate"], env=variables, check=True, capture_output=True)
    command = [airflow, "dags", "test", "medanomaly_nightly", str(day)]
    done = subprocess.run(command, env=variables, check=True, capture_output=True, text=True)
    if "state=success" not in done.stdout + done.stderr:
        raise SystemExit(f"Airflow did not finish {day}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def airflow_variables(folder: Path, home: Path) -> dict[str, str]:
    """What Airflow is told by the environment: where its files and the project are, and that it sends nothing."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAG.parent),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "SCARF_ANALYTICS": "false",
        "DO_NOT_TRACK": "1",
        "MEDANOMALY_PROJECT": str(ROOT),
        "MEDANOMALY_NIGHTLY": str(folder),
    }


def state(folder: Path) -> dict[str, str]:
    """Name -> hash of every file of the nights, and of the rows of each table of the store."""
    import sqlalchemy as sa

    found = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("predictions.db")
    }
    engine = sa.create_engine(f"sqlite:///{folder / 'predictions.db'}")
    tables = sa.MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        for name, table in tables.tables.items():
            rows = sorted(map(repr, connection.execute(sa.select(table)).all()))
            found[f"table {name}"] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    engine.dispose()
    return found


@contextlib.contextmanager
def listener() -> Iterator[tuple[str, list[dict]]]:
    """A webhook on this machine: its address, and the notices that it got."""
    notices: list[dict] = []

    class Heard(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            notices.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Heard)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", notices
    finally:
        server.shutdown()


def of_day(folder: Path, day: date) -> dict:
    """What the files of a day say."""
    said = json.loads((folder / "days" / str(day) / "monitored.json").read_text())
    page = json.loads((folder / "monitoring" / f"{day}_{day + timedelta(days=1)}.json").read_text())
    (modality,) = page["modalities"]
    (model,) = modality["models"]
    said |= {
        "cases": modality["n_cases"],
        "flagged": model["n_flagged"] / model["n"],
        "capital": model["capital"],
    }
    for name in ("champion", "gate", "promotion"):
        path = folder / "days" / str(day) / f"{name}.json"
        said[name] = json.loads(path.read_text()) if path.exists() else None
    return said


def measure(folder: Path) -> list[Result]:
    """Run all days, replay some, and say what came of it."""
    from docs.demo import month
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(ROOT)
    os.environ |= {"MEDANOMALY_NIGHTLY": str(folder), "MEDANOMALY_OUTPUTS": str(folder / "outputs")}
    os.environ.setdefault("MEDANOMALY_SUBJECT_KEY", "the key of a hospital that does not exist")
    for number in range(1 - month.BEFORE, month.DAYS + 1):
        month.write_day(folder, number)
    begin(folder, month.FIRST - timedelta(days=1))
    days = [month.FIRST + timedelta(days=i) for i in range(month.DAYS)]
    seconds, told = [], []
    with listener() as (address, notices):
        os.environ["MEDANOMALY_WEBHOOK"] = address
        for number, day in enumerate(days, 1):
            began = time.process_time()
            ran = run_day(folder, day)
            seconds.append(time.process_time() - began)
            told.append(len(notices) - sum(told))
            print(f"day {number}: {', '.join(ran)} in {seconds[-1]:.0f} s of processor time", flush=True)
        changed = []
        for number in REPLAYED:
            before, n_told = state(folder), len(notices)
            run_day(folder, days[number - 1])
            changed += [number] if (state(folder), len(notices)) != (before, n_told) else []
        airflow = BY_AIRFLOW if os.environ.get("MEDANOMALY_AIRFLOW") else ()
        with tempfile.TemporaryDirectory() as home:
            for number in airflow:
                before, n_told = state(folder), len(notices)
                run_day_by_airflow(folder, days[number - 1], Path(home) / "airflow")
                changed += [number] if (state(folder), len(notices)) != (before, n_told) else []
    return results([of_day(folder, day) for day in days], told, seconds, changed, len(airflow), late(folder))


def begin(folder: Path, day: date) -> None:
    """Train the first champion. Nothing is monitored yet that would ask for it, so it is asked for here."""
    (folder / "days" / str(day)).mkdir(parents=True)
    (folder / "days" / str(day) / "retrain.json").write_text('{"why": "there is no champion yet"}')
    run_day(folder, day, but_not=("scoring", "monitoring"))


def late(folder: Path) -> tuple[int, int]:
    """Predictions whose label became known on a later day than the case, and predictions with a label."""
    from medanomaly.store.store import Store

    with Store.open(f"sqlite:///{folder / 'predictions.db'}") as store:
        known = store.predictions()
    known = known[known["anomalous"].notna()]
    days = known["known_at"].dt.normalize() - known["case_time"].dt.normalize()
    return int((days > timedelta(0)).sum()), len(known)


def results(
    days: list[dict],
    told: list[int],
    seconds: list[float],
    changed: list[int],
    n_airflow: int,
    labels: tuple[int, int],
) -> list[Result]:
    """What is reported of all days, and the rows of each."""
    from docs.demo.month import DRIFT

    crossed = [bool(day["warnings"]) for day in days]
    early = sum(crossed[: DRIFT - 1])
    noticed = next((i for i, one in enumerate(crossed, 1) if one and i >= DRIFT), None)
    versions = list(dict.fromkeys(day["champion"]["version"] for day in days))
    promoted = [i for i, day in enumerate(days, 1) if (day["promotion"] or {}).get("promoted")]
    after = [i for i in promoted if i >= DRIFT]
    quiet = next((i for i in range(len(days), 0, -1) if crossed[i - 1]), 0) + 1
    aurocs = [day["performance"].get(MODEL, {}).get("auroc") for day in days]
    worst = min(
        (a for a, day in zip(aurocs[DRIFT:], days[DRIFT:], strict=True) if a), key=lambda a: a["value"]
    )
    n_replayed = len(REPLAYED) + n_airflow
    data = f"new patients every day, other devices from day {DRIFT}, labels after 3 days"
    rows = [
        Result("day on which the drift is noticed", noticed, "", target=f"{DRIFT + 1} or earlier",
               reached=noticed is not None and noticed <= DRIFT + 1, data=data),
        Result("days before the drift with a warning", early, "", target="0", reached=early == 0),
        Result("notices sent before the drift", sum(told[: DRIFT - 1]), ""),
        Result("notices sent from the drift on", sum(told[DRIFT - 1 :]), "", data="what is new, and what is gone"),
        Result("replayed days that changed anything", len(changed), "", target="0", reached=not changed,
               data=f"{n_replayed} replays, {n_airflow} of them by Airflow; hashes of all files and all rows of the store"),
        Result("labels that came days after their cases and were joined", labels[0], "", target=f"all {labels[1]:,}",
               reached=labels[0] == labels[1]),
        Result("trainings", sum(day["gate"] is not None for day in days), ""),
        Result("challengers that the gate refused", sum(not day["gate"]["passed"] for day in days if day["gate"]), ""),
        Result("first day whose night promotes a challenger after the drift", after[0] if after else float("nan"), "",
               target="30 or earlier", reached=bool(after)),
        Result("first day from which on nothing crosses a limit", quiet, "", target=f"{len(days)} or earlier",
               reached=quiet <= len(days)),
        Result("AUROC on the day before the drift", *_of(aurocs[DRIFT - 2])),
        Result("AUROC under the drift, lowest day", *_of(worst)),
        Result("AUROC on the last day", *_of(aurocs[-1])),
        Result("processor time of a day without a training, median", sorted(
            s for s, day in zip(seconds, days, strict=True) if day["gate"] is None)[
                sum(day["gate"] is None for day in days) // 2], "s", data="in one process"),
    ]  # fmt: skip
    for number, (day, auroc, n_told) in enumerate(zip(days, aurocs, told, strict=True), 1):
        name = f"day {number}: "
        rows += [
            Result(f"{name}cases", day["cases"], ""),
            Result(f"{name}share flagged", day["flagged"], ""),
            Result(f"{name}capital", day["capital"], ""),
            Result(f"{name}limits crossed", len(day["warnings"]), ""),
            Result(f"{name}notices", n_told, ""),
            Result(f"{name}version", versions.index(day["champion"]["version"]) + 1, ""),
        ]
        if auroc:
            rows.append(Result(f"{name}AUROC", *_of(auroc)))
    return rows


def _of(auroc: dict) -> tuple[float, str, float, float]:
    return auroc["value"], "auroc", auroc["ci_low"], auroc["ci_high"]


def draw(path: Path = RESULTS / "thirty_days.json") -> str:
    """The figure of the days, as SVG, from what was measured."""
    from docs.demo.month import DRIFT

    from medanomaly.reporting.figures.style import (
        ANOMALOUS,
        FULL_WIDTH,
        INK,
        MODEL_COLOURS,
        MUTED,
        SURFACE,
        Drawing,
        canvas,
        percent_axis,
        svg_figure,
    )  # fmt: skip

    rows = [
        row for row in json.loads(path.read_text()) if row["name"].startswith("day ") and ": " in row["name"]
    ]
    series: dict[str, dict[int, dict]] = {}
    for row in rows:
        day, what = row["name"].removeprefix("day ").split(": ")
        series.setdefault(what, {})[int(day)] = row

    @svg_figure
    def figure() -> Drawing:
        made, axes = canvas(FULL_WIDTH, 6.4, 3, sharex=True)
        made.set_facecolor(SURFACE)
        auroc = series["AUROC"]
        axes[0].fill_between(
            list(auroc), [r["ci_low"] for r in auroc.values()], [r["ci_high"] for r in auroc.values()],
            color=MODEL_COLOURS[0], alpha=0.18, linewidth=0,
        )  # fmt: skip
        axes[0].plot(
            list(auroc),
            [r["value"] for r in auroc.values()],
            color=MODEL_COLOURS[0],
            marker="o",
            markersize=3,
        )
        axes[0].set_title("AUROC of the champion in the days whose labels are known, with 95 % interval")
        flagged = series["share flagged"]
        axes[1].bar(list(flagged), [r["value"] for r in flagged.values()], color=MODEL_COLOURS[5])
        axes[1].axhline(0.05, color=MUTED, linewidth=0.9, linestyle="--")
        axes[1].set_title("Share of cases flagged; at most 5 % of the normal ones are asked for")
        percent_axis(axes[1].yaxis)
        crossed = series["limits crossed"]
        axes[2].bar(list(crossed), [r["value"] for r in crossed.values()], color=ANOMALOUS)
        axes[2].set_title("Limits that are crossed")
        axes[2].set_xlabel("day")
        axes[2].set_xticks([1, 5, 10, 15, 20, 25, 30])
        version = series["version"]
        changes = [day for day in version if day > 1 and version[day]["value"] != version[day - 1]["value"]]
        for at in axes:
            at.axvline(DRIFT - 0.5, color=ANOMALOUS, linewidth=1)
            for day in changes:
                at.axvline(day - 0.5, color=MODEL_COLOURS[2], linewidth=1, linestyle="--")
        top = axes[0].get_ylim()[1]
        axes[0].text(DRIFT - 0.4, top, "other devices", color=ANOMALOUS, va="top")
        for day in changes:
            axes[0].text(day - 0.4, top, f"version {version[day]['value']:.0f}", color=INK, va="top")
        said = ", ".join(f"version {version[day]['value']:.0f} answers from day {day} on" for day in changes)
        return Drawing(
            made,
            f"Thirty days: AUROC, share flagged and limits crossed. Other devices from day {DRIFT} on; "
            f"{said or 'one version'}.",
        )

    return figure()


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        rows = measure(Path(made))
    write("thirty_days", rows, command="make bench NAME=thirty_days")
    FIGURE.write_text(with_namespace(draw()))


def with_namespace(svg: str) -> str:
    """A file of its own, which an SVG inside a page is not."""
    return svg + "\n"


if __name__ == "__main__":
    main()
