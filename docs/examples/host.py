"""A host application that prints what every edge node of a broker says: python host.py [broker].

With `--write group/node/device metric value` it also writes one value, once it sees the metric.
`HostApplication` knows Sparkplug and no sockets; this program is its shell.
"""
# ruff: noqa: INP001, T201  # a program to be copied: it belongs to no package, and prints

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing

from uns.errors import BrokerError, DeviceError
from uns.mqtt import Broker, Session, sessions
from uns.sparkplug import (
    Born,
    Changed,
    Died,
    Event,
    HostApplication,
    NodeId,
    Problem,
    Publish,
    Reconnect,
    Written,
)

HOST_ID = "example-host"
host = HostApplication(HOST_ID)
wish = sys.argv[sys.argv.index("--write") + 1 :] if "--write" in sys.argv else []


def now_ms() -> int:
    """Milliseconds since 1970 UTC; `HostApplication` has no clock of its own."""
    return time.time_ns() // 1_000_000


async def main(url: str) -> None:
    """Stay connected until cancelled."""
    endless = sessions(Broker.parse(url), HOST_ID, will=lambda: host.will(now_ms()))
    async with aclosing(endless):
        async for session in endless:
            try:
                await serve(session)
            except* BrokerError as errors:
                print("lost the broker:", errors.exceptions[0])
            await carry_out(session, host.disconnected(now_ms()))


async def serve(session: Session) -> None:
    """One session with the broker: STATE first, then everything that arrives."""
    try:
        await session.subscribe(host.subscriptions())
        await carry_out(session, host.connected(now_ms()))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(receive(session), name="receive")
            tasks.create_task(tick(session), name="tick")
    except asyncio.CancelledError:
        await carry_out(session, host.stopping(now_ms()))
        await session.close()
        raise


async def receive(session: Session) -> None:
    """Hand every message to the host, in order."""
    async for batch in session.batches():
        for message in batch:
            await carry_out(session, host.received(message, now_ms()))


async def tick(session: Session) -> None:
    """Let the host know that time passes: it gives up gaps and asks for births."""
    while True:
        await asyncio.sleep(0.25)
        await carry_out(session, host.tick(now_ms()))


async def carry_out(session: Session, events: Sequence[Event]) -> None:
    """Do what the host asks for, in its order, and print the rest."""
    for event in events:
        if isinstance(event, Publish):
            await session.publish(event.message)
        elif isinstance(event, Reconnect):
            session.abort()
        else:
            tell(event)
        if isinstance(event, Born):
            await write(session, f"{event.node}/{event.device_id}")


def tell(event: Born | Changed | Died | Problem | Written) -> None:
    """Print what became of an edge node."""
    match event:
        case Born(node, device_id, slots):
            print(f"{node}/{device_id} is born")
            for slot in slots:
                show(f"{node}/{device_id}", slot.name, slot.value, slot.quality)
        case Changed(node, device_id, updates):
            for slot, value, quality, _ in updates:
                show(f"{node}/{device_id}", slot.name, value, quality)
        case Died(node, device_id, _, reason):
            print(f"{node}/{device_id or ''} is stale: {reason}")
        case Written(_, _, _, name, value, outcome, reason):
            print(f"writing {value} to {name}: {outcome} {reason}")
        case Problem(node, device_id, text):
            print(f"{node}/{device_id}: {text}")


def show(place: str, name: str, value: object, quality: int) -> None:
    """One value; 192 is a good one."""
    print(f"{place}/{name} = {value} ({quality})")


async def write(session: Session, place: str) -> None:
    """Write what was asked for, if this is the device; its `Written` tells what came of it."""
    if wish[:1] != [place]:
        return
    group_id, edge_node_id, device_id = place.split("/")
    _, name, value = wish
    wish.clear()
    try:
        command = host.write(NodeId(group_id, edge_node_id), device_id, name, value, now_ms())
    except DeviceError as error:
        print(error)
        return
    await session.publish(command.publish.message)


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "mqtt://127.0.0.1:1883"))
    except KeyboardInterrupt:
        print("left")
