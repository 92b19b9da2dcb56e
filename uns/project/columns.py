"""Columns of a tag list: what their headings may be called, and what a cell below them says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from uns.project.quantity import WordError, shortened

__all__ = ["COLUMNS", "ONLY_OF_TYPES", "column_of", "said_by"]

#: A column → what it says and the other names of it, in small letters and without signs.
COLUMNS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "name": ("The tag's name, `drive/temp` or `drive.temp`.", ("tag", "tagname")),
    "type": ("Its datatype.", ("datatype",)),
    "unit": ("Its unit.", ("units", "engineeringunit", "engineeringunits", "eu")),
    "lo": ("Least value that is possible: the first of `range`.", ("low", "min", "minimum")),
    "hi": ("Greatest value that is possible: the second of `range`.", ("high", "max", "maximum")),
    "address": ("Where the device keeps it.", ()),
    "desc": ("What it is, for people.", ("description", "comment")),
    "raw_lo": ("What the device says at `lo`: the first of `scale`.", ("rawlow", "rawmin")),
    "raw_hi": ("What the device says at `hi`: the second of `scale`.", ("rawhigh", "rawmax")),
    "alarm_lolo": ("Far too low.", ("lolo",)),
    "alarm_lo": ("Too low.", ()),
    "alarm_hi": ("Too high.", ()),
    "alarm_hihi": ("Far too high.", ("hihi",)),
    "alarm_delay": ("How long a limit is passed before it counts.", ()),
    "alarm_hysteresis": ("How far the value must come back.", ()),
    "deadband": ("A smaller change is not published.", ()),
    "deadband_time": ("At most one publish in this time.", ()),
    "heartbeat": ("It is published this often, though nothing changed.", ()),
    "scan": ("How often the device is asked.", ()),
    "stale": ("It is not Good when nobody vouched for it for so long.", ()),
    "store": ("No: it is worth nothing when it is late.", ()),
    "deliver": ("`latest` or `every`.", ()),
    "counter": ("Yes: a total that only grows.", ()),
    "rollover": ("Where the counter starts again.", ()),
    "states": ("`packml`, or `0 idle, 1 running`.", ()),
    "write": ("Yes, or the roles that may: `operator, engineer`.", ("writable",)),
    "calc": ("A formula.", ("formula",)),
    "is": ("A part: the type that it is.", ()),
    "array": ("`1..8`.", ()),
    "optional": ("Yes: a machine may lack it.", ()),
    "was": ("Its former name.", ()),
    "semantic_id": ("Its meaning in a dictionary.", ()),
}
#: What a binding does not say: where one file serves a type and its binding, it is the type's.
ONLY_OF_TYPES = frozenset({"calc", "is", "array", "optional", "was"})

_SIGNS = re.compile(r"[^a-z0-9]+")
_BY_NAME = {
    _SIGNS.sub("", alias): name
    for name, (_, others) in COLUMNS.items()
    for alias in (name, *others)
}


def column_of(heading: str) -> str | None:
    """The column that a heading means: `Alarm Hi`, `alarm_hi` and `ALARM-HI` are one.

    >>> column_of("Engineering Units")
    'unit'
    """
    return _BY_NAME.get(_SIGNS.sub("", heading.lower()))


def said_by(
    cells: Mapping[str, str], *, has_decimal_comma: bool
) -> tuple[dict[str, Any], list[Any]]:
    """The words that a row's cells come to, and the columns that cannot be read, with why."""
    words: dict[str, Any] = {}
    wrong: list[tuple[str, WordError]] = []
    for column, text in cells.items():
        read = _READERS.get(column)
        try:
            value = read(text, has_decimal_comma) if read else text
        except WordError as error:
            wrong.append((column, error))
            continue
        head, _, key = column.partition("_")
        if head == "alarm":
            words.setdefault("alarm", {})[key] = value
        elif column == "rollover":
            words["counter"] = {"rollover": value}
        elif head == "deadband":
            words.setdefault("deadband", {})[key or "change"] = value
        elif column not in _PAIRED:
            words.setdefault(column, value)
        else:
            words[column] = value
    _pair(words, cells, wrong)
    return words, wrong


_PAIRED = ("lo", "hi", "raw_lo", "raw_hi")


