"""The recipe of a table: what training decided holds for one new record."""

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.errors import InputError
from medanomaly.tabular.features.record_features import fit_features, record_features
from medanomaly.tabular.recipe import HISTORY, TableRecipe
from medanomaly.tabular.table.cleaning import clean_table
from medanomaly.tabular.table.description import TableSpec

N = 60


def visits():
    """Two visits per patient; ``crp`` has decimal commas that one cell alone would leave open."""
    rng = np.random.default_rng(0)
    day = pd.Timestamp("2024-01-01")
    return pd.DataFrame(
        {
            "patient": [f"P{i // 2:03d}" for i in range(N)],
            "at": [(day + pd.Timedelta(days=int(i % 2) * 10 + i)).isoformat() for i in range(N)],
            "ward": ["north", "south", "east"] * (N // 3),
            "glucose": rng.normal(5.5, 0.5, N).round(1),
            "crp": [f"{value:.2f}".replace(".", ",") for value in rng.uniform(1, 9, N)],
            "label": ["well", "ill"] * (N // 2),
        }
    )


SPEC = TableSpec.model_validate(
    {
        "patient_id": "patient",
        "label": "label",
        "normal_labels": ["well"],
        "columns": {
            "at": {"kind": "time"},
            "glucose": {"kind": "number", "unit": "mmol/L", "possible": [0, 100]},
        },
        "history": {"time": "at", "outcome_time": "at", "measurements": ["glucose"]},
    }
)


def trained(raw, spec=SPEC):
    clean = clean_table(raw, spec)
    cases = clean.cases.assign(split="train")
    return TableRecipe(fit_features(clean.records, cases, spec, learned=clean.learned)), record_features(
        clean.records, cases, spec
    )


@pytest.fixture(scope="module")
def recipe():
    return trained(visits())[0]


def features(read):
    return read.inputs["features"].inputs.drop(columns="case_id").reset_index(drop=True)


def test_the_table_of_training_gives_its_features_again(recipe):
    known = trained(visits())[1].drop(columns="case_id")
    pd.testing.assert_frame_equal(features(recipe.read(visits())), known, check_dtype=False)


def test_a_new_visit_has_the_features_that_it_has_among_the_others(recipe):
    raw = visits()
    known = trained(raw)[1].drop(columns="case_id")
    for i in (1, 31):
        read = recipe.read(raw.iloc[[i]], history=raw.iloc[[i - 1]])
        pd.testing.assert_frame_equal(
            features(read), known.iloc[[i]].reset_index(drop=True), check_dtype=False
        )
        assert HISTORY not in read.missing["1"]


def test_a_visit_without_its_history_says_so(recipe):
    read = recipe.read(visits().iloc[1].to_dict())
    assert read.missing["1"] == (HISTORY,)
    assert features(read)["n_earlier_records"].to_list() == [0.0]


def test_earlier_records_need_a_patient(recipe):
    record = visits().drop(columns="patient").iloc[1].to_dict()
    with pytest.raises(InputError, match="nothing says whose"):
        recipe.read(record, history=visits().iloc[[0]])


@pytest.mark.parametrize(("written", "value"), [("1,234", 1.234), ("2,500", 2.5), ("7,1", 7.1)])
def test_a_single_number_is_read_as_the_column_of_training_was(recipe, written, value):
    read = recipe.read(visits().iloc[0].to_dict() | {"crp": written})
    assert features(read)["crp"].to_list() == [value]


def test_units_are_converted_and_marks_of_units_kept(recipe):
    read = recipe.read(visits().iloc[0].to_dict() | {"glucose": "99 mg/dL"})
    assert features(read)["glucose"].iloc[0] == pytest.approx(5.5, abs=0.05)


def test_a_level_that_training_did_not_have_is_one_of_too_few(recipe):
    read = recipe.read(visits().iloc[0].to_dict() | {"ward": "Mr Miller's room"})
    assert features(read)["ward"].to_list() == ["(fewer than 5 patients)"]


def test_ids_and_labels_need_not_be_given(recipe):
    record = visits().drop(columns=["label", "patient"]).iloc[0].to_dict()
    assert len(recipe.read(record).cases) == 1
    assert recipe.read([record, record]).cases["case_id"].to_list() == ["1", "2"]


def test_an_impossible_value_costs_only_its_record(recipe):
    raw = visits().head(6).astype(object)
    raw.loc[2, "glucose"] = -4
    read = recipe.read(raw)
    assert read.cases["case_id"].to_list() == ["1", "2", "4", "5", "6"]
    assert read.refused["case_id"].to_list() == ["3"]
    assert "impossible" in read.refused["reason"].iloc[0]


def test_nothing_known_and_nearly_known_columns_are_refused(recipe):
    with pytest.raises(InputError, match="none of its columns"):
        recipe.read({"height": 3})
    record = visits().iloc[0].to_dict()
    record["Glucose"] = record.pop("glucose")
    with pytest.raises(InputError, match="'glucose' is not given"):
        recipe.read(record)


def test_what_a_recipe_takes(recipe):
    assert recipe.takes(visits()) == recipe.takes({"crp": 3}) == recipe.takes([{"crp": 3}]) == 2
    assert recipe.takes({"height": 3}) == recipe.takes("film.png") == recipe.takes(np.zeros((3, 3))) == 0
