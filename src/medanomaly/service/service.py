"""What the routes of every modality share: the models, who may ask, threads, metrics, and how raw cases are scored."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from medanomaly.core.errors import MedanomalyError
from medanomaly.scoring.answers import Answers
from medanomaly.scoring.models import EXPLAINED, Models, OpenModel, answers, open_models
from medanomaly.scoring.single_cases import SingleCases
from medanomaly.service.bodies import Options
from medanomaly.service.keys import Keys, read_keys
from medanomaly.service.metrics import Metrics
from medanomaly.service.problems import Problem, log, of_error, of_unknown, plain_reason, where
from medanomaly.service.settings import Settings
from medanomaly.service.workers import Workers

LOADING = "the models are being loaded"


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
        self.version, self.failure = "", LOADING
        self._folder = None if isinstance(source, Models) else Path(source)
        self._warmers = list(warmers)
        self._models: Models | None = None
        self._single: dict[str, SingleCases] = {}
        if isinstance(source, Models):
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
            models = open_models(self._folder)
        except MedanomalyError as error:
            # the problem names a model or a file of it, never a case
            self.failure = f"{error.problem}. {error.remedy}".strip()
            log.error("models were not loaded: %s", self.failure)
            return
        except Exception as error:
            self.failure = "the models cannot be loaded; the log says where it failed"
            log.error("models were not loaded: %s", where(error))
            return
        self.warm(models)
        self._serve(models)

    def warm(self, models: Models) -> None:
        """Ask every model once: libraries are imported and code is compiled before the first request."""
        for warmer in self._warmers:
            try:
                warmer(models)
            except Exception as error:
                log.warning("not warmed: %s", where(error))

    def _serve(self, models: Models) -> None:
        hashes = sorted(models[name].bundle.bundle_hash for name in models)
        self.version = hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]
        for name in models:
            self.metrics.models.labels(name, models[name].bundle.bundle_hash[:12]).set(1)
        self._models, self.failure = models, ""
        self.metrics.ready.set(1)

    @property
    def models(self) -> Models:
        """The models.

        Raises:
            Problem: 503 while there are none.
        """
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

    def quick(self, modality: str, raw: Any, options: Options) -> dict[str, Any] | None:
        """Scores of a single plain case, which take less time than the way to a thread and back; None where it is not plain.

        Raises:
            Problem: a model or an option is not known.
        """
        if modality not in self._single:
            self._single[modality] = SingleCases(self.need(modality), modality)
        try:
            found = self._single[modality].answer(raw, options.models, options.alpha)
        except MedanomalyError as error:
            raise of_error(error) from None
        if found is not None:
            for answer in found["cases"][0]["answers"]:
                self.metrics.add(modality, answer["model"], 1, int(answer["flagged"]))
        return found

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
    ) -> Answers:
        """Answers to raw cases.

        Args:
            modality: of the cases.
            raw: what its recipe reads.
            options: which models, at which false-alarm rate.
            explain: whether reasons are wanted.
            reading: options of the recipe.

        Raises:
            Problem: the cases cannot be read, or a model or an option is not known.
        """
        models = self.need(modality)
        recipe = models.recipe(modality=modality)
        known = getattr(getattr(recipe, "learned", None), "columns", {})
        try:
            asked = models.asked(recipe, options.models)
            read = recipe.read(raw, **(reading or {}))
        except MedanomalyError as error:
            raise of_error(error, known) from None
        except Problem:
            raise
        # a file from anywhere can make a library fail in any way
        except Exception as error:
            raise of_unknown(error) from None
        explained = self.explained(options) if explain else 0
        try:
            found = answers(recipe, asked, read, options.alpha, explained)
        except MedanomalyError as error:
            raise of_error(error, known) from None
        self.metrics.count(found)
        return found

    def explained(self, options: Options) -> int:
        """How many cases per model are explained."""
        wanted = EXPLAINED if options.explain is None else options.explain
        return min(wanted, self.settings.limits.explained)


def shown(found: Answers, whole: Callable[[str], bool] = lambda case: True) -> dict[str, Any]:
    """Answers as JSON types; reasons why a whole file was refused lose what they quote.

    Args:
        found: the answers.
        whole: whether a refused case is a whole file.

    Raises:
        Problem: 422, where no case was read and every file was refused.
    """
    out = found.to_dict()
    said = set()
    for case in out["cases"]:
        if case["status"] == "refused" and whole(case["case_id"]):
            case["reason"] = plain_reason(case["reason"])
            said.add(case["reason"])
    refused = found.read.refused["case_id"]
    if not len(found.read.cases) and len(refused) and all(map(whole, refused)):
        raise Problem(422, "unreadable-data", f"The data cannot be used: {'; '.join(sorted(said))}.")
    return out
