"""What the models of a run say of cases that a recipe read."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.calibrated_bundle import CALIBRATION_GROUPS
from medanomaly.core.conformal import checked_alpha, group_p_values, p_values
from medanomaly.core.models import EXPLANATION_COLUMNS, ModelInput, ModelKind
from medanomaly.core.recipe import RECIPES, ReadCases, Recipe
from medanomaly.core.sealed_alarm import DEFAULT_ALPHA
from medanomaly.monitoring.batch_shift import FEWEST_USUAL, ShiftCheck, check_facts, check_shift
from medanomaly.monitoring.facts import facts_of
from medanomaly.scoring.answers import Answers
from medanomaly.scoring.class_answers import class_answers

if TYPE_CHECKING:
    from medanomaly.evaluation.reweighting import Weighting

SCORE_COLUMNS = (
    "case_id", "modality", "model", "score", "p_value", "flagged", "alpha", "probability", "low", "high", "bundle",
)  # fmt: skip


@dataclass(frozen=True)
class OpenModel:
    """A bundle with its kind and its scorer.

    Attributes:
        kind: of the model.
        scorer: that answers.
        alpha: false-alarm rate at which its run flags cases.
    """

    kind: ModelKind
    scorer: Any
    alpha: float = DEFAULT_ALPHA

    @property
    def bundle(self) -> Bundle:
        """That it was opened from."""
        return self.scorer.bundle

    @property
    def name(self) -> str:
        """Of the model, after its modality."""
        return f"{self.bundle.manifest.modality}.{self.bundle.manifest.name}"


def leading(recipe: Recipe, models: Collection[OpenModel]) -> str:
    """The first model of the kind that leads by the recipe, else the first model, as the table of answers names it; empty
    without any."""
    leading_kind = RECIPES[recipe.bundle.manifest.kind].leading_kind
    of_kind = (model for model in models if model.bundle.manifest.kind == leading_kind)
    first = next(of_kind, next(iter(models), None))
    return "" if first is None else first.name.removeprefix(f"{recipe.bundle.manifest.modality}.")


def answers(
    recipe: Recipe,
    models: Collection[OpenModel],
    read: ReadCases,
    alpha: float | None,
    explained: int | Collection[str],
    progress: Callable[[str, int, int], None] = lambda step, done, total: None,
    reweight: "bool | Mapping[str, Weighting]" = False,
) -> Answers:
    """What models say of cases that a recipe read; see :meth:`medanomaly.scoring.models.Models.score`."""
    rows, reasons, shift, taken, weighted = [], [], {}, {}, {}
    classes: list[tuple[pd.DataFrame, pd.DataFrame]] = []
    for i, model in enumerate(models, start=1):
        progress(model.name, i, len(models) + 1)
        if model.kind.reads not in read.inputs:
            continue
        if hasattr(model.scorer, "classes"):
            # where every case was refused there is nothing to tell apart
            classes += [_classes_of(model, read, explained)] if len(read.cases) else []
            continue
        if reweight and len(read.cases) and not hasattr(model.scorer, "probabilities"):
            weighted[model.name] = (
                weighting_of(model, *acquisition(read.inputs[model.kind.reads]))
                if reweight is True
                else reweight[model.name]
            )
        scored, terms, check = _asked(model, read, alpha, explained, taken, weighted.get(model.name))
        rows.append(scored)
        reasons.append(terms)
        if check is not None:
            shift[model.name] = check
    table = pd.concat(rows, ignore_index=True) if rows else _no_scores()
    return Answers(
        modality=recipe.bundle.manifest.modality,
        noun=recipe.noun,
        read=read,
        scores=table,
        explanations=pd.concat(reasons, ignore_index=True)
        if reasons
        else pd.DataFrame(columns=[*EXPLANATION_COLUMNS, "modality"]),
        shift=shift,
        weighted=weighted,
        leading=leading(
            recipe,
            [m for m in models if m.kind.reads in read.inputs and not hasattr(m.scorer, "classes")],
        ),
        classes=class_answers(classes),
    )


def _classes_of(
    model: OpenModel, read: ReadCases, explained: int | Collection[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Which class each case has, and what speaks for it: of the least sure cases, or of those that are named."""
    data = read.inputs[model.kind.reads]
    rows = model.scorer.probabilities(data.inputs).assign(model=model.name, bundle=model.bundle.bundle_hash)
    if isinstance(explained, int):
        first = rows.drop_duplicates("case_id")
        chosen = np.argsort(first["probability"].to_numpy(), kind="stable")[:explained]
    else:
        chosen = np.flatnonzero(data.cases["case_id"].astype("string").isin(list(explained)))
    if not len(chosen):
        return rows, pd.DataFrame(columns=list(EXPLANATION_COLUMNS))
    return rows, model.kind.explain(model.scorer, data, chosen, {}).assign(model=model.name)


def _no_scores() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype="object") for name in SCORE_COLUMNS})


