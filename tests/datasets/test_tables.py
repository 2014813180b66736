"""Tables as they leave other programs: cells stay what they are, and a row that does not fit is named."""

import bz2
import gzip
import io
import lzma
import zipfile

import pandas as pd
import pytest
import sqlalchemy

from medanomaly.datasets.table import (
    CSVDataset,
    ExcelDataset,
    ParquetDataset,
    SQLQueryDataset,
    SQLTableDataset,
)
from medanomaly.plain_errors import plain_error
from medanomaly.tabular.table.cleaning import clean_table
from medanomaly.tabular.table.description import Column, TableSpec

LONG = [440101199001010000 + i // 2 for i in range(40)]


def read(tmp_path, text, bytes_as="utf-8", **load_args):
    path = tmp_path / "ward.csv"
    path.write_bytes(text.encode(bytes_as))
    return CSVDataset(filepath=path.as_posix(), load_args=load_args).load()


def refusal(tmp_path, text, **load_args):
    with pytest.raises(Exception, match="ward.csv") as caught:
        read(tmp_path, text, **load_args)
    return str(plain_error(caught.value))


@pytest.mark.parametrize("commas", [",", ",,,"])
def test_rows_that_end_with_commas_keep_their_columns(tmp_path, commas):
    table = read(tmp_path, f"record,hb,sick\n1,13.0,1{commas}\n2,13.1,0{commas}\n")
    assert table.to_dict("list") == {"record": ["1", "2"], "hb": ["13.0", "13.1"], "sick": ["1", "0"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n3,4,5\n", "line 3 has 3 fields, the header has 2"),
        ("a,b\n1,2,9\n3,4\n", "line 2 has 3 fields, the header has 2"),
        ("a,b\n4,1,5,3\n", "line 2 has 4 fields, the header has 2"),
        ("a,b\n1,2\n3\n", "line 3 has 1 field, the header has 2"),
        ('a,b\n"x\ny",2\n1,2,3\n', "line 4 has 3 fields, the header has 2"),
        ("a,b,a\n1,2,3\n", "two columns are named 'a'"),
    ],
)
def test_a_row_that_does_not_fit_the_header_is_named(tmp_path, text, said):
    assert said in refusal(tmp_path, text)
    assert "ward.csv" in refusal(tmp_path, text)


def test_cells_stay_as_they_are_written(tmp_path):
    table = read(tmp_path, "id,answer\n0012,None\n12,NA\n440101199001010001,\n")
    assert table["id"].tolist() == ["0012", "12", "440101199001010001"]
    assert table["answer"].tolist()[:2] == ["None", "NA"]
    assert table["answer"].isna().tolist() == [False, False, True]


def test_marks_that_the_catalog_names_are_applied_to_numbers_only(tmp_path):
    text = "id;crp\n0,5;1,234\nA,1;<0,5\n7;1.234,5 mg/L\n"
    table = read(tmp_path, text, sep=";", decimal=",", thousands=".")
    assert table["crp"].tolist() == ["1.234", "<0.5", "1234.5 mg/L"]
    assert table["id"].tolist()[1:] == ["A,1", "7"]


def test_options_of_pandas_still_work(tmp_path):
    text = "made by a device\na;b;c\n1;2;3\n"
    assert read(tmp_path, text, sep=";", skiprows=1, usecols=["c", "a"]).to_dict("list") == {
        "a": ["1"],
        "c": ["3"],
    }
    assert read(tmp_path, "a;b\nü;2\n", "latin-1", sep=";", encoding="latin-1")["a"].tolist() == ["ü"]
    assert read(tmp_path, "1,2\n", header=None, names=["a", "b"]).to_dict("list") == {"a": ["1"], "b": ["2"]}
    assert read(tmp_path, "a,b\n1.5,2\n", dtype={"a": float}).to_dict("list") == {"a": [1.5], "b": ["2"]}
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert CSVDataset(filepath=(tmp_path / "t.csv.gz").as_posix()).load()["b"].tolist() == ["2"]


def test_a_file_of_a_million_columns_is_refused_before_it_is_read(tmp_path):
    assert "1,000,001 fields" in refusal(tmp_path, ("," * 1_000_000 + "\n") * 4)


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("end", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zip", zipped)]
)
def test_a_compressed_table_may_not_become_far_larger_than_its_file(tmp_path, monkeypatch, end, pack):
    monkeypatch.setattr("medanomaly.core.unpacked_size.LARGEST_BYTES", 2**16)
    path = tmp_path / f"t.csv.{end}"
    dataset = CSVDataset(filepath=path.as_posix())
    path.write_bytes(pack(b"a,b\n" + b"1,2\n" * 10_000))
    assert len(dataset.load()) == 10_000
    path.write_bytes(pack(b"a,b\n" + b"1,2\n" * 100_000))
    monkeypatch.setattr("pandas.read_csv", None)
    with pytest.raises(Exception, match="when it is unpacked") as caught:
        dataset.load()
    assert f"t.csv.{end}: a file of" in str(plain_error(caught.value))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(Exception, match="t.csv") as caught:
        dataset.load()
    assert "cannot be unpacked" in str(plain_error(caught.value))


def test_a_workbook_may_not_become_far_larger_than_its_file(tmp_path, monkeypatch):
    pd.DataFrame({"a": ["same text"] * 3000}).to_excel(tmp_path / "t.xlsx", index=False)
    dataset = ExcelDataset(filepath=(tmp_path / "t.xlsx").as_posix())
    assert len(dataset.load()) == 3000
    monkeypatch.setattr("medanomaly.core.unpacked_size.LARGEST_BYTES", 2**16)
    monkeypatch.setattr("medanomaly.core.unpacked_size.LARGEST_RATIO", 2)
    with pytest.raises(Exception, match="when it is unpacked") as caught:
        dataset.load()
    assert "t.xlsx: a file of" in str(plain_error(caught.value))


@pytest.mark.parametrize("gap", [False, True])
def test_ids_keep_their_digits_in_every_reader(tmp_path, gap):
    ids = pd.array([*LONG[:-1], None if gap else LONG[-1]], dtype="Int64")
    table = pd.DataFrame({"patient": ids, "x": range(40)})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    table.astype({"patient": "string"}).to_excel(tmp_path / "t.xlsx", index=False)
    url = f"sqlite:///{tmp_path / 't.db'}"
    table.to_sql("visits", sqlalchemy.create_engine(url), index=False)
    of_file = {"csv": CSVDataset, "parquet": ParquetDataset, "xlsx": ExcelDataset}
    read = [kind(filepath=(tmp_path / f"t.{end}").as_posix()).load() for end, kind in of_file.items()]
    credentials = {"con": url}
    read.append(SQLTableDataset(table_name="visits", credentials=credentials).load())
    read.append(SQLQueryDataset(sql="SELECT * FROM visits", credentials=credentials).load())
    for raw in read:
        clean = clean_table(raw, TableSpec(patient_id="patient"))
        assert clean.cases["patient_id"].nunique() == 20
        assert set(clean.cases["patient_id"]) == set(map(str, LONG))
        assert clean.summary["n_kept"] == 40 - gap


def test_ids_that_lost_their_digits_elsewhere_are_refused(tmp_path):
    lost = pd.DataFrame({"patient": LONG, "x": range(40)})
    for raw in (lost.astype({"patient": float}), lost.assign(patient="4.40101E+17")):
        with pytest.raises(Exception, match="last digits of the id are gone"):
            clean_table(raw, TableSpec(patient_id="patient"))
    lost.to_excel(tmp_path / "t.xlsx", index=False)
    with pytest.raises(Exception, match="last digits of the id are gone"):
        clean_table(
            ExcelDataset(filepath=(tmp_path / "t.xlsx").as_posix()).load(), TableSpec(patient_id="patient")
        )


def test_0012_is_not_12_and_1001_point_0_is_1001(tmp_path):
    written = [f"{i:04d}" for i in range(20)] + [str(i) for i in range(20)]
    raw = pd.DataFrame({"visit": written, "x": range(40)})
    raw.to_excel(tmp_path / "t.xlsx", index=False)
    raw.to_csv(tmp_path / "t.csv", index=False)
    for kind, end in ((ExcelDataset, "xlsx"), (CSVDataset, "csv")):
        table = kind(filepath=(tmp_path / f"t.{end}").as_posix()).load()
        assert clean_table(table, TableSpec(case_id="visit")).cases["case_id"].tolist() == written
    mixed = ["A17", "1000.0", *[f"{1001 + i // 2}{'.0' * (i % 2)}" for i in range(38)]]
    cases = clean_table(
        pd.DataFrame({"patient": mixed, "x": range(40)}), TableSpec(patient_id="patient")
    ).cases
    assert cases["patient_id"].nunique() == 21


def test_only_the_tables_own_words_are_missing_in_a_category(tmp_path):
    text = "grade,x\n" + "\n".join(f"{['None', 'mild', '-9', 'NA'][i % 4]},{i}" for i in range(60))
    raw, spec = read(tmp_path, text), TableSpec(columns={"grade": Column(kind="category")})
    clean = clean_table(raw, spec)
    assert set(clean.records["grade"].dropna()) == {"None", "mild", "-9"}
    assert any("'None' (15 times) counts as a value" in note for note in clean.summary["notes"])
    own = clean_table(raw, spec.model_copy(update={"missing_values": (-9, "None")}))
    assert set(own.records["grade"].dropna()) == {"mild", "NA"}


def test_lists_in_cells_are_left_out_or_named(tmp_path):
    pd.DataFrame({"x": range(40), "beats": [[1, 2]] * 40}).to_parquet(tmp_path / "t.parquet")
    raw = ParquetDataset(filepath=(tmp_path / "t.parquet").as_posix()).load()
    clean = clean_table(raw, TableSpec())
    assert list(clean.records.columns) == ["case_id", "x"]
    assert "column 'beats' holds lists and is left out" in clean.summary["notes"]
    with pytest.raises(Exception, match="column 'beats': a cell holds a list. Give one value per cell"):
        clean_table(raw, TableSpec(columns={"beats": Column()}))


def test_two_columns_of_one_name_after_stripping_are_an_error():
    with pytest.raises(Exception, match="two columns are named 'a'"):
        clean_table(pd.DataFrame([[1, 2]] * 40, columns=["a", " a"]), TableSpec())


def test_a_preview_shows_no_row(tmp_path):
    (tmp_path / "t.csv").write_text("name,x\nAda Lovelace,1\n")
    preview = CSVDataset(filepath=(tmp_path / "t.csv").as_posix()).preview()
    assert preview == {"index": [], "columns": ["name", "x"], "data": []}
