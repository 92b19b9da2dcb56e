"""Unit changes: a tag's unit is said once; a type, binding or override that changes it is asked.

Whoever reads `bowl_pressure` of any filler counts on one unit, and the numbers that were said
before - range, alarm, deadband, scale - are in the old one.
"""

from __future__ import annotations

from collections.abc import Iterator

from uns.project.diagnose import Diagnostic, Severity, diagnostic
from uns.project.draft import Draft, written_at
from uns.project.lineage import Layer, Layers
from uns.project.words import DeadbandWords
from uns.units import Unit, UnitError, conversion
from uns.units.spelling import MISTAKEN

__all__ = ["unit_problems"]

_IN_THE_UNIT = ("range", "alarm", "deadband", "scale")  # keys whose numbers are in the unit


def unit_problems(made: Draft) -> Iterator[Diagnostic]:
    """What is wrong with the units that the layers of a tag say."""
    unit = made.words.get("unit") or ""
    if unit in MISTAKEN:
        meant, name = MISTAKEN[unit]
        yield diagnostic(
            "UNS131",
            f"`{unit}` is {name}",
            written_at(made.layers, "unit"),
            hint=f"did you mean `{meant}`?",
            severity=Severity.WARNING,
        )
    last: Layer | None = None
    for number, layer in enumerate(made.layers):
        if layer.words.unit is None:
            continue
        if last is not None and layer.words.unit != last.words.unit:
            yield from _changed(made, number, last, layer)
        last = layer


def _changed(made: Draft, number: int, last: Layer, layer: Layer) -> Iterator[Diagnostic]:
    old, new = Unit.parse(last.words.unit or ""), Unit.parse(layer.words.unit or "")
    at = layer.at.at("unit")
    related = ((f"`{old.code}` is said here", last.at.at("unit")),)
    if not old.fits(new):
        try:
            conversion(old, new)
        except UnitError as error:
            message = f"the unit of `{made.name}` changes: {error}"
        hint = f"keep `{old.code}`, or give what is measured here a tag of its own"
        yield diagnostic("UNS231", message, at, hint=hint, related=related)
    elif not _is_same(old, new):
        left = _left_in_old(made.layers, number)
        numbers = f"; {' and '.join(left)} of before would be in `{new.code}` too" if left else ""
        yield diagnostic(
            "UNS230",
            f"the unit of `{made.name}` changes from `{old.code}` to `{new.code}`{numbers}",
            at,
            hint=f"keep `{old.code}`; a device that counts in `{new.code}` is put right by "
            f"`scale: {_scale(old, new)}`",
            related=related,
            severity=Severity.ERROR if left else Severity.WARNING,
        )


def _is_same(old: Unit, new: Unit) -> bool:
    """Whether only the spelling changes: `l` and `L`."""
    return (old.factor, old.offset, old.counts) == (new.factor, new.offset, new.counts)


def _left_in_old(layers: Layers, number: int) -> list[str]:
    """The keys whose last word is older than the new unit, and so in the old one."""
    found = []
    for key in _IN_THE_UNIT:
        said = [place for place, layer in enumerate(layers) if _says_number(layer, key)]
        if said and said[-1] < number:
            found.append(f"`{key}`")
    return found


def _says_number(layer: Layer, key: str) -> bool:
    value = getattr(layer.words, key)
    if isinstance(value, DeadbandWords):
        return value.change is not None and not value.change.is_percent
    return value is not None


def _scale(old: Unit, new: Unit) -> str:
    """Raw values in `new`, and what they are in `old`."""
    to_new, to_old = conversion(old, new), conversion(new, old)
    if to_new.offset:
        return f"[{to_new(0):.10g}, {to_new(100):.10g}, 0, 100]"
    if to_new.factor >= 1:
        return f"[0, {to_new(1):.10g}, 0, 1]"
    return f"[0, 1, 0, {to_old(1):.10g}]"
