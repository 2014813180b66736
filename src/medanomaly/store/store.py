"""The store of predictions: what models said of which case, when, and what turned out to be true."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Self

import sqlalchemy as sa

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.store import audit, rows
from medanomaly.store.database import WRITES, head_revision, migrate, open_engine, revision_of
from medanomaly.store.keys import HASH_LENGTH, SUBJECT_KEY, Keys
from medanomaly.store.predictions import asked_in_parts
from medanomaly.store.raw_records import RawRecords
from medanomaly.store.schema import LONG_TEXT, TEXT, audit_head, batch, explanation, model_version, prediction
from medanomaly.store.truths import Truths
from medanomaly.store.upsert import Upsert, execute_rows

_MODELS, _BATCHES, _PREDICTIONS = Upsert(model_version), Upsert(batch), Upsert(prediction)
_EXPLANATIONS = Upsert(explanation)


class Store(Truths, RawRecords):
    """Predictions in a database. Threads and processes may share it.

    Open one with :meth:`open`. No id of a patient or of a case is stored, only its keyed hash, and no clinical value unless
    ``keep_clinical_values`` asks for it.
    """

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
        known = set(asked_in_parts(connection, explanation.c.prediction_id, sorted(ids)))
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
