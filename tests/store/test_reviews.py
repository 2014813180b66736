"""Alarms are listed, confirmed or dismissed, and counted."""

import pytest
from tests.store.answers import KEY, answers

from medanomaly.core.errors import InputError
from medanomaly.store.reviews import alarms_to_review, review_summary
from medanomaly.store.store import Store


@pytest.fixture
def recorded(tmp_path):
    with Store.open(tmp_path / "store.db", key=KEY) as store:
        store.record(answers(20))
        yield store


def test_alarms_wait_for_a_review_until_they_have_one(recorded):
    waiting, n_waiting = alarms_to_review(recorded, "ecdf")
    assert len(waiting) == n_waiting == len(recorded.predictions(model="ecdf", flagged=True))
    assert [one["p_value"] for one in waiting] == sorted(one["p_value"] for one in waiting)
    first = waiting[0]
    row = recorded.review(first["id"][:12], True, outcome="sepsis", actor="ward 3")
    assert (row["prediction_id"], row["model_name"]) == (first["id"], "ecdf")
    left, n_left = alarms_to_review(recorded, "ecdf")
    assert len(left) == n_left == len(waiting) - 1
    assert first["id"] not in {one["id"] for one in left}
    known = recorded.predictions(reviewed=True)
    # what is true of a case is true for every model that scored it
    assert sorted(known["model_name"]) == ["ecdf", "pca"]
    assert known["outcome"].eq("sepsis").all()
    two, n_left = alarms_to_review(recorded, "ecdf", top=2)
    assert (len(two), n_left) == (2, len(left))
    assert recorded.verify().whole


def test_the_share_of_right_alarms_is_counted_among_reviewed_ones(recorded):
    waiting, _ = alarms_to_review(recorded, "ecdf")
    said = [True, True, False, True]
    for alarm, anomalous in zip(waiting, said, strict=False):
        recorded.review(alarm["id"], anomalous)
    quiet = recorded.predictions(model="ecdf", flagged=False).iloc[0]
    recorded.review(quiet["prediction_id"], True)
    (found,) = review_summary(recorded, "ecdf")
    assert (found["n_alarms"], found["n_reviewed"]) == (len(waiting), 4)
    assert (found["n_confirmed"], found["n_dismissed"], found["missed"]) == (3, 1, 1)
    assert found["precision"] == found["latest"] == 0.75
    # Clopper-Pearson of 3 of 4
    assert (found["low"], found["high"]) == pytest.approx((0.1941, 0.9937), abs=1e-4)
    # a second opinion counts in place of the first
    recorded.review(waiting[2]["id"], True)
    assert review_summary(recorded, "ecdf")[0]["n_confirmed"] == 4


def test_without_reviews_there_is_no_precision(recorded):
    (found, _) = review_summary(recorded)
    assert (found["precision"], found["low"], found["latest"], found["n_reviewed"]) == (None, None, None, 0)


def test_an_id_that_is_too_short_or_unknown_is_refused(recorded):
    with pytest.raises(InputError, match="'%' is no id"):
        recorded.review("%", True)
    with pytest.raises(InputError, match="no prediction begins with 'zzzzzzzzzz'"):
        recorded.review("zzzzzzzzzz", True)


def test_reviews_are_found_by_the_ids_of_patient_and_case(recorded):
    recorded.add_ground_truth("patient 0", "visit 1", True)
    recorded.add_ground_truth("patient 1", "visit 2", False)
    subjects, cases = ["patient 0", "patient 0", "patient 1"], ["visit 0", "visit 1", "visit 2"]
    assert recorded.ground_truths(subjects, cases) == [None, True, False]
