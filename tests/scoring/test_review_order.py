"""What was confirmed and dismissed moves the cases that are like it."""

import numpy as np
import pytest
from tests.scoring.small_models import trained, visits

import medanomaly
from medanomaly.scoring.review_order import review_order
from medanomaly.store.store import Store


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return medanomaly.open(trained(tmp_path_factory.mktemp("models"), ("isolation_forest",)))


@pytest.fixture
def raw():
    """Strange potassium, which nobody cares about, and strange sodium, which somebody does."""
    table = visits(80, seed=5).drop(columns="outcome").assign(patient=lambda t: t["id"])
    table.loc[:9, "potassium"] = "7.5"
    table.loc[10:19, "sodium"] = "115"
    return table


def test_reviews_reorder_what_is_left(models, raw, tmp_path):
    with Store.open(tmp_path / "store.db", key=b"a secret key of the tests") as store:
        before = review_order(models, raw, store, "isolation_forest")
        assert len(before) == 80
        assert before.attrs["n_reviewed"] == 0
        assert np.corrcoef(before["place"], before["place_before"])[0, 1] > 0.95
        for i in (*range(4), *range(10, 14)):
            store.add_ground_truth(raw["patient"][i], raw["id"][i], i >= 10)
        after = review_order(models, raw, store, "isolation_forest")
    assert (len(after), after.attrs["n_reviewed"]) == (72, 8)
    assert set(after["case_id"].head(6)) == set(raw["id"].astype(str)[14:20])
    # the model and its p-values are as they were
    joined = after.merge(before, on="case_id")
    assert (joined["p_value_x"] == joined["p_value_y"]).all()
