"""A simulated plant over real sockets, read back by clients that are not ours."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import struct
import subprocess

import pytest
from asyncua import Client

from uns.errors import DeviceError
from uns.sim.dirt import Dirt, Window
from uns.sim.move import moved
from uns.sim.plant import SimulatedPlant

pytestmark = pytest.mark.slow

_PRESS = "small/here/hall/line1/press"


def _port(project, driver="modbus") -> int:
    return next(
        link.config.endpoint()[1] for link in project.connections.values() if link.driver == driver
    )


async def _registers(port: int, start: int, count: int, *, unit: int = 1, function: int = 3):
    """The raw registers, asked for byte by byte as the specification says."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(struct.pack(">HHHBBHH", 7, 0, 6, unit, function, start, count))
    head = await asyncio.wait_for(reader.readexactly(9), 5)
    raw = await asyncio.wait_for(reader.readexactly(head[8]), 5)
    writer.close()
    await writer.wait_closed()
    return raw


async def _order_on_wire(port: int):
    """good, bad, start_good, start_bad, id of the small project's press, in one request."""
    raw = await _registers(port, 4, 26)
    good, bad, start_good, start_bad = struct.unpack_from(">IIII", raw)
    return good, bad, start_good, start_bad, raw[32:52].rstrip(b"\0").decode()


async def test_what_is_served_is_the_truth(small):
    """After wind_down the registers and the truth agree to the piece, and stay so."""
    async with SimulatedPlant(small, speed=20) as plant:
        await asyncio.sleep(3)
        await plant.wind_down()
        good, bad, start_good, start_bad, order = await _order_on_wire(_port(small))
        machine = plant.truth()["lines"]["small/here/hall/line1"]["machines"][_PRESS]
        assert (machine["good"], machine["bad"]) == (good, bad)
        record = machine["orders"][order]
        assert record["good"] == good - start_good > 50
        assert record["bad"] == bad - start_bad
        await asyncio.sleep(2.5)
        assert await _order_on_wire(_port(small)) == (good, bad, start_good, start_bad, order)


async def test_every_order_on_the_wire_is_exact(small):
    """Whoever polls sees each order at rest, and starts that add up to the truth."""
    seen = {}
    async with SimulatedPlant(small, speed=300) as plant:
        for _ in range(100):
            good, bad, start_good, start_bad, order = await _order_on_wire(_port(small))
            seen[order] = (start_good, start_bad)
            assert good >= start_good
            assert bad >= start_bad
            if len(seen) > 1:
                break
            await asyncio.sleep(0.2)
        await plant.wind_down()
        line = plant.truth()["lines"]["small/here/hall/line1"]
    orders = line["machines"][_PRESS]["orders"]
    assert len(seen) == 2
    assert list(orders) == list(seen)
    starts = list(seen.values())
    for (name, order), mine, following in zip(orders.items(), starts, starts[1:], strict=False):
        assert (name, order["good"]) == (name, following[0] - mine[0])
        assert order["bad"] == following[1] - mine[1]


async def test_the_truth_is_a_file_that_is_always_whole(small, tmp_path):
    """The file can be read at any time, and holds totals, orders and meters."""
    path = tmp_path / "state" / "truth.json"
    async with SimulatedPlant(small, speed=50, truth_path=path) as plant:
        for _ in range(40):
            truth = json.loads(path.read_text())
            await asyncio.sleep(0.05)
    line = truth["lines"]["small/here/hall/line1"]
    machine = line["machines"][_PRESS]
    assert {"good", "bad", "orders"} == set(machine)
    assert [f"{_PRESS}/energy"] == list(truth["totals"])
    assert (
        machine["good"] == line["good"] <= plant.truth()["lines"]["small/here/hall/line1"]["good"]
    )


@pytest.mark.parametrize("text", ['{"lines": ', "[]", '{"lines": {"x": {}}}', "\0\1\2"])
async def test_a_broken_truth_is_set_aside(small, tmp_path, caplog, text):
    """A file that is not ours is kept under another name, said once, and the plant begins anew."""
    path = tmp_path / "truth.json"
    path.write_text(text)
    async with SimulatedPlant(small, truth_path=path):
        pass
    assert (tmp_path / "truth.json.broken").read_text() == text
    assert "begins anew" in caplog.text
    json.loads(path.read_text())


async def test_a_taken_port_is_named(small):
    """A port that somebody has ends the start with a sentence that names it; nothing is left."""
    port = _port(small)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(DeviceError, match=str(port)) as caught:
            async with SimulatedPlant(small):
                pass
        assert "stop" in caught.value.hint
    async with SimulatedPlant(small):
        await _registers(port, 0, 1)


