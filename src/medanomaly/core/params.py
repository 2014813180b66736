"""One base class for every block of parameters."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from medanomaly.core.errors import ConfigurationError


class Params(BaseModel):
    """A block of parameters: it cannot be changed, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def replaced(self, options: Mapping[str, Any]) -> Self:
        """A copy in which these options replace the values of the same names; every value is validated.

        Raises:
            ConfigurationError: a name is not known, or a value does not fit.
        """
        try:
            return type(self).model_validate(self.model_dump() | dict(options))
        except ValidationError as error:
            first = error.errors()[0]
            raise ConfigurationError(
                f"'{'.'.join(map(str, first['loc']))}' does not fit: {first['msg']}",
                remedy=f"Known are {sorted(type(self).model_fields)}.",
            ) from error
