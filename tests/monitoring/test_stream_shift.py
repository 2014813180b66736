import numpy as np
import pandas as pd
import pytest

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.monitoring.facts import CalibrationFacts
from medanomaly.monitoring.stream_shift import (
    ALARM,
    BETS,
    JUMP,
    MOST,
    FactsWatch,
    NuisanceDirections,
    OutlierMartingale,
    ShiftMartingale,
    middle_p_values,
)


def streams(n_streams, n_cases, n_calibration, move=0.0, seed=0):
    """(n_cases, n_streams) p-values, each stream with a calibration set of its own."""
    rng = np.random.default_rng(seed)
    return np.stack(
        [
            middle_p_values(rng.standard_normal(n_cases) + move, rng.standard_normal(n_calibration))
            for _ in range(n_streams)
        ],
        axis=1,
    )


def alarms(p, n_calibration, corrected=True):
    """Case of the alarm of each stream; infinite without one."""
    watched = ShiftMartingale(n_calibration, p.shape[1], corrected)
    at = np.full(p.shape[1], np.inf)
    for i, row in enumerate(p, start=1):
        watched.update(row)
        at[(watched.capital.sum(axis=1) >= ALARM) & np.isinf(at)] = i
    return at


def test_false_alarms_of_a_small_fixed_calibration_set_are_mended():
    p = streams(300, 1000, 135)
    # 1 % of 300 is 3; 8 is beyond the 99 % quantile of a binomial
    assert np.isfinite(alarms(p, 135)).sum() < 8
    assert np.isfinite(alarms(p, 135, corrected=False)).mean() > 0.1


def test_a_shift_from_10_to_37_percent_is_noticed_within_60_cases():
    assert np.median(alarms(streams(100, 200, 135, move=0.95), 135)) <= 60


def test_a_shift_after_a_long_quiet_time_is_noticed_within_60_cases_too():
    p = np.concatenate([streams(100, 500, 135, seed=1), streams(100, 200, 135, move=0.95, seed=1)])
    at = alarms(p, 135)
    assert np.median(at[at > 500] - 500) <= 60


def test_the_textbook_martingale_is_that_of_crepes():
    crepes = pytest.importorskip("crepes.martingales")
    p = streams(1, 200, 300)[:, 0]
    watched = ShiftMartingale(300, corrected=False)
    # there every bet has the same capital at first
    watched.capital[:] = 1 / len(BETS)
    ours = watched.update(p)
    oracle = crepes.SimpleJumper(J=JUMP, bf=crepes.EpsilonBettingFunction(E=list(BETS)))
    np.testing.assert_allclose(ours, oracle.apply(p)[-len(p) :], rtol=1e-9)


def test_middle_p_values_have_the_mean_a_half_with_ties_too():
    rng = np.random.default_rng(0)
    draws = rng.integers(0, 3, (4000, 20)).astype(float)
    p = np.array([middle_p_values(row[:1], row[1:])[0] for row in draws])
    assert p.mean() == pytest.approx(0.5, abs=4 * p.std() / np.sqrt(4000))
    assert middle_p_values(np.array([5.0]), np.array([1.0, 2.0])) == pytest.approx(1 / 6)


def test_a_missing_fact_is_no_bet_and_alarms_keep_their_case():
    watched = ShiftMartingale(1000, 2)
    out = watched.update(np.column_stack([np.full(60, 0.01), np.full(60, np.nan)]))
    assert watched.n_seen == 60
    assert out[watched.alarm_at - 1] >= ALARM > out[watched.alarm_at - 2]
    assert watched.capital[1].sum() == pytest.approx(1)


def test_illness_that_changes_a_fact_raises_no_alarm_and_a_shift_of_another_does():
    rng = np.random.default_rng(0)

    def facts(n, ill=False, move=0.0):
        x = rng.normal([3.0 * ill, 0, move], 1, (n, 3))
        return pd.DataFrame(x, columns=["detail", "size", "noise"])

    known = CalibrationFacts(facts(400), facts(200, ill=True))
    directions = NuisanceDirections.fit(known)
    # one direction of three is that of illness
    assert directions.calibration.shape == (400, 2)
    for move, alarmed in ((0.0, False), (1.5, True)):
        new = pd.concat([facts(200, move=move), facts(200, True, move)]).sample(frac=1, random_state=0)
        watched = FactsWatch(known)
        watched.update(new)
        assert (watched.alarm_at is not None) == alarmed
    everything = NuisanceDirections.fit(CalibrationFacts(known.normal, known.abnormal[:0]))
    assert everything.calibration.shape == (400, 3)


def test_a_device_that_differs_in_what_never_varied_is_noticed_after_a_few_cases():
    rng = np.random.default_rng(1)

    def facts(n, rate=360.0):
        return pd.DataFrame({"noise": rng.normal(0, 1, n), "rate": rate, "pulse": np.nan, "lead": "MLII"})

    known = CalibrationFacts(facts(200), facts(0)).coarse()
    for new, alarmed in (
        (facts(60), False),
        (facts(60, rate=128.0), True),
        (facts(60).assign(lead="V5"), True),
    ):
        watched = FactsWatch(known)
        watched.update(new)
        assert (watched.alarm_at is not None) == alarmed
        assert watched.alarm_at is None or watched.alarm_at <= 20


