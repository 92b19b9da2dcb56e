"""Births: what every metric of an edge node is now, and what its births say and have said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from uns.metric import DataType, Quality
from uns.sparkplug.aliases import AliasSpace
from uns.sparkplug.compiled import CompiledMetric
from uns.sparkplug.definition import MetricDefinition
from uns.sparkplug.live_data import AnyReading, in_order
from uns.sparkplug.metrics import Template
from uns.sparkplug.names import BD_SEQ, REBIRTH
from uns.sparkplug.profile import WireProfile
from uns.sparkplug.templates import Templates

__all__ = ["Births"]


class Births:
    """The current values of an edge node, as its births carry them.

    They are kept with and without a broker. `current` is written straight by the path that
    encodes data; instances of templates go through `resolve` first.
    """

    def __init__(self, metrics: AliasSpace, templates: Templates, profile: WireProfile) -> None:
        self.current: dict[int, AnyReading] = {}
        self.templates = templates
        self._metrics = metrics
        self._profile = profile
        self._said: dict[str, dict[int, AnyReading]] = {}  # by the last birth of each device
        self._instances: dict[int, str] = {}  # alias → template
        self._wholes: dict[int, Template] = {}  # what is known of each instance
        # tck-id-operational-behavior-data-commands-rebirth-name-aliases; bdSeq has none either
        self._bd_seq = CompiledMetric(MetricDefinition(BD_SEQ, DataType.INT64), None, profile)
        self._rebirth = CompiledMetric(MetricDefinition(REBIRTH, DataType.BOOLEAN), None, profile)

    def redefine(self, device_id: str, gone: Iterable[int]) -> None:
        """A device has other metrics than before; those of the aliases `gone` are forgotten."""
        for alias in gone:
            self.current.pop(alias, None)
            self._wholes.pop(alias, None)
            self._instances.pop(alias, None)
        for definition in self._metrics.definitions(device_id):
            if definition.datatype is DataType.TEMPLATE:
                alias = self._metrics.alias_of(device_id, definition.name)
                self._instances[alias] = definition.template
                self._wholes.pop(alias, None)
        self._said.pop(device_id, None)

    def retype(self, templates: Templates) -> None:
        """Other definitions hold: what is known of an instance stays where it still fits."""
        self.templates = templates
        for alias, name in self._instances.items():
            known = self._wholes.pop(alias, None)
            fitting = templates.partial(name, known, 0) if known else None
            if fitting is not None:
                self._wholes[alias] = fitting

    def node(self, bd_seq: int, now_ms: int) -> list[bytes]:
        """The metrics of the NBIRTH.

        tck-id-topics-nbirth-bdseq-included, tck-id-topics-nbirth-rebirth-metric,
        tck-id-topics-nbirth-templates.
        """
        session = [
            self._bd_seq.birth(bd_seq, Quality.GOOD, now_ms),
            self._rebirth.birth(False, Quality.GOOD, now_ms),
        ]
        definitions = self.templates.birth(now_ms, self._profile)
        return session + definitions + self.device("", now_ms)

    def device(self, device_id: str, now_ms: int) -> list[bytes]:
        """Every metric of a device with its current value; null where none was ever seen."""
        said = self._said[device_id] = {}
        births = []
        for alias, metric in self._metrics.devices[device_id].items():
            known = self.current.get(alias)
            if known is not None:
                said[alias] = known
            _, value, quality, timestamp_ms = known or (alias, None, Quality.GOOD, now_ms)
            if alias in self._instances:
                name = self._instances[alias]
                value = self.templates.whole(name, self._wholes.get(alias), now_ms)
            births.append(metric.birth(value, quality, timestamp_ms))
        return births

    def has_said(self, device_id: str, reading: AnyReading) -> bool:
        """Whether the last birth of the device carried just this reading."""
        said = self._said.get(device_id, {}).get(reading[0])
        return said is not None and said == reading

    def resolve(self, readings: Sequence[AnyReading], now_ms: int) -> Sequence[AnyReading]:
        """The readings with instances of templates as they may travel; most nodes have none.

        Their members are remembered: the next birth has all of them.
        """
        instances = self._instances
        if not instances:
            return readings
        resolved = []
        for reading in in_order(readings, now_ms):
            fitting = self.past(reading)
            alias, value, *_ = fitting
            if alias in instances and isinstance(value, Template):
                self._wholes[alias] = self.templates.merged(self._wholes.get(alias), value)
            resolved.append(fitting)
        return resolved

    def past(self, reading: AnyReading) -> AnyReading:
        """A reading as it may travel, and nothing remembered: an instance's members are checked."""
        alias, value, quality, timestamp_ms = reading
        name = self._instances.get(alias)
        if name is None or value is None:
            return reading
        value = self.templates.partial(name, value, timestamp_ms)
        return alias, value, quality if value else Quality.BAD, timestamp_ms

    def keep(self, readings: Iterable[AnyReading], now_ms: int) -> None:
        """Readings that are not published: they are the values of the next birth."""
        for alias, value, quality, timestamp_ms in readings:
            self.current[alias] = (alias, value, quality, timestamp_ms or now_ms)

    def grow_stale(self, device_id: str) -> None:
        """A device is lost: what it said last is stale until it says more."""
        for alias in self._metrics.devices[device_id].keys() & self.current.keys():
            _, value, quality, timestamp_ms = self.current[alias]
            if quality != Quality.BAD:
                self.current[alias] = (alias, value, Quality.STALE, timestamp_ms)
