import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from tests.conftest import ROOT
from tests.scoring.small_models import trained, visits

from medanomaly.core.errors import BundleError, ConfigurationError, DataNotFoundError
from medanomaly.evaluation.resampling.bootstrap import ResampledCases
from medanomaly.reporting.promotion import FAILED, PASSED, comparison_page
from medanomaly.scoring.models import open_models
from medanomaly.scoring.promotion import GateParams, compare_versions, judge
from medanomaly.scoring.registry import ALIASES, Registry, is_registry, read_aliases, served_folder

FEW = GateParams(n_resamples=200, min_group_size=20)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three runs, with the audit that lies beside a report."""
    folder = tmp_path_factory.mktemp("outputs")
    for name, models in (("a", ("mahalanobis",)), ("b", ("ecdf",)), ("c", ("ecdf", "mahalanobis"))):
        trained(folder / "06_models" / name, models)
        report = folder / "08_reporting" / name
        report.mkdir(parents=True)
        (report / "audit.json").write_text(json.dumps({"tabular": [{"name": "leak", "verdict": "pass"}]}))
    return folder / "06_models"


@pytest.fixture
def registry(runs, tmp_path):
    """A champion and a challenger."""
    made = Registry(tmp_path / "registry")
    made.add(runs / "a")
    made.promote()
    made.add(runs / "b")
    return made


def recent(n=400, seed=5):
    """Recent cases, some of which are ill, and which."""
    raw = visits(n, seed).drop(columns="outcome")
    ill = np.random.default_rng(seed).random(n) < 0.25
    raw["potassium"] = (raw["potassium"].astype(float) + 1.2 * ill).round(2).astype(str)
    return raw, dict(zip(raw["id"], ill, strict=True))


def test_the_first_version_is_promoted_without_a_comparison_and_the_next_is_not(registry, runs):
    now = registry.aliases
    assert (now.previous, len(registry.versions())) == (None, 2)
    assert {now.champion, now.challenger} == set(registry.versions())
    assert list(open_models(registry.folder)) == ["tabular.mahalanobis"]
    with pytest.raises(ConfigurationError, match="was not compared"):
        registry.promote()
    assert registry.aliases == now
    with pytest.raises(ConfigurationError, match="champion already"):
        registry.add(runs / "a")


def test_a_comparison_that_was_passed_allows_the_promotion_and_a_roll_back_undoes_it(registry):
    before = registry.aliases
    raw, labels = recent()
    found = compare_versions(registry, raw, labels, params=FEW)
    assert found["passed"], found["criteria"]
    assert (found["n"], found["n_positive"]) == (400, sum(labels.values()))
    assert registry.promote() == before.challenger
    assert registry.aliases.previous == before.champion
    assert list(open_models(registry.folder)) == ["tabular.ecdf"]
    assert registry.roll_back() == before.champion
    assert list(open_models(registry.folder)) == ["tabular.mahalanobis"]
    # it was rolled back for a reason that the comparison did not know
    with pytest.raises(ConfigurationError, match="was not compared"):
        registry.promote()
    with pytest.raises(ConfigurationError, match="no previous version"):
        registry.roll_back()
    assert [step["what"] for step in registry.aliases.steps] == [
        "added", "promoted", "added", "promoted", "rolled back",
    ]  # fmt: skip


def test_a_comparison_of_another_pair_does_not_count(registry, runs):
    raw, labels = recent()
    assert compare_versions(registry, raw, labels, params=FEW)["passed"]
    registry.add(runs / "c")
    with pytest.raises(ConfigurationError, match="was not compared"):
        registry.promote()


@pytest.mark.parametrize(("audit", "said"), [("fail", "failed: leak"), (None, "no audit")])
def test_a_failed_or_a_missing_audit_stands_in_the_way(registry, audit, said):
    path = registry.folder / "versions" / registry.aliases.challenger / "audit.json"
    if audit is None:
        path.unlink()
    else:
        path.write_text(json.dumps({"tabular": {"checks": [{"name": "leak", "verdict": audit}]}}))
    raw, labels = recent()
    found = compare_versions(registry, raw, labels, params=FEW)
    assert not found["passed"]
    assert said in next(one["sentence"] for one in found["criteria"] if one["name"] == "Audit")
    with pytest.raises(ConfigurationError, match="did not pass"):
        registry.promote()
    assert FAILED in comparison_page(found)
    assert PASSED not in comparison_page(found)


def test_p_values_that_are_broken_stand_in_the_way(registry):
    raw, labels = recent()
    raw["sodium"] = (raw["sodium"].astype(float) + 40).astype(str)
    found = compare_versions(registry, raw, labels, params=FEW)
    (validity,) = [one for one in found["criteria"] if one["name"] == "P-values"]
    assert validity["passed"] == ("broken" not in validity["sentence"])
    page = registry.comparison_path(found["challenger"], found["champion"], "tabular").with_suffix(".html")
    assert page.read_text() == comparison_page(found)


def test_labels_come_from_the_store_as_well(registry, tmp_path):
    from medanomaly.store.store import Store

    raw, labels = recent()
    by_hand = compare_versions(registry, raw, labels, params=FEW)
    with Store.open(f"sqlite:///{tmp_path / 'p.db'}", key=b"a secret key of the tests") as store:
        store.record(open_models(registry.folder).score(raw, explain=False))
        store.add_ground_truths(raw["patient"], raw["id"], list(labels.values()))
        assert compare_versions(registry, raw, store, params=FEW) == by_hand


def answers(n=2000, gain=0.0, seed=0, groups=2):
    """Scores of two models that agree for the most part; the second one separates by ``gain`` more."""
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.25
    common, own = rng.normal(size=(n, 1)), rng.normal(size=(n, 2))
    score = np.sqrt(0.7) * common + np.sqrt(0.3) * own + positive[:, None] * np.array([1.5, 1.5 + gain])
    group = rng.integers(0, groups, n)
    return ResampledCases(np.arange(n), positive, score), {f"ward {i}": group == i for i in range(groups)}


def names_of_failures(sample, groups, **limits):
    return [
        one.name for one in judge(sample, groups, GateParams(n_resamples=300, **limits)) if not one.passed
    ]


def test_a_better_model_passes_and_a_worse_one_does_not():
    assert names_of_failures(*answers(gain=0.3)) == []
    assert "AUROC" in names_of_failures(*answers(gain=-0.3))


def test_a_model_that_fails_one_subgroup_does_not_pass():
    sample, groups = answers(gain=0.6)
    score = sample.score.copy()
    score[groups["ward 1"], 1] = np.random.default_rng(1).normal(size=groups["ward 1"].sum())
    worse = ResampledCases(sample.patient, sample.positive, score)
    assert "Subgroups" in names_of_failures(worse, groups)
    # a group of which too little is known decides nothing
    assert "Subgroups" not in names_of_failures(worse, groups, min_group_size=5000)


def test_worse_probabilities_do_not_pass():
    sample, groups = answers()
    good = np.where(sample.positive, 0.9, 0.1).astype(float)
    for bad, fails in ((good, False), (np.full_like(good, 0.9), True)):
        both = ResampledCases(
            sample.patient, sample.positive, sample.score, None, np.column_stack([good, bad])
        )
        assert ("Calibration error" in names_of_failures(both, groups)) == fails


SCRIPT = """
import os, signal, sys
from medanomaly.scoring import registry
real = os.replace
def killed(source, target):
    if str(target).endswith("aliases.json"):
        if sys.argv[2] == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        real(source, target)
        os.kill(os.getpid(), signal.SIGKILL)
    real(source, target)
