"""What a user sees when a file is not what it should be: one line that says what is wrong and what would be right."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from medanomaly.plain_errors import plain_error

ROOT = Path(__file__).parents[1]


def good_table(n=240, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).round(3)
    sick = rng.random(n) < 0.1
    x[sick] += 4
    return pd.DataFrame(x, columns=["a", "b", "c", "d"]).assign(
        id=[f"r{i}" for i in range(n)], sick=sick.astype(int)
    )


class Project:
    """The project with an environment ``mine`` that reads one CSV of the user's."""

    def __init__(self, folder):
        self.conf, self.csv, self.outputs = folder / "conf", folder / "mine.csv", folder / "out"
        shutil.copytree(ROOT / "conf", self.conf)
        self.table = {"case_id": "id", "label": "sick", "columns": {name: {} for name in "abcd"}}

    def write_conf(self):
        env = self.conf / "mine"
        env.mkdir(exist_ok=True)
        entry = {"type": "medanomaly.datasets.table.CSVDataset", "filepath": str(self.csv)}
        (env / "catalog.yml").write_text(yaml.safe_dump({"tabular.raw": entry}))
        (env / "globals.yml").write_text(yaml.safe_dump({"dataset": "mine", "outputs": str(self.outputs)}))
        parameters = {
            "data_processing": {"tables": {"mine": self.table}},
            "evaluation": {"n_resamples": 100},
            "models": {"tabular": {"isolation_forest": {"options": {"n_estimators": 20}}}},
        }
        (env / "parameters.yml").write_text(yaml.safe_dump(parameters))

    def run(self, frame=None):
        """Run the default pipeline; returns metrics and scores, or raises the project's own error."""
        if frame is not None:
            frame.to_csv(self.csv, index=False)
        self.write_conf()
        bootstrap_project(ROOT)
        with KedroSession.create(ROOT, env="mine", conf_source=str(self.conf)) as session:
            try:
                session.run()
            except Exception as error:
                plain = plain_error(error)
                raise (plain or error) from None
            catalog = session.load_context().catalog
            return catalog["metrics"].load(), catalog["tabular.scores"].load()

    def command_line(self):
        self.write_conf()
        command = [Path(sys.executable).parent / "kedro", "run", "--env", "mine", "--conf-source", self.conf]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def assert_sound(scores):
    assert np.isfinite(scores["score"]).all()
    assert scores["p_value"].dropna().between(0, 1, inclusive="right").all()


def test_missing_file(project):
    with pytest.raises(Exception, match="mine.csv: the file does not exist"):
        project.run()


def test_missing_public_set_says_where_to_get_it(project):
    project.csv = project.csv.parent / "thyroid0387" / "thyroid0387.data"
    with pytest.raises(Exception, match="archive.ics.uci.edu.*licence: CC BY 4.0.*MEDANOMALY_DATA"):
        project.run()


def test_empty_file(project):
    project.csv.write_text("")
    with pytest.raises(Exception, match="mine.csv: the file is empty"):
        project.run()


def test_header_without_records(project):
    with pytest.raises(Exception, match="mine: the table has no records"):
        project.run(good_table().iloc[:0])


def test_wrong_delimiter(project):
    good_table().to_csv(project.csv, index=False, sep=";")
    with pytest.raises(Exception, match="single column.*delimiter"):
        project.run()


def test_ragged_rows(project):
    project.csv.write_text("id,a,b,c,d,sick\nr1,1,2,3,4,0\nr2,1,2,3,4,0,9,9\n")
    with pytest.raises(Exception, match="mine.csv: the file cannot be read as a table.*line 3"):
        project.run()


def test_not_text(project):
    project.csv.write_bytes(b"\xff\xfe\x00\x80" * 100)
    with pytest.raises(Exception, match="mine.csv: the file cannot be read"):
        project.run()


def test_missing_column(project):
    with pytest.raises(Exception, match=r"columns \['c'\] are missing. The table has"):
        project.run(good_table().drop(columns="c"))


def test_fewer_than_30_rows(project):
    with pytest.raises(Exception, match="29 usable records"):
        project.run(good_table().iloc[:29])


def test_thirty_rows_say_what_is_missing(project):
    with pytest.raises(Exception, match="9 normal cases in train.*at least 10"):
        project.run(good_table().iloc[:30])


def test_only_anomalies(project):
    with pytest.raises(Exception, match="no record is labelled normal"):
        project.run(good_table().assign(sick=1))


