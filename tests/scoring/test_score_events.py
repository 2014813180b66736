"""Batches of hospital formats: divided by patients, resumed, with the answers of all patients at once."""

import gzip
import json
import shutil

import pandas as pd
import pytest
from tests.tabular.hospital_formats import (
    fhir_resources,
    write_csv,
    write_fhir,
    write_meds,
    write_omop,
    write_omop_database,
)
from tests.tabular.test_hospital_identity import SPEC, sealed_detector

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.scoring.batches import score_batch
from medanomaly.scoring.models import Models
from medanomaly.store.store import Store
from medanomaly.synthetic.hospital import hospital_events
from medanomaly.tabular.events.account import Account
from medanomaly.tabular.events.event_table import NO_OUTCOME_FOUND, event_table
from medanomaly.tabular.events.readers import fhir_parts
from medanomaly.tabular.events.readers.any_form import event_parts, read_events
from medanomaly.tabular.recipe import TableRecipe

KEY = b"a secret key of the tests"
FORMS = ("omop", "omop by url", "fhir", "fhir bundles", "meds", "csv")


@pytest.fixture(scope="module")
def hospital():
    return hospital_events(40, seed=5)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return sealed_detector(tmp_path_factory.mktemp("models"))


def bundles(folder, hospital):
    """One bundle per patient, and a resource that says nothing of a patient."""
    folder.mkdir()
    of: dict[str, list] = {}
    for resource in fhir_resources(*hospital):
        subject = resource.get("subject", {"reference": f"Patient/{resource['id']}"})["reference"]
        of.setdefault(subject, []).append({"resource": resource})
    for subject, entries in of.items():
        name = subject.replace("/", "-")
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        (folder / f"{name}.json").write_text(json.dumps(bundle))
    (folder / "ward.json").write_text(json.dumps({"resourceType": "Organization", "id": "ward"}))
    return folder


