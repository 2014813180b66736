import json
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medanomaly.core.bundle import MANIFEST, array_bytes, make_bundle, read_bundle, write_bundle
from medanomaly.core.errors import BundleError
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
