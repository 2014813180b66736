"""One answer for a patient, in Python, on the command line and over HTTP."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from medanomaly.commands.cli import call
from medanomaly.core.bundle import make_bundle, read_bundle, write_bundle
from medanomaly.core.errors import BundleError, ConfigurationError, DataNotFoundError, InputError
from medanomaly.fusion.patient_fusion import MORE, SAME, TABLE
from medanomaly.scoring.models import open_models
from medanomaly.scoring.patients import PatientAnswers, patient_folders
from tests.service import small_models
from tests.service.conftest import client_of

MODALITIES = ("tabular", "signals", "imaging")
RECORD = {
    "age": 57,
    "sex": "F",
    "potassium": 4.2,
    "sodium": 140,
    "systolic": 120,
    "diastolic": 80,
    "temperature": 36.8,
}
STRANGE = RECORD | {"potassium": 8.9, "sodium": 111, "temperature": 41}


@pytest.fixture(scope="module")
def picture():
    return small_models.images(1)[0]


@pytest.fixture(scope="module")
def ward(tmp_path_factory, picture):
    """A folder with three patients: a record and an image; a record and a recording; nothing that can be read."""
    ward = tmp_path_factory.mktemp("ward")
    for name in ("anna", "ben", "cleo"):
        (ward / name).mkdir()
    pd.DataFrame([STRANGE]).to_csv(ward / "anna" / "visit.csv", index=False)
    Image.fromarray((picture * 255).astype(np.uint8)).save(ward / "anna" / "chest.png")
    pd.DataFrame([RECORD]).to_csv(ward / "ben" / "visit.csv", index=False)
    (ward / "ben" / "signals").mkdir()
    lead = small_models.ecg(77, 30, 1)[:, 0]
    np.savez(
        ward / "ben" / "signals" / "ecg.npz",
        signal=lead[:, None].astype(np.float32),
        fs=np.float64(small_models.FS),
        leads=np.array(["II"]),
        units=np.array(["mV"]),
    )
    (ward / "cleo" / "notes.txt").write_text("nothing to see")
    (ward / "cleo" / "chest.png").write_bytes(b"no image")
    return ward


@pytest.fixture(scope="module")
def answers(models, ward):
    return {path.name: models.patient(path) for path in patient_folders(ward, MODALITIES)}


def test_a_folder_is_read_by_the_content_of_its_files(answers):
    anna, ben, cleo = (answers[name].to_dict() for name in ("anna", "ben", "cleo"))
    assert (anna["patient_id"], anna["pattern"], anna["not_given"]) == (
        "anna",
        ["tabular", "imaging"],
        ["signals"],
    )
    assert (anna["flagged"], anna["speaks"], anna["basis"]) == (True, ["tabular"], SAME)
    assert (ben["pattern"], ben["basis"]) == (["tabular", "signals"], TABLE)
    assert "too few calibration patients" in ben["approximation"]
    assert ben["modalities"][1]["smallest_possible"] == pytest.approx(1 / 13)
    assert (cleo["status"], cleo["not_given"]) == ("refused", ["tabular", "signals", "imaging"])
    assert [of["part"] for of in cleo["refused"]] == ["notes.txt", "chest.png"]


def test_the_answer_is_made_of_the_scores_of_the_fused_models(answers, models):
    anna = answers["anna"].to_dict()
    alone = models.score([STRANGE], modality="tabular", models=["ecdf"], explain=1)
    p = float(alone.scores["p_value"].iloc[0])
    smallest = answers["anna"].smallest
    assert smallest["tabular"] == p
    again = models.fusion.fusion.fuse(np.array([[p, np.nan, smallest["imaging"]]]))
    assert anna["p_value"] == again.p_value[0]
    assert [of["p_value"] for of in anna["modalities"]] == again.by_modality[0, [0, 2]].tolist()
    record = anna["modalities"][0]
    assert record["most_unusual"]["reasons"][0]["feature"] in ("potassium", "sodium", "temperature")
    assert "admitted" in record["most_unusual"]["missing"]
    assert record["model"] == "ecdf"


def test_a_mapping_says_what_is_what(models, picture):
    answer = models.patient(
        {"patient_id": 17, "tabular": RECORD, "imaging": picture}, alpha=1.0, explain=False
    )
    told = answer.to_dict()
    assert (told["patient_id"], told["flagged"], told["alpha"]) == ("17", True, 1.0)
    assert "reasons" not in told["modalities"][0]["most_unusual"]
    one = models.patient({"tabular": RECORD}).to_dict()
    assert (one["basis"], one["n_joint"]) == (MORE, 150)
    assert one["p_value"] == one["modalities"][0]["p_value"]
    assert "Compared with 150 patients" in one["approximation"]


def test_findings_of_every_modality_are_given(models):
    told = models.patient({"tabular": {"temperature": 98.6}}).to_dict()["modalities"][0]
    assert told["findings"][0]["suggested_value"] == "37"
    refused = models.patient({"tabular": [RECORD, {"age": 1500}, {"age": 1600}]}).to_dict()
    assert refused["modalities"][0]["n_cases"] == 1
    assert [of["part"] for of in refused["refused"]] == ["tabular: 2 and 1 more"]


def test_many_refused_cases_with_one_reason_are_one_line(models):
    signal = small_models.ecg(3, 40, 1)
    signal[5000:9000] = np.nan
    options = {"signals": {"fs": small_models.FS, "leads": ["II"], "units": "mV"}}
    told = models.patient({"signals": signal}, options=options).to_dict()
    assert len(told["refused"]) <= 2


def test_what_is_no_patient_is_refused(models, ward):
    with pytest.raises(DataNotFoundError, match="no such folder"):
        models.patient(ward / "nobody")
    with pytest.raises(InputError, match="'ultrasound' is no modality"):
        models.patient({"ultrasound": 1})
    with pytest.raises(InputError, match="a float is no patient"):
        models.patient(1.5)
    with pytest.raises(ConfigurationError, match="no modality 'ultrasound'"):
        models.patient({"tabular": RECORD}, options={"ultrasound": {}})


def test_models_of_one_modality_have_no_answer_for_a_patient(folder, ward):
    with pytest.raises(ConfigurationError, match="come with no fusion"):
        open_models(folder / "tabular").patient(ward / "anna")


def test_a_fusion_of_other_models_is_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "run")
    lbe = read_bundle(tmp_path / "run" / "imaging" / "lbe")
    entries = {k: v for k, v in lbe.manifest.items() if k not in ("sha256", "manifest_sha256")}
    write_bundle(tmp_path / "run" / "imaging" / "lbe", make_bundle(entries | {"seed": 99}, lbe.files))
    with pytest.raises(BundleError, match="p-values of imaging.lbe in the state"):
        open_models(tmp_path / "run")


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_answers_are_written_most_unusual_first(answers, tmp_path, ending):
    path = tmp_path / f"patients.{ending}"
    PatientAnswers(list(answers.values())).save(path)
    if ending == "json":
        assert [of["patient_id"] for of in json.loads(path.read_text())["patients"]] == [
            "anna",
            "ben",
            "cleo",
        ]
        return
    table = pd.read_csv(path) if ending == "csv" else pd.read_parquet(path)
    assert table["patient_id"].tolist() == ["anna", "ben", "cleo"]
    assert table["status"].tolist() == ["scored", "scored", "refused"]
    assert table.loc[0, ["speaks", "pattern", "not_given"]].tolist() == [
        "tabular",
        "tabular + imaging",
        "signals",
    ]


def test_an_unknown_ending_is_refused(answers, tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be written"):
        PatientAnswers(list(answers.values())).save(tmp_path / "patients.doc")


def test_the_command_answers_for_a_folder_of_patients(folder, ward, capsys, answers):
    call(["score", str(ward), "--models", str(folder), "--patients"], standalone_mode=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "The 2 most unusual of 2 patients" in said
    assert "1 of 2 patients are unusual at a false-alarm rate of 0.05." in said
    assert "1 of 2 p-values: Taken from the table of the Cauchy distribution" in said
    assert "Refused of cleo: notes.txt:" in said
    assert "Research use only" in said
    call(
        ["score", str(ward / "anna"), "--models", str(folder), "--patients", "--json"], standalone_mode=False
    )
    (told,) = json.loads(capsys.readouterr().out)["patients"]
    assert told == json.loads(json.dumps(answers["anna"].to_dict()))


def test_the_command_refuses_options_of_single_modalities(folder, ward):
    words = ["score", str(ward), "--models", str(folder), "--patients", "--model", "ecdf"]
    with pytest.raises(ConfigurationError, match="Leave out --model"):
        call(words, standalone_mode=False)


def test_the_folder_of_one_patient_is_told_from_a_folder_of_patients(ward, tmp_path):
    assert [path.name for path in patient_folders(ward, MODALITIES)] == ["anna", "ben", "cleo"]
    assert patient_folders(ward / "ben", MODALITIES) == [ward / "ben"]
    (tmp_path / "one" / "signals").mkdir(parents=True)
    assert patient_folders(tmp_path / "one", MODALITIES) == [tmp_path / "one"]
    (tmp_path / "none").mkdir()
    with pytest.raises(DataNotFoundError, match="empty"):
        patient_folders(tmp_path / "none", MODALITIES)


def test_the_service_answers_as_python_does(client, models, picture):
    signal = small_models.ecg(77, 30, 1)[:, :1].astype(np.float32).astype(float)
    image = np.round(picture.astype(float), 6)
    body = {
        "patients": [
            {
                "patient_id": "P17",
                "tabular": STRANGE,
                "signals": {"signal": signal.tolist(), "fs": small_models.FS, "leads": ["II"], "units": "mV"},
                "imaging": {"image": image.tolist()},
            },
            {"tabular": [RECORD, STRANGE]},
        ],
        "alpha": 0.1,
    }
    served = client.post("/v1/patients/score", json=body)
    assert served.status_code == 200
    first, second = served.json()["patients"]
    options = {"signals": {"fs": small_models.FS, "leads": ["II"], "units": "mV", "record": "recording"}}
    raw = {"tabular": [STRANGE], "signals": signal, "imaging": [np.clip(image, -2, 3).astype(np.float32)]}
    wanted = models.patient(raw, patient_id="P17", alpha=0.1, explain=False, options=options)
    assert first == json.loads(json.dumps(wanted.to_dict()))
    assert (second["patient_id"], second["pattern"], second["flagged"]) == ("2", ["tabular"], True)
    explained = client.post("/v1/patients/explain", json=body).json()["patients"][0]
    assert explained["modalities"][0]["most_unusual"]["reasons"]


def test_the_service_refuses_what_is_wrong_with_a_part_and_answers_the_rest(client):
    body = {"patients": [{"tabular": RECORD, "imaging": {"image": [[1, 2], [3]]}}]}
    (told,) = client.post("/v1/patients/score", json=body).json()["patients"]
    assert told["status"] == "scored"
    assert [of["part"] for of in told["refused"]] == ["imaging"]
    assert client.post("/v1/patients/score", json={"patients": [{}]}).status_code == 422
    assert client.post("/v1/patients/score", json={"patients": []}).status_code == 422
    assert client.post("/v1/patients/score", json={"patients": [{"ultrasound": 1}]}).status_code == 422


SYMPTOMS = {"symptoms": ["HP:0007359", "HP:0002391", "HP:9999999"], "excluded": ["stroke"], "sex": "F"}


def test_symptoms_come_with_the_diseases_that_would_explain_them(models):
    answer = models.patient({"patient_id": "dora", "tabular": RECORD, "diagnosis": SYMPTOMS})
    told = answer.to_dict()
    (ranking,) = told["rankings"]
    (alone,) = models.rank(SYMPTOMS).to_dict()["cases"]
    assert ranking["cases"] == [alone]
    assert alone["diseases"][0]["disease"] == "OMIM:1"
    assert [part["given"] for part in alone["not_read"]] == ["HP:0002391", "HP:9999999"]
    assert ranking["knowledge"]["ontology"] == "HPO 2025-01-16"
    # a ranking never becomes a p-value
    assert told["p_value"] == models.patient({"tabular": RECORD}).p_value
    assert [part["part"] for part in told["refused"]] == ["diagnosis"]
    assert "not fused" in told["refused"][0]["reason"]
    assert answer.row()["diseases"].startswith("Seizure disease 1")
    plain = models.patient({"tabular": RECORD, "diagnosis": SYMPTOMS}, explain=False).to_dict()
    assert "reasons" not in plain["rankings"][0]["cases"][0]["diseases"][0]
    assert models.patient({"tabular": RECORD}).row()["diseases"] == ""
    assert models.patient({"tabular": RECORD, "diagnosis": {"symptoms": ["x"]}}).to_dict()["rankings"] == []


def test_where_symptoms_are_fused_their_p_value_is_that_of_the_model(folder, tmp_path):
    for modality in ("tabular", "diagnosis"):
        shutil.copytree(folder / modality, tmp_path / modality)
    small_models.fusion(tmp_path, {"tabular": "ecdf", "diagnosis": "phenotype_ranker"})
    models = open_models(tmp_path)
    answer = models.patient({"diagnosis": SYMPTOMS})
    of = answer.to_dict()["modalities"][0]
    assert of["most_unusual"]["p_value"] == models.rank(SYMPTOMS).to_dict()["cases"][0]["p_value"]
    assert "9999999" in str(of["findings"])
    assert of["most_unusual"]["missing"] == ["age"]
    assert answer.to_dict()["refused"] == []


def test_the_command_lists_diseases_of_patients_with_symptoms(folder, tmp_path, capsys):
    (tmp_path / "dora").mkdir()
    pd.DataFrame([RECORD]).to_csv(tmp_path / "dora" / "visit.csv", index=False)
    (tmp_path / "dora" / "case.json").write_text(json.dumps(SYMPTOMS))
    call(["score", str(tmp_path), "--models", str(folder), "--patients"], standalone_mode=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "Diseases that would explain dora: Seizure disease 1" in said
    assert "look like those of no patient whose disease is known" in said
    (tmp_path / "dora" / "case.json").unlink()
    call(["score", str(tmp_path), "--models", str(folder), "--patients"], standalone_mode=False)
    assert "Diseases" not in capsys.readouterr().out


def test_symptoms_of_a_body_are_ranked_and_wrong_ones_cost_only_themselves(client):
    listed = {"observed": ["HP:0007359"], "excluded": ["stroke"]}
    wrong = [{}, {"text": "x", "observed": []}, {"phenopacket": {"a": 1}}, {"text": "She feels well."}]
    body = {"patients": [{"tabular": RECORD, "diagnosis": of} for of in (listed, *wrong)]}
    first, *others = client.post("/v1/patients/score", json=body).json()["patients"]
    assert first["rankings"][0]["cases"][0]["diseases"][0]["disease"] == "OMIM:1"
    for one in others:
        assert (one["status"], one["rankings"]) == ("scored", [])
        assert one["refused"][0]["part"].startswith("diagnosis")
    too_many = {"observed": ["HP:0001250"] * 1001}
    body = {"patients": [{"tabular": RECORD, "diagnosis": too_many}]}
    assert client.post("/v1/patients/score", json=body).status_code == 413


def test_files_of_one_patient_are_uploaded_by_modality(client, ward, picture):
    files = [
        ("tabular", ("Jane Doe.csv", (ward / "anna" / "visit.csv").read_bytes())),
        ("imaging", ("Jane Doe.png", (ward / "anna" / "chest.png").read_bytes())),
        ("signals", ("Jane Doe.npz", (ward / "ben" / "signals" / "ecg.npz").read_bytes())),
        (
            "diagnosis",
            ("Jane Doe.json", json.dumps({"phenotypicFeatures": [{"type": {"id": "HP:0001250"}}]})),
        ),
    ]
    served = client.post("/v1/patients/explain", files=files, data={"patient_id": "P17", "alpha": "0.1"})
    assert served.status_code == 200, served.text
    assert "Jane" not in served.text
    (told,) = served.json()["patients"]
    assert (told["patient_id"], told["alpha"]) == ("P17", 0.1)
    assert told["pattern"] == ["tabular", "signals", "imaging"]
    assert told["modalities"][0]["most_unusual"]["reasons"]
    assert told["rankings"][0]["cases"][0]["symptoms"][0]["name"] == "Seizure"
    broken = [
        ("tabular", files[0][1]),
        ("imaging", ("a.png", b"x")),
        ("signals", ("a.exe", b"x")),
        ("diagnosis", ("a", b"{")),
    ]
    (told,) = client.post("/v1/patients/score", files=broken).json()["patients"]
    assert told["pattern"] == ["tabular"]
    assert {part["part"].partition(":")[0] for part in told["refused"]} == {"imaging", "signals", "diagnosis"}
    for wrong in ([("file", files[0][1])], [("ultrasound", files[0][1])]):
        assert client.post("/v1/patients/score", files=wrong).status_code == 422


def test_models_without_a_fusion_are_not_found_as_patients(folder):
    with client_of(open_models(folder / "tabular")) as client:
        served = client.post("/v1/patients/score", json={"patients": [{"tabular": RECORD}]})
    assert served.status_code == 404
    assert "no fusion" in served.json()["detail"]
