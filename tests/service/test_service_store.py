"""With a store, every answer is on the disk when it is given, and earlier records come from there."""

import json
import threading
import time
import uuid

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

import medanomaly
from medanomaly.core.errors import ConfigurationError
from medanomaly.service.app import create_app
from medanomaly.service.settings import Settings
from medanomaly.store.store import Store
from tests.scoring.small_models import trained, visits
from tests.service import small_models
from tests.service.conftest import LOCAL, client_of
from tests.service.test_keys_and_start import waited
from tests.service.test_refusals import refused

RECORD = {"record_id": "r5", "age": 57, "sex": "F", "potassium": 7.9, "systolic": 120, "diastolic": 80}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("MEDANOMALY_SUBJECT_KEY", "a secret key of the tests")


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'predictions.db'}"


@pytest.fixture
def stored(models, url):
    with client_of(models, store=url) as client, Store.open(url) as store:
        yield client, store


def asked(client, records, verb="score", request=None, **more):
    headers = {} if request is None else {"X-Request-ID": request}
    answer = client.post(f"/v1/tabular/{verb}", json={"records": records, **more}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


STAYS = {
    (): "nothing is stored",
    ("store",): "answers are stored, with ids that only its key can tell",
    ("store", "keep_records"): "records and answers are stored",
}


@pytest.mark.parametrize(("settings", "said"), STAYS.items(), ids=lambda given: "-".join(given)[:20])
def test_the_page_says_what_stays(models, url, settings, said):
    given = {name: url if name == "store" else True for name in settings}
    with client_of(models, **given) as client:
        page = client.get("/").text
    assert f"Data go to this service and nowhere else; {said}." in page
    assert [other for other in STAYS.values() if f"; {other}." in page] == [said]


def test_an_answer_is_in_the_store_when_it_is_given(stored):
    client, store = stored
    found = asked(client, RECORD)
    rows = store.predictions(case="r5").set_index("model_name")
    for answer in found["cases"][0]["answers"]:
        row = rows.loc[answer["model"]]
        assert (row["score"], row["p_value"]) == (answer["score"], answer["p_value"])
        assert (row["flagged"], row["model_hash"]) == (answer["flagged"], answer["bundle"])
    assert store.history("r5").equals(store.predictions(case="r5"))
    # again, in another order of columns, with reasons: the same predictions
    asked(client, dict(reversed(RECORD.items())))
    asked(client, [RECORD], verb="explain")
    assert len(store.predictions()) == 2
    assert len(store.explanations(rows["prediction_id"].tolist()))
    asked(client, RECORD | {"age": 58})
    assert len(store.predictions(case="r5")) == 4
    assert store.verify().whole
    text = client.get("/metrics").text
    assert "medanomaly_predictions_stored_total 4.0" in text
    assert "medanomaly_store_waiting 0.0" in text


@pytest.mark.parametrize("verb", ["score", "explain"])
def test_cases_without_an_id_of_their_own_go_by_their_request(stored, verb):
    client, store = stored
    record = {name: value for name, value in RECORD.items() if name != "record_id"}
    first, second = uuid.uuid4().hex, uuid.uuid4().hex
    for request in (first, second, first):
        asked(client, record, verb, request)
    assert len(store.predictions()) == 4
    assert len(store.predictions(subject=f"{first}/1", case=f"{first}/1")) == 2
    assert store.predictions(case="1").empty


def test_uploads_go_by_their_request_unless_the_recording_is_named(stored):
    client, store = stored
    body = {"signal": small_models.ecg(3, 30.0).tolist(), "fs": small_models.FS}
    request = uuid.uuid4().hex
    for given in ({}, {"record": "ward 7 bed 2"}):
        answer = client.post("/v1/signals/score", json=body | given, headers={"X-Request-ID": request})
        assert answer.status_code == 200
    named, numbered = store.history("ward 7 bed 2"), store.history(f"{request}/recording")
    assert len(named) == len(numbered) == len(store.predictions()) / 2 > 20


def in_threads(n, call):
    threads = [threading.Thread(target=call, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    return threads


def test_many_at_once_lose_nothing(stored):
    client, store = stored

    def ask(i):
        for j in range(6):
            asked(client, RECORD | {"record_id": f"r{i}-{j}"}, "explain" if i == j == 3 else "score")

    for thread in in_threads(8, ask):
        thread.join()
    assert len(store.predictions()) == 96
    assert store.predictions()["subject_key"].nunique() == 48
    assert store.verify().whole


def test_answers_that_wait_at_the_same_time_are_one_transaction(stored):
    client, store = stored
    persistence, go = client.app.state.service.persistence, threading.Event()
    persistence._writer.put_call(go.wait)

    def wait_for(n):
        until = time.monotonic() + 60
        while len(persistence._plain) < n and time.monotonic() < until:
            time.sleep(0.01)
        assert len(persistence._plain) == n

    threads = in_threads(7, lambda i: asked(client, RECORD | {"record_id": f"r{i}"}))
    wait_for(7)
    # an id that is known already comes last: it ends the group that is written together
    threads += in_threads(1, lambda i: asked(client, RECORD | {"record_id": "r0"}))
    wait_for(8)
    assert store.predictions().empty
    go.set()
    for thread in threads:
        thread.join()
    found = store.predictions()
    assert len(found) == 14
    # the id that came twice began a second one, which had nothing new
    with store.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM audit_event")) == 1


@pytest.mark.parametrize("verb", ["score", "explain"])
def test_what_cannot_be_stored_is_not_given(stored, monkeypatch, caplog, verb):
    client, store = stored

    def fail(*_, **__):
        raise ValueError("CANARY r5")

    service = client.app.state.service
    monkeypatch.setattr(service.persistence.store, "record", fail)
    answer = client.post(f"/v1/tabular/{verb}", json={"records": RECORD})
    problem = refused(answer, 503)
    assert "could not be stored" in problem["detail"]
    assert answer.headers["retry-after"] == "1"
    assert "CANARY" not in answer.text + caplog.text
    assert store.predictions().empty
    assert "medanomaly_store_failures_total 1.0" in client.get("/metrics").text
    monkeypatch.undo()
    monkeypatch.setenv("MEDANOMALY_SUBJECT_KEY", "a secret key of the tests")
    asked(client, RECORD, verb)
    assert len(store.predictions()) == 2


@pytest.fixture(scope="module")
def with_history(tmp_path_factory):
    history = {"time": "when", "measurements": ["potassium"]}
    return trained(tmp_path_factory.mktemp("history"), names=("ecdf",), history=history)


def visit_records():
    """Two visits of each of two patients, as JSON has them."""
    return json.loads(visits(4, seed=6).drop(columns="outcome").to_json(orient="records"))


def score_of(answer):
    return [case["answers"][0]["score"] for case in answer["cases"]]


NOTE = "earlier records of these patients came from the store"


def test_earlier_records_come_from_the_store(with_history, url):
    models, (a1, a2, b1, b2) = medanomaly.open(with_history), visit_records()
    expected = models.score([a2], history=[a1]).scores["score"].tolist()
    alone = models.score([a2]).scores["score"].tolist()
    assert expected != alone
    with client_of(models, store=url, keep_records=True) as client, Store.open(url) as store:
        first = asked(client, [a1, b1])
        assert all("earlier records of the patient" in case["missing"] for case in first["cases"])
        assert not any(NOTE in note for note in first["notes"])
        # the second visit is asked again: it is no earlier record of itself
        for _ in range(2):
            second = asked(client, a2)
            assert score_of(second) == pytest.approx(expected, abs=1e-12)
            assert f"1 {NOTE}" in second["notes"]
            assert "earlier records of the patient" not in second["cases"][0]["missing"]
        # what the request says of the past is taken as it is
        other = asked(client, a2, history=[a1 | {"potassium": "9.9"}])
        assert score_of(other) != pytest.approx(expected)
        assert not any(NOTE in note for note in other["notes"])
        content = ",".join(b2) + "\n" + ",".join(map(str, b2.values()))
        file = client.post("/v1/tabular/score", files={"file": ("b.csv", content)}).json()
        assert f"1 {NOTE}" in file["notes"]
        # a visit without a patient, or with a blank one, costs only itself
        odd = asked(client, [a2 | {"patient": " ", "id": "odd"}, a2])
        assert [case["status"] for case in odd["cases"]] == ["scored", "refused"]
        assert store.verify().whole


def test_nothing_is_kept_unless_it_is_asked_for(with_history, url, tmp_path):
    models, (a1, a2, *_) = medanomaly.open(with_history), visit_records()
    with client_of(models, store=url) as client:
        for record in (a1, a2):
            answer = asked(client, record)
            assert "earlier records of the patient" in answer["cases"][0]["missing"]
    with Store.open(url, keep_clinical_values=True) as store:
        assert len(store.predictions()) == 2
        assert store.earlier_records([a1["patient"]], patient_id="patient").empty
    assert a1["patient"].encode() not in (tmp_path / "predictions.db").read_bytes()


def test_a_store_that_does_not_answer_is_said_before_scoring(with_history, url, monkeypatch):
    models, (a1, *_) = medanomaly.open(with_history), visit_records()
    with client_of(models, store=url, keep_records=True) as client:
        service = client.app.state.service
        monkeypatch.setattr(service.persistence.store, "earlier_records", None)
        refused(client.post("/v1/tabular/score", json={"records": a1}), 503)


def test_records_are_not_kept_nowhere(models):
    with pytest.raises(ConfigurationError, match="no store"):
        create_app(models, Settings(keep_records=True))
    assert "secret" not in repr(Settings(store="postgresql://u:secret@host/name"))


def test_a_store_that_cannot_be_opened_keeps_the_service_from_being_ready(folder):
    bad = "postgresql://ward:secret@127.0.0.1:1/name"
    with TestClient(create_app(folder / "tabular", Settings(store=bad)), base_url=LOCAL) as client:
        answer = waited(client, 503)
        assert "the database cannot be used" in refused(answer, 503)["detail"]
        assert "secret" not in answer.text
