"""Every route gives the answers that the models give in Python."""

import base64
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from medanomaly.scoring.models import open_models
from tests.conftest import ROOT
from tests.service import small_models
from tests.service.conftest import client_of

RECORD = {"age": 57, "sex": "F", "potassium": 7.9, "systolic": 120, "diastolic": 80}


def same(served, opened, raw, explain, **options):
    wanted = json.loads(opened.score(raw, explain=explain, **options).to_json())
    assert served.json() == wanted


@pytest.mark.parametrize(
    "records",
    [RECORD, [RECORD, {"age": 1500}], {"temperature": 98.6, "age": "57"}],
    ids=["plain", "two", "not plain"],
)
def test_records_are_scored_as_in_python(client, models, records):
    served = client.post("/v1/tabular/score", json={"records": records})
    assert served.status_code == 200
    same(served, models, records, False, modality="tabular")
    served = client.post(
        "/v1/tabular/explain", json={"records": records, "alpha": 0.2, "models": ["tabular.ecdf"]}
    )
    same(served, models, records, 20, modality="tabular", alpha=0.2, models=["tabular.ecdf"])


def test_one_bad_record_costs_only_itself(client):
    cases = client.post("/v1/tabular/explain", json={"records": [RECORD, {"age": 1500}]}).json()["cases"]
    assert [case["status"] for case in cases] == ["scored", "refused"]
    assert "impossible" in cases[1]["reason"]
    found = client.post("/v1/tabular/explain", json={"records": {"temperature": 98.6}}).json()["cases"][0]
    assert found["findings"][0]["suggested_value"] == "37"


def test_a_csv_file_is_read_with_its_own_marks(client):
    content = "record_id;age;potassium\na;57;7,9\nb;33;4,1\n"
    served = client.post("/v1/tabular/score", files={"file": ("names of people.csv", content)}).json()
    assert [case["case"] for case in served["cases"]] == ["a", "b"]
    assert served["cases"][0]["answers"][0]["score"] > served["cases"][1]["answers"][0]["score"]


def npz(signal, fs=small_models.FS):
    out = io.BytesIO()
    np.savez(
        out,
        signal=signal.astype(np.float32),
        fs=np.float64(fs),
        leads=np.array(["II"]),
        units=np.array(["mV"]),
    )
    return out.getvalue()


def wfdb_files(folder, signal, name="100"):
    import wfdb

    wfdb.wrsamp(
        name,
        fs=small_models.FS,
        units=["mV", "mV"],
        sig_name=["MLII", "V1"],
        p_signal=signal.astype(np.float64),
        fmt=["16", "16"],
        write_dir=str(folder),
    )
    return {suffix: (folder / f"{name}{suffix}").read_bytes() for suffix in (".hea", ".dat")}


@pytest.fixture(scope="module")
def signal():
    return small_models.ecg(77, 30)


