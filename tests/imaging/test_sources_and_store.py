import io
import os
import struct
import zlib
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest
from dicom_files import dicom, ramp
from PIL import Image

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.core.splits import SplitParams
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.folders import class_folders, dicom_folder, labelled_folder, medmnist
from medanomaly.imaging.sources.image_cases import ImageParams
from medanomaly.imaging.sources.manifest import assign_split
from medanomaly.imaging.sources.raw_image import decode
from medanomaly.imaging.sources.store import load_masks, open_store
from medanomaly.imaging.sources.subjects import subject_from_name, subtype_from_name
from medanomaly.pipelines.imaging.prepare_nodes import read_masks

CONTRACT = InputContract(size=16)


def png(shape=(20, 30), seed=0, dtype=np.uint8, kind="PNG") -> bytes:
    top = 65535 if dtype == np.uint16 else 255
    pixels = np.random.default_rng(seed).integers(0, top, shape).astype(dtype)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


KERMANY = (
    "train/NORMAL/IM-0115-0001.jpeg",
    "train/NORMAL/IM-0439-0001-0001.jpeg",
    "train/NORMAL/IM-0439-0001-0002.jpeg",
    "train/NORMAL/NORMAL2-IM-0439-0001.jpeg",
    "train/PNEUMONIA/person1000_bacteria_2931.jpeg",
    "train/PNEUMONIA/person1000_virus_1681.jpeg",
    "val/NORMAL/NORMAL2-IM-1427-0001.jpeg",
)
OFFICIAL_TEST = ("test/NORMAL/IM-0001-0001.jpeg", "test/PNEUMONIA/person1000_bacteria_9.jpeg")


def folder(root: Path, names) -> Path:
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(seed=i, kind="JPEG"))
    return root


def test_subjects_are_read_off_the_file_names():
    assert subject_from_name("person1000_bacteria_2931") == "person1000_bacteria"
    assert subject_from_name("person447_virus_921_1") == "person447_virus"
    assert subject_from_name("IM-0439-0001-0002") == "IM-0439"
    assert subject_from_name("NORMAL2-IM-0439-0001") == "NORMAL2-IM-0439"
    assert subject_from_name("image7") is None
    assert subtype_from_name("person1_virus_6") == "virus"


def test_class_folders_know_part_class_subject_and_subtype(tmp_path):
    source = class_folders(str(folder(tmp_path, KERMANY + OFFICIAL_TEST)))
    m = source.manifest.set_index("case_id")
    assert m.loc["train/NORMAL/IM-0115-0001", "label"] == 0
    assert m.loc["train/PNEUMONIA/person1000_virus_1681", "kind"] == "virus"
    assert m["patient_id"].nunique() == 7
    assert m["split_official"].value_counts().to_dict() == {"train": 7, "test": 2}
    assert source.notes == ()


def test_an_official_test_part_is_kept_and_its_patients_leave_training(tmp_path):
    source = class_folders(str(folder(tmp_path, KERMANY + OFFICIAL_TEST)))
    split, quarantine, note = assign_split(source.manifest, SplitParams())
    m = source.manifest.assign(split=split)
    assert (m.loc[m["split_official"] == "test", "split"] == "test").all()
    assert quarantine["case_id"].tolist() == ["train/PNEUMONIA/person1000_bacteria_2931"]
    assert len(quarantine) + m["split"].notna().sum() == len(m)
    assert m.dropna(subset="split").groupby("patient_id")["split"].nunique().max() == 1
    assert "official test part" in note


def test_without_an_official_test_part_subjects_are_split_and_it_is_said(tmp_path):
    source = class_folders(str(folder(tmp_path, KERMANY)))
    split, quarantine, note = assign_split(source.manifest, SplitParams())
    assert split.notna().all()
    assert quarantine.empty
    assert source.manifest.assign(split=split).groupby("patient_id")["split"].nunique().max() == 1
    assert "no official test part" in note


