"""The reference page of units, made from the table."""

from __future__ import annotations

from collections.abc import Iterator

from uns.units.atoms import ATOMS, BASE, PREFIXES
from uns.units.spelling import ALIASES, MISTAKEN
from uns.units.table import TABLE
from uns.units.unit import Unit

__all__ = ["units_page"]

_HEAD = """\
# Units

This page is made from the code (`uns/units/reference.py`); a test fails when it drifts.

Units are [UCUM](https://ucum.org) codes. A code is a name, perhaps with a prefix (`kPa`) and an
exponent (`m3`); `.` multiplies and `/` divides, from left to right: `kW.h`, `W/(m2.K)`. Capitals
matter. What is counted goes in braces and is free: `{bottle}/h`.

A unit is more than a label:

- `range`, `alarm`, `deadband` and the last two numbers of `scale` are in the tag's unit.
- Two units **fit** when they measure the same: `bar` and `kPa`, `Cel` and `[degF]`, and not
  `bar` and `Cel`. Braces may name what is counted or how it is measured: `{bottle}` does not fit
  `{pallet}`, `bar{gauge}` does not fit `bar{absolute}`; what has no braces fits both.
- A temperature within a product is a difference: `Cel/min` is `K/min`.
- A type says a tag's unit once; types that extend it, bindings and overrides keep it. A device
  that counts in another unit is put right by `scale`: `[0, 100, 0, 1]` makes bar of kPa.
- Readers choose: `uns get TOPIC --unit kPa`, and `in_unit(tag('pressure'), 'kPa')` in a route.

## Units in formulas

`uns check` works each `calc` out with units in place of values.

| in a `calc` | what is checked |
|---|---|
| `a + b`, `a - b`, `a < b`, `max(a, b)`, `a if x else b` | both have the same unit; `Cel + K` is fine |
| `a * b`, `a / b`, `a ** 2`, `sqrt(a)` | nothing; the unit is worked out |
| the result | it measures what the tag's `unit` measures, in the same size |
| `in_unit(a, 'kPa')` | the value of the tag `a`, told in kPa; a tag with a unit that fits |
| `quantity(80, 'A')` | the number 80, and that it is in ampere |

A bare number has the unit of what it is added to or compared with. Where one is multiplied in, it
may be a conversion (`current * volts / 1000` is in kW) or have a unit that nobody said
(`100 * current / 80`): then the size is not checked, and another dimension is a warning, which
`quantity` settles. A tag without a unit is never held against a formula. Torque times angular
speed is power: the radian counts as 1 in a result.
"""


def units_page() -> str:
    """docs/reference/units.md."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "## Units with a code in UNECE Recommendation 20 and OPC UA"
    yield ""
    yield "A unit that is not in this table can be used as well; only its code in OPC UA is missing."
    yield ""
    yield "| unit | name | measures | UNECE | OPC UA unitId |"
    yield "|---|---|---|---|---|"
    for entry in TABLE:
        unit = Unit.parse(entry.code)
        number = unit.opcua_id or ""
        yield f"| `{entry.code}` | {entry.name} | {unit.quantity} | {entry.unece} | {number} |"
    yield ""
    yield "## Names and prefixes"
    yield ""
    names = {code: name for code, (name, _) in BASE.items()}
    names |= {code: atom.name for code, atom in ATOMS.items()}
    yield "Names: " + ", ".join(f"`{code}` {name}" for code, name in names.items()) + "."
    yield ""
    yield "Prefixes: " + ", ".join(f"`{prefix}`" for prefix in PREFIXES) + "."
    yield ""
    yield "## Spellings that are understood"
    yield ""
    yield ", ".join(f"`{alias}` is `{code}`" for alias, code in ALIASES.items()) + "."
    yield ""
    yield (
        "Understood, and hardly ever meant; `uns check` asks: "
        + ", ".join(
            f"`{code}` is {name}, not `{meant}`" for code, (meant, name) in MISTAKEN.items()
        )
        + "."
    )
    yield ""
    yield (
        "Sources: names and definitions after UCUM 2.2, codes after UNECE Recommendation 20 and the "
        "list that OPC 10000-8, 5.6.4.4 points to."
    )
