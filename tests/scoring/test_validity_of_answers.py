"""Answers say whether their p-values hold, from facts that are sealed in the bundle."""

import numpy as np
import pytest
from tests.scoring.small_models import sealed_with_illness, visits

from medanomaly.core.bundle import read_bundle
from medanomaly.monitoring.facts import facts_of
from medanomaly.scoring.batches import score_batch
from medanomaly.scoring.models import open_models


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A recipe and a detector, with the facts of normal and of abnormal calibration records."""
    return sealed_with_illness(tmp_path_factory.mktemp("models"))


def batch(seed, **change):
    raw = visits(160, seed)
    raw.loc[raw.index[::4], "potassium"] = raw["potassium"].astype(float).add(2).round(2).astype(str)
    return raw.drop(columns="outcome").assign(**{name: of(raw[name]) for name, of in change.items()})


def verdict(folder, raw):
    answers = open_models(folder).score(raw, explain=False)
    said = answers.to_dict()["p_values_hold"]["tabular.ecdf"]
    assert said["verdict"] == answers.shift["tabular.ecdf"].verdict
    return said


def test_a_bundle_has_the_facts_of_one_record_per_patient(folder):
    known = facts_of(read_bundle(folder / "tabular" / "ecdf"))
    assert (len(known.normal), len(known.abnormal)) == (100, 100)
    assert "missing values" in known.normal


def test_a_batch_of_the_same_source_with_abnormal_records_holds(folder):
    assert verdict(folder, batch(7))["verdict"] == "holds"


def test_another_unit_and_missing_values_break_the_p_values(folder):
    said = verdict(folder, batch(7, sodium=lambda column: (column.astype(float) + 3).round(1).astype(str)))
    assert said["verdict"] == "broken"
    assert "sodium" in said["reason"] or "facts together" in said["reason"]
    lost = verdict(folder, batch(7, sodium=lambda column: column.where(np.arange(160) // 2 % 2 == 0)))
    assert lost["verdict"] == "broken"
    assert "missing" in lost["reason"] or "facts together" in lost["reason"]


def test_a_few_records_are_too_few_to_tell(folder):
    assert "too few to tell" in verdict(folder, batch(7).head(6))["reason"]


def test_a_p_value_that_does_not_hold_says_so_wherever_it_stands(folder):
    models = open_models(folder)
    for raw, holds in ((batch(7), True), (batch(7, sodium=lambda column: "141.0"), False)):
        answers = models.score(raw, explain=False)
        given = [one for case in answers.to_dict()["cases"] for one in case["answers"]]
        assert {one.get("p_value_holds", True) for one in given} == {holds}
        assert answers.table["findings"].str.contains("p-value does not hold: '").eq(not holds).all()


def test_weighted_p_values_mend_what_the_plain_ones_break(folder):
    # the calibration patients with a high sodium are those of the new site
    new = visits(600, 11)
    new = new[new["sodium"].astype(float) > 139].drop(columns="outcome")
    models = open_models(folder)
    plain, weighted = (models.score(new, explain=False, reweight=reweight) for reweight in (False, True))
    said = weighted.to_dict()["weighted"]["tabular.ecdf"]
    assert said["withheld"] == ""
    assert 50 <= said["effective_size"] < 100
    assert not plain.scores["p_value"].equals(weighted.scores["p_value"])
    assert plain.scores["score"].equals(weighted.scores["score"])
    # the plain ones are broken, and the weighted ones are not said to be
    assert plain.table["findings"].str.contains("p-value does not hold").all()
    assert not weighted.table["findings"].str.contains("p-value").any()
    assert "weighted" not in plain.to_dict()


def test_weighted_p_values_are_withheld_with_the_reason_where_calibration_says_too_little(folder):
    models = open_models(folder)
    far = batch(7, sodium=lambda column: (column.astype(float) + 40).round(1).astype(str))
    for raw, reason in (
        (far, "of at least 50 cases|of the batch only"),
        (batch(7).head(20), "are too few; 50 of each"),
    ):
        answers = models.score(raw, explain=False, reweight=True)
        assert answers.scores["p_value"].isna().all()
        assert answers.scores["flagged"].isna().all()
        assert answers.table["findings"].str.contains(f"the p-value is withheld: .*(?:{reason})").all()
        assert answers.to_dict()["weighted"]["tabular.ecdf"]["withheld"]


def test_the_scores_of_the_sealed_cases_are_those_of_the_model(folder):
    bundle = read_bundle(folder / "tabular" / "ecdf")
    known = facts_of(bundle)
    assert "calibration_order.npy" not in bundle.files
    assert set(known.scores) <= set(bundle.array("calibration.npy"))
    # facts are coarse, so the score is nearly that of the facts
    assert np.corrcoef(np.abs(known.normal["potassium"] - 4.2), known.scores)[0, 1] > 0.3


def test_a_batch_in_parts_compares_the_facts_of_all_parts_together(folder, tmp_path):
    models = open_models(folder)
    # each part alone would be too small to tell
    for name, raw, verdict in (
        ("same", batch(7), "holds"),
        ("other", batch(7, sodium=lambda column: (column.astype(float) + 3).round(1).astype(str)), "broken"),
    ):
        summary = score_batch(models, raw, tmp_path / f"{name}.csv", chunk_rows=28)
        assert summary.shift["ecdf"]["verdict"] == verdict
    assert "sodium" in summary.shift["ecdf"]["reason"] or "facts together" in summary.shift["ecdf"]["reason"]