def test_a_recording_is_scored_as_numbers_and_as_a_file(client, models, signal):
    lead = signal[:, :1].astype(np.float32).astype(float)
    body = {"signal": lead.tolist(), "fs": small_models.FS, "leads": ["II"], "units": "mV"}
    served = client.post("/v1/signals/score", json=body)
    same(served, models, lead, False, modality="signals", fs=small_models.FS, leads=["II"], units="mV")
    upload = client.post(
        "/v1/signals/explain",
        files={"file": ("Jane Doe.npz", npz(signal[:, :1]))},
        data={"strip": "true", "explain": "2"},
    ).json()
    first, other = (found["cases"][0]["answers"][0]["score"] for found in (served.json(), upload))
    assert first == pytest.approx(other, rel=1e-6)
    assert "Jane" not in json.dumps(upload)
    strip = upload["strips"][0]
    assert (strip["record"], strip["lead"], strip["fs"]) == ("recording", "II", small_models.FS)
    assert len(strip["samples"]) == -(-len(signal) // strip["step"])


def test_a_wfdb_record_comes_as_header_and_data(client, tmp_path, signal):
    files = wfdb_files(tmp_path, signal)
    upload = [("file", (f"100{suffix}", content)) for suffix, content in files.items()]
    served = client.post("/v1/signals/score", files=upload).json()
    assert len(served["cases"]) > 30
    assert all(case["case_id"].startswith("recording:") for case in served["cases"])


def test_edf_and_csv_and_a_damaged_file_among_others(client, tmp_path, signal):
    import pyedflib

    path = tmp_path / "a.edf"
    with pyedflib.EdfWriter(str(path), 1) as writer:
        writer.setSignalHeader(
            0,
            {"label": "ECG II", "dimension": "mV", "sample_frequency": 360, "physical_max": 5, "physical_min": -5,
             "digital_max": 32767, "digital_min": -32768, "prefilter": "", "transducer": ""},
        )  # fmt: skip
        writer.writeSamples([signal[:, 0]])
    csv = "II [mV]\n" + "\n".join(f"{x:.4f}" for x in signal[:, 0])
    files = [
        ("file", ("a.edf", path.read_bytes())),
        ("file", ("b.csv", csv)),
        ("file", ("c.edf", b"nothing of the kind")),
    ]
    served = client.post("/v1/signals/score", files=files, data={"fs": "360"})
    assert served.status_code == 200, served.text
    cases = served.json()["cases"]
    assert {case["case_id"].partition(":")[0] for case in cases} == {
        "recording",
        "recording 2",
        "recording 3",
    }
    assert [c["reason"] for c in cases if c["case_id"] == "recording 3"] == ["it cannot be read"]


def png(image):
    out = io.BytesIO()
    Image.fromarray(np.round(255 * image).astype(np.uint8)).save(out, format="PNG")
    return out.getvalue()


def test_images_as_files_and_as_numbers(client, models):
    from tests.imaging.dicom_files import dicom

    image = small_models.images(2)[1]
    grey = np.round(255 * image).astype(np.uint8)
    wanted = models.score(grey, modality="imaging", explain=False).scores["score"].iloc[0]
    numbers = client.post("/v1/imaging/score", json={"image": grey.tolist(), "white": 255}).json()
    files = [
        ("file", ("Jane Doe.png", png(image))),
        ("file", ("x", dicom(np.round(4095 * image).astype(np.uint16)))),
        ("file", ("z.jpg", b"no image")),
    ]
    served = client.post("/v1/imaging/explain", files=files, data={"maps": "true"}).json()
    assert [case["status"] for case in served["cases"]] == ["scored", "scored", "refused"]
    assert "Jane" not in json.dumps(served)
    assert served["cases"][2]["reason"] == "it is no PNG, JPEG, BMP, TIFF or DICOM file"
    for found in (numbers, served):
        assert found["cases"][0]["answers"][0]["score"] == pytest.approx(wanted, rel=1e-5)
    answer = served["cases"][0]["answers"][0]
    assert answer["reasons"]
    for drawn in (served["cases"][0]["picture"], answer["map"]):
        assert Image.open(io.BytesIO(base64.b64decode(drawn))).size == (64, 64)


def test_predict_labels_an_image(client):
    usual, odd = small_models.images(3)[2], np.random.default_rng(0).random((64, 64))
    found = [client.post("/predict", files={"file": ("a.png", png(x))}).json() for x in (usual, odd)]
    assert [one["label"] for one in found] == ["usual", "unusual"]
    assert found[0]["score"] < found[1]["score"]
    assert set(found[0]) == {"label", "score", "p_value", "alpha", "model", "bundle", "notice"}


def test_predict_labels_a_series_where_there_is_a_detector_of_series(client, tmp_path):
    rows = [{"signal": 1.5}, {"signal": 1.6}]
    refused = client.post("/predict", json={"rows": rows})
    assert (refused.status_code, refused.json()["title"]) == (422, "No series detector")
    small_models.series(tmp_path)
    with client_of(open_models(tmp_path)) as of_series:
        wave = np.sin(np.arange(5000) / 12) + 0.05 * np.random.default_rng(9).standard_normal(5000)
        wave[4200:4260] += 3
        found = of_series.post("/predict", json={"rows": [{"signal": float(x)} for x in wave]}).json()
        assert found["label"] == "unusual"
        worst = max(found["windows"], key=lambda window: window["score"])
        assert worst["start"] < 4260
        assert worst["end"] > 4200
        short = of_series.post("/predict", json={"rows": rows})
        assert (short.status_code, short.json()["status"]) == (422, 422)
        meta = of_series.get("/v2/models/signals.energy").json()
        assert meta["inputs"] == [{"name": "series", "datatype": "FP64", "shape": [-1]}]
        infer = of_series.post(
            "/v2/models/signals.energy/infer",
            json={
                "parameters": {"normal_until": 2000},
                "inputs": [{"name": "series", "datatype": "FP64", "shape": [5000], "data": wave.tolist()}],
            },
        )
        assert len(infer.json()["outputs"][0]["data"]) > 10


def test_a_beat_that_was_cut_out_is_scored_as_in_python(tmp_path):
    beats = small_models.cut_beats(tmp_path)
    opened = open_models(tmp_path)
    with client_of(opened) as client:
        for raw in (beats[0], beats):
            served = client.post("/v1/signals/score", json={"signal": raw.tolist()})
            assert served.status_code == 200, served.text
            same(served, opened, raw, False, modality="signals")
        gap = [None, *beats[0][1:].tolist()]
        assert client.post("/v1/signals/score", json={"signal": gap}).status_code == 422
        upload = client.post("/v1/signals/score", files={"file": ("a.csv", "a\n1\n")})
        assert upload.status_code == 422


def test_models_come_with_their_cards_and_inputs(client, models):
    found = client.get("/v1/models").json()
    assert [model["name"] for model in found["models"]] == list(models)
    assert all(model["bundle"] == models[model["name"]].bundle.bundle_hash for model in found["models"])
    columns = {column["name"]: column for column in found["inputs"]["tabular"]["columns"]}
    assert columns["sex"]["levels"] == ["F", "M"]
    assert columns["potassium"]["unit"] == "mmol/L"


def test_every_answer_says_request_and_models(client):
    for path in ("/health/live", "/v1/models", "/nothing"):
        headers = client.get(path).headers
        assert len(headers["x-request-id"]) == 32
        assert len(headers["x-model-version"]) == 16
    given = "123e4567-e89b-12d3-a456-426614174000"
    assert client.get("/health/live", headers={"X-Request-ID": given}).headers["x-request-id"] == given
    made = client.get("/health/live", headers={"X-Request-ID": "Jane Doe"}).headers["x-request-id"]
    assert "Jane" not in made


def test_metrics_count_cases_by_model(models):
    with client_of(models) as client:
        client.post("/v1/tabular/score", json={"records": RECORD})
        client.post("/v1/tabular/score", json={"records": [RECORD, RECORD, {"age": 1500}]})
        text = client.get("/metrics").text
    assert 'medanomaly_cases_scored_total{modality="tabular",model="ecdf"} 3.0' in text
    assert 'medanomaly_cases_refused_total{modality="tabular"} 1.0' in text
    assert 'medanomaly_requests_total{method="POST",route="/v1/tabular/score",status="200"} 2.0' in text
    assert 'medanomaly_request_seconds_bucket{le="0.005",route="/v1/tabular/score"}' in text


def test_every_route_is_described_with_an_example(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert len(paths) > 15
    for path, methods in paths.items():
        for method, of in methods.items():
            content, *as_fhir = of["responses"]["200"]["content"].values()
            assert all(one["example"]["resourceType"] == "Bundle" for one in as_fhir)
            assert content["example"], path
            assert "application/problem+json" in of["responses"]["default"]["content"]
            if method == "post":
                assert all(body["example"] for body in of["requestBody"]["content"].values()), path
    assert client.get("/docs").status_code == 404


def test_a_modality_is_added_by_one_module(models, monkeypatch):
    from medanomaly.service import app as module
    from medanomaly.service.routes import json_response

    class Diagnosis:
        name = "diagnosis"

        def add_routes(self, routes, service):
            async def hello(request):
                return json_response({"models": len(service.models)})

            routes.add(
                "GET",
                "/v1/diagnosis/hello",
                hello,
                scope="score",
                summary="Hello.",
                tag="diagnosis",
                answer={},
            )

        def warm(self, models):
            pass

    monkeypatch.setattr(module, "served_modalities", lambda: [Diagnosis()])
    with client_of(models) as client:
        assert client.get("/v1/diagnosis/hello").json() == {"models": len(models)}


def test_the_service_imports_neither_kedro_nor_torch(folder):
    code = (
        "import sys\nfrom medanomaly.service.app import create_app\nfrom medanomaly.scoring.models import open_models\n"
        f"create_app(open_models({str(folder)!r}))\n"
        "assert not {'torch', 'kedro', 'lightning', 'matplotlib'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )
