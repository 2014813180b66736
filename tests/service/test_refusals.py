"""What cannot be used is refused with 4xx, and nothing that was given comes back or is logged."""

import io
import json
import logging
import struct
import zipfile
import zlib

import numpy as np
import pytest

from tests.imaging.dicom_files import dicom, ramp
from tests.service.conftest import client_of
from tests.service.test_routes import RECORD, npz, png, wfdb_files

JSON = {"content-type": "application/json"}
CANARY = "Zebediah-4711"


def refused(answer, *statuses):
    assert answer.status_code in statuses, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "status", "detail", "request_id"} <= set(body)
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


TABLES = {
    "NaN": '{"records": {"age": NaN}}',
    "infinite": '{"records": {"age": 1e999}}',
    "huge integer": '{"records": {"age": 1' + "0" * 400 + "}}",
    "deep": "[" * 50_000,
    "deep and closed": '{"records": ' + "[" * 900 + "]" * 900 + "}",
    "no JSON": "{",
    "empty": "",
    "half a surrogate": '{"records": {"sex": "\\ud800"}}',
    "bytes": b"\xff\xfe\x00",
    "a number": "1",
    "null": "null",
    "no records": "{}",
    "empty list": '{"records": []}',
    "list of lists": '{"records": [[1]]}',
    "nested value": '{"records": {"age": {"a": 1}}}',
    "unknown field": '{"records": {"age": 1}, "CANARY": 1}',
    "unknown model": '{"records": {"age": 1}, "models": ["CANARY"]}',
    "model of another modality": '{"records": {"age": 1}, "models": ["imaging.lbe"]}',
    "alpha": '{"records": {"age": 1}, "alpha": 7}',
    "alpha as text": '{"records": {"age": 1}, "alpha": "CANARY"}',
    "unknown columns": '{"records": {"CANARY": "CANARY"}}',
    "misspelt column": '{"records": {"potasium": "CANARY"}}',
    "history without patients": '{"records": {"age": 1}, "history": [{"age": "CANARY"}]}',
}
TABLES = {
    name: body if isinstance(body, bytes) else body.replace("CANARY", CANARY) for name, body in TABLES.items()
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("verb", ["score", "explain"])
def test_tables_that_cannot_be_used(client, name, verb):
    answer = client.post(f"/v1/tabular/{verb}", content=TABLES[name], headers=JSON)
    refused(answer, 400, 422)
    assert CANARY not in answer.text


def test_limits_on_rows_columns_and_text(client):
    limits = client.app.state.service.settings.limits
    for records in (
        [{"age": 1}] * (limits.records + 1),
        {f"c{i}": 1 for i in range(limits.columns + 1)},
        {"sex": "x" * (limits.text + 1)},
    ):
        refused(client.post("/v1/tabular/score", json={"records": records}), 413)
    rows = "age\n" + "1\n" * (limits.records + 5)
    refused(client.post("/v1/tabular/score", files={"file": ("a.csv", rows)}), 413)
    wide = ",".join(f"c{i}" for i in range(limits.columns + 5)) + "\n1\n"
    refused(client.post("/v1/tabular/score", files={"file": ("a.csv", wide)}), 413)


def test_other_types_of_bodies(client):
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        refused(client.post("/v1/tabular/score", content=b"a=1", headers={"content-type": kind}), 415)
    broken = {"content-type": "multipart/form-data"}
    refused(client.post("/v1/imaging/score", content=b"xx", headers=broken), 400)
    broken = {"content-type": "multipart/form-data; boundary=x"}
    for content in (b"--x\r\nContent-Disposition: nonsense\r\n\r\n1\r\n--x--", b"--x", b""):
        refused(client.post("/v1/imaging/score", content=content, headers=broken), 400, 422)
    refused(client.post("/v1/imaging/score", files=[("file", (f"{i}.png", b"x")) for i in range(70)]), 400)
    refused(client.post("/v2/models/tabular.ecdf/infer", files={"file": ("a", b"x")}), 415)


def bomb(width, height):
    """A small PNG that says it is large."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def zip_bomb():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("signal.npy", bytes(300 * 2**20))
    return out.getvalue()


def dicom_bomb():
    content = dicom(ramp())
    at = content.index(b"1.2.840.10008.1.2.1")
    deflated = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflated.compress(bytes(200 * 2**20)) + deflated.flush()
    # the syntax with one more character, so that lengths stay even
    meta = content[: at + 40].replace(b"1.2.840.10008.1.2.1\x00", b"1.2.840.10008.1.2.1.99")
    return meta + body


IMAGES = {
    "empty": b"",
    "text": CANARY.encode(),
    "bomb": bomb(60_000, 60_000),
    "truncated": png(np.random.default_rng(0).random((64, 64)))[:300],
    "no pixels": bomb(64, 64),
    "damaged DICOM": dicom(ramp())[:400],
    "deflated DICOM": dicom_bomb(),
    "gif": b"GIF89a" + bytes(100),
    "postscript": b"%!PS-Adobe-3.0\n" + CANARY.encode(),
}


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("path", ["/v1/imaging/explain", "/predict"])
def test_images_that_cannot_be_used(client, name, path):
    answer = client.post(path, files={"file": (f"{CANARY}.png", IMAGES[name])})
    refused(answer, 422)
    assert CANARY not in answer.text


@pytest.mark.parametrize(
    "image",
    [[], [1, 2], [[1, 2], [3]], [["a"]], [[True]], [[None, None]], [[2.0]], "x", {}, [[[[1]]]], [[1e300]]],
    ids=str,
)
def test_numbers_that_are_no_image(client, image):
    refused(client.post("/v1/imaging/score", json={"image": image}), 422)


SIGNALS = [
    {"signal": [0.0] * 100}, {"signal": [], "fs": 360}, {"signal": "x", "fs": 360}, {"signal": [[1], [1, 2]], "fs": 360},
    {"signal": [1.0, "2"], "fs": 360}, {"signal": [True, False], "fs": 360}, {"signal": [1.0], "fs": 0},
    {"signal": [1.0], "fs": -5}, {"signal": [0.1] * 500, "fs": 1e-3}, {"signal": [0.1] * 500, "fs": 360},
    {"signal": [0.1] * 500, "fs": 360, "leads": [CANARY, "b"]}, {"signal": [[0.1] * 70] * 30, "fs": 360},
    {"signal": [None] * 9000, "fs": 360}, {"signal": [1e308] * 9000, "fs": 360}, {"signal": [[[1.0]]], "fs": 360},
]  # fmt: skip


@pytest.mark.parametrize("body", SIGNALS, ids=[str(body)[:40] for body in SIGNALS])
def test_numbers_that_are_no_recording(client, body):
    answer = client.post("/v1/signals/score", json=body)
    refused(answer, 413, 422)
    assert CANARY not in answer.text


def test_files_that_are_no_recording(client):
    for name, content in (
        ("a.npz", zip_bomb()),
        ("a.npz", b"PK\x03\x04" + bytes(50)),
        ("a.npz", npz(np.zeros((3, 1)))),
        ("a.edf", CANARY.encode() * 20),
        ("a.csv", CANARY),
        ("a.csv", ""),
        ("a.exe", b"MZ"),
        ("a", b""),
        ("../../etc/passwd", b"x"),
        ("a.dat", b"1234"),
        ("a.hea", b""),
        ("a.hea", f"{CANARY} 1 360 1000\n{CANARY}.dat 16 200 16 0 0 0 0 II\n"),
        ("a.hea", "a/3 1 360 1000\nb 500\nc 500\n"),
    ):
        answer = client.post("/v1/signals/explain", files={"file": (name, content)})
        refused(answer, 413, 422)
        assert CANARY not in answer.text


@pytest.mark.parametrize(
    "named",
    [
        "/etc/passwd",
        "../secret.dat",
        "..\\secret.dat",
        "~",
        "sub/100.dat",
        "C:100.dat",
        "100.dat ../x",
        ".",
        "100.hea",
    ],
)
def test_a_header_reaches_no_file_that_was_not_sent(client, tmp_path, named):
    files = wfdb_files(tmp_path, np.random.default_rng(0).normal(size=(3600, 2)))
    header = files[".hea"].decode().replace("100.dat", named)
    upload = [("file", ("100.hea", header)), ("file", ("100.dat", files[".dat"]))]
    answer = client.post("/v1/signals/score", files=upload)
    refused(answer, 422)


def test_names_of_uploads_are_not_used_on_disk(client, tmp_path, monkeypatch):
    from pathlib import Path

    written = []
    real = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", lambda self, data: (written.append(self), real(self, data))[1])
    for name in (
        "../../../tmp/evil.csv",
        "..\\evil.csv",
        "/etc/evil.csv",
        "evil\x00.csv",
        "a" * 5000 + ".csv",
    ):
        client.post("/v1/signals/score", files={"file": (name, "a\n1\n")})
    assert written
    assert {path.name for path in written} == {"recording.csv"}
    assert not list(Path("/tmp").glob("evil*"))


def test_a_body_is_counted_as_it_arrives(models):
    with client_of(models, limits={"body_bytes": 10_000}) as client:

        def parts():
            for _ in range(100):
                yield b"x" * 1000

        refused(client.post("/v1/tabular/score", content=parts(), headers=JSON), 413)
        # a length that says too much is refused before anything is read
        refused(
            client.post("/v1/tabular/score", content=b"{}", headers=JSON | {"content-length": "99999999"}),
            413,
        )
        form = client.post("/v1/imaging/score", files={"file": ("a.png", b"x" * 20_000)})
        refused(form, 413)
        assert client.post("/v1/tabular/score", json={"records": RECORD}).status_code == 200


def test_a_body_that_does_not_arrive_is_given_up(models):
    import asyncio

    import httpx

    app = client_of(models, limits={"read_seconds": 0.2}).app

    async def parts():
        yield b"{"
        await asyncio.sleep(30)

    async def ask():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.post("/v1/tabular/score", content=parts(), headers=JSON)

    refused(asyncio.run(ask()), 408)


def test_a_misspelt_column_is_said_without_its_name(client):
    body = refused(client.post("/v1/tabular/score", json={"records": {"age": 50, "potasium": 4.1}}), 422)
    assert "misspelt" in body["detail"]
    assert "potas" not in body["detail"]


def test_a_busy_service_says_when_to_come_again(models):
    import threading
    from concurrent.futures import ThreadPoolExecutor

    with client_of(models, waiting=0) as client:
        service, go = client.app.state.service, threading.Event()
        real, service.score = service.score, lambda *args: (go.wait(30), real(*args))[1]
        with ThreadPoolExecutor(3) as pool:
            body = {"records": [RECORD, RECORD]}
            asked = [pool.submit(client.post, "/v1/tabular/score", json=body) for _ in range(3)]
            until = [one for one in asked if one.done()]
            while not until:
                until = [one for one in asked if one.done()]
            refused(until[0].result(), 503)
            assert until[0].result().headers["retry-after"] == "1"
            go.set()
            assert sorted(one.result().status_code for one in asked) == [200, 200, 503]


def test_an_answer_that_takes_too_long_is_given_up(models):
    import time

    with client_of(models, limits={"seconds": 0.05}) as client:
        client.app.state.service.score = lambda *args: time.sleep(0.5)
        refused(client.post("/v1/tabular/score", json={"records": [RECORD, RECORD]}), 503)


def test_a_failure_is_a_problem_and_its_message_is_nowhere(models, caplog):
    with client_of(models) as client, caplog.at_level(logging.DEBUG):

        def fail(*args):
            raise RuntimeError(f"{CANARY} broke it")

        client.app.state.service.score = fail
        answer = client.post("/v1/tabular/score", json={"records": [RECORD, RECORD]})
        assert refused(answer, 500)["title"] == "Internal error"
        assert CANARY not in answer.text
    assert CANARY not in caplog.text
    assert "RuntimeError at" in caplog.text


def test_canaries_are_in_no_answer_log_or_metric(models, caplog):
    with client_of(models) as client, caplog.at_level(logging.DEBUG):
        answers = [
            client.get(f"/{CANARY}"),
            client.get(f"/v1/models?name={CANARY}"),
            client.post(f"/v1/models/{CANARY}"),
            client.get(f"/v2/models/{CANARY}"),
            client.get(f"/v2/models/tabular.ecdf/versions/{CANARY}"),
            client.request(CANARY.upper(), "/v1/models"),
            client.get("/health/live", headers={"X-Request-ID": CANARY, "X-API-Key": CANARY}),
            *(client.post("/v1/tabular/score", content=body, headers=JSON) for body in TABLES.values()),
            *(client.post("/v1/imaging/score", files={"file": (CANARY, body)}) for body in IMAGES.values()),
            client.post("/v1/imaging/score", files={"file": ("a.png", b"x")}, data={CANARY: CANARY}),
            client.post("/v1/signals/score", json={"signal": [1.0], "fs": 360, "record": CANARY}),
            client.post("/v1/signals/score", files={"file": (f"{CANARY}.edf", CANARY)}),
            client.post("/predict", json={"rows": [{"signal": CANARY}, {CANARY: 1}]}),
            client.post(
                "/v2/models/tabular.ecdf/infer",
                json={
                    "id": CANARY,
                    "inputs": [{"name": CANARY, "shape": [1], "datatype": CANARY, "data": [CANARY]}],
                },
            ),
        ]
        with client.websocket_connect("/v1/signals/live") as stream:
            stream.send_json({"fs": CANARY, "leads": [CANARY], CANARY: CANARY})
            assert CANARY not in json.dumps(stream.receive_json())
        metrics = client.get("/metrics").text
    assert {answer.status_code // 100 for answer in answers} <= {2, 4}
    for answer in answers:
        assert CANARY.lower() not in (answer.text + str(answer.headers)).lower(), answer.request.url
    assert CANARY not in metrics
    own = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith("http"))
    assert CANARY not in own
