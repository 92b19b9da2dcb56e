"""Every kind of simulated device is hurt in every way, and read by the drivers that read real ones."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from contextlib import asynccontextmanager

import pytest

from bridges import get_driver
from bridges.driver import BoundTag
from uns.errors import DeviceError, StorageError
from uns.metric import Quality
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.service.connection import ConnectionState, ConnectionSupervisor
from uns.sim.control import SOCKET, Request, ask, controlled, running_plants
from uns.sim.device import WELL, Condition
from uns.sim.faults import Fault, Hit, Kind, condition_of
from uns.sim.move import moved
from uns.sim.plant import SimulatedPlant
from uns.store.lock import only_user
from uns.testing import Watch

pytestmark = pytest.mark.slow

_ADDRESSES = {  # speed, temp, good, load
    "opcua": ("s=Speed", "s=Temp", "s=Good", "s=Load"),
    "modbus": ("hr:0 float32", "hr:2 float32", "hr:4 uint32", "hr:6 float32"),
    "s7": ("DB1.REAL0", "DB1.REAL4", "DB1.UDINT8", "DB1.REAL12"),
    "logix": ("Filler.Speed", "Filler.Temp", "Counts[3]", "Load"),
    "mqtt": ("cw/data $.speed", "cw/data $.temp", "cw/data $.good", "cw/load $.v"),
    "http": ("/state $.speed", "/state $.temp", "/state $.good", "/load $.v"),
    "sql": ("L1/speed", "L1/temp", "L1/good", "L1/load"),
    "file": ("L1/speed", "L1/temp", "L1/good", "L1/load"),
}
_CONNECTIONS = {
    "opcua": "{endpoint: 'opc.tcp://127.0.0.1:4840', namespace: 'urn:x'}",
    "modbus": "{host: 127.0.0.1, timeout_s: 1}",
    "s7": "{host: 127.0.0.1}",
    "logix": "{host: 127.0.0.1}",
    "mqtt": "{broker: 'mqtt://127.0.0.1:1884', timestamp: $.ts, retained: good}",
    "http": "{url: 'http://127.0.0.1:8080', timestamp: $.ts}",
    "sql": "{url: 'sqlite:///mes.db', table: state, key: line, timestamp: at}",
    "file": "{folder: drop, files: 'lab-*.csv', key: line, timestamp: at, settle_s: 0}",
}
_TYPES = """
enterprise: acme
types:
  filler:
    tags:
      speed: {unit: "{piece}/h", range: [0, 60000], type: Float}
      temp: {unit: Cel, range: [0, 90], type: Float}
      good: {type: UInt32, unit: "{piece}", counter: true}
      load: {unit: "%", range: [0, 100], type: Float}
"""
_NETWORKED = [name for name in _ADDRESSES if name not in ("sql", "file")]
_HAS_CLOCK = ("opcua", "mqtt", "http", "sql", "file")


def _project(folder, protocols):
    bindings = "".join(
        f"  {name}:\n    driver: {name}\n    connection: {_CONNECTIONS[name]}\n    tags:\n"
        + "".join(
            f"      {tag}: {json.dumps(address)}\n"
            for tag, address in zip(
                ("speed", "temp", "good", "load"), _ADDRESSES[name], strict=True
            )
        )
        for name in protocols
    )
    instances = "".join(
        f'  - {{path: "leeds/hall/{name}/filler", is: filler, bind: {name}}}\n'
        for name in protocols
    )
    (folder / "small.yaml").write_text(f"{_TYPES}bindings:\n{bindings}instances:\n{instances}")
    loaded = load(folder, Catalogue(drivers={name: get_driver(name) for name in protocols}))
    assert loaded.project is not None, loaded.diagnostics
    return moved(loaded.project)


class _Read:
    """What the bridge's own machinery makes of one connection."""

    def __init__(self, project, home) -> None:
        [connection] = project.connections.values()
        driver = get_driver(connection.driver)
        tags = [tag for machine in project.machines for tag in machine.tags]
        self.names = [tag.name for tag in tags]
        self.watch = Watch()
        self.supervisor = ConnectionSupervisor(
            connection,
            driver,
            [BoundTag(n, t.source.address, t.datatype, 0.25) for n, t in enumerate(tags)],
            self.watch.on_readings,
            self.watch.on_state,
            home=home,
        )

    def bad(self) -> set[str]:
        """Tags whose latest reading is Bad, or that the device refuses."""
        latest = {reading[0]: reading[2] for reading in self.watch.ever}
        return {self.names[n] for n, quality in latest.items() if quality == Quality.BAD}

    def is_down(self) -> bool:
        return self.watch.state is ConnectionState.DOWN

    async def all_good(self) -> None:
        """Wait until every tag has a Good value, with its machines at work."""
        await self.watch.until(lambda: not self.is_down() and len(self._good_now()) == 4, 30)

    def _good_now(self) -> set[int]:
        latest = {reading[0]: reading[2] for reading in self.watch.ever}
        return {n for n, quality in latest.items() if quality == Quality.GOOD}


