"""The namespace service on real brokers, fed by edge nodes and read by an independent client."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import asynccontextmanager, suppress

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from uns.equipment import Machine, SparkplugId, Tag
from uns.errors import BrokerError
from uns.message import Message
from uns.metric import DataType, Quality
from uns.mqtt import Broker
from uns.service.broker import EmbeddedBroker, MosquittoBroker
from uns.service.namespace import NamespaceService
from uns.sparkplug import EdgeNode, MetricDefinition, NodeId
from uns.topic import Topic

pytestmark = pytest.mark.slow

LINE = "acme/leeds/packaging/line1"
FILLER = f"{LINE}/filler"
SERVICE = "acme/_service/uns-acme/_state"
NODE = NodeId("acme:leeds", "packaging:line1")
TAGS = {
    "bowl_pressure": {"unit": "bar", "low": 0, "high": 6},
    "good": {"datatype": DataType.UINT64, "deliver_every": True},
    "state": {"datatype": DataType.INT32, "states": {2: "Stopped", 6: "Execute"}},
}
VALUES = {"bowl_pressure": 3.5, "good": 7, "state": 6}


def filler() -> Machine:
    topic = Topic(FILLER)
    tags = tuple(Tag(name, topic.child(name), **words) for name, words in TAGS.items())
    ids = SparkplugId(NODE.group_id, NODE.edge_node_id, "filler")
    return Machine(topic, "filler", 1, ("filler",), tags, ids)


class Reader:
    """Somebody else's MQTT client, and what it has seen."""

    def __init__(self, port: int, *filters: str) -> None:
        self.shown: dict[str, dict] = {}
        self.log: list[tuple[str, bytes, bool, int]] = []
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.on_message = self._take
        self.client.on_connect = lambda *_: self.client.subscribe([(f, 1) for f in filters])
        self.client.reconnect_delay_set(0.1, 0.2)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _take(self, _client, _context, message) -> None:
        self.log.append((message.topic, message.payload, message.retain, message.qos))
        with suppress(ValueError):
            self.shown[message.topic] = json.loads(message.payload)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Line:
    """An edge node over paho: births, data, a will, and an answer to rebirth requests."""

    def __init__(self, port: int) -> None:
        metrics = [MetricDefinition(n, w.get("datatype", DataType.FLOAT)) for n, w in TAGS.items()]
        self.edge = EdgeNode(NODE, {"filler": metrics}, bd_seq=0)
        self.port = port
        self._lock = threading.Lock()
        self.births = 0

    def start(self) -> None:
        will = self.edge.will()
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.will_set(will.topic, will.payload, will.qos)
        self.client.on_message = self._command
        self.client.on_connect = self._connected
        self.client.connect("127.0.0.1", self.port, keepalive=5)
        self.client.loop_start()

    def _connected(self, *_: object) -> None:
        with self._lock:
            self.edge.advance()
            self.client.subscribe(self.edge.subscriptions())
            self._send(self.edge.device_up("filler", _now()))
            readings = [
                (self.edge.alias_of("filler", n), v, int(Quality.GOOD), _now())
                for n, v in VALUES.items()
            ]
            self._send(self.edge.observed("filler", readings, _now()))
            self._send(self.edge.connected(_now()))
            self.births += 1

    def _command(self, _client, _context, message) -> None:
        with self._lock:
            self.births += 1
            found = self.edge.received(Message(message.topic, message.payload), _now())
            self._send([effect for effect in found if isinstance(effect, Message)])

    def data(self, name: str, value: object, quality: int = Quality.GOOD) -> None:
        with self._lock:
            reading = (self.edge.alias_of("filler", name), value, int(quality), _now())
            self._send(self.edge.observed("filler", [reading], _now()))

    def count_over_births(self, births: int) -> None:
        """Die and be born so often, each time with the next number of pieces, and say one more."""
        alias = self.edge.alias_of("filler", "good")
        messages = []
        with self._lock:
            for number in range(births):
                good = int(Quality.GOOD)
                messages += self.edge.device_down("filler", _now())
                self.edge.observed("filler", [(alias, 100 + 2 * number, good, _now())], _now())
                messages += self.edge.device_up("filler", _now())
                said = [(alias, 101 + 2 * number, good, _now() + 1)]
                messages += self.edge.observed("filler", said, _now())
            self._send(messages)

    def late(self, name: str, value: object, at_ms: int) -> None:
        with self._lock:
            sample = (name, value, int(Quality.GOOD), at_ms)
            self._send(self.edge.recalled("filler", [sample], _now()))

    def device_down(self) -> None:
        with self._lock:
            self._send(self.edge.device_down("filler", _now()))

    def _send(self, messages: list[Message]) -> None:
        for message in messages:
            self.client.publish(message.topic, message.payload, message.qos, message.retain)

    def cut(self) -> None:
        """Pull the plug: no DISCONNECT, so the broker publishes the will."""
        self.client.loop_stop()
        self.client.socket().close()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def _now() -> int:
    return time.time_ns() // 1_000_000


