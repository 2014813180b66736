"""Words that name people, planted in a table, and where they may stand after a whole run."""

import zipfile

import numpy as np
import pandas as pd
import pytest

from tests.test_bad_input import Project, good_table

N = 240
# where each planted word may stand; everything else that a run writes is for more eyes than those of the ward
RECORDS = {"02_intermediate", "03_primary"}
DECISIONS = {
    # a column that is not described, or that is ignored, is nowhere
    "canaryname": set(),
    "canarynurse": set(),
    "49151777": set(),
    "canarymrn": set(),
    # patients are named in the case table, which the split needs, and in the list for those who look them up
    "canarypatient": RECORDS | {"cases.csv"},
    # a level of one patient is written as a rare one
    "canaryward": set(),
    "canarysite": set(),
    # notes stand in the records; words of two patients are not learned
    "canarysurname": {"02_intermediate"},
    # a cell that is no number is shown to whoever has to correct it
    "canarycell": {"02_intermediate", "quality_flags.csv", "quality.json"},
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("canaries"))
    patient = np.arange(N) // 2
    frame = good_table(N).assign(
        patient=[f"canarypatient{i}" for i in patient],
        name=[f"Ada Canaryname{i}" for i in patient],
        nurse=[f"Canarynurse {i % 50}" for i in patient],
        phone=[f"+49151777{i:04d}" for i in patient],
        mrn=[f"CANARYMRN{i}" for i in patient],
        ward=np.where(patient == 3, "Canaryward", np.where(patient % 2 == 0, "surgery", "medicine")),
        site=np.where(patient == 5, "Canarysite", np.where(patient % 3 == 0, "north", "south")),
        note=[f"{'fever cough' if i % 2 else 'wound drain'} seen today" for i in patient],
    )
    frame.loc[frame.index[[0, 10]], "note"] += " by canarysurname"
    frame = frame.astype({"a": object})
    frame.loc[7, "a"] = "Canarycell"
    project.table |= {
        "patient_id": "patient",
        "ignore": ["mrn"],
        "subgroups": {"site": "site"},
        "columns": project.table["columns"] | {"ward": {"kind": "category"}, "note": {"kind": "text"}},
    }
    project.run(frame)
    return project.outputs


def text_of(path):
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
        return " ".join(
            [
                *table.columns,
                *table.select_dtypes(exclude="number").astype("string").to_numpy().ravel().astype(str),
            ]
        )
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return " ".join(archive.read(name).decode("latin-1") for name in archive.namelist())
    return path.read_bytes().decode("latin-1")


@pytest.mark.parametrize("word", DECISIONS)
def test_a_word_that_names_a_person_stands_only_where_that_was_decided(outputs, word):
    files = [path for path in outputs.rglob("*") if path.is_file()]
    assert {"report.html", "manifest.json", "card.md"} <= {path.name for path in files}
    found = {path.relative_to(outputs) for path in files if word in text_of(path).lower()}
    strange = {path for path in found if not DECISIONS[word] & {path.parts[0], path.name}}
    assert not strange


def test_what_is_used_and_left_out_is_told(outputs):
    (path,) = outputs.glob("02_intermediate/*/tabular/summary.json")
    summary = pd.read_json(path, typ="series")
    assert set(summary["left_out"]) == {"name", "nurse", "phone"}
    assert set(summary["columns"]) == {"a", "b", "c", "d", "ward", "note", "site"}
    assert summary["undeclared"] == ["site"]
