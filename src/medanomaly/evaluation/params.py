"""What can be set about the evaluation."""

from typing import Literal

from pydantic import Field

from medanomaly.core.params import Params


class EvaluationParams(Params):
    """Settings of metrics, comparisons, baselines and audit.

    Attributes:
        alpha: the false-alarm rate at which the score table was flagged; the realised rate is held against it.
        n_resamples: bootstrap resamples; 2,000 leave about 0.3 % of noise in the level of a 95 % interval.
        seed: of everything that is drawn.
        confidence: level of every interval.
        min_subgroup_size: a group with fewer cases is named as suppressed instead of being measured.
        min_class_size: within a group, a metric of fewer anomalous or normal cases is left empty: a value of three cases
            reads as knowledge.
        max_subgroup_levels: a column with more levels is not a grouping and is named as suppressed as a whole.
        n_bins: equal-mass bins of the expected calibration error.
        group_by: the subgroup column of group-conditional p-values, None where one calibration set serves all.
        min_group_size: smallest calibration group that was used on its own.
        all_cases: whether every record is judged, those of train and calibration too (``all_cases.csv``): ``auto`` where no
            record is labelled anomalous.
        threads: threads of the bootstrap; the figures do not depend on it.
    """

    alpha: float = Field(default=0.05, gt=0, lt=1)
    n_resamples: int = Field(default=2000, ge=100)
    seed: int = Field(default=0, ge=0)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    min_subgroup_size: int = Field(default=10, ge=2)
    min_class_size: int = Field(default=5, ge=1)
    max_subgroup_levels: int = Field(default=30, ge=2)
    n_bins: int = Field(default=10, ge=2, le=100)
    group_by: str | None = None
    min_group_size: int = Field(default=100, ge=1)
    all_cases: bool | Literal["auto"] = "auto"
    threads: int = Field(default=1, ge=1)
