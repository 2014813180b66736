"""Tables of the store, in types that mean the same on SQLite, PostgreSQL and Oracle.

Oracle decides much of it: it has no type for true and false before 23ai, ``DateTime`` would become ``DATE`` without fraction
and zone, text needs a length, an empty text is NULL, and names may have 30 characters.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects import oracle

from medanomaly.store.keys import HASH_LENGTH, KEY_LENGTH

TEXT, LONG_TEXT = 200, 2000


class Moment(sa.types.TypeDecorator):
    """A moment with its zone, in UTC; SQLite, which knows no zones, keeps it without one."""

    impl = sa.TIMESTAMP(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """To UTC; a moment without a zone could mean any, and is an error of the caller."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        value = value.astimezone(UTC)
        # the session of Oracle is set to UTC, and its driver does not send zones
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """From UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Flag(sa.types.TypeDecorator):
    """True or false as 1 or 0."""

    impl = sa.SmallInteger
    cache_ok = True

    def process_bind_param(self, value: bool | None, dialect: sa.Dialect) -> int | None:
        """To 1 or 0."""
        return None if value is None else int(value)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> bool | None:
        """From 1 or 0."""
        return None if value is None else bool(value)


def number() -> sa.types.TypeEngine:
    """Eight bytes, which keep every float64 as it is."""
    return sa.Double().with_variant(oracle.BINARY_DOUBLE(), "oracle")


def _flag(name: str, table: str) -> tuple[sa.Column, sa.CheckConstraint]:
    return sa.Column(name, Flag), sa.CheckConstraint(f"{name} IN (0, 1)", name=f"ck_{table}_{name}")


metadata = sa.MetaData()

model_version = sa.Table(
    "model_version",
    metadata,
    sa.Column("model_hash", sa.String(HASH_LENGTH), nullable=False),
    sa.Column("modality", sa.String(50), nullable=False),
    sa.Column("model_name", sa.String(TEXT), nullable=False),
    sa.Column("first_used_at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("model_hash", name="pk_model_version"),
)

batch = sa.Table(
    "batch",
    metadata,
    sa.Column("batch_id", sa.String(HASH_LENGTH), nullable=False),
    sa.Column("started_at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("batch_id", name="pk_batch"),
)

prediction = sa.Table(
    "prediction",
    metadata,
    sa.Column("prediction_id", sa.String(KEY_LENGTH), nullable=False),
    sa.Column("model_hash", sa.String(HASH_LENGTH), nullable=False),
    sa.Column("subject_key", sa.String(KEY_LENGTH), nullable=False),
    sa.Column("case_key", sa.String(KEY_LENGTH), nullable=False),
    sa.Column("case_time", Moment),
    sa.Column("input_hash", sa.String(KEY_LENGTH), nullable=False),
    sa.Column("score", number()),
    sa.Column("p_value", number()),
    sa.Column("alpha", number()),
    *_flag("flagged", "prediction"),
    sa.Column("probability", number()),
    sa.Column("prob_low", number()),
    sa.Column("prob_high", number()),
    sa.Column("batch_id", sa.String(HASH_LENGTH)),
    sa.Column("event_seq", sa.BigInteger, nullable=False),
    sa.Column("recorded_at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("prediction_id", name="pk_prediction"),
    sa.ForeignKeyConstraint(["model_hash"], ["model_version.model_hash"], name="fk_prediction_model"),
    sa.ForeignKeyConstraint(["batch_id"], ["batch.batch_id"], name="fk_prediction_batch"),
)
sa.Index("ix_prediction_subject", prediction.c.subject_key, prediction.c.case_key)
sa.Index("ix_prediction_batch", prediction.c.batch_id)
sa.Index("ix_prediction_event", prediction.c.event_seq)

explanation = sa.Table(
    "explanation",
    metadata,
    sa.Column("prediction_id", sa.String(KEY_LENGTH), nullable=False),
    sa.Column("place", sa.SmallInteger, nullable=False),
    sa.Column("feature", sa.String(TEXT), nullable=False),
    sa.Column("unit", sa.String(50)),
    sa.Column("usual_low", number()),
    sa.Column("usual_high", number()),
    sa.Column("contribution", number()),
    *_flag("exact", "explanation"),
    # only where clinical values are kept
    sa.Column("shown_value", sa.String(TEXT)),
    sa.PrimaryKeyConstraint("prediction_id", "place", name="pk_explanation"),
    sa.ForeignKeyConstraint(
        ["prediction_id"], ["prediction.prediction_id"], name="fk_explanation_prediction"
    ),
)

ground_truth = sa.Table(
    "ground_truth",
    metadata,
    sa.Column("subject_key", sa.String(KEY_LENGTH), nullable=False),
    sa.Column("case_key", sa.String(KEY_LENGTH), nullable=False),
    *_flag("anomalous", "truth"),
    sa.Column("outcome", sa.String(TEXT)),
    sa.Column("known_at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("subject_key", "case_key", name="pk_ground_truth"),
)

# empty unless clinical values are kept
raw_record = sa.Table(
    "raw_record",
    metadata,
    sa.Column("record_id", sa.String(KEY_LENGTH), nullable=False),
    sa.Column("subject_key", sa.String(KEY_LENGTH), nullable=False),
    sa.Column("case_key", sa.String(KEY_LENGTH), nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("recorded_at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("record_id", name="pk_raw_record"),
)
sa.Index("ix_raw_record_subject", raw_record.c.subject_key)

audit_event = sa.Table(
    "audit_event",
    metadata,
    sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
    sa.Column("happened_at", Moment, nullable=False),
    sa.Column("actor", sa.String(TEXT)),
    sa.Column("action", sa.String(50), nullable=False),
    sa.Column("n_rows", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.String(LONG_TEXT)),
    sa.Column("content_hash", sa.String(HASH_LENGTH)),
    sa.Column("prev_hash", sa.String(HASH_LENGTH), nullable=False),
    sa.Column("row_hash", sa.String(HASH_LENGTH), nullable=False),
    sa.PrimaryKeyConstraint("seq", name="pk_audit_event"),
    sa.UniqueConstraint("prev_hash", name="uq_audit_event_prev"),
)

# one row: the end of the chain, which every writer locks, and a mark that tells whether a key is that of the store
audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("head_id", sa.SmallInteger, nullable=False, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("row_hash", sa.String(HASH_LENGTH), nullable=False),
    sa.Column("key_mark", sa.String(KEY_LENGTH)),
    sa.PrimaryKeyConstraint("head_id", name="pk_audit_head"),
)
