"""Who may ask, where the service may listen, and what it says while it has no models."""

import json
import shutil
import time

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from medanomaly.core.errors import ConfigurationError, DataNotFoundError
from medanomaly.service.__main__ import command
from medanomaly.service.app import create_app, serve
from medanomaly.service.keys import add_key, read_keys
from medanomaly.service.settings import Settings, is_loopback
from tests.service.conftest import LOCAL, client_of
from tests.service.test_refusals import refused
from tests.service.test_routes import RECORD


@pytest.fixture(scope="module")
def keyed(models, tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    keys = {scope: add_key(path, scope, [scope]) for scope in ("score", "explain", "admin")}
    with client_of(models, keys=path) as client:
        yield client, keys, path


def test_each_scope_opens_its_own_routes(keyed):
    client, keys, _ = keyed
    body = {"records": RECORD}
    asked = {
        "score": lambda headers: client.post("/v1/tabular/score", json=body, headers=headers),
        "explain": lambda headers: client.post("/v1/tabular/explain", json=body, headers=headers),
        "admin": lambda headers: client.get("/metrics", headers=headers),
    }
    for scope, ask in asked.items():
        for name, key in keys.items():
            for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}):
                assert ask(headers).status_code == (200 if name == scope else 403), (scope, name)
        for wrong in (
            {},
            {"X-API-Key": "mak_wrong"},
            {"Authorization": "Bearer"},
            {"X-API-Key": keys[scope][:-1]},
        ):
            answer = ask(wrong)
            refused(answer, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
    assert client.get("/health/ready").status_code == 200
    assert client.get("/").status_code == 200
    with client.websocket_connect("/v1/signals/live") as stream:
        stream.send_json({"fs": 360, "leads": ["II"]})
        assert stream.receive_json()["problem"]["status"] == 401
    with client.websocket_connect("/v1/signals/live") as stream:
        stream.send_json({"fs": 360, "leads": ["II"], "key": keys["score"]})
        assert stream.receive_json()["type"] == "ready"


def test_only_hashes_are_kept(keyed):
    _, keys, path = keyed
    assert path.stat().st_mode & 0o777 == 0o600
    content = path.read_text()
    assert not any(key in content for key in keys.values())
    assert all(len(entry["sha256"]) == 64 for entry in json.loads(content)["keys"])


@pytest.mark.parametrize("content", ["", "{}", '{"keys": []}', '{"keys": [{"name": "a"}]}',
                                     '{"keys": [{"name": "a", "sha256": "x", "scopes": ["score"]}]}'])  # fmt: skip
def test_a_file_that_holds_no_keys_is_refused(tmp_path, content):
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(ConfigurationError):
        read_keys(path)


def test_without_keys_only_this_machine_may_ask(models):
    for host in ("0.0.0.0", "192.168.1.4", "ward.example", "::"):
        with pytest.raises(ConfigurationError, match="API keys"):
            create_app(models, Settings(host=host))
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "::1", "[::1]", "127.9.9.9")))
    with pytest.raises(ConfigurationError, match="API keys"):
        serve("nowhere", Settings(host="0.0.0.0"))


def test_a_folder_that_is_not_there_is_said_at_once():
    with pytest.raises(DataNotFoundError, match="nowhere: there is no such folder"):
        serve("nowhere", Settings())


def test_the_command_makes_keys(tmp_path):
    path = str(tmp_path / "keys.json")
    result = CliRunner().invoke(command, ["key", path, "ward 7", "--scope", "score"])
    assert result.output.startswith("mak_")
    assert read_keys(path).asked


def test_foreign_names_and_pages_are_refused(models):
    with client_of(models) as client:
        refused(client.get("/v1/models", headers={"host": "evil.example"}), 421)
        for headers in ({"origin": "https://evil.example"}, {"host": "evil.example"}):
            with pytest.raises(WebSocketDisconnect):
                with client.websocket_connect("/v1/signals/live", headers=headers) as stream:
                    stream.receive_json()
        own = {"origin": "http://testserver"}
        with client.websocket_connect("/v1/signals/live", headers=own) as stream:
            stream.send_json({"fs": 360, "leads": ["II"]})
            assert stream.receive_json()["type"] == "ready"


def waited(client, status):
    until = time.monotonic() + 120
    while time.monotonic() < until:
        answer = client.get("/health/ready")
        if answer.status_code == status and "being loaded" not in answer.text:
            return answer
        time.sleep(0.05)
    raise AssertionError(answer.text)


def test_a_folder_is_loaded_and_warmed(folder):
    app = create_app(folder, Settings())
    # nothing is loaded before the application starts
    early = TestClient(app, base_url=LOCAL)
    assert early.get("/health/live").status_code == 200
    refused(early.get("/health/ready"), 503)
    refused(early.post("/v1/tabular/score", json={"records": RECORD}), 503)
    refused(early.post("/predict", json={"rows": [{"signal": 1}]}), 503)
    refused(early.get("/v2/health/ready"), 503)
    with TestClient(app, base_url=LOCAL) as client:
        assert waited(client, 200).json()["status"] == "ready"
        assert client.post("/v1/tabular/score", json={"records": RECORD}).status_code == 200


def test_altered_models_are_not_served_and_the_reason_is_said(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    path = copy / "tabular" / "ecdf" / "model.onnx"
    path.write_bytes(path.read_bytes() + b"x")
    with TestClient(create_app(copy, Settings()), base_url=LOCAL) as client:
        answer = waited(client, 503)
        assert "altered" in refused(answer, 503)["detail"]
        assert str(tmp_path) not in answer.text
        assert client.get("/health/live").json() == {"status": "live"}
        refused(client.post("/v1/tabular/score", json={"records": RECORD}), 503)


def test_models_of_one_modality_say_what_they_do_not_take(folder):
    with TestClient(create_app(folder / "tabular", Settings()), base_url=LOCAL) as client:
        waited(client, 200)
        refused(client.post("/v1/imaging/score", json={"image": [[0.5]]}), 404)
        refused(client.post("/v1/signals/score", json={"signal": [0.5], "fs": 360}), 404)
        refused(client.post("/predict", files={"file": ("a.png", b"x")}), 404)
