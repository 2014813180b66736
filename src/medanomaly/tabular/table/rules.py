"""Plausibility rules of a table, part of its description."""

from pydantic import Field, field_validator, model_validator

from medanomaly.core.params import Params
from medanomaly.tabular.table.units import QUANTITIES, conversion, is_unit_of, plausible_range

MISSING_CODES = (-1.0, -9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0, 99999.0)


class VariableRule(Params):
    """Plausible values of one variable; other values are flagged, not removed.

    Attributes:
        quantity: name in ``medanomaly.tabular.table.units.QUANTITIES``; gives the plausible range and the units that may
            be confused.
        unit: unit of the column; empty for the unit in ``columns``, or the base unit of the quantity.
        plausible: lowest and highest plausible value in ``unit``; None for the range of the quantity.
        whole: only whole numbers (ids, counts).
        allowed: list of allowed values.
    """

    quantity: str = ""
    unit: str = ""
    plausible: tuple[float, float] | None = None
    whole: bool = False
    allowed: tuple[str | int | float, ...] = ()

    @model_validator(mode="after")
    def _quantity_and_unit_are_known(self):
        if self.quantity:
            try:
                conversion(self.quantity, self.unit)
            except Exception as error:
                raise ValueError(str(error)) from error
        if self.plausible is not None and self.plausible[0] >= self.plausible[1]:
            raise ValueError(f"plausible {self.plausible}: the first must be below the second")
        return self

    def limits(self) -> tuple[float, float] | None:
        """The plausible range in the column's unit; None where there is none."""
        if self.plausible is not None:
            return self.plausible
        return plausible_range(self.quantity, self.unit) if self.quantity else None


class OrderRule(Params):
    """Two columns, numbers or times, of which ``lower`` is not above ``upper``.

    Attributes:
        lower, upper: the columns.
        equal: whether they may be equal.
        by_day: compare only the days of times.
    """

    lower: str
    upper: str
    equal: bool = True
    by_day: bool = False


class TableRules(Params):
    """Plausibility rules of one table.

    Attributes:
        variables: column to its rule; a single word names the quantity (``Temp: temperature``).
        order: name to a rule between two columns.
        statistics: for a table of aggregates: a variable ``Temp`` that is not a column stands for ``Temp_min`` and so on.
        missing_codes: numbers that mean missing if they are out of range; zero is always one of them.
        by_name: also check columns that have the name and a unit of a quantity but no rule.
        duplicates: flag records that equal an earlier one in all columns except the id.
    """

    variables: dict[str, VariableRule] = Field(default_factory=dict)
    order: dict[str, OrderRule] = Field(default_factory=dict)
    statistics: tuple[str, ...] = ()
    missing_codes: tuple[float, ...] = MISSING_CODES
    by_name: bool = True
    duplicates: bool = True

    @field_validator("variables", mode="before")
    @classmethod
    def _a_word_names_the_quantity(cls, value):
        if not isinstance(value, dict):
            return value
        return {name: {"quantity": rule} if isinstance(rule, str) else rule for name, rule in value.items()}


def known_quantity(name: str) -> str:
    """The quantity that a column is named after, or an empty string."""
    key = name.strip().lower().replace(" ", "_")
    return key if key in QUANTITIES else ""


def reading(name: str, unit: str, rules: TableRules) -> tuple[str, str]:
    """Unit and quantity with which the numbers of a column are read; empty where neither description nor name say them.

    Args:
        name: of the column.
        unit: that the description of the table gives.
        rules: of the table; a rule says the quantity, and its unit where the description gives none.
    """
    rule = rules.variables.get(name) or rules.variables.get(
        name.rpartition("_")[0] if rules.statistics else ""
    )
    if rule is not None and rule.quantity:
        return unit or rule.unit or QUANTITIES[rule.quantity].unit, rule.quantity
    quantity = known_quantity(name)
    return unit, quantity if quantity and (not unit or is_unit_of(quantity, unit)) else ""
