"""Properties of a metric: unit, range, schema, quality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uns.metric import DataType, Quality, Value
from uns.sparkplug.metrics import Property, PropertySet
from uns.sparkplug.quality import read_quality

__all__ = ["DETAIL", "QUALITY", "plain", "quality_of", "quality_properties", "typed"]

QUALITY = "Quality"
DETAIL = "detail"  # ours: why a value is not Good, in a word or two

_REALS = ("engLow", "engHigh")  # Double by the convention of Tahu and the TCK, even when whole
_WORDS = {Quality.BAD: "Bad", Quality.UNCERTAIN: "Uncertain", Quality.STALE: "Stale"}
# tck-id-payloads-propertyset-quality-value-value: 0, 192 and 500 are all there is
_ON_THE_WIRE = {Quality.UNCERTAIN: Quality.GOOD}


def typed(properties: Mapping[str, Value]) -> dict[str, Property]:
    """Plain values with the datatypes that a PropertySet needs.

    >>> typed({"engUnit": "bar"})["engUnit"].datatype.label
    'String'
    """
    return {key: _property(key, value) for key, value in properties.items() if value is not None}


def _property(key: str, value: Value) -> Property:
    if isinstance(value, bool):
        return Property(DataType.BOOLEAN, value)
    if isinstance(value, float) or (isinstance(value, int) and key in _REALS):
        return Property(DataType.DOUBLE, float(value))
    if isinstance(value, int):
        return Property(DataType.INT64, value)
    return Property(DataType.STRING, value.decode() if isinstance(value, bytes) else value)


def plain(properties: PropertySet) -> dict[str, Any]:
    """The values alone, without the quality: what a consumer asks for by key."""
    return {
        key: _plain_value(entry.value)
        for key, entry in properties.items()
        if key not in (QUALITY, DETAIL)
    }


def _plain_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain_value(entry.value) for key, entry in value.items()}
    if isinstance(value, tuple):
        return [_plain_value(entry) for entry in value]
    return value


def quality_properties(quality: int, detail: str = "") -> dict[str, Property]:
    """How a quality travels; Good travels as nothing.

    tck-id-payloads-propertyset-quality-value-type: the code is an Int32.
    """
    if quality == Quality.GOOD:
        return {}
    known = Quality(quality) if quality in _WORDS else Quality.BAD
    return {
        QUALITY: Property(DataType.INT32, int(_ON_THE_WIRE.get(known, known))),
        DETAIL: Property(DataType.STRING, detail or _WORDS[known]),
    }


def quality_of(properties: PropertySet) -> tuple[int, str]:
    """The quality that properties tell of, and why: absent is Good, unknown codes are Bad.

    What Ignition and OPC mean by their own codes is read as well (uns.sparkplug.quality).
    """
    detail = _text(properties.get(DETAIL))
    code = properties.get(QUALITY)
    if code is None or code.value is None or code.value == Quality.GOOD:
        return (Quality.UNCERTAIN, detail) if detail else (Quality.GOOD, "")
    quality, word = read_quality(code.value)
    if quality == Quality.GOOD:
        return (Quality.UNCERTAIN, detail) if detail else (Quality.GOOD, "")
    return quality, detail or word or _WORDS[quality]


def _text(entry: Property | None) -> str:
    return entry.value if entry is not None and isinstance(entry.value, str) else ""
