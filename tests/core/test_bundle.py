import json
import os
import pickle
import subprocess
import sys

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medanomaly.core import bundle as bundle_module
from medanomaly.core import skops_io
from medanomaly.core.bundle import MANIFEST, array_bytes, make_bundle, read_bundle, write_bundle
from medanomaly.core.errors import BundleError
from medanomaly.core.onnx_session import open_session
from medanomaly.core.open_bundle import open_bundle

ABOUT = {"kind": "lbe", "name": "m", "modality": "imaging"}


@pytest.fixture
def folder(tmp_path):
    bundle = make_bundle(
        ABOUT | {"thresholds": {"score": 1.5}},
        {"calibration.npy": array_bytes(np.arange(5.0)), "card.md": b"# card"},
    )
    write_bundle(tmp_path / "m", bundle)
    return tmp_path / "m"


def test_a_bundle_comes_back_as_it_was_written(folder):
    bundle = read_bundle(folder)
    assert bundle.manifest["thresholds"] == {"score": 1.5}
    np.testing.assert_array_equal(bundle.array("calibration.npy"), np.arange(5.0))
    write_bundle(folder, bundle)
    assert read_bundle(folder).bundle_hash == bundle.bundle_hash
    assert sorted(p.name for p in folder.parent.iterdir()) == ["m"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data())
def test_a_bundle_with_one_flipped_bit_is_refused(folder, data):
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    original = path.read_bytes()
    position = data.draw(st.integers(0, len(original) - 1))
    changed = bytearray(original)
    changed[position] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(changed)
    try:
        # a flip inside the manifest's white space changes nothing that is said
        if path.name == MANIFEST and _same_json(original, bytes(changed)):
            read_bundle(folder)
        else:
            with pytest.raises(BundleError):
                read_bundle(folder)
    finally:
        path.write_bytes(original)


def _same_json(a, b):
    try:
        return json.loads(a) == json.loads(b)
    except ValueError:
        return False


class Canary:
    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle ran')",)


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "weights.pt", "extra.npy"])
def test_a_pickle_planted_in_a_bundle_never_runs(folder, name, listed):
    payload = pickle.dumps(Canary())
    if name.endswith(".npy"):
        header = np.lib.format.magic(1, 0)
        text = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
        payload = header + len(text).to_bytes(2, "little") + text + payload
    (folder / name).write_bytes(payload)
    if listed:
        # an attacker who rewrites the manifest too
        manifest = json.loads((folder / MANIFEST).read_text())
        files = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != MANIFEST}
        if not name.endswith(".npy"):
            with pytest.raises(BundleError, match="never loaded"):
                make_bundle(manifest, files)
            return
        write_bundle(folder, make_bundle(manifest, files))
        with pytest.raises(BundleError, match="no plain array"):
            read_bundle(folder).array(name)
        return
    with pytest.raises(BundleError):
        read_bundle(folder)


def test_an_edited_threshold_is_refused(folder):
    text = (folder / MANIFEST).read_text().replace("1.5", "9.5")
    (folder / MANIFEST).write_text(text)
    with pytest.raises(BundleError, match="altered"):
        read_bundle(folder)


def test_the_hash_of_a_bundle_leaves_out_when_it_was_made_and_nothing_else(folder):
    files = read_bundle(folder).files
    made = [
        make_bundle(ABOUT | {"created": when, "seed": seed}, files)
        for when, seed in (("a", 0), ("b", 0), ("a", 1))
    ]
    assert made[0].bundle_hash == made[1].bundle_hash != made[2].bundle_hash
    assert made[0].bundle_hash != make_bundle(made[0].manifest, files | {"card.md": b"# other"}).bundle_hash
    # the time is sealed all the same
    write_bundle(folder, made[0])
    (folder / MANIFEST).write_text(
        (folder / MANIFEST).read_text().replace('"created": "a"', '"created": "b"')
    )
    with pytest.raises(BundleError, match="altered"):
        read_bundle(folder)


def test_a_file_outside_the_folder_is_refused(folder):
    with pytest.raises(BundleError, match="plain file name"):
        make_bundle(ABOUT, {"../escape.npy": b""})
    (folder / "calibration.npy").rename(folder.parent / "elsewhere.npy")
    (folder / "calibration.npy").symlink_to(folder.parent / "elsewhere.npy")
    with pytest.raises(BundleError, match="link"):
        read_bundle(folder)


def test_a_missing_file_or_folder_is_named(folder):
    (folder / "card.md").unlink()
    with pytest.raises(BundleError, match=r"missing \['card.md'\]"):
        read_bundle(folder)
    with pytest.raises(BundleError, match="Train the model first"):
        read_bundle(folder.parent / "nothing")


def test_nan_in_a_manifest_is_refused():
    with pytest.raises(BundleError, match="plain JSON"):
        make_bundle(ABOUT | {"threshold": float("nan")}, {})


@pytest.mark.parametrize("absent", ["kind", "name", "modality"])
def test_a_manifest_says_what_it_is_of(absent):
    with pytest.raises(BundleError, match=absent):
        make_bundle({name: value for name, value in ABOUT.items() if name != absent}, {})


def test_a_bundle_of_an_unknown_kind_is_refused_by_its_kind():
    with pytest.raises(BundleError, match="unknown kind of model 'crystal_ball'.*isolation_forest"):
        open_bundle(make_bundle(ABOUT | {"kind": "crystal_ball"}, {}))