@asynccontextmanager
async def _plant(folder, *protocols):
    project = _project(folder, protocols)
    plant = SimulatedPlant(project, home=folder / "state", has_dirt=False, speed=20)
    async with plant:
        yield plant, project


@asynccontextmanager
async def _read(project, home):
    read = _Read(project, home)
    running = asyncio.create_task(read.supervisor.run())
    try:
        await read.all_good()
        yield read
    finally:
        running.cancel()
        await asyncio.wait([running])


async def _settled(plant) -> None:
    async with asyncio.timeout(15):
        while plant.faults.listed():
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("protocol", ["opcua", "modbus", "mqtt"])
async def test_a_device_hangs_and_is_well_again_by_itself(tmp_path, protocol):
    """Nothing is answered meanwhile, the bridge says so, and values are back without our doing."""
    async with (
        _plant(tmp_path, protocol) as (plant, project),
        _read(project, tmp_path / "state") as read,
    ):
        outcome = await plant.faults.begin("leeds", Fault(Kind.HANG, 6.0))
        assert 1 == len(outcome.hits)
        await read.watch.until(read.is_down, 15)
        await _settled(plant)
        await read.all_good()
        await read.watch.more_readings()


@pytest.mark.parametrize("protocol", _NETWORKED)
async def test_a_restart_drops_clients_and_a_share_of_tags_is_missing(tmp_path, protocol):
    """Half of the tags are gone while the others go on, and all are there again afterwards."""
    async with (
        _plant(tmp_path, protocol) as (plant, project),
        _read(project, tmp_path / "state") as read,
    ):
        outcome = await plant.faults.begin("leeds", Fault(Kind.DROP_TAGS, 60.0, 0.5))
        [hit] = outcome.hits
        gone = {topic.rpartition("/")[2] for topic in hit.missing}
        assert 2 == len(gone)
        there = {n for n, name in enumerate(read.names) if name not in gone}
        await read.watch.until(lambda: read.watch.state is not None, 5)
        read.watch.taken.clear()
        await read.watch.until(lambda: bool(read.watch.good() & there), 20)
        await asyncio.sleep(1)
        read.watch.taken.clear()
        await read.watch.until(lambda: bool(read.watch.good() & there), 20)
        assert not read.watch.good() - there
        await plant.faults.heal()
        read.watch.taken.clear()
        await read.watch.until(lambda: len(read.watch.good()) == 4, 30)
        read.watch.states.clear()
        await plant.faults.begin("leeds", Fault(Kind.RESTART, 3.0))
        await read.watch.until(read.is_down, 15)
        await _settled(plant)
        await read.all_good()


async def test_a_cut_answers_no_connect_and_closes_nothing(tmp_path):
    """New connections time out as on a pulled cable, and old ones go on where they were."""
    async with _plant(tmp_path, "modbus") as (plant, project):
        [link] = project.connections.values()
        place = link.config.endpoint()
        reader, writer = await asyncio.open_connection(*place)
        ask_speed = bytes.fromhex("0001000000060103000000 02".replace(" ", ""))
        writer.write(ask_speed)
        assert 13 == len(await asyncio.wait_for(reader.readexactly(13), 5))
        await plant.faults.begin("leeds", Fault(Kind.CUT, 60.0))
        writer.write(ask_speed)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.open_connection(*place), 0.5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.2)
        await plant.faults.heal()
        assert 13 == len(await asyncio.wait_for(reader.readexactly(13), 5))
        writer.close()
        _, again = await asyncio.wait_for(asyncio.open_connection(*place), 5)
        again.close()


async def test_every_answer_takes_longer(tmp_path):
    """Slow 300ms: an answer that took a moment takes 0.3 s, and a moment again afterwards."""
    async with _plant(tmp_path, "modbus") as (plant, project):
        [link] = project.connections.values()
        reader, writer = await asyncio.open_connection(*link.config.endpoint())

        async def asked() -> float:
            began = time.monotonic()
            writer.write(bytes.fromhex("000100000006010300000002"))
            await asyncio.wait_for(reader.readexactly(13), 5)
            return time.monotonic() - began

        await asked()
        await plant.faults.begin("leeds", Fault(Kind.SLOW, 60.0, 0.3))
        assert 0.3 <= await asked()
        await plant.faults.begin("leeds", Fault(Kind.SLOW, 60.0, 0.3))
        assert 0.6 <= await asked()
        await plant.faults.heal()
        assert 0.3 > min([await asked() for _ in range(3)])
        writer.close()


