"""What a payload says: a value, its time, its quality; and why it says nothing.

Payloads come from anybody: whatever they hold ends in a value or in a ValueError with a sentence.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from uns.metric import DataType, Quality, Value
from uns.sparkplug.quality import read_quality

__all__ = ["document", "leaf", "plain", "quality_of"]

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,20}|[0-9]{0,20}\.?[0-9]{1,20}(?:[eE][+-]?[0-9]{1,3})?)")
_MAX_NUMBER = 64  # characters of a number worth reading
_SHOWN = 40  # characters of a value in a sentence
_TRUTHS = {"true": True, "false": False}
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
