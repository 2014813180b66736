import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
import sqlalchemy as sa
from tests.store.answers import BUNDLES, KEY, answers

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.store.predictions import PREDICTION_COLUMNS
from medanomaly.store.schema import metadata
from medanomaly.store.store import Store

both = pytest.mark.parametrize("new_database", ["sqlite", "postgresql"], indirect=True)
DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)


def everything(store):
    """All rows of all tables."""
    with store.engine.begin() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(sa.select(table)).all()))
            for table in metadata.sorted_tables
        }


@both
def test_what_was_recorded_is_read_back_as_it_was(store):
    given = answers()
    assert store.record(given, batch="night") == 10
    found = store.predictions()
    assert list(found) == list(PREDICTION_COLUMNS)
    wanted = given.scores.sort_values(["model", "score"])
    found = found.sort_values(["model_name", "score"])
    assert found["score"].tolist() == wanted["score"].tolist()
    assert found["p_value"].tolist() == wanted["p_value"].tolist()
    assert found["flagged"].tolist() == wanted["flagged"].tolist()
    assert found["probability"].isna().all()
    assert found["batch_id"].eq("night").all()
    assert found["recorded_at"].iloc[0].utcoffset() == timedelta(0)
    assert set(found["model_hash"]) == set(BUNDLES.values())


@both
def test_replaying_a_batch_changes_nothing(store):
    store.record(answers(), batch="night")
    before = everything(store)
    assert store.record(answers(), batch="night") == 0
    assert everything(store) == before
    # what the model read was another record of the same name
    assert store.record(answers(shift=1.0), batch="night") == 8
    # two more cases, of a patient that is known and of one that is not
    assert store.record(answers(7), batch="night") == 4
    assert store.verify().whole


@both
def test_no_id_and_no_clinical_value_is_stored(store):
    store.record(answers(), batch="night")
    store.add_ground_truth("patient 0", "visit 0", True)
    text = json.dumps(everything(store))
    assert "patient" not in text
    assert "visit" not in text
    assert "6.1" not in text
    assert "potassium" in text


def test_ids_are_the_same_however_they_are_written(store):
    given = answers(2)
    cases = given.read.cases.assign(patient_id=pd.Series([17.0, 18.0]))
    store.record(dataclasses.replace(given, read=dataclasses.replace(given.read, cases=cases)))
    for written in (17, "17", 17.0, " 17 "):
        assert len(store.history(written)) == 2
    with pytest.raises(InputError, match="an id is missing"):
        store.history(float("nan"))


@both
def test_the_history_of_a_patient_is_in_the_order_of_what_happened(store):
    times = {f"visit {i}": DAY - timedelta(days=i) for i in range(5)}
    store.record(answers(), times=times)
    store.record(answers(4), batch="later")
    found = store.history("patient 0")
    assert len(found) == 8
    dated = found["case_time"].dropna()
    assert dated.tolist() == [DAY - timedelta(days=1)] * 2 + [DAY] * 2
    assert store.history("nobody").empty


@both
def test_ground_truth_arrives_late_and_only_newer_ones_replace_it(store):
    store.record(answers())
    assert store.add_ground_truth("patient 0", "visit 1", True, outcome="sepsis", known_at=DAY)
    assert not store.add_ground_truth("patient 0", "visit 1", True, outcome="sepsis", known_at=DAY)
    assert not store.add_ground_truth("patient 0", "visit 1", False, known_at=DAY - timedelta(1))
    found = store.predictions(case="visit 1")
    assert found["anomalous"].eq(True).all()
    assert found["outcome"].eq("sepsis").all()
    assert store.add_ground_truth("patient 0", "visit 1", False, known_at=DAY + timedelta(1))
    found = store.predictions(case="visit 1")
    assert found["anomalous"].eq(False).all()
    assert found["known_at"].eq(DAY + timedelta(1)).all()
    assert store.predictions(case="visit 0")["anomalous"].isna().all()
    assert store.verify().n_events == 4


@both
def test_a_day_is_that_of_its_cases_and_knows_the_labels_of_its_time(store):
    given = answers(4)
    days = {"visit 0": DAY - timedelta(days=1), "visit 1": DAY, "visit 2": DAY + timedelta(days=1)}
    store.record(given, times=days)
    ends = {"since": DAY, "until": DAY + timedelta(days=1)}
    found = store.predictions(observed=True, **ends)
    # one case, two models; what has no time is in no day
    assert found["case_time"].tolist() == [DAY] * 2
    assert store.predictions(**ends).empty
    store.add_ground_truth("patient 0", "visit 1", True, known_at=DAY + timedelta(days=2))
    for known_by, known in ((DAY + timedelta(days=2), False), (DAY + timedelta(days=3), True)):
        assert store.predictions(observed=True, known_by=known_by, **ends)["anomalous"].notna().all() == known
        assert store.ground_truths(["patient 0"], ["visit 1"], known_by=known_by) == [True if known else None]