@pytest.fixture(scope="module")
def sources(hospital, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hospital")
    return {
        "omop": write_omop(folder / "omop", *hospital),
        "omop by url": write_omop_database(folder / "cdm.sqlite", *hospital),
        "fhir": write_fhir(folder / "fhir.ndjson", *hospital),
        "fhir bundles": bundles(folder / "bundles", hospital),
        "meds": write_meds(folder / "meds", *hospital),
        "csv": write_csv(folder / "csv", *hospital),
    }


def answers(path):
    # flags of a table without a refused case are no objects
    table = pd.read_parquet(path).astype({"flagged": object})
    return table.sort_values(["status", "case_id", "model"], ignore_index=True)


@pytest.mark.parametrize("form", FORMS)
def test_divided_by_patients_the_answers_and_the_store_are_those_of_all_at_once(
    models, sources, tmp_path, form, monkeypatch
):
    monkeypatch.setattr(fhir_parts, "_BYTES", 150_000)
    done = []
    with Store.open(tmp_path / "divided.db", key=KEY) as store:
        divided = score_batch(
            models,
            sources[form],
            tmp_path / "divided.parquet",
            chunk_rows=7,
            store=store,
            progress=done.append,
        )
        stored = store.predictions(batch=divided.batch)
        assert store.verify().whole
    with Store.open(tmp_path / "whole.db", key=KEY) as store:
        whole = score_batch(models, sources[form], tmp_path / "whole.parquet", chunk_rows=10**6, store=store)
        known = store.predictions(batch=whole.batch)
    assert len(done) >= 6
    assert done[-1] == 40
    assert divided.n_scored == whole.n_scored > 80
    assert divided.n_stored == whole.n_stored == divided.n_scored
    pd.testing.assert_frame_equal(
        answers(tmp_path / "divided.parquet"), answers(tmp_path / "whole.parquet"), check_exact=True
    )
    same = ["prediction_id", "subject_key", "case_key", "score", "p_value", "flagged"]
    pd.testing.assert_frame_equal(
        stored[same].sort_values("prediction_id", ignore_index=True),
        known[same].sort_values("prediction_id", ignore_index=True),
        check_exact=True,
    )
    assert (divided.notes, divided.shift) == (whole.notes, whole.shift)
    at_once = models.score(sources[form], explain=False)
    assert set(divided.notes) == set(at_once.read.notes)
    assert any("are in quarantine" in note for note in divided.notes)


@pytest.mark.parametrize("form", FORMS)
def test_parts_count_every_event_once_and_have_every_patient_once(sources, form, monkeypatch):
    monkeypatch.setattr(fhir_parts, "_BYTES", 150_000)
    known = event_table(read_events(sources[form], SPEC), SPEC)
    parts = [part.events for part in event_parts(sources[form], SPEC, 7)]
    assert max(len(part.patients) for part in parts) <= 7
    made = [event_table(part, SPEC) for part in parts if len(part.patients)]
    patients = pd.concat([part.patients["patient_id"] for part in parts])
    assert sorted(patients) == sorted(read_events(sources[form], SPEC).patients["patient_id"])
    # a pile of FHIR may have events of unknown patients alone
    others = [part.account.table for part in parts if not len(part.patients)]
    assert Account.of(*others, *(one.account for one in made)).counts() == {
        source: n for source, n in known.counts.items() if n["read"]
    }
    together = pd.concat([one.table for one in made]).sort_values("case_id", ignore_index=True)
    columns = [name for name in known.table if name != "outcome"]
    pd.testing.assert_frame_equal(
        together[columns], known.table.sort_values("case_id", ignore_index=True)[columns], check_exact=True
    )


@pytest.mark.parametrize("form", ["omop", "fhir", "meds", "csv"])
def test_a_batch_that_was_stopped_goes_on_where_it_stopped(models, sources, tmp_path, form):
    def stop(n):
        if n >= 14:
            raise KeyboardInterrupt

    path, settings = tmp_path / "a.parquet", {"chunk_rows": 7, "workers": 1}
    with Store.open(tmp_path / "a.db", key=KEY) as store:
        with pytest.raises(KeyboardInterrupt):
            score_batch(models, sources[form], path, store=store, progress=stop, **settings)
        assert not path.exists()
        before = len(store.predictions())
        resumed = score_batch(models, sources[form], path, store=store, **settings)
        assert resumed.n_resumed == 2
        assert 0 < before < resumed.n_scored == len(store.predictions())
    whole = score_batch(models, sources[form], tmp_path / "b.parquet", **settings)
    assert path.read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert (resumed.n_scored, resumed.notes) == (whole.n_scored, whole.notes)


def test_a_database_behind_a_url_is_read_from_its_start_again(models, sources, tmp_path):
    def stop(n):
        raise KeyboardInterrupt

    path = tmp_path / "a.parquet"
    with pytest.raises(KeyboardInterrupt):
        score_batch(models, sources["omop by url"], path, chunk_rows=7, progress=stop)
    assert score_batch(models, sources["omop by url"], path, chunk_rows=7).n_resumed == 0


def test_a_broken_file_of_meds_costs_its_subjects_alone(models, sources, tmp_path):
    folder = tmp_path / "meds"
    shutil.copytree(sources["meds"], folder)
    whole = score_batch(models, folder, tmp_path / "whole.parquet", chunk_rows=7)
    broken = folder / "data" / "train" / "0.parquet"
    broken.write_bytes(broken.read_bytes()[:-500])
    made = score_batch(models, folder, tmp_path / "a.parquet", chunk_rows=7)
    assert made.n_refused == whole.n_refused + 1
    (row,) = made.refused[made.refused["case_id"].str.startswith("data/")].itertuples()
    assert row.case_id == "data/train/0.parquet"
    assert row.reason.startswith("the file cannot be used, and its patients get no answer: ")
    known = answers(tmp_path / "whole.parquet").query("status == 'scored'")
    found = answers(tmp_path / "a.parquet").query("status == 'scored'")
    assert 0 < len(found) < len(known)
    pd.testing.assert_frame_equal(
        found.reset_index(drop=True),
        known[known["case_id"].isin(found["case_id"])].reset_index(drop=True),
        check_exact=True,
    )


def test_a_file_of_meds_that_breaks_when_it_is_read_costs_all_its_subjects(models, sources, tmp_path):
    folder = tmp_path / "meds"
    shutil.copytree(sources["meds"], folder)
    shard = folder / "data" / "train" / "1.parquet"
    table = pd.read_parquet(shard)
    # the last row of the file is of the last part
    table.loc[table.index[-1], "code"] = None
    table.to_parquet(shard, index=False)
    made = score_batch(models, folder, tmp_path / "a.parquet", chunk_rows=100)
    assert "data/train/1.parquet" in made.refused["case_id"].tolist()
    subjects = set(table["subject_id"].astype(str))
    found = answers(tmp_path / "a.parquet").query("status == 'scored'")["case_id"].str.partition("@")[0]
    assert len(found)
    assert subjects.isdisjoint(found)


def test_subjects_in_several_files_of_meds_are_whole_and_a_broken_file_ends_the_run(
    models, sources, tmp_path
):
    folder = tmp_path / "meds"
    shutil.copytree(sources["meds"], folder)
    data = folder / "data" / "train"
    every = pd.concat([pd.read_parquet(file) for file in sorted(data.iterdir())], ignore_index=True)
    for i in range(3):
        every.iloc[i::3].to_parquet(data / f"{i}.parquet", index=False)
    score_batch(models, folder, tmp_path / "spread.parquet", chunk_rows=7)
    score_batch(models, sources["meds"], tmp_path / "known.parquet", chunk_rows=7)
    pd.testing.assert_frame_equal(
        answers(tmp_path / "spread.parquet"), answers(tmp_path / "known.parquet"), check_exact=True
    )
    (data / "1.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="nobody can tell whose events it holds") as caught:
        score_batch(models, folder, tmp_path / "a.parquet", chunk_rows=7)
    assert "1.parquet" in str(caught.value)


def test_a_broken_bundle_costs_what_it_says_and_a_line_costs_itself(models, sources, tmp_path):
    folder = tmp_path / "bundles"
    shutil.copytree(sources["fhir bundles"], folder)
    broken = next(file for file in sorted(folder.iterdir()) if file.name.startswith("Patient"))
    patient = broken.stem.removeprefix("Patient-")
    broken.write_text(broken.read_text()[:-10])
    made = score_batch(models, folder, tmp_path / "a.parquet", chunk_rows=7)
    score_batch(models, sources["fhir bundles"], tmp_path / "known.parquet", chunk_rows=7)
    assert broken.name in made.refused["case_id"].tolist()
    known = answers(tmp_path / "known.parquet").query("status == 'scored'")
    others = known[~known["case_id"].str.startswith(f"{patient}@")]
    assert len(others) < len(known)
    pd.testing.assert_frame_equal(
        answers(tmp_path / "a.parquet").query("status == 'scored'").reset_index(drop=True),
        others.reset_index(drop=True),
        check_exact=True,
    )
    lines = tmp_path / "with_a_line.ndjson"
    lines.write_text("{no json}\n" + sources["fhir"].read_text())
    noted = score_batch(models, lines, tmp_path / "b.parquet", chunk_rows=7)
    assert noted.n_scored == made.n_scored + len(known) - len(others)
    assert any(note.startswith("lines: of 1 read, 0 were used") for note in noted.notes)


def test_an_export_that_is_cut_off_ends_the_run(models, sources, tmp_path):
    packed = tmp_path / "export.ndjson.gz"
    packed.write_bytes(gzip.compress(sources["fhir"].read_bytes())[:-2000])
    for read in (lambda: score_batch(models, packed, tmp_path / "a.parquet"), lambda: models.score(packed)):
        with pytest.raises(InputError, match="the file cannot be read") as caught:
            read()
        assert "export.ndjson.gz" in str(caught.value)


def test_a_patient_who_cannot_be_scored_costs_only_itself(models, sources, tmp_path, monkeypatch):
    read = TableRecipe.read

    def fails(self, raw, **options):
        if "7" in set(raw.patients["patient_id"]):
            raise OverflowError
        return read(self, raw, **options)

    monkeypatch.setattr(TableRecipe, "read", fails)
    made = score_batch(models, sources["meds"], tmp_path / "a.parquet", chunk_rows=20, workers=1)
    assert made.refused.query("case_id == '7'")["reason"].tolist() == ["cannot be scored (OverflowError)"]
    monkeypatch.undo()
    score_batch(models, sources["meds"], tmp_path / "b.parquet", chunk_rows=20)
    known = answers(tmp_path / "b.parquet").query("status == 'scored'")
    found = answers(tmp_path / "a.parquet").query("status == 'scored'")
    assert set(known["case_id"]) - set(found["case_id"]) == {
        case for case in known["case_id"] if case.startswith("7@")
    }


def test_ids_that_come_twice_and_other_names_of_a_patient_are_found_across_piles(
    models, sources, tmp_path, monkeypatch
):
    monkeypatch.setattr(fhir_parts, "_BYTES", 20_000)
    resources = [json.loads(line) for line in sources["fhir"].read_text().splitlines()]
    # another patient's value under an id that is taken
    again = next(one for one in resources if one["resourceType"] == "Observation")
    other = next(
        r for r in resources if r["resourceType"] == "Patient" and r["id"] not in str(again["subject"])
    )
    taken = again | {"subject": {"reference": f"Patient/{other['id']}"}}
    # events name this patient by the address of the entry
    address = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    entries = []
    for resource in [*resources, taken]:
        of = resource.get("subject", {}).get("reference")
        one = resource | {"subject": {"reference": address}} if of == "Patient/9" else resource
        entry = {"resource": one}
        if one["resourceType"] == "Patient" and one["id"] == "9":
            entry["fullUrl"] = address
        entries.append(entry)
    folder = tmp_path / "fhir"
    folder.mkdir()
    (folder / "all.json").write_text(
        json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})
    )
    divided = score_batch(models, folder, tmp_path / "a.parquet", chunk_rows=7)
    score_batch(models, sources["fhir"], tmp_path / "b.parquet", chunk_rows=7)
    pd.testing.assert_frame_equal(
        answers(tmp_path / "a.parquet"), answers(tmp_path / "b.parquet"), check_exact=True
    )
    assert set(divided.notes) == set(models.score(folder, explain=False).read.notes)
    assert any("a resource of this kind and id was read before (1)" in note for note in divided.notes)


