"""What one modality brings to a report, and the facts that several sections read off it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from medanomaly.core.cases import check_cases
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.scores import BASELINE, check_scores
from medanomaly.evaluation.metrics import SUPPRESSED
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.scored_cases import TEST, has_both_classes
from medanomaly.reporting.sections import Section, slug


@dataclass(frozen=True)
class ModalityResults:
    """Everything that a report says about one modality. Only ``name``, ``cases`` and ``scores`` must be there.

    Attributes:
        name: the modality, as a heading (``tabular``).
        cases: case table, all splits.
        scores: score table of one or more models.
        metrics: metrics table; None or empty where there are no labels.
        more_metrics: metrics that only this modality has, in the same form; its own sections show them.
        class_metrics: metrics of its models of classes, likewise.
        comparisons: paired comparisons of models.
        audit: ``{"checks": [...]}``.
        explanations: explanations of the most anomalous cases.
        quarantine: ``record``, ``column``, ``value``, ``reason``, one row per fault.
        figures: name to SVG, as :func:`medanomaly.reporting.figures.standard.standard_figures` draws them.
        reliability: reliability table (see :func:`medanomaly.reporting.figures.decisions.reliability_diagram`).
        alarm_choices: what alpha, a budget and a false discovery rate flag (``medanomaly.evaluation.alarm_choices``).
        summary: counts of the cleaning: ``n_records``, ``n_kept``, ``n_quarantined``, ``notes``.
        sections: what this modality has to say beyond the standard sections, in order.
        alpha: false-alarm rate asked for.
        noun: what a case is called in a sentence (``record``, ``image``).
        case_names: case_id to the name that a reader knows a case by; cases that are not in it go by their id.
        cases_file: address of :func:`medanomaly.reporting.unusual_cases.case_table` as a file, relative to the page;
            empty where nobody writes it.
        page: address of the modality's own page; where given, a page of several modalities leaves the details to it.
        default: name of the model that leads where no label says which is best; where it is empty the first one does.

    Raises:
        InputError: cases or scores break their contract.
        ConfigurationError: alpha is outside (0, 1).
    """

    name: str
    cases: pd.DataFrame
    scores: pd.DataFrame
    metrics: pd.DataFrame | None = None
    more_metrics: pd.DataFrame | None = None
    class_metrics: pd.DataFrame | None = None
    comparisons: pd.DataFrame | None = None
    audit: Mapping | None = None
    explanations: pd.DataFrame | None = None
    quarantine: pd.DataFrame | None = None
    figures: Mapping[str, str] = field(default_factory=dict)
    reliability: pd.DataFrame | None = None
    summary: Mapping | None = None
    alarm_choices: pd.DataFrame | None = None
    sections: Sequence[Section] = ()
    alpha: float = 0.05
    noun: str = "case"
    case_names: Mapping[str, str] = field(default_factory=dict)
    cases_file: str = ""
    page: str = ""
    default: str = ""

    def __post_init__(self):
        if not 0 < self.alpha < 1:
            raise ConfigurationError(
                f"alpha is {self.alpha}", remedy="A false-alarm rate lies between 0 and 1."
            )
        object.__setattr__(self, "cases", check_cases(self.cases, f"cases of {self.name}"))
        object.__setattr__(self, "scores", check_scores(self.scores, f"scores of {self.name}"))

    @cached_property
    def baselines(self) -> tuple[str, ...]:
        """Names of the models that are there only to be beaten."""
        return tuple(self.scores["model"][self.scores["role"] == BASELINE].unique())

    def label(self, model: str) -> str:
        """A model's name as a reader sees it where nothing else marks the baselines."""
        return model_label(model, model in self.baselines)

    @cached_property
    def models(self) -> list[str]:
        """Model names: those to be judged by AUROC, best first, then the baselines likewise.

        Models that have no AUROC keep their order, with the default one first.
        """
        names = [str(model) for model in self.scores["model"].unique()]

        def rank(model: str) -> tuple[bool, float, bool]:
            row = self.metric(model, "auroc")
            known = row is not None
            return model in self.baselines, -row["value"] if known else 0.0, known or model != self.default

        return sorted(names, key=rank)

    @property
    def leading(self) -> str:
        """The model with the highest test AUROC, baselines aside; without labels the default one, else the first."""
        return self.models[0]

    @property
    def contenders(self) -> list[str]:
        """The models that are no baselines."""
        return [model for model in self.models if model not in self.baselines]

    @cached_property
    def best_baseline(self) -> str | None:
        """The baseline with the highest test AUROC; None without one, or where there is nothing but baselines."""
        ranked = [m for m in self.models if m in self.baselines and self.metric(m, "auroc") is not None]
        return ranked[0] if ranked and ranked[0] != self.leading else None

    @cached_property
    def tied(self) -> list[str]:
        """The other models whose AUROC is not distinguishable from that of the leading one."""
        leads = {model: self.lead_over(model) for model in self.contenders if model != self.leading}
        return [model for model, lead in leads.items() if lead is not None and lead[0] <= 0 <= lead[1]]

    def lead_over(self, other: str) -> tuple[float, float] | None:
        """95 % interval of the leading model's AUROC minus that of ``other``; None where they were not compared."""
        if self.comparisons is None or self.comparisons.empty:
            return None
        rows = self.comparisons[self.comparisons["metric"] == "auroc"]
        for first, second, sign in ((self.leading, other, 1), (other, self.leading, -1)):
            found = rows[(rows["model_a"] == first) & (rows["model_b"] == second)]
            if len(found) and not found[["ci_low", "ci_high"]].isna().any(axis=None):
                low, high = sorted(sign * float(found.iloc[0][end]) for end in ("ci_low", "ci_high"))
                return low, high
        return None

    def case_name(self, case_id: str) -> str:
        """What a reader calls the case."""
        return self.case_names.get(case_id, str(case_id))

    @cached_property
    def test_cases(self) -> pd.DataFrame:
        """The cases that the report judges."""
        return self.cases[self.cases["split"] == TEST]

    @property
    def judged(self) -> bool:
        """Whether a ranking can be judged: both labels in test, and an AUROC for the leading model."""
        return has_both_classes(self.cases) and self.metric(self.leading, "auroc") is not None

    def metric(self, model: str, metric: str, subgroup: str = "") -> pd.Series | None:
        """One test metric with a finite value, or None."""
        return self._measured.get((model, metric, subgroup))

    @cached_property
    def _measured(self) -> dict[tuple[str, str, str], pd.Series]:
        """Rows by model, metric and subgroup: a page looks up hundreds of them."""
        if self.metrics is None or self.metrics.empty:
            return {}
        rows = self.metrics[(self.metrics["split"] == TEST) & self.metrics["value"].notna()]
        keys = zip(rows["model"], rows["metric"], rows["subgroup"].fillna(""), strict=True)
        # the first of equal keys stays
        return dict(reversed([(key, row) for key, (_, row) in zip(keys, rows.iterrows(), strict=True)]))

    @cached_property
    def most_unusual(self) -> pd.DataFrame:
        """Test cases by the leading model's score, highest first: score row, case row, ``n_flagging``.

        ``n_flagging`` counts the models, baselines aside, that flag the case.
        """
        of_leading = self.scores[self.scores["model"] == self.leading]
        others = self.scores[self.scores["model"].isin(self.contenders)]
        n_flagging = others.groupby("case_id")["flagged"].sum().rename("n_flagging").reset_index()
        joined = of_leading.merge(self.test_cases, on="case_id").merge(n_flagging, on="case_id")
        return joined.sort_values(
            ["score", "case_id"], ascending=[False, True], kind="stable", ignore_index=True
        )

    @cached_property
    def reasons(self) -> dict[str, pd.DataFrame]:
        """case_id to the leading model's explanation of it."""
        if self.explanations is None:
            return {}
        own = self.explanations[self.explanations["model"] == self.leading]
        return dict(list(own.groupby("case_id", sort=False)))

    @cached_property
    def exact(self) -> bool:
        """Whether the leading model's contributions are the exact terms of its score."""
        if not self.reasons or "exact" not in self.explanations:
            return False
        return bool(
            self.explanations.loc[self.explanations["model"] == self.leading, "exact"].astype(bool).all()
        )

    @property
    def slug(self) -> str:
        """The modality as a part of an address."""
        return slug(self.name)

    @cached_property
    def suppressed(self) -> pd.DataFrame:
        """Subgroups and kinds that the evaluation found too small to measure: ``subgroup``, ``n``."""
        if self.metrics is None:
            return pd.DataFrame({"subgroup": [], "n": []})
        return self.metrics.loc[self.metrics["metric"] == SUPPRESSED, ["subgroup", "n"]]
