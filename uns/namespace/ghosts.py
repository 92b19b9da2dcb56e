"""Ghosts: foreign values of a former life, found retained on the broker after a start.

Their `_meta` says which device fed them. Its edge node is asked for its births; what no birth
has claimed when the grace ends is shown as stale, with the value and the time that it had.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

import msgspec

from uns.namespace.device import DeviceKey
from uns.namespace.foreign import Border
from uns.namespace.leaf import GOOD, NULL, STALE, UNCERTAIN, Publish
from uns.namespace.payload import (
    BEFORE_QUALITY,
    BEFORE_TIMESTAMP,
    BEFORE_VALUE,
    Clock,
    json_text,
    tail,
)
from uns.sparkplug.names import NodeId
from uns.vqt import read_vqt

__all__ = ["Ghosts"]

_MAX = 100_000  # topics: a bound on memory
_META = "/_meta"


class _Ids(msgspec.Struct, gc=False):
    group_id: str = ""
    edge_node_id: str = ""
    device_id: str = ""


class _Meta(msgspec.Struct, gc=False):
    sparkplug: _Ids


_decoder = msgspec.json.Decoder(_Meta)


class Ghosts:
    """What was found of devices that a rule of the project is about, until the grace ends."""

    def __init__(self, border: Border) -> None:
        self._border = border
        self._devices: dict[str, DeviceKey] = {}  # by topic, as their `_meta` says
        self._values: dict[str, bytes] = {}
        self._clock = Clock()

    def change(self, border: Border) -> None:
        """Other rules from now on."""
        self._border = border

    def define(self, topic: str, payload: bytes) -> None:
        """A `_meta` was found; it counts when a rule is about the device that it names."""
        is_full = len(self._devices) >= _MAX
        if is_full or not self._border.has_rules or not topic.endswith(_META):
            return
        try:
            ids = _decoder.decode(payload).sparkplug
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        key = DeviceKey(ids.group_id, ids.edge_node_id, ids.device_id)
        place = topic.removesuffix(_META)
        if self._border.has_rule(key) and self._border.covers(place):
            self._devices[place] = key

    def appear(self, topic: str, payload: bytes) -> None:
        """A value was found that none of the project's tags has."""
        if len(self._values) < _MAX:
            self._values[topic] = payload

    @property
    def nodes(self) -> set[NodeId]:
        """The edge nodes whose births will tell what is true now."""
        return {NodeId(key.group_id, key.edge_node_id) for key in self._devices.values()}

    def fade(self, claimed: Container[str]) -> Iterator[Publish]:
        """Yield the values that nobody has claimed, as stale; then there are no ghosts."""
        for topic, payload in self._values.items():
            seen = read_vqt(payload) if topic in self._devices and topic not in claimed else None
            if seen is None or seen.detail == STALE or seen.quality not in (GOOD, UNCERTAIN):
                continue
            if bytes(seen.value) != NULL:
                stamp = json_text(seen.timestamp).strip(b'"')
                yield (
                    topic.encode(),
                    b"".join(
                        (
                            *(BEFORE_VALUE, bytes(seen.value), BEFORE_QUALITY),
                            *(UNCERTAIN.encode(), BEFORE_TIMESTAMP, stamp),
                            tail(seen.unit, STALE),
                        )
                    ),
                )
        self._devices, self._values = {}, {}
