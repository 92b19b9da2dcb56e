"""Moments: the times that devices, files and messages write, as milliseconds since 1970 UTC."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["EPOCH_UNITS", "LATEST_MS", "known_zone", "milliseconds"]

LATEST_MS = 253_402_300_799_999  # the last millisecond of the year 9999, which RFC 3339 ends with

#: What a number of seconds, milliseconds, microseconds and nanoseconds stays below until 5138,
#: and what makes milliseconds of it.
EPOCH_UNITS = ((1e11, 1_000.0), (1e14, 1.0), (1e17, 1e-3), (1e20, 1e-6))

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,20}|[0-9]{0,20}\.?[0-9]{1,20}(?:[eE][+-]?[0-9]{1,3})?)")
_LONGEST = 64  # characters of a time worth reading
_SHOWN = 40  # characters of a value in a sentence


def known_zone(name: str) -> str:
    """The name of a time zone; raises ValueError that shows one that there is none of."""
    try:
        return name if name == "UTC" else ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone `{name}`; write `Europe/Lisbon`") from None


def milliseconds(found: Any) -> int:
    """Milliseconds since 1970 UTC: RFC 3339, or a number of s, ms, µs or ns; raises ValueError.

    A time without a zone is taken for UTC.

    >>> milliseconds("2026-01-08T10:30:00.5Z"), milliseconds(1767868200.5)
    (1767868200500, 1767868200500)
    """
    if isinstance(found, str):
        text = found.strip()[:_LONGEST]
        if _NUMBER.fullmatch(text):
            found = float(text)
        else:
            return _checked(_calendar(text) * 1000, found)
    try:
        number = math.nan if isinstance(found, bool) else float(found)
    except (TypeError, OverflowError):
        raise ValueError(f"{_shown(found)} is no time") from None
    factor = next((factor for below, factor in EPOCH_UNITS if abs(number) < below), math.nan)
    return _checked(number * factor, found)


def _calendar(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{_shown(text)} is no time") from None


def _checked(at_ms: float, found: Any) -> int:
    if not 0 < at_ms <= LATEST_MS:  # NaN is not either
        raise ValueError(f"{_shown(found)} is no time")
    return round(at_ms)


def _shown(found: Any) -> str:
    return f"`{str(found)[:_SHOWN]}`" if isinstance(found, str | int | float) else "what is there"
