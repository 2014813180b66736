"""What all parts of the store share: its database, its key, transactions that write, and what is read of predictions."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from medanomaly.store import audit, rows
from medanomaly.store.database import WRITES
from medanomaly.store.keys import Keys
from medanomaly.store.schema import explanation, ground_truth, model_version, prediction

# ids per question; Oracle takes 1,000
_AT_ONCE = 500
PREDICTION_COLUMNS = (
    "prediction_id", "modality", "model_name", "model_hash", "subject_key", "case_key", "case_time", "score", "p_value",
    "alpha", "flagged", "probability", "prob_low", "prob_high", "batch_id", "recorded_at", "anomalous", "outcome",
    "known_at",
)  # fmt: skip


class StoredPredictions:
    """Predictions of a database, as they are read."""

    def __init__(self, engine: sa.Engine, keys: Keys, keep_clinical_values: bool = False):
        self.engine, self.keep_clinical_values = engine, keep_clinical_values
        self._keys = keys

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
            for some in parts_of(list(prediction_ids))
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names)

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


def parts_of(ids: list[str]) -> Iterator[list[str]]:
    """The ids in parts, each of them few enough for one question."""
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]


def asked_in_parts(connection: sa.Connection, column: sa.Column, ids: list[str]) -> Iterator[str]:
    """Those of the ids that are in the column."""
    for some in parts_of(ids):
        yield from connection.scalars(sa.select(column).where(column.in_(some)))
