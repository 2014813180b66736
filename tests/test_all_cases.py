"""Every record of a table gets an answer, those of train and calibration too, and those that could not be read a reason."""

import logging
import re

import numpy as np
import pandas as pd
import pytest

import medanomaly
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.models import kind
from medanomaly.core.splits import SplitParams
from medanomaly.datasets.outputs.optional_csv_table import OptionalCSVTableDataset
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.environment import Model
from medanomaly.pipelines.tabular.all_cases import judge_all, judged_alone, list_all_cases
from medanomaly.pipelines.tabular.prepare_nodes import (
    DataProcessingParams,
    check_quality,
    clean_records,
    split_cases,
)
from tests.test_run_record import Small

RUN = RunParams(dataset="mine", table="mine")
TAILS = Model("tails", kind("ecdf"))
SPEC = {
    "case_id": "id",
    "patient_id": "person",
    "columns": {"glucose": {"unit": "mmol/L"}, "bmi": {"unit": "kg/m²"}},
    "rules": {"variables": {"bmi": {"plausible": [10, 80]}}},
}


def visits(n=120, patients=60, sick=None):
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {"id": [f"v{i}" for i in range(n)], "person": [f"P{i % patients}" for i in range(n)]}
    )
    table["glucose"] = (5.5 + 0.5 * random.standard_normal(n)).round(2)
    table["bmi"] = (25 + 3 * random.standard_normal(n)).round(1)
    return table if sick is None else table.assign(outcome=np.where(np.arange(n) < sick, "ill", "well"))


def prepared(raw, **spec):
    params = DataProcessingParams(tables={"mine": SPEC | spec})
    records, unsplit, quarantine, summary, read_as = clean_records(raw, params, RUN)
    flags, _ = check_quality(raw, params, RUN)
    cases = split_cases(unsplit, SplitParams())
    about = {"records": records, "cases": cases, "read_as": read_as, "summary": summary}
    return about | {"data_processing": params, "run": RUN}, flags, quarantine


def listed(raw, wanted="auto", alpha=0.05, **spec):
    about, flags, quarantine = prepared(raw, **spec)
    judged = judge_all(TAILS, **about, wanted=wanted)
    return list_all_cases(about["cases"], *judged, flags, quarantine, AlarmParams(alpha=alpha))


@pytest.fixture(scope="module")
def unlabelled():
    """Every record of a table in which one of calibration has an impossible value, and one is no number."""
    raw = visits().astype({"glucose": object})
    about, *_ = prepared(raw)
    in_calibration = about["cases"].query("split == 'calibration'")["case_id"].iloc[0]
    raw.loc[raw["id"] == in_calibration, "bmi"] = 999.0
    raw.loc[raw["id"] == "v7", "glucose"] = "see note"
    return raw, in_calibration, listed(raw)


def test_every_record_has_a_p_value_and_one_that_cannot_be_read_comes_last_with_the_reason(unlabelled):
    raw, _, table = unlabelled
    assert sorted(table["case_id"]) == sorted(raw["id"])
    scored = table[table["status"] == "scored"]
    assert len(scored) == len(raw) - 1
    assert scored["p_value"].astype(float).between(1 / len(scored), 1).all()
    assert scored["p_value"].is_monotonic_increasing
    assert set(scored["split"]) == {"train", "calibration", "test"}
    last = table.iloc[-1]
    assert (last["case_id"], last["status"]) == ("v7", "refused")
    assert last["reasons"].startswith("glucose: ")
    assert pd.isna(last["p_value"])


def test_an_impossible_value_of_a_calibration_record_is_first_and_said_in_words(unlabelled):
    _, in_calibration, table = unlabelled
    first = table.iloc[0]
    assert (first["case_id"], first["split"], bool(first["flagged"])) == (in_calibration, "calibration", True)
    assert first["reasons"].startswith("bmi 999 ")
    assert "999" in first["findings"]
    assert table["findings"].iloc[1:-1].eq("").all()


