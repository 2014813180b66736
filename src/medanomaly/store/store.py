"""The store of predictions: what models said of which case, when, and what turned out to be true."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Self

import pandas as pd
import sqlalchemy as sa

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.store import audit, rows
from medanomaly.store.database import WRITES, head_revision, migrate, open_engine, revision_of
from medanomaly.store.keys import HASH_LENGTH, SUBJECT_KEY, Keys
from medanomaly.store.schema import (
    LONG_TEXT,
    TEXT,
    audit_head,
    batch,
    explanation,
    ground_truth,
    model_version,
    prediction,
    raw_record,
)
from medanomaly.store.upsert import Upsert, execute_rows

# characters of an id of a prediction that tell it from others
SHORTEST_ID = 8
# ids per question; Oracle takes 1,000
_AT_ONCE = 500
PREDICTION_COLUMNS = (
    "prediction_id", "modality", "model_name", "model_hash", "subject_key", "case_key", "case_time", "score", "p_value",
    "alpha", "flagged", "probability", "prob_low", "prob_high", "batch_id", "recorded_at", "anomalous", "outcome",
    "known_at",
)  # fmt: skip


class Store:
    """Predictions in a database. Threads and processes may share it.

    Open one with :meth:`open`. No id of a patient or of a case is stored, only its keyed hash, and no clinical value unless
    ``keep_clinical_values`` asks for it.
    """

    def __init__(self, engine: sa.Engine, keys: Keys, keep_clinical_values: bool = False):
        self.engine, self.keep_clinical_values = engine, keep_clinical_values
        self._keys = keys

    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        key: bytes | None = None,
        keep_clinical_values: bool = False,
        make_tables: bool = True,
    ) -> Self:
        """The store at a URL.

        Args:
            url: ``sqlite:///file.db`` or a path; ``postgresql://user:password@host/name``;
                ``oracle://user:password@host/?service_name=name``.
            key: secret that ids are hashed with; None takes that of the project (``MEDANOMALY_SUBJECT_KEY``, else
                ``conf/local/subject.key``).
            keep_clinical_values: allow raw records (:meth:`keep_records`) and values in explanations to be stored.
            make_tables: make the tables, or bring them to the newest revision. False, where the account may not do so,
                only checks them.

        Raises:
            ConfigurationError: the URL, its driver, the tables or the key do not fit.
        """
        engine = open_engine(url)
        try:
            if make_tables:
                migrate(engine)
            else:
                _check_tables(engine)
            keys = Keys(SUBJECT_KEY.read() if key is None else key)
            _check_key(engine, keys)
        except sa.exc.DBAPIError as error:
            engine.dispose()
            # the message of a driver may hold the address and the password
            raise ConfigurationError(
                f"the database cannot be used: {type(error.orig).__name__}",
                source=engine.url.render_as_string(hide_password=True),
                remedy="Check the URL, that the server runs, and the rights of the account.",
            ) from error
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, keys, keep_clinical_values)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record(
        self,
        answers: rows.Scored,
        *,
        batch: str | None = None,
        times: Mapping[str, datetime] | None = None,
        actor: str = "",
        case_prefix: str = "",
        subject_prefix: str = "",
    ) -> int:
        """Store answers, all or none of them. When this returns, they are on the disk.

        A prediction that is there already stays as it is, so that the same answers can be given again.

        Args:
            answers: of :meth:`medanomaly.scoring.models.Models.score`.
            batch: name of the batch they belong to, at most 64 characters that name nobody.
            times: case_id -> when the case was observed, with a time zone.
            actor: who asked, for the audit chain.
            case_prefix, subject_prefix: put before ids of cases and of patients that only mean something in this call, such
                as 1 or ``recording``; else they would be one patient for all callers.

        Returns:
            Number of predictions that were not there before.
        """
        if batch is not None and not 0 < len(batch) <= HASH_LENGTH:
            raise InputError(
                f"the name of a batch has {len(batch)} characters", remedy=f"Give 1 to {HASH_LENGTH}."
            )
        columns = rows.prediction_rows(answers, self._keys, times, case_prefix, subject_prefix)
        ids = columns["prediction_id"]
        scored = answers.scores
        named = zip(scored["case_id"], scored["modality"] + "." + scored["model"], strict=True)
        reasons = rows.explanation_rows(
            answers, dict(zip(named, ids, strict=True)), self.keep_clinical_values
        )
        with self._writing() as (connection, head):
            when, event = audit.now(), head[0] + 1
            if batch is not None:
                execute_rows(connection, _BATCHES, [{"batch_id": batch, "started_at": when}])
            execute_rows(connection, _MODELS, rows.model_rows(answers, when))
            common = {"batch_id": batch, "event_seq": event, "recorded_at": when}
            made = [
                dict(zip(columns, values, strict=True)) | common
                for values in zip(*columns.values(), strict=True)
            ]
            execute_rows(connection, _PREDICTIONS, made)
            wanted = sa.select(prediction.c.prediction_id).where(prediction.c.event_seq == event)
            new = set(connection.scalars(wanted))
            if new:
                fresh = {row["prediction_id"]: row for row in made if row["prediction_id"] in new}
                sealed = [[row[name] for name in audit.SEALED] for row in fresh.values()]
                audit.append(
                    connection,
                    self._keys,
                    head,
                    audit.RECORDED,
                    n_rows=len(new),
                    actor=actor,
                    detail=batch or "",
                    content_hash=audit.content_of(self._keys, sealed),
                )
            self._explain(connection, reasons, actor)
        return len(new)

    def _explain(self, connection: sa.Connection, reasons: list[dict], actor: str) -> None:
        ids = {row["prediction_id"] for row in reasons}
        known = set(_asked_in_parts(connection, explanation.c.prediction_id, sorted(ids)))
        fresh = [row for row in reasons if row["prediction_id"] not in known]
        if not fresh:
            return
        execute_rows(connection, _EXPLANATIONS, fresh)
        audit.append(
            connection,
            self._keys,
            audit.lock_head(connection),
            audit.EXPLAINED,
            n_rows=len(fresh),
            actor=actor,
        )

    def add_ground_truth(
        self,
        subject: object,
        case: object,
        anomalous: bool,
        *,
        outcome: str = "",
        known_at: datetime | None = None,
        actor: str = "",
    ) -> bool:
        """Note what turned out to be true of a case, long after it was scored or before.

        Args:
            subject: id of the patient.
            case: id of the case.
            anomalous: whether it was one.
            outcome: what it was, in the words of the data set; at most 200 characters that name nobody.
            known_at: when this became known; None: now. What is known already stays where it is newer.
            actor: who says so, for the audit chain.

        Returns:
            Whether anything changed.
        """
        return bool(
            self.add_ground_truths([subject], [case], [anomalous], [outcome], known_at=known_at, actor=actor)
        )

    def add_ground_truths(
        self,
        subjects: Sequence[object] | pd.Series,
        cases: Sequence[object] | pd.Series,
        anomalous: Sequence[bool],
        outcomes: Sequence[str] | None = None,
        *,
        known_at: datetime | None = None,
        actor: str = "",
    ) -> int:
        """Note what turned out to be true of many cases, all or none of them; see :meth:`add_ground_truth`.

        Args:
            subjects, cases: ids of n patients and of their cases.
            anomalous: whether each was one.
            outcomes: what each was; None: nothing more is known.
            known_at: when this became known; None: now.
            actor: who says so, for the audit chain.

        Returns:
            Number of cases of which anything changed.
        """
        when = audit.now() if known_at is None else known_at
        said = [""] * len(anomalous) if outcomes is None else outcomes
        given = zip(
            self._of(rows.SUBJECT, subjects), self._of(rows.CASE, cases), anomalous, said, strict=True
        )
        wanted = {
            (subject, case): {
                "subject_key": subject, "case_key": case, "anomalous": bool(truth), "outcome": outcome[:TEXT] or None,
                "known_at": when,
            }
            for subject, case, truth, outcome in given
        }  # fmt: skip
        return self._add_truths(wanted, when, actor)

    def review(
        self, prediction_id: str, anomalous: bool, *, outcome: str = "", actor: str = ""
    ) -> dict[str, object]:
        """Confirm or dismiss what was said of a case: its ground truth, from a person who looked.

        Args:
            prediction_id: of a prediction, or its first characters, :data:`SHORTEST_ID` or more.
            anomalous: whether the case is one.
            outcome, actor: as of :meth:`add_ground_truth`.

        Returns:
            The prediction, a row of :meth:`predictions`.

        Raises:
            InputError: no prediction or several begin so.
        """
        if len(prediction_id) < SHORTEST_ID or not prediction_id.isalnum():
            raise InputError(
                f"'{prediction_id}' is no id of a prediction",
                remedy=f"Give its first {SHORTEST_ID} characters or more, as the list of reviews shows them.",
            )
        found = self.predictions(id_begins=prediction_id, limit=2)
        if len(found) != 1:
            problem = "no prediction begins" if found.empty else "several predictions begin"
            raise InputError(
                f"{problem} with '{prediction_id}'", remedy="Copy more of it from the list of reviews."
            )
        row = found.iloc[0].to_dict()
        when = audit.now()
        keys = row["subject_key"], row["case_key"]
        truth = {
            "subject_key": keys[0], "case_key": keys[1], "anomalous": bool(anomalous), "outcome": outcome[:TEXT] or None,
            "known_at": when,
        }  # fmt: skip
        self._add_truths({keys: truth}, when, actor)
        return row

    def _add_truths(
        self, wanted: dict[tuple[str, str], dict[str, object]], when: datetime, actor: str
    ) -> int:
        """Note rows of ground truth by the keys of patient and case, all or none; returns how many changed anything."""
        with self._writing() as (connection, head):
            for some in _parts([case for _, case in wanted]):
                asked = sa.select(ground_truth).where(ground_truth.c.case_key.in_(some))
                for before in connection.execute(asked).mappings():
                    row = wanted.get((before["subject_key"], before["case_key"]))
                    same = row is not None and all(
                        before[key] == row[key] for key in ("anomalous", "outcome")
                    )
                    if row is not None and (same or before["known_at"] > when):
                        del wanted[before["subject_key"], before["case_key"]]
            changed = list(wanted.values())
            if changed:
                execute_rows(connection, _TRUTHS, changed)
                first = {name: changed[0][name] for name in ("case_key", "anomalous")}
                detail = json.dumps(first) if len(changed) == 1 else ""
                n = len(changed)
                audit.append(connection, self._keys, head, audit.TRUTH, n_rows=n, actor=actor, detail=detail)
        return len(changed)

    def ground_truths(
        self,
        subjects: Sequence[object] | pd.Series,
        cases: Sequence[object] | pd.Series,
        known_by: datetime | None = None,
    ) -> list[bool | None]:
        """What is known of cases: whether each is an anomaly; None where nobody has said.

        Args:
            subjects, cases: ids of the patient and of the case, one per case.
            known_by: only what became known before; None: everything.
        """
        wanted = list(zip(self._of(rows.SUBJECT, subjects), self._of(rows.CASE, cases), strict=True))
        known = {}
        with self.engine.begin() as connection:
            for some in _parts(sorted({subject for subject, _ in wanted})):
                asked = sa.select(ground_truth).where(ground_truth.c.subject_key.in_(some))
                if known_by is not None:
                    asked = asked.where(ground_truth.c.known_at < known_by)
                for row in connection.execute(asked).mappings():
                    known[row["subject_key"], row["case_key"]] = bool(row["anomalous"])
        return [known.get(keys) for keys in wanted]

    def predictions(
        self,
        *,
        subject: object = None,
        case: object = None,
        batch: str | None = None,
        model: str | None = None,
        since: datetime | None = None,
        flagged: bool | None = None,
        reviewed: bool | None = None,
        id_begins: str = "",
        until: datetime | None = None,
        observed: bool = False,
        known_by: datetime | None = None,
        limit: int | None = None,
    ) -> pd.DataFrame:
        """Predictions with their ground truth, where it is known, the oldest first.

        Args:
            subject, case: ids of a patient and of a case.
            batch: name of a batch.
            model: name of a model, or its hash.
            since: only what was recorded from then on.
            flagged: only alarms, or only what is none.
            reviewed: only cases of which the truth is known, or only the others.
            id_begins: only predictions whose ids begin so.
            until: only what was recorded before.
            observed: ``since`` and ``until`` say when cases were observed, not when their predictions were recorded; a case
                without a time is then in no period.
            known_by: only ground truth that became known before; None: all.
            limit: at most so many rows, the oldest.

        Returns:
            ``PREDICTION_COLUMNS``; moments are in UTC.
        """
        joined = prediction.join(model_version).outerjoin(
            ground_truth,
            sa.and_(
                prediction.c.subject_key == ground_truth.c.subject_key,
                prediction.c.case_key == ground_truth.c.case_key,
                *(() if known_by is None else (ground_truth.c.known_at < known_by,)),
            ),
        )
        when = prediction.c.case_time if observed else prediction.c.recorded_at
        source = {
            column.name: column for table in (ground_truth, model_version, prediction) for column in table.c
        }
        wanted = sa.select(*(source[name] for name in PREDICTION_COLUMNS)).select_from(joined)
        if subject is not None:
            wanted = wanted.where(prediction.c.subject_key == self._of(rows.SUBJECT, [subject])[0])
        if case is not None:
            wanted = wanted.where(prediction.c.case_key == self._of(rows.CASE, [case])[0])
        if batch is not None:
            wanted = wanted.where(prediction.c.batch_id == batch)
        if model is not None:
            wanted = wanted.where(
                sa.or_(model_version.c.model_name == model, model_version.c.model_hash == model)
            )
        if since is not None:
            wanted = wanted.where(when >= since)
        if flagged is not None:
            wanted = wanted.where(prediction.c.flagged == flagged)
        if reviewed is not None:
            known = ground_truth.c.anomalous
            wanted = wanted.where(known.is_not(None) if reviewed else known.is_(None))
        if id_begins:
            wanted = wanted.where(prediction.c.prediction_id.startswith(id_begins, autoescape=True))
        if until is not None:
            wanted = wanted.where(when < until)
        wanted = wanted.order_by(prediction.c.recorded_at, prediction.c.event_seq, prediction.c.prediction_id)
        if limit is not None:
            wanted = wanted.limit(limit)
        return self._table(wanted, PREDICTION_COLUMNS)

    def case_keys(self, cases: Sequence[object] | pd.Series) -> list[str]:
        """The keys under which cases stand in ``case_key``, by their ids."""
        return self._of(rows.CASE, cases)

    def history(self, subject: object) -> pd.DataFrame:
        """All predictions of a patient, as :meth:`predictions`, in the order of what happened where cases have times."""
        found = self.predictions(subject=subject)
        order = found["case_time"].fillna(found["recorded_at"])
        return found.loc[order.sort_values(kind="stable").index].reset_index(drop=True)

    def explanations(self, prediction_ids: Sequence[str]) -> pd.DataFrame:
        """Stored reasons of predictions: the columns of the table ``explanation``, the largest contribution first."""
        names = [column.name for column in explanation.c]
        parts = [
            self._table(
                sa.select(explanation)
                .where(explanation.c.prediction_id.in_(some))
                .order_by(explanation.c.prediction_id, explanation.c.place),
                names,
            )
            for some in _parts(list(prediction_ids))
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names)

    def add_event(self, action: str, *, detail: str = "", n_rows: int = 0, actor: str = "") -> int:
        """Add an event of the caller's own to the chain, such as an answer that was shown to somebody.

        Args:
            action: one word or a few, at most 50 characters.
            detail: what happened, at most 2,000 characters that name nobody.
            n_rows: how many rows it concerned.
            actor: who did it.

        Returns:
            Number of the event.
        """
        if len(action) > 50 or len(detail) > LONG_TEXT or len(actor) > TEXT:
            raise InputError(
                "the text of an audit event is too long", remedy="Give 50, 2,000 and 200 characters."
            )
        with self._writing() as (connection, head):
            return audit.append(
                connection, self._keys, head, action, n_rows=n_rows, actor=actor, detail=detail
            )[0]

    def verify(self) -> audit.Verdict:
        """Check every event of the audit chain and the predictions that it seals; the first broken link is named."""
        with self.engine.begin() as connection:
            return audit.verify(connection, self._keys)

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
            known = set(_asked_in_parts(connection, raw_record.c.record_id, ids))
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
            for some in _parts(sorted(owner)):
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

    def _of(self, domain: str, ids: Sequence[object] | pd.Series) -> list[str]:
        return self._keys.hashes(domain, rows.ids_as_text(ids))

    def _table(self, wanted: sa.Select, names: Sequence[str]) -> pd.DataFrame:
        with self.engine.begin() as connection:
            return pd.DataFrame(connection.execute(wanted).all(), columns=list(names))

    @contextmanager
    def _writing(self) -> Iterator[tuple[sa.Connection, tuple[int, str]]]:
        """A transaction that writes, and the end of the audit chain, which no one else moves meanwhile."""
        with self.engine.execution_options(**{WRITES: True}).begin() as connection:
            yield connection, audit.lock_head(connection)


_MODELS, _BATCHES, _PREDICTIONS = Upsert(model_version), Upsert(batch), Upsert(prediction)
_EXPLANATIONS, _RECORDS = Upsert(explanation), Upsert(raw_record)
_TRUTHS = Upsert(ground_truth, update=("anomalous", "outcome", "known_at"), newer="known_at")


def _check_tables(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        now = revision_of(connection)
    if now != head_revision():
        raise ConfigurationError(
            "the store has no tables yet"
            if now is None
            else f"the tables of the store are of revision {now}",
            remedy=f"Let an account that may do so bring them to revision {head_revision()}: Store.open(url).",
        )


def _check_key(engine: sa.Engine, keys: Keys) -> None:
    """Refuse a key other than that of the first opening: the patients of the store would all be strangers."""
    mark = keys.hash("mark", "medanomaly")
    with engine.begin() as connection:
        known = connection.scalar(sa.select(audit_head.c.key_mark))
    if known is None:
        with engine.execution_options(**{WRITES: True}).begin() as connection:
            audit.lock_head(connection)
            connection.execute(
                sa.update(audit_head).where(audit_head.c.key_mark.is_(None)).values(key_mark=mark)
            )
            known = connection.scalar(sa.select(audit_head.c.key_mark))
    if known != mark:
        raise ConfigurationError(
            "the store was made with another key",
            remedy=f"Give that key: {SUBJECT_KEY.variable}, or {SUBJECT_KEY.file}.",
        )


def _parts(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]


def _asked_in_parts(connection: sa.Connection, column: sa.Column, ids: list[str]) -> Iterator[str]:
    """Those of the ids that are in the column."""
    for some in _parts(ids):
        yield from connection.scalars(sa.select(column).where(column.in_(some)))


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
