"""What a device holds for a value: back through the tag's scale, into the size of its cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from uns.equipment import Tag
from uns.metric import DataType, Value

__all__ = ["Raw", "raw_for"]

Raw: TypeAlias = Callable[[Value], Value]


def raw_for(tag: Tag, held: DataType) -> Raw:
    """A function from values of `tag` to what a cell of type `held` holds.

    A counter that outgrows its cell starts again at 0, as a PLC's does; any other number stops
    at the cell's limit. A value that is no number is handed on as it is.
    """
    if held.is_text or tag.datatype.is_text:
        return lambda value: value
    if held is DataType.BOOLEAN:
        return bool
    unscaled = _unscaled(tag)
    if held.is_real:
        return lambda value: float(unscaled(value))
    low, high = held.limits or (0, 0)
    size = tag.rollover or high + 1
    if tag.is_counter:
        return lambda value: round(unscaled(value)) % size
    return lambda value: min(max(round(unscaled(value)), low), high)


def _unscaled(tag: Tag) -> Callable[[Value], float]:
    if tag.scale is None:
        return _number
    raw_low, raw_high, low, high = tag.scale
    factor = (raw_high - raw_low) / (high - low)
    return lambda value: raw_low + (_number(value) - low) * factor


def _number(value: Value) -> float:
    return value if isinstance(value, int | float) else 0.0