def _is_shown(reader: Reader) -> bool:
    """Whether every value of the filler has been seen."""
    return {f"{FILLER}/{name}" for name in TAGS} <= set(reader.shown)


async def until(condition, what: str, deadline_s: float = 10.0):
    """Wait for something that another thread sees."""
    try:
        async with asyncio.timeout(deadline_s):
            while not (found := condition()):
                await asyncio.sleep(0.02)
            return found
    except TimeoutError:
        raise AssertionError(f"not within {deadline_s} s: {what}") from None


@pytest.fixture
async def mosquitto(tmp_path):
    """Mosquitto with the configuration that we write."""
    broker = MosquittoBroker(folder=tmp_path)
    try:
        await broker.start()
    except BrokerError as error:
        pytest.skip(f"needs the Debian package mosquitto: {error}")
    yield broker
    await broker.stop()


@pytest.fixture(params=["mosquitto", "embedded"])
async def broker(request, tmp_path):
    """Each broker that we start ourselves."""
    if request.param == "embedded":
        async with EmbeddedBroker() as embedded:
            yield embedded
        return
    made = MosquittoBroker(folder=tmp_path)
    try:
        await made.start()
    except BrokerError as error:
        pytest.skip(f"needs the Debian package mosquitto: {error}")
    yield made
    await made.stop()


@asynccontextmanager
async def serving(url: str, machines=None):
    """A namespace service that has arrived at the broker; stopped at the end."""
    service = NamespaceService("acme", machines or [filler()], [Broker.parse(url)])
    task = asyncio.create_task(service.run(), name="namespace")
    try:
        await until(lambda: service.health.is_online or task.done(), "the service is online", 15)
        yield service
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()


@asynccontextmanager
async def reading(port: int, *filters: str):
    reader = await asyncio.to_thread(Reader, port, *filters)
    try:
        yield reader
    finally:
        await asyncio.to_thread(reader.close)


@asynccontextmanager
async def line(port: int):
    made = Line(port)
    await asyncio.to_thread(made.start)
    try:
        yield made
    finally:
        await asyncio.to_thread(made.close)


async def test_tags_become_topics_that_any_client_reads(broker) -> None:
    """From births and data to plain JSON, with definitions and states beside it."""
    async with (
        serving(broker.url) as service,
        reading(broker.port, "acme/#") as reader,
        line(broker.port) as edge,
    ):
        await until(lambda: _is_shown(reader), "the birth's values")
        assert "Execute" == reader.shown[f"{FILLER}/state"]["value"]
        edge.data("bowl_pressure", 4.25)
        edge.data("good", 8)
        await until(lambda: reader.shown[f"{FILLER}/good"]["value"] == 8, "the counter")
        seen = reader.shown[f"{FILLER}/bowl_pressure"]
        assert [4.25, "Good", "bar"] == [seen[k] for k in ("value", "quality", "unit")]
        await until(lambda: SERVICE in reader.shown, "the service's state")
        assert "online" == reader.shown[f"{LINE}/_state"]["state"]
        assert "Float" == reader.shown[f"{FILLER}/bowl_pressure/_meta"]["type"]
        assert [3, 1, 1] == [
            service.health.topics_live,
            service.health.machines_online,
            service.health.nodes_online,
        ]
        assert 4.25 == service.value_of(f"{FILLER}/bowl_pressure")
        assert service.value_of(f"{FILLER}/none") is None


