"""Features of a record: its own values, durations between its times, ratios, and how often it stood in the table before."""

import pandas as pd

from medanomaly.tabular.table import TableSpec

SECONDS = {"hours": 3600.0, "days": 86400.0}
REPEATS = "n_earlier_identical"


def record_features(records: pd.DataFrame, cases: pd.DataFrame, spec: TableSpec) -> pd.DataFrame:
    """Numbers and categories that a detector can learn from; nothing here is fitted.

    Args:
        records: clean records with ``case_id`` first, in the order of the raw table.
        cases: case table of the same records.
        spec: durations, ratios and whether to count repeats.

    Returns:
        ``case_id``, then float64 columns (NaN = missing) and string columns (categories). Times give durations only.
    """
    out = {"case_id": records["case_id"]}
    for name in records.columns.drop("case_id"):
        values = records[name]
        if pd.api.types.is_datetime64_any_dtype(values):
            continue
        out[name] = values
    for name, duration in spec.durations.items():
        start, end = records[duration.start], records[duration.end]
        elapsed = end.dt.floor("D") - start.dt.floor("D") if duration.by_day else end - start
        out[name] = elapsed.dt.total_seconds() / SECONDS[duration.unit]
    for name, (first, second) in spec.ratios.items():
        # a second part of zero gives no ratio, which is a missing value
        out[name] = records[first] / records[second].where(records[second] != 0)
    if spec.count_repeats:
        content = records.drop(columns="case_id").assign(_patient=cases["patient_id"].to_numpy())
        keys = list(content.columns)
        out[REPEATS] = content.groupby(keys, dropna=False, sort=False).cumcount().astype("float64")
    return pd.DataFrame(out)


def feature_units(spec: TableSpec, columns: dict) -> dict[str, str]:
    """Unit of every feature, empty where it has none; ``columns`` is the cleaning summary's."""
    units = {name: column["unit"] for name, column in columns.items()}
    return units | {name: duration.unit for name, duration in spec.durations.items()}
