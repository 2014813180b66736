"""Tables by the Safe Harbor rule: columns that identify go, groups are counted, nothing is kept by accident."""

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from medanomaly.commands.cli import cli
from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.privacy.groups import anonymity, group_sizes
from medanomaly.privacy.tables import SMALL_ZIP3, column_roles, deidentify_table

KEY = b"a secret of this test"


@pytest.fixture
def visits():
    n = 40
    return pd.DataFrame(
        {
            "patient_id": [f"KH-{i // 2}" for i in range(n)],
            "last_name": ["Mustermann"] * n,
            "date_of_birth": ["1930-05-01", "1957-03-02"] * (n // 2),
            "admitted_at": ["2021-05-06 10:30"] * n,
            "age": [91, 64] * (n // 2),
            "zip": ["03601", "80331"] * (n // 2),
            "sex": ["F", "M"] * (n // 2),
            "barcode": [4711000000 + 7 * i for i in range(n)],
            "creatinine": [80.5 + i for i in range(n)],
            "remark": [f"Dr. Smith saw patient {i}" for i in range(n)],
        }
    )


def test_roles_follow_from_names_and_values(visits):
    assert column_roles(visits) == {
        "patient_id": "id",
        "last_name": "remove",
        "date_of_birth": "date",
        "admitted_at": "date",
        "age": "age",
        "zip": "zip",
        "sex": "keep",
        "barcode": "id",
        "creatinine": "keep",
        "remark": "remove",
    }


def test_what_is_left_identifies_nobody(visits):
    found = deidentify_table(visits, KEY, today=date(2026, 1, 1)).table
    assert list(found.columns) == [
        "patient_id",
        "date_of_birth",
        "admitted_at",
        "age",
        "zip",
        "sex",
        "barcode",
        "creatinine",
    ]
    assert found["patient_id"].nunique() == visits["patient_id"].nunique()
    assert not set(found["patient_id"]) & set(visits["patient_id"])
    assert set(found["date_of_birth"]) == {"1936 or earlier", "1957"}
    assert set(found["admitted_at"]) == {"2021"}
    assert set(found["age"]) == {"90+", "64"}
    assert set(found["zip"]) == {"000", "803"}
    assert found["creatinine"].equals(visits["creatinine"])
    assert "Smith" not in found.to_csv()


def test_small_groups_are_counted_and_left_out_where_that_is_asked_for(visits):
    visits.loc[0, "sex"] = "X"
    plain = deidentify_table(visits, KEY, {"sex": "keep"})
    assert (plain.smallest_group, plain.in_small_groups, plain.suppressed) == (1, 1, 0)
    strict = deidentify_table(visits, KEY, {"sex": "keep"}, least_group=5)
    assert (strict.smallest_group, strict.suppressed, len(strict.table)) == (19, 1, 39)


def test_a_rare_category_or_free_text_is_removed_unless_asked_for(visits):
    visits["job"] = ["teacher"] * 39 + ["bishop of Rome"]
    assert column_roles(visits)["job"] == "remove"
    assert column_roles(visits, {"job": "keep", "remark": "note"})["remark"] == "note"
    found = deidentify_table(visits, KEY, {"remark": "note"}).table
    assert set(found["remark"].str[:17]) == {"Dr. [name] saw pa"}


def test_unknown_columns_and_roles_and_ages_that_are_none_are_refused(visits):
    with pytest.raises(ConfigurationError, match="no column 'sexx'"):
        column_roles(visits, {"sexx": "keep"})
    with pytest.raises(ConfigurationError, match="no role 'hide'"):
        column_roles(visits, {"sex": "hide"})
    with pytest.raises(InputError, match="age is no number"):
        deidentify_table(visits.assign(age="old"), KEY)


@given(st.integers(0, 130))
def test_no_age_over_89_is_left(age):
    found = deidentify_table(pd.DataFrame({"age": [age]}), KEY).table["age"][0]
    assert found == ("90+" if age > 89 else str(age))


@given(st.from_regex(r"[0-9]{5}(-[0-9]{4})?", fullmatch=True))
def test_a_zip_code_keeps_three_digits_and_small_places_none(code):
    found = deidentify_table(pd.DataFrame({"zip": [code]}), KEY).table["zip"][0]
    assert found == ("000" if code[:3] in SMALL_ZIP3 else code[:3])


def test_values_become_coarser_until_few_rows_are_left_out():
    rng = np.random.default_rng(0)
    n = 600
    table = pd.DataFrame(
        {
            "age": rng.integers(20, 99, n),
            "zip": rng.choice(["80331", "80333", "80634", "10115"], n),
            "sex": rng.choice(["F", "M"], n),
            "weight": rng.normal(70, 9, n),
        }
    )
    strict = deidentify_table(table, KEY, least_group=5)
    found = deidentify_table(table, KEY, least_group=5, generalise=True)
    assert found.quasi == strict.quasi == ("age", "zip", "sex")
    assert found.smallest_group == anonymity(found.table, found.quasi) >= 5
    assert found.suppressed <= 6 < strict.suppressed
    assert found.made_coarser["age"].startswith("ages in bands of ")
    assert found.table["age"].str.fullmatch(r"\d+-\d+|90\+").all()
    assert found.table["weight"].equals(table["weight"].loc[found.table.index])


def test_a_number_that_outsiders_know_counts_where_it_is_named():
    table = pd.DataFrame({"sex": ["F"] * 12, "height": [170.0] * 11 + [211.0], "id": range(12)})
    assert deidentify_table(table, KEY).smallest_group == 12
    found = deidentify_table(table, KEY, quasi=["height"], least_group=5, generalise=True)
    assert (found.quasi, found.suppressed, found.made_coarser) == (("height", "sex"), 1, {})
    assert set(found.table["height"]) == {170.0}
    for name in ("id", "hight"):
        with pytest.raises(ConfigurationError, match=f"'{name}' is no column that outsiders may know"):
            deidentify_table(table, KEY, quasi=[name])
    with pytest.raises(ConfigurationError, match="of no size"):
        deidentify_table(table, KEY, generalise=True)


def test_a_missing_value_is_a_value_of_its_own():
    table = pd.DataFrame({"a": ["x", None, None, ""], "b": [1, 2, 2, 2]})
    assert list(group_sizes(table, ["a", "b"])) == [1, 2, 2, 1]
    assert list(group_sizes(table, [])) == [4] * 4
    assert (anonymity(table, ["a"]), anonymity(table, ["b"]), anonymity(table[:0], ["a"])) == (1, 1, 0)
    with pytest.raises(ConfigurationError, match="no column 'c'"):
        group_sizes(table, ["c"])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from([None, "x"])),
        min_size=1,
        max_size=40,
    ),
    st.integers(2, 6),
)
def test_no_group_is_smaller_than_asked_for_and_every_row_is_counted(rows, least):
    table = pd.DataFrame(rows, columns=["a", "b", "c"])
    sizes = group_sizes(table, ["a", "b", "c"])
    assert list(sizes) == [sum(other == row for other in rows) for row in rows]
    found = deidentify_table(
        table, KEY, dict.fromkeys("abc", "keep"), quasi=["b"], least_group=least, generalise=True
    )
    assert found.table.empty or anonymity(found.table, found.quasi) >= least
    assert len(found.table) + found.suppressed == len(rows)
    # the last step leaves nothing to tell rows apart by
    assert found.suppressed <= max(least, 1) or len(rows) < least


def test_the_command_makes_values_coarser_and_says_so(visits, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDANOMALY_DEIDENTIFY_KEY", KEY.decode())
    source, out = tmp_path / "visits.csv", tmp_path / "shared"
    visits["age"] = range(40, 80)
    visits.to_csv(source, index=False)
    arguments = ["deidentify", str(source), "-o", str(out), "--generalise"]
    refused = CliRunner().invoke(cli, arguments)
    assert (refused.exit_code, "needs --least-group" in refused.output) == (2, True)
    result = CliRunner().invoke(cli, [*arguments, "--least-group", "5"])
    assert result.exit_code == 0, result.output
    record = json.loads((out / "deidentified.json").read_text())
    assert record["quasi_identifiers"] == ["date_of_birth", "admitted_at", "age", "zip", "sex"]
    assert record["smallest_group"] >= 5
    assert set(record["made_coarser"]) >= {"age"}
    assert f"age was made coarser: {record['made_coarser']['age']}" in result.output


def test_the_command_writes_table_and_record(visits, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDANOMALY_DEIDENTIFY_KEY", KEY.decode())
    source = tmp_path / "visits.csv"
    visits.to_csv(source, index=False)
    out = tmp_path / "shared"
    result = CliRunner().invoke(
        cli, ["deidentify", str(source), "-o", str(out), "--column", "barcode=remove"]
    )
    assert result.exit_code == 0, result.output
    table = pd.read_csv(out / "visits.csv", dtype=str)
    assert "barcode" not in table
    assert set(table["age"]) == {"90+", "64"}
    record = json.loads((out / "deidentified.json").read_text())
    assert record["columns"]["last_name"] == "remove"
    assert record["smallest_group"] == 20
    assert "Mustermann" not in (out / "deidentified.json").read_text() + table.to_csv()
    assert "smallest group: 20" in result.output
