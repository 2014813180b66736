"""Events to values of features in one unit; what cannot be used goes to quarantine with a reason."""

import numpy as np
import pandas as pd

from medanomaly.tabular.events.account import QUARANTINED, Account
from medanomaly.tabular.events.codes import NO_UNIT, unit_of_analyte
from medanomaly.tabular.events.description import EventSpec
from medanomaly.tabular.events.form import BOUND, NO_VALUE, Events
from medanomaly.tabular.table.units import convert, convert_written, plausible_range

NO_UNIT_GIVEN = "no unit"
BELOW, ABOVE = "below what is plausible", "above what is plausible"


def unit_problem(written: str, unit: str) -> str:
    """Why a unit cannot be converted."""
    return f"'{written}' cannot be converted to {unit or 'a number without a unit'}"


def measured(found: Events, spec: EventSpec, account: Account) -> pd.DataFrame:
    """Values that features are made of.

    Args:
        found: what a reader found; its events name codes of the recipe.
        spec: the recipe.
        account: gets what is in quarantine.

    Returns:
        The rows of ``found.events`` that can be used, with ``name`` (of a feature or an
        outcome, a category), ``is_outcome`` and ``value`` in the unit of the feature; 1 where events are counted.
    """
    events = found.events
    kinds, of = _kinds(events)
    names = sorted({*spec.features, *spec.outcomes})
    values = events["value"].to_numpy(dtype="float64").copy()
    reasons: list[str] = [""]
    reason = np.zeros(len(events), dtype=np.int32)
    place, is_outcome = np.empty(len(kinds), dtype=np.int32), np.zeros(len(kinds), dtype=bool)
    rows_of = _rows_of(of, len(kinds))

    def refuse(rows: np.ndarray, why: str) -> None:
        if why not in reasons:
            reasons.append(why)
        reason[rows] = reasons.index(why)

    for k, (code, written, problem) in enumerate(kinds):
        meaning, name = spec.meanings[code]
        place[k], is_outcome[k] = names.index(name), meaning == "outcome"
        rows = rows_of(k)
        if is_outcome[k] or spec.features[name].counted:
            values[rows] = 1.0
            continue
        if problem and not (spec.take_bounds and problem.startswith(BOUND)):
            refuse(rows, problem)
            continue
        empty = ~np.isfinite(values[rows])
        refuse(rows[empty], NO_VALUE)
        rows = rows[~empty]
        converted = _converted(values[rows], written, name, spec)
        if isinstance(converted, str):
            refuse(rows, converted)
            continue
        values[rows] = converted
        low, high = _plausible(name, spec)
        refuse(rows[converted < low], BELOW)
        refuse(rows[converted > high], ABOVE)
    for i, why in enumerate(reasons[1:], start=1):
        account.add_each(events[reason == i], QUARANTINED, why)
    good = reason == 0
    out = events[good].assign(
        value=values[good],
        is_outcome=is_outcome[of[good]],
        name=pd.Categorical.from_codes(place[of[good]], categories=names),
    )
    return out


def _kinds(events: pd.DataFrame) -> tuple[list[tuple[str, str, str]], np.ndarray]:
    """Each combination of code, unit and problem, and (n,) which of them each event is."""
    parts = [events[name].astype("category") for name in ("code", "unit", "problem")]
    combined = np.zeros(len(events), dtype=np.int64)
    for part in parts:
        combined = combined * (len(part.cat.categories) + 1) + part.cat.codes.to_numpy(np.int64)
    of, unique = pd.factorize(combined)
    kinds = []
    for rest in unique.tolist():
        found, one = [], rest
        for part in reversed(parts):
            one, code = divmod(one, len(part.cat.categories) + 1)
            found.append(str(part.cat.categories[code]))
        kinds.append((found[2], found[1], found[0]))
    return kinds, of


def _rows_of(of: np.ndarray, n: int):
    """From a kind to the rows of its events, without a look at all events per kind."""
    # short numbers are put in order without a comparison
    of = of.astype(np.int16) if n < np.iinfo(np.int16).max else of
    order = np.argsort(of, kind="stable")
    bounds = np.searchsorted(of[order], np.arange(n + 1))
    return lambda k: order[bounds[k] : bounds[k + 1]]


def _converted(values: np.ndarray, written: str, name: str, spec: EventSpec) -> np.ndarray | str:
    """Values in the unit of the feature, or why they cannot be converted."""
    quantity, target = spec.quantity_of(name), spec.unit_of(name)
    if written.strip().lower() in NO_UNIT:
        written = spec.features[name].missing_unit
    if quantity:
        unit = unit_of_analyte(quantity, written)
        if unit is None:
            return unit_problem(written, target) if written else NO_UNIT_GIVEN
        return convert(values, quantity, unit, target)
    if not target:
        # nothing says what a value of a feature without a unit and a quantity is measured in
        return values if not written else unit_problem(written, target)
    if not written:
        return NO_UNIT_GIVEN
    factor = convert_written(1.0, written, target)
    return unit_problem(written, target) if factor is None else values * factor


def _plausible(name: str, spec: EventSpec) -> tuple[float, float]:
    feature, quantity = spec.features[name], spec.quantity_of(name)
    if feature.plausible is not None:
        return feature.plausible
    return plausible_range(quantity, spec.unit_of(name)) if quantity else (-np.inf, np.inf)