def test_a_table_of_subjects_wins_over_the_file_names(tmp_path):
    root = folder(tmp_path, KERMANY)
    pd.DataFrame(
        {"path": ["x/train/NORMAL/IM-0115-0001.jpeg"], "subject": ["S1"], "subtype": ["normal"], "aspect_confidence": [0.9]}
    ).to_csv(root / "subjects_train.csv")  # fmt: skip
    m = class_folders(str(root)).manifest.set_index("case_id")
    assert m.loc["train/NORMAL/IM-0115-0001", "patient_id"] == "S1"
    assert m.loc["train/NORMAL/IM-0115-0001", "aspect_confidence"] == 0.9
    assert m.loc["train/PNEUMONIA/person1000_virus_1681", "patient_id"] == "person1000_virus"


def test_file_names_agree_with_the_subjects_table_of_the_real_set():
    root = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "chest_xray"
    if not (root / "subjects_train.csv").exists():
        pytest.skip("chest_xray/subjects_train.csv is not in MEDANOMALY_DATA")
    table = pd.read_csv(root / "subjects_train.csv")
    stem = table["path"].map(lambda p: Path(p).stem)
    assert (stem.map(subject_from_name) == table["subject"]).all()
    assert (stem.map(subtype_from_name) == table["subtype"]).all()


def test_other_files_go_to_quarantine_and_hidden_ones_are_ignored(tmp_path):
    root = folder(
        tmp_path, [*KERMANY, "loose.png", "train/NORMAL/._IM-1.jpeg", "__MACOSX/train/NORMAL/a.jpeg"]
    )
    (root / "train/NORMAL/readme.txt").write_text("x")
    source = class_folders(str(root))
    assert len(source.manifest) == len(KERMANY)
    assert sorted(source.quarantine["case_id"]) == ["loose.png", "train/NORMAL/readme.txt"]


def test_a_folder_that_is_absent_or_has_no_normal_class_is_named(tmp_path):
    with pytest.raises(DataNotFoundError, match="does not exist"):
        class_folders(str(tmp_path / "absent"))
    with pytest.raises(InputError, match="Name it in 'normal'"):
        class_folders(str(folder(tmp_path, ["train/A/1.jpeg", "train/B/2.jpeg"])))


def test_store_reads_once_and_notices_a_changed_a_new_and_a_removed_file(tmp_path):
    root = folder(tmp_path / "raw", KERMANY)
    first = open_store(class_folders(str(root)), CONTRACT, tmp_path / "store")
    assert first.n_decoded == len(KERMANY)
    again = open_store(class_folders(str(root)), CONTRACT, tmp_path / "store")
    assert again.n_decoded == 0
    assert again.fingerprint == first.fingerprint

    changed = root / KERMANY[0]
    changed.write_bytes(png((50, 40), 99, kind="JPEG"))
    third = open_store(class_folders(str(root)), CONTRACT, tmp_path / "store")
    assert third.n_decoded == 1
    assert third.fingerprint != first.fingerprint
    assert third.manifest.loc[0, "width"] == 40
    expected = CONTRACT.prepare(decode(changed.read_bytes(), "x").pixels)
    assert np.array_equal(third.images[0], expected)
    assert np.array_equal(third.images[1:], first.images[1:])

    (root / KERMANY[1]).unlink()
    (root / "train/NORMAL/IM-0999-0001.jpeg").write_bytes(png(seed=5, kind="JPEG"))
    fourth = open_store(class_folders(str(root)), CONTRACT, tmp_path / "store")
    assert fourth.n_decoded == 1
    assert len(fourth.images) == len(KERMANY)


def test_touching_a_file_costs_a_hash_and_no_decoding(tmp_path):
    root = folder(tmp_path / "raw", KERMANY)
    open_store(class_folders(str(root)), CONTRACT, tmp_path / "store")
    os.utime(root / KERMANY[0], (1, 1))
    assert open_store(class_folders(str(root)), CONTRACT, tmp_path / "store").n_decoded == 0


