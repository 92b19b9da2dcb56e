"""JSON Schemas (2020-12) of what a tag's topic carries, and of a machine as one object.

They promise what the namespace keeps: a Good value obeys type, range and states; a value is
null only with Bad or GoodNoData; whatever is not Good or GoodNoData says why. Objects are open
to further members, so that a later version may add one without breaking a reader.

`x-unit` (UCUM) and `x-counter` are annotations: validators ignore them, people need them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

from uns.equipment import Machine, Tag
from uns.metric import DataType
from uns.schema.float32 import as_float32, shortest

__all__ = ["DIALECT", "QUALITIES", "JsonSchema", "machine_schema", "payload_schema", "value_schema"]

JsonSchema: TypeAlias = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
QUALITIES = ("Good", "GoodNoData", "Uncertain", "Bad")
TIMESTAMP_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"

_TIMESTAMP = {"type": "string", "format": "date-time", "pattern": TIMESTAMP_PATTERN}


def value_schema(tag: Tag) -> JsonSchema:
    """Return what a Good value of `tag` looks like."""
    schema = _type_of(tag)
    if tag.unit:
        schema["x-unit"] = tag.unit
    if tag.is_counter:
        schema["x-counter"] = True
    if tag.desc:
        schema["description"] = tag.desc
    return schema


def payload_schema(tag: Tag) -> JsonSchema:
    """Return what any payload on the topic of `tag` looks like, whatever its quality."""
    properties: JsonSchema = {
        "value": {},
        "quality": {"enum": list(QUALITIES)},
        "timestamp": dict(_TIMESTAMP),
        "detail": {"type": "string"},
    }
    required = ["value", "quality", "timestamp"]
    if tag.unit:
        properties["unit"] = {"const": tag.unit}
        required.append("unit")
    return {
        "$schema": DIALECT,
        "title": tag.topic.text,
        "type": "object",
        "properties": properties,
        "required": required,
        "allOf": [
            _when_quality("Good", {"properties": {"value": value_schema(tag), "detail": False}}),
            _when_quality("GoodNoData", {"properties": {"value": {"type": "null"}}}),
            _when_quality(
                "Uncertain",
                {"properties": {"value": {"not": {"type": "null"}}}, "required": ["detail"]},
            ),
            _when_quality(
                "Bad", {"properties": {"value": {"type": "null"}}, "required": ["detail"]}
            ),
        ],
    }


def machine_schema(machine: Machine) -> JsonSchema:
    """Return the machine as one object of Good values, by the names of its tags."""
    schema: JsonSchema = {
        "$schema": DIALECT,
        "title": f"{machine.type_name}/{machine.version}",
        "type": "object",
        "properties": {tag.name: value_schema(tag) for tag in machine.tags},
        "required": [tag.name for tag in machine.tags if not tag.is_optional],
    }
    if machine.desc:
        schema["description"] = machine.desc
    return schema


def _when_quality(quality: str, then: JsonSchema) -> JsonSchema:
    return {"if": {"properties": {"quality": {"const": quality}}}, "then": then}


def _type_of(tag: Tag) -> JsonSchema:
    if tag.states:
        return {"enum": list(dict.fromkeys(tag.states.values()))}
    if tag.datatype.is_real:
        return {"type": "number", **_range_of(tag)}
    if tag.datatype.is_integer:
        return {"type": "integer", **_whole_range_of(tag)}
    if tag.datatype is DataType.BOOLEAN:
        return {"type": "boolean"}
    if tag.datatype is DataType.DATETIME:
        return dict(_TIMESTAMP)
    if tag.datatype.element is not None:
        return {"type": "array", "items": _type_of(replace(tag, datatype=tag.datatype.element))}
    if tag.datatype.is_text:
        return {"type": "string"}
    if tag.datatype is DataType.DATASET:
        return {"type": "array", "items": {"type": "object"}}
    return {"type": "string", "contentEncoding": "base64"}


def _range_of(tag: Tag) -> JsonSchema:
    """Return the range, as wide as the decimals that a Float at its limit is written with."""
    low, high = tag.low, tag.high
    if tag.datatype is DataType.FLOAT:
        low = None if low is None else min(low, as_float32(low), shortest(low))
        high = None if high is None else max(high, as_float32(high), shortest(high))
    found = {"minimum": low, "maximum": high}
    return {word: limit for word, limit in found.items() if limit is not None}


def _whole_range_of(tag: Tag) -> JsonSchema:
    least, most = tag.datatype.limits or (0, 0)
    return {
        "minimum": least if tag.low is None else max(least, tag.low),
        "maximum": most if tag.high is None else min(most, tag.high),
    }