def _pair(words: dict[str, Any], cells: Mapping[str, str], wrong: list[Any]) -> None:
    """Two columns are one word: `lo` and `hi` are `range`, with `raw_lo` and `raw_hi` `scale`."""
    values = [words.pop(column, None) for column in _PAIRED]
    told = {column for column, _ in wrong}
    for first, second in (("lo", "hi"), ("raw_lo", "raw_hi")):
        if (first in cells) != (second in cells) and not told & {first, second}:
            here, other = (first, second) if first in cells else (second, first)
            why = WordError(
                f"`{here}` says nothing without `{other}`", hint=f"fill in `{other}` too"
            )
            wrong.append((here, why))
    low, high, raw_low, raw_high = values
    if low is not None and high is not None:
        words["range"] = [low, high]
    if raw_low is None or raw_high is None:
        return
    if low is None or high is None:
        why = WordError("a raw range needs `lo` and `hi` too", hint="they are what it comes to")
        wrong.append(("raw_lo", why))
        return
    words["scale"] = [raw_low, raw_high, low, high]


_YES = frozenset(
    [
        "true",
        "yes",
        "y",
        "x",
        "1",
        "ja",
        "oui",
        "wahr",
        "vrai",
        "verdadero",
        "vero",
        "sì",
        "sí",
        "si",
    ]
)
_NO = frozenset(["false", "no", "n", "0", "-", "nein", "non", "falsch", "faux", "falso"])
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_DECIMAL_COMMA = re.compile(r"[-+]?(?:[0-9]+|[0-9]{1,3}(?:[. \u00a0\u202f'][0-9]{3})+),[0-9]+\Z")
_THOUSANDS = re.compile(r"[-+]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?\Z")
_STATE = re.compile(r"\s*([0-9]+)\s*[ :=]\s*([^,;|\n]+?)\s*(?:[,;|\n]|\Z)")


def _number(text: str, has_decimal_comma: bool) -> float | int:  # noqa: FBT001 - see _READERS
    """A number as it is written in this file: `0,5` where cells are separated by `;`."""
    if _NUMBER.match(text):
        return float(text) if set(text) & set(".eE") else int(text)
    if _DECIMAL_COMMA.match(text) and (has_decimal_comma or not _THOUSANDS.match(text)):
        return float(re.sub("[. \u00a0\u202f']", "", text).replace(",", "."))
    if _THOUSANDS.match(text):
        hint = f"write `{text.replace(',', '')}`, or `{text.replace(',', '.', 1)}`"
        raise WordError(f"`{text}` may be thousands or a fraction", hint=hint)
    raise WordError(f"`{shortened(text)}` is not a number", hint="for example `0.5` or `0,5`")


def _is_yes(text: str, _: bool) -> bool:  # noqa: FBT001 - see _READERS
    """Yes or no as people and spreadsheets say it."""
    if text.casefold() in _YES | _NO:
        return text.casefold() in _YES
    raise WordError(
        f"`{shortened(text)}` is neither yes nor no", hint="`yes`, `x`, `no`, or nothing"
    )


def _deadband(text: str, has_decimal_comma: bool) -> Any:  # noqa: FBT001 - see _READERS
    """A number, or a percentage."""
    if not text.endswith("%"):
        return _number(text, has_decimal_comma)
    return f"{_number(text[:-1].strip(), has_decimal_comma)}%"


def _write(text: str, _: bool) -> Any:  # noqa: FBT001 - see _READERS
    """Yes, no, or the roles that may."""
    if text.casefold() in _YES | _NO:
        return text.casefold() in _YES
    return {"roles": [role for role in re.split(r"[,;|\s]+", text) if role]}


def _states(text: str, _: bool) -> Any:  # noqa: FBT001 - see _READERS
    """A model's name, or numbers with their names."""
    found = _STATE.findall(text)
    return {int(number): name for number, name in found} if found else text


def _names(text: str, _: bool) -> list[str]:  # noqa: FBT001 - see _READERS
    return [name for name in re.split(r"[,;|\s]+", text) if name]


_READERS: Mapping[str, Callable[[str, bool], Any]] = {
    **dict.fromkeys((*_PAIRED, "alarm_lolo", "alarm_lo", "alarm_hi", "alarm_hihi"), _number),
    **dict.fromkeys(("deadband", "alarm_hysteresis"), _deadband),
    **dict.fromkeys(("counter", "optional", "store"), _is_yes),
    "rollover": _number,
    "write": _write,
    "states": _states,
    "was": _names,
}