def test_content_is_compared_when_asked_even_if_size_and_time_agree(tmp_path):
    root = folder(tmp_path / "raw", KERMANY)
    target = root / KERMANY[0]
    open_store(class_folders(str(root)), CONTRACT, tmp_path / "store")
    before, content = target.stat(), bytearray(target.read_bytes())
    content[-10] ^= 1
    target.write_bytes(bytes(content))
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    source = class_folders(str(root))
    assert open_store(source, CONTRACT, tmp_path / "store", verify="content").n_decoded == 1


def test_another_contract_builds_another_store(tmp_path):
    source = class_folders(str(folder(tmp_path / "raw", KERMANY)))
    first = open_store(source, CONTRACT, tmp_path / "store")
    other = open_store(source, InputContract(size=16, geometry="pad"), tmp_path / "store")
    assert other.n_decoded == len(KERMANY)
    assert other.fingerprint != first.fingerprint


def test_damaged_images_are_quarantined_with_a_reason_and_counts_add_up(tmp_path):
    root = folder(tmp_path / "raw", KERMANY)
    (root / KERMANY[2]).write_bytes((root / KERMANY[2]).read_bytes()[:100])
    (root / KERMANY[3]).write_bytes(b"")
    source = class_folders(str(root))
    for _ in range(2):
        store = open_store(source, CONTRACT, tmp_path / "store")
        assert len(store.images) == len(store.manifest) == len(KERMANY) - 2
        assert len(store.manifest) + len(store.quarantine) == len(source.manifest) + len(source.quarantine)
        assert store.quarantine["reason"].str.len().min() > 0
    (root / KERMANY[3]).write_bytes(png(kind="JPEG"))
    assert len(open_store(class_folders(str(root)), CONTRACT, tmp_path / "store").images) == len(KERMANY) - 1


def test_images_are_memory_mapped_and_rows_follow_the_manifest(tmp_path):
    source = class_folders(str(folder(tmp_path / "raw", KERMANY)))
    store = open_store(source, CONTRACT, tmp_path / "store", dtype="uint8")
    assert isinstance(store.images, np.memmap)
    for i, path in enumerate(store.manifest["path"]):
        expected = CONTRACT.prepare(decode(Path(path).read_bytes(), path).pixels)
        assert np.abs(store.batch(np.array([i]))[0] - expected).max() <= 0.5 / 255 + 1e-6
    assert np.allclose(store.manifest["aspect"], 1.5)


def test_a_folder_with_other_files_is_never_replaced(tmp_path):
    source = class_folders(str(folder(tmp_path / "raw", KERMANY)))
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="not a store"):
        open_store(source, CONTRACT, tmp_path / "store")
    assert (tmp_path / "store" / "thesis.txt").exists()


def test_a_remote_folder_is_read_through_its_url(tmp_path):
    memory = fsspec.filesystem("memory")
    for i, name in enumerate(KERMANY):
        memory.pipe(f"/films/{name}", png(seed=i, kind="JPEG"))
    try:
        remote = open_store(class_folders("memory://films"), CONTRACT, tmp_path / "a")
        local = open_store(
            class_folders(f"file://{folder(tmp_path / 'raw', KERMANY)}"), CONTRACT, tmp_path / "b"
        )
        assert np.array_equal(remote.images, local.images)
        memory.pipe(f"/films/{KERMANY[0]}", png(seed=77, kind="JPEG"))
        assert open_store(class_folders("memory://films"), CONTRACT, tmp_path / "a").n_decoded == 1
    finally:
        memory.rm("/films", recursive=True)


