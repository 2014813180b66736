"""Search spaces as written in parameters: name to range or choice."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from medanomaly.core.params import Params

if TYPE_CHECKING:
    import optuna


class _Range(Params):
    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _is_a_range(self):
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} must be below high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range must start above 0, not at {self.low:g}")
        return self


class Integer(_Range):
    """Whole numbers from ``low`` to ``high``, both included."""

    type: Literal["int"]


class Real(_Range):
    """Numbers from ``low`` to ``high``."""

    type: Literal["float"]


class Choice(Params):
    """One of several values."""

    type: Literal["choice"]
    of: tuple[str | bool | int | float | None, ...] = Field(min_length=2)


SearchSpace = dict[str, Annotated[Integer | Real | Choice, Field(discriminator="type")]]


def suggest(trial: "optuna.Trial", space: SearchSpace) -> dict[str, str | bool | int | float | None]:
    """One value per name, drawn by the sampler of the study."""
    drawn = {}
    for name, part in space.items():
        if isinstance(part, Choice):
            drawn[name] = trial.suggest_categorical(name, list(part.of))
        elif isinstance(part, Integer):
            drawn[name] = trial.suggest_int(name, int(part.low), int(part.high), log=part.log)
        else:
            drawn[name] = trial.suggest_float(name, part.low, part.high, log=part.log)
    return drawn


def example(space: SearchSpace) -> dict[str, str | bool | int | float | None]:
    """One value per name, the first or the lowest: shows whether a model has options of these names."""
    return {
        name: part.of[0]
        if isinstance(part, Choice)
        else int(part.low)
        if isinstance(part, Integer)
        else part.low
        for name, part in space.items()
    }
