"""Commands: what hosts ask an edge node to write."""

from __future__ import annotations

from collections.abc import Mapping

from uns.errors import PeerProtocolError
from uns.message import Message
from uns.metric import DataType
from uns.sparkplug.compiled import CompiledMetric
from uns.sparkplug.datatypes import fit
from uns.sparkplug.events import Command, Problem
from uns.sparkplug.metrics import Metric
from uns.sparkplug.names import REBIRTH, NodeId, SparkplugTopic
from uns.sparkplug.payload import decode

__all__ = ["CommandReader"]


class CommandReader:
    """Reads NCMD and DCMD messages by what one edge node's births have said."""

    def __init__(self, node: NodeId) -> None:
        self._node = node
        self._by_key: dict[str, dict[int | str, tuple[str, DataType]]] = {}

    def learn(self, device_id: str, metrics: Mapping[int, CompiledMetric]) -> None:
        """These are the metrics of a device from now on; the id `""` is the node's own."""
        self._by_key[device_id] = _keys(metrics)
        if not device_id:
            self._by_key[""][REBIRTH] = (REBIRTH, DataType.BOOLEAN)  # by name, it has no alias

    def forget(self, device_id: str) -> None:
        """There is no such device any more."""
        self._by_key.pop(device_id, None)

    def read(self, place: SparkplugTopic, message: Message, now_ms: int) -> list[Command | Problem]:
        """The writes that an NCMD or DCMD of this node asks for; `place` is its topic.

        Raises PeerProtocolError where it is no command at all.
        """
        if message.retain:
            raise PeerProtocolError(
                f"`{message.topic}` is retained, so it would be carried out at every connection",
                hint="clear it with an empty retained message; commands are never retained",
            )
        known = self._by_key.get(place.device_id)
        if known is None:
            raise PeerProtocolError(f"there is no device `{place.device_id}`")
        datatypes = {key: datatype for key, (_, datatype) in known.items()}
        payload = decode(message.payload, known=datatypes)
        sent_ms = payload.timestamp_ms or now_ms
        return [self._command(place.device_id, metric, sent_ms) for metric in payload.metrics]

    def _command(self, device_id: str, metric: Metric, sent_ms: int) -> Command | Problem:
        """tck-id-payloads-alias-data-cmd-requirement: by alias, or by name where there is none."""
        known = self._by_key[device_id]
        found = known.get(metric.alias) if metric.alias is not None else None
        if found is None and metric.name is not None:
            found = known.get(metric.name)
        if found is None:
            return self._refused(device_id, metric.label, "there is no such metric")
        name, datatype = found
        if metric.problem:
            return self._refused(device_id, name, metric.problem)
        value, why = fit(datatype, metric.value)
        if value is None:
            why = f"{metric.value!r} does not fit {datatype.label} ({why})" if why else "it is null"
            return self._refused(device_id, name, why)
        return Command(device_id, name, value, datatype, metric.timestamp_ms or sent_ms)

    def _refused(self, device_id: str, name: str, why: str) -> Problem:
        return Problem(self._node, device_id, f"a command to `{name}` was refused: {why}")


def _keys(metrics: Mapping[int, CompiledMetric]) -> dict[int | str, tuple[str, DataType]]:
    found: dict[int | str, tuple[str, DataType]] = {}
    for alias, metric in metrics.items():
        found[alias] = found[metric.name] = (metric.name, metric.datatype)
    return found