def test_medmnist_arrays_keep_their_official_test_part(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 6), ("val", 2), ("test", 4)):
        arrays[f"{part}_images"] = rng.integers(0, 255, (n, 28, 28)).astype(np.uint8)
        arrays[f"{part}_labels"] = (np.arange(n) % 2)[:, None]
    np.savez(tmp_path / "some.npz", **arrays)
    source = medmnist(str(tmp_path / "some.npz"))
    store = open_store(source, InputContract(size=28), tmp_path / "store")
    assert np.allclose(store.images[:6], arrays["train_images"] / np.float32(255))
    assert source.manifest["split_official"].value_counts().to_dict() == {"train": 8, "test": 4}
    assert "no patient" in source.notes[0]


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_a_broken_npz_is_named(tmp_path, content):
    if content is None:
        np.savez(tmp_path / "x.npz", other=np.zeros(3))
    else:
        (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(InputError, match="npz|MedMNIST"):
        medmnist(str(tmp_path / "x.npz"))


def test_an_npz_that_becomes_far_larger_than_its_file_is_not_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr("medanomaly.core.unpacked_size.LARGEST_BYTES", 2**16)
    np.savez_compressed(tmp_path / "x.npz", train_images=np.zeros((10, 256, 256), dtype=np.uint8))
    with pytest.raises(InputError, match="when it is unpacked"):
        medmnist(str(tmp_path / "x.npz"))


def test_a_dicom_folder_gives_labels_pseudonyms_and_a_note_on_burned_in_text(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "IM0001").write_bytes(dicom(ramp()))
    (tmp_path / "b.dcm").write_bytes(dicom(ramp(), BurnedInAnnotation="YES", PatientID="H-2"))
    (tmp_path / "c.dcm").write_bytes(b"no dicom")
    labels = pd.DataFrame({"path": ["b.dcm", "gone.dcm"], "label": [1, 0]})
    source = dicom_folder(str(tmp_path), labels)
    m = source.manifest.set_index("case_id")
    assert m.loc["b.dcm", "label"] == 1
    assert pd.isna(m.loc["sub/IM0001", "label"])
    assert m["patient_id"].nunique() == 2
    assert source.notes == ("1 images say that text is burned into their pixels.",)
    assert sorted(source.quarantine["case_id"]) == ["c.dcm", "gone.dcm"]
    store = open_store(source, CONTRACT, tmp_path.parent / "dicom_store")
    assert store.images.shape == (2, 16, 16)


def test_a_table_of_labels_with_masks_for_some(tmp_path):
    (tmp_path / "masks").mkdir()
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 10:20] = 255
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    for i, name in enumerate(("a.png", "b.png", "c.png")):
        (tmp_path / name).write_bytes(png(seed=i))
    table = pd.DataFrame(
        {
            "file": ["a.png", "b.png", "d.png"],
            "ill": [1, 0, 1],
            "who": ["p1", "p1", "p2"],
            "m": ["masks/a.png", None, None],
            "site": ["x", "y", "x"],
        }
    )
    source = labelled_folder(
        str(tmp_path), table, path_column="file", label_column="ill", patient_column="who", mask_column="m"
    )
    assert source.manifest["case_id"].tolist() == ["a", "b"]
    assert source.manifest["site"].tolist() == ["x", "y"]
    assert source.manifest["patient_id"].tolist() == ["p1", "p1"]
    assert sorted(source.quarantine["reason"]) == [
        "has no row in the label table",
        "in the label table, but the file does not exist",
    ]
    store = open_store(source, CONTRACT, tmp_path.parent / "table_store")
    masks, known = load_masks(source, store.manifest, CONTRACT)
    assert known.tolist() == [True, False]
    assert 60 <= masks[0].sum() <= 70
    assert not masks[1].any()


def test_a_mask_of_another_shape_than_its_image_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(png((20, 30)))
    (tmp_path / "m.png").write_bytes(png((20, 31)))
    table = pd.DataFrame({"path": ["a.png"], "label": [1], "m": ["m.png"]})
    source = labelled_folder(str(tmp_path), table, mask_column="m")
    store = open_store(source, CONTRACT, tmp_path.parent / "mask_store")
    with pytest.raises(InputError, match="31 x 20"):
        load_masks(source, store.manifest, CONTRACT)


@pytest.mark.parametrize("label", ["ill", 2, 0.5])
def test_a_label_that_is_neither_0_nor_1_is_named(tmp_path, label):
    (tmp_path / "a.png").write_bytes(png())
    with pytest.raises(InputError, match="neither 0, 1"):
        labelled_folder(str(tmp_path), pd.DataFrame({"path": ["a.png"], "label": [label]}))


