"""The environments of public tables on the real files, and on copies as they go round elsewhere."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from medanomaly.core.cases import class_of
from medanomaly.core.errors import DataNotFoundError
from medanomaly.datasets.appointments import ORIGINAL_NAMES, AppointmentsDataset
from medanomaly.datasets.physionet2012 import read_stays
from medanomaly.tabular.features.record_features import fit_features, record_features
from medanomaly.tabular.table.cleaning import clean_table
from medanomaly.tabular.table.quality import check_events, check_table
from medanomaly.tabular.table.rules import OrderRule, TableRules

ROOT = Path(__file__).parents[2]
DATA = os.environ.get("MEDANOMALY_DATA")
real = pytest.mark.skipif(not DATA, reason="MEDANOMALY_DATA is not set: the public data sets are not here")


def context(env):
    bootstrap_project(ROOT)
    with KedroSession.create(project_path=ROOT, env=env) as session:
        return session.load_context()


def spec_of(env):
    return context(env).params["data_processing"].table(env)


def cleaned(env, raw):
    spec = spec_of(env)
    clean = clean_table(raw, spec, source=env)
    learned = fit_features(clean.records, clean.cases.assign(split="train"), spec)
    return clean, record_features(clean.records, clean.cases, spec, learned)


@real
@pytest.mark.parametrize(
    ("env", "n", "n_anomalous", "n_unknown", "n_quarantined", "feature"),
    [
        ("appointments", 39596, 8139, 0, 0, "wait"),
        ("hcv", 615, 75, 7, 0, "ALB"),
        ("physionet2012", 2000, 281, 0, 0, "HR_slope"),
        ("eicu", 1367, 70, 0, 0, "hr_slope"),
    ],
)
def test_real_files_become_cases_and_features(env, n, n_anomalous, n_unknown, n_quarantined, feature):
    folder = Path(DATA) / {"eicu": "eicu_demo/mortality24"}.get(env, env)
    if not folder.exists():
        pytest.skip(f"{folder.name} is not in MEDANOMALY_DATA")
    clean, features = cleaned(env, context(env).catalog["tabular.raw"].load())
    # a complete copy of the set has more of everything
    assert clean.summary["n_records"] >= n
    if clean.summary["n_records"] == n:
        assert (clean.cases["label"] == 1).sum() == n_anomalous
        assert clean.cases["label"].isna().sum() == n_unknown
        assert clean.summary["n_quarantined"] == n_quarantined
    assert features[feature].notna().mean() > 0.5
    assert not set(features.columns) & {
        "SAPS-I",
        "SOFA",
        "Length_of_stay",
        "Survival",
        "set",
        "label",
        "Unnamed: 0",
    }


@real
def test_every_known_fault_of_the_appointments_is_flagged():
    raw = AppointmentsDataset(folder=f"{DATA}/appointments").load()
    rules = TableRules(
        variables={"PatientId": {"whole": True}, "Handcap": {"allowed": [0, 1]}},
        order={"waiting time": OrderRule(lower="ScheduledDay", upper="AppointmentDay", by_day=True)},
    )
    report = check_table(raw, spec_of("appointments"), rules)
    counts = {(g["rule"], g["column"]): g["n_flags"] for g in report.summary["rules"]}
    if len(raw) == 39596:
        assert counts.pop(("duplicate_record", "")) == 239
        assert counts == {
            ("not_whole", "PatientId"): 1,
            ("order", "AppointmentDay"): 1,
            ("unknown_value", "Handcap"): 65,
        }


@real
def test_every_known_fault_of_thyroid0387_is_flagged():
    raw = context("thyroid").catalog["tabular.raw"].load()
    flags = check_table(raw, spec_of("thyroid"), TableRules(duplicates=False)).flags
    assert sorted(flags.loc[flags["column"] == "age", "value"].astype(float)) == [455, 65511, 65512, 65526]


@real
def test_every_known_fault_of_the_altered_stays_is_flagged_and_hardly_anything_else():
    folder = Path(DATA) / "physionet2012" / "set-a-altered"
    if not folder.is_dir():
        pytest.skip("the altered stays are no public set")
    rules = TableRules(
        variables={
            "Age": "age", "Height": "height", "Temp": "temperature", "pH": "ph",
            "Weight": {"quantity": "weight", "plausible": (20, 350)},
            "SysABP": "systolic", "DiasABP": "diastolic", "NISysABP": "systolic", "NIDiasABP": "diastolic",
        }
    )  # fmt: skip
    events = read_stays(folder)
    report = check_events(events, rules)
    flagged = set(report.flags["record"].astype(int) - 1)

    def missed(variable, wrong):
        here = events[(events["variable"] == variable) & wrong(events["value"])]
        assert len(here)
        return sorted(set(here.index) - flagged)

    assert not missed("Age", lambda v: v >= 120)
    assert not missed("pH", lambda v: v > 7.8)
    assert not missed("Temp", lambda v: v < 30)
    assert not missed("Height", lambda v: v < 40)
    assert not missed("Weight", lambda v: v == 0)
    for name in ("SysABP", "DiasABP", "NISysABP", "NIDiasABP"):
        assert not missed(name, lambda v: v == 0)
    suggested = report.flags.set_index("value")["suggested_value"]
    assert (suggested["735"], suggested["1.8"], suggested["-17.8"].iloc[0]) == ("7.35", "180", "missing")
    assert report.summary["n_flagged_records"] < 0.006 * len(events)


KAGGLE = """PatientId,AppointmentID,Gender,ScheduledDay,AppointmentDay,Age,Neighbourhood,Scholarship,Hipertension,Diabetes,Alcoholism,Handcap,SMS_received,No-show
29872499824296,5642903,F,2016-04-29T18:38:08Z,2016-04-29T00:00:00Z,62,JARDIM DA PENHA,0,1,0,0,0,0,No
29872499824296,5642904,F,2016-04-29T18:38:08Z,2016-05-09T00:00:00Z,62,JARDIM DA PENHA,0,1,0,0,0,0,Yes
465943158731293,5775010,F,2016-06-06T08:58:13Z,2016-06-06T00:00:00Z,-1,ROMÃO,0,0,0,0,0,0,No
"""  # noqa: E501


def test_the_file_of_kaggle_is_read_under_the_same_names(tmp_path):
    lines = KAGGLE.splitlines(keepends=True)
    more = [
        f"{10**12 + i},{i},M,2016-05-02T08:00:00Z,2016-05-04T00:00:00Z,40,CENTRO,0,0,0,0,0,1,No\n"
        for i in range(40)
    ]
    (tmp_path / "KaggleV2-May-2016.csv").write_text("".join([*lines, *more]), "utf-8")
    raw = AppointmentsDataset(folder=str(tmp_path)).load()
    assert tuple(raw.columns) == ORIGINAL_NAMES
    clean, features = cleaned("appointments", raw)
    assert clean.cases["patient_id"].iloc[0] == "29872499824296"
    assert clean.quarantine[["column", "value"]].to_numpy().tolist() == [["Age", "-1"]]
    assert features["wait"].iloc[1] == pytest.approx(10, abs=0.8)  # 29 April, evening, to 9 May
    assert clean.cases["label"].tolist()[:2] == [0, 1]


@pytest.mark.parametrize(
    "names", [("No-show", "Hipertension"), ("no_show", "Hypertension"), ("NoShow", "HIPERTENSION")]
)
def test_other_spellings_and_ids_as_decimal_numbers_give_the_same_table(tmp_path, names):
    no_show, hypertension = names
    text = KAGGLE.replace("No-show", no_show).replace("Hipertension", hypertension)
    text = text.replace("24296,", "24296.0,").replace("Handcap", "Handicap")
    (tmp_path / "noshowappointments_part.csv").write_text(text, "utf-8")
    other = tmp_path / "kaggle"
    other.mkdir()
    (other / "KaggleV2-May-2016.csv").write_text(KAGGLE, "utf-8")
    pd.testing.assert_frame_equal(
        AppointmentsDataset(folder=str(tmp_path)).load(), AppointmentsDataset(folder=str(other)).load()
    )


def test_the_original_hcv_file_with_row_numbers_makes_no_feature_of_them(tmp_path):
    rows = [
        f'"{i}","0=Blood Donor",{20 + i},"m",38.{i},52.5,7.7,22.1,7.5,6.93,3.23,106,12.1,69\n'
        for i in range(1, 41)
    ]
    rows += ['"41","0s=suspect Blood Donor",50,"f",NA,52.5,7.7,22.1,7.5,6.93,3.23,106,12.1,69\n']
    rows += ['"42","3=Cirrhosis",50,"f",31,NA,7.7,22.1,7.5,6.93,3.23,106,12.1,69\n']
    path = tmp_path / "hcvdat0.csv"
    path.write_text(
        '"","Category","Age","Sex","ALB","ALP","ALT","AST","BIL","CHE","CHOL","CREA","GGT","PROT"\n'
        + "".join(rows)
    )
    clean, features = cleaned("hcv", pd.read_csv(path))
    assert "Unnamed: 0" not in features
    assert clean.cases["label"].tolist() == [0] * 40 + [pd.NA, 1]
    assert clean.cases["kind"].iloc[-1] == "3=Cirrhosis"


@real
def test_a_set_of_stays_with_another_letter_is_read_by_its_name(tmp_path, monkeypatch):
    source = Path(DATA) / "physionet2012"
    if not (source / "set-c").is_dir():
        pytest.skip("set-c is not in MEDANOMALY_DATA")
    folder = tmp_path / "physionet2012" / "set-b"
    folder.mkdir(parents=True)
    for path in sorted((source / "set-c").glob("*.txt"))[:5]:
        shutil.copy(path, folder)
    shutil.copy(source / "Outcomes-c.txt", folder.parent / "Outcomes-b.txt")
    monkeypatch.setenv("MEDANOMALY_DATA", str(tmp_path))
    bootstrap_project(ROOT)
    with KedroSession.create(
        project_path=ROOT, env="physionet2012", runtime_params={"subset": "set-b"}
    ) as session:
        raw = session.load_context().catalog["tabular.raw"].load()
    assert len(raw) == 5
    assert raw["In-hospital_death"].notna().all()


@pytest.mark.parametrize("env", ["appointments", "hcv", "physionet2012", "eicu"])
def test_absent_data_is_told_as_such(env, monkeypatch, tmp_path):
    monkeypatch.setenv("MEDANOMALY_DATA", str(tmp_path))
    with pytest.raises(Exception) as raised:  # noqa: PT011 - Kedro wraps what a dataset raises
        context(env).catalog["tabular.raw"].load()
    assert isinstance(raised.value.__cause__, DataNotFoundError)


@real
@pytest.mark.parametrize(
    ("env", "n", "classes", "rare", "n_impossible"),
    [("thyroid0387", 9172, 32, 18, 4), ("dermatology", 366, 6, 1, 0)],
)
def test_classes_of_public_tables_are_named_and_impossible_ages_cost_no_record(
    env, n, classes, rare, n_impossible
):
    raw = context(env).catalog["tabular.raw"].load()
    clean, features = cleaned(env, raw)
    assert len(clean.cases) == n
    assert clean.quarantine.empty
    counts = class_of(clean.cases).value_counts()
    assert counts.sum() == n
    assert len(counts) == classes
    assert (counts < 30).sum() == rare
    # every class has words, not letters or numbers
    assert counts.index.str.len().min() > 2
    flags = check_table(raw, spec_of(env)).flags
    assert flags["rule"].eq("impossible").sum() == n_impossible
    assert not [name for name in features if name in ("diagnosis", "Classification", "record_id")]
