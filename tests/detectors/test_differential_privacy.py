"""Training with differential privacy: what is promised is kept by the accountant, and is off unless it is asked for."""

import sys

import numpy as np
import pytest
from tests.tabular.sample_tables import continuous

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.onnx_session import open_session
from medanomaly.detectors.kinds.denoising_autoencoder import AutoencoderDetector
from medanomaly.detectors.onnx.export import to_onnx

ROWS = continuous(200, 5)


def small(**options):
    return AutoencoderDetector(**({"hidden": 8, "max_epochs": 3, "random_state": 0} | options))


@pytest.fixture(scope="module")
def private():
    pytest.importorskip("opacus", reason="needs the extra 'dp'")
    return small(epsilon=8.0).fit(ROWS)


def test_epsilon_is_kept_and_said(private):
    promised = private.about_training_rows()["differential_privacy"]
    assert 0 < promised["epsilon"] <= 8.0
    assert promised["delta"] == 1e-5
    assert promised["accountant"].startswith("Rényi")
    assert promised["noise_multiplier"] > 0


def test_less_epsilon_is_more_noise(private):
    pytest.importorskip("opacus")
    strict = small(epsilon=1.0).fit(ROWS)
    assert strict.privacy_["noise_multiplier"] > 2 * private.privacy_["noise_multiplier"]


def test_the_noise_does_not_follow_from_the_seed_which_is_known_to_whoever_has_the_bundle(private):
    again = small(epsilon=8.0).fit(ROWS)
    assert not np.array_equal(again.weights_["weight_0"], private.weights_["weight_0"])
    # without noise it does
    plain, same = small().fit(ROWS), small().fit(ROWS)
    assert np.array_equal(plain.weights_["weight_0"], same.weights_["weight_0"])
    assert plain.about_training_rows() == {}


def test_the_graph_scores_as_the_detector_does(private):
    rows = continuous(20, 5, seed=1)
    score = open_session(to_onnx(private)).run(None, {"X": rows})[0]
    np.testing.assert_allclose(score, -private.score_samples(rows), rtol=1e-9)
    assert np.isfinite(score).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"epsilon": 0.0}, "epsilon is 0.0"),
        ({"epsilon": 8.0, "delta": 0.5}, "delta is 0.5 with 160 rows"),
        ({"epsilon": 8.0, "delta": 0.0}, "delta is 0.0"),
    ],
)
def test_what_promises_nothing_is_refused(options, said):
    with pytest.raises(ConfigurationError, match=said):
        small(**options).fit(ROWS)


def test_without_opacus_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "opacus", None)
    with pytest.raises(ConfigurationError, match=r"opacus.*not installed.*medanomaly\[dp\]"):
        small(epsilon=8.0).fit(ROWS)
