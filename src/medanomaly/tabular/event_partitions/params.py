"""What can be set of events."""

from typing import Literal

from pydantic import Field, field_validator

from medanomaly.core.params import Params
from medanomaly.tabular.features.event_statistics import STATISTICS_OF_TABLES


class EventParams(Params):
    """How files of events are read and become features. The names of columns are those of MEDS.

    Attributes:
        patient: column with the patient, of numbers or text.
        time: column with the time: timestamps, dates, or numbers in ``time_unit``.
        code: column that says what was measured, of text or numbers.
        value: column with the number.
        time_unit: of times that are numbers.
        possible: code -> lowest and highest possible value; an event with a value outside is left out and counted.
        codes: that become features; None takes those that enough patients have.
        min_share: share of patients that must have a code, where ``codes`` is None. Labels are not used.
        statistics: of every code, see :data:`medanomaly.tabular.features.event_statistics.STATISTICS_OF_TABLES`.
        piece_rows: events that one task reads at once, which sets the memory of a worker.
        partition_rows: events of one partition of the patients, roughly.
        memory: that a query may take in a worker; what needs more goes to the disk.
    """

    patient: str = "subject_id"
    time: str = "time"
    code: str = "code"
    value: str = "numeric_value"
    time_unit: Literal["seconds", "minutes", "hours", "days"] = "hours"
    possible: dict[str, tuple[float, float]] = Field(default_factory=dict)
    codes: tuple[str, ...] | None = None
    min_share: float = Field(0.05, ge=0, le=1)
    statistics: tuple[str, ...] = STATISTICS_OF_TABLES
    piece_rows: int = Field(4_000_000, ge=1)
    partition_rows: int = Field(8_000_000, ge=1)
    memory: str = Field("400MB", pattern=r"^\d+ ?(MB|GB)$")

    @field_validator("statistics")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or set(value) - set(STATISTICS_OF_TABLES):
            raise ValueError(f"statistics are some of {STATISTICS_OF_TABLES}")
        return value
