"""Three lines on Modbus and Mosquitto, of which one is changed while all of them run."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from uns.cli.catalogue import catalogue
from uns.errors import ProjectError
from uns.mqtt import Broker, connect
from uns.project.load import load
from uns.project.project import Project
from uns.service.broker import MosquittoBroker
from uns.service.edge import now_ms
from uns.service.runtime import Part, Runtime
from uns.sim.modbus_server import ModbusServer
from uns.sparkplug import Born, Changed, Died, HostApplication
from uns.sparkplug.names import NodeId

pytestmark = pytest.mark.slow

PLANT = """\
enterprise: acme
sites: {leeds: {}}
types:
  filler:
    tags:
      good: {type: uint32, counter: true}
      pressure: {unit: bar, range: [0, 6]}
      twice: {calc: 2 * pressure}
bindings:
  plc:
    driver: modbus
    connection: {host: 127.0.0.1, port: "{port}"}
    tags: {good: "hr:0 uint32", pressure: "hr:4 float32"}
instances:
  - {path: leeds/packaging/line1/filler, is: filler, bind: plc, with: {port: PORT0}}
  - {path: leeds/packaging/line2/filler, is: filler, bind: plc, with: {port: PORT1}}
  - {path: leeds/packaging/line3/filler, is: filler, bind: plc, with: {port: PORT2}}
"""
LINE3 = "  - {path: leeds/packaging/line3/filler, is: filler, bind: plc, with: {port: PORT2}}\n"
SECOND = "  - {path: leeds/packaging/line1/second, is: filler, bind: plc, with: {port: PORT0}}\n"
MORE = """\
  more: {extends: filler, tags: {bad: {type: uint32}}}
bindings:
  plc2:
    driver: modbus
    connection: {host: 127.0.0.1, port: "{port}"}
    tags: {good: "hr:0 uint32", pressure: "hr:4 float32", bad: "hr:2 uint32"}
