"""Writes from a host, through the broker and the bridge, into a real Modbus server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bridges import get_driver
from uns.coercion import to_write, unscaled
from uns.equipment import Source, Tag, WritePolicy
from uns.errors import DeviceError
from uns.message import Message
from uns.metric import DataType, Reading, Value
from uns.mqtt import Broker, Session, connect
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.service.bridge import BridgeService
from uns.service.broker import EmbeddedBroker
from uns.service.device_writes import DeviceWrites, refusal
from uns.service.edge import now_ms
from uns.sim.modbus_server import ModbusServer
from uns.sparkplug import MessageType, Metric, NodeId, Payload, encode, topic
from uns.store.backlog import Backlog
from uns.store.state import State
from uns.topic import Topic

NODE = NodeId("acme:leeds", "packaging:line1")
PROJECT = """\
enterprise: acme
sites: {{leeds: {{}}}}
types:
  filler:
    tags:
      speed: {{type: uint32}}
      setpoint: {{type: float, range: [0, 100], scale: [0, 1000, 0, 100], write: true}}
      recipe: {{type: uint16, write: {{readback: 1s}}}}
bindings:
  plc:
    driver: modbus
    connection: {{host: 127.0.0.1, port: {port}}}
    tags: {{speed: "hr:0 uint32", setpoint: "hr:4 float32", recipe: "hr:8"}}
instances:
  - {{path: leeds/packaging/line1/filler, is: filler, bind: plc}}