async def test_a_late_subscriber_finds_everything_retained(broker) -> None:
    """Who comes later sees the last values at once."""
    async with serving(broker.url), line(broker.port):
        async with reading(broker.port, "acme/#") as early:
            await until(lambda: SERVICE in early.shown, "the definitions")
            await until(lambda: _is_shown(early), "the values")
        async with reading(broker.port, "acme/leeds/#") as reader:
            await until(lambda: len(reader.shown) >= 8, "values, definitions and states")
            assert {True} == {retain for _, _, retain, _ in reader.log}


async def test_late_values_have_a_topic_beside_the_value(broker) -> None:
    """Told once, not retained, at the tag's QoS; what the tag shows stays."""
    async with (
        serving(broker.url),
        reading(broker.port, "acme/leeds/#") as reader,
        line(broker.port) as edge,
    ):
        await until(lambda: _is_shown(reader), "the birth's values")
        edge.late("bowl_pressure", 1.25, 1_767_868_200_123)
        edge.late("good", 3, 1_767_868_200_123)
        places = [f"{FILLER}/{name}/_history" for name in ("bowl_pressure", "good")]
        await until(lambda: set(places) <= set(reader.shown), "the late values")
        edge.late("good", 3, 1_767_868_200_123)  # sent again: nobody knew whether it arrived
        edge.data("good", 8)
        await until(lambda: reader.shown[f"{FILLER}/good"]["value"] == 8, "a live value")
        assert [1.25, 3] == [reader.shown[place]["value"] for place in places]
        assert "2026-01-08T10:30:00.123Z" == reader.shown[places[0]]["timestamp"]
        assert 3.5 == reader.shown[f"{FILLER}/bowl_pressure"]["value"]
        told = [(topic, retain, qos) for topic, _, retain, qos in reader.log if topic in places]
        assert [(places[0], False, 0), (places[1], False, 1)] == sorted(told)


async def test_a_cut_line_turns_stale(mosquitto) -> None:
    """The broker publishes the will, and within a second no value looks live."""
    async with (
        serving(mosquitto.url),
        reading(mosquitto.port, "acme/#") as reader,
        line(mosquitto.port) as edge,
    ):
        await until(lambda: _is_shown(reader), "the birth's values")
        when = reader.shown[f"{FILLER}/good"]["timestamp"]
        edge.cut()
        await until(lambda: reader.shown[f"{FILLER}/good"]["quality"] == "Uncertain", "the death")
        seen = reader.shown[f"{FILLER}/good"]
        assert [7, "Stale", when] == [seen[k] for k in ("value", "detail", "timestamp")]
        await until(lambda: reader.shown[f"{LINE}/_state"]["state"] == "offline", "the line")
        await until(lambda: reader.shown[f"{FILLER}/_state"]["state"] == "stale", "the machine")


async def test_a_device_death_and_its_return(mosquitto) -> None:
    """A machine that its bridge cannot reach is offline; a new birth makes it live again."""
    async with (
        serving(mosquitto.url),
        reading(mosquitto.port, "acme/#") as reader,
        line(mosquitto.port) as edge,
    ):
        await until(lambda: _is_shown(reader), "the birth's values")
        edge.device_down()
        await until(lambda: reader.shown[f"{FILLER}/state"].get("detail") == "Stale", "the death")
        await until(lambda: reader.shown[f"{FILLER}/_state"]["state"] == "offline", "the machine")
        with edge._lock:
            edge._send(edge.edge.device_up("filler", _now()))
        edge.data("state", 2)
        await until(lambda: reader.shown[f"{FILLER}/state"]["value"] == "Stopped", "the new birth")
        assert "Good" == reader.shown[f"{FILLER}/state"]["quality"]


async def test_a_service_that_comes_late_asks_for_births(broker) -> None:
    """Edge nodes that were there before are asked to say who they are."""
    async with line(broker.port) as edge:
        await until(lambda: edge.births, "the first birth")
        async with serving(broker.url) as service:
            edge.data("bowl_pressure", 1.0)
            await until(lambda: service.health.topics_live == 3, "the rebirth", 15)
            assert edge.births > 1


