"""The functions and guarded operations that an expression may use; there are no others.

Each is bounded: none can loop, allocate without limit, or read a clock. `None` in gives `None`
out, except for `coalesce` and `lookup`, whose purpose is to put something in its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

__all__ = ["FUNCTIONS", "OPERATIONS", "Function"]

_MAX_TEXT: Final = 10_000  # characters a repetition or padding may make
_MAX_DIGITS: Final = 15  # a double holds no more (IEEE 754: 53 bits)
_MAX_POWER_BITS: Final = 64  # whole-number powers stay in a machine word; beyond they are floats


class Function(NamedTuple):
    """What a name in the table calls, and how many arguments it takes."""

    call: Callable[..., Any]
    least: int
    most: int


def _coalesce(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _lookup(table: Any, key: Any, default: Any = None) -> Any:
    if table is None or key is None:
        return default
    if not isinstance(table, Mapping):
        raise TypeError("lookup() needs a table: a mapping of keys to values")
    return table.get(key, default)


def _pad(text: Any, width: int, fill: str = "0") -> str:
    if width > _MAX_TEXT:
        raise ValueError(f"pad() makes at most {_MAX_TEXT} characters, not {width}")
    return str(text).rjust(width, fill)


def _round(number: float, digits: int = 0) -> float:
    if abs(digits) > _MAX_DIGITS:
        raise ValueError(f"round() keeps at most {_MAX_DIGITS} digits, not {digits}")
    return round(number, digits) if digits else round(number)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"  # as JSON and YAML write it
    return str(value)


def _guarded(call: Callable[..., Any]) -> Callable[..., Any]:
    def null_in_null_out(*values: Any) -> Any:
        for value in values:
            if value is None:
                return None
        return call(*values)

    return null_in_null_out


FUNCTIONS: Final[Mapping[str, Function]] = {
    "abs": Function(_guarded(abs), 1, 1),
    "bool": Function(_guarded(bool), 1, 1),
    "ceil": Function(_guarded(math.ceil), 1, 1),
    "coalesce": Function(_coalesce, 1, 20),
    "float": Function(_guarded(float), 1, 1),
    "floor": Function(_guarded(math.floor), 1, 1),
    "int": Function(_guarded(int), 1, 1),
    "len": Function(_guarded(len), 1, 1),
    "lookup": Function(_lookup, 2, 3),
    "lower": Function(_guarded(str.lower), 1, 1),
    "max": Function(_guarded(max), 2, 20),
    "min": Function(_guarded(min), 2, 20),
    "pad": Function(_guarded(_pad), 2, 3),
    "round": Function(_guarded(_round), 1, 2),
    "sqrt": Function(_guarded(math.sqrt), 1, 1),
    "str": Function(_guarded(_text), 1, 1),
    "strip": Function(_guarded(str.strip), 1, 1),
    "upper": Function(_guarded(str.upper), 1, 1),
}


def _multiply(left: Any, right: Any) -> Any:
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return left * right
    if left is None or right is None:
        return None
    text, times = (left, right) if isinstance(left, str) else (right, left)
    if not (isinstance(text, str) and isinstance(times, int)):
        raise TypeError("only numbers can be multiplied, or a text repeated")
    if len(text) * times > _MAX_TEXT:
        raise ValueError(f"a text repeated {times} times has more than {_MAX_TEXT} characters")
    return text * times


def _modulo(left: Any, right: Any) -> Any:
    # A text before % would be formatting, which can make gigabytes: '%999999999d' % 1.
    if not (isinstance(left, (int, float)) and isinstance(right, (int, float))):
        raise TypeError("% needs numbers on both sides")
    return left % right if right else None


def _power(base: Any, exponent: Any) -> Any:
    if not (isinstance(base, (int, float)) and isinstance(exponent, (int, float))):
        raise TypeError("** needs numbers on both sides")
    if base == 0 and exponent < 0:
        return None  # a division by zero
    if base < 0 and exponent != int(exponent):
        raise ValueError("a negative number has no such root")
    # A huge exponent is never multiplied out: its size is known before.
    if isinstance(base, int) and _is_small_power(base, exponent):
        return base**exponent
    return math.pow(base, exponent)


def _is_small_power(base: int, exponent: Any) -> bool:
    is_whole = isinstance(exponent, int) and exponent >= 0
    return is_whole and base.bit_length() * exponent <= _MAX_POWER_BITS


def _item(holder: Any, key: Any) -> Any:
    if isinstance(holder, Mapping):
        return holder.get(key)
    if isinstance(holder, Sequence) and isinstance(key, int):
        return holder[key] if -len(holder) <= key < len(holder) else None
    raise TypeError(f"[{key!r}] needs a mapping, or a list or text with a whole number")


def _part(holder: Any, start: Any, end: Any) -> Any:
    if holder is None:
        return None
    if not isinstance(holder, (str, list, tuple)):
        raise TypeError("[from:to] needs a text or a list")
    return holder[start:end]


#: What operators turn into, by the names that the compiled code uses.
OPERATIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "_multiply": _multiply,
    "_modulo": _guarded(_modulo),
    "_power": _guarded(_power),
    "_item": _guarded(_item),
    "_part": _part,
}