def test_scores_and_p_values_are_those_of_detect(unlabelled):
    raw, _, table = unlabelled
    found = medanomaly.detect(
        raw,
        case_id="id",
        patient_id="person",
        detector="ecdf",
        description={name: SPEC[name] for name in ("columns", "rules")},
    )
    own = table[table["status"] == "scored"].set_index("case_id")
    same = found.scores.set_index("case_id").loc[own.index]
    np.testing.assert_allclose(
        own[["score", "p_value"]].astype(float), same[["score", "p_value"]].astype(float)
    )
    reasons = found.table.set_index("case_id")["reasons"]
    # the refused record has a reason too
    top = reasons[reasons != ""].index.drop("v7")
    assert len(top) == 20
    assert own.loc[top, "reasons"].tolist() == reasons[top].tolist()


def test_flags_follow_the_alarm(unlabelled):
    raw, _, table = unlabelled
    wider = listed(raw, alpha=0.2)
    for found, alpha in ((table, 0.05), (wider, 0.2)):
        scored = found[found["status"] == "scored"]
        assert (scored["flagged"] == (scored["p_value"].astype(float) <= alpha)).all()
        assert scored["flagged"].mean() <= 2 * alpha
    assert wider["flagged"].fillna(False).sum() > table["flagged"].fillna(False).sum()


def test_labelled_tables_are_listed_where_it_is_asked_for():
    raw, label = visits(sick=12), {"label": "outcome", "normal_labels": ["well"]}
    assert listed(raw, **label).empty
    asked = listed(raw, wanted=True, **label)
    assert asked["label"].tolist().count(1) == 12
    assert asked["kind"].dropna().isin(["ill"]).all()
    # where all are normal nothing can be judged by labels
    assert len(listed(visits(sick=0), **label)) == 120
    assert listed(visits(), wanted=False).empty


def test_what_cannot_be_judged_costs_the_table_and_not_the_run_unless_it_was_asked_for(caplog):
    about, *_ = prepared(visits())
    about["cases"] = about["cases"].assign(patient_id=["P1", "P2"] * 60)
    with caplog.at_level(logging.WARNING):
        scores, explanations = judge_all(TAILS, **about, wanted="auto")
    assert scores.empty
    assert explanations.empty
    assert "Not every record is judged: 120 records of 2 patients are too few" in caplog.text
    with pytest.raises(ConfigurationError, match="too few"):
        judge_all(TAILS, **about, wanted=True)
    with pytest.raises(ConfigurationError, match="no model is a detector of rows"):
        judge_all(None, **about, wanted=True)


def test_the_leading_model_judges_else_the_first_detector_of_rows():
    class Other:
        name = params = None

    other, forest = Model("other", Other()), Model("forest", kind("isolation_forest"))

    def judges(models, leading):
        (node,) = judged_alone(models, leading).nodes
        return [name for name in node.inputs if name.startswith("params:models")]

    assert judges((other, TAILS, forest), "forest") == ["params:models.tabular.forest"]
    assert judges((other, TAILS, forest), "other") == ["params:models.tabular.tails"]
    assert judges((other,), "other") == []


def test_a_table_without_rows_leaves_no_file_of_an_earlier_run(tmp_path):
    path = tmp_path / "all_cases.csv"
    table = OptionalCSVTableDataset(filepath=str(path), save_args={"index": False})
    assert table.load().empty
    table.save(pd.DataFrame({"case_id": ["=1+1"], "p_value": [0.5]}))
    assert table.load()["case_id"].tolist() == ["=1+1"]
    table.save(pd.DataFrame())
    assert not path.exists()
    assert not table.exists()
    table.save(pd.DataFrame())


def test_a_run_without_labels_writes_the_list_and_its_report_leads_there(tmp_path):
    small = Small(tmp_path)
    visits(n=200, patients=100).to_csv(small.csv, index=False)
    small.table = SPEC
    small.write_conf()
    catalog = small.session_run()
    html = (small.outputs / "08_reporting" / "mine" / "report.html").read_text()
    table = catalog["tabular.all_cases"].load()
    assert len(table) == 200
    assert table["p_value"].notna().all()
    assert (table["flagged"] == (table["p_value"] <= 0.1)).all()
    assert "Every record, those of train and calibration too" in html
    (address,) = set(re.findall(r'href="#([^"]*every-record)"', html))
    assert f'id="{address}"' in html
