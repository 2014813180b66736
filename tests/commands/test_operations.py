"""``medanomaly labels``, ``monitor`` and ``registry``, as they are typed one after the other."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.commands.conftest import as_json
from tests.scoring.small_models import trained, visits

from medanomaly.scoring.models import open_models
from medanomaly.store.store import Store

KEY = "a secret key of the tests"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs with audits, and recent cases with their labels."""
    folder = tmp_path_factory.mktemp("outputs")
    for name, models in (("a", ("mahalanobis",)), ("b", ("ecdf",))):
        trained(folder / "06_models" / name, models)
        (folder / "08_reporting" / name).mkdir(parents=True)
        (folder / "08_reporting" / name / "audit.json").write_text('[{"name": "leak", "verdict": "pass"}]')
    raw = visits(300, 5).drop(columns="outcome")
    ill = raw.index % 4 == 0
    raw["potassium"] = (raw["potassium"].astype(float) + 1.2 * ill).round(2).astype(str)
    raw.to_csv(folder / "recent.csv", index=False)
    labels = raw[["id", "patient"]].rename(columns={"id": "case_id", "patient": "patient_id"})
    labels.assign(label=ill.astype(int)).to_csv(folder / "labels.csv", index=False)
    return folder


def test_a_challenger_is_added_compared_promoted_and_rolled_back(runs, tmp_path, answer):
    registry = tmp_path / "registry"
    assert answer("registry", "add", registry, runs / "06_models/a")[0] == 0
    assert answer("registry", "promote", registry)[0] == 0
    assert answer("registry", "add", registry, runs / "06_models/b")[0] == 0
    code, _, error = answer("registry", "promote", registry)
    assert code == 2
    assert "was not compared" in error
    compared = ("registry", "compare", registry, runs / "recent.csv", "--labels", runs / "labels.csv")
    code, said, error = answer(*compared)
    assert code == 0, said + error
    assert "holds  AUROC" in said
    assert "FAILS" not in said
    assert as_json(answer(*compared, "--json")[1])["passed"]
    assert answer("registry", "promote", registry)[0] == 0
    aliases = [row["alias"] for row in as_json(answer("registry", "list", registry, "--json")[1])["versions"]]
    assert aliases == ["previous", "champion"]
    assert list(open_models(registry)) == ["tabular.ecdf"]
    assert answer("registry", "rollback", registry)[0] == 0
    assert list(open_models(registry)) == ["tabular.mahalanobis"]
    assert "champion" in answer("registry", "list", registry)[1]


def test_a_challenger_that_is_worse_fails_with_an_exit_code(runs, tmp_path, answer):
    registry = tmp_path / "registry"
    for name in ("b", "a"):
        answer("registry", "add", registry, runs / f"06_models/{name}")
        if name == "b":
            answer("registry", "promote", registry)
    audit = (
        registry
        / "versions"
        / json.loads((registry / "aliases.json").read_text())["challenger"]
        / "audit.json"
    )
    audit.write_text('[{"name": "leak", "verdict": "fail"}]')
    code, said, _ = answer(
        "registry", "compare", registry, runs / "recent.csv", "--labels", runs / "labels.csv"
    )
    assert code == 1
    assert "FAILS  Audit: The audit of the training failed: leak." in said


def test_labels_go_to_the_store_once_and_wrong_ones_are_refused(runs, tmp_path, answer, monkeypatch):
    monkeypatch.setenv("MEDANOMALY_SUBJECT_KEY", KEY)
    store = f"sqlite:///{tmp_path / 'p.db'}"
    given = ("labels", runs / "labels.csv", "--store", store)
    assert "300 of 300 labels are new" in answer(*given)[1]
    assert "0 of 300 labels are new" in answer(*given)[1]
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("case_id,patient_id,label\nv1,p1,ill\n")
    code, _, error = answer("labels", wrong, "--store", store)
    assert code == 1
    assert "'ill'" in error
    wrong.write_text("case_id,label\nv1,1\n")
    assert "patient_id" in answer("labels", wrong, "--store", store)[2]


def test_a_period_is_monitored_by_a_command(runs, tmp_path, answer, monkeypatch):
    monkeypatch.setenv("MEDANOMALY_SUBJECT_KEY", KEY)
    store = f"sqlite:///{tmp_path / 'p.db'}"
    with Store.open(store, key=KEY.encode()) as opened:
        opened.record(open_models(runs / "06_models/b").score(str(runs / "recent.csv"), explain=False))
    today = datetime.now(UTC).date()
    given = ("monitor", "--models", runs / "06_models/b", "--store", store, "-o", tmp_path / "out")
    code, _, error = answer(*given, "--since", today, "--until", today + timedelta(days=1))
    assert code == 2
    # models of the tests have no reference; those of a run have one
    assert "nothing was sealed" in error
    code, said, error = answer(*given)
    assert code == 0, error
    assert "Nothing crossed a limit." in said
    assert (tmp_path / "out/medanomaly.prom").exists()