@pytest.mark.parametrize("protocol", _HAS_CLOCK)
async def test_a_clock_is_off(tmp_path, protocol):
    """Values carry times an hour from now while it lasts, and right ones afterwards."""
    async with _plant(tmp_path, protocol) as (plant, project):
        [device] = plant.devices
        async with _read(project, tmp_path / "state") as read:
            await plant.faults.begin("leeds", Fault(Kind.SKEW, 60.0, 3600.0))
            assert 3_600_000 == device.endpoint.skew_ms
            ahead = (time.time() + 1800) * 1000
            await read.watch.until(lambda: any(r[3] > ahead for r in read.watch.ever), 20)
            await plant.faults.heal()
            assert 0 == device.endpoint.skew_ms


@pytest.mark.parametrize("protocol", ["modbus", "s7", "logix"])
async def test_who_has_no_clock_says_so(tmp_path, protocol):
    """A protocol that tells no times is spared, with the reason."""
    async with _plant(tmp_path, protocol) as (plant, _):
        outcome = await plant.faults.begin("leeds", Fault(Kind.SKEW, 60.0, 3600.0))
        assert () == outcome.hits
        [why] = outcome.spared.values()
        assert "tells no times" in why


@pytest.mark.parametrize("protocol", ["sql", "file"])
async def test_a_file_that_hangs_is_not_written(tmp_path, protocol):
    """Nothing new is read while it lasts, what was shown last is there afterwards, and no lag."""
    async with (
        _plant(tmp_path, protocol) as (plant, project),
        _read(project, tmp_path / "state") as read,
    ):
        await plant.faults.begin("leeds/hall", Fault(Kind.HANG, 60.0))
        await asyncio.sleep(1)
        before = _stamped(tmp_path)
        await asyncio.sleep(6 if protocol == "file" else 2)
        assert before == _stamped(tmp_path)
        await plant.faults.heal("leeds/hall/*")
        async with asyncio.timeout(10):
            while before == _stamped(tmp_path):
                await asyncio.sleep(0.1)
        await read.all_good()
        slow = await plant.faults.begin("leeds", Fault(Kind.SLOW, 60.0, 1.0))
        assert ["a file answers nobody, so it cannot be slow"] == list(slow.spared.values())
        await plant.faults.begin("leeds", Fault(Kind.RESTART, 0.5))
        await _settled(plant)
        await plant.faults.begin("leeds", Fault(Kind.DROP_TAGS, 60.0, 0.5))
        if protocol == "sql":
            await read.watch.until(lambda: len(read.bad()) == 2, 20)
            return
        await read.watch.until(lambda: len(_missing_columns(tmp_path / "state" / "drop")) == 2, 20)


def _missing_columns(folder) -> set[str]:
    header, _, _ = max(folder.glob("*.csv")).read_text().partition("\n")
    return {"speed", "temp", "good", "load"} - set(header.split(";"))


def _stamped(folder) -> list[tuple[str, int, int]]:
    files = [path for path in (folder / "state").rglob("*") if path.suffix in (".db", ".csv")]
    assert files
    return [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]


def test_faults_of_one_device_add_up():
    """Overlapping faults: silent while any is, lags and skews summed, missing tags together."""
    assert WELL == condition_of([])

    def hit(kind, amount=0.0, missing=()):
        fault = Fault(kind, 30.0, amount)
        return Hit(1, "plc", fault, "leeds", 0, 1, (), frozenset(missing))

    both = [
        hit(Kind.CUT),
        hit(Kind.SLOW, 0.5),
        hit(Kind.SLOW, 1.0),
        hit(Kind.SKEW, -7.0),
        hit(Kind.SKEW, 2.5),
        hit(Kind.DROP_TAGS, 0.5, "ab"),
        hit(Kind.DROP_TAGS, 0.5, "bc"),
        hit(Kind.RESTART),
    ]
    expected = Condition(True, True, True, 1.5, -4500, frozenset("abc"))
    assert expected == condition_of(both)
    assert Condition(is_silent=True) == condition_of([hit(Kind.HANG)])