async def test_two_plants_at_once(small):
    """A project that is moved can run beside itself."""
    other = moved(small)
    async with SimulatedPlant(small), SimulatedPlant(other):
        assert await _registers(_port(small), 0, 1)
        assert await _registers(_port(other), 0, 1)


def test_a_far_plant_is_not_served(far):
    """Nobody's PLC is impersonated: the message says where it is, and what to do."""
    with pytest.raises(DeviceError, match=r"10\.1\.2\.3:15999") as caught:
        SimulatedPlant(far)
    assert "free ports" in caught.value.hint


async def test_bits_floats_and_scaled_counters_lie_at_their_addresses(small):
    """A coil, a float with swapped words and hundredths of a kilowatt hour, as bound."""
    async with SimulatedPlant(small, has_dirt=False) as plant:
        raw = await _registers(_port(small), 12, 2)
        (temp,) = struct.unpack(">f", raw[2:] + raw[:2])
        assert 0 < temp < 90
        assert (await _registers(_port(small), 3, 1, function=1)) == b"\0"
        (energy,) = struct.unpack(">I", await _registers(_port(small), 40, 2))
        total = plant.truth()["totals"][f"{_PRESS}/energy"]
        assert energy / 100 == pytest.approx(total, abs=0.5)


@pytest.mark.skipif(shutil.which("mbpoll") is None, reason="mbpoll is not installed")
async def test_mbpoll_reads_the_demo_plant(aurora, tmp_path):
    """An independent Modbus client reads a filler's counter and a meter that swaps words."""
    filler = "aurora/porto/packaging/line1/filler"
    async with SimulatedPlant(aurora, home=tmp_path) as plant:
        await plant.wind_down()
        places = {key: link.config.endpoint() for key, link in aurora.connections.items()}
        ports = {key: place[1] for key, place in places.items() if place is not None}
        counted = await _mbpoll(ports["modbus://127.0.0.1:15021"], 1, "4:int", 8, "-B")
        made = plant.truth()["lines"]["aurora/porto/packaging/line1"]["machines"][filler]
        assert made["good"] == int(counted)
        gateway = ports["modbus://127.0.0.1:15032"]
        straight = await _mbpoll(gateway, 2, "3:float", 0, "-B")
        swapped = await _mbpoll(gateway, 3, "3:float", 0)
        assert 207 < float(straight) < 253
        assert 207 < float(swapped) < 253


async def _mbpoll(port: int, unit: int, kind: str, start: int, *more: str) -> str:
    command = ["mbpoll", "-m", "tcp", "-p", str(port), "-a", str(unit), "-t", kind]
    command += ["-0", "-r", str(start), "-c", "1", "-1", "-q", *more, "127.0.0.1"]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=10, check=False
    )
    found = [line for line in done.stdout.splitlines() if line.startswith(f"[{start}]")]
    assert found, done.stdout + done.stderr
    return found[0].split()[1]


async def test_an_opcua_client_reads_the_demo_plant(aurora, tmp_path):
    """An OPC UA client finds the machines by name, counters exact, one sensor failed."""
    failing = "aurora/leeds/packaging/line2/filler/product_temp"
    plant = SimulatedPlant(aurora, home=tmp_path)
    plant.dirt = Dirt({failing: Window(0, 1000, 1000)}, {})
    async with plant:
        await asyncio.sleep(2)
        await plant.wind_down()
        made = plant.truth()["lines"]["aurora/leeds/packaging/line1"]["machines"]
        filler = made["aurora/leeds/packaging/line1/filler"]
        async with Client(f"opc.tcp://127.0.0.1:{_port(aurora, 'opcua')}", timeout=5) as client:
            space = await client.get_namespace_index("urn:aurora:leeds")

            async def held(name: str):
                node = client.get_node(f"ns={space};s={name}")
                return await node.read_data_value(raise_on_bad_status=False)

            assert filler["good"] == (await held("Line1.Filler.Good")).Value.Value
            order = (await held("Line1.Filler.OrderId")).Value.Value
            start = (await held("Line1.Filler.OrderStartGood")).Value.Value
            assert filler["orders"][order]["start_good"] == start
            product = (await held("Line1.Filler.OrderProduct")).Value.Value
            assert filler["orders"][order]["product"] == product
            broken = await held("Line2.Filler.ProductTemp")
            assert broken.StatusCode.name == "BadSensorFailure"
