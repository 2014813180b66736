"""The fusion of a run as a bundle: who calibrates it, what it says of itself, and what it refuses."""

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.bundle import make_bundle
from medanomaly.core.errors import BundleError, ConfigurationError
from medanomaly.fusion.sealed import calibration_patients, open_fusion, seal_fusion

TABULAR = make_bundle({"kind": "ecdf", "name": "ecdf", "modality": "tabular"}, {})
SIGNALS = make_bundle({"kind": "pca", "name": "beats", "modality": "signals"}, {})
BUNDLES = {"tabular": TABULAR, "signals": SIGNALS}


def table(modality, rows):
    """Rows of patient, p-value, part and whether the case is normal."""
    made = pd.DataFrame(rows, columns=["patient_id", "p_value", "split", "normal"])
    reference = made.pop("normal") & made["split"].eq("calibration")
    return made.assign(modality=modality, model=modality, reference=reference)


def tables():
    tabular = [("a", 0.5, "calibration", True), ("b", 0.2, "calibration", True), ("c", 0.01, "calibration", False),
               ("d", 0.3, "train", True), ("e", 0.4, "test", True), ("f", 0.7, "calibration", True)]  # fmt: skip
    signals = [("a", 0.9, "calibration", True), ("a", 0.6, "calibration", True), ("a", 0.001, "calibration", False),
               ("b", 0.002, "calibration", False), ("c", 0.5, "calibration", True), ("f", 0.5, "test", True)]  # fmt: skip
    return {"tabular": table("tabular", tabular), "signals": table("signals", signals)}


def test_calibration_patients_are_normal_in_each_of_their_modalities_and_in_one_part():
    known = calibration_patients(tables())
    # b has no normal beat, c no normal record, f is tested by signals
    assert known.to_dict("index") == {"a": {"tabular": 0.5, "signals": 0.6}}


def test_the_bundle_says_what_it_fuses_and_gives_the_same_answers_again():
    rng = np.random.default_rng(0)
    ids = [f"p{i}" for i in range(150)]
    made = {m: table(m, [(i, p, "calibration", True) for i, p in zip(ids, rng.uniform(0.01, 1, 150), strict=True)])
            for m in BUNDLES}  # fmt: skip
    bundle = seal_fusion(made, BUNDLES, 0.05, stamp={"dataset": "ward"})
    opened = open_fusion(bundle, {TABULAR.bundle_hash, SIGNALS.bundle_hash})
    assert opened.models == {"tabular": "ecdf", "signals": "beats"}
    assert opened.floors["signals"] == pytest.approx(1 / 151)
    assert (opened.alpha, bundle.manifest["dataset"], bundle.manifest["left_out"]) == (0.05, "ward", {})
    again = seal_fusion(
        {m: t.sample(frac=1, random_state=1) for m, t in made.items()},
        BUNDLES,
        0.05,
        stamp={"dataset": "ward"},
    )
    assert again.bundle_hash == bundle.bundle_hash, "the order of patients does not matter"
    assert opened.fusion.fuse(np.array([[0.01, 0.5]])).basis.tolist() == ["same_modalities"]


def test_a_modality_without_a_calibration_patient_is_left_out_and_named():
    made = tables()
    made["imaging"] = table("imaging", [("x", 0.5, "test", True)])
    bundle = seal_fusion(made, BUNDLES | {"imaging": SIGNALS}, 0.05)
    assert bundle.manifest["left_out"] == {"imaging": "no normal calibration patient has such cases"}
    assert open_fusion(bundle).modalities == ("tabular", "signals")
    card = bundle.files["card.md"].decode()
    assert "| signals | beats | 1 | 0.5 |" in card
    assert "imaging is left out: no normal calibration patient has such cases." in card
    assert bundle.manifest["patients_in_several_parts"] == 1
    with pytest.raises(ConfigurationError, match="patients cannot be compared"):
        seal_fusion({"imaging": made["imaging"]}, {"imaging": SIGNALS}, 0.05)


def test_a_fusion_of_models_that_are_not_there_is_refused():
    bundle = seal_fusion(tables(), BUNDLES, 0.05)
    with pytest.raises(BundleError, match="p-values of signals.beats in the state"):
        open_fusion(bundle, {TABULAR.bundle_hash})
    with pytest.raises(BundleError, match="of kind 'ecdf'"):
        open_fusion(TABULAR)
