import numpy as np
import pytest
from scipy.optimize import brentq
from sklearn.decomposition import PCA

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.features.morphology import SHAPE_FEATURES, beat_features, beat_reference

FS = 500.0


def record(widths, spacing=400, height=1.0):
    """A Gaussian QRS of each width (s) every ``spacing`` samples on a flat line."""
    positions = spacing * (1 + np.arange(len(widths)))
    t = np.arange(spacing * (len(widths) + 2))
    waves = [
        height * np.exp(-0.5 * ((t - r) / (w * FS)) ** 2) for r, w in zip(positions, widths, strict=True)
    ]
    return np.sum(waves, axis=0), positions


def test_a_gaussian_beat_has_the_amplitude_area_slope_and_width_of_its_formula():
    width = 0.02
    x, r = record([width] * 4, height=2.0)
    found = beat_features(x, FS, r).iloc[2]
    assert found["r_amplitude"] == pytest.approx(2.0, abs=1e-6)
    assert found["qrs_amplitude"] == pytest.approx(2.0, abs=1e-4)
    assert found["qrs_area"] == pytest.approx(2.0 * width * np.sqrt(2 * np.pi), rel=1e-3)
    t = np.arange(-30, 31) / FS
    before, after = np.exp(-0.5 * ((t - 0.008) / width) ** 2), np.exp(-0.5 * ((t + 0.008) / width) ** 2)
    assert found["qrs_slope_max"] == pytest.approx(2.0 * np.abs(after - before).max() / 0.016, rel=1e-6)
    steep = np.exp(-0.5) / width
    outer = brentq(lambda t: t / width**2 * np.exp(-0.5 * (t / width) ** 2) - 0.2 * steep, width, 0.2)
    assert found["qrs_width"] == pytest.approx(2 * outer, abs=0.008)


def test_a_wider_beat_is_wider_less_like_the_template_and_farther_from_it():
    x, r = record([0.015] * 12 + [0.04] + [0.015] * 4)
    found = beat_features(x, FS, r)
    assert found["qrs_width"].idxmax() == found["template_distance"].idxmax() == 12
    assert found["template_correlation"].idxmin() == found["pc_1"].abs().idxmax() == 12
    np.testing.assert_allclose(found["template_correlation"].drop(12), 1.0, atol=1e-6)


def test_rhythm_ratios_are_those_of_the_intervals():
    r = np.array([500, 900, 1300, 1700, 1950, 2500, 2900])
    found = beat_features(np.zeros(3500), FS, r)
    premature = found.iloc[4]
    assert premature["rr_pre"] == pytest.approx(250 / FS)
    assert premature["rr_post"] == pytest.approx(550 / FS)
    assert premature["rr_local"] == pytest.approx(400 / FS)
    assert premature["rr_pre_ratio"] == pytest.approx(250 / 400)
    assert premature["rr_post_pre"] == pytest.approx(550 / 250)
    assert premature["rr_change"] == pytest.approx(-150 / FS)
    assert found["flag"].tolist() == ["rhythm", "rhythm", "", "", "", "", "rhythm"]


def test_correlation_with_the_template_is_pearsons():
    rng = np.random.default_rng(0)
    x, r = record([0.02] * 10)
    x += 0.1 * rng.standard_normal(len(x))
    found = beat_features(x, FS, r)
    beats = np.array([x[i - 125 : i + 201] for i in r])
    beats -= np.median(beats, axis=1, keepdims=True)
    template = np.median(beats, axis=0)
    expected = [np.corrcoef(beat, template)[0, 1] for beat in beats]
    np.testing.assert_allclose(found["template_correlation"], expected, rtol=1e-9)


def test_component_scores_are_those_of_scikit_learn_up_to_sign():
    rng = np.random.default_rng(1)
    x, r = record([0.02] * 40)
    x += 0.2 * rng.standard_normal(len(x))
    found = beat_features(x, FS, r)
    beats = np.array([x[i - 125 : i + 201] for i in r])
    beats -= np.median(beats, axis=1, keepdims=True)
    peer = PCA(4, svd_solver="full").fit(beats)
    scores = peer.transform(beats)
    np.testing.assert_allclose(found[[f"pc_{k}" for k in range(1, 5)]].abs(), np.abs(scores), atol=1e-9)
    left = np.sqrt(((beats - peer.inverse_transform(scores)) ** 2).mean(axis=1))
    np.testing.assert_allclose(found["pc_residual"], left, rtol=1e-9)


def test_features_of_a_beat_do_not_depend_on_later_beats_when_the_reference_does_not():
    rng = np.random.default_rng(2)
    x, r = record([0.02] * 20)
    x += 0.05 * rng.standard_normal(len(x))
    reference = beat_reference(x, FS, r, among=np.arange(20) < 8)
    whole = beat_features(x, FS, r, reference=reference)
    early = beat_features(x[:6000], FS, r[:12], reference=reference)
    columns = [c for c in whole.columns if not c.startswith("rr_post") and c != "flag"]
    np.testing.assert_array_equal(early[columns], whole[columns].iloc[:12])


def test_leads_are_measured_apart():
    rng = np.random.default_rng(3)
    x, r = record([0.02] * 6)
    other = -0.5 * x + 0.01 * rng.standard_normal(len(x))
    both = beat_features(np.column_stack([x, other]), FS, r, leads=("MLII", "V1"))
    for lead, alone in {"MLII": x, "V1": other}.items():
        single = beat_features(alone, FS, r)
        np.testing.assert_allclose(
            both[[f"{lead}.{name}" for name in SHAPE_FEATURES]], single[list(SHAPE_FEATURES)], rtol=1e-12
        )


def test_edges_and_gaps_are_nan_and_flagged():
    x, r = record([0.02] * 6)
    x[r[3] + 20] = np.nan
    found = beat_features(x, FS, np.r_[30, r])
    assert found["flag"].tolist()[0] == "edge"
    assert found["flag"].tolist()[4] == "gap"
    assert found.loc[[0, 4], list(SHAPE_FEATURES)].isna().all(axis=None)
    assert found.loc[[2, 3, 5], list(SHAPE_FEATURES)].notna().all(axis=None)


def test_nothing_to_measure_gives_nan_or_no_rows_and_no_error():
    assert len(beat_features(np.zeros(1000), FS, np.array([], dtype=int))) == 0
    flat = beat_features(np.zeros(2000), FS, np.array([500, 900, 1300]))
    assert (flat["template_correlation"] == 0).all()
    assert (flat["qrs_width"] == 0).all()
    lost = beat_features(np.full(2000, np.nan), FS, np.array([500, 900, 1300]))
    assert (lost["flag"] == "gap").all()
    assert lost[list(SHAPE_FEATURES)].isna().all(axis=None)
    assert beat_features(np.zeros(3), FS, np.array([1]))["flag"].tolist() == ["edge"]


def test_unfit_beats_are_refused():
    x, r = record([0.02] * 3)
    with pytest.raises(InputError, match="inside the signal"):
        beat_features(x, FS, np.array([10**7]))
    with pytest.raises(InputError, match="whole sample numbers"):
        beat_features(x, FS, r + 0.5)
    with pytest.raises(ConfigurationError, match="50 Hz"):
        beat_features(x, 20.0, r)
    with pytest.raises(ConfigurationError, match="same number and rate"):
        beat_features(x, FS, r, reference=beat_reference(np.column_stack([x, x]), FS, r))
