"""Reviews over HTTP, and the watch over the stream of cases."""

import numpy as np
import pytest

from medanomaly.core.recipe import PlainCase
from medanomaly.scoring.models import open_models
from medanomaly.service.metrics import Metrics
from medanomaly.service.stream_watch import TOGETHER, StreamWatch
from tests.scoring.small_models import sealed_with_facts, visits
from tests.service.conftest import client_of


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A detector of visits with the facts of its calibration records; one record per patient."""
    folder = tmp_path_factory.mktemp("models")
    raw = visits(800).assign(patient=lambda table: table["id"])
    return open_models(sealed_with_facts(folder, raw, np.arange(800) % 2))


def records(n, seed, move=0.0):
    table = visits(n, seed).drop(columns="outcome").assign(patient=lambda t: t["id"])
    return table.assign(sodium=table["sodium"].astype(float).add(move).round(1)).to_dict("records")


def asked(client, given):
    answer = client.post("/v1/tabular/score", json={"records": given})
    assert answer.status_code == 200, answer.text
    return answer.json()


def gauge(client, name):
    lines = client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(f'{name}{{modality="tabular"}}')).split()[-1])


def test_the_watch_is_silent_on_cases_like_those_of_calibration(models):
    with client_of(models) as client:
        for seed in (1, 2, 3):
            said = asked(client, records(60, seed))
        assert said["stream"]["verdict"] == "holds"
        assert said["stream"]["n_cases"] == 180
        assert "taken otherwise" in said["stream"]["reason"]
        assert gauge(client, "medanomaly_stream_broken") == 0
        assert gauge(client, "medanomaly_stream_cases") == 180
        assert not any("p_value_holds" in one for case in said["cases"] for one in case["answers"])


def test_a_shift_is_noticed_and_every_p_value_says_that_it_does_not_hold(models):
    with client_of(models) as client:
        asked(client, records(60, 1))
        said = asked(client, records(60, 2, move=4.0))
        assert said["stream"]["verdict"] == "broken"
        assert "taken otherwise than at calibration" in said["stream"]["reason"]
        assert {one["p_value_holds"] for case in said["cases"] for one in case["answers"]} == {False}
        assert gauge(client, "medanomaly_stream_broken") == 1
        assert gauge(client, "medanomaly_stream_capital") >= 100


def test_single_plain_cases_are_watched_a_few_at_once(models):
    recipe = models.recipe(modality="tabular")
    features = recipe.read(records(60, 3, move=4.0)).inputs["features"].inputs.drop(columns="case_id")
    watch = StreamWatch(models, Metrics())
    seen = [
        watch.add_plain("tabular", PlainCase(str(i), row))["n_cases"]
        for i, row in enumerate(features.to_dict("records"))
    ]
    assert seen[: TOGETHER + 1] == [0] * (TOGETHER - 1) + [TOGETHER] * 2
    assert watch.verdict("tabular")["verdict"] == "broken"
    assert watch.verdict("imaging") is watch.add_plain("imaging", PlainCase("1", {})) is None


@pytest.fixture
def stored(models, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDANOMALY_SUBJECT_KEY", "a secret key of the tests")
    with client_of(models, store=f"sqlite:///{tmp_path / 'predictions.db'}") as client:
        yield client


def test_reviews_over_http_are_counted_and_unknown_cases_are_named(stored):
    given = records(20, 5)
    given[0]["potassium"] = "9.9"
    said = asked(stored, given)
    flagged = [case["case_id"] for case in said["cases"] if case["answers"][0]["flagged"]]
    assert given[0]["id"] in flagged
    reviews = [
        {
            "case_id": given[0]["id"],
            "patient_id": given[0]["patient"],
            "anomalous": True,
            "outcome": "kidneys",
        },
        {"case_id": "never scored", "anomalous": False},
    ]
    answer = stored.post("/v1/reviews", json={"reviews": reviews})
    assert answer.json() == {"n_new": 1, "n_same": 0, "unknown": [2]}
    assert stored.post("/v1/reviews", json={"reviews": reviews[:1]}).json()["n_same"] == 1
    (found,) = stored.get("/v1/reviews").json()["models"]
    assert (found["n_alarms"], found["n_reviewed"], found["n_confirmed"]) == (len(flagged), 1, 1)
    assert 'medanomaly_alarm_reviews_total{verdict="confirmed"} 1.0' in stored.get("/metrics").text
    refused = stored.post("/v1/reviews", json={"reviews": reviews[1:]})
    assert refused.status_code == 422
    assert "No such case was scored here" in refused.json()["detail"]


def test_alarms_are_listed_and_reviewed_by_their_ids(stored):
    given = records(20, 6)
    given[0]["potassium"], given[1]["potassium"] = "9.9", "9.8"
    asked(stored, given)
    said = stored.get("/v1/reviews/alarms?n=1").json()
    (alarm,) = said["alarms"]
    assert said["n_waiting"] >= 2
    assert alarm["model"] == "tabular.ecdf"
    of_case = stored.get(f"/v1/reviews/alarms?n=20&case_id={given[1]['id']}").json()
    assert (of_case["n_waiting"], len(of_case["alarms"])) == (1, 1)
    assert stored.get("/v1/reviews/alarms?n=20&case_id=never").json() == {"alarms": [], "n_waiting": 0}
    review = {"id": alarm["id"], "anomalous": False, "outcome": "clotted"}
    for new in (1, 0):
        answer = stored.post("/v1/reviews", json={"reviews": [review]})
        assert (answer.json()["n_new"], answer.json()["n_same"]) == (new, 1 - new)
    changed = stored.post("/v1/reviews", json={"reviews": [review | {"anomalous": True}]})
    assert changed.json()["n_new"] == 1
    left = stored.get("/v1/reviews/alarms?n=100").json()
    assert left["n_waiting"] == said["n_waiting"] - 1
    assert alarm["id"] not in {one["id"] for one in left["alarms"]}
    (found,) = stored.get("/v1/reviews").json()["models"]
    assert (found["n_reviewed"], found["n_confirmed"]) == (1, 1)


@pytest.mark.parametrize(
    "review",
    [
        {"anomalous": True},
        {"anomalous": True, "id": "0" * 64, "case_id": "r1"},
        {"anomalous": True, "id": "0" * 64, "patient_id": "p1"},
        {"anomalous": True, "id": "0" * 64},
        {"anomalous": True, "id": "%%%%%%%%"},
        {"anomalous": True, "id": "short"},
    ],
)
def test_a_review_of_nothing_that_is_known_is_refused(stored, review):
    assert stored.post("/v1/reviews", json={"reviews": [review]}).status_code == 422


def test_without_a_store_there_is_nothing_to_review(models):
    with client_of(models) as client:
        assert client.get("/v1/reviews").status_code == 404
        assert client.get("/v1/reviews/alarms?n=5").status_code == 404
