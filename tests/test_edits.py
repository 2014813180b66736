"""What has to be written to add a thing, as CONTRIBUTING says: each is added here in that way, and used.

A detector of rows is added in ``tests/detectors/test_detector_contract.py``, an image network in
``tests/imaging/test_networks.py``, a data set and a second model of a kind in ``tests/test_environment.py``.
"""

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Node, Pipeline

from medanomaly.core import models
from medanomaly.core.calibrated_bundle import calibrated_bundle
from medanomaly.core.conformal import p_values
from medanomaly.core.models import ModelInput, ModelKind, ModelParams
from medanomaly.core.splits import SplitParams, split_by_patient
from medanomaly.evaluation import known_metrics
from medanomaly.evaluation.known_metrics import RANKING, Metric
from medanomaly.evaluation.metrics import evaluate
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.parameters import RunParams
from medanomaly.pipelines import modalities
from medanomaly.pipelines.modality import Cases, Modality, View
from medanomaly.pipelines.models import explain_cases, fit_model, score_cases
from medanomaly.pipelines.signals.modality import ON_WAVEFORMS
from medanomaly.reporting.report import render_report
from tests.conftest import ROOT, environment
from tests.reporting.conftest import plausible_results, plausible_run
from tests.test_bad_input import good_table

CSV = {"type": "medanomaly.datasets.table.CSVDataset"}


# a metric: one record


def test_a_record_is_a_metric_of_the_table_and_of_the_report(monkeypatch):
    gini = Metric(
        "gini",
        "Gini",
        RANKING,
        "2 AUROC - 1",
        lambda r: (r.u2 - r.p * r.n, 1.0 * r.p * r.n),
        "scores",
        "ranking",
    )
    monkeypatch.setitem(known_metrics.METRICS, "gini", gini)
    results = plausible_results(figures={})
    table = evaluate(results.cases, results.scores, "tabular", EvaluationParams(n_resamples=100))
    whole = table[table["subgroup"] == ""].pivot_table(index="model", columns="metric", values="value")
    np.testing.assert_allclose(whole["gini"], 2 * whole["auroc"] - 1, atol=1e-12)
    page = render_report(plausible_run(), [plausible_results(figures={}, metrics=table)])
    assert ">Gini<" in page


# a model of signals: a class, its name, a block


class LoudnessParams(ModelParams):
    """``power`` of the samples."""

    kind: str = "loudness"
    power: float = 2.0


class LoudnessScorer:
    def __init__(self, bundle):
        self.bundle, self.calibration = bundle, bundle.array("calibration.npy")

    def score(self, waveforms):
        return (np.abs(np.asarray(waveforms, dtype=float)) ** self.bundle.manifest.options["power"]).mean(
            axis=1
        )

    def p_values(self, waveforms):
        return p_values(self.score(waveforms), self.calibration)


class Loudness(ModelKind):
    name, reads, params = "loudness", "waveforms", LoudnessParams

    def fit(self, data, params, context):
        score = (np.abs(data.inputs.astype(float)) ** params.power).mean(axis=1)
        bundle = calibrated_bundle(
            {},
            data.cases,
            score,
            name=context.name,
            modality=context.modality,
            kind=self.name,
            options={"power": params.power},
            seed=context.seed,
            input_contract={"waveform": "one beat"},
            stamp=dict(context.stamp),
        )
        return bundle, {}

    def open(self, bundle):
        return LoudnessScorer(bundle)


@pytest.fixture
def loudness(monkeypatch):
    monkeypatch.setattr(models, "_registered", {})
    models.register(Loudness, "loudness")


