"""Fields that others added to Sparkplug's messages: kept, so that a payload can be passed on whole.

The specification reserves field numbers for third parties in most of its messages. We read
none of them, and `encode` writes back what `decode` found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

__all__ = ["Extension", "extend", "extensions_of", "has_extensions"]

# Where in a message (names of fields, places in lists) and the bytes of all unknown fields there.
Extension: TypeAlias = tuple[tuple[str | int, ...], bytes]

_VALUES = {
    "Metric": 19,
    "PropertyValue": 11,
}  # number of `extension_value`, which stands for a value


def has_extensions(message: Any) -> bool:
    """Whether there is any field in the whole message that the specification does not name."""
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return bool(known.ByteSize() != message.ByteSize())


def extensions_of(message: Any, *, is_deep: bool = True) -> tuple[Extension, ...]:
    """The unknown fields of a message and, where `is_deep`, of all that it holds."""
    return tuple(_walk(message, (), is_deep=is_deep))


def extend(message: Any, extensions: tuple[Extension, ...]) -> None:
    """Write the unknown fields back; those whose place is no longer there are left out."""
    for path, raw in extensions:
        found = _find(message, path)
        if found is None:
            continue
        found.MergeFromString(raw)
        fields: Any = UnknownFieldSet(found)
        number = _VALUES.get(found.DESCRIPTOR.name)
        if any(field.field_number == number for field in fields):
            found.ClearField("is_null")


def _walk(message: Any, path: tuple[str | int, ...], *, is_deep: bool) -> Iterator[Extension]:
    if len(UnknownFieldSet(message)):
        rest = type(message)()
        rest.CopyFrom(message)
        for field, _ in rest.ListFields():
            rest.ClearField(field.name)
        yield path, rest.SerializeToString()
    if not is_deep:
        return
    for field, held in message.ListFields():
        if field.message_type is None:
            continue
        if isinstance(held, Message):
            yield from _walk(held, (*path, field.name), is_deep=True)
            continue
        for place, one in enumerate(held):
            yield from _walk(one, (*path, field.name, place), is_deep=True)


def _find(message: Any, path: tuple[str | int, ...]) -> Any | None:
    """What stands at `path`, or None."""
    for step in path:
        if isinstance(message, Message):
            is_there = any(field.name == step for field, _ in message.ListFields())
            message = getattr(message, str(step)) if is_there else None
        else:
            message = message[step] if int(step) < len(message) else None
        if message is None:
            return None
    return message
