"""A whole run with people planted in its raw table: trackers, logs, cards, monitoring and the service name none of them.

``tests/test_identifiers.py`` says where each planted word may stand in the outputs of a run. Here a run is logged by its
trackers, its answers are stored and monitored, and the service is asked.
"""

import json
import logging
import os
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from medanomaly.commands.cli import cli
from tests.conftest import ROOT
from tests.test_bad_input import good_table
from tests.test_identifiers import text_of
from tests.test_run_record import Small

N = 240
# in columns that name people and are not described, or that are ignored
PEOPLE = ("canaryname", "canarynurse", "canarymrn", "49151777", "canary@example")
PATIENT, RECORD = "canarypatient", "canaryrecord"
# answers are keyed by the id of a record, for whoever looks it up: that is what they are for
KEYED_BY_RECORD = {
    "02_intermediate",
    "03_primary",
    "04_feature",
    "07_model_output",
    "08_reporting",
    "answers.json",
}
# a cell that is no number is shown to whoever asked about the record, to be corrected
CELL = "canarycell"
# a column of dates is read, as one of numbers is, unless it is ignored; models hold no date of it
DATE = "1888-08-08"
# whose a record is stands where the split needs it, and in the list for those who look patients up
KEYED_BY_PATIENT = {"02_intermediate", "03_primary", "cases.csv"}
# never, whatever is in them
FOR_OTHERS = (
    "card.md",
    "mlflow.db",
    "wandb",
    "log.txt",
    "service.txt",
    "errors.txt",
    "monitoring",
    "06_models",
    "store.db",
)


def planted():
    patient = np.arange(N) // 2
    return good_table(N).assign(
        id=[f"CANARYRECORD{i}" for i in range(N)],
        patient=[f"CANARYPATIENT{i}" for i in patient],
        name=[f"Ada Canaryname{i}" for i in patient],
        nurse=[f"Canarynurse {i % 50}" for i in patient],
        phone=[f"+49151777{i:04d}" for i in patient],
        mail=[f"canary@example{i}.org" for i in patient],
        born=[f"{1888 + i % 99}-08-08" for i in patient],
        mrn=[f"CANARYMRN{i}" for i in patient],
    )


def logged_run(small):
    """``kedro run`` in a process of its own, which the plugin of MLflow needs; what it wrote to the terminal."""
    small.write_conf()
    done = subprocess.run(
        [sys.executable, "-m", "kedro", "run", "--env", "mine", "--conf-source", str(small.conf)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"WANDB_MODE": "offline"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


@contextmanager
def listened(said):
    """All that this process logs, at every level, goes to the end of ``said``."""
    handler, root = logging.Handler(), logging.getLogger()
    # of the client, which is no part of the service
    handler.emit = lambda record: said.append("" if record.name.startswith("http") else record.getMessage())
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """All that a run, its batch, its monitoring and the service leave, in one folder."""
    small = Small(tmp_path_factory.mktemp("canaries"))
    small.table |= {"patient_id": "patient", "ignore": ["mrn"]}
    table = planted()
    table.to_csv(small.csv, index=False)
    said = logged_run(small)
    folder = small.outputs
    (folder / "log.txt").write_text(said)
    models = folder / "06_models" / "mine"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDANOMALY_SUBJECT_KEY", "k" * 32)
        _monitored(folder, models, small.csv)
    _served(folder, models, table)
    _refused(small, table, folder)
    return folder


def _refused(small, table, folder: Path) -> None:
    said = []
    for wrong in (table.drop(columns="c"), table.assign(id="CANARYRECORD0"), table.assign(sick="Canaryname")):
        with listened(said), pytest.raises(Exception) as error:  # noqa: PT011
            small.run(wrong)
        said.append(str(error.value))
    (folder / "errors.txt").write_text("\n".join(said))


def _monitored(folder: Path, models: Path, csv: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="needs the extra 'store'")
    import medanomaly
    from medanomaly.store.store import Store

    url = f"sqlite:///{folder / 'store.db'}"
    with Store.open(url) as store:
        store.record(medanomaly.open(models).score(csv), batch="a night")
    to = folder / "monitoring"
    arguments = [
        "monitor",
        "--models",
        models,
        "--store",
        url,
        "--source",
        csv,
        "-o",
        to,
        "--since",
        "2020-01-01",
    ]
    done = CliRunner().invoke(cli, [*map(str, arguments), "--until", "2100-01-01"])
    assert done.exit_code == 0, done.output
    (to / "terminal.txt").write_text(done.output)


def _served(folder: Path, models: Path, table) -> None:
    pytest.importorskip("starlette", reason="needs the extra 'serve'")
    from medanomaly.scoring.models import open_models
    from tests.service.conftest import client_of

    said = []
    with listened(said), client_of(open_models(models)) as client:
        rows = json.loads(table.head(5).to_json(orient="records"))
        right = client.post("/v1/tabular/score", json={"records": rows})
        wrong = client.post(
            "/v1/tabular/score", json={"records": [row | {"a": "Canarycell"} for row in rows]}
        )
        lost = client.post("/v1/tabular/score", json={"records": rows, "name": "Canaryname"})
        metrics = client.get("/metrics").text
    assert right.status_code == 200, right.text
    (folder / "service.txt").write_text("\n".join([*said, metrics, lost.text]))
    (folder / "answers.json").write_text(right.text + wrong.text)


def where(outputs, word):
    found = set()
    for path in outputs.rglob("*"):
        if path.is_file() and word in text_of(path).lower():
            found.add(path.relative_to(outputs))
    return found


def test_all_of_it_was_made(outputs):
    names = {path.name for path in outputs.rglob("*")}
    assert {
        "report.html",
        "card.md",
        "log.txt",
        "service.txt",
        "errors.txt",
        "store.db",
        "answers.json",
    } <= names
    assert "write_report" in (outputs / "log.txt").read_text()
    assert list((outputs / "monitoring").rglob("*.html"))
    if _installed("wandb"):
        assert list(outputs.rglob("run-*.wandb"))
    if _installed("kedro_mlflow"):
        assert (outputs / "mlflow.db").is_file()


@pytest.mark.parametrize("word", PEOPLE)
def test_a_column_that_names_people_is_nowhere(outputs, word):
    assert where(outputs, word) == set()


@pytest.mark.parametrize(
    ("word", "by_design"),
    [
        (PATIENT, KEYED_BY_PATIENT),
        (RECORD, KEYED_BY_RECORD),
        (CELL, {"answers.json"}),
        (DATE, {"02_intermediate"}),
    ],
)
def test_an_id_stands_only_where_answers_are_keyed_by_it(outputs, word, by_design):
    found = where(outputs, word)
    assert found
    assert {path for path in found if not by_design & set(path.parts)} == set()
    assert not [path for path in found if set(FOR_OTHERS) & set(path.parts)]


def _installed(name):
    return find_spec(name) is not None
