"""Small files that become large in memory: each is an error that names it, in a process that may not have much memory."""

import gzip
import io
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian

from tests.conftest import ROOT
from tests.imaging.dicom_files import dicom, ramp

resource = pytest.importorskip("resource")

LIMIT, MIB = 2**31, 2**20
# file -> what is said of it
SAID = {
    "pixels.png": "exceeds limit",
    "comment.png": "too large",
    "profile.png": "too large",
    "deflated.dcm": "larger than 128 MiB",
    "images.npz": "do not fit into memory",
    "signal.npz": "Unable to allocate",
    "table.csv.gz": "when it is unpacked",
    "marks.atr": "40,000,000 bytes",
}

READ = """
import json, resource, sys
from pathlib import Path

from medanomaly.core.errors import MedanomalyError
from medanomaly.datasets.images import MedMNISTDataset
from medanomaly.datasets.table import CSVDataset
from medanomaly.imaging.sources.raw_image import decode
from medanomaly.plain_errors import plain_error
from medanomaly.signals.readers.npz import read_npz
from medanomaly.signals.readers.wfdb import read_atr

resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
image = lambda path: decode(path.read_bytes(), path.name)
readers = {".png": image, ".dcm": image, ".atr": read_atr, ".gz": lambda path: CSVDataset(filepath=str(path)).load()}
for path in sorted(Path(sys.argv[1]).iterdir()):
    of_npz = read_npz if path.name == "signal.npz" else lambda path: MedMNISTDataset(url=str(path)).load()
    try:
        readers.get(path.suffix, of_npz)(path)
        said = "read"
    except Exception as error:
        said = str(plain_error(error) or repr(error))
    print(json.dumps([path.name, said]), flush=True)
"""


def deflated(block, times):
    """A deflated stream of a block over and over, which takes the time of one."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    once = compressor.compress(block) + compressor.flush(zlib.Z_FULL_FLUSH)
    return once * times + compressor.flush()


def png(side, *before):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    parts = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)), *before]
    parts += [(b"IDAT", b"\x78\x9c" + deflated(bytes(side + 1), side)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def deflated_dicom():
    dataset, buffer = dcmread(io.BytesIO(dicom(ramp()))), io.BytesIO()
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    before = 128 + 4 + 12 + dcmread(buffer).file_meta.FileMetaInformationGroupLength
    return buffer.getvalue()[:before] + deflated(bytes(MIB), 4096)


def npz(**shapes):
    """A file whose arrays are said to be of these shapes, and hold almost nothing."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, shape in shapes.items():
            array = io.BytesIO()
            described = {"descr": "<f8", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(array, described)
            archive.writestr(f"{name}.npy", array.getvalue() + bytes(64))
    return content.getvalue()


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    large = b"a\0\0\x78\x9c" + deflated(bytes(MIB), 4096)
    files = {
        "pixels.png": png(30_000),
        "comment.png": png(9, (b"zTXt", large)),
        "profile.png": png(9, (b"iCCP", large)),
        "deflated.dcm": deflated_dicom(),
        "images.npz": npz(train_images=(2**32,), train_labels=(1,)),
        "signal.npz": npz(signal=(2**32, 1), fs=()),
        "table.csv.gz": gzip.compress(b"id,a\n") + gzip.compress(b"r," + b"x" * MIB + b"\n", 1) * 4096,
        "marks.atr": struct.pack("<H", 1 << 10 | 1) * 20_000_000,
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", READ, folder, str(LIMIT)],
        env=os.environ
        | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    # neither killed nor ended by an error of its own
    assert done.returncode == 0, done.stderr
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.parametrize("name", SAID)
def test_a_file_that_would_fill_the_memory_is_an_error_that_names_it(said, name):
    assert name in said[name]
    assert SAID[name] in said[name]
