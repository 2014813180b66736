import hashlib
import logging
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.partitions.in_process import threads

from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError
from medanomaly.tabular.event_partitions.aggregates import opened
from medanomaly.tabular.event_partitions.features import event_features, finished_features
from medanomaly.tabular.event_partitions.params import EventParams
from medanomaly.tabular.event_partitions.split import hash_key, partitions_of, pieces
from medanomaly.tabular.features.event_statistics import STATISTICS_OF_TABLES, aggregate_events

SECRET = b"a secret of the tests"
N = 100_000
CODES = [f"LAB//{name}" for name in ("sodium", "potassium", "glucose", "crp", "urea")]
PARAMS = EventParams(possible={"LAB//sodium": (50.0, 250.0)}, piece_rows=15_000, partition_rows=20_000)
PLANTED = {"no patient": 40, "no code": 30, "no time": 20, "no finite number": 60, "an impossible value": 10}


@pytest.fixture(scope="module")
def workers():
    with threads(2) as opened_workers:
        yield opened_workers


@pytest.fixture(scope="module")
def events():
    """Events in no order, many of them at one time, some of which say too little."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "subject_id": pd.array(rng.integers(10**9, 10**9 + 900, N), dtype="Int64"),
            "time": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 400, N), "h"),
            "code": rng.choice(CODES, N).astype(object),
            "numeric_value": rng.normal(140, 5, N).round(1),
        }
    )
    # rare: of fewer patients than min_share asks for
    table.loc[:5, "code"] = "LAB//rare"
    start = 1000
    for reason, n in PLANTED.items():
        rows = slice(start, start + n - 1)
        if reason == "no patient":
            table.loc[rows, "subject_id"] = pd.NA
        elif reason == "no code":
            table.loc[rows, "code"] = None
        elif reason == "no time":
            table.loc[rows, "time"] = pd.NaT
        elif reason == "no finite number":
            table.loc[rows, "numeric_value"] = np.resize([np.nan, np.inf, -np.inf], n)
        else:
            table.loc[rows, ["code", "numeric_value"]] = ["LAB//sodium", 14000.0]
        start += n
    # an event with two faults counts once
    table.loc[1000, ["time", "numeric_value"]] = [pd.NaT, np.nan]
    return table


@pytest.fixture(scope="module")
def files(events, tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    for i, size in enumerate((60_000, 1, 39_999)):
        start = (0, 60_000, 60_001)[i]
        table = pa.Table.from_pandas(events.iloc[start : start + size], preserve_index=False)
        pq.write_table(table, folder / f"{i}.parquet", row_group_size=4000)
    return sorted(folder.glob("*.parquet"))


@pytest.fixture(scope="module")
def found(files, workers, tmp_path_factory):
    return event_features(files, tmp_path_factory.mktemp("made"), PARAMS, workers, SECRET)


def whole(found):
    return pd.concat([pd.read_parquet(file) for file in found.files], ignore_index=True)


def content(folder):
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_features_are_those_of_one_table(events, found):
    used = events.dropna().query("abs(numeric_value) < 1000")
    hours = (used["time"] - pd.Timestamp("2026-01-01")).dt.total_seconds() / 3600
    known = aggregate_events(
        pd.DataFrame(
            {
                "case_id": used["subject_id"].astype("string"),
                "hours": hours,
                "variable": used["code"],
                "value": used["numeric_value"],
            }
        )
    )
    wanted = [f"{code}_{statistic}" for code in sorted(CODES) for statistic in STATISTICS_OF_TABLES]
    features = whole(found).set_index("patient_id").sort_index()
    assert features.columns.tolist() == wanted
    assert features.index.tolist() == known.index.tolist()
    for name in wanted:
        np.testing.assert_allclose(features[name], known[name], rtol=1e-9, atol=1e-9, err_msg=name)
    # of events at one time the later row is the last one, exactly
    last = [name for name in wanted if name.endswith(("_last", "_count", "_min", "_max"))]
    pd.testing.assert_frame_equal(features[last], known[last], check_names=False, check_index_type=False)


def test_every_event_is_used_or_left_out_for_one_reason(found):
    assert found.left_out == PLANTED
    used = sum(
        pq.read_table(file, columns=[f"{code}_count" for code in CODES]).to_pandas().to_numpy().sum()
        for file in found.files
    )
    assert used + 6 + sum(PLANTED.values()) == found.n_events == N
    assert found.codes == tuple(sorted(CODES))


def test_each_patient_is_in_one_partition_by_the_key(found):
    tables = [pd.read_parquet(file)["patient_id"] for file in found.files]
    assert len(tables) == 5
    everybody = pd.concat(tables)
    assert everybody.is_unique
    assert found.n_patients == len(everybody)
    assert all(ids.is_monotonic_increasing for ids in tables)
    assert min(map(len, tables)) > 100
    for key in (SECRET, b"another secret"):
        of = partitions_of(pa.array(everybody.astype(str).tolist()), hash_key(key), 5)
        same = [set(of[everybody.isin(ids).to_numpy()]) == {i} for i, ids in enumerate(tables)]
        assert all(same) == (key == SECRET)
    # as a number or as text
    numbers = partitions_of(pa.array(everybody.astype(int).tolist()), hash_key(SECRET), 5)
    assert (numbers == partitions_of(pa.array(everybody.astype(str).tolist()), hash_key(SECRET), 5)).all()


def test_the_key_itself_is_written_nowhere(found):
    folder = found.files[0].parents[1]
    text = b"".join(file.read_bytes() for file in folder.rglob("*.json"))
    assert SECRET not in text
    assert hash_key(SECRET).encode() not in text


def test_the_number_of_workers_changes_no_byte(found, files, tmp_path):
    with threads(1) as one:
        event_features(files, tmp_path, PARAMS, one, SECRET)
    assert content(tmp_path) == content(found.files[0].parents[1])


def test_a_run_that_was_stopped_ends_with_the_same_bytes(found, files, workers, tmp_path, monkeypatch):
    from medanomaly.tabular.event_partitions import features

    stopped = tmp_path / "stopped"

    def stop(item, path, **same):
        if item == 3 and not stopped.exists():
            stopped.touch()
            raise InputError("stopped")
        return aggregate(item, path, **same)

    aggregate = features.aggregate_partition
    monkeypatch.setattr(features, "aggregate_partition", stop)
    with pytest.raises(InputError, match="stopped"):
        event_features(files, tmp_path, PARAMS, workers, SECRET)
    assert (tmp_path / "events" / "manifest.json").is_file()
    assert finished_features(files, tmp_path, PARAMS, SECRET) is None
    event_features(files, tmp_path, PARAMS, workers, SECRET)
    stopped.unlink()
    assert content(tmp_path) == content(found.files[0].parents[1])
    # what was only needed in between is gone
    assert not (tmp_path / "events").exists()


def test_what_is_finished_is_found_until_something_changes(found, files):
    folder = found.files[0].parents[1]
    assert finished_features(files, folder, PARAMS, SECRET) == found
    assert finished_features(files[:2], folder, PARAMS, SECRET) is None
    assert finished_features(files, folder, PARAMS.replaced({"min_share": 0.2}), SECRET) is None
    assert finished_features(files, folder, PARAMS, b"another secret") is None
    os.utime(files[0], ns=(1, 1))
    assert finished_features(files, folder, PARAMS, SECRET) is None


def test_a_sample_is_of_whole_partitions_and_of_the_asked_size(found):
    everybody = whole(found)
    sample = found.sample(300, seed=1)
    assert len(sample) == 300
    assert sample["patient_id"].is_unique
    assert set(sample["patient_id"]) <= set(everybody["patient_id"])
    assert set(pd.read_parquet(found.files[0])["patient_id"]) <= set(sample["patient_id"])
    pd.testing.assert_frame_equal(sample, found.sample(300, seed=1))
    assert set(found.sample(300, seed=2)["patient_id"]) != set(sample["patient_id"])
    assert len(found.sample(None)) == len(everybody)


def small(tmp_path, **columns):
    """A file of four events, with these columns in place of its own."""
    table = {
        "subject_id": ["a", "a", "b", "b"],
        "time": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-01", "2026-01-03"]),
        "code": ["x", "x", "x", "y"],
        "numeric_value": [1.0, 3.0, 5.0, 7.0],
    } | columns
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "small.parquet"
    pd.DataFrame(table).to_parquet(path)
    return path


def test_times_of_numbers_and_dates_and_codes_of_numbers(workers, tmp_path):
    given = {
        "hours": ({"time": [0.0, 24.0, 0.0, np.nan]}, {"time_unit": "hours"}),
        "minutes": ({"time": [0, 1440, 0, 5]}, {"time_unit": "minutes"}),
        "dates": ({"time": pd.to_datetime(["2026-01-01", "2026-01-02"] * 2).date}, {}),
        "concepts": ({"code": [3, 3, 3, 4]}, {"min_share": 0}),
        "with a zone": ({"time": pd.to_datetime(["2026-01-01", "2026-01-02"] * 2, utc=True)}, {}),
    }
    for name, (columns, options) in given.items():
        path = small(tmp_path / name, **columns)
        found = event_features([path], tmp_path / name / "made", EventParams(**options), workers, SECRET)
        features = whole(found).set_index("patient_id")
        assert features.loc["a", f"{found.codes[0]}_slope"] == pytest.approx(2 / 24), name
        assert np.isnan(features.loc["b", f"{found.codes[0]}_slope"]), name
        assert found.left_out == ({"no time": 1} if name == "hours" else {})


def test_a_table_of_patients(workers, tmp_path, caplog):
    path = small(tmp_path)
    people = tmp_path / "people.parquet"
    pd.DataFrame({"subject_id": ["a", "c", None], "sex": ["F", "M", "F"], "label": [1, 0, 0]}).to_parquet(
        people
    )
    found = event_features([path], tmp_path / "made", EventParams(), workers, SECRET, [people])
    features = whole(found).set_index("patient_id").sort_index()
    assert features.columns.tolist()[:2] == ["sex", "label"]
    assert features["sex"].fillna("").tolist() == ["F", "", "M"]
    assert features["x_count"].tolist() == [2, 1, 0]
    assert features["y_mean"].isna().tolist() == [True, False, True]
    assert (found.n_patients, found.without_events, found.not_in_table) == (3, 1, 1)
    pd.DataFrame({"subject_id": ["a", "b", "a"], "sex": ["F", "M", "F"]}).to_parquet(people)
    with pytest.raises(InputError, match="record a: the patient has two rows in the table of patients"):
        event_features([path], tmp_path / "twice", EventParams(), workers, SECRET, [people])
    pd.DataFrame({"subject_id": ["A", "B"], "sex": ["F", "M"]}).to_parquet(people)
    with pytest.raises(InputError, match="no patient of the events is in the table of patients"):
        event_features([path], tmp_path / "other", EventParams(), workers, SECRET, [people])


def test_events_that_are_left_out_are_said(workers, tmp_path, caplog):
    path = small(tmp_path, numeric_value=[1.0, np.nan, 5.0, 7.0])
    with caplog.at_level(logging.WARNING, "medanomaly"):
        event_features([path], tmp_path / "made", EventParams(), workers, SECRET)
    assert [record.message for record in caplog.records] == ["1 events were left out: no finite number"]
    caplog.clear()
    with caplog.at_level(logging.WARNING, "medanomaly"):
        event_features([small(tmp_path / "all")], tmp_path / "all" / "made", EventParams(), workers, SECRET)
    assert not caplog.records


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"numeric_value": ["1", "2", "3", "4"]}, "values are .*string"),
        ({"time": ["one", "two", "three", "four"]}, "times are .*string"),
        ({"subject_id": [1.0, 1.0, 2.0, 2.0]}, "ids of patients are double"),
    ],
)
def test_columns_of_another_kind(workers, tmp_path, columns, said):
    with pytest.raises(InputError, match=said):
        event_features([small(tmp_path, **columns)], tmp_path / "made", EventParams(), workers, SECRET)


def test_files_that_cannot_be_used(workers, tmp_path):
    params, path = EventParams(), small(tmp_path)
    for name, options, error, said in (
        (
            "a",
            {"value": "numeric_valu"},
            InputError,
            "there is no column 'numeric_valu'.*Did you mean 'numeric_value'",
        ),
        ("b", {"codes": ["z"]}, InputError, "no event has the code 'z'"),
        ("c", {"min_share": 1.0}, InputError, "no code occurs in 100% of 2 patients"),
    ):
        few = [small(tmp_path / "c", code=["w", "x", "y", "z"])] if name == "c" else [path]
        with pytest.raises(error, match=said):
            event_features(few, tmp_path / name / "made", EventParams(**options), workers, SECRET)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="broken.parquet: the file is no whole Parquet file"):
        event_features([path, broken], tmp_path / "d", params, workers, SECRET)
    other = small(tmp_path / "other", subject_id=[1, 1, 2, 2])
    with pytest.raises(
        InputError, match="column 'subject_id': the type is int64, and .*string in small.parquet"
    ):
        event_features([path, other], tmp_path / "e", params, workers, SECRET)
    with pytest.raises(DataNotFoundError, match="no Parquet file"):
        event_features([], tmp_path / "f", params, workers, SECRET)


def test_a_damaged_page_names_its_file(workers, tmp_path):
    path = small(tmp_path)
    damaged = bytearray(path.read_bytes())
    damaged[8:200] = bytes(192)
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="small.parquet: the file cannot be read"):
        event_features([path], tmp_path / "made", EventParams(), workers, SECRET)


def test_pieces_keep_the_order_and_no_row_group_is_divided(files):
    columns = {"patient": "subject_id"}
    for rows in (1, 15_000, 10**6):
        made = pieces(files, columns, rows)
        read = [(file, group) for piece in made for file, groups in piece.parts for group in groups]
        assert read == [(file, g) for file in files for g in range(pq.read_metadata(file).num_row_groups)]
        assert sum(piece.n_rows for piece in made) == N
        assert all(piece.n_rows <= max(rows, 4000) for piece in made)


def test_a_query_has_a_limit_of_memory(tmp_path):
    import duckdb

    with opened("50MB", tmp_path) as connection:
        settings = dict(connection.sql("SELECT name, value FROM duckdb_settings()").fetchall())
        assert settings["threads"] == "1"
        assert settings["memory_limit"] == "47.6 MiB"
        with pytest.raises(duckdb.OutOfMemoryException):
            connection.sql("SELECT list(range) FROM range(100000000)").fetchall()
    assert not list(tmp_path.iterdir())


def test_statistics_that_do_not_exist():
    with pytest.raises(ConfigurationError, match="statistics are some of"):
        EventParams().replaced({"statistics": ["mode"]})
