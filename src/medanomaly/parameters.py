"""Parameter blocks that several pipelines share; validated before any node runs."""

import re

from pydantic import Field

from medanomaly.core.errors import ConfigurationError
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
        per_day: alarms per day.
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


def dataset_key(*parts: str | None) -> str:
    """Name of the folders of a data set, and of one of its subsets: ``adbench`` and ``cardio`` give ``adbench_cardio``.

    Outputs of two subsets never overwrite each other, and none leaves the folder of outputs.

    Raises:
        ConfigurationError: a part is no plain name.
    """
    for part in parts:
        if part and (not re.fullmatch(r"[\w .+-]+", str(part)) or set(str(part)) <= {"."}):
            raise ConfigurationError(
                f"'{part}' is no name of a data set",
                source="dataset or subset",
                remedy="Use letters, digits, '_', '-', '+', '.' and spaces.",
            )
    return "_".join(str(part) for part in parts if part)
