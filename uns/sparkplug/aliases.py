"""Aliases: the numbers under which the metrics of an edge node and its devices travel."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence

from uns.errors import ProjectError
from uns.metric import DataType
from uns.sparkplug.compiled import CompiledMetric, Shortcut
from uns.sparkplug.definition import MetricDefinition
from uns.sparkplug.names import BD_SEQ, REBIRTH, NodeId, id_problem
from uns.sparkplug.profile import WireProfile

__all__ = ["AliasSpace", "first_alias"]

_LEAST, _BLOCK, _BLOCKS = 1 << 14, 1 << 10, 2_000  # three bytes on the wire, all of them
_NO_METRICS = (DataType.UNKNOWN, DataType.PROPERTY_SET, DataType.PROPERTY_SET_LIST)


def first_alias(devices: Mapping[str, Sequence[MetricDefinition]]) -> int:
    """Where to begin, so that a process with other metrics begins elsewhere.

    A command that an earlier process' births allowed may still be on its way when the next one
    listens; under the same numbers it would write to another metric. The same metrics in the same
    order have the same numbers always.
    """
    key = "\0".join(
        f"{device_id}/{one.name}/{one.datatype:d}"
        for device_id, definitions in devices.items()
        for one in definitions
    )
    return _LEAST + zlib.crc32(key.encode(errors="replace")) % _BLOCKS * _BLOCK


class AliasSpace:
    """Every metric of an edge node by device and alias.

    One number space over the node and all its devices (tck-id-payloads-alias-uniqueness), from
    `first`, at least 1: 0 is legal and easily mistaken for no alias at all. A metric that stays when its device
    changes keeps its alias; a number is never given twice, so that nothing which is still on
    its way is taken for another metric's.
    """

    def __init__(self, node: NodeId, profile: WireProfile, first: int = 1) -> None:
        self.devices: dict[str, dict[int, CompiledMetric]] = {}
        self.shortcuts: dict[str, dict[int, Shortcut]] = {}  # of the same
        self._node = node
        self._profile = profile
        self._definitions: dict[str, tuple[MetricDefinition, ...]] = {}
        self._by_name: dict[str, dict[str, int]] = {}
        self._last = first - 1
        for text in (node.group_id, node.edge_node_id):
            _check_id(node, text)

    def check(
        self, device_id: str, definitions: Sequence[MetricDefinition], taken: Mapping[str, object]
    ) -> None:
        """Raise ProjectError where these cannot be the metrics of a device.

        `taken` are names of the NBIRTH that the node's own metrics may not have.
        """
        if device_id:
            _check_id(self._node, device_id)
        seen = set() if device_id else {BD_SEQ, REBIRTH, *taken}
        for definition in definitions:
            if not definition.name or definition.name in seen:
                raise ProjectError(
                    f"`{self._node}/{device_id}`: the metric name `{definition.name}` is empty, "
                    "kept for Sparkplug, or there twice",
                    hint="give every metric of a device a name of its own",
                )
            if definition.datatype in _NO_METRICS:
                raise ProjectError(
                    f"`{self._node}/{device_id}`: the metric `{definition.name}` cannot be "
                    f"of datatype {definition.datatype.label}"
                )
            seen.add(definition.name)

    def is_same(self, device_id: str, definitions: Sequence[MetricDefinition] | None) -> bool:
        """Whether the device has just these metrics already; None: whether there is none."""
        known = self._definitions.get(device_id)
        return known == (None if definitions is None else tuple(definitions))

    def define(self, device_id: str, definitions: Sequence[MetricDefinition]) -> set[int]:
        """Give a device its metrics; returns the aliases that mean nothing any more.

        One whose datatype or unit changes has a new alias: its value is another's. Raises ProjectError, and changes nothing, for
        a definition that no bytes can say.
        """
        before = self.aliases(device_id)
        kinds = {d.name: _kind(d) for d in self._definitions.get(device_id, ())}
        by_name: dict[str, int] = {}
        metrics: dict[int, CompiledMetric] = {}
        for definition in definitions:
            alias = before.get(definition.name, 0)
            if not alias or kinds[definition.name] != _kind(definition):
                self._last = alias = self._last + 1
            by_name[definition.name] = alias
            metrics[alias] = self._compiled(device_id, definition, alias)
        self._definitions[device_id] = tuple(definitions)
        self._by_name[device_id] = by_name
        self.devices[device_id] = metrics
        self.shortcuts[device_id] = {alias: one.shortcut for alias, one in metrics.items()}
        return {*before.values()} - metrics.keys()

    def remove(self, device_id: str) -> set[int]:
        """Take a device away; returns its aliases."""
        self._definitions.pop(device_id, None)
        self.devices.pop(device_id, None)
        self.shortcuts.pop(device_id, None)
        return {*self._by_name.pop(device_id, {}).values()}

    def metrics(self, device_id: str) -> dict[int, CompiledMetric]:
        """A device's metrics by alias; raises KeyError where there is no such device."""
        found = self.devices.get(device_id)
        if found is None:
            raise KeyError(f"{self._node} has no device `{device_id}`")
        return found

    def check_handles(self, device_id: str, handles: Iterable[int]) -> None:
        """Raise KeyError where a handle is not this device's: it would be another's value."""
        metrics = self.devices[device_id]
        for alias in handles:
            if alias not in metrics:
                raise KeyError(f"{self._node} has no metric with handle {alias} on `{device_id}`")

    def alias_of(self, device_id: str, name: str) -> int:
        """The alias of a metric; raises KeyError where there is none."""
        return self._by_name[device_id][name]

    def find(self, device_id: str, name: str) -> int | None:
        """The alias of a metric, if there is one."""
        return self._by_name.get(device_id, {}).get(name)

    def aliases(self, device_id: str) -> dict[str, int]:
        """All aliases of a device by metric name; none where it is not known."""
        return dict(self._by_name.get(device_id, {}))

    def definitions(self, device_id: str) -> tuple[MetricDefinition, ...]:
        """The metrics of a device as they were given."""
        return self._definitions.get(device_id, ())

    def _compiled(self, device_id: str, definition: MetricDefinition, alias: int) -> CompiledMetric:
        try:
            return CompiledMetric(definition, alias, self._profile)
        except (TypeError, ValueError) as error:  # half a surrogate pair, a property of no type
            raise ProjectError(
                f"`{self._node}/{device_id}`: the metric `{definition.name!r}` cannot be "
                f"written: {error}"
            ) from None


def _kind(definition: MetricDefinition) -> tuple[DataType, object]:
    """What a value of this metric is: 3.5 in bar is not 3.5 in kPa."""
    return definition.datatype, definition.properties.get("engUnit")


def _check_id(node: NodeId, text: str) -> None:
    if problem := id_problem(text):
        raise ProjectError(f"edge node `{node}`: the id `{text}` cannot be used: {problem}")
