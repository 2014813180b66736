import numpy as np
import pandas as pd
import pytest

from medanomaly.tabular.explain.normal_records import NormalRecords
from medanomaly.tabular.explain.smallest_change import CHANGE_COLUMNS, MOST_FEATURES, SmallestChange


def records(n, seed=0):
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "case_id": pd.array([f"c{i}" for i in range(n)], dtype="string"),
            "visits": random.integers(0, 6, n).astype(float),
            "urea": random.normal(6, 1.5, n).round(1),
            "creatinine": random.normal(80, 12, n).round(),
            "sodium": random.normal(140, 3, n).round(),
            "ward": pd.array(random.choice(["A", "B"], n, p=[0.8, 0.2]), dtype="string"),
        }
    )
    return table.assign(ratio=table["urea"] / table["creatinine"])


NORMALS = records(400)
NUMBERS = ["visits", "urea", "creatinine", "sodium", "ratio"]
MEAN, SD = NORMALS[NUMBERS].mean(), NORMALS[NUMBERS].std()


def distance(table):
    """Largest deviation of a number from its mean, in standard deviations; another ward than A or B costs 5."""
    numbers = ((table[NUMBERS].astype(float) - MEAN).abs() / SD).fillna(5).max(axis=1).to_numpy()
    return np.maximum(numbers, np.where(table["ward"].isin(["A", "B"]), 0.0, 5.0))


def searched(rows, threshold=3.0, score=distance, **options):
    normals = NormalRecords(NORMALS, [{"name": "urea", "unit": "mmol/L"}], derived=["ratio"])
    search = SmallestChange(score, normals, ratios={"ratio": ("urea", "creatinine")}, **options)
    return search.search(rows, np.full(len(rows), threshold), "m")


def applied(rows, table):
    """The records with the changes as they are shown."""
    out = rows.set_index("case_id").copy()
    for row in table[table["status"] == "change"].itertuples():
        out.loc[row.case_id, row.feature] = row.changed_to if row.feature == "ward" else float(row.changed_to)
    out["ratio"] = out["urea"] / out["creatinine"]
    return out.reset_index()


def odd(**values):
    row = records(1, seed=9).assign(visits=2.0, urea=6.0, creatinine=80.0, sodium=140.0, ward="A")
    row = row.assign(**values)
    return row.assign(ratio=row["urea"] / row["creatinine"]).astype({"ward": "string"})


def test_what_is_shown_takes_the_record_below_the_threshold():
    rows = pd.concat(
        [
            odd(urea=40.0, sodium=170.0),
            odd(sodium=100.0),
            odd(creatinine=np.nan),
            odd(ward="Z"),
            odd(urea=60.0, sodium=99.0, ward="Z"),
        ],
        ignore_index=True,
    ).assign(case_id=lambda t: pd.array([f"r{i}" for i in range(len(t))], dtype="string"))
    table = searched(rows)
    assert table.columns.tolist() == list(CHANGE_COLUMNS)
    assert (table["status"] == "change").all()
    assert (table["changed_score"] <= 3.0).all()
    assert (distance(applied(rows, table)) <= 3.0).all()
    np.testing.assert_array_equal(table.drop_duplicates("case_id")["n_changed"], [2, 1, 1, 1, 3])


def test_a_single_wrong_value_is_the_only_one_to_change_and_no_further_than_needed():
    row = searched(odd(sodium=170.0)).iloc[0]
    assert (row["feature"], row["value"], row["n_changed"]) == ("sodium", "170", 1)
    limit = MEAN["sodium"] + 3 * SD["sodium"]
    assert limit - 2 < float(row["changed_to"]) <= limit


def test_numbers_keep_the_decimals_of_normal_records():
    rows = pd.concat([odd(visits=90.0), odd(urea=50.123)], ignore_index=True)
    rows["case_id"] = pd.array(["a", "b"], dtype="string")
    table = searched(rows).set_index("feature")
    assert table.loc["visits", "changed_to"].isdigit()
    assert table.loc["urea", "changed_to"][-2] == "."
    assert table.loc["urea", "unit"] == "mmol/L"


def test_values_computed_from_others_follow_them_and_are_never_changed_alone():
    rows = odd(urea=12.0, creatinine=45.0)
    table = searched(rows)
    assert "ratio" not in set(table["feature"])
    assert distance(applied(rows, table))[0] <= 3.0


def test_no_value_leaves_what_is_possible_or_what_normal_records_have():
    rows = odd(sodium=300.0)
    table = searched(rows, possible={"sodium": (0.0, 141.0)})
    assert float(table["changed_to"].iloc[0]) <= 141.0
    assert NORMALS["sodium"].min() <= float(table["changed_to"].iloc[0])


def test_two_values_are_never_put_in_the_wrong_order():
    normals = records(300).assign(low=lambda t: t["sodium"] - 60, high=lambda t: t["sodium"] - 20)
    rows = odd().assign(low=80.0, high=500.0)
    score = lambda t: np.abs(t["high"].astype(float) - t["low"].astype(float) - 5).to_numpy()  # noqa: E731
    normal = NormalRecords(normals, [], derived=["ratio"])
    ordered = SmallestChange(score, normal, orders=[("low", "high")])
    table = ordered.search(rows, np.array([50.0]), "m")
    changed = rows.copy()
    for row in table.itertuples():
        changed.loc[0, row.feature] = float(row.changed_to)
    assert changed["low"].iloc[0] < changed["high"].iloc[0]


def test_a_record_that_is_not_flagged_needs_no_change():
    table = searched(odd())
    assert table["status"].tolist() == ["usual"]
    assert table["feature"].tolist() == [""]


def test_it_is_said_when_no_few_values_would_do():
    def stubborn(table):
        numbers = (table[NUMBERS[:4]].astype(float) - MEAN[NUMBERS[:4]]).abs() / SD[NUMBERS[:4]]
        return (numbers.fillna(9) > 4).sum(axis=1).to_numpy(dtype=float)

    row = searched(odd(visits=99.0, urea=99.0, creatinine=900.0, sodium=900.0), 0.0, stubborn).iloc[0]
    assert (row["status"], row["n_changed"]) == ("none", 0)
    assert row["changed_score"] == row["score"] - MOST_FEATURES


@pytest.mark.parametrize("threshold", [np.inf, -np.inf])
def test_thresholds_without_end_give_no_change(threshold):
    assert searched(odd(sodium=170.0), threshold)["status"].iloc[0] == ("usual" if threshold > 0 else "none")
