"""`uns watch`: values live, one line each."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import click

from uns.cli.address import broker_option
from uns.cli.unit import unit_option

if TYPE_CHECKING:
    from uns.cli.seen import Seen
    from uns.mqtt import Broker
    from uns.units import Unit

__all__ = ["watch"]

TIMED_OUT = 27  # as mosquitto_sub exits on -W


@click.command(short_help="Print values live as they change.")
@click.argument("filters", nargs=-1, required=True, metavar="FILTER...")
@broker_option
@click.option("-C", "--count", type=click.IntRange(1), help="Leave after this many lines.")
@click.option(
    "-W", "--wait", type=click.FloatRange(0), metavar="SECONDS", help="Leave after this time."
)
@unit_option("values that fit")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.option("--all", "show_all", is_flag=True, help="Also _meta, _state and other `_` topics.")
def watch(
    filters: tuple[str, ...],
    broker: Broker,
    count: int | None,
    wait: float | None,
    unit: Unit | None,
    *,
    as_json: bool,
    show_all: bool,
) -> int:
    """Print values live, one line each: topic, value and unit, quality if not Good, time.

    FILTER is a topic, with `+` for any one level and `#` for all below; quotes keep the shell
    off it. What the broker has retained comes first.

    \b
      uns watch 'acme/leeds/packaging/#'

    Exit code 0: left after --count lines, 1: no broker, 27: left because of --wait.
    """  # noqa: D301 - click reads \b: do not wrap what follows
    import asyncio

    from uns.errors import ProjectError
    from uns.topic import TopicFilter

    for text in filters:
        try:
            TopicFilter.parse(text)
        except ProjectError as error:
            raise click.BadParameter(str(error), param_hint="'FILTER'") from None
    printer = _printer(as_json=as_json)
    if unit is not None:
        printer = _in_unit(unit, printer)
    watching = _watch(broker, filters, printer, count, show_all=show_all)
    try:
        asyncio.run(_within(watching, wait))
    except TimeoutError:
        return TIMED_OUT
    return 0


def _in_unit(unit: Unit, put: Callable[[list[Seen]], None]) -> Callable[[list[Seen]], None]:
    """Return what prints in `unit`; whatever does not fit is printed as it came."""
    from uns.units import UnitError

    def told(seen: Seen) -> Seen:
        try:
            return seen.told_in(unit)
        except UnitError:
            return seen

    return lambda found: put([told(seen) for seen in found])


async def _within(watching: Awaitable[None], wait: float | None) -> None:
    import asyncio

    async with asyncio.timeout(wait):
        await watching


async def _watch(
    broker: Broker,
    filters: Sequence[str],
    put: Callable[[list[Seen]], None],
    count: int | None,
    *,
    show_all: bool,
) -> None:
    import secrets

    from uns.cli.seen import Seen
    from uns.mqtt import connect

    session = await connect(broker, f"uns-watch-{secrets.token_hex(4)}")
    try:
        await session.subscribe([(text, 0) for text in filters])
        async for batch in session.batches():
            found = [Seen.of(message) for message in batch]
            wanted = [seen for seen in found if show_all or not seen.is_of_system][:count]
            put(wanted)
            if count is not None:
                count -= len(wanted)
                if not count:
                    return
    finally:
        await session.close()


def _printer(*, as_json: bool) -> Callable[[list[Seen]], None]:
    """Return what prints: in colour on a terminal, plain and quick elsewhere."""
    if as_json:
        return lambda found: _write([seen.json for seen in found])
    if not sys.stdout.isatty():
        return lambda found: _write([seen.line for seen in found])
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)  # knows NO_COLOR

    def put(found: list[Seen]) -> None:
        for seen in found:
            pieces = [piece for part in seen.parts for piece in (part, "  ")][:-1]
            console.print(Text.assemble(*pieces), soft_wrap=True)

    return put


def _write(lines: list[str]) -> None:
    if lines:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
