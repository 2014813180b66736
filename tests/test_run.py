"""One whole run on the smallest cohort: what it leaves behind, and that it can be trusted."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.cases import check_cases
from medanomaly.core.scores import BASELINE, check_scores
from medanomaly.pipelines.modalities import ALL
from tests.conftest import ROOT, described_models

MODELS = described_models("tabular")


def test_tables_keep_their_contracts(finished_run):
    cases = check_cases(finished_run["tabular.cases"].load())
    scores = check_scores(finished_run["tabular.scores"].load())
    assert set(scores["model"]) == set(MODELS)
    assert len(scores) == len(MODELS) * len(cases)
    train = set(cases.loc[cases["split"] == "train", "case_id"])
    assert scores.loc[scores["case_id"].isin(train), "p_value"].isna().all()


def test_metrics_table_has_the_contract_s_columns_and_intervals_around_its_values(finished_run):
    metrics = finished_run["metrics"].load()
    assert metrics.columns.tolist() == [
        "modality", "model", "role", "split", "subgroup", "metric", "value", "ci_low", "ci_high", "n", "n_positive",
    ]  # fmt: skip
    whole = metrics[metrics["subgroup"].fillna("").eq("")]
    assert not metrics.loc[metrics["model"].isin(MODELS), "role"].eq(BASELINE).any()
    assert metrics.loc[metrics["model"].eq("1-NN"), "role"].eq(BASELINE).all()
    expected = {"auroc", "auroc_delong", "auprc", "prevalence", "sensitivity", "specificity"}
    expected |= {"ppv", "npv", "f1", "false_alarm_rate", "flagged_share"}
    for model in MODELS:
        rows = whole[whole["model"] == model].set_index("metric")
        assert expected <= set(rows.index)
        known = rows[rows["value"].notna()]
        assert ((known["ci_low"] <= known["value"]) & (known["value"] <= known["ci_high"])).all()
    assert metrics["subgroup"].str.startswith("sex=").any()
    assert metrics["subgroup"].str.startswith("kind=").any()


def test_auroc_equals_scikit_learn(finished_run):
    from sklearn.metrics import average_precision_score, roc_auc_score

    cases, metrics = finished_run["tabular.cases"].load(), finished_run["metrics"].load()
    scores = finished_run["tabular.scores"].load().merge(cases[cases["split"] == "test"], on="case_id")
    metrics = metrics[metrics["modality"] == "tabular"]
    for model, rows in scores.groupby("model"):
        found = metrics[(metrics["model"] == model) & metrics["subgroup"].isna()].set_index("metric")["value"]
        label = rows["label"].astype(int)
        assert found["auroc"] == pytest.approx(roc_auc_score(label, rows["score"]), abs=1e-12)
        assert found["auprc"] == pytest.approx(average_precision_score(label, rows["score"]), abs=1e-12)


def test_the_audit_finds_no_leak(finished_run):
    checks = finished_run["audit"].load()["checks"]
    assert len(checks) >= 8
    assert [(c["modality"], c["name"]) for c in checks if c["verdict"] == "fail"] == []
    assert all(check["what_to_do"] for check in checks if check["verdict"] == "warn")


def test_the_report_is_one_file_that_needs_no_network(finished_run):
    html = finished_run["report"].load()
    assert "Research use only" in html
    # nothing is fetched; links lead to places of the page and to its neighbours
    assert not re.findall(r'(?:src|srcset)="(?!data:)[^"]+"', html)
    assert not re.findall(r'href="(?!#|data:)[^"]*:[^"]*"', html)
    assert "@import" not in html
    for model in MODELS:
        assert model.replace("_", " ") in html


def test_every_file_that_a_page_links_to_is_there(finished_run, finished_outputs):
    folder = finished_outputs / "08_reporting" / "synthetic"
    pages = [folder / "report.html", *(folder / m / "report.html" for m in ALL)]
    for page in pages:
        html = page.read_text()
        links = set(re.findall(r'href="(?!data:)([^"#]+)(?:#[^"]*)?"', html))
        assert any(link.endswith("cases.csv") for link in links), page
        assert not [link for link in links if not (page.parent / link).exists()], page
        anchors = re.findall(r'<a [^>]*href="([^"#]*)#([^"]+)"', html)
        for to, key in anchors:
            text = (page.parent / to).read_text() if to else html
            assert f'id="{key}"' in text, (page, to, key)


@pytest.mark.parametrize("modality", tuple(ALL))
def test_the_list_of_cases_has_every_test_case_in_the_order_of_the_report(finished_run, modality):
    listed = finished_run[f"{modality}.case_list"].load()
    cases = finished_run[f"{modality}.cases"].load()
    assert set(listed["case_id"]) == set(cases.loc[cases["split"] == "test", "case_id"])
    assert listed["score"].is_monotonic_decreasing
    scores = finished_run[f"{modality}.scores"].load()
    own = scores[scores["model"] == listed["model"].iloc[0]].set_index("case_id")["score"]
    np.testing.assert_allclose(listed["score"], own[listed["case_id"]], rtol=1e-12)
    assert listed["why"].head(5).notna().all()


def test_a_beat_is_called_by_its_record_and_time(finished_run):
    listed, beats = finished_run["signals.case_list"].load(), finished_run["signals.beats"].load()
    record, sample = listed["case_id"].iloc[0].rsplit(":", 1)
    beat = beats[(beats["record"] == record) & (beats["sample"] == int(sample))].iloc[0]
    minutes, seconds = listed["case"].iloc[0].removeprefix(f"{record} at ").split(":")
    assert 60 * int(minutes) + float(seconds) == pytest.approx(beat["time_s"], abs=0.051)


@pytest.mark.parametrize("model", MODELS)
def test_a_bundle_serves_the_scores_of_the_pipeline(finished_run, model):
    from medanomaly.detectors.scorer import TabularScorer

    scorer = TabularScorer(finished_run[f"tabular.{model}.bundle"].load())
    features = finished_run["tabular.features"].load()
    table = finished_run[f"tabular.{model}.scores"].load()
    np.testing.assert_allclose(scorer.score(features), table["score"], atol=1e-6)
    for i in (0, 17, 101):
        assert scorer.score(features.iloc[[i]])[0] == pytest.approx(table["score"].iloc[i], abs=1e-6)
    test = (finished_run["tabular.cases"].load()["split"] == "test").to_numpy()
    np.testing.assert_allclose(scorer.p_values(features[test]), table["p_value"][test], atol=1e-12)
    # the model that explains is the model that scores
    contributions = scorer.contributions(features.head(5)).sum(axis=1)
    if model != "isolation_forest":
        np.testing.assert_allclose(contributions, table["score"].head(5), rtol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_manifest_says_where_the_model_comes_from(finished_run, model):
    bundle = finished_run[f"tabular.{model}.bundle"].load()
    manifest = json.loads(json.dumps(dict(bundle.manifest)))
    cases = finished_run["tabular.cases"].load()
    normals = cases[(cases["split"] == "train") & (cases["label"] == 0)]
    assert manifest["training_data"]["n_cases"] == len(normals)
    assert {"numpy", "scikit-learn", "onnxruntime"} <= set(manifest["libraries"])
    assert {"model.onnx", "model.skops", "calibration.npy", "facts.npy", "card.md"} == set(bundle.files)
    units = {entry["name"]: entry.get("unit") for entry in manifest["input_contract"]}
    assert units["potassium"] == "mmol/L"


def test_explanations_name_the_value_its_unit_and_the_usual_range(finished_run):
    table = finished_run["tabular.explanations"].load()
    row = table[(table["feature"] == "potassium") & (table["value"] != "missing")].iloc[0]
    assert row["unit"] == "mmol/L"
    assert 3 < row["usual_low"] < row["usual_high"] < 6
    assert np.isfinite(table["contribution"]).all()


def test_the_same_seed_gives_the_same_scores_and_figures(finished_run, tmp_path):
    from kedro.framework.session import KedroSession

    with KedroSession.create(ROOT, env="test", runtime_params={"outputs": str(tmp_path)}) as session:
        session.run()
        again = session.load_context().catalog
        pd.testing.assert_frame_equal(again["metrics"].load(), finished_run["metrics"].load())
        pd.testing.assert_frame_equal(again["tabular.scores"].load(), finished_run["tabular.scores"].load())
    assert (tmp_path / "08_reporting" / "synthetic" / "report.html").exists()


def test_a_crashed_run_goes_on_where_it_stopped(finished_run, finished_outputs, tmp_path):
    import shutil

    from kedro.framework.session import KedroSession

    shutil.copytree(finished_outputs, tmp_path / "out")
    (tmp_path / "out" / "08_reporting" / "synthetic" / "report.html").unlink()
    bundle = tmp_path / "out" / "06_models" / "synthetic" / "tabular" / "ecdf" / "manifest.json"
    before = bundle.stat().st_mtime_ns
    with KedroSession.create(ROOT, env="test", runtime_params={"outputs": str(tmp_path / "out")}) as session:
        session.run(only_missing_outputs=True)
    assert (tmp_path / "out" / "08_reporting" / "synthetic" / "report.html").exists()
    assert bundle.stat().st_mtime_ns == before
