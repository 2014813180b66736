"""What turned out to be true of cases, and what people say of alarms."""

import json
from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from medanomaly.core.errors import InputError
from medanomaly.store import audit, rows
from medanomaly.store.predictions import StoredPredictions, parts_of
from medanomaly.store.schema import TEXT, ground_truth
from medanomaly.store.upsert import Upsert, execute_rows

# characters of an id of a prediction that tell it from others
SHORTEST_ID = 8
_TRUTHS = Upsert(ground_truth, update=("anomalous", "outcome", "known_at"), newer="known_at")


class Truths(StoredPredictions):
    """Ground truth of cases, and reviews of alarms, which are the ground truth of a person who looked."""

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
            for some in parts_of([case for _, case in wanted]):
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
            for some in parts_of(sorted({subject for subject, _ in wanted})):
                asked = sa.select(ground_truth).where(ground_truth.c.subject_key.in_(some))
                if known_by is not None:
                    asked = asked.where(ground_truth.c.known_at < known_by)
                for row in connection.execute(asked).mappings():
                    known[row["subject_key"], row["case_key"]] = bool(row["anomalous"])
        return [known.get(keys) for keys in wanted]