"""


def test_a_scaled_value_goes_back_to_what_the_device_counts_in() -> None:
    """Half of 0…100 is half of the raw range, wherever that begins."""
    assert 15_824.0 == unscaled(50.0, (4000.0, 27_648.0, 0.0, 100.0))
    assert "x" == unscaled("x", (0.0, 1.0, 0.0, 2.0))
    assert unscaled(1.0, (0.0, 1.0, 5.0, 5.0)) is None


FLOAT, DOUBLE, INT16 = DataType.FLOAT, DataType.DOUBLE, DataType.INT16
STEPS = (0.0, 10.0, 0.0, 100.0)  # one count of the device is ten of the tag


@pytest.mark.parametrize(
    ("value", "datatype", "scale", "expected"),
    [
        (42, INT16, None, 42),
        (42.0, INT16, None, 42.0),
        (True, DataType.BOOLEAN, None, True),
        (1, DataType.BOOLEAN, None, 1),
        ("R-1", DataType.STRING, None, "R-1"),
        (50.0, FLOAT, (0.0, 27_648.0, 0.0, 100.0), 13_824),
        (50.1, FLOAT, (0.0, 27_648.0, 0.0, 100.0), 13_852),
        (50.099998474121094, FLOAT, (0.0, 27_648.0, 0.0, 100.0), 13_852),  # from a 32-bit float
        (42.5, DOUBLE, (0.0, 1000.0, 0.0, 100.0), 425),
        (-7.0, DOUBLE, (0.0, 100.0, 10.0, -10.0), 85),
        (40.0, FLOAT, STEPS, 4),
    ],
)
def test_the_nearest_count_that_reads_as_was_asked_is_written(
    value: Value, datatype: DataType, scale: tuple[float, ...] | None, expected: Value
) -> None:
    """A device that counts gets a whole number; what is shown then is what was asked for."""
    assert (expected, "") == to_write(value, datatype, scale, counts=True)


@pytest.mark.parametrize(
    ("value", "datatype", "scale", "expected"),
    [
        (42.0, FLOAT, STEPS, "it can be 40 or 50, and nothing between"),
        (42.57, DOUBLE, (0.0, 1000.0, 0.0, 100.0), "it can be 42.5 or 42.6, and nothing between"),
        (41.5, FLOAT, None, "it can be 41 or 42, and nothing between"),
        (1.0, FLOAT, (0.0, 1.0, 5.0, 5.0), "its scale makes one value of all"),
        (41.5, INT16, None, "41.5 is no whole number, and it is Int16"),
        (32_768, INT16, None, "32768 does not fit Int16, which holds -32768 to 32767"),
        (1e39, FLOAT, None, "1e+39 does not fit Float"),
        (float("nan"), DOUBLE, None, "nan does not fit Double"),
        ("7", INT16, None, "'7' is no number"),
        (True, INT16, None, "True is no number"),
        (7, DataType.STRING, None, "7 is no text"),
        ("on", DataType.BOOLEAN, None, "'on' is neither true nor false"),
        (None, FLOAT, None, "None is no number"),
    ],
)
def test_a_value_that_the_tag_cannot_be_is_refused_with_a_sentence(
    value: Value, datatype: DataType, scale: tuple[float, ...] | None, expected: str
) -> None:
    """Nothing is bent to fit: a recipe that is one off is a wrong recipe."""
    assert (None, expected) == to_write(value, datatype, scale, counts=True)


def test_a_device_that_does_not_count_gets_fractions() -> None:
    """A REAL in a PLC takes what the scale comes to."""
    assert (4.2, "") == to_write(42.0, FLOAT, STEPS, counts=False)


class Plc:
    """A device with one register, which may be slow, stubborn or mute."""

    def __init__(self, *, takes: bool = True, after: int = 0, mute: str = "") -> None:
        self.held: Value = 0
        self._next: Value = None
        self._takes, self._after, self._mute = takes, after, mute

    def counts(self, handle: int) -> bool:
        return handle > 0

    def known(self, handle: int) -> Value:
        return self.held if handle else None

    async def write(self, items: Sequence[tuple[int, Value]]) -> Sequence[str]:
        self._next = items[0][1]
        return [""]

    async def read_now(self, handles: Sequence[int]) -> list[Reading]:
        if self._mute:
            raise DeviceError(self._mute)
        if self._takes and self._after <= 0:
            self.held = self._next
        self._after -= 1
        return [(handle, self.held, 192, 0) for handle in handles]


def _audited(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "uns.audit"]


def _recipe(readback_s: float) -> Tag:
    place = Topic("acme/leeds/packaging/line1/filler/recipe")
    policy = WritePolicy(readback_s=readback_s)
    return Tag("recipe", place, INT16, write=policy, source=Source("plc", "x", "x"))


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        (Plc(), "from 0 to 7: confirmed"),
        (Plc(after=2), "from 0 to 7: confirmed"),
        (Plc(takes=False), "from 0 to 7: not taken: the device says 0 after 0.6 s"),
        (Plc(mute="no route to host"), "7: not confirmed within 0.6 s: no route to host"),
    ],
)
async def test_a_written_value_is_looked_for(
    device: Plc, expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Confirmed, another value, or no answer within the time: one line for the audit."""
    writes = DeviceWrites(device)
    task = asyncio.create_task(writes.run())
    with caplog.at_level(logging.INFO, "uns"):
        writes.ask(_recipe(0.6), 1, 7, "Ada")
        await _until(lambda: _audited(caplog))
    (line,) = _audited(caplog)
    assert line.startswith("Ada asked to set acme/leeds/packaging/line1/filler/recipe")
    assert line.endswith(expected)
    assert 1 == len([one for one in caplog.records if one.name == "uns.bridge.writes"])
    task.cancel()
    await asyncio.wait([task])


async def test_a_newer_write_ends_the_look_for_an_older(caplog: pytest.LogCaptureFixture) -> None:
    """The first was overtaken, the second is there; and a refusal is in the audit too."""
    writes = DeviceWrites(Plc(after=3))
    task = asyncio.create_task(writes.run())
    with caplog.at_level(logging.INFO, "uns.audit"):
        writes.ask(_recipe(5.0), 1, 7)
        await asyncio.sleep(0.1)
        writes.ask(_recipe(5.0), 1, 8)
        writes.ask(_recipe(5.0), 1, 70_000)
        await _until(lambda: len(_audited(caplog)) == 3)
    outcomes = {line.split(": ")[1] for line in _audited(caplog)}
    assert {"overtaken", "confirmed", "refused"} == outcomes
    task.cancel()
    await asyncio.wait([task])