def test_what_is_no_source_is_an_error(models, tmp_path):
    with pytest.raises(DataNotFoundError, match="no such file"):
        score_batch(models, tmp_path / "none.ndjson", tmp_path / "a.csv")
    empty = tmp_path / "empty.ndjson"
    empty.write_text("")
    with pytest.raises(InputError, match="there is no FHIR resource in it"):
        score_batch(models, empty, tmp_path / "a.csv")


def test_that_no_outcome_was_found_is_said_of_training_and_not_of_new_cases(models, hospital, tmp_path):
    patients, visits, events = hospital
    alive = events[~events["code"].str.startswith("OMOP/2000000")]
    source = write_meds(tmp_path / "meds", patients, visits, alive)
    made = event_table(read_events(source, SPEC), SPEC)
    assert NO_OUTCOME_FOUND in made.notes
    assert made.table["outcome"].isna().all()
    with_outcomes = event_table(read_events(write_meds(tmp_path / "all", *hospital), SPEC), SPEC)
    assert NO_OUTCOME_FOUND not in with_outcomes.notes
    assert isinstance(models, Models)
    assert NO_OUTCOME_FOUND not in models.score(source, explain=False).read.notes
    assert NO_OUTCOME_FOUND not in score_batch(models, source, tmp_path / "a.csv").notes
