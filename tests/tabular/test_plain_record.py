"""A plain record gives the same features, to the last bit, whichever way it takes."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medanomaly.core.errors import InputError
from medanomaly.detectors.preprocessing import Preprocessor
from medanomaly.tabular.features.record_features import fit_features, record_features
from medanomaly.tabular.recipe import TableRecipe
from medanomaly.tabular.table.cleaning import clean_table
from medanomaly.tabular.table.description import TableSpec

SPEC = {
    "case_id": "record_id",
    "age": "age",
    "subgroups": {"sex": "sex"},
    "columns": {
        "age": {"kind": "number", "unit": "years", "possible": [0, 120]},
        "sex": {"kind": "category"},
        "grade": {"kind": "category"},
        "temperature": {"kind": "number", "unit": "°C"},
        "low": {"kind": "number", "unit": "mmHg"},
        "high": {"kind": "number", "unit": "mmHg"},
        "came": {"kind": "time"},
        "left": {"kind": "time"},
    },
    "durations": {
        "stay": {"start": "came", "end": "left", "unit": "hours"},
        "days": {"start": "came", "end": "left", "by_day": True},
    },
    "ratios": {"part": ["low", "high"]},
    "count_repeats": True,
    "rules": {
        "variables": {"visits": {"whole": True, "plausible": [0, 50]}},
        "order": {"pressure": {"lower": "low", "upper": "high", "equal": False}},
    },
}


def raw(n=200):
    random = np.random.default_rng(0)
    came = pd.to_datetime("2024-03-02") + pd.to_timedelta(random.integers(0, 9000, n), unit="min")
    return pd.DataFrame(
        {
            "record_id": [f"r{i}" for i in range(n)],
            "age": random.integers(20, 90, n),
            "sex": random.choice(["F", "M"], n),
            "ward": random.choice(["north", "south", "none"], n),
            "grade": random.choice([1, 2, 3], n).astype(str),
            "temperature": random.normal(36.8, 0.3, n).round(1),
            "low": random.normal(80, 7, n).round(),
            "high": random.normal(125, 10, n).round(),
            "visits": random.integers(0, 20, n),
            "came": came.astype(str),
            "left": (came + pd.to_timedelta(random.integers(60, 9000, n), unit="min")).astype(str),
        }
    )


def recipe_of(**changes):
    spec = TableSpec.model_validate(SPEC | changes)
    clean = clean_table(raw(), spec, "table")
    cases = clean.cases.assign(split="train")
    sealed = fit_features(clean.records, cases, spec, learned=clean.learned)
    return TableRecipe(sealed), record_features(clean.records, cases, spec, sealed)


@pytest.fixture(scope="module")
def recipe():
    return recipe_of()[0]


@pytest.fixture(scope="module")
def preprocessor():
    return Preprocessor.fit(recipe_of()[1])


number = st.one_of(st.none(), st.integers(-5, 200), st.floats(-10, 400), st.floats(allow_nan=False, width=64))
time = st.one_of(
    st.none(),
    st.datetimes(min_value=pd.Timestamp("1840-01-01").to_pydatetime(), max_value=pd.Timestamp("2950-01-01").to_pydatetime())
    .flatmap(lambda at: st.sampled_from(["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%d.%m.%Y"]).map(at.strftime)),
    st.sampled_from(["9999-12-31", "1900-01-01", "unknown", "2024-02-30"]),
)  # fmt: skip
word = st.sampled_from(
    ["F", "M", "north", "none", " F", "f", "x", "", "NA", "1", "1.0", 1, 2, 9, None, True, 1.0]
)
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "record_id": st.sampled_from(["r1", "A-7", 7, "0012", "1e5", "12.0", "NA", None, 2**60]),
        "age": number,
        "sex": word,
        "ward": word,
        "grade": word,
        "temperature": number,
        "low": number,
        "high": number,
        "visits": number,
        "came": time,
        "left": time,
        "other": st.just(1),
    },
)


def same(value, wanted):
    if wanted is None or wanted is pd.NA or (isinstance(wanted, float) and math.isnan(wanted)):
        return value is None or (isinstance(value, float) and math.isnan(value))
    return type(value) in (float, str) and value == wanted


@settings(max_examples=300)
@given(RECORDS)
def test_what_is_plain_equals_what_the_table_gives(recipe, preprocessor, record):
    plain = recipe.read_plain(record)
    if plain is None:
        return
    read = recipe.read(record)
    features = read.inputs["features"].inputs
    assert read.cases["case_id"].tolist() == [plain.case_id]
    assert len(read.refused) == len(read.findings) == 0
    assert read.missing == {plain.case_id: plain.missing}
    assert read.notes == plain.notes
    assert set(features.columns) - {"case_id"} == set(plain.features)
    for name, value in plain.features.items():
        assert same(value, features[name].iloc[0]), name
    np.testing.assert_array_equal(
        preprocessor.transform(features), preprocessor.transform_row(plain.features)
    )


def test_usual_records_are_plain(recipe):
    records = raw(30).to_dict("records")
    # a word that may mean missing is a level of one ward: it takes the way of tables
    plain = [recipe.read_plain(record) is not None for record in records]
    assert plain == [record["ward"] != "none" for record in records]


@pytest.mark.parametrize(
    "record",
    [
        {"age": "50"}, {"age": 130}, {"age": True}, {"age": float("nan")}, {"temperature": 98.6}, {"sex": "f"},
        {"low": 120, "high": 80}, {"low": 80, "high": 80}, {"visits": 1.5}, {"came": "01.02.2024"}, {"agee": 50},
        {"came": "9999-12-31"}, {"record_id": None}, {"record_id": "4.4E+17", "age": 50}, {},
    ],
)  # fmt: skip
def test_what_is_not_plain_takes_the_way_of_tables(recipe, record):
    assert recipe.read_plain(record) is None


@pytest.mark.parametrize(
    "changes", [{"missing_values": ("-9", "")}, {"populations": {"d": {"of": "low", "by": ["sex"]}}}]
)
def test_a_description_that_looks_at_other_records_has_no_quick_way(changes):
    assert recipe_of(**changes)[0].read_plain({"age": 50}) is None


def test_a_row_without_a_feature_is_refused(preprocessor):
    with pytest.raises(InputError, match="absent"):
        preprocessor.transform_row({"age": 50.0})
