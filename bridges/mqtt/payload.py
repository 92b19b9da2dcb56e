"""What a payload says: a value, its time, its quality; and why it says nothing.

Payloads come from anybody: whatever they hold ends in a value or in a ValueError with a sentence.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from uns.metric import DataType, Quality, Value
from uns.sparkplug.quality import read_quality

__all__ = ["document", "leaf", "plain", "quality_of", "time_of"]

_LATEST_MS = 253_402_300_799_999  # the last millisecond of the year 9999
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,20}|[0-9]{0,20}\.?[0-9]{1,20}(?:[eE][+-]?[0-9]{1,3})?)")
_MAX_NUMBER = 64  # characters of a number worth reading
_SHOWN = 40  # characters of a value in a sentence
_TRUTHS = {"true": True, "false": False}
# what a number of seconds, milliseconds, microseconds and nanoseconds stays below until 5138
_UNITS = ((1e11, 1_000.0), (1e14, 1.0), (1e17, 1e-3), (float("inf"), 1e-6))
_WORDS = {
    "good": Quality.GOOD,
    "ok": Quality.GOOD,
    "true": Quality.GOOD,
    "valid": Quality.GOOD,
    "uncertain": Quality.UNCERTAIN,
    "questionable": Quality.UNCERTAIN,
    "stale": Quality.STALE,
    "bad": Quality.BAD,
    "error": Quality.BAD,
    "false": Quality.BAD,
    "invalid": Quality.BAD,
}


def document(payload: bytes) -> Any:
    """The JSON in `payload`; raises ValueError with a sentence.

    NaN, infinity and numbers that no float holds are let through, for JSON writers send them;
    the tag that they belong to is Bad, and no other.
    """
    try:
        return msgspec.json.decode(payload)
    except RecursionError:
        raise ValueError("the payload is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    try:
        return json.loads(payload)
    except RecursionError:
        raise ValueError("the payload is nested too deeply") from None
    except ValueError:
        begin = payload[:_SHOWN].decode(errors="replace")
        what = f"is no JSON: it begins with `{begin}`" if payload else "is empty"
        raise ValueError(f"the payload {what}") from None


def leaf(found: Any, datatype: DataType) -> Value:
    """A value of a JSON document for a tag; raises ValueError where it is none.

    An object or array is a value only for text tags: then its JSON.
    """
    if isinstance(found, str | int | float | None):
        return found
    if datatype.is_text:
        return msgspec.json.encode(found).decode()
    kind = "an object" if isinstance(found, dict) else "an array"
    raise ValueError(f"the value there is {kind}")


def plain(payload: bytes, datatype: DataType) -> Value:
    """The value that the whole payload is; raises ValueError with a sentence."""
    if datatype in (DataType.BYTES, DataType.FILE):
        return payload
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        raise ValueError("the payload is no text (UTF-8)") from None
    if datatype.is_text:
        return text
    text = text.strip()
    if not text:
        raise ValueError("the payload is empty")
    if text[0] in "{[":
        raise ValueError("the payload is JSON: add the value's place, like ` $.value`")
    if len(text) <= _MAX_NUMBER and _NUMBER.fullmatch(text):
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    return _TRUTHS.get(text.lower(), text)


def time_of(found: Any) -> int:
    """Milliseconds since 1970 UTC: RFC 3339, or a number of s, ms, µs or ns; raises ValueError.

    A time without a zone is taken for UTC.
    """
    if isinstance(found, str):
        text = found.strip()[:_MAX_NUMBER]
        if _NUMBER.fullmatch(text):
            found = float(text)
        else:
            return _checked(_calendar(text) * 1000, found)
    try:
        number = math.nan if isinstance(found, bool) else float(found)
    except (TypeError, OverflowError):
        raise ValueError(f"{_shown(found)} is no time") from None
    factor = next((factor for below, factor in _UNITS if abs(number) < below), math.nan)
    return _checked(number * factor, found)


def quality_of(found: Any) -> int:
    """The quality that a word, an OPC code or a truth stands for; Uncertain where none does."""
    match found:
        case bool():
            return int(Quality.GOOD if found else Quality.BAD)
        case str():
            text = found.strip().lower()
            if text.isascii() and text.isdecimal() and len(text) <= len("4294967295"):
                return quality_of(int(text))
            return int(_WORDS.get(text, Quality.UNCERTAIN))
        case int():
            return int(read_quality(found)[0])
    return int(Quality.UNCERTAIN)


def _calendar(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{_shown(text)} is no time") from None


def _checked(at_ms: float, found: Any) -> int:
    if not 0 < at_ms <= _LATEST_MS:  # NaN is not either
        raise ValueError(f"{_shown(found)} is no time")
    return round(at_ms)


def _shown(found: Any) -> str:
    return f"`{str(found)[:_SHOWN]}`" if isinstance(found, str | int | float) else "what is there"
