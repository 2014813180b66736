"""Features of a record: values, durations, ratios, repeats, history of the patient, deviation from its group, notes."""

import pandas as pd

from medanomaly.core.bundle import Bundle, make_bundle
from medanomaly.core.errors import ConfigurationError
from medanomaly.tabular.features.group_deviation import fit_group_deviation, group_deviation
from medanomaly.tabular.features.history import history_features, history_units
from medanomaly.tabular.features.notes import TextModel, fit_text
from medanomaly.tabular.table.column_reading import LearnedTable
from medanomaly.tabular.table.description import TableSpec

SECONDS = {"hours": 3600.0, "days": 86400.0}
REPEATS = "n_earlier_identical"


def fit_features(
    records: pd.DataFrame,
    cases: pd.DataFrame,
    spec: TableSpec,
    seed: int = 0,
    stamp: dict | None = None,
    learned: LearnedTable | None = None,
) -> Bundle:
    """Learn from train cases the medians of groups, and the words and directions of notes, and seal the recipe.

    Args:
        records: clean records with ``case_id`` first.
        cases: case table of the same records, with the split.
        spec: description of the table; ``populations`` and ``text`` are used.
        seed: of the randomised SVD.
        stamp: further entries of the manifest.
        learned: how cleaning read the columns of the raw table.

    Returns:
        A bundle with all that :func:`record_features`, and with ``learned`` also a
        :class:`medanomaly.tabular.recipe.TableRecipe`, needs.
    """
    in_train = cases["split"].eq("train").to_numpy()
    train = _own_values(records[in_train], cases[in_train], spec)
    populations = {name: fit_group_deviation(train, of) for name, of in spec.populations.items()}
    texts, files = [], {}
    for name in text_columns(records, spec):
        patients = cases["patient_id"][in_train].set_axis(records.index[in_train])
        model = fit_text(records.loc[in_train, name], spec.text, seed, patients, spec.min_patients)
        described, arrays = model.to_files()
        texts.append(described)
        files |= arrays
    return make_bundle(
        {
            "kind": "table_recipe",
            "name": "recipe",
            "modality": "tabular",
            "table": spec.model_dump(mode="json"),
            "learned": None if learned is None else learned.model_dump(mode="json"),
            "populations": populations,
            "text": texts,
        }
        | (stamp or {}),
        files,
    )


def record_features(
    records: pd.DataFrame, cases: pd.DataFrame, spec: TableSpec, learned: Bundle | None = None
) -> pd.DataFrame:
    """Numbers and categories that a detector can learn from.

    Args:
        records: clean records with ``case_id`` first, in the order of the raw table.
        cases: case table of the same records.
        spec: description of the table.
        learned: what :func:`fit_features` learned; needed for populations and notes.

    Returns:
        ``case_id``, then float64 columns (NaN = missing) and string columns (categories). Times become only durations
        and history.

    Raises:
        ConfigurationError: populations or notes need ``learned``, which is None.
    """
    out = _own_values(records, cases, spec)
    notes = text_columns(records, spec)
    if not (spec.populations or notes):
        return out
    if learned is None:
        raise ConfigurationError(
            "populations and notes need the bundle that was learned from train cases",
            remedy="Give the bundle of fit_features as learned.",
        )
    for name, deviation in spec.populations.items():
        out[name] = group_deviation(out, deviation, learned.manifest["populations"][name])
    described = {text["column"]: text for text in learned.manifest["text"]}
    parts = [TextModel.from_bundle(described[name], learned).transform(records[name]) for name in notes]
    return pd.concat([out, *parts], axis=1)


def text_columns(records: pd.DataFrame, spec: TableSpec) -> list[str]:
    """Columns of notes."""
    return [name for name in records.columns if name in spec.columns and spec.columns[name].kind == "text"]


def _own_values(records: pd.DataFrame, cases: pd.DataFrame, spec: TableSpec) -> pd.DataFrame:
    out = {"case_id": records["case_id"]}
    notes = set(text_columns(records, spec))
    for name in records.columns.drop("case_id"):
        values = records[name]
        if pd.api.types.is_datetime64_any_dtype(values) or name in notes:
            continue
        out[name] = values
    for name, duration in spec.durations.items():
        start, end = records[duration.start], records[duration.end]
        elapsed = end.dt.floor("D") - start.dt.floor("D") if duration.by_day else end - start
        out[name] = elapsed.dt.total_seconds() / SECONDS[duration.unit]
    for name, (first, second) in spec.ratios.items():
        # division by zero gives a missing value
        out[name] = records[first] / records[second].where(records[second] != 0)
    if spec.count_repeats:
        content = records.drop(columns="case_id").assign(_patient=cases["patient_id"].to_numpy())
        keys = list(content.columns)
        out[REPEATS] = content.groupby(keys, dropna=False, sort=False).cumcount().astype("float64")
    features = pd.DataFrame(out)
    if spec.history is not None:
        features = pd.concat([features, history_features(records, cases, spec.history)], axis=1)
    return features


def feature_units(spec: TableSpec, columns: dict) -> dict[str, str]:
    """Unit of every feature, empty where it has none; ``columns`` is from the summary of cleaning."""
    units = {name: column["unit"] for name, column in columns.items()}
    units |= {name: duration.unit for name, duration in spec.durations.items()}
    units |= {name: units.get(deviation.of, "") for name, deviation in spec.populations.items()}
    return units | (history_units(spec.history, units) if spec.history is not None else {})
