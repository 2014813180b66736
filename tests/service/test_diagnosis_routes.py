"""Diseases over HTTP: every form of findings, what could not be read, limits, and terms while somebody types."""

import json

import pytest

from medanomaly.scoring.models import Models, open_models
from tests.diagnosis.test_any_form import BUNDLE, PACKET
from tests.service import small_models
from tests.service.conftest import client_of
from tests.service.test_refusals import CANARY, refused

RANK, TERMS = "/v1/diagnosis/rank", "/v1/diagnosis/terms"
LISTED = {"observed": ["HP:0007359", "Global developmental delay"], "excluded": ["Stroke"]}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A ranker alone."""
    folder = tmp_path_factory.mktemp("ranker")
    small_models.diagnosis(folder)
    return open_models(folder)


@pytest.fixture(scope="module")
def client(models):
    with client_of(models, limits={"seconds": 300}) as client:
        yield client


def rank(client, status=200, **body):
    answer = client.post(RANK, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_listed_findings_are_ranked_as_in_python(client, models):
    served = rank(client, **LISTED, sex="F", age="18 months", n=2, explain=1)
    wanted = models.rank(
        {"symptoms": LISTED["observed"], "excluded": LISTED["excluded"], "sex": "F", "age": "18 months"},
        top=2,
        explain=1,
    )
    assert served == json.loads(wanted.to_json())
    (case,) = served["cases"]
    assert case["diseases"][0]["disease"] == "OMIM:1"
    assert ["reasons" in one for one in case["diseases"]] == [True, False]
    reason = case["diseases"][0]["reasons"][0]
    assert (reason["term"], reason["stated"], reason["reference"]) == (
        "HP:0007359",
        "4/10",
        "PMID:11;PMID:12",
    )
    assert len(case["diseases"][0]["reasons"]) == 3
    assert case["missing"] == []
    assert 0 < case["p_value"] <= 1
    assert {"name", "yes", "gain_bits"} <= set(case["look_for_next"][0])
    assert served["model"]["bundle"] == models["phenotype_ranker"].bundle.bundle_hash
    assert served["knowledge"]["ontology"] == "HPO 2025-01-16"
    assert "do not alter" in served["knowledge"]["licence"]
    assert "Research use only" in served["notice"]


def test_every_disease_says_whether_it_is_in_the_set_and_what_is_left(client):
    found = rank(client, **LISTED)
    (case,) = found["cases"]
    assert found["set_coverage"] == 0.9
    inside = [one["in_set"] for one in case["diseases"]]
    assert inside[0]
    assert case["set_size"] == sum(inside)
    assert case["none_of_these"] == pytest.approx(
        1 - sum(one["probability"] for one in case["diseases"]), abs=1e-9
    )


@pytest.mark.parametrize(
    "body", [PACKET, {"phenopacket": PACKET}, {"phenopacket": {"phenopacket": PACKET}}, BUNDLE], ids=str
)
def test_a_phenopacket_comes_bare_or_with_options(client, body):
    (case,) = rank(client, **body)["cases"]
    assert [symptom["name"] for symptom in case["symptoms"]] == ["Seizure"]
    assert case["case_id"] in ("case 7", "p1")
    if "phenopacket" in body:
        (other,) = rank(client, **body, case_id="x", n=1)["cases"]
        assert (other["case_id"], len(other["diseases"])) == ("x", 1)


def test_a_text_is_read_with_negation_and_relatives(client):
    (case,) = rank(client, text="Seizures since birth, no stroke. His mother has an atrial septal defect.")[
        "cases"
    ]
    assert [(s["term"], s["excluded"]) for s in case["symptoms"]] == [
        ("HP:0001250", False),
        ("HP:0001297", True),
    ]
    assert "mother" in case["not_read"][0]["reason"]


def test_weights_count(client):
    (sure,), (unsure,) = (
        rank(client, observed=["HP:0001250"], weights={"HP:0001250": weight})["cases"] for weight in (1, 0.25)
    )
    first, other = (case["diseases"][0]["reasons"][0] for case in (sure, unsure))
    assert other["weight"] == 0.25
    assert other["log_ratio"] == pytest.approx(first["log_ratio"] / 4)


def test_what_cannot_be_read_is_said_and_the_rest_is_ranked(client):
    findings = ["HP:0002391", "HP:0000057", "HP:0000059", "HP:0003577", "HP:9999999", "seizur", "stroke"]
    (case,) = rank(client, observed=findings, age="long ago", sex="rather")["cases"]
    said = {part["given"]: part for part in case["not_read"]}
    assert said.keys() == {*findings[:-1], "long ago", "rather"}
    assert "replaced by HP:0001250" in said["HP:0002391"]["reason"]
    assert said["HP:0002391"]["term"] == "HP:0001250"
    assert "withdrawn" in said["HP:0000059"]["reason"]
    assert "no symptom" in said["HP:0003577"]["reason"]
    assert "not in the HPO release" in said["HP:9999999"]["reason"]
    assert "did you mean HP:0001250" in said["seizur"]["reason"]
    assert {symptom["term"] for symptom in case["symptoms"]} == {"HP:0001250", "HP:0001297"}
    assert case["missing"] == ["sex", "age"]


def test_findings_of_which_none_is_known_are_an_answer_with_reasons(client):
    (case,) = rank(client, observed=["HP:9999999", "seizur"])["cases"]
    assert case["status"] == "refused"
    assert len(case["not_read"]) == 2
    said = refused(client.post(RANK, json={"text": "She feels well."}), 422)
    assert said["detail"] == "The data cannot be used: the text names no symptom of the patient."


def test_an_order_that_says_little_says_so(client):
    (case,) = rank(client, excluded=["HP:0001297"])["cases"]
    assert any("Every symptom is excluded" in said for said in case["cautions"])
    (case,) = rank(client, **LISTED)["cases"]
    assert not any("excluded" in said for said in case["cautions"])


def test_five_hundred_findings_are_ranked_and_more_than_the_limit_are_not(models):
    (model,) = [name for name in models if name.startswith("diagnosis")]
    with client_of(models, limits={"findings": 500, "note": 100}) as client:
        many = [f"HP:{i:07d}" for i in range(1, 500)] + ["HP:0001250"]
        (case,) = rank(client, observed=many, model=model)["cases"]
        assert case["status"] == "scored"
        assert len(case["not_read"]) == 500 - len(case["symptoms"])
        for body in (
            {"observed": [*many, "x"]},
            {"observed": many, "excluded": ["x"]},
            {"phenopacket": PACKET | {"phenotypicFeatures": PACKET["phenotypicFeatures"] * 501}},
            {"text": "seizure " * 20},
        ):
            refused(client.post(RANK, json=body), 413)
        files = {"file": ("a.json", json.dumps(PACKET | {"phenotypicFeatures": [{}] * 501}))}
        refused(client.post(RANK, files=files), 413)


def test_a_bundle_of_too_many_patients_is_refused(client):
    patients = [{"resource": {"resourceType": "Patient", "id": f"p{i}"}} for i in range(101)]
    findings = [
        {"resource": BUNDLE["entry"][1]["resource"] | {"subject": {"reference": f"Patient/p{i}"}}}
        for i in range(101)
    ]
    refused(client.post(RANK, json=BUNDLE | {"entry": patients + findings}), 413)


def test_a_list_that_is_far_too_long_for_one_patient_says_so(client):
    knowledge_terms = ["HP:0001250"] * 400
    (case,) = rank(client, observed=knowledge_terms)["cases"]
    # a term that is given twice counts once
    assert len(case["symptoms"]) == 1


WRONG = {
    "nothing": {},
    "no finding": {"observed": [], "excluded": []},
    "two forms": {"observed": [CANARY], "text": CANARY},
    "weights of a text": {"text": CANARY, "weights": {CANARY: 1}},
    "age beside a text": {"text": CANARY, "age": 3},
    "sex beside a phenopacket": {"phenopacket": PACKET, "sex": "F"},
    "weight of nothing": {"observed": ["HP:0001250"], "weights": {CANARY: 1}},
    "weight": {"observed": ["HP:0001250"], "weights": {"HP:0001250": 7}},
    "number": {"observed": [1]},
    "text as list": {"text": [CANARY]},
    "unknown field": {"observed": ["HP:0001250"], CANARY: 1},
    "unknown model": {"observed": ["HP:0001250"], "model": CANARY},
    "no phenopacket": {"phenopacket": {"a": CANARY}},
    "phenopacket as text": {"phenopacket": CANARY},
    "phenopacket without features": {"subject": {"id": CANARY}},
    "broken phenopacket": {"phenotypicFeatures": [CANARY], "id": CANARY},
    "broken features": {"phenotypicFeatures": CANARY},
    "other resource": {"resourceType": CANARY},
    "empty bundle": {"resourceType": "Bundle", "entry": [CANARY]},
    "too many": {"observed": ["HP:0001250"], "n": 1000},
}


@pytest.mark.parametrize("name", WRONG)
def test_bodies_that_cannot_be_used_are_refused_without_their_values(client, name):
    answer = client.post(RANK, json=WRONG[name])
    body = refused(answer, 422)
    assert CANARY not in answer.text
    assert body["detail"]


def test_no_file_of_the_server_is_read(client, tmp_path):
    path = tmp_path / "case.json"
    path.write_text(json.dumps(PACKET))
    for given in (str(path), [str(path)], {"phenopacket": str(path)}, {"x": str(path)}):
        refused(client.post(RANK, json={"phenopacket": given}), 422)
        refused(client.post(RANK, files={"file": ("a.json", json.dumps(given))}), 422)
    (case,) = rank(client, observed=[str(path)])["cases"]
    assert case["status"] == "refused"


def test_files_go_by_their_place_and_a_broken_one_costs_only_itself(client):
    def upload(*contents):
        files = [("file", (f"{CANARY} {i}.json", content)) for i, content in enumerate(contents)]
        return client.post(RANK, files=files, data={"n": "1", "explain": "0"})

    found = upload(json.dumps(PACKET), "{", json.dumps({"resourceType": "Bundle"}), "[" * 5000, b"\xff")
    assert found.status_code == 200, found.text
    assert CANARY not in found.text
    cases = {case["case_id"]: case for case in found.json()["cases"]}
    assert cases.keys() == {f"patient {i}" for i in range(1, 6)}
    assert cases["patient 1"]["status"] == "scored"
    assert cases["patient 2"]["reason"] == "it is no valid phenopacket"
    assert upload(json.dumps(PACKET)).json()["cases"][0]["case_id"] == "patient"
    refused(upload("{"), 422)
    refused(upload(json.dumps({"id": CANARY, "phenotypicFeatures": []})), 422)


def test_terms_are_found_by_beginnings_in_any_order_and_with_slips(client):
    def found(q, **more):
        answer = client.get(TERMS, params={"q": q} | more)
        assert answer.status_code == 200, answer.text
        assert answer.json()["ontology"] == "HPO 2025-01-16"
        return [(term["name"], term.get("synonym")) for term in answer.json()["terms"]]

    assert found("seiz") == [
        ("Seizure", None),
        ("Focal-onset seizure", None),
        ("Generalized-onset seizure", None),
    ]
    assert found("seizure foc") == [("Focal-onset seizure", None)]
    assert found("SEIZRUE")[0] == ("Seizure", None)
    assert found("atrail sept")[0] == ("Atrial septal defect", None)
    assert found("krampf") == [("Seizure", "Krampfanfall")]
    assert found("HP:0002391") == [("Seizure", None)]
    assert found("zzz") == found("") == found("?!") == []
    assert len(found("s", n=1)) == 1


def test_a_search_that_cannot_be_answered_is_refused(client):
    for query in ({}, {"q": "x" * 201}, {"q": CANARY, "n": 0}, {"q": CANARY, CANARY: 1}):
        answer = client.get(TERMS, params=query)
        refused(answer, 422)
        assert CANARY not in answer.text


def test_models_of_other_data_rank_nothing():
    with client_of(Models([], {})) as client:
        refused(client.post(RANK, json=LISTED), 404)
        refused(client.get(TERMS, params={"q": "a"}), 404)


def test_rankings_are_counted_and_scores_are_stored(models, tmp_path):
    pytest.importorskip("sqlalchemy")
    with client_of(models, store=f"sqlite:///{tmp_path}/store.db") as client:
        rank(client, **LISTED, case_id="visit 7")
        rank(client, observed=["HP:9999999"])
        text = client.get("/metrics").text
        stored = client.app.state.service.persistence.store.predictions()
    assert 'medanomaly_cases_scored_total{modality="diagnosis",model="phenotype_ranker"} 1.0' in text
    assert 'medanomaly_cases_refused_total{modality="diagnosis"} 1.0' in text
    assert len(stored) == 1
