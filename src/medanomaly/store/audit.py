"""The chain of audit events: each seals the one before it, so that none can be changed, removed or put in between."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from medanomaly.store.keys import HASH_LENGTH, Keys
from medanomaly.store.schema import audit_event, audit_head, prediction

START = "0" * HASH_LENGTH
RECORDED, EXPLAINED, TRUTH, KEPT = (
    "predictions_recorded", "explanations_recorded", "ground_truth_added", "records_kept",
)  # fmt: skip
# what a prediction says; the event that recorded it seals these
SEALED = (
    "prediction_id", "model_hash", "subject_key", "case_key", "case_time", "input_hash", "score", "p_value", "alpha",
    "flagged", "probability", "prob_low", "prob_high",
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """Whether the chain is whole.

    Attributes:
        whole: nothing was found.
        n_events: events that were read.
        head: seal of the last event. Who notes it elsewhere sees later whether the end of the chain was cut off.
        broken_at: number of the first event that does not fit; None where all do.
        reason: one sentence; empty where all is well.
    """

    whole: bool
    n_events: int
    head: str
    broken_at: int | None = None
    reason: str = ""


def lock_head(connection: sa.Connection) -> tuple[int, str]:
    """Number and seal of the last event; other writers wait until this transaction ends."""
    found = connection.execute(sa.select(audit_head.c.seq, audit_head.c.row_hash).with_for_update()).one()
    return int(found.seq), found.row_hash


def append(
    connection: sa.Connection,
    keys: Keys,
    head: tuple[int, str],
    action: str,
    *,
    n_rows: int = 0,
    actor: str = "",
    detail: str = "",
    content_hash: str = "",
) -> tuple[int, str]:
    """Add an event after ``head``, which is locked, and return the new head."""
    event = {
        "seq": head[0] + 1,
        "happened_at": now(),
        # an empty text is NULL on Oracle, so it is on all
        "actor": actor or None,
        "action": action,
        "n_rows": n_rows,
        "detail": detail or None,
        "content_hash": content_hash or None,
        "prev_hash": head[1],
    }
    event["row_hash"] = _seal(keys, event)
    connection.execute(sa.insert(audit_event), event)
    renewed = {"seq": event["seq"], "row_hash": event["row_hash"]}
    connection.execute(sa.update(audit_head).values(renewed))
    return event["seq"], event["row_hash"]


def now() -> datetime:
    """This moment in UTC, to the microsecond, which every database keeps."""
    return datetime.now(UTC)


def content_of(keys: Keys, rows: Iterable[Sequence[Any]]) -> str:
    """One seal of rows of ``SEALED``, in whatever order they come."""
    lines = sorted(keys.hashes("row", map(_text, rows)))
    return keys.seal("\n".join(lines))


def verify(connection: sa.Connection, keys: Keys) -> Verdict:
    """Read the whole chain, and the predictions that it seals."""
    seq, seal, contents = 0, START, {}
    for event in connection.execute(sa.select(audit_event).order_by(audit_event.c.seq)).mappings():
        seq += 1
        wrong = ""
        if event["seq"] != seq:
            wrong = f"event {seq} is missing"
        elif event["prev_hash"] != seal:
            wrong = f"event {seq} does not follow the event before it"
        elif event["row_hash"] != _seal(keys, event):
            wrong = f"event {seq} was changed, or was made with another key"
        if wrong:
            return Verdict(False, seq, seal, seq, wrong)
        seal = event["row_hash"]
        if event["action"] == RECORDED:
            contents[seq] = event["content_hash"]
    head = connection.execute(sa.select(audit_head.c.seq, audit_head.c.row_hash)).one()
    if (int(head.seq), head.row_hash) != (seq, seal):
        return Verdict(
            False, seq, seal, seq + 1, f"event {seq + 1} is missing: the end of the chain was cut off"
        )
    for event, rows in _recorded(connection):
        if contents.pop(event, None) != content_of(keys, rows):
            return Verdict(
                False, seq, seal, event, f"predictions of event {event} were changed, added or removed"
            )
    if contents:
        first = min(contents)
        return Verdict(False, seq, seal, first, f"the predictions of event {first} are gone")
    return Verdict(True, seq, seal)


def _recorded(connection: sa.Connection) -> Iterator[tuple[int, Iterator[Sequence[Any]]]]:
    columns = [prediction.c[name] for name in SEALED]
    wanted = sa.select(prediction.c.event_seq, *columns).order_by(prediction.c.event_seq)
    rows = connection.execution_options(yield_per=10_000).execute(wanted)
    for event, group in groupby(rows, key=lambda row: row[0]):
        yield event, (row[1:] for row in group)


def _text(values: Sequence[Any]) -> str:
    return json.dumps([_plain(value) for value in values], separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value


def _seal(keys: Keys, event: Any) -> str:
    names = ("seq", "happened_at", "actor", "action", "n_rows", "detail", "content_hash", "prev_hash")
    return keys.seal(_text([event[name] for name in names]))
