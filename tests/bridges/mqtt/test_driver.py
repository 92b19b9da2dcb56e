"""The MQTT driver on Mosquitto: foreign JSON, foreign Sparkplug, refusals, unread topics."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from bridges.driver import BoundTag, DriverConfig
from bridges.mqtt import MqttConfig, MqttDriver
from uns.errors import DeniedError, DeviceError
from uns.message import Message
from uns.metric import DataType, Quality
from uns.mqtt import Broker, connect
from uns.service.broker import MosquittoBroker
from uns.sparkplug.edge_node import EdgeNode, MetricDefinition
from uns.sparkplug.names import NodeId
from uns.testing import Collector, free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
GOOD, BAD, STALE = int(Quality.GOOD), int(Quality.BAD), int(Quality.STALE)


def _config(broker, **words):
    return MqttConfig(broker=f"mqtt://127.0.0.1:{broker.port}", **words)


def _tags(config, *texts, datatype=DataType.DOUBLE, first=0):
    return [
        BoundTag(first + n, MqttDriver.parse(text, config), datatype)
        for n, text in enumerate(texts)
    ]


@contextlib.asynccontextmanager
async def _driven(config, *texts):
    """A driver that runs, its sink, and what it said when the tags were bound."""
    driver, sink = MqttDriver(config), Collector()
    running = None
    try:
        await driver.open()
        bound = await driver.bind(_tags(config, *texts))
        running = asyncio.create_task(driver.run(sink))
        yield driver, sink, [result.problem for result in bound]
    finally:
        if running is not None:
            running.cancel()
            await asyncio.wait([running])
        began = time.monotonic()
        await driver.close()
        await driver.close()
        assert time.monotonic() - began < 2


@pytest.fixture
async def publisher(mosquitto):
    """A client of Mosquitto's that somebody else wrote, or would have."""
    session = await connect(Broker("127.0.0.1", mosquitto.port), "somebody")
    yield session
    await session.close()


async def _until(is_true, within_s=10.0):
    async with asyncio.timeout(within_s):
        while not is_true():
            await asyncio.sleep(0.02)


def _message(topic, payload, *, retain=False):
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Message(topic, data, 1, retain)


def _values(sink, handle):
    return [reading[1] for reading in sink.of(handle)]


async def test_what_the_broker_kept_is_the_first_value(mosquitto, publisher):
    """And a path that leads nowhere is a problem from the start."""
    await publisher.publish(_message("legacy/cw", {"w": 501.5, "ts": 5e6}, retain=True))
    config = _config(mosquitto, timestamp="$.ts")
    async with _driven(config, "legacy/cw $.w", "legacy/cw $.x", "not/yet $.x") as (_, sink, said):
        assert ["", "`$` has no `x`, only `w`, `ts`", ""] == said
        await _until(lambda: len(sink.taken) >= 2)
        assert [(0, 501.5, GOOD, 5_000_000_000)] == sink.of(0)
        assert [None] == _values(sink, 1)
        assert [] == sink.of(2)


async def test_every_message_arrives_in_order(mosquitto, publisher):
    """A thousand messages make a thousand readings, whatever else is published."""
    async with _driven(_config(mosquitto), "legacy/+/cw $.n") as (_, sink, _):
        messages = [_message(f"legacy/l{n % 3}/cw", {"n": n}) for n in range(1_000)]
        await publisher.publish_all([m for one in messages for m in (one, _message("x", b"?"))])
        await _until(lambda: len(sink.of(0)) == 1_000)
        assert list(range(1_000)) == _values(sink, 0)


async def test_thousands_of_topics_are_bound_in_seconds(mosquitto, publisher):
    """Each with its retained value, in a few requests."""
    topics = [f"legacy/m{n}/temp" for n in range(3_000)]
    await publisher.publish_all([_message(topic, b"1", retain=True) for topic in topics])
    began = time.monotonic()
    async with _driven(_config(mosquitto), *topics) as (_, sink, said):
        assert {""} == set(said)
        await _until(lambda: len({reading[0] for reading in sink.taken}) == len(topics), 20)
    assert time.monotonic() - began < 20


async def test_other_peoples_edge_nodes_are_left_alone(mosquitto, publisher):
    """A watched broker may carry more Sparkplug than is read: nobody else is asked for births."""
    await publisher.subscribe([("spBv1.0/+/NCMD/#", 1)])
    config = _config(mosquitto, rebirth=True, watch="#")
    async with _driven(config, "spBv1.0 G/N/D:Temp") as (driver, _, _):
        data = [_message(f"spBv1.0/G/NDATA/{node}", b"\x18\x01") for node in ("N", "Other")]
        assert ("no birth of G/N/D was heard yet; it is asked for",) == driver.findings
        await publisher.publish_all(data)
        await _until(lambda: "spBv1.0/G/NDATA/Other" in "".join(driver.findings))
        batch = await anext(publisher.batches())
        assert ["spBv1.0/G/NCMD/N"] == [message.topic for message in batch]
        await asyncio.sleep(0.5)
        assert not any("NDATA/N`" in finding for finding in driver.findings)


