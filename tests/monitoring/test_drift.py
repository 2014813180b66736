import json
import os
import subprocess

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from medanomaly.core.errors import InputError
from medanomaly.monitoring.drift import (
    EXACT_UP_TO,
    MOST_KEPT,
    ColumnReference,
    chi_square,
    compare_columns,
    holm,
    jensen_shannon,
    kolmogorov_smirnov,
    level_cells,
    number_cells,
    references,
    shifted,
    sorted_numbers,
    stability_index,
)


def table(n, seed=0, shift=0.0):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "normal": random.normal(shift, 1, n),
            "skewed": np.exp(random.normal(shift, 1, n)),
            "counted": random.poisson(2, n),
            "rounded": random.normal(37 + shift, 0.4, n).round(1),
            "gaps": np.where(random.random(n) < 0.2, np.nan, random.normal(shift, 1, n)),
            "ward": random.choice(["north", "south", "west"], n, p=[0.5, 0.3, 0.2]),
        }
    )


def compared(reference, new, **options):
    return compare_columns(references(reference), new, **options).set_index("column")


# evidently needs pandas 2, so it has an environment of its own
EVIDENTLY = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np, pandas as pd
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.core import ColumnType
answers = []
for name, reference, new, kind in json.load(sys.stdin):
    of = ColumnType.Numerical if kind == "number" else ColumnType.Categorical
    # it leaves out what is missing or infinite before it calls a test
    given = [pd.Series(part).replace([np.inf, -np.inf], np.nan).dropna() for part in (reference, new)]
    answers.append(float(get_stattest(*given, of, name)(*given, of, 0.1).drift_score))
