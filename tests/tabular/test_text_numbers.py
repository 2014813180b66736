"""Numbers as people and laboratories write them. Every value here was computed by hand."""

import numpy as np
import pandas as pd
import pytest

from medanomaly.tabular.table.cleaning import clean_table
from medanomaly.tabular.table.description import Column, TableSpec
from medanomaly.tabular.table.quality import check_table
from medanomaly.tabular.table.text_numbers import read_numbers

PLAIN = [f"{4 + i / 10:.1f}" for i in range(20)]


def column(*cells, plain=PLAIN, **of):
    return read_numbers(pd.Series([*cells, *plain], dtype=object), **of).head(len(cells))


@pytest.mark.parametrize(
    ("name", "unit", "text", "value"),
    [
        ("potassium", "mmol/L", "4.1 mmol/l", 4.1),
        ("potassium", "mmol/L", "4.1 mEq/L", 4.1),
        ("calcium", "mmol/L", "5 mEq/L", 2.5),
        ("potassium", "mmol/L", "4.0 H", 4.0),
        ("potassium", "mmol/L", "4.0 (L)", 4.0),
        ("potassium", "mmol/L", "4.0*", 4.0),
        ("potassium", "mmol/L", "H 4.0", 4.0),
        ("potassium", "mmol/L", "4.0 mmol/L HH", 4.0),
        ("temperature", "°C", "37.2 C", 37.2),
        ("temperature", "°C", "98.6 F", 37.0),
        ("age", "years", "6 months", 0.5),
        ("age", "years", "90+", 90.0),
        ("age", "years", "90 years and over", 90.0),
        ("age", "years", "over 89", 89.0),
        ("crp", "mg/L", "<.5", 0.5),
        ("crp", "mg/L", "less than 0,5", 0.5),
        ("base_excess", "mmol/L", "\u22122.1", -2.1),
        ("stay", "days", "36 hours", 1.5),
        ("iron", "mg/L", "1.2 g/L", 1200.0),
        ("white_cells", "10⁹/L", "12 x10^9/L", 12.0),
        ("white_cells", "10⁹/L", "12000 /µL", 12.0),
    ],
)
def test_cleaning_and_the_plausibility_check_read_the_same_number(name, unit, text, value):
    raw = pd.DataFrame({name: [text, *PLAIN, *PLAIN]})
    spec = TableSpec(columns={name: Column(unit=unit)})
    clean = clean_table(raw, spec)
    assert clean.summary["n_kept"] == 41
    assert clean.records[name].iloc[0] == pytest.approx(value)
    flag = check_table(raw, spec, spec.rules).flags.iloc[0]
    assert flag["rule"] in ("censored", "number_in_text", "unit_mixup")
    assert float(flag["suggested_value"]) == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hemolysed", "not a number"),
        ("HI", "not a number (a word for beyond the range of the device)"),
        ("4.1 mg/dL", "the unit 'mg/dL' cannot be converted to mmol/L"),
        ("4 haemolysed", "a number with text behind it that is neither a known unit nor a flag"),
        ("12 of 15", "not a number"),
        ("120/80", "not a number"),
    ],
)
def test_what_is_not_understood_is_in_quarantine_with_that_reason(text, reason):
    raw = pd.DataFrame({"potassium": [text, *PLAIN, *PLAIN]})
    spec = TableSpec(columns={"potassium": Column(unit="mmol/L")})
    clean = clean_table(raw, spec)
    assert clean.quarantine[["record", "reason"]].to_numpy().tolist() == [["1", reason]]
    assert check_table(raw, spec, spec.rules).flags["rule"].iloc[0] == "not_a_number"


def test_a_comma_means_what_it_means_in_the_rest_of_its_column():
    whole = [str(i) for i in range(150, 1000, 40)]
    assert column("1,230", plain=whole)["value"].iloc[0] == 1230.0
    assert column("1,230", plain=["0.5", "12.25"])["value"].iloc[0] == 1230.0
    assert column("1,230", plain=["0,5", "12,25"])["value"].iloc[0] == 1.23
    # a point then stands for thousands, although the text looks like a plain number
    assert column("1.230", plain=["0,5", "12,25"])["value"].iloc[0] == 1230.0
    assert column("1 234,567", plain=["7"])["value"].iloc[0] == 1234.567
    # 1,234 beside 7 may be both
    read = column("1,234", plain=["7"] * 12)
    assert np.isnan(read["value"].iloc[0])
    assert "in two ways" in read["reason"].iloc[0]


def test_the_unit_of_a_column_without_one_is_what_its_cells_say():
    raw = pd.DataFrame({"glucose": ["90 mg/dL", "5 mmol/L", *[f"{x} mg/dL" for x in range(80, 120)]]})
    clean = clean_table(raw, TableSpec())
    assert clean.records["glucose"].head(2).tolist() == pytest.approx([90, 90.08])
    assert clean.summary["columns"]["glucose"] == {
        "kind": "number",
        "unit": "mg/dL",
        "possible": None,
        "impossible": "quarantine",
    }
    assert any("has no declared unit; its values name mg/dL" in note for note in clean.summary["notes"])


def test_rooms_and_grades_are_no_numbers_with_a_unit():
    raw = pd.DataFrame({"x": range(60), "room": ["3B", "4A", "5C"] * 20})
    assert clean_table(raw, TableSpec()).summary["columns"]["room"]["kind"] == "category"


def test_true_and_false_are_one_and_zero_from_text_as_from_a_typed_column():
    text = pd.DataFrame({"x": range(40), "smoker": ["True", "False"] * 20})
    for raw in (text, text.assign(smoker=[True, False] * 20)):
        assert clean_table(raw, TableSpec()).records["smoker"].head(2).tolist() == [1.0, 0.0]
