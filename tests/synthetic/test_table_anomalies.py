import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

from medanomaly.core.errors import ConfigurationError
from medanomaly.synthetic.clinical_table import clinical_table
from medanomaly.synthetic.patients import draw_patients
from medanomaly.synthetic.table_anomalies import (
    ANOMALY_KINDS,
    CONTRADICTIONS,
    ENTRY_COLUMNS,
    TRUTH_COLUMNS,
    UNIT_MIX_UPS,
    plant_anomalies,
)
from medanomaly.synthetic.variables import LABS, VARIABLES

SEED = 8


@pytest.fixture(scope="module")
def patients():
    return draw_patients(3000, SEED)


@pytest.fixture(scope="module")
def base(patients):
    return clinical_table(patients, SEED)


@pytest.fixture(scope="module")
def planted(base):
    return plant_anomalies(base, SEED, share=0.08)


def of_kind(planted, kind):
    return planted[(planted["anomaly_kind"] == kind).fillna(False)]


def before(base, touched):
    """The rows of the base table that the touched records were, in their order."""
    return base.set_index("record_id").loc[touched["record_id"]].reset_index()


def test_the_same_seed_plants_the_same_anomalies(base, planted):
    pd.testing.assert_frame_equal(planted, plant_anomalies(base, SEED, share=0.08))


def test_planting_does_not_change_the_table_it_is_given(base):
    copy = base.copy()
    plant_anomalies(base, SEED, share=0.3)
    pd.testing.assert_frame_equal(base, copy)


def test_no_share_plants_nothing(base):
    nothing = plant_anomalies(base, SEED, share=0.0)
    pd.testing.assert_frame_equal(nothing.drop(columns=list(TRUTH_COLUMNS)), base)
    assert nothing["anomaly"].sum() == 0


@pytest.mark.parametrize("share", [0.02, 0.08, 0.2])
def test_the_share_is_the_one_asked_for_and_each_kind_has_its_part(base, share):
    planted = plant_anomalies(base, SEED, share)
    # four standard deviations of a binomial count
    assert planted["anomaly"].mean() == pytest.approx(share, abs=4 * np.sqrt(share / len(base)))
    parts = planted["anomaly_kind"].value_counts() / planted["anomaly"].sum()
    assert set(parts.index) == set(ANOMALY_KINDS)
    assert parts.between(0.1, 0.3).all()


def test_the_share_counts_the_copies_that_duplicates_add(base):
    planted = plant_anomalies(base, SEED, 0.3, {"duplicate": 1.0})
    assert planted["anomaly"].mean() == pytest.approx(0.3, abs=0.02)


def test_kinds_follow_their_weights(base):
    planted = plant_anomalies(base, SEED, 0.2, {"duplicate": 3.0, "unit mix-up": 1.0})
    counts = planted["anomaly_kind"].value_counts()
    assert set(counts.index) == {"duplicate", "unit mix-up"}
    assert counts["duplicate"] / counts["unit mix-up"] == pytest.approx(3.0, rel=0.25)


def test_records_that_are_not_anomalies_stay_as_they_were(base, planted):
    normal = planted[planted["anomaly"] == 0].drop(columns=list(TRUTH_COLUMNS)).reset_index(drop=True)
    pd.testing.assert_frame_equal(normal, before(base, normal)[normal.columns])


def test_a_larger_share_keeps_the_anomalies_of_a_smaller_one(base, planted):
    more = plant_anomalies(base, SEED, share=0.25)
    anomalous = planted[planted["anomaly"] == 1].set_index("record_id").sort_index()
    kept = more.set_index("record_id").loc[anomalous.index]
    pd.testing.assert_frame_equal(kept, anomalous)


def test_more_patients_leave_the_anomalies_of_the_first_ones_unchanged(patients, planted):
    few = plant_anomalies(clinical_table(patients.head(300), SEED), SEED, share=0.08)
    first = planted[planted["patient_id"].isin(patients["patient_id"].head(300))].reset_index(drop=True)
    pd.testing.assert_frame_equal(few, first)


def test_the_truth_columns_agree_with_each_other(planted):
    anomalous = planted["anomaly"] == 1
    assert set(planted["anomaly"]) == {0, 1}
    assert (planted["anomaly_kind"].notna() == anomalous).all()
    assert (planted["anomaly_columns"].notna() == anomalous).all()


def test_only_columns_that_the_truth_names_were_changed(base, planted):
    touched = planted[(planted["anomaly"] == 1) & (planted["anomaly_kind"] != "duplicate").fillna(False)]
    original = before(base, touched)
    changed = touched[base.columns].reset_index(drop=True).ne(original[base.columns])
    changed &= ~(touched[base.columns].reset_index(drop=True).isna() & original[base.columns].isna())
    for (_, row), named in zip(changed.iterrows(), touched["anomaly_columns"], strict=True):
        # one of two contradicting values may by chance be what it was
        assert row.any()
        assert set(row.index[row]) <= set(named.split(";"))


@pytest.mark.parametrize("sex", ["F", "M"])
@pytest.mark.parametrize("name", [name for name, v in VARIABLES.items() if v.low_extreme or v.high_extreme])
def test_extremes_begin_outside_the_reference_interval_and_what_patients_have(base, name, sex):
    variable, (low, high) = VARIABLES[name], VARIABLES[name].reference(sex)
    usual_low, usual_high = base[name].quantile([0.005, 0.995])
    if variable.low_extreme:
        edge, limit = variable.low_extreme
        assert limit < edge < min(low, usual_low)
    if variable.high_extreme:
        edge, limit = variable.high_extreme
        assert limit > edge > max(high, usual_high)


def test_an_out_of_range_value_leaves_the_reference_interval_and_what_patients_have(base, planted):
    records = of_kind(planted, "out-of-range value")
    usual = base[list(VARIABLES)].quantile([0.005, 0.995])
    for _, record in records.iterrows():
        name = record["anomaly_columns"]
        low, high = VARIABLES[name].reference(record["sex"])
        value = record[name]
        assert not low <= value <= high
        assert not usual.loc[0.005, name] <= value <= usual.loc[0.995, name]


def test_an_out_of_range_value_is_still_possible_and_comes_at_several_strengths(planted):
    records = of_kind(planted, "out-of-range value")
    depths = []
    for _, record in records.iterrows():
        variable, value = VARIABLES[record["anomaly_columns"]], record[record["anomaly_columns"]]
        limits = [variable.low_extreme, variable.high_extreme]
        assert min(limit[1] for limit in limits if limit) <= value or variable.low_extreme is None
        assert value <= max(limit[1] for limit in limits if limit) or variable.high_extreme is None
        edge, limit = limits[0] if limits[0] and value <= limits[0][0] else limits[1]
        depths.append(np.log(value / edge) / np.log(limit / edge))
    depths = np.array(depths)
    assert (depths <= 1.05).all()
    for low, high in ((-0.05, 0.2), (0.2, 0.45), (0.45, 1.05)):
        assert ((depths >= low) & (depths < high)).mean() > 0.15


def test_a_broken_correlation_has_usual_values_that_contradict_each_other(base, planted):
    records = of_kind(planted, "broken correlation")
    seen = set()
    for pair in CONTRADICTIONS:
        ours = records[records["anomaly_columns"] == f"{pair.first};{pair.second}"]
        for name in (pair.first, pair.second):
            assert ours[name].between(*base[name].quantile([0.005, 0.995])).all()
        both = base[[pair.first, pair.second]].dropna()
        first, second = np.log(both[pair.first]), np.log(both[pair.second])
        slope, intercept = np.polyfit(first, second, 1)
        residual = (second - slope * first - intercept).abs()
        theirs = (np.log(ours[pair.second]) - slope * np.log(ours[pair.first]) - intercept).abs()
        assert theirs.min() > residual.quantile(0.95)
        assert theirs.median() > residual.quantile(0.99)
        seen |= set(ours["anomaly_columns"])
    assert len(seen) == len(CONTRADICTIONS)


def test_a_unit_mix_up_converts_back_to_the_value_it_was(base, planted):
    records = of_kind(planted, "unit mix-up")
    assert set(records["anomaly_columns"]) == {mix_up.column for mix_up in UNIT_MIX_UPS}
    for mix_up in UNIT_MIX_UPS:
        ours = records[records["anomaly_columns"] == mix_up.column]
        back = (ours[mix_up.column] - mix_up.offset) / mix_up.factor
        rounding = 0.5 * 10.0**-mix_up.decimals / mix_up.factor
        np.testing.assert_allclose(back, before(base, ours)[mix_up.column], atol=rounding * 1.001)


@pytest.mark.parametrize(
    ("column", "usual", "written"),
    [
        ("temperature", 37.0, 98.6),
        ("height", 170.18, 67.0),
        ("weight", 70.0, 154.3),
        ("glucose", 5.0, 90.0),
        ("creatinine", 88.42, 1.0),
        ("haemoglobin", 14.0, 140.0),
    ],
)
def test_units_are_converted_as_textbooks_have_it(column, usual, written):
    mix_up = next(m for m in UNIT_MIX_UPS if m.column == column)
    assert round(usual * mix_up.factor + mix_up.offset, mix_up.decimals) == pytest.approx(written)