async def test_tags_come_and_go_while_it_runs(mosquitto, publisher):
    """A new tag of a known topic hears its latest message, a gone one nothing more."""
    config = _config(mosquitto)
    async with _driven(config, "a $.x") as (driver, sink, _):
        await publisher.publish(_message("a", {"x": 1, "y": 2}))
        await _until(lambda: _values(sink, 0) == [1])
        await driver.bind(_tags(config, "a $.y", "b", first=5))
        await _until(lambda: _values(sink, 5) == [2])
        await driver.unbind([0])
        await publisher.publish_all([_message("a", {"x": 3, "y": 4}), _message("b", b"6")])
        await _until(lambda: _values(sink, 6) == [6])
        assert ([1], [2, 4]) == (_values(sink, 0), _values(sink, 5))


async def test_a_silent_topic_goes_stale_though_the_broker_lives(mosquitto, publisher):
    """The broker's answers to pings are signs of life, and vouch for no value."""
    async with _driven(_config(mosquitto, silence_s=0.5), "a") as (driver, sink, _):
        await publisher.publish(_message("a", b"7"))
        await _until(lambda: [GOOD, STALE] == [quality for _, _, quality, _ in sink.of(0)])
        signs = sink.signs
        await _until(lambda: sink.signs > signs + 1)
        assert driver.KEEPALIVE_VOUCHES is False
        assert 7 == sink.of(0)[-1][1]


async def test_mosquittos_own_client_is_read(mosquitto):
    """What `mosquitto_pub` publishes becomes a value."""
    tool = shutil.which("mosquitto_pub")
    if tool is None:
        pytest.skip("needs the Debian package mosquitto-clients")
    async with _driven(_config(mosquitto), "\"line 1/größe\" $['a b']") as (_, sink, _):
        command = [tool, "-p", str(mosquitto.port), "-t", "line 1/größe", "-m", '{"a b": 2.5}']
        await asyncio.to_thread(subprocess.run, command, check=True, timeout=10)
        await _until(lambda: [2.5] == _values(sink, 0))


async def test_a_project_can_be_held_against_the_broker(mosquitto, publisher):
    """Wrong paths are told, and text where a number is wanted; silence is no problem."""
    await publisher.publish(_message("a", {"n": 1, "s": "x", "t": "1.5"}, retain=True))
    config = _config(mosquitto)
    driver = MqttDriver(config)
    await driver.open()
    survey = await driver.describe(_tags(config, "a $.n", "a $.s", "a $.t", "a $.x", "silent $.x"))
    await driver.close()
    assert [
        ("", False, None),
        ("", False, DataType.STRING),
        ("", False, None),
        ("`$` has no `x`, only `n`, `s`, `t`", True, None),
        ("", False, None),
    ] == [(one.problem, one.is_missing, one.datatype) for one in survey.tags]


async def test_hostile_payloads_harm_nobody(mosquitto, publisher):
    """A megabyte, deep nesting, NaN and garbage: one tag is Bad, the next message is good."""
    async with _driven(_config(mosquitto, largest=900_000), "a $.x", "b $.x") as (_, sink, _):
        hostile = [b"\xff" * 1_000_000, b"[" * 800_000, b'{"x": [1]}', b"", b"x" * 100]
        for payload in hostile:
            await publisher.publish(_message("a", payload))
        await publisher.publish_all(
            [_message("a", b'{"x": NaN, "y": 1}'), _message("a", {"x": 2}), _message("b", {"x": 1})]
        )
        await _until(lambda: [1] == _values(sink, 1))
        found = sink.of(0)
        assert [BAD] * 5 == [quality for _, _, quality, _ in found[:5]]
        assert (2, GOOD) == found[-1][1:3]


async def test_unread_topics_are_named_with_the_entry_that_adds_them(mosquitto, publisher, caplog):
    """Nothing adds itself: the log and the findings say what an engineer would write."""
    caplog.set_level(logging.WARNING, "uns.bridge.mqtt")
    config = _config(mosquitto, watch="legacy/+line/cw")
    async with _driven(config, "legacy/line1/cw $.n") as (driver, sink, _):
        messages = [_message(f"legacy/line{n}/cw", {"n": n}) for n in (1, 2, 2)]
        await publisher.publish_all(messages)
        await _until(lambda: driver.findings)
        entry = (
            "- {path: <site/area/line/machine>, is: <type>, bind: <binding>, with: {line: line2}}"
        )
        assert (f"nobody reads `legacy/line2/cw`; to add it: {entry}",) == driver.findings
        assert [1] == _values(sink, 0)
        assert 1 == len([record for record in caplog.records if entry in record.getMessage()])


