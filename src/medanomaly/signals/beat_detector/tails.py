"""How rare a value is among the normal beats of a population, where every patient counts the same."""

from dataclasses import dataclass

import numpy as np

from medanomaly.core.errors import ConfigurationError

# the weight, in patients, of beats that were never seen; it caps the tail at ln((W + .02) / .02), 7.0 for 21
# patients
UNSEEN = 0.02
STEP = 1e-3


@dataclass(frozen=True)
class PopulationTail:
    """The right tail of one term as a step function.

    ``L(x) = -ln((W - W(values < x) + 0.02) / (W + 0.02))``, where every patient has weight 1, spread over the patient's
    normal beats, and W is the number of patients.

    Attributes:
        knots: (m,) increasing values.
        levels: (m + 1,) tail at or below the first knot, ..., above the last.
    """

    knots: np.ndarray
    levels: np.ndarray

    @classmethod
    def fit(cls, values: list[np.ndarray]) -> "PopulationTail":
        """Fit on the values of each patient's normal beats; steps of less than 0.001 are joined.

        Raises:
            ConfigurationError: there is no patient with normal beats.
        """
        values = [np.asarray(v, dtype=np.float64) for v in values if len(v)]
        if not values:
            raise ConfigurationError(
                "no normal beat to compare with", remedy="Fit on recordings whose beats are labelled N."
            )
        x = np.concatenate(values)
        weight = np.concatenate([np.full(len(v), 1.0 / len(v)) for v in values])
        order = np.argsort(x, kind="stable")
        x, below = x[order], np.cumsum(weight[order])
        last_of_value = np.append(x[1:] > x[:-1], True)
        x, below = x[last_of_value], below[last_of_value]
        n = float(len(values))
        above = -np.log((np.maximum(n - below, 0.0) + UNSEEN) / (n + UNSEEN))
        step = np.floor(above / STEP)
        kept = np.append(step[1:] > step[:-1], True)
        return cls(x[kept], np.concatenate([[0.0], above[kept]]))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(n,) tails, 0 and up."""
        return self.levels[np.searchsorted(self.knots, x, side="left")]
