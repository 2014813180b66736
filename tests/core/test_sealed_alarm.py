"""At which alpha raw cases are flagged: sealed beside the models, and never a part of them."""

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.bundle import array_bytes, make_bundle, read_bundle, write_bundle
from medanomaly.core.conformal import p_values
from medanomaly.core.errors import BundleError, ConfigurationError
from medanomaly.core.scores import check_scores, flagged_at, table_without_p_values
from medanomaly.core.sealed_alarm import DEFAULT_ALPHA, alarm_threshold, alpha_of, seal_alarm

CALIBRATION = np.arange(99.0)


def model(modality="tabular", **about):
    files = {"calibration.npy": array_bytes(CALIBRATION)}
    return make_bundle({"kind": "ecdf", "name": "tails", "modality": modality} | about, files)


def test_a_model_flags_at_the_alarm_of_its_modality():
    beside = [model(), seal_alarm(0.3, "signals", "ward"), seal_alarm(0.2, "tabular", "ward")]
    assert alpha_of(model(), beside) == 0.2
    assert alpha_of(model("signals"), beside) == 0.3
    assert alpha_of(model("imaging"), beside) == DEFAULT_ALPHA
    # what earlier versions wrote
    assert alpha_of(model(thresholds={"alpha": 0.01}), []) == 0.01
    assert alpha_of(model(thresholds={"alpha": 0.01}), beside) == 0.2


@pytest.mark.parametrize("alpha", [-0.1, 1.5])
def test_an_alarm_is_a_share(alpha):
    with pytest.raises(ConfigurationError, match="share from 0 to 1"):
        seal_alarm(alpha, "tabular", "ward")


def test_an_alarm_that_was_altered_is_refused(tmp_path):
    write_bundle(tmp_path / "alarm", seal_alarm(0.2, "tabular", "ward"))
    manifest = tmp_path / "alarm" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("0.2", "0.9"))
    with pytest.raises(BundleError, match="was altered"):
        read_bundle(tmp_path / "alarm")


def test_the_threshold_flags_what_p_values_flag():
    found = alarm_threshold(model(), 0.2)
    scores = np.linspace(-1, 100, 500)
    assert ((scores > found["score"]) == (p_values(scores, CALIBRATION) <= 0.2)).all()
    assert alarm_threshold(model(), 0.001) == {"alpha": 0.001, "score": None}
    assert (
        alarm_threshold(
            make_bundle({"kind": "tabular_risk", "name": "r", "modality": "tabular_risk"}, {}), 0.2
        )
        == {}
    )


def test_flags_follow_from_p_values_and_those_of_a_risk_stay():
    ids = pd.Series(["a", "b", "c"])
    of_model = table_without_p_values(ids, np.arange(3.0), "tails").assign(p_value=[np.nan, 0.2, 0.21])
    flags = pd.Series([True, False, pd.NA], dtype="boolean")
    of_risk = table_without_p_values(ids, np.arange(3.0), "risk", flags)
    together = check_scores(pd.concat([of_model, of_risk], ignore_index=True))
    for alpha, second in ((0.2, True), (0.1, False)):
        found = flagged_at(together, alpha)
        assert found["flagged"].tolist()[1:3] == [second, False]
        assert found["flagged"].isna().tolist() == [True, False, False, False, False, True]
        assert found["flagged"].tolist()[3:5] == [True, False]
    # rows in any order keep their own flags
    shuffled = flagged_at(together.iloc[[5, 1, 3, 0]], 0.2)
    assert shuffled["flagged"].to_dict().keys() == {5, 1, 3, 0}
    assert shuffled["flagged"][[1, 3]].all()
