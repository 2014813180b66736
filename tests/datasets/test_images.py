import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.datasets.images import (
    ClassFoldersDataset,
    DicomFolderDataset,
    LabelledImagesDataset,
    MedMNISTDataset,
)
from medanomaly.datasets.synthetic_chest import SyntheticChestDataset
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.store import load_masks, open_store


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
