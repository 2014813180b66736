from itertools import pairwise

import pandas as pd
import pytest
from tests.conftest import environment
from tests.partitions.in_process import threads

from medanomaly.core.errors import ConfigurationError, DataNotFoundError
from medanomaly.datasets.event_partitions import EventPartitionsDataset, SyntheticEventPartitionsDataset
from medanomaly.synthetic.events import KINDS, EventCohort, draw_events, patient_table

COHORT = EventCohort(100_000, 200, seed=3, anomaly_share=0.2, file_events=30_000)


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    """A data set whose workers are threads of the test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDANOMALY_PSEUDONYM_KEY", "a key of the tests, long enough")
        patch.setattr(
            "medanomaly.datasets.event_partitions.open_workers", lambda params: threads(params.workers)
        )
        dataset = SyntheticEventPartitionsDataset(
            n_events=60_000, work=str(tmp_path_factory.mktemp("events")), n_patients=300, file_events=25_000,
            most_patients=250, workers={"workers": 2},
        )  # fmt: skip
        yield dataset, dataset.load()


def test_a_file_is_the_same_whichever_was_made_before():
    files = [draw_events(COHORT, i) for i in range(COHORT.n_files)]
    assert [len(file) for file in files] == [30_000, 30_000, 30_000, 10_000]
    pd.testing.assert_frame_equal(files[2], draw_events(COHORT, 2))
    assert not draw_events(EventCohort(100_000, 200, seed=4, file_events=30_000), 2)["subject_id"].equals(
        files[2]["subject_id"]
    )
    # a file is a stretch of time
    assert all(a["time"].max() <= b["time"].min() for a, b in pairwise(files))
    # what a patient is like does not depend on the file
    levels = [
        file[file["code"].eq("height")].groupby("subject_id")["numeric_value"].mean() for file in files[:2]
    ]
    assert levels[0].corr(levels[1]) > 0.8


def test_anomalies_are_planted_in_those_who_are_labelled():
    events = pd.concat([draw_events(COHORT, i) for i in range(COHORT.n_files)])
    people = patient_table(COHORT).set_index("subject_id")
    assert 0.1 < people["anomaly"].mean() < 0.3
    assert set(people["anomaly_kind"]) == {*KINDS, "none"}
    kind = people["anomaly_kind"].reindex(events["subject_id"]).to_numpy()

    def values(code, of):
        return events.loc[(events["code"] == code) & (kind == of), "numeric_value"]

    assert values("glucose", "high glucose").mean() > values("glucose", "none").mean() + 5
    assert values("potassium", "one very high potassium").max() > values("potassium", "none").max() + 1
    assert values("creatinine", "rising creatinine").max() > values("creatinine", "none").max() + 50
    assert abs(values("sodium", "high glucose").mean() - values("sodium", "none").mean()) < 1


def test_the_embedded_events_become_a_sample_of_patients(synthetic):
    dataset, table = synthetic
    assert len(table) == 250
    assert table.columns.tolist()[:5] == ["patient_id", "sex", "age", "anomaly", "anomaly_kind"]
    found = dataset.features()
    assert found.n_patients == 300
    assert found.n_events == 60_000
    counts = pd.concat([pd.read_parquet(file) for file in found.files]).filter(like="_count")
    assert counts.to_numpy().sum() == 60_000
    pd.testing.assert_frame_equal(dataset.load(), table)


def test_other_events_and_the_table_of_patients_may_lie_in_one_folder(synthetic, tmp_path):
    dataset, table = synthetic
    raw = tmp_path / "raw"
    raw.mkdir()
    for i, file in enumerate(sorted(dataset.folder.glob("*.parquet"))):
        (raw / f"{i}.parquet").write_bytes(file.read_bytes())
    people = raw / "people.parquet"
    people.write_bytes((dataset.patients / "part-00000.parquet").read_bytes())
    other = EventPartitionsDataset(
        folder=str(raw), work=str(tmp_path / "work"), patients=str(people), most_patients=250,
        workers={"workers": 1},
    )  # fmt: skip
    pd.testing.assert_frame_equal(other.load(), table)


def test_settings_that_do_not_fit(tmp_path):
    with pytest.raises(ConfigurationError, match="'pieces' does not fit"):
        EventPartitionsDataset(folder=str(tmp_path), work=str(tmp_path), events={"pieces": 3})
    with pytest.raises(ConfigurationError, match="n_events is 0"):
        SyntheticEventPartitionsDataset(n_events=0, work=str(tmp_path))
    with pytest.raises(DataNotFoundError, match="there is no Parquet file"):
        EventPartitionsDataset(folder=str(tmp_path), work=str(tmp_path / "work")).features()


def test_the_environment_trains_on_the_sample_and_scores_partitions():
    found = environment("scale")
    assert found.modalities == ("tabular",)
    assert {model.name for model in found.models["tabular"]} == {"isolation_forest", "ecdf"}


def test_the_catalogue_entry_of_the_environment_can_be_made(tmp_path):
    from kedro.config import OmegaConfigLoader
    from tests.conftest import ROOT

    from medanomaly.scoring.params import ScoringParams
    from medanomaly.settings import CONFIG_LOADER_ARGS

    given = {"outputs": str(tmp_path), "n_events": 5000, "workers": 1}
    loader = OmegaConfigLoader(str(ROOT / "conf"), env="scale", runtime_params=given, **CONFIG_LOADER_ARGS)
    entry = dict(loader["catalog"]["tabular.raw"])
    assert entry.pop("type") == "medanomaly.datasets.event_partitions.SyntheticEventPartitionsDataset"
    dataset = SyntheticEventPartitionsDataset(**entry)
    assert (dataset.cohort.n_events, dataset.workers.workers) == (5000, 1)
    scoring = ScoringParams.model_validate(loader["parameters"]["scoring"])
    # what training leaves is what is scored
    assert scoring.source == str(dataset.work / "features")
    assert scoring.cluster.workers == 1
