import numpy as np
import pandas as pd
import pytest

from medanomaly.core.bundle import array_bytes, make_bundle
from medanomaly.core.errors import InputError
from medanomaly.core.models import ModelInput
from medanomaly.monitoring.batch_shift import check_shift
from medanomaly.monitoring.facts import STEPS, CalibrationFacts, facts_of, with_facts


def scores(n, rng, move=0.0):
    """Right-skewed, like distances."""
    return np.exp(move + 0.4 * rng.standard_normal(n)) * 2 - 2


def facts(n, rng, ill=False, move=0.0):
    """Illness changes sharpness and the mix of sites as much as a large shift would."""
    x = rng.normal([move - 2 * ill, 0.8 * ill, 0], 1, (n, 3))
    site = rng.choice(["north", "south"], n, p=[0.3, 0.7] if ill else [0.6, 0.4])
    return pd.DataFrame(x, columns=["sharpness", "size", "noise"]).assign(site=site)


def checked(seed, share, move=0.0, ill_known=True, follows=0.0, n=200):
    """A batch with a share of abnormal cases; its score follows sharpness by ``follows``."""
    rng = np.random.default_rng(seed)
    n_ill = int(n * share)
    known = CalibrationFacts(facts(300, rng), facts(150 if ill_known else 0, rng, ill=True))
    batch = pd.concat([facts(n - n_ill, rng, move=move), facts(n_ill, rng, True, move)], ignore_index=True)
    new = np.concatenate([scores(n - n_ill, rng), scores(n_ill, rng, 1.8)])
    old = scores(300, rng) - follows * known.normal["sharpness"].to_numpy()
    return check_shift(
        old, new - follows * batch["sharpness"].to_numpy(), known, batch, level=0.05, seed=seed
    )


@pytest.mark.parametrize("share", [0.0, 0.4, 0.6])
def test_illness_does_not_trip_the_check(share):
    broken = [checked(seed, share).verdict == "broken" for seed in range(30)]
    # 5 % of 30 is 1.5; 6 is beyond the 99 % quantile of a binomial
    assert sum(broken) < 6


@pytest.mark.parametrize(("share", "move"), [(0.0, -1.0), (0.4, 1.0), (0.4, -2.0)])
def test_a_shift_that_the_score_follows_is_no_excuse(share, move):
    found = [checked(seed, share, move=move, follows=1.0) for seed in range(10)]
    assert [check.verdict for check in found] == ["broken"] * 10
    assert all("p-values are not valid" in check.reason for check in found)


def test_without_abnormal_calibration_cases_a_difference_is_named_and_left_open():
    check = checked(0, 0.6, ill_known=False)
    assert check.verdict == "unknown"
    assert "a shift or illness" in check.reason
    assert checked(0, 0.0, ill_known=False).verdict == "holds"


def test_without_abnormal_calibration_cases_facts_that_no_normal_case_has_are_a_shift():
    assert checked(0, 0.4, move=6.0, ill_known=False).verdict == "broken"


def test_a_fact_that_only_few_abnormal_cases_differ_in_says_nothing():
    rng = np.random.default_rng(0)
    known = CalibrationFacts(
        facts(300, rng).assign(device="A"), facts(5, rng, ill=True).assign(device=["A"] * 4 + ["B"])
    )
    check = check_shift(scores(300, rng), scores(200, rng), known, facts(200, rng).assign(device="A"))
    device = check.tests[check.tests["test"].str.contains("device")]
    assert len(device) > 0
    assert (device["p"] == 1).all()


def test_a_new_site_is_noticed():
    rng = np.random.default_rng(0)
    known = CalibrationFacts(facts(300, rng), facts(150, rng, ill=True))
    batch = facts(200, rng).assign(site="east")
    check = check_shift(scores(300, rng), scores(200, rng), known, batch)
    assert check.verdict == "broken"
    assert "site" in check.reason


