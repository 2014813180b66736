import antropy
import numpy as np
import pytest
from scipy import signal

from medanomaly.signals.features.spectral import (
    BANDS,
    PERIODOGRAM,
    WELCH,
    periodogram_features,
    welch_features,
)


def windows(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((5, n)).cumsum(axis=1) + rng.standard_normal((5, n))
    return x - x.mean(axis=1, keepdims=True)


def band_shares(frequencies, power):
    return [
        power[(frequencies >= low) & (frequencies < high)].sum() / power.sum() for low, high in BANDS.values()
    ]


@pytest.mark.parametrize(("n", "fs"), [(720, 360.0), (721, 360.0), (250, 125.0), (333, 100.0)])
def test_periodogram_agrees_with_scipy_and_antropy(n, fs):
    x = windows(n)
    found = dict(zip(PERIODOGRAM, periodogram_features(x, fs).T, strict=True))
    frequencies, power = signal.periodogram(x, fs)
    np.testing.assert_allclose(
        np.transpose([found[f"power_{band}_hz"] for band in BANDS]),
        [band_shares(frequencies, p) for p in power],
        rtol=1e-9,
        atol=1e-12,
    )
    entropy = antropy.spectral_entropy(x, fs, method="fft", normalize=True)
    np.testing.assert_allclose(found["spectral_entropy"], entropy, rtol=1e-9)
    np.testing.assert_array_equal(found["dominant_frequency"], frequencies[power.argmax(axis=1)])
    share = power / power.sum(axis=1, keepdims=True)
    centroid = share @ frequencies
    spread = [np.sqrt(s @ (frequencies - c) ** 2) for s, c in zip(share, centroid, strict=True)]
    np.testing.assert_allclose(found["spectral_centroid"], centroid, rtol=1e-9)
    np.testing.assert_allclose(found["spectral_spread"], spread, rtol=1e-9)
    edge = frequencies[(share.cumsum(axis=1) >= 0.95).argmax(axis=1)]
    np.testing.assert_array_equal(found["spectral_edge_95"], edge)


@pytest.mark.parametrize(("n", "fs"), [(720, 360.0), (721, 361.0), (250, 125.0), (60, 100.0), (1000, 125.0)])
def test_welch_agrees_with_scipy(n, fs):
    x = windows(n)
    found = welch_features(x, fs)
    frequencies, power = signal.welch(x, fs, nperseg=min(n, round(fs)))
    np.testing.assert_allclose(
        found[:, :-1], [band_shares(frequencies, p) for p in power], rtol=1e-9, atol=1e-12
    )
    entropy = antropy.spectral_entropy(x, fs, method="welch", nperseg=min(n, round(fs)), normalize=True)
    np.testing.assert_allclose(found[:, WELCH.index("welch_entropy")], entropy, rtol=1e-9)


def test_a_tone_lies_in_its_band_alone():
    t = np.arange(720) / 360
    tone = np.sin(2 * np.pi * 10 * t)[None]
    found = dict(zip(PERIODOGRAM, periodogram_features(tone, 360.0)[0], strict=True))
    assert found["power_5_15_hz"] == pytest.approx(1.0)
    assert found["dominant_frequency"] == found["spectral_edge_95"] == 10.0
    assert found["spectral_centroid"] == pytest.approx(10.0)
    assert found["spectral_entropy"] < 1e-9
    assert dict(zip(WELCH, welch_features(tone, 360.0)[0], strict=True))[
        "welch_power_5_15_hz"
    ] == pytest.approx(1.0)


def test_bands_add_up_to_all_of_the_power():
    x = windows(500)
    for features in (periodogram_features(x, 250.0), welch_features(x, 250.0)):
        np.testing.assert_allclose(features[:, : len(BANDS)].sum(axis=1), 1.0)
