"""Plant anomalies into the clinical table, with the ground truth.

Five kinds that occur in hospitals: a value outside its range, values that contradict each other, a value in the wrong
unit, a record entered twice, and time stamps in an impossible order. The random stream of each record decides whether
and how it changes. Other records stay the same, and a larger share keeps the anomalies of a smaller one. The choice of
a record does not depend on its content.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError
from medanomaly.synthetic.clinical_table import in_recording_order, record_id
from medanomaly.synthetic.patients import own_draws
from medanomaly.synthetic.variables import VARIABLES

ANOMALY_KINDS = (
    "out-of-range value",
    "broken correlation",
    "unit mix-up",
    "duplicate",
    "implausible time order",
)
TRUTH_COLUMNS = ("anomaly", "anomaly_kind", "anomaly_columns")
# columns in which two entries of the same visit may differ
ENTRY_COLUMNS = ("record_id", "recorded_at")

# position of an out-of-range value between edge and limit; each strength has equal probability
STRENGTHS = {"mild": (0.0, 0.15), "moderate": (0.15, 0.45), "strong": (0.45, 1.0)}


@dataclass(frozen=True)
class Contradiction:
    """Two correlated variables, and intervals that are each usual but hardly ever occur together."""

    first: str
    second: str
    first_low: tuple[float, float]
    second_high: tuple[float, float]
    first_high: tuple[float, float]
    second_low: tuple[float, float]


CONTRADICTIONS = (
    Contradiction("haemoglobin", "haematocrit", (12.0, 13.9), (45.5, 50.5), (15.3, 16.9), (36.5, 41.5)),
    Contradiction("creatinine", "urea", (52, 62), (9.5, 13.5), (130, 175), (3.5, 4.4)),
    Contradiction("height", "weight", (151, 156), (100, 109), (181, 187), (49.5, 54)),
    Contradiction("systolic", "diastolic", (97, 104), (88, 97), (140, 152), (60, 67)),
    Contradiction("hba1c", "glucose", (4.5, 5.2), (9.5, 13.0), (7.4, 9.5), (4.2, 4.9)),
)


@dataclass(frozen=True)
class UnitMixUp:
    """A variable written in another unit: value * factor + offset, rounded as usual in that unit."""

    column: str
    unit: str
    factor: float
    offset: float = 0.0
    decimals: int = 1


UNIT_MIX_UPS = (
    UnitMixUp("glucose", "mg/dL", 18.016, decimals=0),
    UnitMixUp("creatinine", "mg/dL", 1 / 88.42, decimals=2),
    UnitMixUp("haemoglobin", "g/L", 10.0, decimals=0),
    UnitMixUp("temperature", "°F", 1.8, 32.0),
    UnitMixUp("height", "in", 1 / 2.54),
    UnitMixUp("weight", "lb", 2.20462),
)

# (earlier, later): the second cannot be before the first
TIME_ORDER = (("admitted_at", "discharged_at"), ("booked_at", "scheduled_for"))
_SHORTEST_MINUTES, _LONGEST_MINUTES = 60.0, 28 * 1440.0
_DRAWS = ("planted", "kind", "option", "side", "strength", "first", "second")


def _between(interval: tuple[float, float], u: np.ndarray) -> np.ndarray:
    return interval[0] + u * (interval[1] - interval[0])


def _pick(possible: np.ndarray, u: np.ndarray) -> np.ndarray:
    """(n, k) bool of possible columns and (n,) uniforms -> (n,) one possible column per row, -1 where there is none."""
    wanted = np.floor(u * possible.sum(axis=1))
    chosen = np.argmax(np.cumsum(possible, axis=1) > wanted[:, None], axis=1)
    return np.where(possible.any(axis=1), chosen, -1)


def _is_there(table: pd.DataFrame, columns: tuple[str, ...]) -> np.ndarray:
    return table[list(columns)].notna().all(axis=1).to_numpy()


def _out_of_range(table: pd.DataFrame, rows: np.ndarray, u: dict, touched: pd.Series) -> None:
    names = [name for name, variable in VARIABLES.items() if variable.low_extreme or variable.high_extreme]
    choice = _pick(table.loc[rows, names].notna().to_numpy(), u["option"][rows])
    strength = np.array(list(STRENGTHS.values()))[np.floor(u["strength"][rows] * len(STRENGTHS)).astype(int)]
    depth = strength[:, 0] + u["first"][rows] * (strength[:, 1] - strength[:, 0])
    for i, name in enumerate(names):
        variable, here = VARIABLES[name], choice == i
        sides = [side for side in (variable.low_extreme, variable.high_extreme) if side]
        edge, limit = np.array(sides)[np.floor(u["side"][rows[here]] * len(sides)).astype(int)].T
        # geometric, so a doubling is equally likely everywhere between edge and limit
        table.loc[rows[here], name] = np.round(edge * (limit / edge) ** depth[here], variable.decimals)
        touched[rows[here]] = name


def _broken_correlation(table: pd.DataFrame, rows: np.ndarray, u: dict, touched: pd.Series) -> None:
    part = table.loc[rows]
    possible = np.column_stack([_is_there(part, (pair.first, pair.second)) for pair in CONTRADICTIONS])
    choice = _pick(possible, u["option"][rows])
    for i, pair in enumerate(CONTRADICTIONS):
        for upper in (False, True):
            here = rows[(choice == i) & ((u["side"][rows] < 0.5) == upper)]
            first, second = (
                (pair.first_high, pair.second_low) if upper else (pair.first_low, pair.second_high)
            )
            for name, interval, draw in ((pair.first, first, "first"), (pair.second, second, "second")):
                table.loc[here, name] = np.round(_between(interval, u[draw][here]), VARIABLES[name].decimals)
            touched[here] = f"{pair.first};{pair.second}"


def _unit_mix_up(table: pd.DataFrame, rows: np.ndarray, u: dict, touched: pd.Series) -> None:
    part = table.loc[rows]
    choice = _pick(np.column_stack([_is_there(part, (m.column,)) for m in UNIT_MIX_UPS]), u["option"][rows])
    for i, mix_up in enumerate(UNIT_MIX_UPS):
        here = rows[choice == i]
        values = table.loc[here, mix_up.column] * mix_up.factor + mix_up.offset
        table.loc[here, mix_up.column] = values.round(mix_up.decimals)
        touched[here] = mix_up.column


def _implausible_time_order(table: pd.DataFrame, rows: np.ndarray, u: dict, touched: pd.Series) -> None:
    part = table.loc[rows]
    choice = _pick(np.column_stack([_is_there(part, pair) for pair in TIME_ORDER]), u["option"][rows])
    # from one hour to four weeks, each order of magnitude equally likely
    minutes = _SHORTEST_MINUTES * (_LONGEST_MINUTES / _SHORTEST_MINUTES) ** u["first"]
    distance = pd.Series(pd.to_timedelta(np.round(minutes), unit="min"), index=table.index)
    for i, (earlier, later) in enumerate(TIME_ORDER):
        for moves_later in (False, True):
            here = rows[(choice == i) & ((u["side"][rows] < 0.5) == moves_later)]
            if moves_later:
                table.loc[here, later] = table.loc[here, earlier] - distance[here]
            else:
                table.loc[here, earlier] = table.loc[here, later] + distance[here]
            touched[here] = later if moves_later else earlier


def _second_entries(table: pd.DataFrame, rows: np.ndarray, u: dict, seed: int) -> pd.DataFrame:
    """Copies of the records of ``rows``, entered again minutes to days later with a new id."""
    again = table.loc[rows].copy()
    again["record_id"] = again["record_id"].map(lambda first: record_id(seed, f"{first} again"))
    minutes = np.round(5.0 * (4 * 1440 / 5.0) ** u["first"][rows])
    again["recorded_at"] = again["recorded_at"] + pd.to_timedelta(minutes, unit="min")
    return again


_PLANT = {
    "out-of-range value": _out_of_range,
    "broken correlation": _broken_correlation,
    "unit mix-up": _unit_mix_up,
    "implausible time order": _implausible_time_order,
}


def plant_anomalies(
    table: pd.DataFrame, seed: int, share: float, kinds: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Plant anomalies into a clinical table, and add the ground truth.

    A record that cannot have the drawn kind (a needed value is missing) does not change. A record with the kind
    "duplicate" stays normal and gets an anomalous copy.

    Args:
        table: clinical table (:func:`medanomaly.synthetic.clinical_table.clinical_table`); it is not changed.
        seed: seed of the cohort.
        share: expected share of anomalous records in the result, in [0, 0.5].
        kinds: relative weight of each kind of :data:`ANOMALY_KINDS`; None takes all with equal weight.

    Returns:
        The table in recording order with ``anomaly`` (0 or 1), ``anomaly_kind`` and ``anomaly_columns``
        (names separated by semicolons); the last two are NA for normal records.

    Raises:
        ConfigurationError: the share is outside [0, 0.5], a kind is unknown, or a weight is negative, or all are 0.
    """
    kinds = dict.fromkeys(ANOMALY_KINDS, 1.0) if kinds is None else dict(kinds)
    unknown = sorted(set(kinds) - set(ANOMALY_KINDS))
    if unknown:
        raise ConfigurationError(
            f"unknown kinds of anomaly {unknown}", remedy=f"Known are {list(ANOMALY_KINDS)}."
        )
    if not 0 <= share <= 0.5:
        raise ConfigurationError(f"an anomaly share of {share:g}", remedy="Give a share from 0 to 0.5.")
    weights = np.array([kinds.get(kind, 0.0) for kind in ANOMALY_KINDS], dtype=np.float64)
    if (weights < 0).any() or weights.sum() == 0:
        raise ConfigurationError(
            f"weights {kinds} of the kinds", remedy="Give weights >= 0, at least one above 0."
        )
    weights /= weights.sum()

    planted = table.reset_index(drop=True)
    u = own_draws(planted["record_id"].to_numpy(), seed, "anomalies", uniforms=_DRAWS)
    # copies add records, so slightly more records than the share must be drawn
    chosen = u["planted"] < share / (1 - share * weights[ANOMALY_KINDS.index("duplicate")])
    kind_number = np.searchsorted(np.cumsum(weights)[:-1], u["kind"], side="right")
    touched = pd.Series(pd.NA, index=planted.index, dtype="string")
    kind_of = pd.Series(pd.NA, index=planted.index, dtype="string")
    copies = _second_entries(
        planted, np.flatnonzero(chosen & (kind_number == ANOMALY_KINDS.index("duplicate"))), u, seed
    )
    for kind, plant in _PLANT.items():
        rows = np.flatnonzero(chosen & (kind_number == ANOMALY_KINDS.index(kind)))
        plant(planted, rows, u, touched)
        kind_of[rows] = kind
    truth = pd.DataFrame(
        {
            "anomaly": touched.notna().astype("int8"),
            "anomaly_kind": kind_of.where(touched.notna()),
            "anomaly_columns": touched,
        }
    )
    copy_truth = {
        "anomaly": np.int8(1),
        "anomaly_kind": "duplicate",
        "anomaly_columns": ";".join(ENTRY_COLUMNS),
    }
    together = pd.concat([planted.join(truth), copies.assign(**copy_truth)], ignore_index=True)
    together = together.astype({"anomaly": "int8", "anomaly_kind": "string", "anomaly_columns": "string"})
    return in_recording_order(together)
