import numpy as np
import pytest
from tests.tabular.sample_tables import continuous

from medanomaly.detectors.kinds.four_member_ensemble import FourMemberEnsemble
from medanomaly.detectors.kinds.two_view_ensemble import TwoViewEnsemble

every_ensemble = pytest.mark.parametrize(
    "ensemble",
    [
        FourMemberEnsemble(n_estimators=10, random_state=0),
        TwoViewEnsemble(n_estimators=10, random_state=0),
    ],
    ids=["four members", "two views"],
)


@every_ensemble
def test_usual_rows_that_were_not_seen_score_one_half_on_average(ensemble):
    # scored on its own training rows a nearest-neighbour distance would be 0 and their percentiles of no use
    fitted = ensemble.fit(continuous(400, 4))
    unseen = -fitted.score_samples(continuous(2000, 4, seed=1))
    assert unseen.mean() == pytest.approx(0.5, abs=0.05)


@every_ensemble
def test_copies_of_rows_do_not_make_unseen_rows_look_strange(ensemble):
    # were a copy in another fold, the out-of-fold distances would be 0 and every new row far away beside them
    fitted = ensemble.fit(np.repeat(continuous(200, 4), 3, axis=0))
    unseen = -fitted.score_samples(continuous(2000, 4, seed=1))
    assert unseen.mean() == pytest.approx(0.5, abs=0.07)