"""
ON_LINE2 = "overrides:\n  leeds/packaging/line2/filler: {tags: {%s}}\n"
WAIT_S = 20.0
PARTS = [Part.BRIDGES, Part.NAMESPACE]


class Rig:
    """Three PLCs, a project for them that is run, and a host that listens."""

    def __init__(self, folder: Path, plcs: list[ModbusServer], broker: MosquittoBroker) -> None:
        self.folder = folder
        self.plcs = plcs
        self.broker = broker
        self.events: list[Any] = []
        self.tree: dict[str, dict[str, Any]] = {}
        self.runtime = Runtime(
            self.project(PLANT), [Broker.parse(broker.url)], folder / "state", parts=PARTS
        )
        assert self.runtime.bridge is not None
        self.bridge = self.runtime.bridge

    def project(self, text: str) -> Project:
        for number, plc in enumerate(self.plcs):
            text = text.replace(f"PORT{number}", str(plc.port))
        (self.folder / "plant.yaml").write_text(text)
        found = load(self.folder / "plant.yaml", catalogue())
        assert found.project is not None, found.diagnostics
        return found.project

    async def listen(self) -> None:
        session = await connect(Broker.parse(self.broker.url), "listener")
        await session.subscribe([("spBv1.0/#", 1), ("acme/leeds/#", 1)])
        core = HostApplication("listener")
        core.connected(now_ms())
        async for batch in session.batches():
            for message in batch:
                if message.topic.startswith("acme/leeds/"):
                    self.tree[message.topic] = json.loads(message.payload or b"{}")
                    continue
                self.events += core.received(message, now_ms())

    def shown(self, line: str, tag: str) -> tuple[Any, str]:
        """The value and quality of a topic of a filler."""
        found = self.tree.get(f"acme/leeds/packaging/{line}/filler/{tag}", {})
        return found.get("value"), found.get("quality", "")

    def about(self, kind: type[Any], line: str, device: str | None = "filler") -> list[Any]:
        """What was heard of one device of a line."""
        node = NodeId("acme:leeds", f"packaging:{line}")
        found = [event for event in self.events if isinstance(event, kind) and event.node == node]
        return [event for event in found if event.device_id == device]

    def value(self, line: str, name: str, device: str = "filler") -> Any:
        """The last value of a metric that births or data gave."""
        told = [*self.about(Born, line, device), *self.about(Changed, line, device)]
        for event in sorted(told, key=self.events.index, reverse=True):
            if isinstance(event, Born):
                return next((s.value for s in event.slots if s.name == name), None)
            if found := [u[1] for u in event.updates if u[0].name == name]:
                return found[-1]
        return None

    def unrest(self) -> list[Any]:
        """Births and deaths of any line."""
        return [event for event in self.events if isinstance(event, Born | Died)]

    async def until(self, is_so: Callable[[], object]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not is_so():
                await asyncio.sleep(0.05)

    async def all_born(self) -> None:
        await self.until(lambda: all(self.value(f"line{n}", "twice") == 2.0 * n for n in (1, 2, 3)))
        await self.until(
            lambda: all(self.shown(f"line{n}", "twice") == (2.0 * n, "Good") for n in (1, 2, 3))
        )
        self.events.clear()

    @contextlib.contextmanager
    def untouched(self, *lines: str) -> Any:
        """Whatever happens within, these lines notice none of it and go on talking."""
        links = {key: (link, link.health.reconnects) for key, link in self._links(lines).items()}
        edges = {edge.edge.node: edge.health.connects for edge in self._edges(lines)}
        yield
        assert links == {k: (one, one.health.reconnects) for k, one in self._links(lines).items()}
        assert edges == {edge.edge.node: edge.health.connects for edge in self._edges(lines)}
        for line in lines:
            for device in (None, "", "filler"):
                assert not self.about(Died, line, device)
                assert not self.about(Born, line, device)

    def _links(self, lines: tuple[str, ...]) -> dict[str, Any]:
        ports = [str(self.plcs[int(line[-1]) - 1].port) for line in lines]
        links = self.bridge.connections
        return {key: link for key, link in links.items() if key.rpartition(":")[2] in ports}

    def _edges(self, lines: tuple[str, ...]) -> list[Any]:
        return [one for one in self.bridge.edges if one.edge.node.edge_node_id[-5:] in lines]


@pytest.fixture
async def rig(tmp_path: Path, mosquitto: MosquittoBroker) -> AsyncIterator[Rig]:
    """All three lines are born."""
    async with contextlib.AsyncExitStack() as stack:
        plcs = [await stack.enter_async_context(ModbusServer(port=0, units=[1])) for _ in range(3)]
        for number, plc in enumerate(plcs, 1):
            plc[1].set("hr", 0, 100 * number, "uint32")
            plc[1].set("hr", 2, 7, "uint32")
            plc[1].set("hr", 4, float(number), "float32")
        made = Rig(tmp_path, plcs, mosquitto)
        tasks = [asyncio.create_task(made.listen()), asyncio.create_task(made.runtime.run())]
        await made.all_born()
        try:
            yield made
        finally:
            for task in reversed(tasks):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def test_a_changed_tag_is_no_business_of_other_lines(rig: Rig) -> None:
    """Another range of a tag of line 2: its device is born anew over the connections it has."""
    changed = PLANT + ON_LINE2 % "pressure: {range: [0, 8]}"
    with rig.untouched("line1", "line3"):
        connects = [edge.health.connects for edge in rig.bridge.edges]
        links = rig.bridge.connections
        found = await rig.runtime.change(rig.project(changed))
        assert ("acme/leeds/packaging/line2",) == found.lines.change
        await rig.until(lambda: rig.about(Born, "line2"))
        (born,) = rig.about(Born, "line2")
        slots = {slot.name: slot for slot in born.slots}
        assert 8.0 == slots["pressure"].properties["engHigh"]
        assert 2.0 == slots["pressure"].value
        assert 1 == len(rig.about(Died, "line2"))
        assert connects == [edge.health.connects for edge in rig.bridge.edges]
        assert links == rig.bridge.connections
        for number, plc in enumerate(rig.plcs, 1):
            plc[1].set("hr", 4, number + 0.5, "float32")
        await rig.until(
            lambda: all(rig.shown(f"line{n}", "twice") == (2.0 * n + 1, "Good") for n in (1, 2, 3))
        )
        assert [0, 8] == rig.tree["acme/leeds/packaging/line2/filler/pressure/_meta"]["range"]


async def test_a_tag_more_is_read_at_once(rig: Rig) -> None:
    """A tag that comes is read over the session there is, and costs its machine one new birth."""
    text = PLANT.replace(
        "line2/filler, is: filler, bind: plc,", "line2/filler, is: more, bind: plc2,"
    ).replace("bindings:\n", MORE)
    links = rig.bridge.connections
    with rig.untouched("line1", "line3"):
        await rig.runtime.change(rig.project(text))
        assert links == rig.bridge.connections
        await rig.until(lambda: rig.value("line2", "bad") == 7)
        assert [0, 0, 0] == [link.health.reconnects for link in links.values()]
        assert 2.0 == rig.value("line2", "pressure")
        await rig.until(lambda: rig.shown("line2", "bad") == (7, "Good"))
        assert not rig.about(Died, "line2", None)


async def test_a_value_never_gets_another_unit(rig: Rig) -> None:
    """A tag in kPa that was in bar has no value before it was read anew, in kPa."""
    changed = PLANT + ON_LINE2 % "pressure: {unit: kPa, range: [0, 600], scale: [0, 6, 0, 600]}"
    with rig.untouched("line1", "line3"):
        await rig.runtime.change(rig.project(changed))
        await rig.until(lambda: rig.value("line2", "pressure") == 200.0)
        (born, *_) = rig.about(Born, "line2")
        slot = next(slot for slot in born.slots if slot.name == "pressure")
        assert "kPa" == slot.properties["engUnit"]
        assert slot.value in (None, 200.0)
        await rig.until(lambda: rig.shown("line2", "pressure") == (200.0, "Good"))


async def test_lines_come_and_leave(rig: Rig) -> None:
    """A line that left says NDEATH and is not read; it may come back."""
    with rig.untouched("line1", "line2"):
        await rig.runtime.change(rig.project(PLANT.replace(LINE3, "")))
        await rig.until(lambda: rig.about(Died, "line3", None))
        await rig.until(lambda: rig.shown("line3", "good") == (300, "Uncertain"))
        assert 2 == len(rig.bridge.edges)
        assert 2 == len(rig.bridge.connections)
        await rig.runtime.change(rig.project(PLANT))
        await rig.until(lambda: rig.about(Born, "line3"))
        await rig.until(lambda: rig.shown("line3", "good") == (300, "Good"))


async def test_a_machine_that_joins_a_connection_disturbs_nobody_on_it(rig: Rig) -> None:
    """It is read over the session there is; who was on it before shows no death and no gap."""
    with rig.untouched("line2", "line3"):
        links = rig.bridge.connections
        await rig.runtime.change(rig.project(PLANT + SECOND))
        assert links == rig.bridge.connections
        await rig.until(lambda: rig.value("line1", "good", "second") == 100)
        (born, *_) = rig.about(Born, "line1", "second")
        assert {"good": 100, "pressure": 1.0, "twice": 2.0} == {s.name: s.value for s in born.slots}
        rig.plcs[0][1].set("hr", 0, 101, "uint32")
        await rig.until(lambda: rig.value("line1", "good") == 101)
        await rig.runtime.change(rig.project(PLANT))
        await rig.until(lambda: rig.about(Died, "line1", "second"))
        rig.plcs[0][1].set("hr", 0, 102, "uint32")
        await rig.until(lambda: rig.value("line1", "good") == 102)
        assert not rig.about(Died, "line1")
        assert not rig.about(Born, "line1")
        assert links == rig.bridge.connections
        assert [0, 0, 0] == [link.health.reconnects for link in links.values()]


async def test_a_formula_that_comes_has_a_value_at_once(rig: Rig) -> None:
    """What it is made of was read before; nothing has to change for it to be known."""
    changed = PLANT + ON_LINE2 % "twice: {calc: 3 * pressure}"
    with rig.untouched("line1", "line3"):
        await rig.runtime.change(rig.project(changed))
        await rig.until(lambda: rig.value("line2", "twice") == 6.0)


async def test_what_needs_a_restart_is_refused_and_nothing_happens(rig: Rig) -> None:
    """Another enterprise is another plant: the sentence says so, and all lines run on."""
    with rig.untouched("line1", "line2", "line3"):
        with pytest.raises(ProjectError, match="`enterprise` is `ajax` now"):
            await rig.runtime.change(rig.project(PLANT.replace(": acme", ": ajax")))
        rig.plcs[1][1].set("hr", 0, 201, "uint32")
        await rig.until(lambda: rig.value("line2", "good") == 201)


async def test_nothing_happens_when_nothing_changed(rig: Rig) -> None:
    """The same project again touches no line."""
    with rig.untouched("line1", "line2", "line3"):
        found = await rig.runtime.change(rig.project("# read again\n" + PLANT))
        assert found.is_empty
        await asyncio.sleep(0.5)


async def test_a_device_can_be_left_alone_for_a_while(rig: Rig) -> None:
    """`enabled: false`: its values are stale and the reason is known; without it they come back."""
    off = """\
bindings:
  plc2:
    driver: modbus
    connection: {host: 127.0.0.1, port: "{port}", enabled: false}
    tags: {good: "hr:0 uint32", pressure: "hr:4 float32"}
"""
    text = PLANT.replace(
        "line2/filler, is: filler, bind: plc,", "line2/filler, is: filler, bind: plc2,"
    )
    with rig.untouched("line1", "line3"):
        await rig.runtime.change(rig.project(text.replace("bindings:\n", off)))
        await rig.until(lambda: rig.shown("line2", "pressure") == (2.0, "Uncertain"))
        (link,) = [one for key, one in rig.bridge.connections.items() if "enabled=false" in key]
        assert "disabled" == link.health.phase
        assert "`enabled: false`" in link.health.last_error
        await rig.runtime.change(rig.project(PLANT))
        await rig.until(lambda: rig.shown("line2", "pressure") == (2.0, "Good"))