def test_sixteen_bits_palette_colour_and_transparency_become_grey_in_range():
    deep = decode(png(dtype=np.uint16), "x").pixels
    assert 0.9 < deep.max() <= 1
    colour = Image.fromarray(np.full((4, 5, 3), (255, 0, 0), np.uint8))
    for mode in ("RGB", "RGBA", "P", "LA", "1"):
        buffer = io.BytesIO()
        colour.convert(mode).save(buffer, "PNG")
        pixels = decode(buffer.getvalue(), "x").pixels
        assert pixels.shape == (4, 5)
        assert pixels.max() <= 1


MVTEC = (
    *(f"train/good/{i}.png" for i in range(3)),
    *(f"test/good/{i}.png" for i in range(2)),
    *(f"test/nodule/{i}.png" for i in range(2)),
)


@pytest.mark.parametrize(
    "masks",
    [
        ("ground_truth/nodule/0_mask.png", "ground_truth/nodule/1_mask.png"),
        ("ground_truth/nodule/0.png", "ground_truth/nodule/1.png"),
        ("test/nodule/masks/0.png", "test/nodule/masks/1.png"),
    ],
)
@pytest.mark.parametrize("above", ["", "lung/"])
def test_masks_in_a_folder_of_their_own_are_masks_and_no_images(tmp_path, masks, above):
    folder(tmp_path, [above + name for name in MVTEC])
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 10:20] = 255
    for name in (*masks, masks[0].replace("0", "7")):
        (tmp_path / above / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(tmp_path / above / name)
    source = class_folders(str(tmp_path))
    assert len(source.manifest) == len(MVTEC)
    assert (source.manifest["label"] == 1).sum() == 2
    assert source.manifest.loc[source.manifest["mask_path"].notna(), "case_id"].tolist() == [
        f"{above}test/nodule/0",
        f"{above}test/nodule/1",
    ]
    assert source.quarantine["reason"].tolist() == ["a mask that belongs to no image"]
    store = open_store(source, CONTRACT, tmp_path.parent / "mvtec_store")
    drawn, known = load_masks(source, store.manifest, CONTRACT)
    assert known.sum() == 2
    assert 60 <= drawn[known][0].sum() <= 70


def six(root: Path) -> Path:
    for i in range(6):
        (root / f"00000{i}.png").write_bytes(png(seed=i))
    return root


@pytest.mark.parametrize(
    "spelling",
    [
        "00000{}.png",
        "./00000{}.png",
        "00000{}",
        " 00000{}.PNG",
        ".\\00000{}.png",
        "{folder}/00000{}.png",
        "{folder}\\00000{}.png",
        "C:\\scans\\{folder}\\00000{}.png",
        "00000{}.dcm",
    ],
)
def test_spellings_of_a_path_find_the_same_file(tmp_path, spelling):
    table = pd.DataFrame(
        {"path": [spelling.format(i, folder=six(tmp_path).name) for i in range(6)], "label": [0, 1] * 3}
    )
    source = labelled_folder(str(tmp_path), table)
    assert source.manifest["label"].tolist() == [0, 1] * 3
    assert source.quarantine.empty


def test_a_name_without_folders_fits_the_one_file_that_has_it(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for name in ("a/1.png", "a/2.png", "b/2.png", "b/3.png"):
        (tmp_path / name).write_bytes(png())
    table = pd.DataFrame({"path": ["1.png", "3.png", "2.png"], "label": [1, 0, 1]})
    source = labelled_folder(str(tmp_path), table)
    assert source.manifest["case_id"].tolist() == ["a/1", "b/3"]
    assert len(source.quarantine) == 3


@pytest.mark.parametrize(
    ("paths", "shown"),
    [
        ([str(i) for i in range(6)], "00000"),
        (
            [*(f"00000{i}.png" for i in range(3)), *(f"x0000{i}.png" for i in range(3, 6))],
            "000003.png.*x00003.png",
        ),
    ],
)
def test_a_table_that_fits_nothing_or_half_is_an_error_with_a_pair(tmp_path, paths, shown):
    table = pd.DataFrame({"path": paths, "label": [0, 1] * 3})
    with pytest.raises(InputError, match=shown):
        labelled_folder(str(six(tmp_path)), table)
    for file in tmp_path.iterdir():
        file.write_bytes(dicom(ramp()))
    with pytest.raises(InputError, match=shown):
        dicom_folder(str(tmp_path), table)


def test_a_table_of_many_more_files_than_are_there_is_fine(tmp_path):
    table = pd.DataFrame({"path": [f"{i:06d}.png" for i in range(60)], "label": [0, 1] * 30})
    source = labelled_folder(str(six(tmp_path)), table)
    assert len(source.manifest) == 6
    assert len(source.quarantine) == 54


def test_columns_keep_their_own_values(tmp_path):
    table = pd.DataFrame(
        {
            "path": ["other"] * 6,
            "label": ["word"] * 6,
            "file": [f"00000{i}.png" for i in range(6)],
            "abnormal": ["0", "1", "NA", "1.0", "", "1"],
            "patient": [*(str(10**17 + i) for i in range(5)), ""],
            "site": ["01", "02", "01", "02", "01", "02"],
            "dose": ["1.5", "2", "", "3", "4", "5"],
        }
    )
    source = labelled_folder(
        str(six(tmp_path)), table, "file", "abnormal", patient_column="patient", kind_column="abnormal"
    )
    m = source.manifest
    assert m["label"].tolist()[:2] == [0, 1]
    assert m["label"].isna().tolist() == [False, False, True, False, True, False]
    assert m["kind"].tolist()[:2] == ["0", "1"]
    assert m["patient_id"].tolist() == [*(str(10**17 + i) for i in range(5)), "000005"]
    assert m["site"].tolist() == ["01", "02"] * 3
    assert m["dose"].sum() == 15.5
    assert len(source.notes) == 2
    assert "Column 'path'" in source.notes[0]


def test_a_mask_that_does_not_exist_costs_only_the_mask(tmp_path):
    table = pd.DataFrame(
        {
            "path": [f"00000{i}.png" for i in range(4)],
            "label": [1, 1, 0, 0],
            "m": [".\\000005.png", "gone.png", None, "none"],
        }
    )
    source = labelled_folder(str(six(tmp_path)), table, mask_column="m")
    assert source.manifest["mask_path"].notna().tolist() == [True, False, False, False]
    assert source.quarantine.set_index("case_id")["reason"]["gone.png"].startswith(
        "a mask in the label table"
    )
    store = open_store(source, CONTRACT, tmp_path.parent / "gone_store")
    assert load_masks(source, store.manifest, CONTRACT)[1].tolist() == [True, False, False, False]
    (tmp_path / "000005.png").write_bytes(b"damaged")
    assert not load_masks(source, store.manifest, CONTRACT)[1].any()
    params = ImageParams(contract=CONTRACT, store="")
    assert read_masks(source, store.manifest, params)["rows"].tolist() == []


def test_named_pipes_and_broken_links_are_set_aside_and_links_to_files_are_read(tmp_path):
    six(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "000000.png")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    table = pd.DataFrame({"path": [*(f"00000{i}.png" for i in range(6)), "link.png"], "label": [0] * 7})
    source = labelled_folder(str(tmp_path), table)
    assert len(source.manifest) == 7
    assert source.quarantine["reason"].tolist() == ["it is no regular file"] * 2


def test_a_hidden_file_of_the_desktop_does_not_stop_a_store(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / ".DS_Store").write_bytes(b"x")
    source = class_folders(str(folder(tmp_path / "raw", KERMANY)))
    assert len(open_store(source, CONTRACT, tmp_path / "store").images) == len(KERMANY)


def test_one_bad_dicom_file_costs_only_itself(tmp_path):
    (tmp_path / "a.dcm").write_bytes(dicom(ramp()))
    (tmp_path / "b.dcm").write_bytes(dicom(ramp(), WindowCenter=0, WindowWidth=-3))
    (tmp_path / "c.dcm").write_bytes(dicom(ramp())[:400])
    (tmp_path / "d.dcm").write_bytes(dicom(ramp()).replace(b"\x28\0\x10\0US", b"\x28\0\x10\0ZZ"))
    source = dicom_folder(str(tmp_path))
    store = open_store(source, CONTRACT, tmp_path.parent / "bad_store")
    assert store.manifest["case_id"].tolist() == ["a.dcm"]
    assert sorted(store.quarantine["case_id"]) == ["b.dcm", "c.dcm", "d.dcm"]


@pytest.mark.parametrize(
    "error", [MemoryError(), RecursionError("deep"), PermissionError(13, "Permission denied", "/x/DOE")]
)
def test_whatever_a_file_raises_it_is_that_files_quarantine(tmp_path, monkeypatch, error):
    source = class_folders(str(folder(tmp_path / "raw", KERMANY)))
    whole = type(source.reader).decode

    def decode_or_fail(self, content, path):
        if path.endswith(KERMANY[2]):
            raise error
        return whole(self, content, path)

    monkeypatch.setattr(type(source.reader), "decode", decode_or_fail)
    store = open_store(source, CONTRACT, tmp_path / "store")
    assert len(store.images) == len(KERMANY) - 1
    (reason,) = store.quarantine["reason"]
    assert reason.startswith("cannot be read: ")
    assert "DOE" not in reason


def test_a_small_file_of_many_pixels_is_refused_before_it_is_decoded():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", 9000, 8000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(InputError, match="9000 x 8000 px are too many"):
        decode(bomb, "x.png")


@pytest.mark.parametrize(
    "content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"GIF89a" + bytes(40), b"text"]
)
def test_other_formats_are_refused_whatever_their_name(content):
    with pytest.raises(InputError, match="no PNG, JPEG, BMP, TIFF or DICOM file"):
        decode(content, "image.png")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_exif_says(kind, orientation):
    upright = np.zeros((24, 40), np.uint8)
    upright[:8, :16], upright[8:, :8] = 255, 128
    # how a camera that is held like this stores the picture
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.T, 6: np.rot90(upright), 7: upright[::-1, ::-1].T, 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(stored)).save(
        buffer, kind, exif=exif, **({"quality": 100} if kind == "JPEG" else {})
    )
    pixels = decode(buffer.getvalue(), "x").pixels
    assert pixels.shape == upright.shape
    assert np.abs(pixels - upright / 255).max() < 0.03


@pytest.mark.parametrize(("white_is_zero", "bits"), [(False, 16), (True, 16), (True, 8), (False, 8)])
def test_a_tiff_whose_white_is_zero_is_inverted(white_is_zero, bits):
    values = np.arange(600).reshape(20, 30) * (100 if bits == 16 else 255 / 599)
    values = values.astype(np.uint16 if bits == 16 else np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "TIFF")
    content = bytearray(buffer.getvalue())
    # PhotometricInterpretation (262) as a SHORT: 1 is black is zero
    place = content.find(struct.pack("<HHIH", 262, 3, 1, 1)) + 8
    content[place] = 0 if white_is_zero else 1
    shown = values / (2**bits - 1)
    assert np.allclose(decode(bytes(content), "x").pixels, 1 - shown if white_is_zero else shown, atol=1e-6)


def test_an_image_that_uses_almost_nothing_of_its_range_is_noted(tmp_path):
    root = folder(tmp_path / "raw", KERMANY)
    dark = np.random.default_rng(0).integers(0, 9, (20, 30)).astype(np.uint8)
    Image.fromarray(dark).save(root / KERMANY[0], "PNG")
    for _ in range(2):
        store = open_store(class_folders(str(root)), CONTRACT, tmp_path / "store")
        assert store.notes == ("1 images use less than 5 % of the range of grey values.",)


def test_two_images_of_one_stem_are_two_cases(tmp_path):
    for name in ("n/a.png", "n/a.jpeg", "p/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png())
    source = class_folders(str(tmp_path), normal=("n",))
    assert source.manifest["case_id"].tolist() == ["n/a.jpeg", "n/a.png", "p/b"]
