"""A small plant for the monitor's tests: every packet by hand, right unless a test breaks it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from uns.message import Message
from uns.metric import DataType
from uns.sparkplug.monitor import Conduct, Connect, Kind, Monitor, MonitorSettings, Outcome
from uns.sparkplug.wire import PayloadMessage

NOW = 1_700_000_000_000
NODE, DEVICE, HOST = "line1", "filler", "scada"
Change = Callable[[Any], object]
T = DataType


def _same(_: Any) -> None:
    """Change nothing."""


def _metric(payload: Any, at_ms: int, name: str | None, alias: int | None = None) -> Any:
    metric = payload.metrics.add(timestamp=at_ms)
    if name is not None:
        metric.name = name
    if alias is not None:
        metric.alias = alias
    return metric


class Scene:
    """One edge node, one device and one host; each method is one packet, `change` its break.

    `add` has the packets taken as they come; clients are called `edge` and `host`, and are
    known to the monitor when `is_tapped`.
    """

    def __init__(self, *, is_tapped: bool = True, **settings: Any) -> None:
        self.monitor = Monitor(MonitorSettings(**settings))
        self.now = NOW
        self.is_tapped = is_tapped
        self.seq = 0
        self.bd_seq = 0
        self.value = 100

    # what is found ------------------------------------------------------------------------

    def conduct(self, kind: Kind = Kind.EDGE_NODE) -> Conduct:
        self.wait(20_000)
        names = [p.name for p in self.monitor.report().participants if p.kind is kind]
        assert names, f"no {kind} was seen"
        return self.monitor.report().find(names[-1], kind)

    def broken(self) -> set[str]:
        """The ids of everything broken by anybody, MUST and SHOULD."""
        self.wait(20_000)
        return {
            grade.id
            for one in self.monitor.report().participants
            for grade in one.grades.values()
            if grade.outcome in (Outcome.FAIL, Outcome.ADVICE)
        }

    def kept(self) -> set[str]:
        self.wait(20_000)
        return {
            grade.id
            for one in self.monitor.report().participants
            for grade in one.having(Outcome.PASS)
        }

    # time and packets ---------------------------------------------------------------------

    def wait(self, ms: int) -> None:
        for _ in range(10):
            self.now += ms // 10
            self.monitor.tick(self.now)

    def put(self, topic: str, payload: bytes, client: str, **flags: Any) -> None:
        self.now += 10
        message = Message(topic, payload, **flags)
        self.monitor.published(message, self.now, client=client if self.is_tapped else "")

    def payload(self, *, has_seq: bool = True) -> Any:
        payload = PayloadMessage(timestamp=self.now)
        if has_seq:
            payload.seq = self.seq
            self.seq = (self.seq + 1) % 256
        return payload

    # the edge node ------------------------------------------------------------------------

    def connect(self, change: Callable[[Connect], Connect] = lambda c: c, client="edge") -> None:
        will = Message(f"spBv1.0/g/NDEATH/{NODE}", self.death_payload(_same), qos=1)
        connect = change(Connect(5, True, 0, will))
        if self.is_tapped:
            self.monitor.connected(client, connect, self.now)

    def subscribe(self, *filters: tuple[str, int], client: str = "edge") -> None:
        own = ((f"spBv1.0/g/NCMD/{NODE}", 1), (f"spBv1.0/g/DCMD/{NODE}/+", 1))
        if self.is_tapped:
            self.monitor.subscribed(client, filters or own, self.now)

    def nbirth(self, change: Change = _same, *, node: str = NODE, client="edge", **flags) -> None:
        self.seq = 0
        payload = self.payload()
        metric = _metric(payload, self.now, "bdSeq")
        metric.datatype, metric.long_value = T.INT64, self.bd_seq
        metric = _metric(payload, self.now, "Node Control/Rebirth")
        metric.datatype, metric.boolean_value = T.BOOLEAN, False
        metric = _metric(payload, self.now, "load", 1)
        metric.datatype, metric.double_value = T.DOUBLE, 0.5
        self._define(_metric(payload, self.now, "Motor"))
        change(payload)
        self.put(f"spBv1.0/g/NBIRTH/{node}", payload.SerializeToString(), client, **flags)

    def _define(self, metric: Any) -> None:
        metric.datatype = T.TEMPLATE
        template = metric.template_value
        template.is_definition, template.version = True, "1"
        template.metrics.add(name="speed", datatype=T.INT32, int_value=0)
        template.metrics.add(name="amps", datatype=T.FLOAT, float_value=0)
        template.parameters.add(name="ratio", type=T.FLOAT, float_value=1)

    def dbirth(self, change: Change = _same, *, device: str = DEVICE, first: int = 10,
               node: str = NODE, **flags: Any) -> None:  # fmt: skip
        payload = self.payload()
        metric = _metric(payload, self.now, "good", first)
        metric.datatype, metric.int_value = T.UINT32, self.value
        values = metric.properties
        values.keys.extend(["engUnit", "Quality"])
        values.values.add(type=T.STRING, string_value="pcs")
        values.values.add(type=T.INT32, int_value=192)
        metric = _metric(payload, self.now, "recipes", first + 1)
        metric.datatype = T.DATASET
        table = metric.dataset_value
        table.num_of_columns = 2
        table.columns.extend(["name", "pH"])
        table.types.extend([T.STRING, T.FLOAT])
        row = table.rows.add()
        row.elements.add(string_value="lager")
        row.elements.add(float_value=4.5)
        metric = _metric(payload, self.now, "motor", first + 2)
        metric.datatype = T.TEMPLATE
        self.instance(metric.template_value)
        metric = _metric(payload, self.now, "speed", first + 3)
        metric.datatype, metric.is_null = T.INT16, True
        change(payload)
        topic = f"spBv1.0/g/DBIRTH/{node}/{device}"
        self.put(topic, payload.SerializeToString(), "edge", **flags)

    def instance(self, template: Any) -> None:
        template.is_definition, template.template_ref = False, "Motor"
        template.metrics.add(name="speed", datatype=T.INT32, int_value=self.value)
        template.metrics.add(name="amps", datatype=T.FLOAT, float_value=2)
        template.parameters.add(name="ratio", type=T.FLOAT, float_value=2)

    def ndata(self, change: Change = _same, **flags: Any) -> None:
        payload = self.payload()
        self.value += 1
        metric = _metric(payload, self.now, None, 1)
        metric.double_value = self.value
        change(payload)
        self.put(f"spBv1.0/g/NDATA/{NODE}", payload.SerializeToString(), "edge", **flags)

    def ddata(self, change: Change = _same, *, device: str = DEVICE, **flags: Any) -> None:
        payload = self.payload()
        self.value += 1
        metric = _metric(payload, self.now, None, 10)
        metric.int_value = self.value
        metric = _metric(payload, self.now, None, 12)
        template = metric.template_value
        template.is_definition, template.template_ref = False, "Motor"
        template.metrics.add(name="speed", datatype=T.INT32, int_value=self.value)
        change(payload)
        topic = f"spBv1.0/g/DDATA/{NODE}/{device}"
        self.put(topic, payload.SerializeToString(), "edge", **flags)

    def ddeath(self, change: Change = _same, **flags: Any) -> None:
        payload = self.payload()
        change(payload)
        topic = f"spBv1.0/g/DDEATH/{NODE}/{DEVICE}"
        self.put(topic, payload.SerializeToString(), "edge", **flags)

    def death_payload(self, change: Change) -> bytes:
        payload = self.payload(has_seq=False)
        payload.metrics.add(name="bdSeq", datatype=T.INT64, long_value=self.bd_seq)
        change(payload)
        return payload.SerializeToString()

    def ndeath(self, change: Change = _same, **flags: Any) -> None:
        payload = self.death_payload(change)
        self.put(f"spBv1.0/g/NDEATH/{NODE}", payload, "edge", **{"qos": 1, **flags})

    def leave(self, reason: int | None = 0x04, client: str = "edge") -> None:
        if self.is_tapped:
            self.monitor.disconnected(client, self.now, reason=reason)

    def session(self, **connect: Any) -> None:
        """A right session up to its data."""
        self.connect()
        self.subscribe()
        self.nbirth()
        self.dbirth()

    # the host -----------------------------------------------------------------------------

    def state(self, online: bool, at_ms: int, host: str = HOST) -> Message:
        text = json.dumps({"online": online, "timestamp": at_ms})
        return Message(f"spBv1.0/STATE/{host}", text.encode(), 1, True)

    def host_connect(
        self, change: Callable[[Connect], Connect] = lambda c: c, client: str = "host"
    ) -> None:
        self.host_ms = self.now
        connect = change(Connect(5, True, 0, self.state(False, self.now)))
        if self.is_tapped:
            self.monitor.connected(client, connect, self.now)

    def host_subscribe(self, *filters: tuple[str, int], client: str = "host") -> None:
        own = (("spBv1.0/#", 1), (f"spBv1.0/STATE/{HOST}", 1))
        if self.is_tapped:
            self.monitor.subscribed(client, filters or own, self.now)

    def say(self, message: Message, client: str = "host") -> None:
        self.put(message.topic, message.payload, client, qos=message.qos, retain=message.retain)

    def host_birth(self, client: str = "host", **change: Any) -> None:
        self.say(self.state(True, self.host_ms)._replace(**change), client)

    def host_death(self, **change: Any) -> None:
        self.say(self.state(False, self.now)._replace(**change))

    def host_session(self) -> None:
        """A right session of a host up to its commands."""
        self.host_connect()
        self.host_subscribe()
        self.host_birth()

    def ncmd(self, change: Change = _same, **flags: Any) -> None:
        payload = self.payload(has_seq=False)
        metric = _metric(payload, self.now, None, 1)
        metric.double_value = 2
        change(payload)
        self.put(f"spBv1.0/g/NCMD/{NODE}", payload.SerializeToString(), "host", **flags)

    def ask(self, change: Change = _same, kind: str = "NCMD", device: str = "") -> None:
        payload = self.payload(has_seq=False)
        metric = _metric(payload, self.now, "Node Control/Rebirth")
        metric.boolean_value = True
        change(payload)
        topic = f"spBv1.0/g/{kind}/{NODE}{device and '/' + device}"
        self.put(topic, payload.SerializeToString(), "host")

    def dcmd(self, change: Change = _same, **flags: Any) -> None:
        payload = self.payload(has_seq=False)
        metric = _metric(payload, self.now, None, 10)
        metric.int_value = 7
        change(payload)
        self.put(f"spBv1.0/g/DCMD/{NODE}/{DEVICE}", payload.SerializeToString(), "host", **flags)

    def everything(self) -> None:
        """A right day of all of them."""
        self.host_session()
        self.session()
        self.ndata()
        self.ddata()
        self.ncmd()
        self.dcmd()
        self.ask()
        self.nbirth()
        self.dbirth()
        self.ddata()
        self.ddeath()
        self.dbirth()
        self.ndeath()
        self.leave()
        self.host_death()
        self.leave(0, "host")
