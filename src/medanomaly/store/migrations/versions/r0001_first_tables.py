"""The first tables: models, batches, predictions, explanations, ground truth, raw records and the audit chain."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import oracle

revision = "0001"
down_revision = branch_labels = depends_on = None

KEY, HASH, TEXT, LONG_TEXT = 32, 64, 200, 2000

_FORBID = {
    "sqlite": [
        "CREATE TRIGGER audit_event_no_update BEFORE UPDATE ON audit_event "
        "BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END",
        "CREATE TRIGGER audit_event_no_delete BEFORE DELETE ON audit_event "
        "BEGIN SELECT RAISE(ABORT, 'audit events are never removed'); END",
    ],
    "postgresql": [
        "CREATE FUNCTION audit_event_is_final() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'audit events are never changed or removed'; END $$",
        "CREATE TRIGGER audit_event_no_change BEFORE UPDATE OR DELETE ON audit_event "
        "FOR EACH ROW EXECUTE FUNCTION audit_event_is_final()",
        "CREATE TRIGGER audit_event_no_truncate BEFORE TRUNCATE ON audit_event "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_event_is_final()",
    ],
    "oracle": [
        "CREATE OR REPLACE TRIGGER audit_event_no_change BEFORE UPDATE OR DELETE ON audit_event "
        "BEGIN RAISE_APPLICATION_ERROR(-20001, 'audit events are never changed or removed'); END;",
    ],
}


def _moment(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.TIMESTAMP(timezone=True), nullable=nullable)


def _number(name: str) -> sa.Column:
    return sa.Column(name, sa.Double().with_variant(oracle.BINARY_DOUBLE(), "oracle"))


def _text(name: str, length: int, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=nullable)


def _flag(name: str, table: str) -> tuple[sa.Column, sa.CheckConstraint]:
    return sa.Column(name, sa.SmallInteger), sa.CheckConstraint(
        f"{name} IN (0, 1)", name=f"ck_{table}_{name}"
    )


def upgrade() -> None:
    """Make the tables and what guards them."""
    op.create_table(
        "model_version",
        _text("model_hash", HASH),
        _text("modality", 50),
        _text("model_name", TEXT),
        _moment("first_used_at"),
        sa.PrimaryKeyConstraint("model_hash", name="pk_model_version"),
    )
    op.create_table(
        "batch",
        _text("batch_id", HASH),
        _moment("started_at"),
        sa.PrimaryKeyConstraint("batch_id", name="pk_batch"),
    )
    op.create_table(
        "prediction",
        _text("prediction_id", KEY),
        _text("model_hash", HASH),
        _text("subject_key", KEY),
        _text("case_key", KEY),
        _moment("case_time", nullable=True),
        _text("input_hash", KEY),
        _number("score"),
        _number("p_value"),
        _number("alpha"),
        *_flag("flagged", "prediction"),
        _number("probability"),
        _number("prob_low"),
        _number("prob_high"),
        _text("batch_id", HASH, nullable=True),
        sa.Column("event_seq", sa.BigInteger, nullable=False),
        _moment("recorded_at"),
        sa.PrimaryKeyConstraint("prediction_id", name="pk_prediction"),
        sa.ForeignKeyConstraint(["model_hash"], ["model_version.model_hash"], name="fk_prediction_model"),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.batch_id"], name="fk_prediction_batch"),
    )
    op.create_index("ix_prediction_subject", "prediction", ["subject_key", "case_key"])
    op.create_index("ix_prediction_batch", "prediction", ["batch_id"])
    op.create_index("ix_prediction_event", "prediction", ["event_seq"])
    op.create_table(
        "explanation",
        _text("prediction_id", KEY),
        sa.Column("place", sa.SmallInteger, nullable=False),
        _text("feature", TEXT),
        _text("unit", 50, nullable=True),
        _number("usual_low"),
        _number("usual_high"),
        _number("contribution"),
        *_flag("exact", "explanation"),
        _text("shown_value", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("prediction_id", "place", name="pk_explanation"),
        sa.ForeignKeyConstraint(
            ["prediction_id"], ["prediction.prediction_id"], name="fk_explanation_prediction"
        ),
    )
    op.create_table(
        "ground_truth",
        _text("subject_key", KEY),
        _text("case_key", KEY),
        *_flag("anomalous", "truth"),
        _text("outcome", TEXT, nullable=True),
        _moment("known_at"),
        sa.PrimaryKeyConstraint("subject_key", "case_key", name="pk_ground_truth"),
    )
    op.create_table(
        "raw_record",
        _text("record_id", KEY),
        _text("subject_key", KEY),
        _text("case_key", KEY),
        sa.Column("content", sa.Text, nullable=False),
        _moment("recorded_at"),
        sa.PrimaryKeyConstraint("record_id", name="pk_raw_record"),
    )
    op.create_index("ix_raw_record_subject", "raw_record", ["subject_key"])
    op.create_table(
        "audit_event",
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        _moment("happened_at"),
        _text("actor", TEXT, nullable=True),
        _text("action", 50),
        sa.Column("n_rows", sa.BigInteger, nullable=False),
        _text("detail", LONG_TEXT, nullable=True),
        _text("content_hash", HASH, nullable=True),
        _text("prev_hash", HASH),
        _text("row_hash", HASH),
        sa.PrimaryKeyConstraint("seq", name="pk_audit_event"),
        sa.UniqueConstraint("prev_hash", name="uq_audit_event_prev"),
    )
    head = op.create_table(
        "audit_head",
        sa.Column("head_id", sa.SmallInteger, nullable=False, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        _text("row_hash", HASH),
        _text("key_mark", KEY, nullable=True),
        sa.PrimaryKeyConstraint("head_id", name="pk_audit_head"),
    )
    op.bulk_insert(head, [{"head_id": 1, "seq": 0, "row_hash": "0" * HASH, "key_mark": None}])
    for statement in _FORBID[op.get_context().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    """Remove all of it."""
    # triggers go with their table
    for name in (
        "audit_head", "audit_event", "raw_record", "ground_truth", "explanation", "prediction", "batch", "model_version"
    ):  # fmt: skip
        op.drop_table(name)
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_event_is_final()")
