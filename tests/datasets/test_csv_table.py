import pandas as pd

from medanomaly.datasets.outputs.csv_table import CSVTableDataset


def test_text_that_a_spreadsheet_would_run_is_quoted_and_read_back(tmp_path):
    cells = ["=1+1", "@SUM(A1)", "+cmd|x", "-2+3", "\t=1", "'=1", "-999", "+1.5e3", "plain", None]
    table = pd.DataFrame({"value": cells, "n": [-1.5] * len(cells), "=feature": "x"})
    dataset = CSVTableDataset(
        filepath=(tmp_path / "t.csv").as_posix(), load_args={"dtype": {"value": "string"}}
    )
    dataset.save(table)
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[0] == "value,n,'=feature"
    assert lines[1:5] == ["'=1+1,-1.5,x", "'@SUM(A1),-1.5,x", "'+cmd|x,-1.5,x", "'-2+3,-1.5,x"]
    # numbers are no formulas
    assert lines[7:9] == ["-999,-1.5,x", "+1.5e3,-1.5,x"]
    again = dataset.load()
    assert again["value"].tolist()[:9] == cells[:9]
    assert list(again) == list(table)
