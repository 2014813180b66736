"""Moments that people write."""

from datetime import UTC, datetime

from medanomaly.core.errors import ConfigurationError


def moment_of(name: str, text: str) -> datetime:
    """A moment in UTC from its text; without a time zone it is meant in UTC.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{name} is '{text}', which is no moment",
            remedy="Give one such as 2026-11-01 or 2026-11-01T06:00.",
        ) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