async def test_faults_overlap_on_the_wire(tmp_path):
    """A restart while the tags are missing, and a hang that begins and ends before that is over."""
    async with (
        _plant(tmp_path, "modbus") as (plant, project),
        _read(project, tmp_path / "state") as read,
    ):
        await plant.faults.begin("leeds", Fault(Kind.RESTART, 1.0))
        await plant.faults.begin("leeds", Fault(Kind.DROP_TAGS, 60.0, 0.25))
        await plant.faults.begin("leeds", Fault(Kind.HANG, 0.5))
        assert 3 == len(plant.faults.listed())
        async with asyncio.timeout(10):
            while len(plant.faults.listed()) > 1:
                await asyncio.sleep(0.05)
        await read.watch.until(lambda: len(read.bad()) == 1 and not read.is_down(), 20)
        await plant.faults.heal()
        await read.all_good()


async def test_a_place_is_found_by_its_end_its_pattern_and_its_key(tmp_path):
    """Machines, lines and sites with or without the enterprise, patterns, keys; else the nearest."""
    async with _plant(tmp_path, "modbus", "s7") as (plant, project):
        faults = plant.faults
        keys = list(project.connections)
        for place, hit in (
            ("acme", 2),
            ("acme/leeds/hall/s7/filler", 1),
            ("leeds/hall/s7/", 1),
            ("leeds/hall/*/filler", 2),
            ("leeds/*/s7", 1),
            ("leeds/hall/s7/filler/speed", 1),
            (keys[0], 1),
            ("s7://*", 1),
        ):
            assert hit == len((await faults.begin(place, Fault(Kind.SLOW, 60, 0.1))).hits), place
        for wrong, nearest in (("leeds/hal/s7", "leeds/hall/s7"), ("leed/hall", "leeds/hall")):
            with pytest.raises(DeviceError, match="called") as caught:
                await faults.begin(wrong, Fault(Kind.HANG, 1))
            assert nearest in caught.value.hint
        for impossible in (
            Fault(Kind.HANG, 0),
            Fault(Kind.HANG, float("nan")),
            Fault(Kind.DROP_TAGS, 5, 1.5),
            Fault(Kind.SLOW, 5, -1),
            Fault(Kind.SLOW, 5, float("inf")),
        ):
            with pytest.raises(DeviceError):
                await faults.begin("acme", impossible)


async def test_a_plant_that_leaves_while_hurt_leaves_nothing(tmp_path):
    """Ports are free, and no task is left, with every kind of fault on."""
    before = asyncio.all_tasks()
    async with _plant(tmp_path, "modbus", "opcua", "mqtt") as (plant, project):
        for kind in Kind:
            amount = 0.5 if kind in (Kind.DROP_TAGS, Kind.SKEW, Kind.SLOW) else 0.0
            await plant.faults.begin("leeds", Fault(kind, 60.0, amount))
    for link in project.connections.values():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(link.config.endpoint())
    assert before == asyncio.all_tasks()


async def test_the_socket_answers_its_user_alone(tmp_path):
    """Mode 0600, any line is answered, a dead plant's socket is replaced, and it is gone at the end."""
    folder = tmp_path / ("long-" * 25) / "state"
    folder.mkdir(parents=True)
    (folder / SOCKET).touch()
    async with _plant(tmp_path, "modbus") as (plant, _), controlled(plant.faults, folder) as path:
        assert 0o600 == path.stat().st_mode & 0o777
        assert path in running_plants()
        begin = Request("begin", "leeds", Kind.SLOW, 60.0, 0.1)
        answer = await asyncio.to_thread(ask, path, begin)
        assert ["leeds"] == [hit["place"] for hit in answer["hits"]]
        for line in (b"\n", b"{}\n", b"[1\n", b'{"do": "explode"}\n', b"x" * 200_000 + b"\n"):
            name = f"/proc/self/fd/{os.open(folder, os.O_RDONLY)}/{SOCKET}"
            reader, writer = await asyncio.open_unix_connection(name)
            os.close(int(name.split("/")[4]))
            writer.write(line)
            said = await asyncio.wait_for(reader.read(), 5)
            assert said == b"" or "error" in json.loads(said)
            writer.close()
        with pytest.raises(DeviceError, match="nowhere"):
            await asyncio.to_thread(ask, path, Request("heal", "nowhere"))
        listed = await asyncio.to_thread(ask, path, Request("list"))
        assert 1 == len(listed["hits"])
    assert not path.exists()
    assert path not in running_plants()
    with pytest.raises(DeviceError, match="no simulated plant"):
        ask(path, Request("list"))


async def test_two_plants_do_not_share_a_folder(tmp_path):
    """The lock of the folder refuses the second, with the process that has it."""
    with (
        only_user(tmp_path, "plant"),
        pytest.raises(StorageError, match=str(os.getpid())),
        only_user(tmp_path, "plant"),
    ):
        pass
