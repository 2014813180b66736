"""Parameter blocks that several pipelines share; validated before any node runs."""

from pydantic import Field

from medanomaly.core.params import Params
from medanomaly.evaluation.params import EvaluationParams


class RunParams(Params):
    """What is run.

    Attributes:
        dataset: name of the data set in reports and in the output folders.
        table: which description of ``data_processing.tables`` applies.
        seed: of everything that draws random numbers, the split included.
        checkpoints: folder of the trainings under way; empty keeps none.
    """

    dataset: str
    table: str
    seed: int = 0
    checkpoints: str = ""


class BudgetParams(Params):
    """How many cases somebody can look at.

    Attributes:
        per_day: alarms a day.
        cases_per_day: cases that are scored a day; None takes all test cases as one day.
    """

    per_day: int = Field(20, ge=1)
    cases_per_day: int | None = Field(None, ge=1)


class AlarmParams(Params):
    """When a case is flagged.

    Attributes:
        alpha: share of normal cases that may be flagged.
        group_by: subgroup column within which the share shall hold (Mondrian p-values); None for all cases together.
        min_group_size: a group with fewer calibration normals is compared with all of them.
        budget: alarms a day, shown beside alpha; None leaves it out.
        fdr: share of false alarms among the alarms of the list that controls it.
    """

    alpha: float = Field(0.05, gt=0, lt=1)
    group_by: str | None = None
    min_group_size: int = Field(100, ge=20)
    budget: BudgetParams | None = BudgetParams()
    fdr: float = Field(0.1, gt=0, lt=1)


def judged_as_flagged(params: EvaluationParams, alarm: AlarmParams, run: RunParams) -> EvaluationParams:
    """The evaluation's settings, at the alpha and in the groups that the cases were flagged with."""
    flagged = alarm.model_dump(include={"alpha", "group_by", "min_group_size"})
    return params.model_copy(update=flagged | {"seed": run.seed})
