"""A device in a process of its own, to be frozen and killed: `serve.py opcua PORT TAGS`.

Every tag counts up ten times a second. `READY` on stdout means that it listens; a line on
stdin with a number makes that many tags exist, where the protocol can do that while running.
"""

from __future__ import annotations

import asyncio
import sys
import time

PERIOD_S = 0.1


async def serve_opcua(port: int, count: int) -> None:
    from uns.metric import DataType
    from uns.sim.opcua_server import OpcUaServer, ServedTag

    def tags(start: int, end: int) -> list[ServedTag]:
        return [ServedTag(f"T{n}", DataType.UINT32, 0, True) for n in range(start, end)]

    async with OpcUaServer("urn:contract", tags(0, count), port=port) as server:
        wanted = _listen_to_stdin(count)
        print("READY", flush=True)
        for value in range(1, 2**31):
            if wanted[0] > count:
                await server.add(tags(count, wanted[0]))
                count = wanted[0]
            now_ms = time.time_ns() // 1_000_000
            await server.write([(f"T{n}", value, now_ms) for n in range(count)])
            await asyncio.sleep(PERIOD_S)


async def serve_modbus(port: int, count: int) -> None:
    from uns.sim.modbus_server import ModbusServer

    async with ModbusServer(port=port, cells=2 * count) as server:
        print("READY", flush=True)
        for value in range(1, 2**31):
            for n in range(count):
                server[1].set("hr", 2 * n, value, "uint32")
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
    serve = {"opcua": serve_opcua, "modbus": serve_modbus}[protocol]
    asyncio.run(serve(port, count))
