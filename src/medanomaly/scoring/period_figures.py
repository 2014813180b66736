"""The figures of one modality in a period, and what of them crosses a limit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from medanomaly.core.cases import subgroup_columns
from medanomaly.core.errors import InputError
from medanomaly.core.recipe import Recipe
from medanomaly.monitoring.batch_shift import check_shift
from medanomaly.monitoring.drift import SHIFT_COLUMNS, compare_column, compare_columns, holm, shifted
from medanomaly.monitoring.drift_reference import ModelReference, Reference, one_case_per_patient
from medanomaly.monitoring.facts import facts_of
from medanomaly.monitoring.params import Limits, MonitoringParams
from medanomaly.monitoring.performance import ScoreProbabilities, estimated_auroc
from medanomaly.monitoring.performance_labels import alarm_rates, labelled_by_choice, measured
from medanomaly.monitoring.stream_shift import ALARM, MOST, FactsWatch
from medanomaly.scoring.model_answers import OpenModel
from medanomaly.scoring.models import Models
from medanomaly.scoring.moments import moment_of

if TYPE_CHECKING:
    from medanomaly.store.store import Store

# what a warning can be about; its key is <modality>.<kind>, and what in particular
KINDS = ("column", "scores", "validity", "false_alarms", "auroc", "refused")
CALIBRATION, EARLIER = "calibration", "earlier periods"


@dataclass(frozen=True)
class PeriodWarning:
    """Something that crossed a limit.

    Attributes:
        key: what it is, the same in every period.
        sentence: what was found, for people.
    """

    key: str
    sentence: str


@dataclass
class PeriodCases:
    """Raw cases of a period."""

    cases: pd.DataFrame
    columns: pd.DataFrame
    facts: dict[str, pd.DataFrame] = field(default_factory=dict)
    n_refused: int = 0
    n_with_findings: int = 0


class ModalityFigures:
    """One modality of a period."""

    def __init__(
        self,
        models: Models,
        modality: str,
        found: pd.DataFrame,
        read: PeriodCases | None,
        params: MonitoringParams,
        store: "Store",
        since: datetime,
    ):
        self._name, self._read, self._params = modality, read, params
        self._limits: Limits = params.limits
        self._reference: Reference = models.reference(modality)
        self._recipe: Recipe = models.recipe(modality=modality)
        own = f"{modality}."
        # a supervised one of the same name as another carries its modality
        self._of = {model.name.removeprefix(own): model for model in models.asked(self._recipe)}
        names = {model.bundle.bundle_hash: name for name, model in self._of.items()}
        # a case that was scored again counts as it was scored last
        found = found.drop_duplicates(["model_hash", "case_key"], keep="last")
        self._found = found.assign(model_name=found["model_hash"].map(names))
        self._store, self._since = store, since
        keys = store.case_keys(read.cases["case_id"]) if read else []
        # where a case stands among the raw ones
        self._rows = pd.Series(range(len(keys)), index=pd.Index(keys, dtype="string"), dtype="Int64")
        self.warnings: list[PeriodWarning] = []

    def measure(self) -> dict[str, Any]:
        """The figures."""
        cases = self._cases()
        n_refused = self._read.n_refused if self._read else 0
        n_read = len(self._read.cases) if self._read else None
        models = [self._model(name, model, cases) for name, model in self._of.items()]
        models = [one for one in models if one is not None]
        self._compare_scores(models)
        table = self._columns()
        metrics = self._measured(cases)
        for one in models:
            self._perform(one, metrics)
            self._warn(one)
        if n_read is not None and n_refused / (n_read + n_refused) >= self._limits.refused:
            share = n_refused / (n_read + n_refused)
            self._say(
                "refused",
                f"{n_refused:,} of {n_read + n_refused:,} {self._name} cases ({share:.0%}) could not be read.",
            )
        return {
            "modality": self._name,
            "noun": self._recipe.noun,
            "n_cases": len(cases),
            "n_patients": int(cases["patient_id"].nunique()),
            "n_labelled": int(cases["label"].notna().sum()),
            "n_abnormal": int(cases["label"].eq(1).sum()),
            "n_read": n_read,
            "n_refused": n_refused if n_read is not None else None,
            "n_with_findings": self._read.n_with_findings if self._read else None,
            "n_not_in_store": None
            if n_read is None
            else int((~self._rows.index.isin(cases["case_id"])).sum()),
            "n_reference": self._reference.n_cases,
            "columns": table.to_dict("records"),
            "models": [
                {key: value for key, value in one.items() if not key.startswith("_")} for one in models
            ],
        }

    def _cases(self) -> pd.DataFrame:
        """Case table of the period, with the subgroups of the raw cases."""
        known = self._found.drop_duplicates("case_key", keep="last")
        cases = pd.DataFrame(
            {
                "case_id": known["case_key"].astype("string"),
                "patient_id": known["subject_key"].astype("string"),
                "label": known["anomalous"].map({True: 1, False: 0}).astype("Int8"),
                "kind": known["outcome"].astype("string").fillna(""),
                "split": "test",
            }
        ).reset_index(drop=True)
        if self._read is None:
            return cases
        groups = self._read.cases[subgroup_columns(self._read.cases)]
        groups = groups.assign(case_id=self._rows.index)
        return cases.merge(groups, on="case_id", how="left")

    def _model(self, name: str, model: OpenModel, cases: pd.DataFrame) -> dict[str, Any] | None:
        """Figures of one model besides those that depend on other models."""
        mine = self._found[self._found["model_hash"] == model.bundle.bundle_hash].set_index("case_key")
        if not len(mine):
            return None
        about = cases[cases["case_id"].isin(mine.index)]
        mine = mine.loc[about["case_id"]]
        flagged = mine["flagged"].eq(True).to_numpy(dtype=bool)
        score = mine["score"].to_numpy(dtype=float)
        known = self._reference.models.get(name)
        alpha = float(mine["alpha"].dropna().iloc[-1]) if mine["alpha"].notna().any() else None
        one: dict[str, Any] = {
            "model": name,
            "bundle": model.bundle.bundle_hash,
            "n": len(mine),
            "n_flagged": int(flagged.sum()),
            "alpha": alpha,
            "n_labelled": int(about["label"].notna().sum()),
            "labelled_by_choice": labelled_by_choice(flagged, about["label"].notna()),
            "groups": [],
            "validity": None,
            "capital": None,
            "scores": None,
            "estimated": None,
            "earlier_auroc": None,
            "learned_from": None,
            "_flagged": flagged,
            "_about": about,
        }
        if alpha is None or known is None or not np.isfinite(score).all():
            return one
        calibration = model.scorer.calibration
        one["groups"] = alarm_rates(
            about, flagged, alpha, len(calibration), self._limits.min_group_size, self._limits.confidence
        )
        one["validity"], one["capital"] = self._validity(model, about, score)
        once = one_case_per_patient(about["case_id"], about["patient_id"])
        one["scores"] = compare_column(known.scores, pd.Series(score[once]), self._params.bins)
        one["_score"] = score
        one["_probabilities"], one["learned_from"] = self._probabilities(model, known)
        if one["_probabilities"] is not None:
            one["earlier_auroc"] = one["_probabilities"].auroc
        return one

    def _probabilities(
        self, model: OpenModel, known: ModelReference
    ) -> tuple[ScoreProbabilities | None, str | None]:
        """How likely each score is that of an abnormal case, and which cases told it.

        Calibration cases do where abnormal ones are among them, else the cases of earlier periods whose label is known by
        now.
        """
        if known.probabilities is not None:
            return known.probabilities, CALIBRATION
        earlier = self._store.predictions(
            model=model.bundle.bundle_hash,
            until=self._since,
            observed=self._params.by == "observed",
            known_by=moment_of("known_by", self._params.known_by) if self._params.known_by else None,
        )
        earlier = earlier[earlier["score"].notna()].drop_duplicates("case_key", keep="last")
        # where flagged cases are followed up and others are not, labels say nothing of the others
        if labelled_by_choice(earlier["flagged"].eq(True), earlier["anomalous"].notna()):
            return None, None
        earlier = earlier[earlier["anomalous"].notna()]
        score = earlier["score"].to_numpy(dtype=float)
        positive = earlier["anomalous"].eq(True).to_numpy(dtype=bool)
        learned = ScoreProbabilities.fit(score, positive, earlier["subject_key"].to_numpy())
        return learned, None if learned is None else EARLIER

    def _validity(
        self, model: OpenModel, about: pd.DataFrame, score: np.ndarray
    ) -> tuple[dict[str, Any], float | None]:
        """Whether p-values hold, from one case per patient; and the capital of the martingale over facts, in order."""
        once = ~about["patient_id"].duplicated().to_numpy()
        known, facts = facts_of(model.bundle), self._facts(model, about)
        capital = None
        if known is None or facts is None:
            check = check_shift(model.scorer.calibration, score[once])
        else:
            check = check_shift(
                model.scorer.calibration, score[once], known, facts[once].reset_index(drop=True)
            )
            try:
                capital = float(FactsWatch(known).update(facts[once]).max(initial=1.0))
            except InputError:
                # no fact varies: nothing can be watched
                capital = None
        return {"verdict": check.verdict, "reason": check.reason}, capital

    def _facts(self, model: OpenModel, about: pd.DataFrame) -> pd.DataFrame | None:
        """Facts of these cases in their order; None unless the raw cases hold every one of them."""
        if self._read is None or model.kind.reads not in self._read.facts:
            return None
        rows = about["case_id"].map(self._rows)
        if rows.isna().any():
            return None
        return self._read.facts[model.kind.reads].iloc[rows.astype(int).to_numpy()]

    def _compare_scores(self, models: Sequence[dict[str, Any]]) -> None:
        """Correct the p-values of score shifts for the number of models."""
        with_scores = [one for one in models if one["scores"] is not None]
        adjusted = holm(np.array([one["scores"]["p"] for one in with_scores], dtype=float))
        for one, p in zip(with_scores, adjusted, strict=True):
            one["scores"] = {key: one["scores"][key] for key in ("psi", "distance", "p")} | {
                "p_adjusted": float(p)
            }

    def _columns(self) -> pd.DataFrame:
        if self._read is None or not self._reference.columns:
            return pd.DataFrame(columns=[*SHIFT_COLUMNS, "shifted"])
        once = one_case_per_patient(self._read.cases["case_id"], self._read.cases["patient_id"])
        table = compare_columns(self._reference.columns, self._read.columns.iloc[once], self._params.bins)
        limits = self._limits
        moved = shifted(table, limits.psi, limits.missing, limits.level)
        for row in moved.itertuples():
            if row.psi >= limits.psi and row.p_adjusted <= limits.level:
                how = f"is distributed differently (stability index {row.psi:.2f})"
            else:
                how = f"is missing in {row.missing:.0%} of the cases, at training in {row.missing_reference:.0%}"
            self._say(f"column.{row.column}", f"'{row.column}' of {self._name} cases {how}.")
        return table.assign(shifted=table.index.isin(moved.index))

    def _measured(self, cases: pd.DataFrame) -> pd.DataFrame:
        found = self._found
        value = found["score"].fillna(found["probability"]).astype(float)
        scores = pd.DataFrame(
            {
                "case_id": found["case_key"].astype("string"),
                "model": found["model_name"].astype("string"),
                "role": "model",
                "score": value,
                "p_value": found["p_value"].astype(float),
                "flagged": found["flagged"].astype("boolean"),
            }
        )
        given = found[found["probability"].notna()]
        probabilities = None
        if len(given):
            probabilities = pd.DataFrame(
                {
                    "case_id": given["case_key"].astype("string"),
                    "model": given["model_name"].astype("string"),
                    "probability": given["probability"].astype(float),
                }
            )
        return measured(
            cases,
            scores,
            probabilities,
            self._name,
            self._limits.confidence,
            self._limits.min_group_size,
        )

    def _perform(self, one: dict[str, Any], metrics: pd.DataFrame) -> None:
        """Measured figures, and the estimate without labels."""
        mine = metrics[metrics["model"] == one["model"]]
        one["measured"] = (
            mine[["subgroup", "metric", "value", "ci_low", "ci_high", "n", "n_positive"]].to_dict("records")
            if len(mine)
            else []
        )
        known: ScoreProbabilities | None = one.get("_probabilities")
        if known is None:
            return
        broken = one["validity"]["verdict"] == "broken" or self._scores_shifted(one)
        estimate = estimated_auroc(one["_score"], known, self._limits.confidence)
        one["estimated"] = dict(zip(("value", "low", "high"), estimate, strict=True)) | {"holds": not broken}

    def _scores_shifted(self, one: Mapping[str, Any]) -> bool:
        found = one["scores"]
        return bool(found["psi"] >= self._limits.psi and found["p_adjusted"] <= self._limits.level)

    def _warn(self, one: Mapping[str, Any]) -> None:
        """What of a model crosses a limit."""
        name, limits = f"{self._name}.{one['model']}", self._limits
        if one["validity"] is not None and one["validity"]["verdict"] == "broken":
            self._say(
                f"validity.{one['model']}", f"P-values of {name} do not hold: {one['validity']['reason']}."
            )
        if one["capital"] is not None and one["capital"] >= ALARM:
            self._say(
                f"validity.{one['model']}.order",
                f"Facts of {self._name} cases drift within the period: a bet against those of {name} grew "
                f"{_grown(one['capital'])} times, which happens in at most 1 % of quiet periods.",
            )
        if one["scores"] is not None and self._scores_shifted(one):
            self._say(
                f"scores.{one['model']}",
                f"Scores of {name} are distributed differently (stability index {one['scores']['psi']:.2f}).",
            )
        high = [
            row
            for row in one["groups"]
            if row["false_alarms"] is not None and row["false_alarms"] > row["expected_high"]
        ]
        # where all cases together are flagged too often, their subgroups are no news; the page lists them
        for row in high[:1] if high and not high[0]["group"] else high:
            of = f" with {row['group'].replace('=', ' ')}" if row["group"] else ""
            self._say(
                f"false_alarms.{one['model']}.{row['group']}",
                f"{name} flags {row['false_alarms']:.1%} of the normal cases{of}, and at most "
                f"{row['expected_high']:.1%} was to be expected at {one['alpha']:g}.",
            )
        whole = [row for row in one["measured"] if row["metric"] == "auroc" and not row["subgroup"]]
        before = one["earlier_auroc"]
        if whole and before is not None and pd.notna(whole[0]["ci_high"]):
            error = np.nan_to_num(one["_probabilities"].standard_error)
            now = (whole[0]["ci_high"] - whole[0]["ci_low"]) / 2
            # half-widths of two independent figures add up as squares
            if before - whole[0]["value"] > limits.auroc + float(np.hypot(now, 1.96 * error)):
                self._say(
                    f"auroc.{one['model']}",
                    f"The AUROC of {name} is {whole[0]['value']:.3f}; it was {before:.3f} in {one['learned_from']}.",
                )

    def _say(self, key: str, sentence: str) -> None:
        self.warnings.append(PeriodWarning(f"{self._name}.{key}", sentence))


def _grown(capital: float) -> str:
    """By how much a bet grew, in words that fit a sentence."""
    return f"{capital:,.0f}" if capital < MOST / 10 else "more than 100 million"
