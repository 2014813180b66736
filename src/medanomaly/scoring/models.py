"""The trained models of a run, or one of them, ready for raw cases."""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medanomaly.core.bundle import ALARM, MANIFEST, RECIPE, REFERENCE, Bundle, bundles_of, read_bundle
from medanomaly.core.errors import (
    BundleError,
    ConfigurationError,
    DataNotFoundError,
    InputError,
    did_you_mean,
)
from medanomaly.core.models import kind
from medanomaly.core.recipe import RECIPES, Recipe, open_recipe
from medanomaly.core.sealed_alarm import alpha_of
from medanomaly.fusion.sealed import KIND as FUSION
from medanomaly.fusion.sealed import SealedFusion, open_fusion
from medanomaly.scoring.answers import Answers
from medanomaly.scoring.model_answers import OpenModel, answers
from medanomaly.scoring.registry import served_folder

if TYPE_CHECKING:
    from medanomaly.evaluation.reweighting import Weighting
    from medanomaly.monitoring.drift_reference import Reference
    from medanomaly.scoring.patients import PatientAnswer
    from medanomaly.scoring.rankings import Rankings

# so many of the most anomalous cases per model are explained, where nothing else is asked for
EXPLAINED = 20


class Models:
    """Models that answer to raw cases.

    Args:
        models: opened bundles.
        recipes: hash -> recipe that makes what they read.
        fusion: that makes one p-value of those of a patient; None where the run has a single modality.
        references: modality -> bundle of what new cases are compared with.
        folder: that they were opened from; None where they come from elsewhere.
    """

    def __init__(
        self,
        models: Collection[OpenModel],
        recipes: Mapping[str, Recipe],
        fusion: SealedFusion | None = None,
        references: Mapping[str, Bundle] | None = None,
        folder: Path | None = None,
    ):
        self.folder = folder
        self._models = {model.name: model for model in models}
        self._recipes, self.fusion, self._references = dict(recipes), fusion, dict(references or {})

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def __getitem__(self, name: str) -> OpenModel:
        found = [model for model in self._models.values() if name in (model.name, model.bundle.manifest.name)]
        if len(found) != 1:
            known = ", ".join(self._models)
            problem = f"there is no model '{name}'" if not found else f"several models are called '{name}'"
            names = [*self._models, *(model.bundle.manifest.name for model in self._models.values())]
            raise ConfigurationError(problem, remedy=f"{did_you_mean(name, names)}There are {known}.")
        return found[0]

    @property
    def modalities(self) -> list[str]:
        """Names of the modalities whose raw cases can be given, such as ``tabular``."""
        return [recipe.bundle.manifest.modality for recipe in self._recipes.values()]

    def reference(self, modality: str) -> "Reference":
        """What new cases of a modality are compared with.

        Raises:
            ConfigurationError: the run sealed none, or other models were trained since.
        """
        from medanomaly.monitoring.drift_reference import open_reference

        found = self._references.get(modality)
        if found is None:
            raise ConfigurationError(
                f"nothing was sealed that {modality} cases can be compared with",
                remedy="Train again: models of earlier versions have no reference.",
            )
        known = open_reference(found)
        for name, of in known.models.items():
            mine = self._models.get(f"{modality}.{name}")
            if mine is not None and mine.bundle.bundle_hash != of.bundle:
                raise ConfigurationError(
                    f"the reference of {modality} was sealed with another model '{name}' than the one that is here",
                    remedy="Keep the folders of a run together, or train again.",
                )
        return known

    def recipe(self, raw: Any = None, modality: str | None = None) -> Recipe:
        """The recipe that reads this raw case.

        Raises:
            InputError: no recipe takes it, or several do and no modality is named.
        """
        known = {recipe.bundle.manifest.modality: recipe for recipe in self._recipes.values()}
        if modality is not None:
            if modality not in known:
                raise ConfigurationError(
                    f"there is no modality '{modality}' among these models",
                    remedy=f"{did_you_mean(modality, known)}There are {', '.join(known)}.",
                )
            return known[modality]
        if len(known) == 1:
            return next(iter(known.values()))
        surely = {name: recipe.takes(raw) for name, recipe in known.items()}
        taking = [name for name, how in surely.items() if how and how == max(surely.values())]
        if len(taking) == 1:
            return known[taking[0]]
        problem = (
            f"nothing here takes {_shown(raw)}"
            if not taking
            else f"{_shown(raw)} may be {' or '.join(taking)}"
        )
        raise InputError(problem, remedy=f"Name the modality: one of {', '.join(known)}.")

    def asked(self, recipe: Recipe, models: Collection[str] | None = None) -> list[OpenModel]:
        """The models that read what a recipe makes: all of them, or those that are named.

        Raises:
            ConfigurationError: there is no such model, or it reads cases of another modality.
        """
        reading = [
            model
            for model in self._models.values()
            if model.bundle.manifest.get("recipe") == recipe.bundle.bundle_hash
        ]
        if models is None:
            return reading
        named = [self[name] for name in models]
        if strange := [model.name for model in named if model not in reading]:
            raise ConfigurationError(
                f"{strange[0]} does not read {recipe.bundle.manifest.modality} cases",
                remedy=f"These do: {', '.join(model.name for model in reading)}.",
            )
        return named

    def score(
        self,
        raw: Any,
        *,
        modality: str | None = None,
        models: Collection[str] | None = None,
        alpha: float | None = None,
        explain: int | bool | Collection[str] = True,
        reweight: "bool | Mapping[str, Weighting]" = False,
        progress: Callable[[str, int, int], None] | None = None,
        **options: Any,
    ) -> Answers:
        """Score raw cases.

        Args:
            raw: what the recipe of the modality reads: records, a recording, an image, or the path of a file or a folder.
            modality: of the cases; None finds out.
            models: names of the models that are asked; None asks all of this modality.
            alpha: false-alarm rate at which cases are flagged; None takes that of the run.
            explain: how many of the most anomalous cases per model are explained; True: 20, False: none. Ids of cases
                explain those.
            reweight: weight the calibration cases so that they are taken as these cases are, and compare with the weighted
                ones. It mends that other kinds of cases come, and needs 50 cases, better some hundreds. P-values are
                withheld, with the reason, where too few calibration cases are like these. Name of a model -> its weighting:
                that of a larger batch that these cases belong to.
            progress: called before each step with what it is, how many are done, and how many there are.
            options: of the recipe, such as the rate of an array, or the earlier records of a patient.

        Raises:
            InputError: the raw data cannot be read at all. What is wrong with one case costs only that case.
            ConfigurationError: no such modality or model, or alpha is no share.

        Example:
            >>> answers = models.score({"age": 61, "sex": "F", "temperature": 98.6}, modality="tabular", models=["ecdf"])
            >>> answers.table.loc[0, ["status", "model"]].tolist()
            ['scored', 'ecdf']
            >>> "probably 37" in answers.table.loc[0, "findings"]
            True
        """
        recipe = self.recipe(raw, modality)
        asked = self.asked(recipe, models)
        say = progress or (lambda step, done, total: None)
        say("reading", 0, len(asked) + 1)
        read = recipe.read(raw, **options)
        wanted = EXPLAINED if explain is True else explain
        return answers(recipe, asked, read, alpha, wanted, say, reweight)

    def patient(
        self,
        raw: Any,
        *,
        patient_id: str | None = None,
        alpha: float | None = None,
        explain: bool = True,
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> "PatientAnswer":
        """One answer for a patient, from all that is given of the patient.

        Args:
            raw: a folder with the files of one patient (tables, recordings and images; a subfolder or a file with the name
                of a modality says what it is, else the content does), or modality -> raw data.
            patient_id: of the answer; None takes ``patient_id`` of a mapping, or the name of the folder.
            alpha: false-alarm rate at which the patient is flagged; None takes that of the run.
            explain: whether the most unusual case of each modality comes with reasons.
            options: modality -> options of its recipe, such as ``{"signals": {"fs": 360}}``.

        Raises:
            ConfigurationError: these models come with no fusion.
            InputError: it is neither a folder nor a mapping. What is wrong with one part costs only that part.

        Example:
            >>> answer = models.patient({"tabular": {"age": 61, "sex": "F", "potassium": 6.9}}, patient_id="anna")
            >>> answer.to_dict()["patient_id"], 0 < answer.p_value <= 1
            ('anna', True)
        """
        from medanomaly.scoring.patients import answer_patient, parts_of

        parts, refused = parts_of(self, raw, options or {})
        if patient_id is None:
            given = raw.get("patient_id") if isinstance(raw, Mapping) else Path(raw).name
            patient_id = "patient" if given is None else str(given)
        return answer_patient(self, parts, patient_id, alpha, explain, refused)

    def rank(
        self, raw: Any = None, *, model: str | None = None, top: int = 10, explain: int = 5, **options: Any
    ) -> "Rankings":
        """Diseases in order for patients with symptoms.

        Args:
            raw: a phenopacket, a FHIR bundle, a table or a mapping of symptoms, or the path of such a file.
            model: name of a model that ranks; None takes the first one.
            top: so many diseases per case.
            explain: so many of them with what each symptom says.
            options: of the recipe: ``text`` is a note in place of ``raw``.

        Raises:
            InputError: the raw data hold no patient. What is wrong with one case costs only that case.
            ConfigurationError: no model here ranks.

        Example:
            >>> found = models.rank(text="seizures since the age of 3 months, no heart defect", top=3)
            >>> found.rankings["rank"].tolist()
            [1, 2, 3]
        """
        from medanomaly.scoring.rankings import rank_cases

        recipe = self.recipe(raw, "diagnosis")
        return rank_cases(self.ranking_model(model).scorer, recipe.read(raw, **options), top, explain)

    def ranking_model(self, name: str | None = None) -> OpenModel:
        """The model of this name that ranks diseases, or the first one.

        Raises:
            ConfigurationError: no model here ranks, or not the one of this name.
        """
        asked = self.asked(self.recipe(modality="diagnosis"), None if name is None else [name])
        ranking = [one for one in asked if "rankings" in one.kind.score_leaves]
        if not ranking:
            raise ConfigurationError(
                "no model here ranks diseases", remedy="Train one: kedro run --env phenopackets."
            )
        return ranking[0]


def _shown(raw: Any) -> str:
    return f"'{raw}'" if isinstance(raw, (str, Path)) else f"a {type(raw).__name__}"


def open_models(folder: Path | str) -> Models:
    """The models of a run, or one bundle.

    Args:
        folder: ``06_models/<data set>`` of a run, a folder of one modality in it, a folder of one bundle, or a registry,
            whose champion is taken.

    Returns:
        What ``score`` is asked of. Nothing else is read later.

    Raises:
        DataNotFoundError: there is no such folder, or no bundle in it.
        BundleError: a bundle was altered, or its recipe or a model that is fused is not there.

    Example:
        >>> models = open_models("data/06_models/synthetic/tabular/ecdf")  # the same as medanomaly.open
        >>> models.modalities, list(models)
        (['tabular'], ['tabular.ecdf'])
    """
    folder = served_folder(Path(folder))
    read = bundles_of(folder)
    bundles = [bundle for bundle in read if bundle.manifest.kind not in (*RECIPES, ALARM, REFERENCE)]
    recipes = [bundle for bundle in read if bundle.manifest.kind in RECIPES]
    alarms = [bundle for bundle in read if bundle.manifest.kind == ALARM]
    compared = {bundle.manifest.modality: bundle for bundle in read if bundle.manifest.kind == REFERENCE}
    fusions = [bundle for bundle in bundles if bundle.manifest.kind == FUSION]
    bundles = [bundle for bundle in bundles if bundle.manifest.kind != FUSION]
    if (folder / MANIFEST).is_file():
        beside = (folder.parent / RECIPE, *sorted(folder.parent.parent.glob(f"*/{RECIPE}")))
        recipes = [read_bundle(path) for path in beside if path.is_dir()]
        alarms = [read_bundle(path) for path in (folder.parent / ALARM,) if path.is_dir()]
    if not bundles:
        deeper = sorted({path.parent.parent.parent.name for path in folder.glob(f"*/*/*/{MANIFEST}")})
        raise DataNotFoundError(
            "there is no model in it",
            source=folder,
            remedy=f"Choose a data set: {', '.join(deeper)}." if deeper else "Train first (kedro run).",
        )
    sealed = {bundle.bundle_hash: bundle for bundle in recipes}
    wanted = {bundle.manifest.get("recipe") for bundle in bundles} - {None}
    for bundle in bundles:
        named = bundle.manifest.get("recipe")
        if named not in sealed:
            raise BundleError(
                f"'{bundle.manifest.name}' reads what the recipe {str(named)[:12]} makes, which is not there"
                if named
                else f"'{bundle.manifest.name}' names no recipe, so it can read features only",
                source=folder,
                remedy="Keep the folders of a run together, or train again.",
            )
    opened = []
    for bundle in bundles:
        of = kind(bundle.manifest.kind)
        opened.append(OpenModel(of, of.open(bundle), alpha_of(bundle, alarms)))
    hashes = {bundle.bundle_hash for bundle in bundles}
    fusion = open_fusion(fusions[0], hashes) if fusions else None
    read_by = {name: open_recipe(sealed[name]) for name in sealed if name in wanted}
    return Models(opened, read_by, fusion, compared, folder)
