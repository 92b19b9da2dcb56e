"""Facts: what is known of one value while a document is being looked for.

Whole numbers, whole numbers written with a point (1.0) and fractions are kinds of their own, so
that `number` and `integer` of every draft are plain sets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from uns.schema.evolution.claim import Claim

__all__ = [
    "KINDS",
    "NUMBERS",
    "Closing",
    "Facts",
    "FieldRule",
    "ItemRule",
    "Scalar",
    "Some",
    "Wanted",
    "scalar",
]

KINDS: Final = frozenset(
    {"integer", "fraction", "whole", "string", "boolean", "null", "object", "array"}
)
NUMBERS: Final = frozenset({"integer", "fraction", "whole"})

Scalar: TypeAlias = tuple[str, Any]


def scalar(value: Any) -> Scalar:
    """Return what two JSON values share that JSON Schema takes for equal.

    >>> scalar(1) == scalar(1.0), scalar(1) == scalar(True)
    (True, False)
    """
    if isinstance(value, bool) or value is None:
        return ("word", value)
    if isinstance(value, int | float):
        return ("number", Fraction(repr(value)))
    return ("string", value)


@dataclass(frozen=True, slots=True)
class FieldRule:
    """`properties`, `patternProperties` and `additionalProperties` of one schema."""

    names: dict[str, Claim]
    patterns: dict[str, Claim]
    rest: Claim | None


@dataclass(frozen=True, slots=True)
class Closing:
    """The fields that a writer's schema names; `is_open` where it speaks of others itself."""

    names: tuple[str, ...]
    patterns: tuple[str, ...]
    is_open: bool


@dataclass(frozen=True, slots=True)
class ItemRule:
    """`prefixItems` and `items` of one schema."""

    prefix: tuple[Claim, ...]
    rest: Claim | None

    def at(self, index: int) -> Iterator[Claim]:
        """Yield what is claimed of the element at `index`."""
        if index < len(self.prefix):
            yield self.prefix[index]
        elif self.rest is not None:
            yield self.rest


@dataclass(frozen=True, slots=True)
class Wanted:
    """A field that must exist: its name matches this and not that, its value obeys the claim."""

    claim: Claim | None
    matches: tuple[str, ...] = ()
    avoids: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()  # those it must not have
    name: Claim | None = None  # what its name must be like


@dataclass(frozen=True, slots=True)
class Some:
    """At least `count` elements from `start` on obey the claim."""

    claim: Claim
    start: int = 0
    count: int = 1


@dataclass(slots=True)
class Facts:
    """One way for a value to be what it is claimed to be."""

    kinds: frozenset[str] = KINDS
    allowed: frozenset[Scalar] | None = None
    excluded: frozenset[Scalar] = frozenset()
    #: (limit, whether the limit itself is out)
    low: tuple[Fraction, bool] | None = None
    high: tuple[Fraction, bool] | None = None
    multiples: tuple[Fraction, ...] = ()
    not_multiples: tuple[Fraction, ...] = ()
    shortest: int = 0
    longest: int | None = None
    patterns: tuple[str, ...] = ()
    not_patterns: tuple[str, ...] = ()
    fields: tuple[FieldRule, ...] = ()
    closings: tuple[Closing, ...] = ()
    present: tuple[tuple[str, Claim | None], ...] = ()
    absent: frozenset[str] = frozenset()
    wanted: tuple[Wanted, ...] = ()
    field_names: tuple[Claim, ...] = ()
    fewest_fields: int = 0
    most_fields: int | None = None
    items: tuple[ItemRule, ...] = ()
    elements: tuple[tuple[int, Claim], ...] = ()
    some: tuple[Some, ...] = ()
    fewest_items: int = 0
    most_items: int | None = None
    is_unique: bool = False
    has_twins: bool = False
    labels: frozenset[Any] = field(default=frozenset())

    def only(self, *kinds: str) -> Facts:
        """Return the facts of a value that is one of `kinds`."""
        return replace(self, kinds=self.kinds & set(kinds))

    def above(self, limit: Fraction, *, is_open: bool) -> Facts:
        """Return the facts of a number that is at least, or more than, `limit`."""
        low = (limit, is_open)
        return replace(self, low=low if self.low is None else max(self.low, low))

    def below(self, limit: Fraction, *, is_open: bool) -> Facts:
        """Return the facts of a number that is at most, or less than, `limit`."""
        high = (limit, is_open)
        tighter = min(self.high or high, high, key=lambda one: (one[0], not one[1]))
        return replace(self, high=tighter)

    def longer(self, word: str, limit: int) -> Facts:
        """Return the facts with `shortest`, `fewest_items` or `fewest_fields` raised."""
        raised: dict[str, Any] = {word: max(getattr(self, word), limit)}
        return replace(self, **raised)

    def shorter(self, word: str, limit: int) -> Facts:
        """Return the facts with `longest`, `most_items` or `most_fields` lowered."""
        now = getattr(self, word)
        lowered: dict[str, Any] = {word: limit if now is None else min(now, limit)}
        return replace(self, **lowered)

    def more(self, **lists: Any) -> Facts:
        """Return the facts with something added to some of their lists and sets."""
        found: dict[str, Any] = {}
        for word, new in lists.items():
            now = getattr(self, word)
            found[word] = now | new if isinstance(now, frozenset) else now + tuple(new)
        return replace(self, **found)

    @property
    def has_no_fraction(self) -> bool:
        """Whether the limits leave room for no fraction."""
        if self.low is None or self.high is None or self.low[0] < self.high[0]:
            return False
        is_whole = self.low[0].denominator == 1
        return self.low[0] > self.high[0] or self.low[1] or self.high[1] or is_whole

    def fits(self, value: Any) -> bool:
        """Whether a scalar is in the lists and ranges; patterns and lengths are the strings'."""
        key = scalar(value)
        if key in self.excluded or (self.allowed is not None and key not in self.allowed):
            return False
        return key[0] != "number" or self._fits_number(key[1])

    def _fits_number(self, value: Fraction) -> bool:
        if self.low and (value < self.low[0] or (self.low[1] and value == self.low[0])):
            return False
        if self.high and (value > self.high[0] or (self.high[1] and value == self.high[0])):
            return False
        return all(value % step == 0 for step in self.multiples) and all(
            value % step for step in self.not_multiples
        )
