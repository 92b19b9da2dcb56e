"""Modbus RTU: a slave that others wrote, on a line of ours, and what a bad line does."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tty

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridges.driver import BoundTag
from bridges.modbus import ModbusConfig, ModbusDriver
from bridges.modbus.rtu import RtuClient, checked, checksum
from uns.errors import DeviceError
from uns.metric import DataType, Quality

pytestmark = pytest.mark.slow

LIBMODBUS_SLAVE = r"""
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv) {
  modbus_t *bus = modbus_new_rtu(argv[1], 19200, 'N', 8, 1);
  modbus_set_slave(bus, atoi(argv[2]));
  modbus_mapping_t *map = modbus_mapping_new(100, 100, 200, 200);
  map->tab_registers[0] = 0x4049; map->tab_registers[1] = 0x0FDB;
  map->tab_input_registers[7] = 0x8001;
  map->tab_bits[3] = 1;
  if (modbus_connect(bus) == -1) return 1;
  puts("READY"); fflush(stdout);
  alarm(40);
  for (;;) {
    uint8_t query[MODBUS_RTU_MAX_ADU_LENGTH];
    int length = modbus_receive(bus, query);
    if (length > 0) modbus_reply(bus, query, length, map);
  }
}
"""


class Line:
    """A serial line without a wire: the driver opens `device`, the test holds the other end."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self.master)
        tty.setraw(self._slave)
        self.device = os.ttyname(self._slave)
        os.set_blocking(self.master, False)

    def close(self) -> None:
        os.close(self.master)
        os.close(self._slave)

    async def asked(self) -> bytes:
        """The next request of eight bytes."""
        received = b""
        async with asyncio.timeout(5):
            while len(received) < 8:
                await asyncio.sleep(0.005)
                try:
                    received += os.read(self.master, 256)
                except BlockingIOError:
                    continue
        return received

    def say(self, raw: bytes) -> None:
        os.write(self.master, raw)


@pytest.fixture
def line():
    """A line with nobody on it."""
    made = Line()
    yield made
    made.close()


@pytest.fixture
def slave(tmp_path):
    """Libmodbus as unit 7 behind one end of a pair of ptys that socat joins; gives the other."""
    for program, package in (("gcc", "gcc"), ("socat", "socat")):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian package {package})")
    source, program = tmp_path / "slave.c", tmp_path / "slave"
    source.write_text(LIBMODBUS_SLAVE)
    command = ["gcc", str(source), "-I/usr/include/modbus", "-lmodbus", "-o", str(program)]
    if subprocess.run(command, capture_output=True, timeout=60, check=False).returncode:
        pytest.skip("libmodbus is not installed (Debian package libmodbus-dev)")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ends = [f"pty,raw,echo=0,link={end}" for end in (ours, theirs)]
    with subprocess.Popen(["socat", *ends]) as joined:
        while not (ours.exists() and theirs.exists()):
            assert joined.poll() is None
        with subprocess.Popen([program, theirs, "7"], stdout=subprocess.PIPE, text=True) as unit:
            assert unit.stdout is not None
            assert "READY\n" == unit.stdout.readline()
            yield str(ours)
            unit.kill()
        joined.kill()


async def _opened(config, *texts):
    driver = ModbusDriver(config)
    await driver.open()
    tags = [
        BoundTag(handle, ModbusDriver.parse(text, config), DataType.FLOAT)
        for handle, text in enumerate(texts)
    ]
    results = await driver.bind(tags)
    assert [""] * len(tags) == [result.problem for result in results]
    return driver, tags


async def test_a_libmodbus_slave_is_read_and_written(slave):
    """Three tables, a refused address and a write, over a line at 19,200 baud."""
    config = ModbusConfig(serial=slave, parity="none", unit=7, timeout_s=2)
    texts = ["hr:0 float32", "ir:7.15", "co:3", "hr:500 int16", "hr:10 int16"]
    driver, tags = await _opened(config, *texts)
    readings = {reading[0]: reading for reading in await driver.read(range(5))}
    assert 3.1415927410125732 == readings[0][1]
    assert [True, True] == [readings[1][1], readings[2][1]]
    assert (None, Quality.BAD) == readings[3][1:3]
    assert ["", ""] == await driver.write([(tags[4], -5), (tags[2], False)])
    assert [-5, False] == [reading[1] for reading in await driver.read_now((4, 2))]
    await driver.close()
    with pytest.raises(DeviceError, match="closed"):
        await driver.read((0,))


async def test_a_unit_that_is_not_there_costs_its_own_tags(slave):
    """Unit 9 is silent; unit 7 on the same line is read in the same scan."""
    config = ModbusConfig(serial=slave, parity="none", timeout_s=0.3)
    driver, _ = await _opened(config, "7/hr:0 float32", "9/hr:0 float32")
    readings = {reading[0]: reading[2] for reading in await driver.read((0, 1))}
    assert {0: Quality.GOOD, 1: Quality.BAD} == readings
    await driver.close()