def test_the_kind_of_a_bundle_of_the_format_before_is_derived(folder):
    import hashlib

    path = folder / MANIFEST
    manifest = json.loads(path.read_text())
    old = {k: v for k, v in manifest.items() if k not in ("kind", "manifest_sha256")}
    old |= {"format_version": 1, "detector": "log band energies"}
    digest = hashlib.sha256(json.dumps(old, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(old | {"manifest_sha256": digest}))
    bundle = read_bundle(folder)
    assert bundle.manifest.kind == "lbe"
    write_bundle(folder, bundle)
    assert read_bundle(folder).manifest == bundle.manifest


def test_opening_a_bundle_imports_neither_kedro_nor_torch():
    import subprocess
    import sys

    code = (
        "import sys; from medanomaly.core.open_bundle import open_bundle; from medanomaly.core.models import kind, kinds;"
        "[kind(name) for name in kinds()]; print([m for m in ('kedro', 'torch', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "content",
    [
        b'{"sha256": {}, "x": NaN}',
        b'{"sha256": {}, "x": 1e400}',
        b'{"x": ' + b"[" * 10**5,
        b"[1, 2]",
        b"\xff\xfe",
    ],
)
def test_a_manifest_that_is_no_plain_json_is_refused(folder, content):
    if content.startswith(b'{"sha256"'):
        content = content[:-1] + b', "manifest_sha256": ""}'
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match="cannot be read"):
        read_bundle(folder)


def test_a_pipe_is_refused_and_what_a_file_manager_leaves_is_no_part_of_a_bundle(folder):
    (folder / ".DS_Store").write_bytes(b"x")
    assert sorted(read_bundle(folder).files) == ["calibration.npy", "card.md"]
    (folder / "card.md").unlink()
    os.mkfifo(folder / "card.md")
    with pytest.raises(BundleError, match="link or no file"):
        read_bundle(folder)


@pytest.mark.parametrize("step", [0, 1])
def test_a_kill_while_a_bundle_is_replaced_leaves_the_one_before_or_the_new_one(folder, monkeypatch, step):
    old, calls, replace = read_bundle(folder), [], os.replace

    def killed(source, target):
        if len(calls) == step:
            # nothing after this line runs in a process that is killed, not even what tidies up
            raise KeyboardInterrupt
        calls.append(target)
        replace(source, target)

    new = make_bundle(ABOUT | {"thresholds": {"score": 2.5}}, {})
    monkeypatch.setattr(bundle_module.os, "replace", killed)
    monkeypatch.setattr(bundle_module.shutil, "rmtree", lambda *args, **kwargs: None)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(folder, new)
    monkeypatch.undo()
    assert read_bundle(folder).bundle_hash == old.bundle_hash
    write_bundle(folder, new)
    assert read_bundle(folder).bundle_hash == new.bundle_hash
    assert [path.name for path in folder.parent.iterdir()] == ["m"]


def one_weight(**tensor):
    weight = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[1], **tensor)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "w"], ["location"])],
        "g",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])],
        [onnx.helper.make_tensor_value_info("location", onnx.TensorProto.FLOAT, [1])],
        [weight],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


def test_a_model_whose_weights_are_in_another_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "secret").write_bytes(np.float32([42.0]).tobytes())
    monkeypatch.chdir(tmp_path)
    place = onnx.StringStringEntryProto(key="location", value="secret")
    outside = one_weight(data_location=onnx.TensorProto.EXTERNAL, external_data=[place])
    with pytest.raises(BundleError, match="other files"):
        open_session(outside.SerializeToString())
    # the word alone is no reason
    inside = one_weight(raw_data=np.float32([1.0]).tobytes())
    assert open_session(inside.SerializeToString()).run(None, {"x": np.float32([2.0])})[0] == [3.0]


@pytest.mark.parametrize("content", [b"", b"garbage", b"location" * 20])
def test_what_is_no_model_is_refused(content):
    with pytest.raises(BundleError, match="cannot be opened"):
        open_session(content)


def an_estimator():
    array = np.arange(3.0)
    # a number that is a new object each time, an array in two places, keys that skops uses itself
    return {
        "a": float("1000.5"),
        "x": array,
        "again": array,
        "file": b"bytes",
        "__id__": [array + 1, {"__loader__": 1}],
    }


def test_equal_estimators_give_equal_bytes_and_come_back():
    first, second = an_estimator(), an_estimator()
    content = skops_io.dumps(first)
    assert content == skops_io.dumps(second) != skops_io.dumps(first | {"x": np.arange(4.0)})
    # one object in two places, or two that are equal, is the same number
    assert skops_io.dumps([value := float("7.5"), value]) == skops_io.dumps([float("7.5"), float("7.5")])
    again = skops_io.loads(content, [])
    assert again["x"] is again["again"]
    assert again.pop("__id__")[1] == first["__id__"][1]
    assert {key: np.asarray(value).tolist() for key, value in again.items()} == {
        key: np.asarray(value).tolist() for key, value in first.items() if key != "__id__"
    }


def test_estimators_are_sealed_and_read_without_importing_torch():
    code = (
        "import sys; from medanomaly.core import skops_io;"
        "content = skops_io.dumps({'a': [1.5]}); assert skops_io.loads(content, []) == {'a': [1.5]};"
        "assert 'torch' not in sys.modules; import sklearn.externals.array_api_compat.torch"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
