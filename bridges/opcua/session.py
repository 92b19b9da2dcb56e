"""A session in our terms: tags, readings and sentences, instead of nodes and status codes."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path

from asyncua import ua

from bridges.driver import BindResult, BoundTag, Description, Survey
from bridges.opcua.address import NodeAddress
from bridges.opcua.config import OpcUaConfig
from bridges.opcua.description import clock_ahead_s, described
from bridges.opcua.kept import Item, Kept
from bridges.opcua.link import Link
from bridges.opcua.refusals import sentences
from bridges.opcua.values import in_type, problem, variant_type
from uns.errors import DeviceError
from uns.metric import Reading, Value

__all__ = ["Session"]

log = logging.getLogger("uns.opcua")

_QUEUE_LATEST = 1  # the server overwrites what was not collected yet
_SLOWER = 1.05  # servers round
_LEAST_EVERY = 50  # changes of a tag that the server keeps between two collections
_MOST_EVERY = 10_000  # and over a cut; a server may grant less


class Session:
    """What one connection knows of its server: the namespaces' indexes and the tags' types."""

    def __init__(self, config: OpcUaConfig, home: Path, kept: Kept | None = None) -> None:
        """`kept` is what a lost session left, to go on with it."""
        self._config = config
        self._link = Link(config, home, kept)
        self._namespaces: list[str] = []
        self._types: dict[NodeAddress, ua.VariantType] = {}
        self._grants_are_told = False
        self._leftover: set[int] = set()  # handles of the lost session that nobody bound again

    @property
    def keepalive_s(self) -> float:
        """How often the server says that it is alive, as it granted it."""
        return self._link.kept.keepalive_s

    @property
    def kept(self) -> Kept | None:
        """What the next session could go on with; None while nothing was delivered."""
        kept = self._link.kept
        was_delivered = any(one.sequence for one in kept.subscriptions.values())
        return kept if kept.is_resumable and was_delivered else None

    async def open(self) -> None:
        """Connect, log in, create the subscription, learn the namespaces."""
        with sentences(self._config):
            self._grants_are_told = await self._link.open()
            self._namespaces = await self._link.namespaces()
        self._leftover = set(self._link.kept.items)

    async def close(self) -> None:
        """Log out."""
        await self._link.close()

    async def abandon(self) -> None:
        """Leave the server what it keeps for the next session, if there is any of that."""
        if self.kept is None:
            await self._link.close()
        await self._link.abandon()

    async def collect(self) -> list[Reading]:
        """Wait for the next notification; no readings when the server is merely alive."""
        with sentences(self._config):
            return await self._link.collect()

    async def bind(self, tags: Sequence[BoundTag]) -> list[BindResult]:
        """Have each tag monitored under its own handle."""
        with sentences(self._config):
            if any(self._namespace_problem(tag.address) for tag in tags):
                self._namespaces = await self._link.namespaces()  # one may have been added
            problems = {tag.handle: self._namespace_problem(tag.address) for tag in tags}
            known = [tag for tag in tags if not problems[tag.handle]]
            leftover, self._leftover = self._leftover, set()
            await self._link.unmonitor([*leftover.difference(problems)])
            statuses = await self._link.monitor([self._item(tag) for tag in known])
        self._tell_grants([tag.handle for tag in known])
        for tag, status in zip(known, statuses, strict=True):
            problems[tag.handle] = problem(status)
        return [BindResult(handle, text) for handle, text in problems.items()]

    async def unbind(self, handles: Sequence[int]) -> None:
        """Have these tags monitored no more."""
        with sentences(self._config):
            await self._link.unmonitor(handles)

    async def write(self, items: Sequence[tuple[BoundTag, Value]]) -> list[str]:
        """Write each value in the type its variable has; one problem each."""
        with sentences(self._config):
            await self._learn_types([tag.address for tag, _ in items])
            problems: list[str] = []
            values: list[tuple[ua.NodeId, ua.Variant]] = []
            for tag, value in items:
                try:
                    values.append(self._written(tag.address, value))
                    problems.append("")
                except DeviceError as error:
                    problems.append(str(error))
            answers = iter([problem(status) for status in await self._link.write(values)])
        return [text or next(answers) for text in problems]

    async def describe(self, tags: Sequence[BoundTag]) -> Survey:
        """Ask the server what it says of each tag, and what time it has."""
        with sentences(self._config):
            problems = {tag.handle: self._namespace_problem(tag.address) for tag in tags}
            known = [tag for tag in tags if not problems[tag.handle]]
            found = await described(self._link, [self._item(tag) for tag in known])
            ahead_s = await clock_ahead_s(self._link)
        missing = [Description(h, why, is_missing=True) for h, why in problems.items() if why]
        return Survey((*found, *missing), ahead_s)

    def _tell_grants(self, handles: Sequence[int]) -> None:
        """Say once in a new session what the server does not grant as it was asked."""
        if self._grants_are_told:
            return
        self._grants_are_told = True
        held = [one for handle in handles if (one := self._link.kept.items.get(handle))]
        slow = [one for one in held if one.sampling_ms > _SLOWER * one.item.sampling_ms]
        short = [one for one in held if one.queue_size < one.item.queue_size]
        if slow:
            worst = max(slow, key=lambda one: one.sampling_ms / max(1.0, one.item.sampling_ms))
            log.info(
                "%s samples %d of %d tags more slowly than asked: at worst every %g s instead of %g s",
                self._config.key(),
                len(slow),
                len(held),
                worst.sampling_ms / 1000,
                worst.item.sampling_ms / 1000,
            )
        if short:
            least = min(one.queue_size * one.item.sampling_ms / 1000 for one in short)
            log.info(
                "%s keeps fewer changes than asked of %d tags: of a cut longer than %g s some are lost",
                self._config.key(),
                len(short),
                least,
            )

    def _item(self, tag: BoundTag) -> Item:
        return Item(tag.handle, self._node(tag.address), tag.scan_s * 1000, self._queue_size(tag))

    def _queue_size(self, tag: BoundTag) -> int:
        """How many changes the server is to keep: those of a whole cut, where each one counts."""
        if not tag.deliver_every:
            return _QUEUE_LATEST
        over_a_cut = math.ceil(self._config.keep_s / tag.scan_s) if tag.scan_s else _MOST_EVERY
        return min(max(_LEAST_EVERY, over_a_cut), _MOST_EVERY)

    def _namespace_problem(self, address: NodeAddress) -> str:
        space = address.namespace
        if not isinstance(space, str) or space in self._namespaces:
            return ""
        return f"the server has no namespace `{space}`; it has {', '.join(self._namespaces[1:])}"

    def _node(self, address: NodeAddress) -> ua.NodeId:
        space = address.namespace
        index = self._namespaces.index(space) if isinstance(space, str) else space
        return ua.NodeId(address.identifier, index)

    def _written(self, address: NodeAddress, value: Value) -> tuple[ua.NodeId, ua.Variant]:
        missing = self._namespace_problem(address)
        if missing:
            raise DeviceError(missing)
        kind = self._types.get(address)
        if kind is None:
            raise DeviceError("the server does not say what type the variable has")
        return self._node(address), in_type(value, kind)

    async def _learn_types(self, addresses: Sequence[NodeAddress]) -> None:
        unknown = [
            address
            for address in dict.fromkeys(addresses)
            if address not in self._types and not self._namespace_problem(address)
        ]
        if not unknown:
            return
        nodes = [self._node(address) for address in unknown]
        types = await self._link.read(nodes, ua.AttributeIds.DataType)
        values = await self._link.read(nodes, ua.AttributeIds.Value)
        for address, data_type, current in zip(unknown, types, values, strict=True):
            kind = variant_type(data_type, current)
            if kind is not None:
                self._types[address] = kind