os.replace = killed
getattr(registry.Registry(sys.argv[1]), sys.argv[3])()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", ["promote", "roll_back"])
def test_a_process_that_is_killed_leaves_the_state_before_or_after(registry, when, what):
    raw, labels = recent(120)
    compare_versions(registry, raw, labels, params=GateParams(n_resamples=100, auroc=-1, subgroup=1, ece=1))
    if what == "roll_back":
        registry.promote()
    before = registry.aliases
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(registry.folder), when, what],
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""}, check=False, capture_output=True,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr
    now = registry.aliases
    old, new = before.champion, before.challenger if what == "promote" else before.previous
    assert now.champion == (old if when == "before" else new)
    assert open_models(registry.folder)
    # and the next process goes on from there
    if when == "before":
        getattr(registry, what)()
        assert registry.aliases.champion == new


def test_what_is_no_registry_or_no_model_is_refused(registry, runs, tmp_path):
    assert not is_registry(runs / "a")
    assert served_folder(runs / "a") == runs / "a"
    with pytest.raises(DataNotFoundError, match="no registry"):
        read_aliases(runs / "a")
    empty = Registry(tmp_path / "empty")
    with pytest.raises(DataNotFoundError):
        empty.add(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="no challenger"):
        empty.promote()
    only = Registry(tmp_path / "only")
    only.add(runs / "a")
    with pytest.raises(DataNotFoundError, match="no champion yet"):
        open_models(only.folder)
    (registry.folder / ALIASES).write_text('{"champion": "../../etc"}')
    with pytest.raises(BundleError, match="no version"):
        read_aliases(registry.folder)
    (registry.folder / ALIASES).write_text("{")
    with pytest.raises(BundleError, match="cannot be read"):
        read_aliases(registry.folder)


def test_an_altered_version_is_not_opened(registry):
    folder = registry.models(registry.aliases.champion)
    shutil.copytree(folder, folder.with_name("copy"))
    (folder / "tabular/mahalanobis/manifest.json").write_text("{}")
    with pytest.raises(BundleError):
        open_models(registry.folder)