@both
def test_predictions_are_chosen_by_case_batch_model_and_time(store):
    store.record(answers(), batch="first")
    moment = datetime.now(UTC)
    store.record(answers(3, first=100), batch="second")
    assert len(store.predictions(batch="first")) == 10
    assert len(store.predictions(since=moment)) == 6
    assert len(store.predictions(model="ecdf")) == len(store.predictions(model=BUNDLES["ecdf"])) == 8
    assert len(store.predictions(subject="patient 100", model="pca")) == 2
    assert len(store.predictions(limit=3)) == 3


@both
def test_reasons_are_kept_in_order_and_may_come_later(store):
    store.record(answers(explained=0))
    assert store.explanations(store.predictions()["prediction_id"].tolist()).empty
    assert store.record(answers(explained=1)) == 0
    found = store.explanations(store.predictions()["prediction_id"].tolist())
    assert found["feature"].tolist() == ["potassium", "sex"] * 2
    assert found["place"].tolist() == [1, 2] * 2
    assert found["shown_value"].isna().all()
    assert store.explanations([]).empty


@both
def test_values_are_kept_only_where_they_are_asked_for(new_database):
    records = pd.DataFrame({"id": ["1", "2"], "patient": ["a", "b"], "potassium": [6.1, None], "n": [1, 2]})
    with Store.open(new_database, key=KEY) as store:
        with pytest.raises(ConfigurationError, match="keeps no clinical values"):
            store.keep_records(records, patient_id="patient")
        with pytest.raises(ConfigurationError, match="keeps no clinical values"):
            store.earlier_records(["a"], patient_id="patient")
    with Store.open(new_database, key=KEY, keep_clinical_values=True) as store:
        columns = {"patient_id": "patient", "case_id": "id"}
        assert store.keep_records(records, **columns) == 2
        assert store.keep_records(records, **columns) == 0
        found = store.earlier_records(["a", "a", "c"], **columns)
        assert found[["patient", "potassium", "n"]].to_dict("records") == [
            {"patient": "a", "potassium": 6.1, "n": 1}
        ]
        assert found["id"].iloc[0] not in ("1", "2")
        assert store.earlier_records(["a", "b"], **columns, but_not=["1"])["patient"].tolist() == ["b"]
        # a corrected record replaces the first one
        assert store.keep_records(records.assign(n=3), **columns) == 2
        assert store.earlier_records(["a"], **columns)["n"].tolist() == [3]
        store.record(answers())
        assert "6.1" in set(store.explanations(store.predictions()["prediction_id"].tolist())["shown_value"])
        assert store.forget_records("a") == 2
        assert len(store.earlier_records(["a"], **columns)) == 0
        assert store.verify().whole


@both
def test_a_store_opens_with_its_own_key_only(new_database):
    Store.open(new_database, key=KEY).close()
    Store.open(new_database, key=KEY, make_tables=False).close()
    with pytest.raises(ConfigurationError, match="another key"):
        Store.open(new_database, key=b"some other secret")


def test_the_key_of_the_project_is_made_beside_its_credentials(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MEDANOMALY_SUBJECT_KEY", raising=False)
    with Store.open(tmp_path / "a.db") as store:
        store.record(answers())
    assert len((tmp_path / "conf/local/subject.key").read_text()) == 64
    with Store.open(tmp_path / "a.db") as store:
        assert len(store.history("patient 0")) == 4


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://host/name", "does not know the database 'mysql'"),
        ("://", "no URL"),
        ("postgresql://ward:secret@127.0.0.1:1/none", "cannot be used"),
    ],
)
def test_a_database_that_cannot_be_used_is_named_without_its_password(url, said):
    with pytest.raises(ConfigurationError, match=said) as caught:
        Store.open(url, key=KEY)
    assert "secret" not in str(caught.value)


def test_a_store_without_tables_says_who_makes_them(new_database):
    with pytest.raises(ConfigurationError, match="no tables yet"):
        Store.open(new_database, key=KEY, make_tables=False)


def test_a_moment_without_a_zone_is_refused_and_nothing_is_stored(store):
    with pytest.raises(sa.exc.StatementError, match="without a time zone"):
        store.record(answers(), times={"visit 0": datetime(2026, 3, 1)})
    assert store.predictions().empty
    assert store.verify().n_events == 0


def test_many_truths_are_one_event_and_only_what_is_new_counts(store):
    subjects, cases = [f"patient {i}" for i in range(3)], [f"visit {i}" for i in range(3)]
    assert store.add_ground_truths(subjects, cases, [True, False, True]) == 3
    assert store.add_ground_truths(subjects, cases, [True, False, False]) == 1
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    assert store.add_ground_truths(subjects, cases, [False] * 3, known_at=long_ago) == 0
    assert store.verify().n_events == 2
