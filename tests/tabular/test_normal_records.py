import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medanomaly.core.errors import InputError
from medanomaly.tabular.explain.conditional_residuals import ConditionalResidualExplainer
from medanomaly.tabular.explain.normal_records import NEAREST_COLUMNS, UNEXPECTED_COLUMNS, NormalRecords

CONTRACT = [{"name": "sodium", "unit": "mmol/L", "usual_low": 134.0, "usual_high": 146.0}]


def panel(n, seed=0):
    """Sodium and chloride rise together, potassium by itself, sex is a word, a tenth of potassium is missing."""
    random = np.random.default_rng(seed)
    sodium = random.normal(140, 4, n)
    table = pd.DataFrame(
        {
            "case_id": pd.array([f"c{i}" for i in range(n)], dtype="string"),
            "sodium": sodium.round(),
            "chloride": (sodium - 38 + random.normal(0, 1, n)).round(),
            "potassium": random.normal(4.2, 0.4, n).round(1),
            "sex": pd.array(random.choice(["F", "M"], n), dtype="string"),
        }
    )
    table.loc[random.random(n) < 0.1, "potassium"] = np.nan
    return table


@pytest.fixture(scope="module")
def normals():
    return NormalRecords(panel(600), CONTRACT)


def test_a_value_that_contradicts_its_partner_is_named_with_what_was_expected(normals):
    record = panel(1, seed=3).assign(sodium=140.0, chloride=121.0, potassium=4.2)
    table = normals.unexpected(record)
    assert table.columns.tolist() == list(UNEXPECTED_COLUMNS)
    assert table["feature"].iloc[0] == "chloride"
    assert float(table["expected"].iloc[0]) == pytest.approx(102, abs=1)
    sodium = table[table["feature"] == "sodium"].iloc[0]
    assert (sodium["unit"], sodium["usual_low"], sodium["usual_high"]) == ("mmol/L", 134.0, 146.0)
    # the wrong partner is not relied on: its own value was about the mean
    assert float(sodium["expected"]) == pytest.approx(140, abs=1)


def test_suspicions_of_a_record_add_up_to_one(normals):
    table = normals.unexpected(panel(50, seed=1))
    np.testing.assert_allclose(table.groupby("case_id")["suspicion"].sum(), 1.0)
    assert (table.groupby("case_id", sort=False)["log_odds"].diff().dropna() <= 0).all()


@given(st.sets(st.integers(0, 3), max_size=3), st.integers(0, 10_000))
def test_expected_values_are_conditional_means(unknown, seed):
    random = np.random.default_rng(seed)
    X = (random.normal(size=(200, 4)) @ random.normal(size=(4, 4))).astype(np.float32)
    explainer = ConditionalResidualExplainer(shrinkage=0.05).fit(X)
    z = (X.astype(float) - X.astype(float).mean(0)) / X.astype(float).std(0)
    covariance = 0.95 * (z.T @ z / len(z)) + 0.05 * np.eye(4)
    hidden = np.isin(np.arange(4), list(unknown))
    found = explainer.expected(X[:1], hidden[None, :])[0]
    for j in range(4):
        known = np.flatnonzero(~hidden & (np.arange(4) != j))
        mean = covariance[j, known] @ np.linalg.solve(covariance[np.ix_(known, known)], z[0, known])
        assert found[j] == pytest.approx(mean * X[:, j].std() + X[:, j].mean(), rel=1e-3, abs=1e-3)


def test_expected_values_stay_within_those_of_normal_records(normals):
    record = panel(1, seed=3).assign(sodium=900.0, chloride=102.0)
    seen = normals.normals
    for name, value in normals.expected(record).items():
        assert seen[name].min() <= value[0] <= seen[name].max()


def test_a_normal_record_is_its_own_nearest_one_and_differs_in_nothing(normals):
    table = normals.nearest_table(normals.normals.iloc[[17]], k=2)
    first = table[table["rank"] == 1]
    assert table.columns.tolist() == list(NEAREST_COLUMNS)
    assert first["nearest_id"].tolist() == ["c17"]
    assert (first["feature"].iloc[0], first["distance"].iloc[0]) == ("", 0.0)


def test_one_wild_value_does_not_decide_which_records_are_alike():
    normals = NormalRecords(panel(600).dropna(), CONTRACT)
    record = normals.normals.iloc[[40]].assign(potassium=normals.normals["potassium"].median())
    wild = record.assign(potassium=4200.0)
    calm, _ = normals.nearest(record, k=20)
    found, _ = normals.nearest(wild, k=3)
    assert set(found[0]) & set(calm[0])
    table = normals.nearest_table(wild, k=1)
    assert table["feature"].iloc[0] == "potassium"
    assert table["difference"].iloc[0] > 1000


def test_nearest_records_are_those_of_a_brute_force_search():
    numbers = panel(300)[["case_id", "sodium", "chloride"]]
    normals = NormalRecords(numbers, [])
    scale = numbers[["sodium", "chloride"]].std(ddof=0).to_numpy()
    values, records = numbers[["sodium", "chloride"]].to_numpy(), panel(20, seed=5)
    found, distance = normals.nearest(records[["case_id", "sodium", "chloride"]], k=3)
    for i, row in enumerate(records[["sodium", "chloride"]].to_numpy()):
        apart = np.sqrt((np.minimum(np.abs(values - row) / scale, 3.0) ** 2).sum(axis=1))
        np.testing.assert_allclose(distance[i], np.sort(apart)[:3], rtol=1e-4)
        np.testing.assert_allclose(apart[found[i]], distance[i], rtol=1e-4)


def test_derived_values_are_left_out():
    table = panel(100).assign(ratio=lambda t: t["sodium"] / t["chloride"])
    normals = NormalRecords(table, [], derived=["ratio"])
    assert "ratio" not in set(normals.unexpected(table.head(3))["feature"])


def test_no_normal_record_is_refused():
    with pytest.raises(InputError, match="no normal record"):
        NormalRecords(panel(5).iloc[:0], [])


def stays(n, seed=0):
    """Urea has a long tail and nothing to do with the stay, which is never negative."""
    random = np.random.default_rng(seed)
    table = panel(n, seed)
    return table.assign(stay=random.exponential(70, n), urea=random.lognormal(1.7, 0.4, n))


def test_a_stay_that_ends_before_it_begins_is_out_of_place_and_a_high_urea_beside_it_is_not():
    normals = NormalRecords(stays(600), CONTRACT)
    record = stays(1, seed=3).assign(stay=-188.7, urea=19.1)
    first, *others = normals.unexpected(record).itertuples()
    assert first.feature == "stay"
    assert first.suspicion > 0.99
    assert all(row.suspicion < 0.01 for row in others)
    # a stay that can be is judged by how well it fits
    usual = normals.unexpected(record.assign(stay=60.0)).set_index("feature")["suspicion"]
    assert usual["urea"] > 0.99
    assert usual["stay"] < 0.01


def test_an_expected_value_is_shown_only_where_the_others_tell_it():
    normals = NormalRecords(stays(600), CONTRACT)
    table = normals.unexpected(stays(60, seed=1)).set_index("feature")["expected"]
    # nothing tells potassium, urea or stay, so the mean of all would stand at every record
    assert table[["potassium", "urea", "stay"]].eq("").all()
    assert table["chloride"].nunique() > 8
