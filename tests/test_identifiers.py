"""Words that name people, planted in a table and in DICOM files, and where they may stand after a whole run."""

import io
import logging
import re
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from pydicom import DataElement, dcmread
from pydicom.datadict import tag_for_keyword

from medanomaly.datasets.pseudonym_key import VARIABLE
from tests.conftest import ROOT, described_models
from tests.imaging.dicom_files import dicom
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


# --- DICOM files ---

N_FILMS = 120
# names of files, and what stands in fields that are read, are only in tables for those who look a file up
LOOKED_UP = {"manifest.parquet", "quarantine.parquet", "index.parquet"}


def film(i):
    """A DICOM file that names a person wherever it can."""
    rng, patient = np.random.default_rng(i), i // 2
    y, x = np.mgrid[:40, :36]
    pixels = 1500 + 700 * np.sin(x / 5 + rng.normal()) * np.cos(y / 7) + rng.normal(0, 50, x.shape)
    pixels[10:18, 10:18] += 1500 * (i % 5 == 0)
    content = dicom(
        np.clip(pixels, 0, 4095).astype(np.uint16),
        PatientName=f"Canary^John^{patient}",
        PatientID=f"CANARYID{patient}",
        OtherPatientIDs=f"CANARYOTHER{patient}",
        PatientBirthDate="19491231",
        PatientSex="FM"[patient % 2],
        ViewPosition=("PA", "AP")[i % 2],
        AccessionNumber=f"CANARYACC{i}",
        InstitutionName="Canary clinic",
        ReferringPhysicianName="Canary^Ruth",
        StudyDescription="after canary surgery",
        ImageComments=f"canary comment {i}",
    )
    fields = {60: "ViewPosition", 62: "PatientSex", 64: "WindowCenter", 66: "PixelRepresentation"}
    fields |= {68: "PhotometricInterpretation", 70: "PatientAge"}
    dataset = dcmread(io.BytesIO(content))
    dataset.private_block(0x11, "CANARY MAKER", create=True).add_new(1, "LO", "canary private")
    if i in fields:
        tag = tag_for_keyword(fields[i])
        dataset[tag] = DataElement(tag, "LO", "CANARY JOHN")
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def film_outputs(tmp_path_factory):
    """The folder of outputs of a run on DICOM files, with what the run logged as one more file."""
    folder = tmp_path_factory.mktemp("films")
    names = [f"ward/CANARY_JOHN_{i}.dcm" for i in range(N_FILMS)]
    (folder / "raw" / "ward").mkdir(parents=True)
    for i, name in enumerate(names):
        (folder / "raw" / name).write_bytes(film(i))
    (folder / "raw" / "CANARY_CUT.dcm").write_bytes(film(0)[:400])
    (folder / "raw" / "CANARY.txt").write_text("canary")
    table = pd.DataFrame({"path": names, "label": [int(i % 5 == 0) for i in range(N_FILMS)]})
    table.loc[len(table)] = ["ward/CANARY_ABSENT.dcm", 0]
    table.to_csv(folder / "labels.csv", index=False)
    outputs, env = folder / "out", folder / "conf" / "films"
    shutil.copytree(ROOT / "conf", folder / "conf")
    env.mkdir()
    raw = {"type": "medanomaly.datasets.images.DicomFolderDataset", "url": str(folder / "raw")}
    parameters = {
        "imaging_processing": {"contract": {"size": 32}},
        "evaluation": {"n_resamples": 100},
        "models": {"imaging": dict.fromkeys(described_models("imaging")) | {"lbe": {}}},
    }
    for name, content in {
        "catalog": {"imaging.raw": raw | {"labels": str(folder / "labels.csv")}},
        "globals": {"dataset": "films", "outputs": str(outputs)},
        "parameters": parameters,
    }.items():
        (env / f"{name}.yml").write_text(yaml.safe_dump(content))
    logged = logging.StreamHandler(io.StringIO())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "k" * 32)
        bootstrap_project(ROOT)
        with KedroSession.create(ROOT, env="films", conf_source=str(folder / "conf")) as session:
            logging.getLogger().addHandler(logged)
            try:
                session.run()
            finally:
                logging.getLogger().removeHandler(logged)
    (outputs / "log.txt").write_text(logged.stream.getvalue())
    return outputs


def test_nothing_of_a_dicom_file_that_names_a_person_leaves_the_tables_for_looking_it_up(film_outputs):
    files = [path for path in film_outputs.rglob("*") if path.is_file()]
    assert {"report.html", "card.md", "scores.parquet", "cases.csv"} <= {path.name for path in files}
    assert "write_report" in (film_outputs / "log.txt").read_text()
    naming = re.compile("canary|john|ruth|19491231", re.IGNORECASE)
    found = {path.relative_to(film_outputs) for path in files if naming.search(text_of(path))}
    assert {
        path for path in found if path.parts[0] != "02_intermediate" or path.name not in LOOKED_UP
    } == set()
    # not even there, except for names of files
    manifest = text_of(film_outputs / "02_intermediate/films/imaging/manifest.parquet")
    assert not naming.search(re.sub(r"\S*CANARY_JOHN_\d+\.dcm|CANARY JOHN", "", manifest))
    # a patient is a pseudonym, the same in every table
    cases = pd.read_parquet(film_outputs / "03_primary/films/imaging/cases.parquet")
    assert cases["patient_id"].str.fullmatch("D[0-9a-f]{16}").all()
    assert cases["case_id"].str.fullmatch("I[0-9a-f]{16}").all()
    assert cases["patient_id"].nunique() == N_FILMS // 2
