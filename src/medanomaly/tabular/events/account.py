"""What became of every event that was read: used, not asked for, or in quarantine with the reason."""

from collections import Counter

import pandas as pd

USED, NOT_ASKED, QUARANTINED = "used", "not asked for", "quarantined"
ACCOUNT_COLUMNS = ("source", "outcome", "reason", "code", "unit", "n")
# reasons that one sentence names
_NAMED = 6


class Account:
    """Counts of events. Each event that was read stands in exactly one row, so the rows add up to what was read."""

    def __init__(self) -> None:
        self._read: Counter[str] = Counter()
        self._rows: Counter[tuple[str, str, str, str, str]] = Counter()

    @classmethod
    def of(cls, *tables: pd.DataFrame) -> "Account":
        """The account of a source whose parts have these, each as :attr:`table` has it."""
        out = cls()
        for table in tables:
            for source, outcome, reason, code, unit, n in table[list(ACCOUNT_COLUMNS)].itertuples(
                index=False
            ):
                out.read(source, n)
                out.add(source, outcome, reason, code, unit, n)
        return out

    def read(self, source: str, n: int = 1) -> None:
        """Say that so many events of a table or of a kind of resource were read."""
        self._read[source] += n

    def add(
        self, source: str, outcome: str, reason: str = "", code: str = "", unit: str = "", n: int = 1
    ) -> None:
        """Say what became of so many events."""
        if n:
            self._rows[source, outcome, reason, code, unit] += int(n)

    def add_each(self, events: pd.DataFrame, outcome: str, reason: str = "") -> None:
        """Say what became of each event, by ``source``, ``code`` and ``unit``."""
        counts = events.groupby(["source", "code", "unit"], observed=True, sort=False).size()
        for (source, code, unit), n in counts.items():
            self.add(source, outcome, reason, code, unit, n)

    @property
    def n_read(self) -> dict[str, int]:
        """Source -> how many events were read."""
        return dict(self._read)

    @property
    def table(self) -> pd.DataFrame:
        """``ACCOUNT_COLUMNS``: source, what became of the events, why, code, unit, and how many."""
        rows = sorted((*key, n) for key, n in self._rows.items())
        out = pd.DataFrame(rows, columns=list(ACCOUNT_COLUMNS))
        return out.astype(dict.fromkeys(ACCOUNT_COLUMNS[:-1], "string") | {"n": "int64"})

    def counts(self) -> dict[str, dict[str, int]]:
        """Source -> ``read``, ``used``, ``not asked for`` and ``quarantined``; the last three add up to the first."""
        out = {
            source: {"read": n} | dict.fromkeys((USED, NOT_ASKED, QUARANTINED), 0)
            for source, n in sorted(self._read.items())
        }
        for (source, outcome, *_), n in self._rows.items():
            out[source][outcome] += n
        return out

    def sentences(self) -> list[str]:
        """One sentence per source of which something is in quarantine."""
        said = []
        for source, counts in self.counts().items():
            if not counts[QUARANTINED]:
                continue
            reasons: Counter[str] = Counter()
            for (of, outcome, reason, *_), n in self._rows.items():
                if of == source and outcome == QUARANTINED:
                    reasons[reason] += n
            first = sorted(reasons.items(), key=lambda one: (-one[1], one[0]))[:_NAMED]
            named = ", ".join(f"{reason} ({n:,})" for reason, n in first)
            more = f" and {len(reasons) - _NAMED} other reasons" if len(reasons) > _NAMED else ""
            said.append(
                f"{source}: of {counts['read']:,} read, {counts[USED]:,} were used, {counts[NOT_ASKED]:,} were not asked "
                f"for, and {counts[QUARANTINED]:,} are in quarantine: {named}{more}"
            )
        return said
