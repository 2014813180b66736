"""What the routes of every modality share: the models, who may ask, threads, metrics, and how raw cases are scored."""

import asyncio
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from medanomaly.core.errors import MedanomalyError
from medanomaly.scoring.answers import Answers
from medanomaly.scoring.fhir import fhir_resources
from medanomaly.scoring.kept_records import KeptRecords
from medanomaly.scoring.model_answers import OpenModel, answers
from medanomaly.scoring.models import EXPLAINED, Models, open_models
from medanomaly.scoring.registry import is_registry, served_folder
from medanomaly.scoring.single_cases import SingleCases
from medanomaly.service.bodies import Options
from medanomaly.service.keys import Keys, read_keys
from medanomaly.service.metrics import Metrics
from medanomaly.service.persistence import Persistence
from medanomaly.service.problems import Problem, log, of_error, of_unknown, plain_reason, where
from medanomaly.service.settings import Settings
from medanomaly.service.stream_watch import StreamWatch
from medanomaly.service.workers import Workers

LOADING = "the models are being loaded"
# so often a registry is asked which version is its champion
FOLLOW_SECONDS = 0.25
# models of the request that is answered, and their version: a promotion in the midst of it changes nothing for it
SERVED: ContextVar[tuple[Models, str] | None] = ContextVar("served", default=None)


