"""Modbus servers from the npm registry: what others make of the same standard."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from pathlib import Path

import pytest

from bridges.driver import BoundTag
from bridges.modbus import ModbusConfig, ModbusDriver
from uns.metric import DataType, Quality

pytestmark = pytest.mark.slow

START_S = 20.0
JSMODBUS = """
const modbus = require("jsmodbus"), net = require("net");
const holding = Buffer.alloc(400), input = Buffer.alloc(400);
for (let i = 0; i < 200; i++) { holding.writeUInt16BE(i, 2 * i); input.writeUInt16BE(1000 + i, 2 * i); }
const server = new net.Server();
new modbus.server.TCP(server, {holding, input, coils: Buffer.from([0x05, 0]), discrete: Buffer.from([0x80, 0])});
server.listen(+process.argv[1], "127.0.0.1", () => console.log("READY"));
setTimeout(() => process.exit(), 60000);
"""
MODBUS_SERIAL = """
const {ServerTCP} = require("modbus-serial");
const held = new Uint16Array(200).map((_, i) => i), bits = [1, 0, 1, 0, 0, 0, 0, 0];
const past = a => { if (a >= 200) throw {modbusErrorCode: 2}; return a; };
const server = new ServerTCP({
  getHoldingRegister: a => held[past(a)], getInputRegister: a => 1000 + past(a),
  getCoil: a => !!bits[past(a) % 8], getDiscreteInput: a => past(a) === 7,
  setRegister: (a, x) => { held[past(a)] = x; }, setCoil: (a, x) => { bits[past(a)] = x; },
}, {host: "127.0.0.1", port: +process.argv[1], unitID: 1});
server.on("initialized", () => console.log("READY"));
setTimeout(() => process.exit(), 60000);
"""


@pytest.fixture(params=["jsmodbus", "modbus-serial"])
def node_port(request, free_port):
    """One of the two servers, each with the same registers, on a free port."""
    modules = os.environ.get("UNS_NODE_MODULES", "")
    if shutil.which("node") is None or not (Path(modules) / request.param).exists():
        pytest.skip(f"npm package {request.param} is not installed in UNS_NODE_MODULES")
    script = JSMODBUS if request.param == "jsmodbus" else MODBUS_SERIAL
    with subprocess.Popen(
        ["node", "-e", script, str(free_port)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NODE_PATH": modules},
    ) as server:
        assert server.stdout is not None
        ready, _, _ = select.select([server.stdout], [], [], START_S)
        assert ready, f"no {request.param} within {START_S} s"
        assert "READY" == server.stdout.readline().strip()
        yield free_port
        server.kill()


async def test_a_server_from_npm_is_read_and_written(node_port):
    """All four tables, 32 bits over two registers, a place that is not there, and a write."""
    config = ModbusConfig(host="127.0.0.1", port=node_port)
    texts = ["hr:5 uint16", "ir:7 uint16", "co:0", "co:1", "co:2", "di:7", "hr:10 uint32"]
    texts += ["hr:10 uint32 CDAB", "hr:150 uint16", "hr:5000 uint16"]
    driver = ModbusDriver(config)
    await driver.open()
    tags = [
        BoundTag(handle, ModbusDriver.parse(text, config), DataType.INT64)
        for handle, text in enumerate(texts)
    ]
    await driver.bind(tags)
    readings = {reading[0]: reading for reading in await driver.read(range(len(texts)))}
    expected = [5, 1007, True, False, True, True, 10 << 16 | 11, 11 << 16 | 10, 150, None]
    assert expected == [readings[handle][1] for handle in range(len(texts))]
    assert Quality.BAD == readings[9][2]
    assert ["", ""] == await driver.write([(tags[0], 4711), (tags[3], True)])
    assert [4711, True] == [reading[1] for reading in await driver.read_now((0, 3))]
    await driver.close()
