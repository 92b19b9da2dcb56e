"""A device in a process of its own, to be frozen and killed: `serve.py opcua PORT TAGS`.

Every tag counts up ten times a second. `READY` on stdout means that it listens; a line on
stdin with a number makes that many tags exist, where the protocol can do that while running.
UNS_SKEW_S is how far its clock is ahead.
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
import time

PERIOD_S = 0.1
SKEW_MS = int(1000 * float(os.environ.get("UNS_SKEW_S", "0")))


async def serve_opcua(port: int, count: int) -> None:
    from uns.metric import DataType
    from uns.sim.opcua_server import OpcUaServer, ServedTag

    def tags(start: int, end: int) -> list[ServedTag]:
        return [ServedTag(f"T{n}", DataType.UINT32, 0, True) for n in range(start, end)]

    odd = [
        ServedTag("Written", DataType.DOUBLE, 0.0, True),
        ServedTag("Infinite", DataType.DOUBLE, math.inf),
        ServedTag("NaN", DataType.DOUBLE, math.nan),
        ServedTag("Large", DataType.INT64, 2**53 + 1),
        ServedTag("Empty", DataType.STRING, ""),
        ServedTag("Foreign", DataType.STRING, "Größe 東"),
        ServedTag("Sick", DataType.DOUBLE, 0.0),
    ]
    async with OpcUaServer("urn:contract", [*tags(0, count), *odd], port=port) as server:
        await server.write([("Sick", 1.0, _now_ms())], status="BadSensorFailure")
        wanted = _listen_to_stdin(count)
        print("READY", flush=True)
        for value in range(1, 2**31):
            if wanted[0] > count:
                await server.add(tags(count, wanted[0]))
                count = wanted[0]
            await server.write([(f"T{n}", value, _now_ms()) for n in range(count)])
            await asyncio.sleep(PERIOD_S)


async def serve_modbus(port: int, count: int) -> None:
    from uns.sim.modbus_server import ModbusServer, UnitImage

    async with ModbusServer(port=port, cells=2 * count) as server:
        odd = server.units[2] = UnitImage(100)
        odd.set("hr", 10, math.inf, "float64")
        odd.set("hr", 14, math.nan, "float32")
        odd.set("hr", 20, 2**53 + 1, "int64")
        odd.set("hr", 30, "", "string", length=8)
        odd.set("hr", 34, "Größe", "string", length=8)
        odd.set("hr", 40, True, bit=3)
        print("READY", flush=True)
        for value in range(1, 2**31):
            for n in range(count):
                server[1].set("hr", 2 * n, value, "uint32")
            await asyncio.sleep(PERIOD_S)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000 + SKEW_MS


async def serve_mqtt(port: int, count: int) -> None:
    import json

    from uns.message import Message
    from uns.sim.mqtt_server import MqttServer

    odd = {
        "inf": math.inf,
        "nan": math.nan,
        "large": 2**53 + 1,
        "empty": "",
        "foreign": "Größe 東",
        "null": None,
    }
    async with MqttServer(port) as server:
        wanted = _listen_to_stdin(count)
        print("READY", flush=True)
        for value in range(1, 2**31):
            document = {f"T{n}": value for n in range(wanted[0])} | odd | {"ts": _now_ms()}
            payload = json.dumps(document).encode()
            await server.publish([Message("contract/data", payload, 0, retain=True)])
            await asyncio.sleep(PERIOD_S)


async def serve_logix(port: int, count: int) -> None:
    from uns.sim.logix_server import LogixServer

    async with LogixServer(port=port) as server:
        for name, (kind, _) in _LOGIX_ODD.items():
            server.declare(f"Odd.{name}", kind)
        for name, (_, held) in _LOGIX_ODD.items():
            server[f"Odd.{name}"] = held
        wanted, known = _listen_to_stdin(count), 0
        for value in range(1, 2**31):
            for n in range(known, wanted[0]):
                server.declare(f"Program:Main.T{n}", "UDINT")
            for n in range(wanted[0]):
                server[f"Program:Main.T{n}"] = value
            if not known:
                print("READY", flush=True)
            known = wanted[0]
            await asyncio.sleep(PERIOD_S)


_LOGIX_ODD = {
    "Setpoint": ("REAL", 0.0),
    "Infinite": ("LREAL", float("inf")),
    "NoNumber": ("REAL", float("nan")),
    "Large": ("LINT", 2**53 + 1),
    "Empty": ("STRING", ""),
    "Foreign": ("STRING", "Größe"),
    "Flags[63]": ("BOOL", False),
    "Flags[40]": ("BOOL", True),
    "Bits.3": ("DINT", True),
}


async def serve_s7(port: int, count: int) -> None:
    from uns.sim.s7_server import S7Server

    async with S7Server({("DB", 1): 4 * count, ("DB", 2): 100}, port=port) as server:
        memory = server.memory
        memory.set("DB", 2, 10, math.inf, "LREAL")
        memory.set("DB", 2, 18, math.nan, "REAL")
        memory.set("DB", 2, 22, 2**53 + 1, "LINT")
        memory.set("DB", 2, 30, "", "STRING", length=8)
        memory.set("DB", 2, 40, "Größe", "STRING", length=8)
        memory.set("DB", 2, 50, "Größe 東", "WSTRING", length=8)
        memory.set("DB", 2, 70, True, "BOOL", bit=3)
        print("READY", flush=True)
        for value in range(1, 2**31):
            for n in range(count):
                memory.set("DB", 1, 4 * n, value, "UDINT")
            await asyncio.sleep(PERIOD_S)


async def serve_http(port: int, count: int) -> None:
    from aiohttp import web

    odd = {"large": 2**53 + 1, "empty": "", "foreign": "Größe 東", "flag": True, "list": [1, 2]}
    held: dict[str, object] = {}

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(held)

    app = web.Application()
    app.router.add_get("/values", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    wanted = _listen_to_stdin(count)
    print("READY", flush=True)
    for value in range(1, 2**31):
        held = {f"T{n}": value for n in range(wanted[0])} | odd | {"ts": _now_ms()}
        await asyncio.sleep(PERIOD_S)


def _listen_to_stdin(count: int) -> list[int]:
    """How many tags are wanted; the list's one element changes with each line."""
    wanted = [count]
    asyncio.get_running_loop().add_reader(
        sys.stdin, lambda: wanted.__setitem__(0, int(sys.stdin.readline() or wanted[0]))
    )
    return wanted


if __name__ == "__main__":
    protocol, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    asyncio.run(globals()[f"serve_{protocol}"](port, count))
