"""`uns get`: one value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from uns.cli.address import broker_option
from uns.cli.unit import unit_option

if TYPE_CHECKING:
    from uns.cli.seen import Seen
    from uns.errors import ProjectError
    from uns.message import Message
    from uns.mqtt import Broker
    from uns.units import Unit

__all__ = ["get"]

NOT_FOUND, NOT_GOOD, TIMED_OUT = 3, 4, 27
_CONNECT_S = 1.0  # more than our own deadline, so that a silent broker is a timeout


@click.command(short_help="Print one value.")
@click.argument("topic")
@broker_option
@click.option(
    "-W",
    "--wait",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the broker, and then for the value.",
)
@unit_option("the value")
@click.option("--json", "as_json", is_flag=True, help="The whole payload as JSON, with its topic.")
def get(topic: str, broker: Broker, wait: float, unit: Unit | None, *, as_json: bool) -> int:
    """Print the value that TOPIC shows now: the bare value on stdout, the rest on stderr.

    Exit code 0: Good, 1: no broker, or nothing that fits --unit, 3: the topic shows nothing, 4: the value is not Good,
    27: the broker does not answer.
    """
    import asyncio

    from uns.cli.seen import Seen
    from uns.errors import ProjectError
    from uns.topic import Topic

    try:
        Topic.parse(topic)
    except ProjectError as error:
        raise click.BadParameter(_for_watch(topic, error), param_hint="'TOPIC'") from None
    try:
        message = asyncio.run(_first(broker, topic, wait))
    except TimeoutError:
        click.echo(
            f"uns: the broker at {broker.address} did not answer within {wait:g} s", err=True
        )
        return TIMED_OUT
    if message is None or not message.payload:
        click.echo(f"uns: `{topic}` shows nothing; `uns watch` lists what there is", err=True)
        return NOT_FOUND
    seen = Seen.of(message)
    return _show(seen.told_in(unit) if unit else seen, as_json=as_json)


def _for_watch(topic: str, error: ProjectError) -> str:
    return f"{error}; `uns watch` takes wildcards" if set(topic) & set("+#") else str(error)


def _show(seen: Seen, *, as_json: bool) -> int:
    if as_json:
        click.echo(seen.json)
    if seen.vqt is None:
        if not as_json:
            click.echo(seen.payload)
        return 0
    if not as_json:
        click.echo(seen.vqt.text)
        click.echo(seen.line, err=True)
    return 0 if seen.vqt.quality == "Good" else NOT_GOOD


async def _first(broker: Broker, topic: str, wait: float) -> Message | None:
    """Return what the topic shows; raises TimeoutError where the broker itself is silent."""
    import asyncio
    import secrets

    from uns.mqtt import connect

    async with asyncio.timeout(wait):
        session = await connect(
            broker, f"uns-get-{secrets.token_hex(4)}", deadline_s=wait + _CONNECT_S
        )
    try:
        async with asyncio.timeout(wait):
            await session.subscribe([(topic, 0)])
        try:
            async with asyncio.timeout(wait):
                return (await anext(session.batches()))[0]
        except TimeoutError:
            return None
    finally:
        await session.close()
