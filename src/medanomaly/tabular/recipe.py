"""The recipe of tables: raw records of any number, from one on, to the features that training made of its records."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.errors import InputError, MedanomalyError
from medanomaly.core.models import ModelInput
from medanomaly.core.plain_text import plain_text
from medanomaly.core.recipe import FINDING_COLUMNS, REFUSED_COLUMNS, PlainCase, ReadCases, no_rows
from medanomaly.tabular.events.event_table import EventTable, event_table
from medanomaly.tabular.events.form import Events
from medanomaly.tabular.events.readers.any_form import EventSource, form_of, read_events
from medanomaly.tabular.features.record_facts import record_facts
from medanomaly.tabular.features.record_features import feature_units, record_features
from medanomaly.tabular.plain_record import HISTORY, PlainRecords
from medanomaly.tabular.table.cleaning import clean_table
from medanomaly.tabular.table.column_reading import LearnedTable
from medanomaly.tabular.table.description import TableSpec
from medanomaly.tabular.table.files import TABLE_ENDINGS, read_table, table_parts
from medanomaly.tabular.table.prepared_table import CASE_ID
from medanomaly.tabular.table.quality import check_table


class TableRecipe:
    """How a table was described, cleaned and turned into features.

    Args:
        bundle: of kind ``table_recipe``.
    """

    noun = "record"

    def __init__(self, bundle: Bundle):
        self.bundle = bundle
        self.spec = TableSpec.model_validate(bundle.manifest["table"])
        self.learned = LearnedTable.model_validate(bundle.manifest["learned"])

    def read(
        self,
        raw: Mapping | Sequence[Mapping] | pd.DataFrame | str,
        *,
        history: Mapping | Sequence[Mapping] | pd.DataFrame | str | None = None,
        numbers: Sequence[int] | None = None,
        duplicates: bool = True,
        **options: Any,
    ) -> ReadCases:
        """Records to features.

        Args:
            raw: one record as a mapping, several, a table, or the path of a CSV, Parquet or Excel file; where the models
                were trained on events, also what :func:`medanomaly.tabular.events.readers.any_form.read_events` takes.
            history: earlier records of the same patients, in the same form; they are not scored.
            numbers: one per record, which those without an id go by; None counts from 1.
            duplicates: whether equal records are flagged, where the description asks for it; parts of a table do not say.
            options: of the reader of a file, as :func:`medanomaly.tabular.table.files.read_table` takes them.

        Raises:
            InputError: no column is one of training, a column is probably misspelt, or the file cannot be read.
        """
        events = self._of_events(raw)
        table, source = (events.table, "events") if events is not None else as_table(raw, options)
        if events is not None and table.empty:
            return self._nothing(events)
        table, notes = self._checked(table, source)
        earlier = None
        if history is not None:
            earlier, _ = as_table(history, options)
            earlier, _ = self._checked(earlier, "history")
        spec = self._spec(table)
        n_earlier, together = 0, table
        if earlier is not None and len(earlier):
            if spec.patient_id is None or spec.patient_id not in earlier:
                raise InputError(
                    "earlier records were given, but nothing says whose they are",
                    remedy=f"Give the column '{self.spec.patient_id}' in both.",
                    source="history",
                )
            if spec.case_id is not None and spec.case_id in earlier:
                again = plain_text(earlier[spec.case_id]).isin(plain_text(table[spec.case_id]))
                earlier = earlier[~again]
            n_earlier = len(earlier)
            together = pd.concat([earlier.astype(object), table.astype(object)], ignore_index=True).reindex(
                columns=table.columns
            )
        clean = clean_table(self._completed(together), spec, source, self.learned)
        rules = spec.rules if duplicates else spec.rules.model_copy(update={"duplicates": False})
        flags = check_table(self._completed(table), self._described(spec), rules, source).flags
        numbers = np.arange(1, len(table) + 1) if numbers is None else np.asarray(numbers, dtype=np.int64)
        read = self._cases(clean, flags, spec, n_earlier, numbers, notes)
        return read if events is None else _with_events(read, events)

    def _of_events(self, raw: Any) -> EventTable | None:
        """The table of events in a hospital format; None where it is none, or the models read no events."""
        if self.spec.events is None:
            return None
        if not isinstance(raw, (Events, EventSource)) and form_of(raw) is None:
            return None
        found = raw if isinstance(raw, Events) else read_events(raw, self.spec.events)
        return event_table(found, self.spec.events, outcomes=False)

    def _nothing(self, events: EventTable) -> ReadCases:
        cases = pd.DataFrame({"case_id": [], "patient_id": []}, dtype="string")
        return ReadCases(cases, {}, refused=events.refused, notes=events.notes, account=events.account)

    def read_plain(self, record: Mapping[str, Any]) -> PlainCase | None:
        """One record without the cost of a table, equal to what :meth:`read` makes of it; None where it is not plain."""
        return self._plain.read(record)

    @cached_property
    def _plain(self) -> PlainRecords:
        return PlainRecords(self.spec, self.learned)

    def takes(self, raw: Any) -> int:
        """2 for a table, a record or a file that has a column of training, and for events where they are read; else 0."""
        if self.spec.events is not None and not isinstance(raw, pd.DataFrame) and form_of(raw) is not None:
            return 2
        if isinstance(raw, (pd.DataFrame, Mapping)):
            # columns of a table, or names of a record
            return 2 * bool(set(map(str, raw)) & set(self.learned.columns))
        if isinstance(raw, Sequence) and not isinstance(raw, (str, bytes)):
            return max((self.takes(record) for record in raw if isinstance(record, Mapping)), default=0)
        if not isinstance(raw, (str, Path)) or not str(raw).lower().endswith(TABLE_ENDINGS):
            return 0
        try:
            # the names of columns are enough, and the file may be large
            first = next(table_parts(raw, 1), None)
            return self.takes(read_table(raw) if first is None else first.table)
        except MedanomalyError:
            return 0

    def _checked(self, raw: pd.DataFrame, source: str) -> tuple[pd.DataFrame, list[str]]:
        """The table with stripped names of columns, and what is said of columns that are not known."""
        raw = raw.rename(columns=lambda name: str(name).strip())
        known = list(self.learned.columns)
        given = [name for name in known if name in raw.columns]
        if not given:
            raise InputError(
                f"none of its columns is one of training: {list(raw.columns)[:20]}",
                remedy=f"The model knows {known[:40]}.",
                source=source,
            )
        others = self.spec.named_columns() | self.spec.not_features() | set(self._ruled())
        strange = [
            name for name in raw.columns if name not in known and name not in others and name != CASE_ID
        ]
        folded = {name.casefold(): name for name in known if name not in raw.columns}
        for name in strange:
            near = [folded[name.casefold()]] if name.casefold() in folded else []
            near = near or get_close_matches(name, list(folded.values()), 1, 0.8)
            if near:
                raise InputError(
                    f"the column '{name}' is not known, and '{near[0]}' is not given",
                    remedy=f"Rename it to '{near[0]}' if it is that, else leave it out.",
                    source=source,
                    column=name,
                )
        left_out = (
            [f"columns that training did not use were left out: {', '.join(strange)}"] if strange else []
        )
        return raw, left_out

    def _spec(self, table: pd.DataFrame) -> TableSpec:
        """The description, without the ids and labels that are not given."""
        absent = {
            name: None
            for name in ("case_id", "patient_id", "label", "kind", "age")
            if getattr(self.spec, name) is not None and getattr(self.spec, name) not in table.columns
        }
        return self.spec.model_copy(update=absent)

    def _described(self, spec: TableSpec) -> TableSpec:
        """The description with every column as training read it."""
        return spec.model_copy(
            update={
                "columns": {name: read.column for name, read in self.learned.columns.items()} | spec.columns
            }
        )

    def _ruled(self) -> list[str]:
        order = self.spec.rules.order.values()
        return [*self.spec.rules.variables, *(name for rule in order for name in (rule.lower, rule.upper))]

    def _completed(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with an empty column for each that training had and that is not given."""
        spec = self.spec
        needed = [*self.learned.columns, *spec.columns, *spec.subgroups.values(), *self._ruled()]
        absent = [name for name in dict.fromkeys(needed) if name not in table.columns]
        statistics = {f"{name}_{s}" for name in spec.rules.variables for s in spec.rules.statistics}
        # a rule on a variable of which there are only statistics has no column of its own
        absent = [
            name
            for name in absent
            if name in self.learned.columns
            or not any(s in table.columns for s in statistics if s.startswith(f"{name}_"))
        ]
        return table.assign(**dict.fromkeys(absent, np.nan)).astype(dict.fromkeys(absent, object))

    def _cases(
        self,
        clean,
        flags: pd.DataFrame,
        spec: TableSpec,
        n_earlier: int,
        numbers: np.ndarray,
        notes: list[str],
    ) -> ReadCases:
        features = record_features(
            clean.records,
            clean.cases,
            self.spec.model_copy(update={"patient_id": spec.patient_id}),
            self.bundle,
        )
        position = self._position(clean, n_earlier)
        rows = np.flatnonzero(position >= 0)
        cases = clean.cases.iloc[rows].reset_index(drop=True)
        features = features.iloc[rows].reset_index(drop=True)
        records = clean.records.iloc[rows].reset_index(drop=True)
        place = clean.quarantine["record"].astype("int64").to_numpy() - 1 - n_earlier
        quarantine = clean.quarantine[place >= 0]
        number = pd.Series(numbers[place[place >= 0]], index=quarantine.index).astype("string")
        ids = named_records(quarantine["case_id"], number)
        if spec.case_id is None:
            cases["case_id"] = pd.Series(numbers[position[rows]]).astype("string")
            features["case_id"] = cases["case_id"]
            ids = number
            own = pd.Series(numbers, index=np.arange(1, len(numbers) + 1).astype(str)).astype("string")
            flags = flags.assign(case_id=flags["case_id"].map(own)) if len(flags) else flags
        refused = refused_records(quarantine, ids)
        missing = _missing(cases["case_id"], records.drop(columns=CASE_ID))
        if self.spec.history is not None or self.spec.count_repeats:
            # a patient's first record looks the same in training
            alone = ~clean.cases["patient_id"].duplicated().to_numpy()[rows]
            missing = {
                case: (*names, HISTORY) if first else names
                for (case, names), first in zip(missing.items(), alone, strict=True)
            }
        units = feature_units(self.spec, clean.summary["columns"])
        outcome = f"{self.spec.label} other than {', '.join(map(str, self.spec.normal_labels))}"
        about = {"units": units, "outcome": outcome}
        notes = [*notes, *clean.summary["notes"]]
        return ReadCases(
            cases=cases,
            inputs={"features": ModelInput(cases, features, about, record_facts(cases, features))},
            findings=flags[list(FINDING_COLUMNS)] if len(flags) else no_rows(FINDING_COLUMNS),
            refused=refused,
            missing=missing,
            notes=tuple(dict.fromkeys(notes)),
            named=spec.patient_id is not None,
        )

    @staticmethod
    def _position(clean, n_earlier: int) -> np.ndarray:
        """(n,) place of each clean record among those that are scored; below 0 for an earlier one."""
        good = np.ones(clean.summary["n_records"], dtype=bool)
        good[clean.quarantine["record"].astype("int64").to_numpy() - 1] = False
        return np.flatnonzero(good) - n_earlier