def test_what_cannot_be_watched_is_refused():
    with pytest.raises(ConfigurationError, match="needs a calibration case"):
        ShiftMartingale(0)
    with pytest.raises(InputError, match="between 0 and 1"):
        ShiftMartingale(10).update(np.array([1.5]))
    constant = pd.DataFrame({"a": np.ones(30)})
    with pytest.raises(InputError, match="no fact varies"):
        NuisanceDirections.fit(CalibrationFacts(constant, constant[:0]))


def drawn(n, rng, d=12, ill=False, move=0.0, share=0.0, far=8.0):
    """Facts of n cases, a share of which is far out in one of them."""
    x = rng.normal(move, 1, (n, d))
    x[:, 0] += 2.0 * ill
    x[:, 1] += far * (rng.random(n) < share)
    return pd.DataFrame(x, columns=[f"fact {i}" for i in range(d)])


def test_a_few_cases_far_out_are_noticed_within_60_cases():
    at = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        watched = FactsWatch(CalibrationFacts(drawn(300, rng), drawn(200, rng, ill=True)))
        new = pd.concat([drawn(120, rng, share=0.3), drawn(80, rng, ill=True, share=0.3)])
        watched.update(new.sample(frac=1, random_state=seed))
        at.append(np.inf if watched.alarm_at is None else watched.alarm_at)
    assert np.median(at) <= 60


@pytest.mark.parametrize("share_ill", [0.0, 0.4, 1.0])
def test_outliers_raise_no_alarm_whatever_share_is_ill(share_ill):
    """Abnormal cases are outliers more often than normal ones, and a tenth of both is far out at calibration too."""
    hits = 0
    for seed in range(16):
        rng = np.random.default_rng(100 + seed)
        known = CalibrationFacts(drawn(135, rng, share=0.1), drawn(100, rng, ill=True, share=0.3).mul(1.3))
        watched = FactsWatch(known)
        n_ill = round(1000 * share_ill)
        ill = drawn(n_ill, rng, ill=True, share=0.3).mul(1.3)
        outlying = watched._outlying(
            pd.concat([ill, drawn(1000 - n_ill, rng, share=0.1)]).sample(frac=1, random_state=seed)
        )
        hits += bool((watched._of_outliers.update(outlying) >= ALARM).any())
    # 1 % of 16 is less than 1; 3 is beyond the 99.9 % quantile of a binomial
    assert hits < 3


@pytest.mark.parametrize("n_calibration", [20, 300])
def test_outliers_of_a_fixed_calibration_set_raise_false_alarms_in_at_most_1_percent_of_streams(
    n_calibration,
):
    rng = np.random.default_rng(n_calibration)
    hits = 0
    for _ in range(150):
        outlying = rng.random(1000) > rng.random(n_calibration).max()
        hits += bool((OutlierMartingale(n_calibration).update(outlying) >= ALARM).any())
    # 1 % of 150 is 1.5; 6 is beyond the 99 % quantile of a binomial
    assert hits < 6


def test_bets_on_outliers_win_nothing_on_average_at_the_bound():
    for watched in (OutlierMartingale(300), OutlierMartingale(300, 200, 3), OutlierMartingale(1000, 50)):
        mean = watched.most * watched._won + (1 - watched.most) * watched._lost
        assert mean == pytest.approx(np.ones(len(mean)))
        assert np.all(np.diff(watched._won) > 0)
    # where most abnormal cases are outliers there is nothing to bet on
    nothing = OutlierMartingale(300, 20, 15)
    assert nothing.update(np.ones(50, dtype=bool))[-1] == pytest.approx(1)


def test_a_watch_in_parts_is_that_of_all_cases_together():
    rng = np.random.default_rng(3)
    known = CalibrationFacts(drawn(200, rng), drawn(0, rng))
    new = drawn(90, rng, move=0.4)
    whole, parts = FactsWatch(known), FactsWatch(known)
    capital = whole.update(new)
    for start in range(0, 90, 7):
        parts.update(new[start : start + 7])
    assert (parts.n_seen, parts.alarm_at, parts.capital) == (90, whole.alarm_at, capital[-1])
    assert not len(parts.update(new[:0]))


def test_the_distance_of_a_calibration_case_is_that_from_the_others():
    rng = np.random.default_rng(4)
    facts = CalibrationFacts(drawn(60, rng, d=4), drawn(0, rng, d=4))
    x = facts.matrix(facts.normal)[1]
    others = [
        NuisanceDirections.fit(CalibrationFacts(facts.normal.drop(index=i), facts.abnormal)).distance(
            x[i : i + 1]
        )[0]
        for i in range(60)
    ]
    assert NuisanceDirections.fit(facts).farthest() == pytest.approx(max(others), rel=0.05)


def test_a_long_shift_does_not_overflow_and_a_small_capital_is_left_as_it_is():
    outlying, shift = OutlierMartingale(500), ShiftMartingale(500, n_facts=2)
    with np.errstate(over="raise", invalid="raise"):
        beyond = outlying.update(np.ones(2000, dtype=bool))
        moved = shift.update(np.full((3000, 2), 0.999))
    assert beyond[-1] == pytest.approx(MOST)
    assert moved[-1] == pytest.approx(MOST)
    assert np.isfinite(beyond).all()
    assert np.isfinite(moved).all()
    # below the bound each case wins what the bets give
    once = np.append(1.0, np.array([0.1, 0.3]) / outlying.most) * OutlierMartingale(500).capital
    assert beyond[0] == pytest.approx(once.sum())
    assert shift.alarm_at < 100
