import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.imaging.dicom_files import dicom, ramp

from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError
from medanomaly.core.splits import SplitParams
from medanomaly.datasets.images import (
    ClassFoldersDataset,
    DicomFolderDataset,
    LabelledImagesDataset,
    MedMNISTDataset,
)
from medanomaly.datasets.pseudonym_key import FILE, VARIABLE, project_key
from medanomaly.datasets.synthetic_chest import SyntheticChestDataset
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.image_cases import image_cases
from medanomaly.imaging.sources.store import load_masks, open_store
from medanomaly.pipelines.imaging.modality import file_names


def png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(600, dtype=np.uint8).reshape(20, 30)).save(buffer, "PNG")
    return buffer.getvalue()


def test_class_folders_take_the_users_own_names_for_normal(tmp_path):
    for name in ("Gesund/a.png", "Krank/b.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(png())
    manifest = ClassFoldersDataset(url=str(tmp_path), normal=["Gesund"]).load().manifest
    assert dict(zip(manifest["kind"], manifest["label"], strict=True)) == {"gesund": 0, "krank": 1}


def test_medmnist_classes_can_be_declared_normal(tmp_path):
    path = tmp_path / "some.npz"
    np.savez(path, train_images=np.zeros((3, 8, 8), np.uint8), train_labels=np.array([[0], [1], [2]]))
    assert MedMNISTDataset(url=str(path), normal=[1, 2]).load().manifest["label"].tolist() == [1, 0, 0]


def test_label_tables_are_read_and_their_columns_named(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    pd.DataFrame({"file": ["a.png"], "label": [1]}).to_csv(tmp_path / "labels.csv", index=False)
    dataset = LabelledImagesDataset(
        url=str(tmp_path), labels=str(tmp_path / "labels.csv"), columns={"path_column": "file"}
    )
    source = dataset.load()
    assert source.manifest["label"].tolist() == [1]
    # the table itself is no image
    assert source.quarantine["case_id"].tolist() == ["labels.csv"]


def test_absent_data_is_named_and_nothing_is_ever_written(tmp_path):
    absent = str(tmp_path / "absent")
    for dataset in (
        ClassFoldersDataset(url=absent),
        MedMNISTDataset(url=absent),
        DicomFolderDataset(url=absent),
        LabelledImagesDataset(url=absent, labels=absent + ".csv"),
    ):
        assert not dataset.exists()
        with pytest.raises(Exception, match="does not exist") as caught:
            dataset.load()
        assert isinstance(caught.value.__cause__ or caught.value, DataNotFoundError)
        with pytest.raises(Exception, match="read only"):
            dataset.save(object())


def test_phantoms_of_the_cohort_go_through_the_store_with_exact_masks(tmp_path):
    source = SyntheticChestDataset(n_patients=40, lesion_share=0.5, height=64).load()
    contract = InputContract()
    store = open_store(source, contract, tmp_path / "store")
    masks, known = load_masks(source, store.manifest, contract)
    ill = (store.manifest["label"] == 1).to_numpy(dtype=bool)
    assert known.all()
    assert not masks[~ill].any()
    assert masks[ill].any(axis=(1, 2)).mean() > 0.9
    assert {"sex", "site", "aspect"} <= set(store.manifest.columns)
    again = open_store(
        SyntheticChestDataset(n_patients=40, lesion_share=0.5, height=64).load(), contract, tmp_path / "store"
    )
    assert again.n_decoded == 0
    assert not isinstance(store.manifest["label"].dtype, np.dtype)


def test_phantoms_are_read_only():
    with pytest.raises(Exception, match="read only") as caught:
        SyntheticChestDataset(n_patients=1).save(object())
    assert isinstance(caught.value.__cause__ or caught.value, InputError)


@pytest.mark.parametrize("names", [[f"{i:06d}" for i in range(6)], [f"{i:06d}.dcm" for i in range(6)]])
def test_names_of_a_label_table_are_text(tmp_path, monkeypatch, names):
    monkeypatch.setenv(VARIABLE, "k" * 32)
    (tmp_path / "raw").mkdir()
    for i in range(6):
        (tmp_path / "raw" / f"{i:06d}").write_bytes(dicom(ramp(), PatientID=f"H-{i}"))
    pd.DataFrame({"path": names, "label": [0, 1] * 3}).to_csv(tmp_path / "labels.csv", index=False)
    source = DicomFolderDataset(url=str(tmp_path / "raw"), labels=str(tmp_path / "labels.csv")).load()
    assert source.manifest.sort_values("path")["label"].tolist() == [0, 1] * 3
    assert source.quarantine.empty


def test_a_label_table_whose_rows_are_longer_than_its_header_is_an_error(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "labels.csv").write_text("path,label\na.png,1,\n")
    with pytest.raises(Exception, match="more values than the header"):
        LabelledImagesDataset(url=str(tmp_path), labels=str(tmp_path / "labels.csv")).load()


def test_neither_names_of_files_nor_patients_leave_a_dicom_folder(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "k" * 32)
    raw = tmp_path / "raw"
    raw.mkdir()
    for i in range(40):
        (raw / f"DOE_JOHN_{i}.dcm").write_bytes(dicom(ramp(), PatientID=f"H-{i // 2}"))
    (raw / "DOE_JANE.dcm").write_bytes(dicom(ramp())[:300])
    (raw / "DOE_JIM.dcm").write_bytes(dicom(ramp(), WindowCenter=1, WindowWidth=-1))
    # a table may name patients too, and must then mean the same people
    pd.DataFrame(
        {
            "path": [f"DOE_JOHN_{i}.dcm" for i in range(40)],
            "label": 0,
            "patient_id": [f"H-{i // 2}" for i in range(40)],
        }
    ).to_csv(tmp_path / "labels.csv", index=False)
    source = DicomFolderDataset(url=str(raw), labels=str(tmp_path / "labels.csv")).load()
    plain = DicomFolderDataset(url=str(raw)).load()
    columns = ["case_id", "patient_id"]
    assert source.manifest[columns].equals(plain.manifest[columns])
    store = open_store(source, InputContract(size=16), tmp_path / "store")
    manifest, cases, quarantine, summary = image_cases(source, store, SplitParams())
    assert cases["patient_id"].nunique() == 20
    assert len(quarantine) == 2
    assert file_names(manifest) == {}
    shown = cases.to_csv() + quarantine.drop(columns="path").to_csv() + str(summary)
    assert not any(word in shown for word in ("DOE", "H-", "4711", "JANE"))
    # the intermediate tables say which file it is
    assert quarantine["path"].str.contains("DOE").all()
    monkeypatch.setenv(VARIABLE, "another key of the project")
    assert not set(DicomFolderDataset(url=str(raw)).load().manifest["case_id"]) & set(manifest["case_id"])


def test_names_of_other_images_are_hidden_where_it_is_wanted(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "k" * 32)
    for name in ("normal/DOE.png", "ill/ROE.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(png())
    open_names = ClassFoldersDataset(url=str(tmp_path)).load().manifest
    assert open_names["case_id"].tolist() == ["ill/ROE", "normal/DOE"]
    hidden = ClassFoldersDataset(url=str(tmp_path), pseudonyms=True).load().manifest
    assert not hidden[["case_id", "patient_id"]].to_csv().count("OE")
    assert (hidden["case_id"] == hidden["patient_id"]).all()


def test_the_key_of_a_project_is_made_once_and_only_its_owner_may_read_it(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    key = project_key()
    assert len(key) == 64
    assert project_key() == key
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    (tmp_path / FILE).write_text("short")
    with pytest.raises(ConfigurationError, match="fewer than 16"):
        project_key()
    monkeypatch.setenv(VARIABLE, "a key of the hospital")
    assert project_key() == b"a key of the hospital"
