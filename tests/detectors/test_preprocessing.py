import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import StandardScaler

from medanomaly.core.errors import InputError
from medanomaly.detectors.preprocessing import Preprocessor


def features(n=50, seed=0):
    rng = np.random.default_rng(seed)
    x = pd.DataFrame(
        {
            "case_id": [str(i) for i in range(n)],
            "a": rng.normal(5, 2, n),
            "b": rng.normal(size=n),
            "flag": rng.choice(["t", "f"], n),
            "ward": rng.choice(["A", "B", "C"], n),
        }
    )
    x.loc[::7, "b"] = np.nan
    return x


def test_numbers_are_standardised_as_scikit_learn_does():
    x = features()
    fitted = Preprocessor.fit(x)
    matrix = pd.DataFrame(fitted.transform(x), columns=fitted.names)
    np.testing.assert_allclose(matrix["a"], StandardScaler().fit_transform(x[["a"]]).ravel(), atol=1e-6)


def test_matrix_columns_are_named_after_what_they_hold():
    assert Preprocessor.fit(features()).names == [
        "a",
        "b",
        "b missing",
        "flag = t",
        "flag = (unseen)",
        "ward = A",
        "ward = B",
        "ward = C",
        "ward = (unseen)",
    ]


def test_a_record_gives_the_same_row_alone_and_in_a_batch():
    x = features()
    fitted = Preprocessor.fit(x.iloc[:30])
    batch = fitted.transform(x)
    for i in (0, 7, 31):
        np.testing.assert_array_equal(fitted.transform(x.iloc[[i]])[0], batch[i])


def test_a_category_never_seen_is_marked_and_a_missing_number_takes_the_training_median():
    x = features()
    fitted = Preprocessor.fit(x)
    new = x.iloc[[1]].assign(ward="Z", b=np.nan)
    row = pd.Series(fitted.transform(new)[0], index=fitted.names)
    assert row["ward = (unseen)"] == 1
    assert row["b missing"] > 0
    again = fitted.transform(new.assign(b=x["b"].median()))[0]
    assert row["b"] == pd.Series(again, index=fitted.names)["b"]


def test_a_rare_category_weighs_no_more_than_a_common_one():
    x = features(1000).assign(flag=["t"] + ["f"] * 999)
    fitted = Preprocessor.fit(x)
    column = fitted.transform(x)[:, fitted.names.index("flag = t")]
    assert column[0] - column[1] == pytest.approx(1.0)


def test_it_survives_json():
    x = features()
    fitted = Preprocessor.fit(x)
    copy = Preprocessor.from_dict(json.loads(json.dumps(fitted.to_dict())))
    np.testing.assert_array_equal(copy.transform(x), fitted.transform(x))


@given(arrays(np.float64, (12, 2), elements=st.floats(allow_nan=True, allow_infinity=False, width=64)))
def test_the_matrix_is_always_finite(values):
    x = features(40)
    fitted = Preprocessor.fit(x)
    new = x.iloc[:12].assign(a=values[:, 0], b=values[:, 1])
    assert np.isfinite(fitted.transform(new)).all()


def test_what_does_not_fit_the_training_table_is_named():
    x = features()
    fitted = Preprocessor.fit(x)
    with pytest.raises(InputError, match=r"features \['a'\] are absent"):
        fitted.transform(x.drop(columns="a"))
    with pytest.raises(InputError, match="record 4, column 'a': 'high' is not a finite number"):
        fitted.transform(x.astype({"a": object}).assign(a=lambda f: f["a"].where(f.index != 3, "high")))
    with pytest.raises(InputError, match="record 1, column 'b'"):
        fitted.transform(x.assign(b=np.inf))


def test_a_constant_column_says_nothing_until_it_changes_and_a_table_of_them_is_refused():
    x = features().assign(a=3.0)
    fitted = Preprocessor.fit(x)
    row = fitted.names.index("a")
    assert (fitted.transform(x)[:, row] == 0).all()
    assert fitted.transform(x.assign(a=6.0))[0, row] == 1
    with pytest.raises(InputError, match="no feature varies"):
        Preprocessor.fit(x[["case_id", "a"]])


def test_an_integer_or_boolean_column_with_extreme_values_stays_finite():
    x = features().assign(a=[2**62] * 25 + [0] * 25, c=[True, False] * 25)
    assert np.isfinite(Preprocessor.fit(x).transform(x)).all()
