"""One line of the audit."""

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

Verdict = Literal["pass", "warn", "fail", "not_applicable"]
VERDICTS: tuple[Verdict, ...] = ("fail", "warn", "pass", "not_applicable")


@dataclass(frozen=True)
class Check:
    """What was looked at, what came out, and what to do about it.

    Attributes:
        name: snake_case, stable.
        title: for the reader.
        verdict: pass, warn, fail or not_applicable.
        figure: short text with the number.
        value: the number, None where there is none.
        what_to_do: empty where nothing needs doing.
    """

    name: str
    title: str
    verdict: Verdict
    figure: str
    value: float | None = None
    what_to_do: str = ""

    def as_dict(self) -> dict:
        """Plain values that JSON can hold."""
        value = None if self.value is None or not np.isfinite(self.value) else float(self.value)
        return asdict(self) | {"value": value}


def not_applicable(name: str, title: str, why: str) -> Check:
    """A check that the data does not allow."""
    return Check(name, title, "not_applicable", why)