async def test_that_a_topic_is_well_again_is_no_warning(mosquitto, publisher, caplog):
    """What is wrong with it is one, and once it is over that is told as news."""
    caplog.set_level(logging.INFO, "uns.bridge.mqtt")
    async with _driven(_config(mosquitto), "a $.x") as (_, sink, _bound):
        await publisher.publish_all([_message("a", {"y": 1}), _message("a", {"x": 2})])
        await _until(lambda: 2 in _values(sink, 0))
    told = {one.levelname for one in caplog.records if "can be read again" in one.getMessage()}
    assert {"INFO"} == told
    assert "WARNING" in {one.levelname for one in caplog.records if "`a`: " in one.getMessage()}


@pytest.mark.parametrize("host_id", ["", "guest"])
async def test_a_foreign_edge_node_is_read_from_birth_to_death(mosquitto, host_id):
    """A rebirth is asked for where it is missing; its death makes the value stale."""
    edge = EdgeNode(NodeId("G", "N"), {"D": [MetricDefinition("Temp", DataType.DOUBLE)]})
    will = edge.will()
    session = await connect(Broker("127.0.0.1", mosquitto.port), "edge", will=lambda: will)
    edge.advance()
    await session.subscribe(edge.subscriptions())
    await session.publish_all([*edge.connected(_now_ms()), *edge.device_up("D", _now_ms())])
    reading = (edge.alias_of("D", "Temp"), 21.5, GOOD, _now_ms())
    config = _config(mosquitto, rebirth=True, host_id=host_id)
    async with _driven(config, "spBv1.0 G/N/D:Temp") as (_, sink, said):
        assert [""] == said
        await session.publish_all(edge.observed("D", [reading], _now_ms()))

        async def answer():
            async for batch in session.batches():
                for message in batch:
                    await session.publish_all(edge.received(message, _now_ms()))

        answering = asyncio.create_task(answer())
        await _until(lambda: 21.5 in _values(sink, 0))
        assert GOOD == sink.of(0)[-1][2]
        answering.cancel()
        await asyncio.wait([answering])
        session.abort()
        await _until(lambda: STALE == sink.of(0)[-1][2])
        assert 21.5 == sink.of(0)[-1][1]


async def test_a_host_that_leaves_says_so(mosquitto, publisher):
    """Its STATE on the broker is offline afterwards."""
    await publisher.subscribe([("spBv1.0/STATE/guest", 1)])
    async with _driven(_config(mosquitto, host_id="guest"), "a"):
        pass
    seen = []
    async with asyncio.timeout(5):
        async for batch in publisher.batches():
            seen += [json.loads(message.payload)["online"] for message in batch]
            if len(seen) >= 2:
                break
    assert [True, False] == seen


async def test_a_lost_broker_ends_the_session_with_a_sentence(mosquitto):
    """Killed or stopped, the next word of the driver is why."""
    driver = MqttDriver(_config(mosquitto))
    await driver.open()
    await driver.bind([])
    await mosquitto.stop()
    with pytest.raises(DeviceError, match=r"closed|shutting down|lost"):
        async with asyncio.timeout(5):
            await driver.run(Collector())
    await driver.close()


@pytest.fixture
async def guarded(tmp_path, mosquitto):
    """Mosquitto that knows one user, who may read below `mine/` only."""
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        pytest.skip("needs mosquitto_passwd of the Debian package mosquitto")
    subprocess.run([tool, "-b", "-c", tmp_path / "users", "anna", "right"], check=True)
    (tmp_path / "users").chmod(0o644)
    settings = ("allow_anonymous false", f"password_file {tmp_path / 'users'}")
    async with MosquittoBroker(settings=settings) as broker:
        yield broker


async def test_wrong_password_is_told_from_no_broker(guarded):
    """The first waits for a person, the second for the plant."""
    with pytest.raises(DeniedError, match="refused us") as caught:
        await MqttDriver(_config(guarded, user="anna", password="wrong")).open()
    assert "`password:`" in caught.value.hint
    driver = MqttDriver(_config(guarded, user="anna", password="right"))
    await driver.open()
    await driver.close()
    with pytest.raises(DeviceError, match="connection refused") as refused:
        await MqttDriver(MqttConfig(broker=f"mqtt://127.0.0.1:{free_port()}")).open()
    assert not isinstance(refused.value, DeniedError)


def test_the_page_names_every_setting_and_its_example_is_read():
    """docs/reference/bridges/mqtt.md speaks of each setting; its bindings are right as they stand."""
    page = (ROOT / "docs/reference/bridges/mqtt.md").read_text()
    words = MqttConfig.model_fields.keys() - DriverConfig.model_fields.keys()
    assert [] == [name for name in words if f"| `{name}` |" not in page]
    example = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    read = [
        str(MqttDriver.parse(text.replace("{line}", "line1"), MqttConfig(**binding["connection"])))
        for binding in example["bindings"].values()
        for text in binding["tags"].values()
    ]
    assert 6 == len(read)


def _now_ms():
    return time.time_ns() // 1_000_000
