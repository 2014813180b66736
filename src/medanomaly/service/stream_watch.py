"""Are the cases that this worker scores, one after the other, still taken as those of calibration were?

One conformal test martingale per modality bets on the facts of acquisition and quality (:mod:`stream_shift`). Once it has
raised its alarm it stays: what was calibrated no longer fits, until a person has looked and the service is started anew.
"""

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.core.models import ModelInput
from medanomaly.core.recipe import PlainCase, ReadCases
from medanomaly.monitoring.facts import CalibrationFacts, facts_of
from medanomaly.monitoring.stream_shift import FactsWatch
from medanomaly.scoring.models import Models
from medanomaly.service.problems import log

# facts of so many plain cases are compared at once: a table for each would take longer than its answer
TOGETHER = 10


class _Watched:
    """One modality.

    Args:
        reads: input of the cases that has the facts.
        known: facts of the calibration cases. Subgroups are left out: they are not known of every case.
    """

    def __init__(self, reads: str, known: CalibrationFacts):
        self.reads = reads
        self.known = known.only([name for name in known.normal if not name.startswith("group ")])
        self.watch = FactsWatch(self.known)
        self.waiting: list[Mapping[str, Any]] = []

    def see(self, facts: pd.DataFrame) -> None:
        if self.watch.alarm_at is None:
            self.watch.update(facts)

    def settle(self) -> None:
        """Compare the plain cases that wait."""
        from medanomaly.tabular.features.record_facts import record_facts

        waiting, self.waiting = self.waiting, []
        if waiting:
            features = pd.DataFrame(waiting)
            self.see(record_facts(pd.DataFrame(index=features.index), features)(np.arange(len(features))))


class StreamWatch:
    """Watches the cases of one worker.

    Args:
        models: that score them; modalities whose models have no sealed facts are not watched.
        metrics: of the service.
    """

    def __init__(self, models: Models, metrics: Any):
        self._watched: dict[str, _Watched] = {}
        self._metrics, self._lock = metrics, threading.Lock()
        for name in models:
            model = models[name]
            modality, known = model.bundle.manifest.modality, facts_of(model.bundle)
            if known is None or modality in self._watched:
                continue
            try:
                self._watched[modality] = _Watched(model.kind.reads, known)
            except InputError as error:
                log.info("cases of %s are not watched: %s", modality, error.problem)

    def add(self, modality: str, read: ReadCases) -> dict[str, Any] | None:
        """Take the cases of an answer, the first of each patient, and say what :meth:`verdict` says."""
        watched = self._watched.get(modality)
        data: ModelInput | None = None if watched is None else read.inputs.get(watched.reads)
        if watched is None:
            return None
        if data is not None and data.facts is not None and len(data.cases):
            facts = data.facts(np.flatnonzero(~data.cases["patient_id"].duplicated().to_numpy()))
            with self._lock:
                watched.settle()
                watched.see(facts)
        return self.verdict(modality)

    def add_plain(self, modality: str, case: PlainCase) -> dict[str, Any] | None:
        """Take a single plain case; its facts are compared with those of the next ones."""
        watched = self._watched.get(modality)
        if watched is None:
            return None
        with self._lock:
            watched.waiting.append(case.features)
            if len(watched.waiting) >= TOGETHER:
                watched.settle()
        return self.verdict(modality)

    def verdict(self, modality: str) -> dict[str, Any] | None:
        """``verdict`` (``holds`` or ``broken``), ``reason`` and ``n_cases``; None where nobody watches."""
        watched = self._watched.get(modality)
        if watched is None:
            return None
        watch = watched.watch
        broken = watch.alarm_at is not None
        self._metrics.watch(modality, watch.n_seen, watch.capital, broken)
        reason = (
            f"by case {watch.alarm_at} of this worker, cases are taken otherwise than at calibration"
            if broken
            else f"nothing in {watch.n_seen} cases of this worker says that they are taken otherwise"
        )
        return {"verdict": "broken" if broken else "holds", "reason": reason, "n_cases": watch.n_seen}
