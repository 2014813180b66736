"""The contract of every generator, and what each of them does by itself."""

import subprocess
import sys
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.tabular.synthesis.coding import Coding, Patterns
from medanomaly.tabular.synthesis.generator import TableGenerator
from medanomaly.tabular.synthesis.kinds import GENERATORS, GeneratorName, generator
from medanomaly.tabular.synthesis.measures import exact_copies, propensity_error

SMALL = {"diffusion": {"training_steps": 60}, "conditional_gan": {"training_steps": 60}}


def make_table(n=400, seed=0):
    """Mixed types; low <= mean <= high; what is missing is missing together; a rare class that differs."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 8 == 0).astype(int)
    base = rng.normal(120 + 20 * y, 10, n)
    table = pd.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(n)],
            "low": (base - rng.gamma(2, 5, n)).round(1),
            "mean": base.round(1),
            "high": (base + rng.gamma(2, 5, n)).round(1),
            "count": rng.poisson(4 + 3 * y, n),
            "x": rng.lognormal(size=n),
            "sex": pd.array(rng.choice(["f", "m"], n), dtype="string"),
            "ward": pd.Categorical(rng.choice(["A", "B", "C"], n, p=[0.5, 0.3, 0.2])),
        }
    )
    gone = rng.random(n) < 0.3
    table.loc[gone, ["low", "high"]] = np.nan
    table.loc[rng.random(n) < 0.1, "sex"] = pd.NA
    return table, y


@pytest.fixture(scope="module")
def drawn():
    """Rows of each generator, drawn once: name -> (fitted, 300 rows of the rare class)."""
    table, y = make_table()
    found = {}
    for name in GENERATORS:
        fitted = generator(name, seed=1, **SMALL.get(name, {})).fit(table, y)
        found[name] = fitted, fitted.sample(300, 1, seed=2)
    return found


@pytest.mark.parametrize("name", GENERATORS)
def test_every_row_keeps_the_contract(name, drawn):
    table, y = make_table()
    own, made = table[y == 1], drawn[name][1]
    assert list(made.columns) == [*table.columns, "synthetic"]
    assert made["synthetic"].all()
    assert made["synthetic"].dtype == bool
    assert made["case_id"].tolist() == [f"synthetic-{i + 1}" for i in range(300)]
    assert made.dtypes.drop(["synthetic", "case_id"]).equals(table.dtypes.drop("case_id"))
    for column in ("low", "mean", "high", "count", "x"):
        known = made[column].dropna()
        assert known.between(own[column].min(), own[column].max()).all()
    for column in ("low", "mean", "high"):
        assert np.array_equal(made[column].round(1), made[column], equal_nan=True)
    assert not (made["low"] > made["mean"]).any()
    assert not (made["mean"] > made["high"]).any()
    assert not (made["low"] > made["high"]).any()
    seen = set(map(tuple, own.isna().to_numpy()))
    assert set(map(tuple, made[list(table.columns)].isna().to_numpy())) <= seen
    assert made["sex"].isna().any()
    assert made["low"].isna().any()
    assert set(made["sex"].dropna()) <= {"f", "m"}
    assert set(made["ward"]) <= {"A", "B", "C"}
    assert exact_copies(table, made) == 0


@pytest.mark.parametrize("name", GENERATORS)
def test_equal_seeds_give_equal_rows_and_others_do_not(name, drawn):
    fitted, made = drawn[name]
    pd.testing.assert_frame_equal(fitted.sample(300, 1, seed=2), made)
    assert not fitted.sample(300, 1, seed=3)["x"].equals(made["x"])


@pytest.mark.parametrize("name", ["smote", "copula", "adversarial_forest"])
def test_rows_are_of_the_class_that_was_asked_for(name, drawn):
    table, y = make_table()
    fitted, rare = drawn[name]
    usual = fitted.sample(300, 0)
    assert abs(rare["mean"].mean() - table["mean"][y == 1].mean()) < 4
    assert abs(usual["mean"].mean() - table["mean"][y == 0].mean()) < 4


def test_smote_gives_the_rows_of_imbalanced_learn():
    from imblearn.over_sampling import SMOTE

    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    table = pd.DataFrame(x, columns=list("abc"))
    fitted = generator("smote").fit(table)
    made = fitted._draw(40, 0, np.random.default_rng(7))
    sd = x.std(axis=0)
    scaled = np.vstack([(x - x.mean(axis=0)) / sd, ((x - x.mean(axis=0)) / sd)[:1]])
    seed = int(np.random.default_rng(7).integers(2**31))
    oracle = SMOTE(sampling_strategy={1: 100}, k_neighbors=5, random_state=seed)
    expected = oracle.fit_resample(scaled, np.r_[np.ones(60, dtype=int), 0])[0][61:]
    np.testing.assert_allclose(made, expected * sd + x.mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize(
    ("columns", "sampler"), [(["x", "mean"], "SMOTE"), (["x", "sex"], "SMOTENC"), (["sex", "ward", "day"], "SMOTEN")]
)  # fmt: skip
def test_the_kind_of_smote_follows_the_columns(columns, sampler, monkeypatch):
    from imblearn import over_sampling

    table, _ = make_table()
    rng = np.random.default_rng(0)
    table["day"] = pd.Series(rng.choice(list("abcdefghijkl"), len(table)), dtype="string")
    table["sex"] = table["sex"].fillna("f")
    used = []
    real = getattr(over_sampling, sampler)
    monkeypatch.setattr(over_sampling, sampler, lambda **options: used.append(sampler) or real(**options))
    for name in {"SMOTE", "SMOTENC", "SMOTEN"} - {sampler}:
        monkeypatch.delattr(over_sampling, name)
    rows = table[columns].drop_duplicates() if sampler == "SMOTEN" else table[columns]
    fitted = generator("smote").fit(rows)
    assert len(fitted._draw(5, 0, rng)) == 5
    assert used == [sampler]


def test_the_copula_keeps_correlations_and_margins():
    rng = np.random.default_rng(0)
    a = rng.normal(size=3000)
    table = pd.DataFrame(
        {"a": a, "b": 0.8 * a + 0.6 * rng.normal(size=3000), "c": rng.exponential(size=3000)}
    )
    made = generator("copula").fit(table).sample(3000, seed=1)
    assert made["a"].corr(made["b"]) == pytest.approx(table["a"].corr(table["b"]), abs=0.03)
    assert abs(made["a"].corr(made["c"])) < 0.06
    for name in table:
        wanted = table[name].quantile([0.05, 0.5, 0.95])
        np.testing.assert_allclose(made[name].quantile([0.05, 0.5, 0.95]), wanted, atol=0.12)


def test_the_forest_keeps_what_a_copula_loses():
    """Two half moons: the correlation is about 0, yet the columns depend on each other."""
    from sklearn.datasets import make_moons

    x, _ = make_moons(1200, noise=0.05, random_state=0)
    table = pd.DataFrame(x, columns=["a", "b"])
    errors = {
        name: propensity_error(table[600:], generator(name).fit(table[:600]).sample(600))
        for name in ("copula", "adversarial_forest")
    }
    assert errors["adversarial_forest"] < 0.5 * errors["copula"]


def test_what_is_missing_stays_missing_as_often():
    table, y = make_table(1200)
    for name in ("smote", "copula", "adversarial_forest"):
        made = generator(name).fit(table, y).sample(800, 0, seed=3)
        assert made["low"].isna().mean() == pytest.approx(table["low"][y == 0].isna().mean(), abs=0.1)


def test_rare_patterns_of_missing_values_share_a_code():
    rng = np.random.default_rng(0)
    patterns, which = Patterns.fit(rng.random((500, 12)) < 0.5)
    assert patterns.n_codes == 50
    assert len(patterns.masks) > 50
    assert which.max() == len(patterns.masks) - 1


def test_a_coding_goes_there_and_back():
    table, _ = make_table()
    coding = Coding.fit(table)
    assert coding.decimals[:4] == (1, 1, 1, 0)
    assert coding.decimals[4] is None
    pd.testing.assert_frame_equal(coding.decode(coding.encode(table)), table.drop(columns="case_id"))


class Careless(TableGenerator):
    """Proposes training rows as they are, every second one with a value far outside, low and high the wrong way round."""

    def _fit(self, rows, rng):
        self.rows = rows.matrix

    def _draw(self, n, code, rng):
        out = self.rows[rng.integers(len(self.rows), size=n)].copy()
        out[::2, :3] = out[::2, 2::-1] * 3
        return out


def test_the_contract_holds_whatever_a_generator_proposes():
    table, _ = make_table()
    made = Careless().fit(table).sample(100)
    assert exact_copies(table, made) == 0
    assert made["high"].dropna().max() <= table["high"].max()
    assert not (made["low"] > made["high"]).any()
    assert not (made["mean"] > made["high"]).any()


def test_a_table_without_other_combinations_is_refused():
    table = pd.DataFrame({"a": ["x", "y"] * 10, "b": ["u", "u", "v", "v"] * 5})
    with pytest.raises(ConfigurationError, match="of 10 rows asked for, 0 could be drawn that are no copies"):
        generator("copula").fit(table).sample(10)


def test_what_cannot_be_learned_from_is_refused_in_words():
    table, y = make_table(64)
    with pytest.raises(InputError, match="63 classes for 64 rows"):
        generator("copula").fit(table, y[1:])
    with pytest.raises(InputError, match="already|column 'synthetic'"):
        generator("copula").fit(table.assign(synthetic=True), y)
    with pytest.raises(InputError, match="a class is missing"):
        generator("copula").fit(table, np.where(y == 1, np.nan, 0.0))
    with pytest.raises(InputError, match="no feature"):
        generator("copula").fit(table[["case_id"]], y)
    with pytest.raises(ConfigurationError, match="3 rows to learn from"):
        generator("copula").fit(table[:3])
    few = np.where(np.arange(64) < 4, 2, y)
    fitted = generator("copula").fit(table, few)
    with pytest.raises(ConfigurationError, match="4 rows of class 2"):
        fitted.sample(5, 2)
    with pytest.raises(ConfigurationError, match=r"no class 'well'. There are \[0, 1, 2\]"):
        fitted.sample(5, "well")
    with pytest.raises(ConfigurationError, match="unknown generator 'copulla'. Did you mean 'copula'"):
        generator("copulla")


def test_a_column_that_the_class_lacks_stays_empty():
    table, y = make_table()
    table.loc[y == 1, "x"] = np.nan
    for name in ("smote", "copula", "adversarial_forest"):
        assert generator(name).fit(table, y).sample(40, 1)["x"].isna().all()


def test_no_row_asked_for_is_no_row():
    table, y = make_table(64)
    made = generator("copula").fit(table, y).sample(0, 1)
    assert len(made) == 0
    assert list(made.columns) == [*table.columns, "synthetic"]


def test_names_and_kinds_agree():
    assert set(get_args(GeneratorName)) == set(GENERATORS)


def test_torch_is_imported_by_the_networks_alone():
    code = (
        "import sys\n"
        "from medanomaly.tabular.synthesis import balance, measures, kinds, copula, smote, adversarial_forest\n"
        "from medanomaly.tabular.synthesis import network_rows\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