class Service:
    """The state of one application.

    Args:
        source: opened models, or the folder that :meth:`load` opens.
        settings: of the service.
        warmers: one function per modality that asks its models once.
    """

    def __init__(
        self, source: Models | Path, settings: Settings, warmers: Collection[Callable[[Models], None]] = ()
    ):
        self.settings, self.metrics = settings, Metrics()
        self.keys: Keys = read_keys(settings.keys)
        self.workers = Workers(settings.workers, settings.waiting, settings.limits.seconds)
        # live ECGs wait for nobody's upload
        self.live_workers = Workers(settings.workers, max(settings.streams, 1), settings.limits.seconds)
        self.streams = 0
        self.persistence: Persistence | None = None
        self._closed = False
        self._version, self.failure = "", LOADING
        self._folder = None if isinstance(source, Models) else Path(source)
        self._warmers = list(warmers)
        self._models: Models | None = None
        self._single: WeakKeyDictionary[Models, dict[str, SingleCases]] = WeakKeyDictionary()
        self._opened_from: Path | None = None
        if isinstance(source, Models):
            self._open_store()
            self._serve(source)

    @property
    def ready(self) -> bool:
        """Whether models are loaded and warm."""
        return self._models is not None

    def load(self) -> None:
        """Open the folder and ask every model once. What is wrong with it is said by :attr:`failure`."""
        if self._folder is None:
            return
        try:
            self._opened_from = served_folder(self._folder)
            models = open_models(self._opened_from)
            self._open_store()
        except MedanomalyError as error:
            # the problem names a model or a file of it, or the store, never a case
            self.failure = f"{error.problem}. {error.remedy}".strip()
            log.error("not ready: %s", self.failure)
            return
        except Exception as error:
            self.failure = "the models cannot be loaded; the log says where it failed"
            log.error("not ready: %s", where(error))
            return
        self.warm(models)
        self._serve(models)

    async def follow(self) -> None:
        """Serve the champion of a registry, whichever it becomes; the one before answers until the new one is warm.

        A champion that cannot be opened changes nothing but :attr:`Metrics.reload_failures`.
        """
        if self._folder is None or not is_registry(self._folder):
            return
        failed: tuple[Path | None, str] = (None, "")
        while not self._closed:
            await asyncio.sleep(FOLLOW_SECONDS)
            wanted = None
            try:
                wanted = await asyncio.to_thread(served_folder, self._folder)
                if wanted in (self._opened_from, failed[0]):
                    continue
                models = await asyncio.to_thread(open_models, wanted)
                if self.persistence is None and self.settings.store is not None:
                    await asyncio.to_thread(self._open_store)
            except Exception as error:
                # of an error of the project the problem names a file, and never a case
                said = error.problem if isinstance(error, MedanomalyError) else where(error)
                if failed != (wanted, said):
                    log.error("the champion cannot be served: %s", said)
                    self.metrics.reload_failures.inc()
                failed = wanted, said
                continue
            await asyncio.to_thread(self.warm, models)
            self._opened_from, failed = wanted, (None, "")
            # on the loop, between two steps of requests
            self._serve(models)
            self.metrics.reloads.inc()
            log.info("version %s is served", self.version)

    def begin_request(self) -> None:
        """Let the request of this context keep the models that are served now."""
        SERVED.set(None if self._models is None else (self._models, self._version))

    @property
    def version(self) -> str:
        """Of the models of this request; empty while there are none."""
        served = SERVED.get()
        return self._version if served is None else served[1]

    def _open_store(self) -> None:
        if self.settings.store is None:
            return
        self.persistence = Persistence(self.settings, self.metrics)
        if self._closed:
            # the service was stopped while it was still loading
            self.persistence.close()

    def close(self) -> None:
        """Take no more calls, and write what waits to be stored."""
        self._closed = True
        self.workers.close()
        self.live_workers.close()
        if self.persistence is not None:
            self.persistence.close()

    def warm(self, models: Models) -> None:
        """Ask every model once: libraries are imported and code is compiled before the first request."""
        for warmer in self._warmers:
            try:
                warmer(models)
            except Exception as error:
                log.warning("not warmed: %s", where(error))

    def _serve(self, models: Models) -> None:
        hashes = sorted(models[name].bundle.bundle_hash for name in models)
        self._version = hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]
        self.metrics.models.clear()
        for name in models:
            self.metrics.models.labels(name, models[name].bundle.bundle_hash[:12]).set(1)
        self._watch = StreamWatch(models, self.metrics)
        self._models, self.failure = models, ""
        self.metrics.ready.set(1)

    @property
    def models(self) -> Models:
        """The models.

        Raises:
            Problem: 503 while there are none.
        """
        served = SERVED.get()
        if served is not None:
            return served[0]
        if self._models is None:
            retry = {"Retry-After": "5"} if self.failure == LOADING else {}
            raise Problem(503, "not-ready", f"Not ready: {str(self.failure).rstrip('.')}.", headers=retry)
        return self._models

    def need(self, modality: str) -> Models:
        """The models, where some of them take cases of this modality.

        Raises:
            Problem: 503 while there are none, 404 where none takes them.
        """
        models = self.models
        if modality not in models.modalities:
            raise Problem(404, "not-found", f"No model here takes {modality} cases.")
        return models

    async def quick(
        self, modality: str, raw: Any, options: Options, own_ids: Collection[str] = ()
    ) -> dict[str, Any] | None:
        """Scores of a single plain case, which take less time than the way to a thread and back; None where it is not plain.

        Raises:
            Problem: a model or an option is not known, or the answer could not be stored.
        """
        models = self.need(modality)
        single = self._single.setdefault(models, {})
        if modality not in single:
            single[modality] = SingleCases(models, modality)
        with self.readable():
            found = single[modality].answer(raw, options.models, options.alpha)
        if found is None:
            return None
        read, answer = found
        if self.persistence is not None:
            await self.persistence.record_plain(read, answer, own_ids)
        for given in answer["cases"][0]["answers"]:
            self.metrics.add(modality, given["model"], 1, int(given["flagged"]))
        stream = self._watch.add_plain(modality, read)
        if stream is None:
            return answer
        if stream["verdict"] == "broken":
            for given in answer["cases"][0]["answers"]:
                given["p_value_holds"] = False
        return answer | {"stream": stream}

    def open_model(self, name: str) -> OpenModel:
        """A model by its name after its modality.

        Raises:
            Problem: 404.
        """
        models = self.models
        if name not in models:
            raise Problem(404, "not-found", "There is no such model. GET /v1/models lists the models.")
        return models[name]

    def score(
        self,
        modality: str,
        raw: Any,
        options: Options,
        explain: bool,
        reading: Mapping[str, Any] | None = None,
        own_ids: Collection[str] = (),
        keep: Callable[[], Any] | None = None,
    ) -> Answers:
        """Answers to raw cases, which are in the store when this returns, where there is one.

        Args:
            modality: of the cases.
            raw: what its recipe reads.
            options: which models, at which false-alarm rate.
            explain: whether reasons are wanted.
            reading: options of the recipe.
            own_ids: which ids the client gave: of cases, of patients.
            keep: what else has to be written before the answer is given.

        Raises:
            Problem: the cases cannot be read, a model or an option is not known, or the answers could not be stored.
        """
        models = self.need(modality)
        recipe = models.recipe(modality=modality)
        known = getattr(getattr(recipe, "learned", None), "columns", {})
        with self.readable(known):
            asked = models.asked(recipe, options.models)
        with self.readable(known, anything=True):
            read = recipe.read(raw, **(reading or {}))
        explained = self.explained(options) if explain else 0
        with self.readable(known):
            found = answers(recipe, asked, read, options.alpha, explained)
        if self.persistence is not None:
            self.persistence.record(found, own_ids, keep)
        self.metrics.count(found)
        return replace(found, stream=self._watch.add(modality, read))

    def kept_records(self, modality: str) -> KeptRecords:
        """Earlier records of patients that the store keeps; none where there is no store."""
        store = None if self.persistence is None else self.persistence.store
        return KeptRecords(store, self.need(modality).recipe(modality=modality))

    @contextmanager
    def readable(self, known: Iterable[str] = (), anything: bool = False) -> Iterator[None]:
        """Errors about what was given as problems that repeat none of it.

        Args:
            known: names that the model knows and that may be said.
            anything: whether a library may fail in any way: a file can come from anywhere.

        Raises:
            Problem: 422.
        """
        try:
            yield
        except Problem:
            raise
        except MedanomalyError as error:
            raise of_error(error, known) from None
        except Exception as error:
            if not anything:
                raise
            raise of_unknown(error) from None

    def explained(self, options: Options) -> int:
        """How many cases per model are explained."""
        wanted = EXPLAINED if options.explain is None else options.explain
        return min(wanted, self.settings.limits.explained)


def plain(found: Answers, whole: Callable[[str], bool] = lambda case: True) -> Answers:
    """Answers in which the reasons why a whole file was refused lose what they quote.

    Args:
        found: the answers.
        whole: whether a refused case is a whole file.
    """
    refused = found.read.refused.copy()
    refused["reason"] = [
        plain_reason(reason) if whole(case) else reason
        for case, reason in refused[["case_id", "reason"]].itertuples(index=False, name=None)
    ]
    return replace(found, read=replace(found.read, refused=refused))


def shown(
    found: Answers, whole: Callable[[str], bool] = lambda case: True, as_fhir: bool = False
) -> dict[str, Any] | list[dict[str, Any]]:
    """Plain answers as JSON types, or as resources of FHIR.

    Args:
        found: the answers.
        whole: whether a refused case is a whole file.
        as_fhir: whether resources are wanted.

    Raises:
        Problem: 422, where no case was read and every file was refused.
    """
    told = plain(found, whole)
    refused = told.read.refused
    if not len(told.read.cases) and len(refused) and all(map(whole, refused["case_id"])):
        said = "; ".join(sorted(set(refused["reason"])))
        raise Problem(422, "unreadable-data", f"The data cannot be used: {said}.")
    return fhir_resources(told) if as_fhir else told.to_dict()
