"""A sampler whose trials depend only on their place: equal after an interruption, different between workers."""

from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState


class SampledByNumber(BaseSampler):
    """The tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), seeded by the place of each trial.

    A sampler with one stream of random numbers would restart it when a study continues, and two workers with the same seed
    would draw the same trials. The place of a trial is its number, until a trial fails, such as one whose process was
    killed: the next trial that starts takes its place.

    Args:
        seed: of the study.
    """

    def __init__(self, seed: int):
        self._seed = seed
        self._of_trial: BaseSampler = TPESampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The first call of a study for a new trial."""
        # the prime separates the trials of neighbouring seeds
        self._of_trial = TPESampler(seed=(self._seed * 1_000_003 + place(study, trial)) % 2**32)
        return self._of_trial.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the Parzen estimator."""
        return self._of_trial.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As the Parzen estimator."""
        return self._of_trial.sample_independent(study, trial, param_name, param_distribution)


def place(study: Study, trial: FrozenTrial) -> int:
    """Place of a trial: the lowest of a failed trial that was free when it started, else the first that nobody had."""
    places: dict[int, int] = {}
    free: dict[int, FrozenTrial] = {}
    n_places = 0
    for each in sorted(study.get_trials(deepcopy=False), key=lambda t: t.number):
        if each.number > trial.number:
            break
        known = [p for p, of in free.items() if of.datetime_complete <= each.datetime_start]
        if known:
            places[each.number] = min(known)
            del free[min(known)]
        else:
            places[each.number] = n_places
            n_places += 1
        if each.state == TrialState.FAIL and each.datetime_complete is not None:
            free[places[each.number]] = each
    return places[trial.number]
