"""May a challenger replace the champion? Both answer the same recent cases whose label is known.

It may where all of these hold:

- AUROC: the lower bound of the paired bootstrap of the difference is not below -0.005;
- probabilities: the expected calibration error is not larger by more than 0.01;
- subgroups: in none of at least 50 cases the AUROC is lower by more than 0.02;
- it does not refuse more cases;
- the audit of its training did not fail, and its p-values are not broken on these cases.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from medanomaly.core.cases import subgroup_columns
from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.evaluation.comparison import difference_interval
from medanomaly.evaluation.resampling.bootstrap import ResampledCases, bootstrap
from medanomaly.evaluation.resampling.ranking import auroc
from medanomaly.scoring.answers import Answers
from medanomaly.scoring.model_answers import leading
from medanomaly.scoring.models import Models, open_models
from medanomaly.scoring.params import GateParams
from medanomaly.scoring.periods import write_whole
from medanomaly.scoring.registry import Registry

if TYPE_CHECKING:
    from medanomaly.store.store import Store

CHAMPION, CHALLENGER = 0, 1


@dataclass(frozen=True)
class Criterion:
    """One condition of a promotion.

    Attributes:
        name: of it.
        passed: whether it holds.
        sentence: the figures in words.
        value: of the difference, challenger minus champion; None where it is no number.
    """

    name: str
    passed: bool
    sentence: str
    value: float | None = None


def judge(
    sample: ResampledCases, groups: Mapping[str, np.ndarray], params: GateParams | None = None
) -> list[Criterion]:
    """The conditions that follow from scores: AUROC, calibration error, subgroups.

    Args:
        sample: n cases with the answers of two models, the champion first.
        groups: name -> (n,) bool.
        params: limits.

    Raises:
        InputError: all cases are normal, or all are anomalous.
    """
    params = params or GateParams()
    if sample.positive.all() or not sample.positive.any():
        raise InputError(
            "all cases have the same label, so no ranking can be compared",
            remedy="Give normal and anomalous cases.",
        )
    draws = bootstrap(sample, params.n_resamples, params.seed)
    values = draws.metric("auroc")[:, [CHALLENGER, CHAMPION]]
    difference = float(values[0, 0] - values[0, 1])
    # the lower end of an interval that leaves as much above itself as below
    low, _ = difference_interval(values, sample, 2 * params.confidence - 1)
    found = [
        Criterion(
            "AUROC",
            bool(low >= params.auroc),
            f"AUROC {values[0, 0]:.3f} instead of {values[0, 1]:.3f}: {difference:+.3f} "
            f"(with {params.confidence:.0%} confidence at least {low:+.3f}; {params.auroc:+.3f} is needed).",
            difference,
        )
    ]
    if sample.probability is None:
        found.append(Criterion("Calibration error", True, "The models give no probabilities to compare."))
    else:
        error = draws.metric("ece")[0]
        more = float(error[CHALLENGER] - error[CHAMPION])
        found.append(
            Criterion(
                "Calibration error",
                bool(more <= params.ece),
                f"Calibration error {error[CHALLENGER]:.3f} instead of {error[CHAMPION]:.3f}: {more:+.3f} "
                f"(at most {params.ece:+.3f} is allowed).",
                more,
            )
        )
    return [*found, _groups(sample, groups, params)]


def _groups(sample: ResampledCases, groups: Mapping[str, np.ndarray], params: GateParams) -> Criterion:
    """The worst subgroup."""
    worst, n_groups = (0.0, ""), 0
    for name, mask in groups.items():
        positive = sample.positive[mask]
        few = min(positive.sum(), (~positive).sum()) < params.min_class_size
        if mask.sum() < params.min_group_size or few:
            continue
        n_groups += 1
        after, before = (auroc(sample.score[mask, which], positive) for which in (CHALLENGER, CHAMPION))
        worst = min(worst, (after - before, f"{name} ({int(mask.sum()):,} cases)"))
    if not n_groups:
        said = f"No subgroup has {params.min_group_size} cases, {params.min_class_size} of each label among them."
        return Criterion("Subgroups", True, said)
    if not worst[1]:
        return Criterion("Subgroups", True, f"In none of {n_groups} subgroups the AUROC is lower.", 0.0)
    return Criterion(
        "Subgroups",
        bool(worst[0] >= -params.subgroup),
        f"The worst of {n_groups} subgroups is {worst[1]}: {worst[0]:+.3f} (at least {-params.subgroup:+.3f} is needed).",
        float(worst[0]),
    )


def compare_versions(
    registry: Registry,
    source: Path | str | pd.DataFrame,
    labels: "Mapping[str, bool] | Store",
    modality: str | None = None,
    params: GateParams | None = None,
) -> dict[str, Any]:
    """Compare the challenger of a registry with its champion on the same cases, and write down whether it may replace it.

    Args:
        registry: with a champion and a challenger.
        source: raw cases.
        labels: case_id -> whether it is anomalous; or a store that knows it.
        modality: of the cases; None finds out.
        params: limits.

    Returns:
        ``challenger``, ``champion``, ``modality``, ``model`` (of each), ``n``, ``n_positive``, ``n_patients``, ``criteria``
        and ``passed``; the same lies in the registry, and allows the promotion where it was passed.

    Raises:
        ConfigurationError: the registry has no champion or no challenger, or a modality of the champion is missing.
        InputError: too few labels.
    """
    params, now = params or GateParams(), registry.aliases
    if now.champion is None or now.challenger is None:
        raise ConfigurationError(
            "the registry has no champion and challenger to compare",
            source=registry.folder,
            remedy="The first challenger is promoted without a comparison.",
        )
    versions = (now.champion, now.challenger)
    both = [open_models(registry.models(version)) for version in versions]
    if lost := sorted(set(both[CHAMPION].modalities) - set(both[CHALLENGER].modalities)):
        raise ConfigurationError(
            f"the challenger has no models of {', '.join(lost)}, and the champion has",
            source=registry.folder,
            remedy="Train all modalities of the champion.",
        )
    answers = [models.score(_raw(source), modality=modality, explain=False) for models in both]
    modality = answers[CHAMPION].modality
    names = [_leading(models, modality) for models in both]
    table = _together(both, answers, names, labels)
    sample = ResampledCases(
        patient=table["patient_id"].to_numpy(),
        positive=table["label"].to_numpy(dtype=bool),
        score=table[["score_0", "score_1"]].to_numpy(dtype=np.float64),
        probability=None
        if table[["probability_0", "probability_1"]].isna().any(axis=None)
        else table[["probability_0", "probability_1"]].to_numpy(dtype=np.float64),
    )
    criteria = judge(sample, _group_masks(table), params)
    criteria += [
        _refused(answers, params),
        _audit(registry, now.challenger),
        _validity(answers[CHALLENGER], names[CHALLENGER]),
    ]
    found = {
        "challenger": now.challenger,
        "champion": now.champion,
        "modality": modality,
        "model": {"champion": names[CHAMPION], "challenger": names[CHALLENGER]},
        "n": len(table),
        "n_positive": int(sample.positive.sum()),
        "n_patients": int(table["patient_id"].nunique()),
        "criteria": [asdict(one) for one in criteria],
        "passed": all(one.passed for one in criteria),
        "limits": params.model_dump(),
    }
    _write(registry, found)
    return found


def _raw(source: Any) -> Any:
    return source if isinstance(source, pd.DataFrame) else str(source)


def _leading(models: Models, modality: str) -> str:
    """The model whose order of cases is shown first; it is never chosen by its figures on these cases."""
    recipe = models.recipe(modality=modality)
    return leading(recipe, [one for one in models.asked(recipe) if one.bundle.manifest.modality == modality])


def _together(
    both: list[Models], answers: list[Answers], names: list[str], labels: "Mapping[str, bool] | Store"
) -> pd.DataFrame:
    """One row per case that both versions answered and whose label is known."""
    cases = answers[CHAMPION].read.cases
    table = cases[["case_id", "patient_id", *subgroup_columns(cases)]].copy()
    table["case_id"] = table["case_id"].astype("string")
    for which, (models, found, name) in enumerate(zip(both, answers, names, strict=True)):
        mine = found.scores[
            (found.scores["model"] == name) & (found.scores["modality"] == found.modality)
        ].set_index("case_id")
        score = mine["score"].astype(float).fillna(mine["probability"].astype(float))
        table[f"score_{which}"] = table["case_id"].map(score)
        table[f"probability_{which}"] = table["case_id"].map(
            _probabilities(models, found.modality, name, mine)
        )
    table["label"] = _labels(table["case_id"], labels)
    kept = table[table[["score_0", "score_1", "label"]].notna().all(axis=1)]
    if not len(kept):
        raise InputError(
            "no case has answers of both versions and a label",
            remedy="Check that the ids of the labels are those of the cases.",
        )
    return kept.assign(label=kept["label"].astype(bool)).reset_index(drop=True)


def _probabilities(models: Models, modality: str, name: str, mine: pd.DataFrame) -> pd.Series:
    """Probabilities of the model, else those that calibration cases give its scores."""
    if mine["probability"].notna().any():
        return mine["probability"].astype(float)
    try:
        known = models.reference(modality).models.get(name)
    except ConfigurationError:
        known = None
    if known is None or known.probabilities is None:
        return pd.Series(np.nan, index=mine.index)
    return pd.Series(known.probabilities.probabilities(mine["score"].to_numpy(dtype=float)), index=mine.index)


def _labels(case_ids: pd.Series, labels: "Mapping[str, bool] | Store") -> pd.Series:
    if isinstance(labels, Mapping):
        return case_ids.map({str(case): bool(label) for case, label in labels.items()})
    known = labels.predictions()
    known = known[known["anomalous"].notna()].drop_duplicates("case_key").set_index("case_key")["anomalous"]
    return pd.Series(labels.case_keys(case_ids), index=case_ids.index).map(known)


def _group_masks(table: pd.DataFrame) -> dict[str, np.ndarray]:
    given = ("case_id", "patient_id", "label", "score_0", "score_1", "probability_0", "probability_1")
    masks = {}
    for column in [name for name in table if name not in given]:
        levels = table[column].astype("string")
        for level in sorted(levels.dropna().unique()):
            masks[f"{column} {level}"] = levels.eq(level).fillna(False).to_numpy(dtype=bool)
    return masks


def _refused(answers: list[Answers], params: GateParams) -> Criterion:
    shares = [len(one.read.refused) / max(len(one.read.refused) + len(one.read.cases), 1) for one in answers]
    more = shares[CHALLENGER] - shares[CHAMPION]
    said = f"{shares[CHALLENGER]:.1%} of the cases are refused instead of {shares[CHAMPION]:.1%}."
    return Criterion("Refused cases", bool(more <= params.refused), said, float(more))


def _audit(registry: Registry, version: str) -> Criterion:
    audit = registry.audit(version)
    if audit is None:
        return Criterion(
            "Audit", False, "There is no audit of the training: add the version with its audit.json."
        )
    failed = sorted(_failed(audit))
    if failed:
        return Criterion("Audit", False, f"The audit of the training failed: {', '.join(failed)}.")
    return Criterion("Audit", True, "The audit of the training did not fail.")


def _failed(audit: Any, name: str = "") -> set[str]:
    """Names of the checks that failed, wherever they stand in the audit."""
    if isinstance(audit, Mapping):
        mine = str(audit.get("check") or audit.get("name") or name)
        if str(audit.get("verdict", "")).lower() == "fail":
            return {mine}
        return set().union(*(_failed(of, key) for key, of in audit.items())) if audit else set()
    if isinstance(audit, list):
        return set().union(*(_failed(of, name) for of in audit)) if audit else set()
    return set()


def _validity(found: Answers, name: str) -> Criterion:
    check = next((of for key, of in found.shift.items() if key in (name, f"{found.modality}.{name}")), None)
    if check is None:
        return Criterion("P-values", True, "Whether p-values hold cannot be told of these cases.")
    return Criterion("P-values", check.verdict != "broken", f"P-values: {check.verdict}, {check.reason}.")


def _write(registry: Registry, found: Mapping[str, Any]) -> None:
    from medanomaly.reporting.promotion import comparison_page

    path = registry.comparison_path(found["challenger"], found["champion"], found["modality"])
    write_whole(path.with_suffix(".html"), comparison_page(found))
    write_whole(path, json.dumps(found, indent=1) + "\n")
