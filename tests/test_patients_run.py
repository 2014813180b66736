"""A run with several modalities ends with one answer per patient, a page, and a bundle that answers for new patients."""

import re

import numpy as np
import pandas as pd
import pytest

import medanomaly
from medanomaly.fusion.patient_fusion import SAME, TABLE
from medanomaly.fusion.patient_p_values import case_p_values, patients_by_part
from medanomaly.pipelines.patients.pipeline import fused_models, patients
from medanomaly.reporting.patients import shown_patients
from tests.conftest import environment

MODALITIES = ("tabular", "signals", "imaging", "diagnosis")


@pytest.fixture(scope="module")
def fused(finished_run):
    return finished_run["patients.fused"].load().fillna({"speaks": "", "approximation": ""})


def test_an_environment_of_one_modality_has_nothing_to_fuse():
    assert patients(environment("wdbc")).nodes == []
    names = {node.name for node in patients(environment("test")).nodes}
    assert names == {"patients.fuse", *(f"patients.show_{m}" for m in MODALITIES), "patients.write"}


def test_models_are_fused_by_their_kind_and_not_by_their_figures():
    models = fused_models(environment("base"))
    assert models == {
        "tabular": "two_view_ensemble", "signals": "beat_detector", "imaging": "lbe", "diagnosis": "phenotype_ranker"
    }  # fmt: skip


def test_every_test_patient_has_one_row(finished_run, fused):
    cases = {m: finished_run[f"{m}.cases"].load() for m in MODALITIES}
    tests = {m: set(table.loc[table["split"] == "test", "patient_id"]) for m, table in cases.items()}
    assert set(fused["patient_id"]) == set.union(*tests.values())
    assert fused["patient_id"].is_unique
    assert fused["p_value"].is_monotonic_increasing
    assert fused["flagged"].eq(fused["p_value"] <= 0.05).all()
    assert fused.loc[~fused["flagged"], "speaks"].eq("").all()
    for row in fused.itertuples():
        given = set(row.pattern.split(" + "))
        assert given <= {m for m in MODALITIES if row.patient_id in tests[m]}
        assert {m for m in MODALITIES if not np.isnan(getattr(row, f"p_{m}"))} == given
    anomalous = {p for table in cases.values() for p in table.loc[table["label"] == 1, "patient_id"]}
    assert set(fused.loc[fused["label"] == 1, "patient_id"]) == anomalous & set(fused["patient_id"])


def test_few_patients_have_all_modalities_and_the_table_says_so(fused):
    several = fused["pattern"].str.contains(" + ", regex=False)
    assert set(fused.loc[several, "basis"]) == {TABLE}
    assert fused.loc[several, "approximation"].str.contains("table of the Cauchy distribution").all()
    assert fused.loc[fused["basis"] == SAME, "approximation"].eq("").all()


def test_no_patient_is_in_two_parts_across_modalities(finished_run):
    tables = {
        m: case_p_values(
            finished_run[f"{m}.cases"].load(),
            finished_run[f"{m}.scores"].load(),
            m,
            fused_models(environment("test"))[m],
        )
        for m in MODALITIES
    }
    assert patients_by_part(tables).isin(["train", "calibration", "test"]).all()
    checks = {(check["modality"], check["name"]): check for check in finished_run["audit"].load()["checks"]}
    assert checks["patients", "patients_across_modalities"]["verdict"] == "pass"


def test_the_models_give_the_answers_of_the_run_again(finished_run, finished_outputs, fused):
    models = medanomaly.open(finished_outputs / "06_models" / "synthetic")
    raw = finished_run["tabular.raw"].load()
    for row in fused[fused["pattern"] == "tabular"].head(3).itertuples():
        records = raw[raw["patient_id"] == row.patient_id].reset_index(drop=True)
        answer = models.patient({"tabular": records}, patient_id=row.patient_id, explain=False)
        assert answer.p_value == pytest.approx(row.p_value, abs=1e-12)
        assert (answer.flagged, " + ".join(answer.speaks)) == (row.flagged, row.speaks)


def test_the_page_shows_what_each_modality_knows_of_a_patient(finished_run, fused):
    page, report = finished_run["patients.report"].load(), finished_run["report"].load()
    shown = shown_patients(fused)
    for patient in shown["patient_id"]:
        assert f"Patient {patient}" in page
    patterns = set(" + ".join(shown["pattern"]).split(" + "))
    assert ("ECG strip of" in page) == ("signals" in patterns)
    assert ("Image and map" in page) == ("imaging" in patterns)
    assert ("What each value adds to the score" in page) == ("tabular" in patterns)
    assert ("Diseases that would explain the symptoms" in page) == ("diagnosis" in patterns)
    assert "Not given" in page
    assert "table of the Cauchy distribution" in page
    flagged = int(fused["flagged"].sum())
    sentence = f"{flagged:,} of {len(fused):,}"
    assert sentence in page.replace("\u00a0", " ")
    assert sentence in report.replace("\u00a0", " ")
    assert 'href="patients/report.html"' in report
    links = set(re.findall(r'href="#(patient-\d)"', page))
    assert links <= set(re.findall(r'id="(patient-\d)"', page))
    assert pd.notna(shown["p_value"]).all()
