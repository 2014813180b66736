import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from medanomaly.evaluation.class_performance import auroc_lost, class_performance


@pytest.fixture
def tested():
    rng = np.random.default_rng(0)
    n = 600
    kind = rng.choice(["N", "S", "V"], n, p=[0.8, 0.1, 0.1])
    score = rng.normal(size=n) + np.select([kind == "S", kind == "V"], [1.0, 3.0], 0.0)
    return pd.DataFrame(
        {
            "patient_id": rng.choice([f"p{i}" for i in range(8)], n),
            "label": pd.array((kind != "N").astype(int), dtype="Int8"),
            "kind": np.where(kind == "N", None, kind),
            "score": score,
            "flagged": score > 1.5,
        }
    )


def test_each_kind_is_judged_against_the_normal_cases_alone(tested):
    table = class_performance(tested, {"S": "S", "V": "V", "all": "SV"}, n_resamples=200, seed=0).set_index(
        "name"
    )
    for name, kinds in (("S", ["S"]), ("V", ["V"]), ("all", ["S", "V"])):
        part = tested[tested["label"].eq(0) | tested["kind"].isin(kinds)]
        assert table.loc[name, "auroc"] == pytest.approx(
            roc_auc_score(part["label"].astype(int), part["score"])
        )
        flagged = part[part["flagged"]]
        assert table.loc[name, "ppv"] == pytest.approx(flagged["label"].mean())
        assert table.loc[name, "sensitivity"] == pytest.approx(part.loc[part["label"] == 1, "flagged"].mean())
        assert table.loc[name, "auroc_low"] <= table.loc[name, "auroc"] <= table.loc[name, "auroc_high"]


def test_a_kind_that_is_not_there_is_left_out(tested):
    assert class_performance(tested, {"F": "F"}, n_resamples=50, seed=0).empty


def test_shuffling_costs_what_the_score_rests_on_and_nothing_else():
    rng = np.random.default_rng(1)
    positive = rng.random(800) < 0.3
    features = pd.DataFrame(
        {"case_id": np.arange(800), "useful": positive + rng.normal(size=800), "idle": rng.normal(size=800)}
    )
    lost = auroc_lost(lambda table: table["useful"].to_numpy(), features, positive).set_index("name")
    assert lost.loc["useful", "loss"] > 0.15
    assert lost.loc["idle", "loss"] == 0
