"""Which events become features, and what a case is: the recipe that every hospital format is read by."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, model_validator

from medanomaly.core.params import Params
from medanomaly.tabular.events.codes import codes_of_analyte
from medanomaly.tabular.features.event_statistics import STATISTICS
from medanomaly.tabular.table.units import QUANTITIES, is_known_unit, is_unit_of

Statistic = Literal["min", "max", "mean", "first", "last", "count", "slope"]
VISITS = ("inpatient", "outpatient", "emergency", "other")
NO_OUTCOME = "none"
# code of a death in every format
DEATH = "DEATH"
# columns of the table beside the features
CASE_ID, PATIENT_ID, START, END, AGE, SEX, OUTCOME = (
    "case_id", "patient_id", "window_start", "window_end", "age", "sex", "outcome",
)  # fmt: skip


class EventFeature(Params):
    """One feature of events.

    Attributes:
        codes: of the events, as ``LOINC/2823-3``, ``SNOMED/44054006``, ``OMOP/3023103`` (a concept), a prefix of a MEDS
            code, or ``SOURCE/<text>`` (what stood in the source of an OMOP event without a concept). Empty takes those
            of the quantity.
        quantity: row of ``analytes.csv``: its codes, units and plausible range; empty takes the name of the feature, where
            that is one.
        unit: of the feature; empty takes that of the quantity.
        missing_unit: unit of values that come without one; empty puts them into quarantine.
        plausible: lowest and highest plausible value, in ``unit``; a value outside goes into quarantine. None takes that of
            the quantity.
        statistics: of the values inside the window; empty takes those of the recipe.
        counted: events are counted, whatever their value is: a condition, a prescription, a report.
    """

    codes: tuple[str, ...] = ()
    quantity: str = ""
    unit: str = ""
    missing_unit: str = ""
    plausible: tuple[float, float] | None = None
    statistics: tuple[Statistic, ...] = ()
    counted: bool = False


class EventSpec(Params):
    """How events become one row per case.

    Attributes:
        features: name -> which events, in which unit.
        cases: a row per ``visit`` (its window starts with it) or per ``patient`` (from the first to the last value).
        visits: kinds of visits that are cases (inpatient, outpatient, emergency, other); empty takes all.
        hours: length of the window of a visit; None goes to its end.
        statistics: of features that name none.
        outcomes: name of an outcome -> codes of events that mean it; the column ``outcome`` has the first one that
            occurs from the start of the window on, else ``none``.
            ``DEATH`` is the code of a death in every format.
        outcome_days: so many days after the window an outcome still counts.
        take_bounds: whether ``<5`` is used as 5; otherwise it goes into quarantine.
    """

    features: dict[str, EventFeature] = Field(min_length=1)
    cases: Literal["visit", "patient"] = "visit"
    visits: tuple[Literal["inpatient", "outpatient", "emergency", "other"], ...] = ()
    hours: float | None = Field(None, gt=0)
    statistics: tuple[Statistic, ...] = Field(("min", "max", "mean", "last", "count"), min_length=1)
    outcomes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    outcome_days: float = Field(0.0, ge=0)
    take_bounds: bool = False

    @model_validator(mode="after")
    def _features_can_be_made(self):
        for name, feature in self.features.items():
            quantity = self.quantity_of(name)
            if feature.quantity and feature.quantity not in QUANTITIES:
                raise ValueError(
                    f"feature '{name}': there is no quantity '{feature.quantity}' in analytes.csv"
                )
            if not self.codes_of(name):
                raise ValueError(
                    f"feature '{name}' names no codes, and no quantity of analytes.csv that has some"
                )
            for unit in filter(None, (feature.unit, feature.missing_unit)):
                if not (is_unit_of(quantity, unit) if quantity else is_known_unit(unit)):
                    raise ValueError(f"feature '{name}': '{unit}' is no unit of {quantity or 'any quantity'}")
            if not feature.counted and not quantity and not feature.unit and feature.missing_unit:
                raise ValueError(f"feature '{name}': missing_unit needs unit or quantity")
        if self.cases == "patient" and (self.hours is not None or self.visits):
            raise ValueError("hours and visits belong to cases: visit")
        if NO_OUTCOME in self.outcomes:
            raise ValueError(f"an outcome cannot be called '{NO_OUTCOME}'")
        self.meanings  # noqa: B018 - no code may mean two things
        return self

    def quantity_of(self, name: str) -> str:
        """Row of ``analytes.csv`` of a feature; empty where there is none."""
        feature = self.features[name]
        if feature.counted:
            return ""
        return feature.quantity or (name if name in QUANTITIES else "")

    def unit_of(self, name: str) -> str:
        """Unit of the values of a feature."""
        feature, quantity = self.features[name], self.quantity_of(name)
        return feature.unit or (QUANTITIES[quantity].unit if quantity else "")

    def codes_of(self, name: str) -> tuple[str, ...]:
        """Codes of the events of a feature."""
        return self.features[name].codes or codes_of_analyte(self.features[name].quantity or name)

    def statistics_of(self, name: str) -> tuple[str, ...]:
        """Statistics of a feature, in the order of the table."""
        feature = self.features[name]
        wanted = ("count",) if feature.counted else feature.statistics or self.statistics
        return tuple(s for s in STATISTICS if s in wanted)

    @cached_property
    def meanings(self) -> Mapping[str, tuple[str, str]]:
        """Code -> ``feature`` or ``outcome``, and its name."""
        named = [(code, ("feature", name)) for name in self.features for code in self.codes_of(name)]
        named += [(code, ("outcome", name)) for name, codes in self.outcomes.items() for code in codes]
        out: dict[str, tuple[str, str]] = {}
        for code, meaning in named:
            if out.setdefault(code, meaning) != meaning:
                raise ValueError(f"code '{code}' belongs to '{out[code][1]}' and to '{meaning[1]}'")
        return out

    def column_units(self) -> dict[str, str]:
        """Column of the table of each feature and statistic -> its unit."""
        out = {}
        for name in self.features:
            unit = self.unit_of(name)
            for s in self.statistics_of(name):
                out[f"{name}_{s}"] = "" if s == "count" else f"{unit}/h" if s == "slope" and unit else unit
        return out

    def described(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """The description of the table that events become, where ``table`` says nothing else."""
        said = {
            "case_id": CASE_ID,
            "patient_id": PATIENT_ID,
            "age": AGE,
            "subgroups": {SEX: SEX},
            "ignore": (START, END),
        }
        if self.outcomes:
            said |= {"label": OUTCOME, "normal_labels": (NO_OUTCOME,)}
        columns = {name: {"unit": unit} for name, unit in self.column_units().items()}
        columns |= {AGE: {"unit": "years", "possible": (0, 130)}, SEX: {"kind": "category"}}
        return said | dict(table) | {"columns": columns | dict(table.get("columns") or {})}