def test_a_kind_that_is_registered_can_be_named_in_a_block_is_fitted_scored_and_carded(loudness, tmp_path):
    (tmp_path / "base").symlink_to(ROOT / "conf" / "base")
    lab = tmp_path / "lab"
    lab.mkdir()
    (lab / "catalog.yml").write_text(
        yaml.safe_dump({"signals.raw": CSV | {"filepath": "x.csv", "metadata": {"cases": "cut_beats"}}})
    )
    (lab / "parameters.yml").write_text(
        yaml.safe_dump({"models": {"signals": {"loud": {"kind": "loudness", "power": 1.0}}}})
    )
    (model,) = [m for m in environment("lab", tmp_path).models["signals"] if m.name == "loud"]

    n = 60
    ids = pd.Series([f"b{i}" for i in range(n)], dtype="string")
    cases = pd.DataFrame({"case_id": ids, "patient_id": ids, "label": pd.array([0] * n, dtype="Int8")})
    cases["kind"] = pd.array([None] * n, dtype="string")
    cases["split"] = split_by_patient(ids, cases["label"], SplitParams())
    waveforms = np.random.default_rng(0).standard_normal((n, 20)).astype(np.float32)
    given = {"cases": cases, "waveforms": {"waveforms": waveforms}}
    run = RunParams(dataset="lab", table="lab")
    params = LoudnessParams(power=1.0)
    (bundle,) = fit_model(model, "signals", ON_WAVEFORMS, given, params, run, {}, None)
    assert bundle.manifest.options == {"power": 1.0}
    assert b"# loud" in bundle.files["card.md"]
    (scores,) = score_cases(model.kind, bundle, ON_WAVEFORMS.make(**given), {})
    np.testing.assert_allclose(scores["score"], np.abs(waveforms.astype(float)).mean(axis=1), rtol=1e-12)
    with pytest.raises(Exception, match="gives no explanations"):
        explain_cases(model.kind, bundle, ON_WAVEFORMS.make(**given), scores, {})


# a modality: its object, its line, its catalog and parameters


def read_breaths(raw: pd.DataFrame, split: SplitParams):
    cases = pd.DataFrame({"case_id": raw["id"].astype("string"), "patient_id": raw["id"].astype("string")})
    cases["label"] = raw["sick"].astype("Int8")
    cases["kind"] = raw["sick"].map({1: "apnoea", 0: None}).astype("string")
    cases["split"] = split_by_patient(cases["patient_id"], cases["label"], split)
    nobody = pd.DataFrame({"record": [], "column": [], "value": [], "reason": []}, dtype="string")
    counts = {"n_records": len(raw), "n_kept": len(raw), "n_quarantined": 0, "notes": []}
    return cases, nobody, counts | {"cases": "breaths", "noun": "breath"}


def measure_breaths(raw: pd.DataFrame, cases: pd.DataFrame):
    return raw[list("abcd")].assign(case_id=cases["case_id"])


def features_of_breaths(cases: pd.DataFrame, features: pd.DataFrame):
    return ModelInput(cases, features)


BREATHS = Cases(
    noun="breath",
    prepare=lambda: Pipeline(
        [
            Node(
                read_breaths,
                ["breathing.raw", "params:split"],
                ["breathing.cases", "breathing.quarantine", "breathing.summary"],
                name="breathing.read",
            )
        ]
    ),
    features=lambda: Pipeline(
        [
            Node(
                measure_breaths,
                ["breathing.raw", "breathing.cases"],
                "breathing.features",
                name="breathing.measure_breaths",
            )
        ]
    ),
    views={"features": View(("features",), features_of_breaths)},
    sections=lambda models: Pipeline(
        [Node(lambda cases: [], "breathing.cases", "breathing.sections", name="breathing.sections")]
    ),
)


def test_a_modality_goes_from_raw_data_to_the_report(monkeypatch, tmp_path):
    breathing = Modality(name="breathing", stage="breathing_models", cases={"breaths": BREATHS})
    monkeypatch.setitem(modalities.ALL, "breathing", breathing)
    conf, lab = tmp_path / "conf", tmp_path / "conf" / "lab"
    lab.mkdir(parents=True)
    (conf / "base").symlink_to(ROOT / "conf" / "base")
    good_table().to_csv(tmp_path / "breaths.csv", index=False)
    files = {
        "catalog": {"breathing.raw": CSV | {"filepath": str(tmp_path / "breaths.csv")}},
        "globals": {"dataset": "lab", "outputs": str(tmp_path / "out")},
        "parameters": {
            "models": {"breathing": {"tails": {"kind": "ecdf"}, "pca": {}}},
            "evaluation": {"n_resamples": 100},
        },
    }
    for name, content in files.items():
        (lab / f"{name}.yml").write_text(yaml.safe_dump(content))
    bootstrap_project(ROOT)
    with KedroSession.create(ROOT, env="lab", conf_source=str(conf)) as session:
        session.run()
        catalog = session.load_context().catalog
        metrics, page = catalog["metrics"].load(), catalog["report"].load()
        assert (
            len(catalog["breathing.case_list"].load())
            == (catalog["breathing.cases"].load()["split"] == "test").sum()
        )
    assert set(metrics.loc[metrics["role"] == "model", "model"]) == {"tails", "pca"}
    assert set(metrics["modality"]) == {"breathing"}
    assert "breaths" in page