def _with_events(read: ReadCases, events: EventTable) -> ReadCases:
    """Cases with what became of the events that they were made of."""
    refused = pd.concat([read.refused, events.refused], ignore_index=True)
    return replace(read, refused=refused, notes=(*read.notes, *events.notes), account=events.account)


def named_records(case_id: pd.Series, number: pd.Series) -> pd.Series:
    """(n,) what records are called: their id, or their number where they have none."""
    return case_id.mask(case_id.isna() | case_id.eq(""), "record " + number)


def refused_records(quarantine: pd.DataFrame, names: pd.Series) -> pd.DataFrame:
    """``REFUSED_COLUMNS`` of the faults of records, one row per record.

    Args:
        quarantine: one row per fault, with ``column`` and ``reason``.
        names: (n,) what the record of each fault is called.
    """
    if quarantine.empty:
        return no_rows(REFUSED_COLUMNS)
    reasons = (quarantine["column"] + ": " + quarantine["reason"]).groupby(names, sort=False).agg("; ".join)
    return pd.DataFrame(
        {"case_id": reasons.index.astype("string"), "reason": reasons.astype("string").to_numpy()}
    )


def _missing(case_ids: pd.Series, records: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Case -> names of the columns without a value; cases that lack the same share one tuple."""
    empty, names = records.isna().to_numpy(), records.columns.to_numpy()
    patterns, of = np.unique(np.packbits(empty, axis=1), axis=0, return_inverse=True)
    lacking = [tuple(names[row]) for row in np.unpackbits(patterns, axis=1, count=len(names)).astype(bool)]
    return dict(zip(case_ids.tolist(), (lacking[i] for i in of.ravel().tolist()), strict=True))


def as_table(raw: Any, options: Mapping[str, Any] | None = None) -> tuple[pd.DataFrame, str]:
    """Records in any of their forms as a table, and its name in messages."""
    if isinstance(raw, pd.DataFrame):
        return raw.reset_index(drop=True), "raw table"
    if isinstance(raw, Mapping):
        return pd.DataFrame([dict(raw)]), "record"
    if isinstance(raw, Sequence) and not isinstance(raw, (str, bytes)):
        return pd.DataFrame([dict(record) for record in raw]), "records"
    return read_table(raw, **(options or {})), str(raw)