async def test_noise_and_late_answers_are_passed_over(line):
    """Before, between and instead of answers: nothing but the right answer is believed."""
    client = RtuClient.dial(line.device, timeout_s=0.4, baud=115_200, parity="none", stop=1)
    right = checked(bytes.fromhex("0103021234"))
    other_unit = checked(bytes.fromhex("020302ffff"))
    spoilt = bytes.fromhex("0103025678") + b"\0\0"
    for before in (b"", b"\xff\x00\x55", other_unit, spoilt, b"\x01\x03"):
        asking = asyncio.create_task(client.read(1, 3, 0, 1, 2))
        assert bytes.fromhex("010300000001") + checksum(b"\1\3\0\0\0\1") == await line.asked()
        line.say(before + right)
        assert b"\x12\x34" == await asking
    asking = asyncio.create_task(client.read(1, 3, 0, 1, 2))
    await line.asked()
    line.say(spoilt)
    with pytest.raises(TimeoutError):
        await asking
    line.say(right)  # too late: it waits on the line
    asking = asyncio.create_task(client.read(1, 3, 5, 2, 4))
    await line.asked()
    line.say(checked(bytes.fromhex("010304000a000b")))
    assert bytes.fromhex("000a000b") == await asking
    await client.close()


async def test_a_line_that_is_unplugged_ends_the_session(line):
    """The request that waits fails at once, with the device's name."""
    client = RtuClient.dial(line.device, timeout_s=5, baud=9600, parity="none", stop=2)
    asking = asyncio.create_task(client.read(1, 3, 0, 1, 2))
    await line.asked()
    os.close(line._slave)
    os.close(line.master)
    try:
        with pytest.raises(DeviceError, match="closed the line"):
            await asyncio.wait_for(asking, 2)
    finally:
        line.master, line._slave = os.openpty()
        await client.close()
        await client.close()


async def test_a_gateway_may_pass_the_frames_of_the_line_through_tcp():
    """`framing: rtu` on a TCP connection, with answers in pieces."""

    async def serve(reader, writer):
        while request := await reader.read(100):
            assert checksum(request[:-2]) == request[-2:]
            answer = checked(bytes.fromhex("03030442280000"))
            for at in range(len(answer)):
                writer.write(answer[at : at + 1])
                await writer.drain()
                await asyncio.sleep(0.002)
        writer.close()
        await writer.wait_closed()
        gone.set()

    gone = asyncio.Event()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        config = ModbusConfig(host="127.0.0.1", port=port, framing="rtu", unit=3)
        driver, _ = await _opened(config, "hr:0 float32")
        assert [42.0] == [reading[1] for reading in await driver.read((0,))]
        await driver.close()
        await asyncio.wait_for(gone.wait(), 5)


async def test_a_serial_device_that_is_not_there_or_in_use_is_a_sentence(line):
    """What to look at is said; a device belongs to one session."""
    config = ModbusConfig(serial="/dev/ttyNONE9")
    with pytest.raises(DeviceError, match=r"/dev/ttyNONE9 cannot be opened") as caught:
        await ModbusDriver(config).open()
    assert "dialout" in caught.value.hint
    first = ModbusDriver(ModbusConfig(serial=line.device))
    await first.open()
    with pytest.raises(DeviceError, match="cannot be opened"):
        await ModbusDriver(ModbusConfig(serial=line.device)).open()
    await first.close()


def test_without_pyserial_it_says_what_to_install():
    """A sentence and a command, in a process where the package cannot be imported."""
    code = (
        "import sys, asyncio; sys.modules['serial'] = None\n"
        "from bridges.modbus import ModbusConfig, ModbusDriver\n"
        "from uns.errors import DeviceError\n"
        "try:\n    asyncio.run(ModbusDriver(ModbusConfig(serial='/dev/ttyS0')).open())\n"
        "except DeviceError as error:\n    print(error, '|', error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        "the driver `modbus` needs the package pyserial, which is not installed | "
        "pip install 'uns-bridge[serial]'\n" == done.stdout
    )


def test_a_connection_is_one_thing():
    """Neither host nor serial, or both, is a mistake; a line's key names its device."""
    for settings in ({}, {"host": "a", "serial": "/dev/ttyS0"}):
        with pytest.raises(ValidationError, match="either `host`"):
            ModbusConfig(**settings)
    config = ModbusConfig(serial="/dev/ttyS0", baud=9600, parity="none")
    assert "modbus:///dev/ttyS0?baud=9600&parity=none" == config.key()
    assert None is config.endpoint()


@given(st.binary(min_size=1, max_size=80))
def test_a_check_sum_finds_every_changed_bit(frame):
    """No single bit of a frame can change unnoticed."""
    whole = bytearray(checked(frame))
    assert checksum(bytes(whole[:-2])) == whole[-2:]
    for bit in range(0, 8 * len(whole), 7):
        whole[bit // 8] ^= 1 << bit % 8
        assert checksum(bytes(whole[:-2])) != whole[-2:]
        whole[bit // 8] ^= 1 << bit % 8
