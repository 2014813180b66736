"""An Optuna study of one model: its storage, how it continues after an interruption, and its results."""

import hashlib
import json
import logging
import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import Field

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.params import Params
from medanomaly.tuning.search_space import SearchSpace, suggest

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)

# takes parameters, and a function that reports an intermediate value and raises to stop a poor trial
Objective = Callable[[Mapping[str, Any], Callable[[float, int], None]], float]


class TuningParams(Params):
    """Settings of a search.

    Attributes:
        target: ``<modality>.<model>``, a key of ``search``.
        n_trials: total number of trials; a study that has fewer continues to this number.
        timeout_s: stop after this time, s; None for no limit.
        storage: storage of the study: an SQLAlchemy URL (``sqlite:///study.db``, ``postgresql+pg8000://...``) or
            ``journal:<file>``, which several workers on one file system may share.
        n_folds: number of folds, by patient, inside train.
        search: target to its search space.
    """

    target: str
    n_trials: int = Field(20, ge=1)
    timeout_s: float | None = Field(None, gt=0)
    storage: str
    n_folds: int = Field(3, ge=2)
    search: dict[str, SearchSpace]

    @property
    def space(self) -> SearchSpace:
        """The search space of the target."""
        if self.target not in self.search:
            raise ConfigurationError(
                f"there is no search space for '{self.target}'",
                remedy=f"tuning.search has {sorted(self.search)}.",
            )
        return self.search[self.target]


def open_study(
    params: TuningParams, dataset: str, seed: int, about: Mapping[str, Any] | None = None
) -> "optuna.Study":
    """Open the study of a target on a data set, or create it.

    Its name ends with a digest of all that values depend on (search space, folds, seed, ``about``). If any of these change,
    a new study starts, because values of the old one cannot be compared.

    TPE draws the trials (Bergstra et al., NeurIPS 2011); a trial below the median of the earlier ones at the same fold or
    epoch is stopped.

    Args:
        params: target, search space, storage.
        dataset: name of the data set.
        seed: of the sampler.
        about: all else that values depend on, as JSON types: training data, options that are not searched.

    Raises:
        ConfigurationError: the target has no search space, or the storage cannot be opened.
    """
    import optuna

    from medanomaly.tuning.sampler import SampledByNumber

    space = {name: part.model_dump() for name, part in params.space.items()}
    depends_on = json.dumps([space, params.n_folds, seed, dict(about or {})], sort_keys=True, default=str)
    digest = hashlib.sha256(depends_on.encode()).hexdigest()[:8]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(
            study_name=f"{dataset}/{params.target}/{digest}",
            storage=_storage(params.storage),
            sampler=SampledByNumber(seed),
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=0),
        )
    except Exception as error:
        raise ConfigurationError(
            f"the study cannot be opened: {error}",
            source=params.storage.split("@")[-1],
            remedy="tuning.storage is an SQLAlchemy URL or journal:<file>.",
        ) from error


def _storage(url: str) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    kind, _, place = url.partition(":")
    if kind == "journal":
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(place))
    if kind == "sqlite":
        Path(place.removeprefix("///")).parent.mkdir(parents=True, exist_ok=True)
    return url


def run_study(
    study: "optuna.Study",
    objective: Objective,
    params: TuningParams,
    on_trial: Callable[["optuna.trial.FrozenTrial"], None] | None = None,
) -> None:
    """Run until all workers together have finished ``params.n_trials`` trials, without failed ones.

    Several processes may run the same study; each finishes its current trial, so there can be a few more.

    Args:
        study: from :func:`open_study`.
        objective: higher is better.
        params: search space, number of trials, time.
        on_trial: called with every finished trial (by a tracker).
    """
    import optuna

    worker = _worker()
    _end_abandoned(study, worker)

    def one(trial: optuna.Trial) -> float:
        trial.set_user_attr("worker", worker)

        def report(value: float, step: int) -> None:
            trial.report(value, step)
            if trial.should_prune():
                raise optuna.TrialPruned

        value = float(objective(suggest(trial, params.space), report))
        if not np.isfinite(value):
            raise optuna.TrialPruned
        return value

    counted = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    finished = study.get_trials(deepcopy=False, states=counted)
    remaining = params.n_trials - len(finished)
    if remaining <= 0:
        logger.info("Study '%s' already has its %d trials", study.study_name, len(finished))
        return
    if finished:
        logger.info("Study '%s' continues after %d trials", study.study_name, len(finished))
    callbacks = [_log, optuna.study.MaxTrialsCallback(params.n_trials, states=counted)]
    if on_trial is not None:
        callbacks.append(lambda _, trial: on_trial(trial))
    study.optimize(one, n_trials=remaining, timeout=params.timeout_s, callbacks=callbacks)


def _worker() -> str:
    """This process, for others on the same machine; the name of the machine is not written down."""
    machine = hashlib.blake2b(platform.node().encode(), digest_size=4).hexdigest()
    return f"{machine}:{os.getpid()}"


def _end_abandoned(study: "optuna.Study", worker: str) -> None:
    """Give up trials whose process on this machine is gone: it was killed and could not say so."""
    import optuna

    machine, _, own = worker.partition(":")
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        of, _, process = trial.user_attrs.get("worker", "").partition(":")
        if of == machine and (process == own or not _runs(int(process))):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            logger.warning("Trial %d was not finished: its process is gone. It is done again", trial.number)


def _runs(process: int) -> bool:
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _log(study: "optuna.Study", trial: "optuna.trial.FrozenTrial") -> None:
    value = f"{trial.value:.4f}" if trial.state.name == "COMPLETE" else "stopped early"
    logger.info("Trial %d: %s %s", trial.number, value, trial.params)


def best_parameters(study: "optuna.Study") -> dict[str, Any]:
    """Parameters, value and number of the best trial, and the number of trials.

    Raises:
        ConfigurationError: no trial has finished.
    """
    finished = [t for t in study.trials if t.state.name == "COMPLETE"]
    if not finished:
        raise ConfigurationError(
            "no trial has finished", source=study.study_name, remedy="Raise n_trials or timeout_s."
        )
    best = study.best_trial
    return {
        "options": dict(best.params),
        "value": best.value,
        "trial": best.number,
        "n_trials": sum(t.state.name in ("COMPLETE", "PRUNED") for t in study.trials),
        "study": study.study_name,
    }


def trials_table(study: "optuna.Study") -> pd.DataFrame:
    """One row per trial: ``number``, ``state``, ``value``, ``seconds``, then its parameters."""
    rows = [
        {
            "number": t.number,
            "state": t.state.name.lower(),
            "value": t.value,
            "seconds": t.duration.total_seconds() if t.duration is not None else None,
            **t.params,
        }
        for t in study.trials
    ]
    return pd.DataFrame(rows)


def importances(study: "optuna.Study", seed: int = 0) -> pd.DataFrame:
    """``parameter``, ``importance``: share of the variance that each parameter explains (fANOVA, Hutter et al., ICML 2014).

    Empty with fewer than four finished trials, or if all values are equal.
    """
    import optuna

    values = [t.value for t in study.trials if t.state.name == "COMPLETE"]
    if len(values) < 4 or np.ptp(values) == 0:
        return pd.DataFrame(
            {"parameter": pd.Series(dtype="string"), "importance": pd.Series(dtype="float64")}
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return pd.DataFrame({"parameter": list(found), "importance": list(found.values())})