@pytest.fixture
async def plc(tmp_path: Path) -> AsyncIterator[tuple[ModbusServer, Session]]:
    """A PLC behind a bridge, and a session for a host's commands."""
    async with ModbusServer(port=0, units=[1]) as server, EmbeddedBroker() as broker:
        (tmp_path / "plant.yaml").write_text(PROJECT.format(port=server.port))
        loaded = load(tmp_path, Catalogue({"modbus": get_driver("modbus")}, {}))
        assert loaded.project is not None, loaded.diagnostics
        place = Broker.parse(broker.url)
        state = State(tmp_path / "state.db")
        backlog = Backlog(tmp_path / "backlog.db")
        service = BridgeService(
            loaded.project, loaded.project.machines, [place], state, backlog, get_driver
        )
        task = asyncio.create_task(service.run())
        await _until(lambda: service.edges[0].health.births > 1)
        session = await connect(place, "host")
        yield server, session
        await session.close()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        state.close()
        backlog.close()


async def _until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(15):
        while not is_so():
            await asyncio.sleep(0.05)


def _command(name: str, value: float, datatype: DataType) -> Message:
    now = now_ms()
    metric = Metric(name, value, datatype, timestamp_ms=now)
    return Message(topic(MessageType.DCMD, NODE, "filler"), encode(Payload(now, (metric,))))


@pytest.mark.slow
async def test_a_writable_tag_is_written_in_the_devices_own_units(
    plc: tuple[ModbusServer, Session], caplog: pytest.LogCaptureFixture
) -> None:
    """A DCMD of 42.5 % arrives as 425 counts, and the log says what was set."""
    server, session = plc
    with caplog.at_level(logging.INFO, "uns.bridge"):
        await session.publish(_command("setpoint", 42.5, DataType.FLOAT))
        await _until(lambda: server[1].get("hr", 4, "float32") == 425.0)
        await _until(lambda: "setpoint was set to 42.5" in caplog.text)


@pytest.mark.slow
async def test_a_real_device_is_asked_whether_it_has_the_value(
    plc: tuple[ModbusServer, Session], caplog: pytest.LogCaptureFixture
) -> None:
    """Out of turn, over the same connection; the audit says from what to what."""
    server, session = plc
    with caplog.at_level(logging.INFO, "uns"):
        await session.publish(_command("recipe", 7, DataType.UINT16))
        await _until(lambda: "confirmed" in caplog.text)
    assert 7 == server[1].get("hr", 8, "uint16")
    assert "a Sparkplug host asked to set acme/leeds/packaging/line1/filler/recipe" in caplog.text
    assert "from 0 to 7: confirmed" in caplog.text


@pytest.mark.slow
async def test_what_the_project_forbids_is_never_written(
    plc: tuple[ModbusServer, Session], caplog: pytest.LogCaptureFixture
) -> None:
    """A tag without `write` and a value out of range are refused by name; the next goes through."""
    server, session = plc
    await session.publish(_command("speed", 7, DataType.UINT32))
    await session.publish(_command("setpoint", 101.0, DataType.FLOAT))
    await session.publish(_command("setpoint", 100.0, DataType.FLOAT))
    await _until(lambda: server[1].get("hr", 4, "float32") == 1000.0)
    assert 0 == server[1].get("hr", 0, "uint32")
    assert "filler/speed was not set to 7: it may only be read" in caplog.text
    assert "filler/setpoint was not set to 101.0: its range ends at 100" in caplog.text


def test_a_policy_is_narrower_than_the_range(caplog: pytest.LogCaptureFixture) -> None:
    """What may be written has limits of its own, and a write too soon after another is refused."""
    place = Topic("acme/leeds/packaging/line1/filler/setpoint")
    tag = Tag("setpoint", place, low=0, high=100, write=WritePolicy((), 40, 60, every_s=60))
    tag = replace(tag, source=Source("plc", "x", "x"))
    assert ["only 40 to 60 may be written", ""] == [refusal(tag, value) for value in (30, 50)]

    writes = DeviceWrites(Plc())
    writes.ask(tag, 1, 50)
    writes.ask(tag, 1, 51)
    writes.ask(tag, 2, 51)
    assert ["it may be written every 60 s"] == [
        record.getMessage().partition(": ")[2].partition(",")[0] for record in caplog.records
    ]
