"""The description of a raw table: its ids, label, subgroups and columns. One YAML block per data set."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from medanomaly.core.cases import CASE_COLUMNS
from medanomaly.core.params import Params
from medanomaly.tabular.events.description import EventSpec
from medanomaly.tabular.table.rules import TableRules


class Column(Params):
    """One column of the raw table.

    Attributes:
        kind: ``number``, ``category``, ``time``, ``text`` (words written by a person, such as a clinical note) or
            ``ignore`` (not used, as if it stood under ``ignore``).
        unit: shown after every value (``mmol/L``); empty where there is none.
        possible: lowest and highest possible value. Values that are possible but unusual are for the detectors.
        impossible: what happens to a value outside of ``possible``: ``quarantine`` rejects the record, ``missing`` takes
            the value out of it. Both are said, the latter as a finding of the record.
    """

    kind: Literal["number", "category", "time", "text", "ignore"] = "number"
    unit: str = ""
    possible: tuple[float, float] | None = None
    impossible: Literal["quarantine", "missing"] = "quarantine"


class Duration(Params):
    """A feature: time from ``start`` to ``end`` (both ``time`` columns); negative where the order is wrong.

    ``by_day`` ignores the hours and counts days, for times that are written without hours.
    """

    start: str
    end: str
    unit: Literal["hours", "days"] = "days"
    by_day: bool = False


class History(Params):
    """Features from earlier records of the same patient (see ``medanomaly.tabular.features.history``).

    Attributes:
        time: column with the time at which a record's values are known; only earlier records count.
        outcome_time: column with the time at which a record's label becomes known; None leaves labels out.
        measurements: columns that get features for time since the last value, change and trend.
    """

    time: str
    outcome_time: str | None = None
    measurements: tuple[str, ...] = ()


class GroupDeviation(Params):
    """A feature: a number minus the median of its group, which is learned from train cases only.

    Attributes:
        of: the number.
        by: category columns that define the group.
        min_group_size: smaller groups use the median of all cases.
    """

    of: str
    by: tuple[str, ...] = Field(min_length=1)
    min_group_size: int = Field(20, ge=2)


class Text(Params):
    """How notes become numbers (see ``medanomaly.tabular.features.notes``).

    Attributes:
        n_components: number of dimensions kept of the TF-IDF matrix.
        max_terms: maximum number of terms in the vocabulary.
        embedding: folder of a Hugging Face sentence model on this machine; None uses TF-IDF and SVD. Nothing is
            downloaded.
    """

    n_components: int = Field(16, ge=1)
    max_terms: int = Field(5000, ge=10)
    embedding: str | None = None


class TableSpec(Params):
    """How to read one raw table.

    Attributes:
        case_id: column with a unique id; None numbers the records from 1.
        patient_id: column with the patient; None treats records of identical content as one patient, so copies of a
            record are always in the same part of the split.
        label: column with the label; None where there is none.
        normal_labels: the values that mean normal; every other value means anomalous, a missing one unknown.
        kind: column that names the kind of anomaly; None uses the label's own values. Without a label it is the class of
            each record.
        kind_names: value of the kind, or of the label in its place, to the words that models and reports use.
        age: column with the age in years; gives the subgroup ``age_band``.
        subgroups: subgroup name to column.
        ignore: columns that are not used.
        missing_values: values that mean missing in every column, in addition to the empty cell. Where the table states
            them, no other word is missing in a category, an id or a label (``None`` may be an answer).
        columns: kinds, units and possible ranges; an undeclared column is a number if at least 95 % of its values are
            numbers, else a time or a category.
        declared_only: use only the columns that are described; others are left out.
        min_patients: a level of a category or of a subgroup that fewer patients have is written as "(fewer than 5
            patients)", so that no name of a person stands in a model or a report.
        durations: features from two times.
        ratios: features from two numbers, first divided by second. A contradiction between two values that are each
            usual shows in their ratio.
        count_repeats: adds the feature ``n_earlier_identical``: how many earlier records of the patient are
            identical.
        history: features from earlier records of the patient.
        populations: feature name to the deviation from the median of a group.
        text: how columns of kind ``text`` become numbers.
        min_records: fewer usable records are an error.
        events: how events of a hospital format become the table (see ``medanomaly.tabular.events``); ids, age, sex,
            outcome and the columns of features are then described already.
        rules: plausibility rules; a value that breaks a rule is flagged but kept (see ``medanomaly.tabular.table.quality``).
    """

    case_id: str | None = None
    patient_id: str | None = None
    label: str | None = None
    normal_labels: tuple[str | int | float | bool, ...] = (0, "0", "normal")
    kind: str | None = None
    kind_names: dict[str, str] = Field(default_factory=dict)
    age: str | None = None
    subgroups: dict[str, str] = Field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    missing_values: tuple[str | float, ...] = ("", "NA", "N/A", "<NA>", "NaN", "nan", "NULL", "null", "?")
    columns: dict[str, Column] = Field(default_factory=dict)
    declared_only: bool = False
    min_patients: int = Field(5, ge=1)
    durations: dict[str, Duration] = Field(default_factory=dict)
    ratios: dict[str, tuple[str, str]] = Field(default_factory=dict)
    count_repeats: bool = False
    history: History | None = None
    populations: dict[str, GroupDeviation] = Field(default_factory=dict)
    text: Text = Text()
    min_records: int = Field(30, ge=30)
    events: EventSpec | None = None
    rules: TableRules = TableRules()

    @model_validator(mode="before")
    @classmethod
    def _events_describe_columns(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or not given.get("events"):
            return given
        return EventSpec.model_validate(given["events"]).described(given)

    @model_validator(mode="after")
    def _parts_are_declared(self):
        for name, duration in self.durations.items():
            for end in (duration.start, duration.end):
                if end not in self.columns or self.columns[end].kind != "time":
                    raise ValueError(f"duration '{name}' needs column '{end}' declared with kind: time")
        self._history_is_declared()
        derived = [*self.durations, *self.ratios, *self.populations]
        twice = sorted(
            name for name in set(derived) if derived.count(name) > 1 or name in self.named_columns()
        )
        if twice:
            raise ValueError(
                f"durations, ratios or populations {twice} have names that are already used; choose other names"
            )
        if self.age is not None and "age_band" in self.subgroups:
            raise ValueError(
                "subgroup 'age_band' is made from the column of age; choose another name for yours"
            )
        taken = sorted(set(self.subgroups) & set(CASE_COLUMNS))
        if taken:
            raise ValueError(f"subgroups {taken} have names of the case table; choose other names")
        for name, pair in self.ratios.items():
            for part in pair:
                if self.columns.get(part, Column()).kind != "number" or part not in self.columns:
                    raise ValueError(f"ratio '{name}' needs column '{part}' declared as a number")
        return self

    def _history_is_declared(self) -> None:
        for name, population in self.populations.items():
            for part in population.by:
                if part not in self.columns or self.columns[part].kind != "category":
                    raise ValueError(
                        f"population '{name}' needs column '{part}' declared with kind: category"
                    )
        if self.history is None:
            return
        if self.patient_id is None:
            raise ValueError("history needs patient_id: without it there are no earlier records")
        for time in (self.history.time, self.history.outcome_time):
            if time is not None and (time not in self.columns or self.columns[time].kind != "time"):
                raise ValueError(f"history needs column '{time}' declared with kind: time")
        if self.history.outcome_time is not None and self.label is None:
            raise ValueError("history with outcome_time needs a label")
        for name in self.history.measurements:
            if name not in self.columns or self.columns[name].kind != "number":
                raise ValueError(f"history needs column '{name}' declared as a number")

    def named_columns(self) -> set[str]:
        """Every column that the specification names; the table must have them."""
        single = {self.case_id, self.patient_id, self.label, self.kind, self.age} - {None}
        return single | set(self.subgroups.values()) | set(self.columns)

    def not_features(self) -> set[str]:
        """Columns that never become features: ids, label, kind, ignored ones."""
        ignored = {name for name, column in self.columns.items() if column.kind == "ignore"}
        return ({self.case_id, self.patient_id, self.label, self.kind, *self.ignore} | ignored) - {None}
