"""What a broker has, for people who draft a project from it."""

from __future__ import annotations

import json

import pytest

from bridges.mqtt import MqttConfig, MqttDriver
from bridges.mqtt.browse import leaves
from uns.message import Message
from uns.metric import DataType
from uns.mqtt import Broker, connect


def _told(payload, topic="legacy/line 1/cw"):
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return [(node.address, node.datatype, node.problem) for node in leaves(topic, data, 1_000)]


def test_a_payload_is_taken_apart_into_addresses():
    """Each value has a path and a type; numbers are Doubles, for JSON knows no others."""
    payload = {"w": {"v": 5}, "ok": True, "lanes": [1.5], "x y": "a"}
    assert [
        ('"legacy/line 1/cw" $.w.v', DataType.DOUBLE, ""),
        ('"legacy/line 1/cw" $.ok', DataType.BOOLEAN, ""),
        ('"legacy/line 1/cw" $.lanes[0]', DataType.DOUBLE, ""),
        ("\"legacy/line 1/cw\" $['x y']", DataType.STRING, ""),
    ] == _told(payload)
    assert [("a/b", DataType.DOUBLE, "")] == _told(b"21.5", "a/b")
    assert [("a/b", DataType.STRING, "")] == _told(b"running", "a/b")


@pytest.mark.parametrize(
    ("topic", "payload", "problem"),
    [
        ("a", b"", "it is empty"),
        ("a", b"\xff", "neither JSON nor text"),
        ("a", b"x" * 1_001, "more than 1,000 bytes"),
        ("a", b'{"x": null}', "null now"),
        ("spBv1.0/G/DDATA/N/D", b"\x08", "Sparkplug: write"),
    ],
)
def test_what_is_no_value_is_told_with_its_reason(topic, payload, problem):
    """Nothing is left out in silence."""
    ((_, datatype, told),) = _told(payload, topic)
    assert datatype is None
    assert problem in told


def test_a_hostile_payload_is_walked_within_bounds():
    """A deep one, a wide one and a long array end soon."""
    deep = b'{"a":' * 150 + b"1" + b"}" * 150
    assert [] == _told(deep)
    wide = [
        (1, node)
        for node in leaves("a", json.dumps({str(n): n for n in range(5_000)}).encode(), 10**6)
    ]
    assert 1_001 == len(wide)
    assert 32 == len(_told(list(range(100))))


@pytest.mark.slow
async def test_a_broker_is_asked_what_it_has(mosquitto):
    """Retained and live topics that match the filter, and no others."""
    publisher = await connect(Broker("127.0.0.1", mosquitto.port), "somebody")
    await publisher.publish_all(
        [Message(f"legacy/line{n}/cw", b'{"w": 1}', 1, True) for n in (1, 2)]
        + [Message("other", b"1", 1, True)]
    )
    driver = MqttDriver(MqttConfig(broker=f"mqtt://127.0.0.1:{mosquitto.port}"))
    found = [node async for node in driver.browse("legacy/{line}/#")]
    await publisher.close()
    assert [("legacy", "line1", "cw", "w"), ("legacy", "line2", "cw", "w")] == [
        node.path for node in found
    ]
    assert ["legacy/line1/cw $.w", "legacy/line2/cw $.w"] == [node.address for node in found]
