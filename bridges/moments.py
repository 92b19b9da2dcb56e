"""Moments: the times that devices, files and messages write, as milliseconds since 1970 UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

__all__ = ["milliseconds"]

_SECONDS_UNTIL: Final = 100_000_000_000  # a greater number is milliseconds (the year 5138)


def milliseconds(found: Any) -> int:
    """A time as milliseconds since 1970 UTC: RFC 3339, seconds or milliseconds; 0 for none.

    A time without a zone is UTC.

    >>> milliseconds("2026-01-08T10:30:00.5Z"), milliseconds(1767868200.5), milliseconds("soon")
    (1767868200500, 1767868200500, 0)
    """
    if isinstance(found, bool) or found is None:
        return 0
    if isinstance(found, int | float):
        return _of_number(float(found))
    text = str(found).strip()
    try:
        return _of_number(float(text))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def _of_number(number: float) -> int:
    if not 0 < number < _SECONDS_UNTIL * 1000:
        return 0
    return round(number) if number > _SECONDS_UNTIL else round(number * 1000)