def test_a_change_of_how_facts_go_together_is_noticed_by_the_classifier():
    rng = np.random.default_rng(1)
    known = CalibrationFacts(facts(300, rng), facts(150, rng, ill=True))
    batch = facts(300, rng)
    batch["noise"] = 0.95 * batch["size"] + np.sqrt(1 - 0.95**2) * batch["noise"]
    check = check_shift(scores(300, rng), scores(300, rng), known, batch)
    assert check.verdict == "broken"
    assert "facts together" in check.reason


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_scores_alone_are_silent_where_nothing_shifted_and_speak_where_they_moved(share):
    broken = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        ill = int(120 * share)
        batch = np.concatenate([scores(120 - ill, rng), scores(ill, rng, 1.8)])
        broken += check_shift(scores(200, rng), batch, level=0.05).verdict == "broken"
    # 5 % of 150 is 7.5; 14 is beyond the 99 % quantile of a binomial
    assert broken < 14
    ill = int(300 * share)
    moved = np.concatenate([scores(300 - ill, rng, 0.4), scores(ill, rng, 2.2)])
    assert check_shift(scores(300, rng), moved, level=0.05).verdict == "broken"
    assert check_shift(scores(300, rng), scores(300, rng, -0.4)).verdict == "broken"


def test_too_few_cases_give_no_verdict():
    rng = np.random.default_rng(2)
    check = check_shift(scores(300, rng), scores(50, rng, 1.8))
    assert check.verdict == "unknown"
    assert "look usual: too few to tell" in check.reason
    assert "only 3 of at least 15" in check_shift(scores(300, rng), scores(3, rng)).reason


def test_what_cannot_be_compared_is_refused():
    rng = np.random.default_rng(3)
    known = CalibrationFacts(facts(60, rng), facts(0, rng))
    with pytest.raises(InputError, match="not finite"):
        check_shift(scores(30, rng), np.array([np.nan]))
    with pytest.raises(InputError, match="'size'"):
        check_shift(scores(60, rng), scores(60, rng), known, facts(60, rng).drop(columns="size"))
    with pytest.raises(InputError, match="59 rows"):
        check_shift(scores(60, rng), scores(60, rng), known, facts(59, rng))
    with pytest.raises(InputError, match="other columns"):
        CalibrationFacts(facts(60, rng), facts(60, rng)[["size"]])


def test_facts_are_sealed_coarsely_one_row_per_patient_and_read_back():
    rng = np.random.default_rng(4)
    table = facts(300, rng)
    table.loc[:9, "noise"] = np.nan
    table.loc[5, "site"] = None
    cases = pd.DataFrame(
        {"case_id": np.arange(300).astype(str), "patient_id": (np.arange(300) // 2).astype(str)}
    )
    cases["label"] = pd.array(np.arange(300) % 8 == 0, dtype="Int8")
    cases["split"] = np.where(np.arange(300) < 200, "calibration", "test")
    data = ModelInput(cases, None, facts=lambda rows: table.iloc[rows])
    bundle = make_bundle(
        {"name": "m", "modality": "tabular", "kind": "ecdf"}, {"calibration.npy": array_bytes(np.zeros(3))}
    )
    known = facts_of(with_facts(bundle, data))
    # every fourth patient has an abnormal first record, the others none
    assert (len(known.normal), len(known.abnormal)) == (100, 25)
    assert known.normal["sharpness"].nunique() <= STEPS + 2
    assert known.normal["noise"].isna().sum() == 5
    assert set(known.normal["site"].dropna()) == {"north", "south"}
    # new cases are rounded to the same values
    names, values = known.matrix(table)
    assert set(values[:, names.index("sharpness")]) <= set(known.steps["sharpness"])
    _, far = known.matrix(table.assign(sharpness=100.0))
    assert (far[:, names.index("sharpness")] > known.normal["sharpness"].max()).all()
    assert facts_of(with_facts(bundle, ModelInput(cases, None))) is None


def test_a_fact_that_never_varied_is_not_rounded_to_what_it_was():
    table = pd.DataFrame({"rate": np.full(60, 360.0), "flat": np.r_[np.zeros(58), 0.1, 0.2]})
    known = CalibrationFacts(table, table[:0]).coarse()
    names, values = known.matrix(pd.DataFrame({"rate": [360.0, 128.0, 500.0], "flat": [0.0, 0.5, np.nan]}))
    rate, flat = (values[:, names.index(name)] for name in ("rate", "flat"))
    assert rate[1] < rate[0] == 360 < rate[2]
    assert flat[1] > known.normal["flat"].median()
    assert np.isnan(flat[2])
