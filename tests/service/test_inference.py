"""Open Inference Protocol, version 2: its list of routes and of members, and the scores of the models behind it."""

import numpy as np
import pandas as pd
import pytest

from tests.service import small_models
from tests.service.test_refusals import refused
from tests.service.test_routes import RECORD

TABULAR = "tabular.isolation_forest"


@pytest.fixture(scope="module")
def rows(models):
    return models.recipe(modality="tabular").read([RECORD, {"age": 30, "sex": "M"}]).inputs["features"].inputs


def tensors(client, name, features):
    out = []
    for tensor in client.get(f"/v2/models/{name}").json()["inputs"]:
        column = features[tensor["name"]].astype(object)
        data = column.where(features[tensor["name"]].notna(), None).tolist()
        out.append(tensor | {"shape": [len(data)], "data": data})
    return out


def test_routes_of_the_protocol(client, models):
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    server = client.get("/v2").json()
    assert set(server) == {"name", "version", "extensions"}
    for name in models:
        meta = client.get(f"/v2/models/{name}").json()
        assert set(meta) == {"name", "versions", "platform", "inputs", "outputs"}
        assert meta["name"] == name
        for tensor in (*meta["inputs"], *meta["outputs"]):
            assert set(tensor) == {"name", "datatype", "shape"}
        (version,) = meta["versions"]
        assert client.get(f"/v2/models/{name}/versions/{version}").json() == meta
        for path in (f"/v2/models/{name}/ready", f"/v2/models/{name}/versions/{version}/ready"):
            assert client.get(path).json() == {"name": name, "ready": True}
    for path in ("/v2/models/none", "/v2/models/none/ready", f"/v2/models/{TABULAR}/versions/7"):
        body = refused(client.get(path), 404)
        # what clients of the protocol look for
        assert body["error"]


def test_rows_of_features_get_the_scores_of_the_model(client, models, rows):
    model = models[TABULAR]
    version = model.bundle.bundle_hash[:12]
    request = {"id": "a7", "inputs": tensors(client, TABULAR, rows)}
    for path in (f"/v2/models/{TABULAR}/infer", f"/v2/models/{TABULAR}/versions/{version}/infer"):
        answer = client.post(path, json=request).json()
        assert (answer["model_name"], answer["model_version"], answer["id"]) == (TABULAR, version, "a7")
        outputs = {out["name"]: out for out in answer["outputs"]}
        assert set(outputs) == {"score", "p_value", "flagged"}
        assert outputs["score"]["datatype"] == "FP64"
        assert outputs["score"]["shape"] == [2]
        np.testing.assert_array_equal(outputs["score"]["data"], model.scorer.score(rows))
        np.testing.assert_array_equal(outputs["p_value"]["data"], model.scorer.p_values(rows))
    only = client.post(
        f"/v2/models/{TABULAR}/infer", json=request | {"outputs": [{"name": "flagged"}]}
    ).json()
    assert [out["name"] for out in only["outputs"]] == ["flagged"]
    columns = [tensor | {"shape": [2, 1]} for tensor in request["inputs"]]
    assert client.post(f"/v2/models/{TABULAR}/infer", json={"inputs": columns}).status_code == 200


def test_images_and_recordings(client, models):
    image = small_models.images(1)
    request = {
        "inputs": [
            {"name": "images", "datatype": "FP32", "shape": list(image.shape), "data": image.ravel().tolist()}
        ]
    }
    answer = client.post("/v2/models/imaging.lbe/infer", json=request).json()
    wanted = models["imaging.lbe"].scorer.score(image)
    np.testing.assert_allclose(answer["outputs"][0]["data"], wanted, rtol=1e-6)
    signal = small_models.ecg(3, 30)
    request = {
        "parameters": {"fs": small_models.FS},
        "inputs": [
            {"name": "signal", "datatype": "FP64", "shape": list(signal.shape), "data": signal.tolist()}
        ],
    }
    answer = client.post("/v2/models/signals.beat_detector/infer", json=request).json()
    names = [out["name"] for out in answer["outputs"]]
    assert names == ["case_id", "score", "p_value", "flagged"]
    found = pd.DataFrame({out["name"]: out["data"] for out in answer["outputs"]})
    wanted = models.score(
        signal, modality="signals", fs=small_models.FS, models=["beat_detector"], explain=False
    )
    np.testing.assert_allclose(found["score"], wanted.scores["score"].astype(float))


def changed(request, **changes):
    return {"inputs": [request["inputs"][0] | changes, *request["inputs"][1:]]}


def test_inputs_that_do_not_fit(client, rows):
    request = {"inputs": tensors(client, TABULAR, rows)}
    number = next(i for i, t in enumerate(request["inputs"]) if t["datatype"] == "FP64")
    request["inputs"].insert(0, request["inputs"].pop(number))
    bad = [
        {}, {"inputs": []}, {"inputs": request["inputs"][1:]}, {"inputs": request["inputs"] * 2},
        changed(request, name="other"), changed(request, shape=[3]), changed(request, shape=[-1]),
        changed(request, shape=[10**9]), changed(request, shape=[1, 2]), changed(request, datatype="BYTES"),
        changed(request, datatype="FP7"), changed(request, data=["a", "b"]), changed(request, data=[1.0]),
        changed(request, data={}), changed(request, data=[True, False]), changed(request, shape=[0], data=[]),
        request | {"outputs": [{"name": "other"}]}, request | {"other": 1}, [], "x",
    ]  # fmt: skip
    for body in bad:
        assert refused(client.post(f"/v2/models/{TABULAR}/infer", json=body), 413, 422)["error"]
    size = 64 * 64
    for data in ([None] * size, [2.0] * size):
        image = {"name": "images", "datatype": "FP32", "shape": [1, 64, 64], "data": data}
        refused(client.post("/v2/models/imaging.lbe/infer", json={"inputs": [image]}), 422)
    signal = {"name": "signal", "datatype": "FP64", "shape": [9, 1], "data": [0.0] * 9}
    for parameters in ({}, {"fs": "a"}, {"fs": -1}, {"fs": 360}, {"fs": True}):
        body = {"parameters": parameters, "inputs": [signal]}
        refused(client.post("/v2/models/signals.beat_detector/infer", json=body), 422)
