import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medanomaly.core.errors import InputError
from medanomaly.tabular.features.history import history_features
from medanomaly.tabular.table.description import Column, History, TableSpec

HISTORY = History(time="booked", outcome_time="due", measurements=("creatinine",))


def tables(rows):
    """Rows of (patient, booked day, due day, label, creatinine)."""
    frame = pd.DataFrame(rows, columns=["patient", "booked", "due", "label", "creatinine"])
    start = pd.Timestamp("2026-01-01")
    records = pd.DataFrame(
        {
            "case_id": [f"r{i}" for i in range(len(frame))],
            "booked": start + pd.to_timedelta(frame["booked"].astype("float64"), unit="D"),
            "due": start + pd.to_timedelta(frame["due"].astype("float64"), unit="D"),
            "creatinine": frame["creatinine"].astype("float64"),
        }
    )
    cases = pd.DataFrame(
        {
            "case_id": records["case_id"],
            "patient_id": frame["patient"].astype("string"),
            "label": frame["label"].astype("Int8"),
        }
    )
    return records, cases


def by_brute_force(rows):
    out = []
    for i, (patient, booked, _, _, creatinine) in enumerate(rows):
        others = [r for j, r in enumerate(rows) if j != i and r[0] == patient]
        earlier = sorted([r for r in others if r[1] < booked], key=lambda r: r[1])
        ended = [r[3] for r in others if np.floor(r[2]) < np.floor(booked) and r[3] is not None]
        measured = [r for r in earlier if not np.isnan(r[4])]
        points = [(r[1], r[4]) for r in measured] + (
            [(booked, creatinine)] if not np.isnan(creatinine) else []
        )
        slope = np.nan
        if measured and not np.isnan(creatinine) and np.ptp([p[0] for p in points]) > 0.1:
            slope = np.polyfit(*np.transpose(points), 1)[0]
        out.append(
            {
                "n_earlier_records": len(earlier),
                "days_since_previous_record": booked - earlier[-1][1] if earlier else np.nan,
                "n_earlier_outcomes": sum(ended),
                "share_of_earlier_outcomes": np.mean(ended) if ended else np.nan,
                "creatinine_days_since_last": booked - measured[-1][1] if measured else np.nan,
                "creatinine_slope": slope,
            }
        )
    return pd.DataFrame(out)


row = st.tuples(
    st.sampled_from("ab"),
    st.integers(0, 400).map(lambda n: n / 4),
    st.integers(0, 400).map(lambda n: n / 4),
    st.sampled_from([0, 1, None]),
    st.sampled_from([np.nan, 60.0, 80.5, 200.0, 91.25]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(row, min_size=1, max_size=14))
def test_agrees_with_looking_at_every_other_record(rows):
    records, cases = tables(rows)
    found, expected = history_features(records, cases, HISTORY), by_brute_force(rows)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-6, err_msg=name)


def test_what_comes_later_changes_nothing():
    rows = [("a", 0, 5, 1, 70.0), ("a", 10, 12, 0, 90.0), ("b", 3, 4, 1, 50.0)]
    before = history_features(*tables(rows), HISTORY)
    after = history_features(*tables([*rows, ("a", 20, 25, 1, 300.0), ("c", 0, 1, 1, 1.0)]), HISTORY)
    pd.testing.assert_frame_equal(before, after.iloc[:3])


def test_a_record_dated_after_its_own_outcome_does_not_see_its_label():
    features = history_features(*tables([("a", 5, 3, 1, 70.0)]), HISTORY)
    assert features["n_earlier_outcomes"].tolist() == [0]
    assert features["share_of_earlier_outcomes"].isna().all()


def test_an_outcome_of_the_same_day_is_not_known_yet():
    features = history_features(*tables([("a", 0, 5, 1, 70.0), ("a", 5.9, 8, 0, 70.0)]), HISTORY)
    assert features["n_earlier_outcomes"].tolist() == [0, 0]
    later = history_features(*tables([("a", 0, 5, 1, 70.0), ("a", 6.1, 8, 0, 70.0)]), HISTORY)
    assert later["n_earlier_outcomes"].tolist() == [0, 1]


def test_trend_has_the_unit_a_day():
    features = history_features(
        *tables([("a", 0, 0, 0, 100.0), ("a", 2, 2, 0, 104.0), ("a", 4, 4, 0, 108.0)]), HISTORY
    )
    assert features["creatinine_slope"].iloc[1:].tolist() == pytest.approx([2.0, 2.0])
    assert features["creatinine_change"].iloc[1:].tolist() == [4.0, 4.0]


def test_a_column_that_holds_no_times_is_named():
    records, cases = tables([("a", 0, 5, 1, 70.0)])
    with pytest.raises(InputError, match="booked"):
        history_features(records.drop(columns="booked"), cases, HISTORY)


def test_history_without_a_patient_is_refused():
    with pytest.raises(ValueError, match="patient_id"):
        TableSpec(columns={"t": Column(kind="time")}, history=History(time="t"))