async def test_values_of_a_former_life_become_stale(mosquitto) -> None:
    """A retained Good value of before the start, claimed by nobody, is marked."""
    async with reading(mosquitto.port, "acme/#") as reader:
        old = b'{"value":2.5,"quality":"Good","timestamp":"2026-01-08T10:00:00.000Z","unit":"bar"}'
        reader.client.publish(f"{FILLER}/bowl_pressure", old, 1, retain=True).wait_for_publish(5)
        reader.client.publish(f"{FILLER}/gone", old, 1, retain=True).wait_for_publish(5)
        async with serving(mosquitto.url) as service:
            await until(
                lambda: reader.shown[f"{FILLER}/bowl_pressure"].get("detail") == "Stale",
                "the end of the grace",
            )
            seen = reader.shown[f"{FILLER}/bowl_pressure"]
            assert [2.5, "2026-01-08T10:00:00.000Z"] == [seen[k] for k in ("value", "timestamp")]
            assert 1 == service.health.ghosts
            assert old == next(p for t, p, _, _ in reversed(reader.log) if t.endswith("/gone"))


async def test_a_broker_that_forgot_everything_is_told_everything(tmp_path) -> None:
    """Mosquitto killed and started with an empty folder: definitions, states, values are back."""
    broker = MosquittoBroker(settings=["persistence false"])
    try:
        await broker.start()
    except BrokerError as error:
        pytest.skip(f"needs the Debian package mosquitto: {error}")
    try:
        async with serving(broker.url) as service:
            async with reading(broker.port, "acme/#") as before:
                async with line(broker.port):
                    await until(lambda: service.health.topics_live == 3, "the birth")
                    await until(lambda: SERVICE in before.shown, "the definitions")
                known = {t for t, _, _, _ in before.log if "_recall" not in t}
            await broker.kill()
            (broker.folder / "mosquitto.db").unlink(missing_ok=True)
            await broker.start()
            await until(lambda: service.health.connects == 2, "the service is back", 20)
            async with reading(broker.port, "acme/#") as reader:
                await until(lambda: known <= set(reader.shown), "all of it again")
                values = [seen for seen in reader.shown.values() if "value" in seen]
                assert {"Uncertain"} == {seen["quality"] for seen in values}
    finally:
        await broker.stop()


async def test_junk_on_sparkplug_topics_stops_nothing(broker) -> None:
    """Anybody may publish anything; the good neighbour is still shown."""
    async with serving(broker.url) as service, reading(broker.port, "acme/#") as reader:
        for place in ("NBIRTH/x", "DDATA/packaging:line1/filler", "DBIRTH/x/y", "NOISE/x", "DDATA"):
            reader.client.publish(f"spBv1.0/acme:leeds/{place}", b"\xff\x00junk" * 10, 0)
        async with line(broker.port):
            await until(lambda: service.health.topics_live == 3, "the good neighbour", 15)
        assert service.health.problems > 0


async def test_a_stopped_service_says_so(mosquitto) -> None:
    """STATE offline, its own `_state` offline, and no value that looks live without it."""
    async with reading(mosquitto.port, "acme/#", "spBv1.0/STATE/#") as reader, line(mosquitto.port):
        async with serving(mosquitto.url) as service:
            await until(lambda: service.health.topics_live == 3, "the birth")
            await until(lambda: SERVICE in reader.shown, "the definitions")
            assert reader.shown["spBv1.0/STATE/uns-acme"]["online"] is True
        await until(
            lambda: reader.shown["spBv1.0/STATE/uns-acme"]["online"] is False, "STATE offline"
        )
        assert "offline" == reader.shown[SERVICE]["state"]
        assert "Stale" == reader.shown[f"{FILLER}/good"]["detail"]


async def test_a_birth_shows_its_own_values_also_where_data_come_at_once(mosquitto) -> None:
    """Each value of births and of the data right behind them is told, once and in order."""
    async with (
        serving(mosquitto.url),
        reading(mosquitto.port, f"{FILLER}/good") as reader,
        line(mosquitto.port) as edge,
    ):
        await until(lambda: f"{FILLER}/good" in reader.shown, "the first birth")
        edge.count_over_births(20)
        await until(lambda: reader.shown[f"{FILLER}/good"]["value"] == 139, "the last of the data")
        told = [json.loads(payload) for _, payload, _, _ in reader.log]
        good = [one["value"] for one in told if one["quality"] == "Good" and one["value"] >= 100]
        assert list(range(100, 140)) == good
