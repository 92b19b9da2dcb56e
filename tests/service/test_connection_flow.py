"""What is said of each connection, when, and what is cleared."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from uns.equipment import Connection, Machine, SparkplugId, Tag
from uns.message import Message
from uns.service.connection_flow import ConnectionFlows, FlowSource, flow_name
from uns.service.connection_health import ConnectionHealth, ConnectionPhase, ConnectionState
from uns.service.scan_class import ScanHealth
from uns.topic import Topic

NOW = 1_767_868_200_123  # 2026-01-08T10:30:00.123Z
KEY = "modbus://10.2.1.20:502"
TOPIC = "acme/_flow/leeds/modbus-10-2-1-20-502"


def machine(path: str = "leeds/packaging/line1/filler") -> Machine:
    return Machine(Topic(f"acme/{path}"), "filler", 1, ("filler",), (), SparkplugId("g", "n", "d"))


def running(**words: Any) -> ConnectionHealth:
    known = {"state": ConnectionState.UP, "phase": ConnectionPhase.RUNNING, "tags_good": 7}
    return ConnectionHealth(**{**known, **words})


@dataclass
class Rig:
    """One bridges service with connections that a test changes, and a clock."""

    health: dict[str, ConnectionHealth] = field(default_factory=lambda: {KEY: running()})
    machines: list[Machine] = field(default_factory=lambda: [machine()])
    taken: set[str] = field(default_factory=set)
    now: int = NOW

    def __post_init__(self) -> None:
        self.flows = ConnectionFlows("acme", "bridges-gw1", lambda: self.taken)

    def tick(self, later_ms: int = 0) -> dict[str, Any]:
        """What is said now, by topic; None where it is cleared."""
        self.now += later_ms
        return _told(self.flows.tick(self.sources(), self.now))

    def sources(self) -> list[FlowSource]:
        tag = Tag("speed", machine().topic.child("speed"))
        return [
            FlowSource(
                Connection(key, key.partition(":")[0], None), self.machines, {4: tag}, health
            )
            for key, health in self.health.items()
        ]


def _told(messages: list[Message]) -> dict[str, Any]:
    assert all(message.qos == 1 and message.retain for message in messages)
    return {m.topic: json.loads(m.payload) if m.payload else None for m in messages}


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_connection_says_how_it_goes(rig: Rig) -> None:
    """One object with the state first; numbers that a monitor can draw."""
    rig.health[KEY].readings = 100
    said = rig.tick()[TOPIC]
    assert (KEY, "modbus", "bridges-gw1") == (said["connection"], said["driver"], said["service"])
    assert ("running", "2026-01-08T10:30:00.123Z") == (said["state"], said["since"])
    assert (1, 7, 0, []) == tuple(
        said[k] for k in ("machines", "tags_good", "tags_bad", "problems")
    )
    rig.health[KEY].readings = 600
    said = rig.tick(10_000)[TOPIC]
    assert (50.0, 600) == (said["values_per_s"], said["values"])
    assert ("2026-01-08T10:30:00.123Z", "2026-01-08T10:30:10.123Z") == (
        said["since"],
        said["timestamp"],
    )


def test_nothing_is_said_twice_within_ten_seconds(rig: Rig) -> None:
    """Counters alone are no news."""
    rig.tick()
    rig.health[KEY].readings = 600
    assert {} == rig.tick(1_000) == rig.tick(8_999 - 1_000)
    assert {TOPIC} == rig.tick(2_000).keys()


def test_a_change_is_said_at_once(rig: Rig) -> None:
    """A refused tag, a lost device, its return: within the second, with the reason."""
    health = rig.health[KEY]
    rig.tick()
    health.tags_good, health.tags_bad = 6, 1
    health.problems = {4: "illegal data address", 99: "of a tag that has left"}
    said = rig.tick(1_000)[TOPIC]
    assert ["acme/leeds/packaging/line1/filler/speed: illegal data address"] == said["problems"][:1]
    assert ("degraded", "of a tag that has left") == (said["state"], said["problems"][1])
    health.state, health.last_error = ConnectionState.DOWN, "no sign of life for 3 s"
    said = rig.tick(1_000)[TOPIC]
    assert ("retrying", "no sign of life for 3 s") == (said["state"], said["last_error"])
    assert "2026-01-08T10:30:02.123Z" == said["since"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({}, "running"),
        ({"phase": ConnectionPhase.CONNECTING}, "running"),  # a blip
        ({"tags_bad": 1, "phase": ConnectionPhase.DEGRADED}, "degraded"),
        ({"tags_bad": 7, "tags_good": 0}, "problem"),
        ({"unreadable": {4: "404 Not Found"}}, "degraded"),  # met while reading
        ({"misfits": {4: "70000 does not fit UInt16"}}, "degraded"),
        ({"state": ConnectionState.DOWN, "phase": ConnectionPhase.BACKOFF}, "retrying"),
        ({"state": ConnectionState.DOWN, "phase": ConnectionPhase.STOPPED}, "stopped"),
        ({"state": ConnectionState.DOWN, "is_denied": True}, "problem"),  # a wrong password
    ],
)
def test_the_state_is_one_word(rig: Rig, words: dict[str, Any], expected: str) -> None:
    """What a traffic light needs; all tags refused is for a person, a blip for nobody."""
    rig.health[KEY] = running(**words)
    assert expected == rig.tick()[TOPIC]["state"]


def test_a_connection_that_is_gone_is_cleared(rig: Rig) -> None:
    """A project was changed: its flow goes, the new one comes."""
    rig.tick()
    rig.health = {"s7://10.2.1.21": running()}
    told = rig.tick(1_000)
    assert told[TOPIC] is None
    assert "s7" == told["acme/_flow/leeds/s7-10-2-1-21"]["driver"]
    assert 1 == len(rig.flows.current())


def test_a_connection_of_two_sites_is_told_at_both(rig: Rig) -> None:
    """And at a site that it comes to serve later."""
    rig.tick()
    rig.machines.append(machine("porto/packaging/line3/filler"))
    told = rig.tick(1_000)
    assert {TOPIC, TOPIC.replace("leeds", "porto")} == told.keys()
    assert 2 == told[TOPIC]["machines"]


def test_names_differ_where_keys_do(rig: Rig) -> None:
    """Also from those of routes; a name never depends on the order of things."""
    rig.taken = {"mqtt-broker"}
    rig.health = {key: running() for key in ("modbus://a:1/2", "modbus://a:1.2", "mqtt://broker")}
    names = [topic.rpartition("/")[2] for topic in rig.tick()]
    assert 3 == len(set(names))
    assert not rig.taken & set(names)
    rig.health = dict(reversed(rig.health.items()))
    assert {} == rig.tick(1_000)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("opc.tcp://10.2.1.20:4840/UA/Server#clock=ours", "opc-tcp-10-2-1-20-4840-ua-server-clock-ours"),
        ("Ü", "x"),
        ("a" * 70, "a" * 64),
        ("a" * 63 + "://b", "a" * 63),
    ],
)  # fmt: skip
def test_a_name_is_one_level_of_a_topic(key: str, expected: str) -> None:
    """Small letters, digits and dashes; never empty, never too long."""
    assert expected == flow_name(key)


def test_flows_of_a_former_life_are_cleared_and_no_others(rig: Rig) -> None:
    """The project was changed while nothing ran; routes and other gateways have theirs."""
    rig.tick()
    found = [
        Message("acme/_flow/leeds/old", b'{"service":"bridges-gw1"}'),
        Message(TOPIC, b'{"service":"bridges-gw1"}'),
        Message("acme/_flow/leeds/theirs", b'{"service":"bridges-gw2"}'),
        Message("acme/_flow/leeds/order_progress", b'{"state":"running"}'),
        Message("acme/_flow/leeds/junk", b"\xff{"),
        Message("acme/_flow/leeds/list", b"[1]"),
    ]
    assert {"acme/_flow/leeds/old": None} == _told(rig.flows.strangers(found))


def test_a_stop_is_said_of_every_connection(rig: Rig) -> None:
    """Nobody looks after them any more; what was known stays readable."""
    rig.tick()
    (said,) = _told(rig.flows.stopping(NOW + 5_000)).values()
    assert ("stopped", 0.0, 7) == (said["state"], said["values_per_s"], said["tags_good"])


def test_the_service_counts_its_connections(rig: Rig) -> None:
    """Up, down, and why: three reasons at most."""
    lost = {"state": ConnectionState.DOWN, "phase": ConnectionPhase.BACKOFF}
    for number in range(4):
        rig.health[f"s7://{number}"] = running(**lost, last_error="no route to host")
    rig.tick()
    said = rig.flows.counted()
    assert (1, 4) == (said["connections_up"], said["connections_down"])
    assert [f"s7://{number}: no route to host" for number in range(3)] == said["reasons"]


def test_the_numbers_of_scans_and_clocks_are_told(rig: Rig) -> None:
    """Every class with its times; what the driver found is news, the numbers are not."""
    health = rig.health[KEY]
    health.scans = (ScanHealth(1.0, 1.25, 119, 0.00812, 0.0124, 3),)
    health.duty, health.clock_offset_ms, health.conflated = 0.8349, -420_000, 12
    said = rig.tick()[TOPIC]
    scan = {"asked_s": 1.0, "every_s": 1.25, "tags": 119, "p50_ms": 8.1, "p95_ms": 12.4}
    assert [scan | {"overruns": 3}] == said["scans"]
    assert (0.83, -420_000, 12) == (said["duty"], said["clock_offset_ms"], said["conflated"])
    health.duty = 0.9
    assert {} == rig.tick(1_000)
    health.findings = ("legacy/line9/cw is on the broker, and no tag reads it",)
    assert list(health.findings) == rig.tick(1_000)[TOPIC]["findings"]


def test_a_tag_that_its_value_does_not_fit_is_a_problem(rig: Rig) -> None:
    """It is Bad though the device is read; one that is refused, too, is one tag."""
    health = rig.health[KEY]
    good, bad = health.tags_good, health.tags_bad
    health.misfits = {4: "70000 does not fit UInt16, which holds 0 to 65535"}
    said = rig.tick()[TOPIC]
    assert (good - 1, bad + 1) == (said["tags_good"], said["tags_bad"])
    topic = "acme/leeds/packaging/line1/filler/speed"
    assert [f"{topic}: {health.misfits[4]}"] == said["problems"]
    health.unreadable = {4: "illegal data address"}
    said = rig.tick(1_000)[TOPIC]
    assert (good - 1, bad + 1) == (said["tags_good"], said["tags_bad"])
    assert [f"{topic}: illegal data address"] == said["problems"]