def test_a_duplicate_is_an_earlier_record_of_the_patient_under_a_new_id(base, planted):
    copies = of_kind(planted, "duplicate")
    content = [column for column in base.columns if column not in ENTRY_COLUMNS]
    assert planted["record_id"].is_unique
    assert not copies["record_id"].isin(base["record_id"]).any()
    for _, copy in copies.iterrows():
        same = base[(base["patient_id"] == copy["patient_id"]) & (base["recorded_at"] < copy["recorded_at"])]
        assert any(earlier[content].equals(copy[content]) for _, earlier in same.iterrows())
    # the other rows are all there, so the table grew by the copies
    assert len(planted) == len(base) + len(copies)


def test_normal_records_are_never_identical_in_content(base):
    content = [column for column in base.columns if column not in ENTRY_COLUMNS]
    assert not base.duplicated(content).any()


def test_an_implausible_time_order_is_off_by_an_hour_to_four_weeks(planted):
    records = of_kind(planted, "implausible time order")
    stay = records["discharged_at"] - records["admitted_at"]
    wait = records["scheduled_for"] - records["booked_at"]
    wrong = stay.where(records["anomaly_columns"].isin(["admitted_at", "discharged_at"]), wait)
    assert wrong.between(-pd.Timedelta(weeks=4), -pd.Timedelta(hours=1)).all()
    assert (wrong < -pd.Timedelta(weeks=1)).any()
    assert (wrong > -pd.Timedelta(hours=12)).any()
    expected = {"admitted_at", "discharged_at", "booked_at", "scheduled_for"}
    assert set(records["anomaly_columns"]) == expected


def test_only_planted_records_have_an_implausible_time_order(planted):
    others = planted[(planted["anomaly_kind"] != "implausible time order").fillna(True)]
    assert (others["admitted_at"] < others["discharged_at"]).all()
    planned = others.dropna(subset=["booked_at"])
    assert (planned["booked_at"] < planned["scheduled_for"]).all()


def test_nothing_beside_the_content_tells_the_label(planted):
    y = planted["anomaly"]
    measured = planted.drop(columns=list(TRUTH_COLUMNS))
    clues = {
        "missing values": measured.isna().sum(axis=1),
        "missing labs": measured[list(LABS)].isna().sum(axis=1),
        "row number": np.arange(len(planted)),
        "record id": planted["record_id"].rank(),
        "patient id": planted["patient_id"].rank(),
        "age": planted["age"],
        "recording delay": (planted["recorded_at"] - planted["discharged_at"]).dt.total_seconds(),
    }
    # 0.5 is chance; the delay is longer where a second entry or a wrong discharge makes it so
    for name, clue in clues.items():
        assert roc_auc_score(y, clue) == pytest.approx(
            0.5, abs=0.09 if name == "recording delay" else 0.05
        ), name


def test_no_single_variable_finds_the_anomalies_and_a_forest_does_not_find_all(planted):
    y = planted["anomaly"].to_numpy()
    values = planted[list(VARIABLES)]
    distance = (values.rank(pct=True) - 0.5).abs().fillna(0)
    for name in VARIABLES:
        assert roc_auc_score(y, distance[name]) < 0.65
    score = -IsolationForest(random_state=0).fit(values).score_samples(values)
    assert 0.55 < roc_auc_score(y, score) < 0.95


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), share=st.floats(0, 0.5), n_patients=st.integers(1, 40))
def test_truth_holds_for_any_seed_and_share(seed, share, n_patients):
    base = clinical_table(draw_patients(n_patients, seed), seed)
    planted = plant_anomalies(base, seed, share)
    assert len(planted) == len(base) + (planted["anomaly_kind"] == "duplicate").sum()
    assert planted["record_id"].is_unique
    assert set(base["record_id"]) <= set(planted["record_id"])
    assert (planted["anomaly_kind"].dropna().isin(ANOMALY_KINDS)).all()


@pytest.mark.parametrize(
    ("share", "kinds", "message"),
    [
        (-0.1, None, "share"),
        (0.6, None, "share"),
        (0.1, {"typo": 1.0}, "unknown kinds"),
        (0.1, {"duplicate": 0.0}, "weights"),
        (0.1, {"duplicate": -1.0, "unit mix-up": 2.0}, "weights"),
    ],
)
def test_shares_and_kinds_that_make_no_sense_are_refused(base, share, kinds, message):
    with pytest.raises(ConfigurationError, match=message):
        plant_anomalies(base, SEED, share, kinds)
