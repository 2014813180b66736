"""One readable line instead of a traceback where the cause is the input or the configuration."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from kedro.config import MissingConfigException
from kedro.validation.exceptions import ParameterValidationError

from medanomaly.core.errors import ConfigurationError, MedanomalyError, did_you_mean

_NO_FOLDER = re.compile(r"does not exist or is not a valid directory: (.+)")
# what Pydantic says of one value: where, what is wrong, what was given
_WRONG_VALUE = re.compile(
    r"^(\S+)\n  (?:Value error, )?(.+?) \[type=\S+ input_value=(.*), input_type=\w+\]", re.MULTILINE
)

_WORDS = {"Extra inputs are not permitted": "there is no setting of this name"}


def plain_error(error: BaseException | None) -> MedanomalyError | None:
    """The project's own error behind ``error``: Kedro wraps what a dataset raises, and has words of its own for settings."""
    for link in _chain(error):
        if isinstance(link, MedanomalyError):
            return link
        if isinstance(link, ParameterValidationError):
            return _wrong_parameters(str(link))
        if isinstance(link, MissingConfigException) and (found := _NO_FOLDER.search(str(link))):
            return _no_environment(Path(found.group(1)))
    return None


def install() -> None:
    """Show such errors in one line wherever they end the process."""
    previous = sys.excepthook
    if getattr(previous, "shows_plain_errors", False):
        return

    def show(kind, value, traceback):
        plain = plain_error(value)
        if plain is None:
            previous(kind, value, traceback)
        else:
            sys.stderr.write(f"\n{type(plain).__name__}: {plain}\n")

    show.shows_plain_errors = True
    sys.excepthook = show


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def _wrong_parameters(message: str) -> ConfigurationError:
    problems = []
    for part in message.split("\n- ")[1:]:
        block = re.match(r"Parameter '([^']+)': ", part)
        values = [
            f"{block[1]}.{where} is {given}: {_WORDS.get(said, said)}"
            for where, said, given in _WRONG_VALUE.findall(part)
        ]
        problems += values or [" ".join(part.split())]
    return ConfigurationError("; ".join(problems) or message, source="parameters")


def _no_environment(folder: Path) -> ConfigurationError:
    known = sorted(path.name for path in folder.parent.glob("*/") if path.name not in ("base", "local"))
    return ConfigurationError(
        f"there is no environment '{folder.name}'",
        source=folder.parent,
        remedy=f"{did_you_mean(folder.name, known)}There are {', '.join(known)}.",
    )
