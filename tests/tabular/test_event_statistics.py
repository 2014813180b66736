import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.tabular.features.event_statistics import STATISTICS, aggregate_events, events_from_grid

EVENTS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.floats(0, 48).map(lambda h: round(h, 2)),
        st.sampled_from(["HR", "Temp", "pH"]),
        st.one_of(st.none(), st.floats(-1000, 1000)),
    ),
    max_size=40,
)


def frame(rows):
    events = pd.DataFrame(rows, columns=["case_id", "hours", "variable", "value"])
    return events.astype({"hours": float, "value": float, "case_id": object, "variable": object})


@given(EVENTS)
def test_aggregates_agree_with_pandas_and_polyfit_group_by_group(rows):
    events = frame(rows)
    table = aggregate_events(events, pd.Index(list("abc")), ("HR", "Temp", "pH"), STATISTICS)
    assert table.shape == (3, 3 * len(STATISTICS))
    for case in "abc":
        for name in ("HR", "Temp", "pH"):
            part = events[(events.case_id == case) & (events.variable == name) & events.value.notna()]
            part = part.sort_values("hours", kind="stable")
            got = table.loc[case, [f"{name}_{s}" for s in STATISTICS]].to_numpy(dtype=float)
            if part.empty:
                assert got[5] == 0
                assert np.isnan(np.delete(got, 5)).all()
                continue
            v = part["value"]
            known = [v.min(), v.max(), v.mean(), v.iloc[0], v.iloc[-1], len(v)]
            np.testing.assert_allclose(got[:6], known, atol=1e-9)
            if np.ptp(part["hours"]) == 0:
                assert np.isnan(got[6])
            elif np.ptp(part["hours"]) > 0.5:
                slope = np.polyfit(part["hours"], v, 1)[0]
                assert got[6] == pytest.approx(slope, rel=1e-6, abs=1e-6)


@given(EVENTS, st.randoms(use_true_random=False))
def test_order_of_the_rows_does_not_matter_where_times_differ(rows, random):
    events = frame(rows).drop_duplicates(["case_id", "hours", "variable"])
    shuffled = events.sample(frac=1, random_state=random.randint(0, 9999))
    pd.testing.assert_frame_equal(aggregate_events(events), aggregate_events(shuffled))


@given(EVENTS)
def test_a_case_is_aggregated_the_same_alone_and_among_others(rows):
    events = frame(rows)
    names = ("HR", "Temp", "pH")
    together = aggregate_events(events, pd.Index(["a"]), names)
    alone = aggregate_events(events[events.case_id == "a"], pd.Index(["a"]), names)
    pd.testing.assert_frame_equal(together, alone)


def test_a_variable_that_was_never_measured_has_count_zero_with_and_without_named_cases():
    events = frame([("a", 0.0, "HR", 80), ("b", 0.0, "Temp", 37)])
    table = aggregate_events(events)
    assert table["HR_count"].tolist() == [1.0, 0.0]
    assert aggregate_events(events, pd.Index(["b", "z"]))["HR_count"].tolist() == [0.0, 0.0]


def test_slope_is_in_units_an_hour():
    events = frame([("a", 10.0, "HR", 80), ("a", 12.0, "HR", 90), ("a", 14.0, "HR", 100)])
    assert aggregate_events(events)["HR_slope"].iloc[0] == pytest.approx(5.0)


def test_unknown_statistics_and_missing_columns_say_so():
    with pytest.raises(ConfigurationError, match=r"unknown statistics \['median'\]"):
        aggregate_events(frame([]), statistics=("median",))
    with pytest.raises(InputError, match=r"no columns \['hours'\]"):
        aggregate_events(frame([]).drop(columns="hours"))


def test_a_grid_becomes_one_event_a_filled_cell():
    grid = pd.DataFrame(
        {
            "stay": [1, 1, 2],
            "time": pd.to_timedelta([0, 90, 0], "min"),
            "hr": [80, np.nan, 60],
            "k": [np.nan, 4.1, 3.9],
        }
    )
    events = events_from_grid(grid, "stay", "time")
    assert events.to_numpy().tolist() == [
        [1, 0.0, "hr", 80.0],
        [1, 1.5, "k", 4.1],
        [2, 0.0, "hr", 60.0],
        [2, 0.0, "k", 3.9],
    ]