def _asked(
    model: OpenModel,
    read: ReadCases,
    alpha: float | None,
    explained: int | Collection[str],
    taken: dict[str, pd.DataFrame],
    weighting: "Weighting | None",
) -> tuple[pd.DataFrame, pd.DataFrame, ShiftCheck | None]:
    """Scores, explanations and shift check of one model.

    Args:
        taken: keeps facts of the cases for the next model.
        weighting: of the calibration of this model, where p-values are to be weighted.
    """
    data, manifest = read.inputs[model.kind.reads], model.bundle.manifest
    case_id = data.cases["case_id"].astype("string")
    out = pd.DataFrame({"case_id": case_id, "modality": manifest.modality, "model": manifest.name})
    out["bundle"] = model.bundle.bundle_hash
    made: Mapping[str, Any] = {}
    check = None
    if not len(out):
        return (
            out.reindex(columns=list(SCORE_COLUMNS)),
            pd.DataFrame(columns=[*EXPLANATION_COLUMNS, "modality"]),
            None,
        )
    if hasattr(model.scorer, "probabilities"):
        given = model.scorer.probabilities(data.inputs)
        out["probability"] = given["probability"].to_numpy()
        for bound in ("low", "high"):
            out[bound] = given[bound].to_numpy() if bound in given else np.nan
        threshold = manifest.get("risk_threshold", {}).get("probability")
        out["flagged"] = (out["probability"] >= threshold) if threshold is not None else pd.NA
        order = out["probability"].to_numpy()
    else:
        score, made = model.kind.scores(model.scorer, data, {})
        out["score"] = score
        out["p_value"] = _p_values(model, data, score)
        level = checked_alpha(model.alpha if alpha is None else alpha)
        out["alpha"] = level
        if weighting is not None:
            out["p_value"] = _weighted_p_values(model, data, score, weighting)
        out["flagged"] = (out["p_value"] <= level).astype("boolean").mask(out["p_value"].isna())
        order = score
        check = _shift(model, data, score, taken, read.independent)
    terms = pd.DataFrame(columns=list(EXPLANATION_COLUMNS))
    if explained and model.kind.explains:
        if isinstance(explained, int):
            chosen = np.argsort(-order, kind="stable")[:explained]
        else:
            chosen = np.flatnonzero(case_id.isin(list(explained)))
        terms = model.kind.explain(model.scorer, data, chosen, made) if len(chosen) else terms
    return out.reindex(columns=list(SCORE_COLUMNS)), terms.assign(modality=manifest.modality), check


def _shift(
    model: OpenModel, data: ModelInput, score: np.ndarray, taken: dict[str, pd.DataFrame], independent: bool
) -> ShiftCheck | None:
    """Whether p-values hold, from one case per patient; None where that is not tested: few recordings."""
    rows = np.flatnonzero(~data.cases["patient_id"].duplicated().to_numpy())
    known = facts_of(model.bundle)
    if known is None or data.facts is None or len(rows) < FEWEST_USUAL:
        return check_shift(model.scorer.calibration, score[rows]) if independent else None
    if model.kind.reads not in taken:
        taken[model.kind.reads] = data.facts(rows)
    of = taken[model.kind.reads]
    return (
        check_shift(model.scorer.calibration, score[rows], known, of)
        if independent
        else check_facts(known, of)
    )


def acquisition(data: ModelInput) -> tuple[pd.DataFrame | None, pd.Series]:
    """Facts of acquisition of all cases, None where they are not known, and whose the cases are."""
    facts = None if data.facts is None else data.facts(np.arange(len(data.cases)))
    return facts, data.cases["patient_id"]


def weighting_of(model: OpenModel, facts: pd.DataFrame | None, patient_id: pd.Series) -> "Weighting":
    """The calibration of a model, weighted so that its cases are taken as these are, or the reason why it is not.

    Args:
        model: with sealed facts.
        facts: of the n cases; None where they are not known.
        patient_id: (n,) of them.
    """
    from medanomaly.evaluation.reweighting import Weighting, patient_folds

    known = facts_of(model.bundle)
    if known is None or known.scores is None or facts is None:
        return Weighting(reason=f"'{model.name}' has no sealed facts of its calibration cases")
    (_, old), (_, new) = known.matrix(known.normal), known.matrix(facts)
    return Weighting.fit(new, patient_folds(patient_id), known.scores, old)


def _weighted_p_values(
    model: OpenModel, data: ModelInput, score: np.ndarray, weighting: "Weighting"
) -> np.ndarray:
    if weighting.reason:
        return np.full(len(score), np.nan)
    from medanomaly.evaluation.reweighting import patient_folds

    facts, patient_id = acquisition(data)
    _, covariates = facts_of(model.bundle).matrix(facts)
    return weighting.p_values(score, covariates, patient_folds(patient_id))


def _p_values(model: OpenModel, data: ModelInput, score: np.ndarray) -> np.ndarray:
    manifest, calibration = model.bundle.manifest, model.scorer.calibration
    groups = manifest.get("calibration_groups")
    if groups is None:
        return p_values(score, calibration)
    column = groups["column"]
    known = model.bundle.array(CALIBRATION_GROUPS)
    names = data.cases[column] if column in data.cases else pd.Series(pd.NA, index=data.cases.index)
    levels = np.array([*groups["levels"], None], dtype=object)
    return group_p_values(
        score,
        names.astype("string").to_numpy(dtype=object, na_value=None),
        calibration,
        levels[known],
        groups["min_group_size"],
    )[0]
