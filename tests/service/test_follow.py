"""The service follows the champion of a registry, without losing a request."""

import threading
import time

import pytest
from starlette.testclient import TestClient

from medanomaly.scoring.registry import Registry
from medanomaly.service.app import create_app
from medanomaly.service.settings import Settings
from tests.scoring.small_models import trained, visits
from tests.service.conftest import LOCAL


@pytest.fixture
def registry(tmp_path):
    """A champion with one model, and a challenger with two whose promotion is not asked for a comparison."""
    made = Registry(tmp_path / "registry")
    made.add(trained(tmp_path / "a", ("ecdf",)))
    made.promote()
    made.add(trained(tmp_path / "b", ("ecdf", "mahalanobis")))
    return made


@pytest.fixture
def client(registry, monkeypatch):
    monkeypatch.setattr(Registry, "_check_compared", lambda *_: None)
    app = create_app(registry.folder, Settings(hosts=("testserver",), workers=2))
    with TestClient(app, base_url=LOCAL) as client:
        until_ready(client)
        yield client


def until_ready(client, least=1, seconds=60):
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        found = client.get("/health/ready")
        if found.status_code == 200 and found.json()["models"] == least:
            return time.monotonic() - began
        time.sleep(0.02)
    raise AssertionError(found.json())


def test_every_request_is_answered_by_one_version_while_it_changes(client, registry):
    record = visits(1, 7).drop(columns="outcome").to_dict("records")[0]
    seen, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            found = client.post("/v1/tabular/score", json={"records": [record, record | {"id": "other"}]})
            names = [one["model"] for one in found.json()["cases"][0]["answers"]] if found.is_success else []
            seen.append((found.status_code, found.headers["x-model-version"], tuple(names)))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    registry.promote()
    until_ready(client, 2)
    registry.roll_back()
    until_ready(client, 1)
    stop.set()
    for thread in threads:
        thread.join()
    assert {status for status, *_ in seen} == {200}
    versions = {}
    for _, version, names in seen:
        versions.setdefault(version, set()).add(names)
    assert {frozenset(names) for names in versions.values()} == {
        frozenset({("ecdf",)}),
        frozenset({("ecdf", "mahalanobis")}),
    }
    text = client.get("/metrics").text
    assert "medanomaly_model_reloads_total 2.0" in text
    assert "mahalanobis" not in "".join(line for line in text.splitlines() if "model_info{" in line)


def test_a_champion_that_is_broken_changes_nothing(client, registry):
    broken = registry.models(registry.aliases.challenger) / "tabular/mahalanobis/card.md"
    broken.write_text("altered")
    registry.promote()
    began = time.monotonic()
    while "medanomaly_model_reload_failures_total 1.0" not in client.get("/metrics").text:
        assert time.monotonic() - began < 30
        time.sleep(0.05)
    assert client.get("/health/ready").json()["models"] == 1
    record = visits(1, 7).drop(columns="outcome").to_dict("records")[0]
    assert client.post("/v1/tabular/score", json={"records": record}).status_code == 200
    registry.roll_back()
    time.sleep(0.6)
    # it is said once, not four times per second
    assert "medanomaly_model_reload_failures_total 1.0" in client.get("/metrics").text
    assert client.get("/health/ready").json()["models"] == 1


def test_a_registry_without_a_champion_is_served_once_it_has_one(tmp_path):
    made = Registry(tmp_path / "registry")
    made.add(trained(tmp_path / "a", ("ecdf",)))
    with TestClient(create_app(made.folder, Settings()), base_url=LOCAL) as client:
        time.sleep(0.5)
        found = client.get("/health/ready")
        assert found.status_code == 503
        assert "no champion" in found.json()["detail"]
        made.promote()
        until_ready(client)
