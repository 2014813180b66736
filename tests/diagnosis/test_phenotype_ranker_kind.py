"""The ranker as a kind of model: what it learns from, what it seals, and what it answers."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.diagnosis.small_release import GENES, HPOA, OBO
from tests.diagnosis.test_any_form import MAPPING, PACKET

from medanomaly.commands.cli import call
from medanomaly.core.bundle import make_bundle, write_bundle
from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.core.models import FitContext, ModelInput, kind
from medanomaly.diagnosis.kinds import NAME, RERANKER
from medanomaly.diagnosis.knowledge.source import read_knowledge
from medanomaly.diagnosis.patients import PatientSymptoms, read_symptoms, written_symptoms
from medanomaly.diagnosis.readers.case_table import case_table
from medanomaly.diagnosis.recipe import symptom_recipe
from medanomaly.scoring.models import open_models

NAN = float("nan")
LISTS = {
    "OMIM:1": ["HP:0007359", "HP:0001263"],
    "OMIM:2": ["HP:0001631", "HP:0001297"],
    "SYNTHETIC:1": ["HP:0007359", "HP:0001631"],
}


@pytest.fixture(scope="module")
def knowledge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hpo") / "2025-01-16"
    folder.mkdir()
    for name, text in (("hp.obo", OBO), ("phenotype.hpoa", HPOA), ("genes_to_phenotype.txt", GENES)):
        (folder / name).write_text(text)
    return read_knowledge(folder)


@pytest.fixture(scope="module")
def data(knowledge):
    """Ninety patients of two known diseases and an unknown one, a third in each part; test publications are cited."""
    cases, rows, parts = [], [], []
    for i in range(90):
        disease = ("OMIM:1", "OMIM:2", "SYNTHETIC:1")[i % 10 // 5 if i % 10 < 9 else 2]
        part = ("train", "calibration", "test")[i % 3]
        publication = {"test": "PMID:11", "calibration": f"PMID:{900 + i}"}.get(part, f"PMID:{500 + i}")
        cases.append((f"c{i}", f"p{i}", publication, disease, disease, "F", 3.0, NAN))
        rows += [(f"c{i}", term, False, 1.0, NAN) for term in LISTS[disease]]
        rows += [(f"c{i}", "HP:0001250", True, 1.0, NAN)] if i % 7 == 0 and disease == "OMIM:2" else []
        parts.append(part)
    patients = read_symptoms(case_table(cases), written_symptoms(rows), knowledge.ontology)
    label = patients.cases["disease"].str.startswith("SYNTHETIC").astype("Int8")
    table = pd.DataFrame({"case_id": patients.cases["case_id"], "patient_id": patients.cases["patient_id"]})
    table = table.assign(label=label, kind="", split=parts)
    return ModelInput(table, patients, {"knowledge": knowledge})


def fitted(data, **options):
    of = kind(options.get("kind", NAME))
    params = of.params.model_validate({"kind": NAME, **options})
    context = FitContext(NAME, "diagnosis", stamp={"dataset": "small", "recipe": "r"})
    bundle, _ = of.fit(data, params, context)
    return of, bundle


@pytest.fixture(scope="module")
def model(data):
    return fitted(data)


def test_the_bundle_says_what_it_was_made_from_and_serves_the_same_scores(model, data):
    of, bundle = model
    manifest = json.loads(json.dumps(dict(bundle.manifest)))
    assert manifest["knowledge"]["ontology"] == "HPO 2025-01-16"
    assert "do not alter" in manifest["knowledge"]["licence"]
    assert manifest["training_data"]["n_cases"] == 30
    scorer = of.open(bundle)
    table, left = of.score_table(scorer, data, {}, None, 20)
    np.testing.assert_allclose(scorer.score(data.inputs), table["score"])
    alone = data.inputs.select(["c5"])
    assert scorer.score(alone)[0] == pytest.approx(table["score"][5], abs=1e-6)
    assert table.loc[data.cases["split"] == "train", "p_value"].isna().all()
    assert set(left) == {"rankings", "reasons"}


def test_diseases_stand_in_order_with_the_diagnosed_one_among_them(model, data):
    of, bundle = model
    looked = of.open(bundle).look(data.inputs, top=1)
    first = looked.rankings.drop_duplicates("case_id").set_index("case_id")
    known = data.inputs.cases[data.inputs.cases["disease"].str.startswith("OMIM")]
    assert (first.loc[known["case_id"], "disease"].to_numpy() == known["disease"].to_numpy()).all()
    own = looked.rankings.merge(known[["case_id", "disease"]], on=["case_id", "disease"])
    assert len(own) == len(known)
    assert not looked.rankings.duplicated(["case_id", "disease"]).any()


def test_who_looks_like_nobody_has_the_higher_score_and_the_parts_of_a_score_add_up(model, data):
    of, bundle = model
    scorer = of.open(bundle)
    score = scorer.score(data.inputs)
    label = data.cases["label"].to_numpy(dtype=int)
    assert score[label == 1].min() > score[label == 0].max()
    assert ((score >= 0) & (score <= 1)).all()
    looked = scorer.look(data.inputs)
    chosen = np.array([9, 0])
    terms = of.explain(scorer, data, chosen, {"rankings": looked.rankings})
    assert terms["case_id"].unique().tolist() == ["c9", "c0"]
    sums = terms.groupby("case_id")["contribution"].sum()
    np.testing.assert_allclose(sums[["c9", "c0"]], score[chosen], atol=1e-6)
    assert not terms["feature"].eq("no observed symptom").any()


def test_a_patient_without_an_observed_symptom_is_said_to_have_none(model, knowledge):
    of, bundle = model
    scorer = of.open(bundle)
    table = case_table([("c", "p", "PMID:1", "OMIM:1", "OMIM:1", "F", 3.0, NAN)])
    patients = read_symptoms(
        table, written_symptoms([("c", "HP:0001250", True, 1.0, NAN)]), knowledge.ontology
    )
    looked = scorer.look(patients)
    terms = scorer.contributions(patients, looked.rankings, ["c"])
    assert terms[["feature", "contribution", "value"]].to_numpy().tolist() == [
        ["no observed symptom", looked.score[0], ""]
    ]


def test_what_cites_a_publication_of_test_is_left_out_of_the_knowledge(data):
    _, held = fitted(data, learn_from_cases=False)
    of, whole = fitted(data, learn_from_cases=False, hold_out=False)
    # PMID:11 is behind 3 of 4 counts of the seizures of disease 1, and behind the heart defect of disease 2
    cited = {
        name: of.open(bundle).reasons(data.inputs.select(["c2"]), of.open(bundle).look(data.inputs).rankings)
        for name, bundle in (("held", held), ("whole", whole))
    }
    said = {name: ";".join(table["reference"]) for name, table in cited.items()}
    assert "PMID:11" in said["whole"]
    assert "PMID:11" not in said["held"]


def test_patients_without_a_diagnosis_are_ranked_without_probabilities(data):
    patients = data.inputs
    nobody = patients.cases.assign(disease=pd.array([pd.NA] * len(patients), dtype="string"))
    unknown = data.cases.assign(label=pd.array([pd.NA] * len(patients), dtype="Int8"))
    unlabelled = PatientSymptoms(nobody, patients.symptoms, patients.refused, patients.unread)
    of, bundle = fitted(ModelInput(unknown, unlabelled, data.about))
    assert bundle.manifest["probabilities"] is None
    table, left = of.score_table(of.open(bundle), ModelInput(unknown, unlabelled), {}, None, 20)
    assert table.loc[unknown["split"] == "test", "p_value"].notna().all()
    assert left["rankings"]["probability"].isna().all()
    assert left["rankings"]["in_set"].isna().all()
    assert len(set(left["reasons"]["case_id"])) > 1


def test_probabilities_never_rise_with_the_rank_and_sets_are_promised_where_publications_suffice(data):
    of, few = fitted(data)
    table = of.open(few).look(data.inputs).rankings
    known = table[table["probability"].notna()]
    assert known.groupby("case_id")["probability"].apply(lambda p: p.is_monotonic_decreasing).all()
    assert known.groupby("case_id")["probability"].sum().max() <= 1 + 1e-9
    # 27 of 30 calibration publications are of known diseases: too few for nine tenths of 31
    assert table["in_set"].isna().all()
    of, enough = fitted(data, coverage=0.8)
    table = of.open(enough).look(data.inputs).rankings
    assert table["in_set"].notna().all()
    assert (table.groupby("case_id")["in_set"].sum() <= table.groupby("case_id")["set_size"].first()).all()


def test_a_reranker_is_sealed_and_opened_with_its_trees_and_known_cases(data):
    settings = {"folds": 2, "rounds": 5, "min_cases": 1, "candidates": 2}
    of, bundle = fitted(data, kind=RERANKER, rerank=settings)
    scorer = of.open(bundle)
    assert scorer.bundle.manifest.kind == RERANKER
    again = of.open(make_bundle(bundle.manifest, bundle.files))
    pd.testing.assert_frame_equal(scorer.look(data.inputs).rankings, again.look(data.inputs).rankings)
    # those of the unknown disease are no candidates
    known = data.cases["split"].eq("train") & data.cases["label"].eq(0)
    assert len(scorer.model.candidates.neighbours) == known.sum()
    # knowledge alone knows no case
    assert scorer.model.candidates.alone.profiles.n_cases.sum() == 0
    assert scorer.ranker.profiles.n_cases.sum() > 0
    first = scorer.look(data.inputs, top=1).rankings.drop_duplicates("case_id")
    known = data.inputs.cases["disease"].str.startswith("OMIM").to_numpy(dtype=bool)
    assert (first["disease"].to_numpy() == data.inputs.cases["disease"].to_numpy())[known].mean() > 0.9
    assert len(scorer.questions(data.inputs.select(["c0"]), top=1)) == 1


def test_reasons_say_what_each_symptom_says_and_who_says_so(model, data):
    of, bundle = model
    scorer = of.open(bundle)
    patients = data.inputs.select(["c7"])
    reasons = scorer.reasons(patients, scorer.look(patients).rankings)
    assert reasons["case_id"].eq("c7").all()
    own, other = (dict(list(reasons.groupby("disease")))[d].set_index("term") for d in ("OMIM:2", "OMIM:1"))
    assert data.inputs.cases["disease"][7] == "OMIM:2"
    assert set(own.index) == set(patients.symptoms["term"])
    observed = own.index[~own["excluded"]]
    assert (own.loc[observed, "log_ratio"] > other.loc[observed, "log_ratio"]).all()
    assert own.loc["HP:0001631", ["name", "matched_name"]].tolist() == ["Atrial septal defect"] * 2
    assert own.loc["HP:0001631", "reference"]


@pytest.mark.parametrize("p_value", [0.01, 0.5, NAN])
def test_the_page_of_a_patient_lists_the_diseases_that_would_explain_the_symptoms(model, data, p_value):
    from medanomaly.pipelines.diagnosis.patient_view import show_diseases
    from medanomaly.reporting.sections import to_json

    patients = data.inputs
    unread = pd.DataFrame(
        {"case_id": ["c2", "c5"], "given": ["ataxy", pd.NA], "reason": ["unknown", "other"]}
    )
    sections = show_diseases(
        chosen=patients.cases[patients.cases["case_id"] == "c2"],
        cases=data.cases,
        scores=pd.DataFrame({"case_id": ["c2"], "p_value": [p_value]}),
        bundle=model[1],
        patients=patients.cases,
        symptoms=patients.symptoms,
        unread=unread.astype("string"),
    )
    assert list(sections) == ["c2"]
    section = sections["c2"]
    assert to_json([section])
    assert section.title == "Diseases that would explain the symptoms of c2"
    (table,) = section.tables
    assert table.rows[0][1].text == "Seizure disease 1"
    assert "focal-onset seizure" in " ".join(cell.text for cell in table.rows[0])
    assert {fact.term: list(fact.lines) for fact in section.facts} == {
        "Looks wrong": ["ataxy: unknown"],
        "Missing": ["Nothing."],
    }
    assert any("looks unlike the patients" in said for said in section.cautions) == (p_value < 0.05)
    assert ("the share of patients with a known disease" in section.text) == (not np.isnan(p_value))


# raw cases


@pytest.fixture(scope="module")
def folder(model, knowledge, tmp_path_factory):
    """Models of a run with their recipe, where a run writes them."""
    folder = tmp_path_factory.mktemp("outputs") / "06_models" / "small"
    recipe = symptom_recipe(knowledge, {"dataset": "small"})
    _, bundle = model
    write_bundle(folder / "diagnosis" / "recipe", recipe)
    named = make_bundle(bundle.manifest | {"recipe": recipe.bundle_hash}, bundle.files)
    write_bundle(folder / "diagnosis" / NAME, named)
    return folder


@pytest.fixture(scope="module")
def models(folder):
    return open_models(folder)


def test_a_phenopacket_is_answered_with_a_p_value_and_with_a_ranked_list(models):
    answers = models.score(PACKET)
    assert answers.modality == "diagnosis"
    assert answers.leading == NAME
    row = answers.table.iloc[0]
    assert (row["case_id"], row["status"]) == ("case 7", "scored")
    assert 0 < row["p_value"] <= 1
    ranked = models.rank(PACKET, top=2, explain=1)
    assert ranked.rankings["disease"].iloc[0] == "OMIM:1"
    assert len(ranked.rankings) == 2
    assert ranked.reasons["disease"].unique().tolist() == ["OMIM:1"]
    assert ranked.p_value["case 7"] == pytest.approx(row["p_value"])


def test_what_was_not_read_and_versions_stand_in_the_answer(models):
    raw = MAPPING | {"symptoms": ["HP:0001250", "HP:9999999", "seizur"]}
    found = models.rank(raw).to_dict()
    case = found["cases"][0]
    assert {part["given"] for part in case["not_read"]} == {"HP:9999999", "seizur"}
    assert case["diseases"][0]["reasons"][0]["term"] == "HP:0001250"
    assert found["knowledge"]["ontology"] == "HPO 2025-01-16"
    assert "Research use only" in found["notice"]
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("symptoms", [[], ["HP:9999999"]])
def test_a_case_without_a_symptom_gets_a_reason_instead_of_a_list(models, symptoms):
    found = models.rank({"symptoms": symptoms, "sex": "F"})
    assert found.rankings.empty
    assert found.to_dict()["cases"][0]["status"] == "refused"
    assert found.table["reason"].notna().all()
    with pytest.raises(InputError, match="was refused: "):
        found.page("patient")


def test_a_case_with_every_symptom_there_is_is_ranked(models):
    every = list(models.recipe(modality="diagnosis").words.ids)
    found = models.rank({"symptoms": every * 60})
    assert len(found.to_dict()["cases"][0]["symptoms"]) == len(every)
    assert len(found.rankings)


def test_one_bad_case_costs_only_itself(models):
    found = models.rank([PACKET, {"symptoms": []}, MAPPING])
    assert found.rankings["case_id"].unique().tolist() == ["case 7", "patient 3"]
    assert found.read.refused["case_id"].tolist() == ["patient 2"]


def test_a_note_is_read_in_place_of_a_file(models):
    found = models.rank(text="Seizures since birth, no stroke. His mother has an atrial septal defect.")
    case = found.to_dict()["cases"][0]
    assert [(s["term"], s["excluded"]) for s in case["symptoms"]] == [
        ("HP:0001250", False),
        ("HP:0001297", True),
    ]
    assert "mother" in case["not_read"][0]["reason"]
    none = models.rank(text="He feels well.")
    assert none.read.refused["reason"].tolist() == ["the text names no symptom of the patient"]
    for given in ({}, {"raw": PACKET, "text": "x"}):
        with pytest.raises(ConfigurationError, match="patients"):
            models.rank(**given)


def test_rankings_are_written_in_each_form(models, tmp_path):
    found = models.rank(PACKET)
    for ending in ("csv", "json", "parquet", "html"):
        found.save(tmp_path / f"out.{ending}")
    assert pd.read_csv(tmp_path / "out.csv")["knowledge"].str.contains("2025-01-16").all()
    assert json.loads((tmp_path / "out.json").read_text())["modality"] == "diagnosis"
    assert "OMIM:1" in (tmp_path / "out.html").read_text()
    with pytest.raises(ConfigurationError, match="cannot be written as '.txt'"):
        found.save(tmp_path / "out.txt")
    with pytest.raises(InputError, match="2 cases and a page is of one"):
        models.rank([PACKET, MAPPING]).page()


def test_a_folder_is_scored_as_a_batch_in_parts(models, tmp_path):
    from medanomaly.scoring.batches import score_batch

    (tmp_path / "cases" / "a").mkdir(parents=True)
    for name, content in (("x", PACKET), ("a/x", MAPPING), ("y", {"age": 3})):
        (tmp_path / "cases" / f"{name}.json").write_text(json.dumps(content))
    summary = score_batch(models, tmp_path / "cases", tmp_path / "answers.csv", chunk_rows=2)
    found = pd.read_csv(tmp_path / "answers.csv").set_index("case_id")
    assert found["status"].to_dict() == {"a/x": "scored", "x": "scored", "y": "refused"}
    assert found.loc["x", "score"] == pytest.approx(models.score(PACKET).scores["score"].iloc[0])
    assert summary


def test_models_of_other_data_rank_nothing(tmp_path):
    from medanomaly.scoring.models import Models

    with pytest.raises(ConfigurationError, match="no modality 'diagnosis'"):
        Models([], {}).rank(PACKET)


# the command


@pytest.fixture
def diagnose(folder, tmp_path, capsys):
    """Calls the command with a case as a file; returns exit code and what it printed."""

    def run(case, *words, models=True):
        given = []
        if case is not None:
            (tmp_path / "case.json").write_text(json.dumps(case))
            given = [str(tmp_path / "case.json")]
        named = ["--models", str(folder)] if models else []
        with pytest.raises(SystemExit) as ended:
            call(["diagnose", *given, *named, *map(str, words)])
        out = capsys.readouterr()
        return ended.value.code, out.out, out.err

    return run


def test_the_command_prints_the_list_with_reasons_what_was_not_read_and_versions(diagnose):
    code, out, _ = diagnose(MAPPING | {"symptoms": ["HP:0007359", "HP:9999999", "no stroke"]})
    assert code == 0
    assert "1 observed and 1 excluded symptoms" in out
    assert "Seizure disease 1" in out
    assert "Focal-onset seizure" in out
    assert "PMID:12" in out
    assert "HP:9999999 is not in the HPO release 2025-01-16" in out
    assert "Knowledge: HPO 2025-01-16" in out
    assert "Not given" not in out


def test_a_sentence_takes_the_place_of_a_file_and_one_of_both_is_needed(diagnose):
    code, out, _ = diagnose(None, "--text", "She has had seizures.")
    assert code == 0
    assert "Patient note" in out
    assert "Not given: sex, age" in out
    assert diagnose(None)[0] == 2
    assert "Give RAW or --text" in diagnose(PACKET, "--text", "x")[2]


def test_json_and_files_hold_everything(diagnose, tmp_path):
    code, out, _ = diagnose(PACKET, "--json", "--top", 1)
    found = json.loads(out)
    assert code == 0
    assert [d["disease"] for d in found["cases"][0]["diseases"]] == ["OMIM:1"]
    code, out, _ = diagnose(PACKET, "-o", tmp_path / "case.html")
    assert "Written" in out
    page = (tmp_path / "case.html").read_text()
    # a file is called by its name
    assert "<em>case</em>" in page
    assert "a case that came later" in page
    assert "Marked rows" not in page
    assert "The disease that was diagnosed" not in page
    code, _, said = diagnose(PACKET, "-o", tmp_path / "case.doc")
    assert code == 2
    assert ".html" in said


def test_a_case_that_cannot_be_ranked_is_refused_with_the_reason(diagnose):
    code, out, _ = diagnose({"symptoms": ["nonsense"]})
    assert code == 1
    assert "Refused: none of its symptoms can be used" in out
    assert "'nonsense' is no name of a symptom" in out
    code, _, said = diagnose({"age": 3})
    assert code == 1
    assert "no patient with symptoms" in said


def test_the_folder_of_models_is_found_where_there_is_one(diagnose, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDANOMALY_OUTPUTS", str(folder.parents[1]))
    assert diagnose(PACKET, models=False)[0] == 0
    monkeypatch.setenv("MEDANOMALY_OUTPUTS", str(tmp_path))
    code, _, said = diagnose(PACKET, models=False)
    assert code == 1
    assert "no trained ranker" in said
    for name in ("a", "b"):
        (tmp_path / "06_models" / name / "diagnosis" / "recipe").mkdir(parents=True)
        (tmp_path / "06_models" / name / "diagnosis" / "recipe" / "manifest.json").write_text("{}")
    code, _, said = diagnose(PACKET, models=False)
    assert code == 2
    assert "several trained rankers: a, b" in said