def test_unknown_table_description(project):
    project.run(good_table())
    (project.conf / "mine" / "globals.yml").write_text("dataset: other\n")
    bootstrap_project(ROOT)
    with KedroSession.create(ROOT, env="mine", conf_source=str(project.conf)) as session:
        with pytest.raises(Exception, match="no table is described under data_processing.tables.other"):
            session.run()


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.assign(a=np.nan).astype({"a": object}),
        lambda t: t.assign(a=3.0),
        lambda t: t.assign(a=t["a"].where(t.index % 3 > 0)),
        lambda t: t.assign(a=t["a"] * 1e29, b=t["b"].where(t.index % 40 > 0, -1e300)),
        lambda t: t.assign(a=t["a"].astype(object).where(t.index != 5, "high")),
        lambda t: pd.concat([t, t.iloc[:4]]),
        lambda t: pd.concat([t.assign(id=t["id"] + "x")] * 2 + [t]),
        lambda t: t.assign(sick=0),
        lambda t: t.assign(sick=np.where(t.index % 2 == 0, np.nan, t["sick"])),
    ],
    ids=[
        "all-NaN column",
        "constant column",
        "NaN",
        "huge values",
        "text in a numeric column",
        "duplicate ids",
        "every record three times",
        "normals only",
        "half of the labels unknown",
    ],
)
def test_what_can_be_used_is_used_and_scores_are_finite(project, change):
    frame = change(good_table())
    _, scores = project.run(frame)
    assert_sound(scores)
    # every record is either scored or in quarantine
    quarantine = pd.read_parquet(
        project.outputs / "02_intermediate" / "mine" / "tabular" / "quarantine.parquet"
    )
    assert scores["case_id"].nunique() + quarantine["record"].nunique() == len(frame)


def test_too_few_patients_to_divide(project):
    project.table["patient_id"] = "ward"
    with pytest.raises(Exception, match="no case falls into .*1 patients are too few to divide"):
        project.run(good_table().assign(ward="A"))


def test_recent_cases_without_a_label_are_flagged_and_do_not_stop_the_report(project):
    # every patient that the split sends to test has no label yet
    from medanomaly.core.splits import SplitParams, split_by_patient

    frame = good_table()
    project.table["patient_id"] = "id"
    part = split_by_patient(frame["id"].astype("string"), frame["sick"], SplitParams())
    metrics, scores = project.run(frame.assign(sick=frame["sick"].where(part != "test")))
    assert_sound(scores)
    assert set(metrics["metric"]) == {"flagged_share"}


def test_without_labels_cases_are_still_flagged(project):
    project.table = {"case_id": "id", "ignore": ["sick"]}
    metrics, scores = project.run(good_table())
    assert_sound(scores)
    assert scores["flagged"].any()
    assert not metrics["metric"].eq("auroc").any()


def test_the_command_line_shows_one_line_and_no_traceback(project):
    good_table().to_csv(project.csv, index=False, sep=";")
    done = project.command_line()
    assert done.returncode != 0
    assert "InputError: mine: the table has a single column" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert len((done.stdout + done.stderr).strip().splitlines()) <= 5


def test_a_wrong_parameter_is_told_before_anything_runs(project):
    good_table().to_csv(project.csv, index=False)
    project.write_conf()
    (project.conf / "mine" / "parameters.yml").write_text(
        "models:\n  tabular:\n    ecdf:\n      options: {bandwidth: 3}\n"
    )
    command = [Path(sys.executable).parent / "kedro", "run", "--env", "mine", "--conf-source", project.conf]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "has no option ['bandwidth']" in done.stdout + done.stderr
    assert not project.outputs.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--env", "wdbcc"], "there is no environment 'wdbcc'. Did you mean 'wdbc'? There are adbench,"),
        (["--params", "alarm.alpha=10"], "alarm.alpha is 10: Input should be less than 1"),
        (["--params", "subset=../.."], "'../..' is no name of a data set"),
        (
            ["--params", "alarm.alfa=0.1"],
            "alarm.alfa: there is no setting of this name. Did you mean 'alpha'?",
        ),
    ],
)
def test_a_wrong_setting_is_one_line_on_the_command_line(arguments, said):
    env = [] if "--env" in arguments else ["--env", "wdbc"]
    command = [Path(sys.executable).parent / "kedro", "run", *env, *arguments]
    found = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert found.returncode == 1
    (line,) = found.stderr.split("\n\n")[-1].strip().splitlines()
    assert said in line
    assert "Traceback" not in found.stderr
