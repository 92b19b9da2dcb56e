"""What a foreign broker has: the topics that it sends while we listen, taken apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from bridges.driver import BrowsedNode
from bridges.mqtt.address import TopicAddress
from bridges.mqtt.config import MqttConfig
from bridges.mqtt.link import Link
from bridges.mqtt.payload import document
from bridges.mqtt.watch import Pattern
from bridges.paths import JsonPath
from uns.errors import DeviceError
from uns.metric import DataType

__all__ = ["browse", "leaves"]

_MAX_TOPICS = 10_000
_MAX_LEAVES = 1_000  # of one payload
_MAX_DEPTH = 12
_MAX_ELEMENTS = 32  # of an array: beyond that it is a curve, not tags
_SPARKPLUG = "spBv1.0/"
_KINDS = {
    bool: DataType.BOOLEAN,
    int: DataType.DOUBLE,  # JSON has one kind of number: 500 may be 500.5 next time
    float: DataType.DOUBLE,
    str: DataType.STRING,
}


async def browse(
    config: MqttConfig, home: Path, root: str, listen_s: float
) -> AsyncIterator[BrowsedNode]:
    """Listen for `listen_s` to the topics that match `root`, and tell what they hold.

    `root` is a topic filter, whose wildcards may have names; all topics where it is empty. It
    uses a session of its own, so that a driver that runs hears nothing of it.
    """
    wanted = Pattern.parse(root or "#").filter.text
    link = Link(config.model_copy(update={"client_id": ""}), home)
    heard: dict[str, bytes] = {}
    loop = asyncio.get_running_loop()
    try:
        await link.open(lambda: None)
        if refused := await link.subscribe([wanted]):
            raise DeviceError(refused[wanted], hint="ask for less, as the broker's list allows")
        until = loop.time() + listen_s
        while (left := until - loop.time()) > 0 and len(heard) < _MAX_TOPICS:
            for message in await link.next(left):
                heard[message.topic] = message.payload[: config.largest + 1]
    finally:
        await link.close(())
    for topic, payload in sorted(heard.items()):
        for node in leaves(topic, payload, config.largest):
            yield node


def leaves(topic: str, payload: bytes, largest: int) -> Iterator[BrowsedNode]:
    """The values in one payload, each with its path for people and its address."""
    levels = tuple(level for level in topic.split("/") if level)
    whole = str(TopicAddress(topic))
    if topic.startswith(_SPARKPLUG):
        yield BrowsedNode(levels, whole, problem="Sparkplug: write `spBv1.0 Group/Node/Device:…`")
        return
    if not payload or len(payload) > largest:
        why = "it is empty" if not payload else f"it has more than {largest:,} bytes"
        yield BrowsedNode(levels, whole, problem=why)
        return
    try:
        found = document(payload)
    except ValueError:
        yield _plain(levels, whole, payload)
        return
    if not isinstance(found, dict | list):
        yield BrowsedNode(levels, whole, _KINDS.get(type(found), DataType.STRING))
        return
    for told, (steps, value) in enumerate(_walk(found, ())):
        if told >= _MAX_LEAVES:
            yield BrowsedNode(levels, whole, problem=f"it has more than {_MAX_LEAVES:,} values")
            return
        path = (*levels, *map(str, steps))
        address = str(TopicAddress(topic, JsonPath(steps)))
        if value is None:
            yield BrowsedNode(path, address, problem="it is null now, so its type is not known")
        else:
            yield BrowsedNode(path, address, _KINDS[type(value)])


def _plain(levels: tuple[str, ...], whole: str, payload: bytes) -> BrowsedNode:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return BrowsedNode(levels, whole, problem="it is neither JSON nor text")
    return BrowsedNode(levels, whole, DataType.STRING)


def _walk(found: Any, steps: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every scalar below, with the way to it."""
    if len(steps) > _MAX_DEPTH:
        return
    if isinstance(found, dict):
        for name, value in found.items():
            yield from _walk(value, (*steps, name))
    elif isinstance(found, list):
        for place, value in enumerate(found[:_MAX_ELEMENTS]):
            yield from _walk(value, (*steps, place))
    else:
        yield steps, found
