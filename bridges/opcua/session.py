"""A session in our terms: tags, readings and sentences, instead of nodes and status codes."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from asyncua import ua

from bridges.driver import BindResult, BoundTag, BrowsedNode, Description, Survey
from bridges.opcua.address import Address, NodeAddress, parse
from bridges.opcua.browse import Walk
from bridges.opcua.browse_path import BrowsePath, has_wildcard
from bridges.opcua.calling import call
from bridges.opcua.config import OpcUaConfig
from bridges.opcua.description import clock_ahead_s, described
from bridges.opcua.kept import Item, Kept
from bridges.opcua.link import Link
from bridges.opcua.past import history
from bridges.opcua.refusals import sentences
from bridges.opcua.resolve import OBJECTS, resolve
from bridges.opcua.values import Shape, in_type, problem, variant_type
from uns.errors import DeviceError
from uns.metric import Quality, Reading, Value

__all__ = ["Session"]

log = logging.getLogger("uns.opcua")

_QUEUE_LATEST = 1  # the server overwrites what was not collected yet
_SLOWER = 1.05  # servers round
_HEADROOM = 2  # some servers do not sample, and queue each change as it is
_LEAST_EVERY = 50  # changes of a tag that the server keeps between two collections
_MOST_EVERY = 10_000  # and over a cut; a server may grant less


class Session:
    """What one connection knows of its server: the namespaces' indexes and the tags' types."""

    def __init__(self, config: OpcUaConfig, home: Path, kept: Kept | None = None) -> None:
        """`kept` is what a lost session left, to go on with it."""
        self._config = config
        self._link = Link(config, home, kept)
        self._namespaces: list[str] = []
        self._types: dict[ua.NodeId, ua.VariantType] = {}
        self._items: dict[int, Item] = {}  # what is bound
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
            items, problems = await self._located(tags)
            leftover, self._leftover = self._leftover, set()
            await self._link.unmonitor([*leftover.difference(tag.handle for tag in tags)])
            statuses = await self._link.monitor(items)
        self._tell_grants([item.handle for item in items])
        self._items |= {item.handle: item for item in items}
        for item, status in zip(items, statuses, strict=True):
            problems[item.handle] = problem(status)
        return [BindResult(tag.handle, problems[tag.handle]) for tag in tags]

    async def unbind(self, handles: Sequence[int]) -> None:
        """Have these tags monitored no more."""
        for handle in handles:
            self._items.pop(handle, None)
        with sentences(self._config):
            await self._link.unmonitor(handles)

    async def read_now(self, handles: Sequence[int]) -> list[Reading]:
        """What bound tags hold this moment; BAD where a tag is not bound."""
        items = [item for handle in handles if (item := self._items.get(handle))]
        with sentences(self._config):
            readings = iter(await self._link.read_now(items))
        return [
            next(readings) if handle in self._items else (handle, None, int(Quality.BAD), 0)
            for handle in handles
        ]

    async def write(self, items: Sequence[tuple[BoundTag, Value]]) -> list[str]:
        """Write each value in the type its variable has; one problem each."""
        with sentences(self._config):
            known, problems = await self._located([tag for tag, _ in items])
            await self._learn_types([item.node for item in known])
            places = {item.handle: item for item in known}
            values: list[tuple[Item, ua.Variant]] = []
            for tag, value in items:
                if tag.handle not in places:
                    continue
                try:
                    values.append(self._written(places[tag.handle], value))
                except DeviceError as error:
                    problems[tag.handle] = str(error)
            statuses = await self._link.write(values)
        for (item, _), status in zip(values, statuses, strict=True):
            problems[item.handle] = problem(status)
        return [problems[tag.handle] for tag, _ in items]

    async def describe(self, tags: Sequence[BoundTag]) -> Survey:
        """Ask the server what it says of each tag, and what time it has."""
        with sentences(self._config):
            items, problems = await self._located(tags)
            found = await described(self._link, items)
            ahead_s = await clock_ahead_s(self._link)
        missing = [Description(h, why, is_missing=True) for h, why in problems.items()]
        return Survey((*found, *missing), ahead_s)

    async def call(self, address: Address, arguments: Sequence[Value]) -> list[Value]:
        """Call a method; what it returns."""
        with sentences(self._config):
            return await call(self._link, await self._place(address), arguments)

    async def history(self, tag: BoundTag, begin_ms: int, end_ms: int) -> list[Reading]:
        """What the server remembers of a tag."""
        with sentences(self._config):
            item = self._item(tag, await self._place(tag.address))
            return await history(self._link, item, begin_ms, end_ms)

    async def browse(self, root: str) -> AsyncIterator[BrowsedNode]:
        """Every variable below `root`: an address, a browse path, or a glob of one."""
        with sentences(self._config):
            walk = await self._walk(root)
            await walk.first()
        while not walk.is_over:
            with sentences(self._config):
                nodes = await walk.step()
            for node in nodes:
                yield node

    async def _walk(self, root: str) -> Walk:
        names: tuple[str, ...] = ()
        pattern: tuple[str, ...] = ()
        if has_wildcard(root) and root.startswith("/"):
            root, pattern = _split_glob(root)
        if root in ("", "/", "/Objects"):
            return Walk(self._link, self._namespaces, OBJECTS, names, pattern)
        address = parse(root, self._config.namespace)
        if isinstance(address, BrowsePath):
            names = tuple(step.name for step in address.steps)
        place = await self._place(address)
        return Walk(self._link, self._namespaces, place, names, pattern)

    # ------------------------------------------------------------ where tags are

    async def _located(self, tags: Sequence[BoundTag]) -> tuple[list[Item], dict[int, str]]:
        """An item for each tag that has a node, and by handle why the others have none."""
        places = await self._places([tag.address for tag in tags])
        items: list[Item] = []
        problems: dict[int, str] = {}
        for tag, place in zip(tags, places, strict=True):
            if isinstance(place, str):
                problems[tag.handle] = place
            else:
                items.append(self._item(tag, place))
        return items, problems

    async def _place(self, address: Address) -> ua.NodeId:
        (place,) = await self._places([address])
        if isinstance(place, str):
            raise DeviceError(place)
        return place

    async def _places(self, addresses: Sequence[Address]) -> list[ua.NodeId | str]:
        """The node of each address, or why there is none."""
        if any(self._namespace_problem(address) for address in addresses):
            self._namespaces = await self._link.namespaces()  # one may have been added
        paths = list(dict.fromkeys(one for one in addresses if isinstance(one, BrowsePath)))
        nodes = await resolve(self._link, paths, self._preferred()) if paths else {}
        return [nodes[one] if isinstance(one, BrowsePath) else self._node(one) for one in addresses]

    def _preferred(self) -> int | None:
        """The index of the connection's own namespace, where names in paths are at home."""
        space = self._config.namespace
        return self._namespaces.index(space) if space in self._namespaces else None

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

    def _item(self, tag: BoundTag, node: ua.NodeId) -> Item:
        elements = tag.address.elements
        shape = Shape.ELEMENT if elements else Shape.SINGLE
        if not elements and tag.datatype.element is not None:
            shape = Shape.ARRAY
        scan_ms = tag.scan_s * 1000
        return Item(tag.handle, node, scan_ms, self._queue_size(tag), elements, shape)

    def _queue_size(self, tag: BoundTag) -> int:
        """How many changes the server is to keep: those of a whole cut, where each one counts."""
        if not tag.deliver_every:
            return _QUEUE_LATEST
        over_a_cut = _MOST_EVERY
        if tag.scan_s:
            over_a_cut = math.ceil(_HEADROOM * self._config.lasting_s / tag.scan_s)
        return min(max(_LEAST_EVERY, over_a_cut), _MOST_EVERY)

    def _namespace_problem(self, address: Address) -> str:
        space = address.namespace if isinstance(address, NodeAddress) else 0
        if not isinstance(space, str) or space in self._namespaces:
            return ""
        return f"the server has no namespace `{space}`; it has {', '.join(self._namespaces[1:])}"

    def _node(self, address: NodeAddress) -> ua.NodeId | str:
        space = address.namespace
        if missing := self._namespace_problem(address):
            return missing
        index = self._namespaces.index(space) if isinstance(space, str) else space
        return ua.NodeId(address.identifier, index)

    def _written(self, item: Item, value: Value) -> tuple[Item, ua.Variant]:
        kind = self._types.get(item.node)
        if kind is None:
            raise DeviceError("the server does not say what type the variable has")
        return item, in_type(value, kind, is_array=item.shape is not Shape.SINGLE)

    async def _learn_types(self, nodes: Sequence[ua.NodeId]) -> None:
        unknown = [node for node in dict.fromkeys(nodes) if node not in self._types]
        if not unknown:
            return
        types = await self._link.read(unknown, ua.AttributeIds.DataType)
        values = await self._link.read(unknown, ua.AttributeIds.Value)
        for node, data_type, current in zip(unknown, types, values, strict=True):
            kind = variant_type(data_type, current)
            if kind is not None:
                self._types[node] = kind


def _split_glob(glob: str) -> tuple[str, tuple[str, ...]]:
    """Where to begin, and what the names below have to match: `/Objects/A`, (`A`, `**`)."""
    names = tuple(name for name in glob.split("/") if name)
    plain = next(at for at, name in enumerate(names) if has_wildcard(name))
    return "/" + "/".join(names[:plain]), names[1:]
