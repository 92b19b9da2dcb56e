"""Run in an environment of its own: pymodbus's client asks for the same blocks, scan after scan.

Standard input says on which port, which blocks, how many float32 and int16 values are in each;
standard output says what a scan costs, with and without making values of the registers.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pymodbus
from pymodbus.client import AsyncModbusTcpClient


async def main(request: dict[str, Any]) -> dict[str, Any]:
    """The least CPU and wall seconds of one scan, twice."""
    client = AsyncModbusTcpClient("127.0.0.1", port=request["port"])
    await client.connect()
    types = client.DATATYPE

    async def ask(*, decodes: bool) -> None:
        for start, count, is_float in request["blocks"]:
            answer = await client.read_holding_registers(start, count=count, device_id=1)
            if answer.isError():
                raise SystemExit(f"{start}: {answer}")
            if decodes:
                kind = types.FLOAT32 if is_float else types.INT16
                whole = answer.registers[: count - count % 2] if is_float else answer.registers
                client.convert_from_registers(whole, kind)

    try:
        return {
            "version": pymodbus.__version__,
            "read": await _least(lambda: ask(decodes=False), request["scans"]),
            "decoded": await _least(lambda: ask(decodes=True), request["scans"]),
        }
    finally:
        client.close()


async def _least(work: Callable[[], Awaitable[None]], scans: int) -> tuple[float, float]:
    least = (float("inf"), float("inf"))
    for _ in range(scans):
        cpu, wall = time.thread_time(), time.perf_counter()
        await work()
        spent = time.thread_time() - cpu, time.perf_counter() - wall
        least = min(least[0], spent[0]), min(least[1], spent[1])
    return least


print(json.dumps(asyncio.run(main(json.loads(sys.stdin.read())))))