json.dump(answers, sys.stdout)
"""


@pytest.fixture(scope="module")
def evidently():
    """Figures of evidently of (name of a test, reference, new, kind): PSI, p-value of KS, distance of Jensen and Shannon."""
    python = os.environ.get("MEDANOMALY_EVIDENTLY")
    if not python:
        pytest.skip("MEDANOMALY_EVIDENTLY names no Python that has evidently")

    def ask(questions):
        plain = [(name, list(reference), list(new), kind) for name, reference, new, kind in questions]
        done = subprocess.run(
            [python, "-c", EVIDENTLY], input=json.dumps(plain), capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    return ask


def asked(reference, new, kinds):
    """PSI of every column, then the test that belongs to its kind."""
    tests = {name: "ks" if kind == "number" else "jensenshannon" for name, kind in kinds.items()}
    return [("psi", reference[name], new[name], kind) for name, kind in kinds.items()] + [
        (tests[name], reference[name], new[name], kind) for name, kind in kinds.items()
    ]


def assert_equal_to(found, figures):
    ours = np.where(found["kind"] == "number", found["p"], found["distance"])
    np.testing.assert_allclose([*found["psi"], *ours], figures, rtol=0, atol=1e-6)


@pytest.mark.parametrize("n", [300, 5_000])
@pytest.mark.parametrize("shift", [0.0, 0.3, 3.0])
def test_figures_are_those_of_evidently(evidently, n, shift):
    reference, new = table(2_000), table(n, 1, shift)
    found = compared(reference, new, bins="equal_width")
    assert_equal_to(found, evidently(asked(reference, new, found["kind"])))


def test_psi_of_tenths_is_that_of_evidently_on_the_cells(evidently):
    reference, new = table(2_000), table(700, 1, 0.4)
    questions, names = [], ["normal", "skewed", "rounded"]
    for name in names:
        known = ColumnReference.of(name, reference[name])
        at = np.ceil(known.n * np.arange(1, 10) / 10).astype(int) - 1
        edges = np.unique(known.kept[at])
        cells = [np.searchsorted(edges, part[name]).astype(str).tolist() for part in (reference, new)]
        questions.append(("psi", *cells, "level"))
    found = compared(reference, new).loc[names, "psi"]
    np.testing.assert_allclose(found, evidently(questions), rtol=0, atol=1e-6)


def test_figures_of_real_data_are_those_of_evidently(evidently):
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True).data
    reference, new = data.iloc[:300], data.iloc[300:]
    found = compared(reference, new, bins="equal_width")
    assert_equal_to(found, evidently(asked(reference, new, found["kind"])))


@pytest.mark.parametrize(("m", "n"), [(50, 80), (4_000, 9_000), (9_000, 30_000)])
def test_kolmogorov_smirnov_is_that_of_scipy(m, n):
    random = np.random.default_rng(m)
    a, b = np.sort(random.normal(size=m).round(2)), np.sort(random.normal(0.03, 1, n).round(2))
    found = kolmogorov_smirnov(a, b, m)
    peer = stats.ks_2samp(a, b, method="auto" if max(m, n) <= EXACT_UP_TO else "asymp")
    assert found == pytest.approx((peer.statistic, peer.pvalue), abs=1e-12)


def test_a_reference_of_many_cases_is_thinned_and_hardly_differs():
    random = np.random.default_rng(0)
    many, new = random.normal(size=200_000), np.sort(random.normal(0.02, 1, 50_000))
    known = ColumnReference.of("x", many)
    assert len(known.kept) == MOST_KEPT
    assert known.n == 200_000
    assert (known.kept[0], known.kept[-1]) == (many.min(), many.max())
    whole = stats.ks_2samp(many, new, method="asymp").statistic
    assert kolmogorov_smirnov(known.kept, new, known.n)[0] == pytest.approx(whole, abs=1 / MOST_KEPT)


@given(
    st.lists(st.integers(-5, 5), min_size=2, max_size=60),
    st.lists(st.integers(-6, 6), min_size=2, max_size=60),
)
def test_cells_hold_every_case_once(reference, new):
    parts = [np.sort(np.asarray(part, dtype=float)) for part in (reference, new)]
    for bins in ("quantiles", "equal_width"):
        cells = number_cells(*parts, bins)
        assert [part.sum() for part in cells] == [len(part) for part in parts]
        assert stability_index(*cells) >= 0


def test_the_same_cases_are_not_shifted_at_all():
    found = compared(table(500), table(500))
    assert found["psi"].abs().max() < 1e-12
    assert found["distance"].abs().max() < 1e-12
    assert (found["p_adjusted"] == 1).all()
    assert (found["outside"] == 0).all()


def test_a_row_order_changes_nothing_and_infinite_counts_as_missing():
    new = table(400, 1)
    mixed = new.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(compared(table(500), new), compared(table(500), mixed))
    new.loc[:39, "normal"] = np.inf
    assert compared(table(500), new).loc["normal", "missing"] == pytest.approx(0.1)


def test_columns_without_change_are_called_shifted_in_few_of_many_tables():
    wrong = sum(
        len(shifted(compare_columns(references(table(400, 2 * i)), table(150, 2 * i + 1)), 0.1, 0.05, 0.05))
        > 0
        for i in range(100)
    )
    # 5 % are allowed; 11 of 100 would be seen once in a hundred
    assert wrong <= 11


@pytest.mark.parametrize("change", ["values", "missing", "unit", "level"])
def test_a_large_change_is_found_and_named(change):
    new = table(600, 1)
    if change == "values":
        new["normal"] += 0.8
    if change == "missing":
        new.loc[new.index[:150], "normal"] = np.nan
    if change == "unit":
        new["rounded"] = new["rounded"] * 9 / 5 + 32
    if change == "level":
        new["ward"] = new["ward"].replace("west", "ward 7")
    found = shifted(compare_columns(references(table(800)), new), 0.2, 0.05, 0.01)
    expected = {"values": "normal", "missing": "normal", "unit": "rounded", "level": "ward"}[change]
    assert found["column"].tolist() == [expected]
    if change == "unit":
        assert found["outside"].item() == 1
    if change == "level":
        assert found["outside"].item() == pytest.approx(0.2, abs=0.05)


def test_a_certain_but_small_difference_is_no_shift():
    random = np.random.default_rng(0)
    reference, new = (
        pd.DataFrame({"x": random.normal(size=9_000)}),
        pd.DataFrame({"x": random.normal(0.06, 1, 400_000)}),
    )
    found = compare_columns(references(reference), new)
    assert found["p_adjusted"].item() < 1e-4
    assert shifted(found, 0.1, 0.05, 0.01).empty


def test_what_cannot_be_compared_is_said():
    known = references(table(100))
    with pytest.raises(InputError, match="gaps"):
        compare_columns(known, table(50).drop(columns="gaps"))
    with pytest.raises(InputError, match="number at training"):
        compare_columns(known, table(50).assign(normal="high"))
    empty = compare_columns(known, table(50).assign(normal=np.nan)).set_index("column").loc["normal"]
    assert (empty["n"], empty["missing"]) == (0, 1)
    assert np.isnan(empty["psi"])
    assert empty["p_missing_adjusted"] < 1e-6


def test_many_levels_are_counted_together():
    names = pd.Series([f"code {i}" for i in range(500)] * 2)
    known = ColumnReference.of("code", names)
    assert known.n == 1000
    assert sum(known.counts.values()) == 1000
    reference, new = level_cells(known.counts, known.counts)
    assert jensen_shannon(reference, new) == 0
    assert chi_square(reference, new) == 1


def test_holm_is_that_of_the_textbook():
    # Holm 1979: 0.01 x 4, then 0.02 x 3, then 0.03 x 2, then 0.04
    assert holm(np.array([0.04, 0.01, np.nan, 0.03, 0.02]))[[1, 4, 3, 0]] == pytest.approx(
        [0.04, 0.06, 0.06, 0.06]
    )
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_sorted_numbers_leave_out_what_is_no_number():
    column = pd.Series([3, None, np.inf, -np.inf, 1, 2], dtype="Float64")
    assert sorted_numbers(column).tolist() == [1, 2, 3]


@pytest.mark.parametrize("shift", [0.0, 0.3, 3.0])
@pytest.mark.parametrize("name", ["normal", "skewed", "rounded"])
def test_cells_of_equal_width_are_those_of_numpy_by_the_rule_of_sturges(name, shift):
    reference, new = (np.sort(part[name].to_numpy()) for part in (table(2_000), table(5_000, 1, shift)))
    edges = np.histogram_bin_edges(np.concatenate([reference, new]), bins="sturges")
    expected = [np.histogram(part, edges)[0] for part in (reference, new)]
    for found, counts in zip(number_cells(reference, new, "equal_width"), expected, strict=True):
        assert found.tolist() == counts.tolist()


def test_cells_of_few_values_are_counts_of_each_value():
    reference, new = table(2_000)["counted"], table(5_000, 1)["counted"]
    found = number_cells(*(np.sort(part.to_numpy(dtype=float)) for part in (reference, new)))
    known = sorted(reference.unique())
    for cells, part in zip(found, (reference, new), strict=True):
        counts = part.value_counts()
        assert cells[: len(known)].tolist() == [counts.get(value, 0) for value in known]
        assert cells[len(known) :].sum() == (~part.isin(known)).sum()
    # one cell for all new values is one cell per new value, as evidently has it, where there is at most one
    assert len(set(new[~new.isin(known)])) <= 1
