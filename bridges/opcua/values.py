"""OPC UA values and status codes, and what they are to us: values and qualities."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from asyncua import ua

from bridges.opcua.quality import quality
from uns.errors import DeviceError
from uns.metric import Quality, Reading, Value

__all__ = ["Shape", "in_type", "known_type", "problem", "reading", "variant_type"]

_PLAIN = frozenset({bool, int, float, str, bytes})
_GOOD, _BAD = int(Quality.GOOD), int(Quality.BAD)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Shape(Enum):
    """What a tag wants to see of a value that may be an array."""

    SINGLE = "one value"
    ELEMENT = "the one element that the server sends of an array"
    ARRAY = "all elements"


def reading(handle: int, held: ua.DataValue, shape: Shape = Shape.SINGLE) -> Reading:
    """One reading; its time is the source's, else the server's, else left to the runtime.

    A Bad status carries no value even where a server sends one: OPC UA part 4 §7.7.1 says to
    ignore it. A value of another shape than the tag wants is BAD.
    """
    when = held.SourceTimestamp or held.ServerTimestamp
    timestamp_ms = 0 if when is None else max(0, _milliseconds(when))
    status = held.StatusCode
    meaning = _GOOD if status is None else quality(status.value)
    value = held.Value.Value if held.Value is not None else None
    if meaning == _BAD or value is None:
        return handle, None, meaning, timestamp_ms
    if isinstance(value, list) is (shape is Shape.SINGLE):
        return handle, None, _BAD, timestamp_ms
    if shape is Shape.ARRAY:
        return _all(handle, value, meaning, timestamp_ms)
    if shape is Shape.ELEMENT:
        if len(value) != 1:
            return handle, None, _BAD, timestamp_ms
        (value,) = value
    if type(value) in _PLAIN:
        return handle, value, meaning, timestamp_ms
    return _converted(handle, value, meaning, timestamp_ms)


def _all(handle: int, values: list[Any], meaning: int, timestamp_ms: int) -> Reading:
    """All elements as a tuple; BAD where one of them is nothing that we know."""
    plain: list[Any] = []
    for value in values:
        known = value if type(value) in _PLAIN else _converted(0, value, meaning, 0)[1]
        if known is None:
            return handle, None, _BAD, timestamp_ms
        plain.append(known)
    whole: Any = tuple(plain)
    return handle, whole, meaning, timestamp_ms


def _converted(handle: int, value: object, meaning: int, timestamp_ms: int) -> Reading:
    """A reading of a value that Python's plain types do not cover; BAD where nothing fits."""
    match value:
        case datetime():
            return handle, _milliseconds(value), meaning, timestamp_ms
        case ua.LocalizedText():
            return handle, value.Text, meaning, timestamp_ms
        case UUID():
            return handle, str(value), meaning, timestamp_ms
    return handle, None, _BAD, timestamp_ms


def _milliseconds(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MILLISECOND


def problem(status: ua.StatusCode) -> str:
    """What a status code means for a tag, in a sentence; empty when it is not bad."""
    if not status.is_bad():
        return ""
    return _SENTENCES.get(status.value) or f"the server answers {status.name}: {status.doc}"


def variant_type(data_type: ua.DataValue, current: ua.DataValue) -> ua.VariantType | None:
    """The type to write a variable in, from its DataType attribute or else its present value."""
    node = data_type.Value.Value if data_type.Value is not None else None
    known = known_type(node) if isinstance(node, ua.NodeId) else None
    if known is not None:
        return known
    if current.Value is None or current.Value.VariantType is ua.VariantType.Null:
        return None
    return current.Value.VariantType


def known_type(data_type: ua.NodeId) -> ua.VariantType | None:
    """The built-in type behind a data type of the standard; None for any other."""
    if data_type.NamespaceIndex != 0:
        return None
    if data_type.Identifier in _DERIVED:
        return _DERIVED[data_type.Identifier]
    if data_type.Identifier in _CONVERSIONS:
        return ua.VariantType(data_type.Identifier)
    return None


def in_type(value: Value, kind: ua.VariantType, *, is_array: bool = False) -> ua.Variant:
    """`value` as a variable of this type takes it; raises DeviceError when it does not fit.

    An array is written from a list or tuple; one element of an array as an array of one.
    """
    convert = _CONVERSIONS.get(kind.value)
    if convert is None:
        raise DeviceError(f"the variable has type {kind.name}, which cannot be written yet")
    try:
        if is_array:
            items = value if isinstance(value, list | tuple) else (value,)
            return ua.Variant([convert(item) for item in items], kind, is_array=True)
        return ua.Variant(convert(value), kind)
    except (TypeError, ValueError, OverflowError) as error:
        raise DeviceError(f"`{value!r}` does not fit a variable of type {kind.name}") from error


def _boolean(value: Any) -> bool:
    if value not in (0, 1):  # False and True are equal to them
        raise ValueError(value)
    return bool(value)


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        number = int(value)
        if number != value or not low <= number <= high:
            raise ValueError(value)
        return number

    return convert


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _moment(value: Any) -> datetime:
    return datetime.fromtimestamp(value / 1000, UTC)


_CONVERSIONS: dict[int, Callable[[Any], Any]] = (
    {
        ua.VariantType.Boolean.value: _boolean,
        ua.VariantType.Float.value: float,
        ua.VariantType.Double.value: float,
        ua.VariantType.String.value: _text,
        ua.VariantType.DateTime.value: _moment,
    }
    | {
        kind.value: _whole(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        for kind, bits in (
            (ua.VariantType.SByte, 8),
            (ua.VariantType.Int16, 16),
            (ua.VariantType.Int32, 32),
            (ua.VariantType.Int64, 64),
        )
    }
    | {
        kind.value: _whole(0, 2**bits - 1)
        for kind, bits in (
            (ua.VariantType.Byte, 8),
            (ua.VariantType.UInt16, 16),
            (ua.VariantType.UInt32, 32),
            (ua.VariantType.UInt64, 64),
        )
    }
)
_DERIVED = {  # data types of the standard that are built on another one, OPC UA part 3 §8
    ua.ObjectIds.Enumeration: ua.VariantType.Int32,
    ua.ObjectIds.Duration: ua.VariantType.Double,
    ua.ObjectIds.UtcTime: ua.VariantType.DateTime,
    ua.ObjectIds.LocaleId: ua.VariantType.String,
}
_SENTENCES = {
    ua.StatusCodes.BadNodeIdUnknown: "the server has no such node",
    ua.StatusCodes.BadNodeIdInvalid: "the server does not accept this as a node id",
    ua.StatusCodes.BadAttributeIdInvalid: "the node is an object or folder, not a variable",
    ua.StatusCodes.BadUserAccessDenied: "this user may not do that",
    ua.StatusCodes.BadNotReadable: "the variable cannot be read",
    ua.StatusCodes.BadNotWritable: "the variable cannot be written",
    ua.StatusCodes.BadTypeMismatch: "the variable has another type",
    ua.StatusCodes.BadOutOfRange: "the value is outside the variable's range",
    ua.StatusCodes.BadIndexRangeNoData: "the array has no such element",
    ua.StatusCodes.BadIndexRangeInvalid: "the variable is no array with so many dimensions",
    ua.StatusCodes.BadTooManyMonitoredItems: "the server monitors no more items in one session",
}
