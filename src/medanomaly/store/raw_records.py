"""Raw records of patients that are kept for their history, where the store was opened for that."""

import json
from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from medanomaly.core.errors import ConfigurationError
from medanomaly.store import audit, rows
from medanomaly.store.predictions import StoredPredictions, asked_in_parts, parts_of
from medanomaly.store.schema import raw_record
from medanomaly.store.upsert import Upsert, execute_rows

_RECORDS = Upsert(raw_record)


class RawRecords(StoredPredictions):
    """Raw records by patient. These are clinical values."""

    def keep_records(
        self, records: pd.DataFrame, *, patient_id: str, case_id: str | None = None, actor: str = ""
    ) -> int:
        """Store raw records for the history of their patients. These are clinical values.

        Args:
            records: raw records. Leave out every column that names somebody, besides the two ids.
            patient_id: column that says whose a record is. It is stored as a keyed hash.
            case_id: column of the id of the record, stored so as well; without one its content stands for it.
            actor: who asked, for the audit chain.

        Returns:
            Number of records that were not there before.

        Raises:
            ConfigurationError: the store was not opened with ``keep_clinical_values``.
        """
        self._check_values_kept()
        subjects = self._of(rows.SUBJECT, records[patient_id])
        content = _as_json(records.drop(columns=[patient_id, *([case_id] if case_id else [])]))
        cases = self._of(rows.CASE, records[case_id] if case_id else content)
        named = map("|".join, zip(subjects, cases, content, strict=True))
        ids = self._keys.hashes(rows.RECORD, named)
        with self._writing() as (connection, head):
            known = set(asked_in_parts(connection, raw_record.c.record_id, ids))
            when = audit.now()
            fresh = {
                record: {
                    "record_id": record, "subject_key": subject, "case_key": case, "content": text, "recorded_at": when
                }
                for record, subject, case, text in zip(ids, subjects, cases, content, strict=True)
                if record not in known
            }  # fmt: skip
            if fresh:
                execute_rows(connection, _RECORDS, list(fresh.values()))
                audit.append(connection, self._keys, head, audit.KEPT, n_rows=len(fresh), actor=actor)
        return len(fresh)

    def earlier_records(
        self,
        patients: Sequence[object] | pd.Series,
        *,
        patient_id: str,
        case_id: str | None = None,
        but_not: Sequence[object] | pd.Series = (),
    ) -> pd.DataFrame:
        """Kept raw records of patients, as ``TableRecipe.read`` takes them as ``history``.

        Args:
            patients: their ids.
            patient_id: column that the ids are written to.
            case_id: column that a name of each record is written to: a hash, since its id is not stored.
            but_not: ids of the records that are scored now, which may have been kept already.

        Returns:
            One row per record with its raw values; no row and no column besides the ids where nothing is kept.
        """
        self._check_values_kept()
        given = list(dict.fromkeys(rows.ids_as_text(patients)))
        owner = dict(zip(self._keys.hashes(rows.SUBJECT, given), given, strict=True))
        now = set(self._of(rows.CASE, but_not)) if len(but_not) else set()
        found = []
        with self.engine.begin() as connection:
            for some in parts_of(sorted(owner)):
                wanted = sa.select(raw_record).where(raw_record.c.subject_key.in_(some))
                found += connection.execute(wanted.order_by(raw_record.c.record_id)).mappings().all()
        # a record that was corrected is there twice; the later one holds
        last = {
            (row["subject_key"], row["case_key"]): row
            for row in sorted(found, key=lambda row: row["recorded_at"])
        }
        kept = [row for row in last.values() if row["case_key"] not in now]
        ids = {patient_id: [owner[row["subject_key"]] for row in kept]}
        if case_id is not None:
            ids[case_id] = [row["case_key"] for row in kept]
        values = pd.DataFrame([json.loads(row["content"]) for row in kept], dtype=object)
        return pd.concat([pd.DataFrame(ids, dtype=object), values], axis=1)

    def forget_records(self, subject: object, *, actor: str = "") -> int:
        """Delete the kept raw records of a patient; predictions, which hold no clinical value, stay."""
        with self._writing() as (connection, head):
            key = self._of(rows.SUBJECT, [subject])[0]
            gone = connection.execute(sa.delete(raw_record).where(raw_record.c.subject_key == key)).rowcount
            audit.append(connection, self._keys, head, "records_forgotten", n_rows=gone, actor=actor)
        return gone

    def _check_values_kept(self) -> None:
        if not self.keep_clinical_values:
            raise ConfigurationError(
                "the store keeps no clinical values",
                remedy="Open it with keep_clinical_values=True, where the law and the hospital allow that.",
            )


def _as_json(records: pd.DataFrame) -> list[str]:
    """Each record as JSON, without what is missing; moments as text."""
    names = [str(name) for name in records.columns]
    return [
        json.dumps(
            {
                name: value if isinstance(value, (str, int, float, bool)) else str(value)
                for name, value in zip(names, values, strict=True)
                if not pd.isna(value)
            },
            ensure_ascii=False,
        )
        for values in records.astype(object).itertuples(index=False, name=None)
    ]
