"""Levels of a stream, against the package online-fdr, and the rate that they keep."""

import numpy as np
import pytest
from online_fdr.p_values import LordPlusPlus, Saffron

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.evaluation.online_fdr import lord, saffron


def stream(n, share, seed):
    rng = np.random.default_rng(seed)
    anomalous = rng.random(n) < share
    return np.where(anomalous, rng.beta(0.05, 8, n), rng.random(n)).clip(1e-12, 1), anomalous


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("seed", [0, 1])
def test_levels_and_alarms_are_those_of_the_package(share, seed):
    p, _ = stream(400, share, seed)
    for made, theirs in (
        (lord(p, 0.1), LordPlusPlus(0.1, wealth=0.05)),
        (saffron(p, 0.1), Saffron(0.1, wealth=0.05, lambda_=0.5)),
        (saffron(p, 0.2, wealth=0.15, candidate=0.3), Saffron(0.2, wealth=0.15, lambda_=0.3)),
    ):
        levels, flagged = [], []
        for value in p:
            flagged.append(theirs.test_one(float(value)))
            levels.append(theirs.last_test_level)
        assert made.flagged.tolist() == flagged
        assert made.levels == pytest.approx(levels, rel=1e-12)


def test_the_expected_share_of_false_alarms_is_kept():
    for rule in (lord, saffron):
        shares = []
        for seed in range(60):
            p, anomalous = stream(500, 0.2, seed)
            flagged = rule(p, 0.1).flagged
            shares.append((flagged & ~anomalous).sum() / max(flagged.sum(), 1))
        assert np.mean(shares) <= 0.1


def test_a_level_depends_on_nothing_that_comes_later():
    p, _ = stream(300, 0.3, 4)
    for rule in (lord, saffron):
        whole = rule(p, 0.1)
        for n in (1, 17, 120):
            assert rule(p[:n], 0.1).levels.tolist() == whole.levels[:n].tolist()


def test_a_quiet_stream_goes_blind():
    levels = lord(np.ones(2000), 0.1).levels
    assert levels[-1] < 1 / 1001 < levels[0], "with 1,000 calibration cases no alarm is possible at the end"


def test_what_is_no_stream_is_refused():
    with pytest.raises(InputError, match="outside"):
        lord(np.array([0.2, 0.0]), 0.1)
    with pytest.raises(InputError, match="missing"):
        saffron(np.array([0.2, np.nan]), 0.1)
    with pytest.raises(ConfigurationError, match="wealth is 0.2"):
        lord(np.array([0.2]), 0.1, wealth=0.2)
    with pytest.raises(ConfigurationError, match="candidate is 1"):
        saffron(np.array([0.2]), 0.1, candidate=1)
    assert lord(np.zeros(0), 0.1).flagged.tolist() == []
