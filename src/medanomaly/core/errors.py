"""One family of errors: which file, which record, what is wrong, what would be right."""

from collections.abc import Iterable
from difflib import get_close_matches


class MedanomalyError(Exception):
    """Base of every error that the project raises on purpose.

    Args:
        problem: what is wrong, in words that the reader knows.
        remedy: what would be right, or what to do.
        source: the file, table or dataset it is in.
        record: the row, case or sample it is in.
        column: the column, variable or field it is in.
    """

    def __init__(
        self,
        problem: str,
        *,
        remedy: str = "",
        source: object = None,
        record: object = None,
        column: object = None,
    ):
        self.problem, self.remedy = problem, remedy
        self.source, self.record, self.column = source, record, column
        place = ", ".join(
            part
            for part in (
                f"{source}" if source is not None else "",
                f"record {record}" if record is not None else "",
                f"column '{column}'" if column is not None else "",
            )
            if part
        )
        message = f"{place}: {problem}" if place else problem
        if remedy:
            message = f"{message.rstrip('.')}. {remedy}"
        super().__init__(message)


class InputError(MedanomalyError):
    """Data that cannot be used as it is."""


class DataNotFoundError(MedanomalyError):
    """A data set is not where it should be; the remedy says what to get, where, and under which licence."""


class ConfigurationError(MedanomalyError):
    """A parameter does not fit the data or another parameter."""


class BundleError(MedanomalyError):
    """A model bundle is incomplete, altered or not to be trusted."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The beginning of a remedy for a name that does not exist; empty where no known name is like it."""
    near = get_close_matches(name, list(known), 1)
    return f"Did you mean '{near[0]}'? " if near else ""
