"""A unit on a command line: read at once, so that a wrong one is a usage error."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from uns.units import Unit

__all__ = ["unit_option"]

F = TypeVar("F", bound="Callable[..., object]")


def _unit(_: click.Context, __: click.Parameter, text: str | None) -> Unit | None:
    if text is None:
        return None
    from uns.units import UnitError, read

    try:
        return read(text)
    except UnitError as error:
        sentence = f"{error}; {error.hint}" if error.hint else str(error)
        raise click.BadParameter(sentence) from None


def unit_option(of_what: str) -> Callable[[F], F]:
    """The option `--unit`; `of_what` says what is told in it."""
    return click.option(
        "--unit", callback=_unit, metavar="UCUM", help=f"Tell {of_what} in this unit: kPa, [degF]."
    )
