"""How recordings were taken is sealed in bundles, and batches of recordings are compared with it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tests.signals.drawn_ecg import ecg

from medanomaly.core.conformal import p_values
from medanomaly.core.models import ModelInput
from medanomaly.core.recipe import open_recipe
from medanomaly.monitoring.batch_shift import check_facts
from medanomaly.monitoring.facts import CalibrationFacts
from medanomaly.pipelines.signals.feature_nodes import measure_recordings
from medanomaly.scoring.model_answers import OpenModel, answers
from medanomaly.signals.beats.params import BeatParams
from medanomaly.signals.quality.recording_facts import MEASURES, facts_of_beats, recording_facts
from medanomaly.signals.recipe import signal_recipe
from medanomaly.signals.recordings.recording import Recording


def recording(seed, fs=250.0, noise=0.0, step=0.005):
    series = ecg(seed, n_beats=20, fs=fs)
    signal = series.signal + noise * np.random.default_rng(seed).standard_normal(series.signal.shape)
    signal = (np.round(signal / step) * step).astype(np.float32)
    return Recording(f"r{seed}", f"p{seed}", signal, fs, ("MLII", "V1"), ("mV", "mV"))


def test_facts_tell_rate_lead_resolution_and_noise_apart():
    plain = recording(1)
    changed = [
        plain,
        recording(1, fs=360.0),
        replace(plain, leads=("V1", "MLII"), signal=plain.signal[:, ::-1].copy()),
        recording(1, step=0.02),
        recording(1, noise=0.15),
    ]
    facts = recording_facts(replace(one, record=str(i)) for i, one in enumerate(changed)).set_index("record")
    assert list(facts) == ["rate", "leads", "lead", "resolution", "bad", *MEASURES]
    assert facts["rate"].tolist() == [250, 360, 250, 250, 250]
    assert facts["lead"].tolist() == ["MLII", "MLII", "V1", "MLII", "MLII"]
    assert np.exp(facts.loc["0", "resolution"]) == pytest.approx(0.005, rel=0.01)
    assert np.exp(facts.loc["3", "resolution"]) == pytest.approx(0.02, rel=0.01)
    assert facts.loc["4", "high_frequency"] != facts.loc["0", "high_frequency"]


def test_a_recording_without_a_measure_or_a_value_has_gaps():
    pulse = Recording("a", "a", np.full((500, 1), np.nan, dtype=np.float32), 50.0, ("PLETH",), ("NU",))
    facts = recording_facts([pulse]).iloc[0]
    assert np.isnan(facts["resolution"])
    assert np.isnan(facts["bas_sqi"])
    assert (facts["missing"], facts["bad"]) == (1, 1)


@pytest.fixture(scope="module")
def read():
    """A folder of recordings as the recipe reads them."""
    stamp = {"dataset": "t"}
    recipe = open_recipe(signal_recipe("beat_recipe", BeatParams(), {}, stamp))
    return recipe.read([recording(seed) for seed in (1, 2)])


def test_a_run_and_raw_recordings_have_the_same_facts(read):
    recorded = read.inputs["recordings"].inputs
    windows = pd.concat(
        [
            of.assign(record=record)
            for record, of in ((name, _quality(one)) for name, one in recorded.raw.items())
        ]
    )
    run = measure_recordings(recorded.raw, windows)
    rows = np.array([0, len(read.cases) - 1])
    of_run = facts_of_beats(read.cases, run)(rows)
    for reads in ("features", "waveforms", "recordings"):
        pd.testing.assert_frame_equal(read.inputs[reads].facts(rows), of_run)
    assert "record" not in of_run


def _quality(one):
    from medanomaly.signals.beats.table import beats_of
    from medanomaly.signals.recordings.voltage import ecg_of

    return beats_of(ecg_of(one), BeatParams())[1]


def taken(n, rng, rate=360.0, noise=0.0):
    table = pd.DataFrame({"noise": rng.normal(noise, 1, n), "swing": rng.normal(0, 1, n), "rate": rate})
    return table.assign(lead=rng.choice(["MLII", "V5"], n, p=[0.9, 0.1]))


def test_a_batch_of_recordings_gets_a_verdict_from_its_facts_alone():
    rng = np.random.default_rng(0)
    known = CalibrationFacts(taken(60, rng), taken(40, rng)).coarse()
    assert check_facts(known, taken(40, rng)).verdict == "holds"
    assert "scores are not compared" in check_facts(known, taken(40, rng)).reason
    for shifted in (taken(40, rng, rate=128.0), taken(40, rng, noise=2.0)):
        check = check_facts(known, shifted)
        assert check.verdict == "broken"
        assert "p-values are not valid" in check.reason
    unlabelled = CalibrationFacts(known.normal, known.abnormal[:0], known.steps)
    assert "shift or illness" in check_facts(unlabelled, taken(40, rng, noise=1.2)).reason


def test_few_patients_on_either_side_are_too_few_to_tell():
    rng = np.random.default_rng(1)
    few, many = taken(8, rng), taken(40, rng)
    assert "only 8 of at least 15 patients" in check_facts(CalibrationFacts(many, many[:0]), few).reason
    check = check_facts(CalibrationFacts(few, few[:0]), many)
    assert (check.verdict, "only 8 of at least 15 calibration patients" in check.reason) == ("unknown", True)


class _Kind:
    """A model that needs no training."""

    name = reads = "features"
    explains = False

    def scores(self, scorer, data, left):
        return np.linspace(0, 1, len(data.cases)), {}


@pytest.mark.parametrize(("patients", "verdict"), [(20, "broken"), (3, None)])
def test_answers_to_recordings_of_many_patients_carry_the_verdict(read, patients, verdict, monkeypatch):
    rng = np.random.default_rng(2)
    known = CalibrationFacts(taken(60, rng), taken(30, rng))
    monkeypatch.setattr("medanomaly.scoring.model_answers.facts_of", lambda bundle: known)
    cases = pd.DataFrame(
        {
            "case_id": [f"r{i // 2}:{i}" for i in range(2 * patients)],
            "patient_id": np.arange(2 * patients) // 2,
        }
    ).astype("string")
    shifted = taken(2 * patients, rng, rate=128.0)
    data = ModelInput(cases, None, facts=lambda rows: shifted.iloc[rows].reset_index(drop=True))
    manifest = SimpleNamespace(name="m", modality="signals", kind="m", get=lambda name: None)
    scorer = SimpleNamespace(
        bundle=SimpleNamespace(manifest=manifest, bundle_hash="h"),
        calibration=np.linspace(0, 1, 30),
        p_values=p_values,
    )
    recipe = SimpleNamespace(
        noun="beat", bundle=SimpleNamespace(manifest=SimpleNamespace(modality="signals", kind="beat_recipe"))
    )
    given = replace(read, cases=cases, inputs={"features": data})
    found = answers(recipe, [OpenModel(_Kind(), scorer)], given, None, 0)
    assert {name: check.verdict for name, check in found.shift.items()} == (
        {"signals.m": verdict} if verdict else {}
    )
    scored = [case for case in found.to_dict()["cases"] if case["status"] == "scored"]
    held = [one.get("p_value_holds", True) for case in scored for one in case["answers"]]
    assert set(held) == {verdict is None}
