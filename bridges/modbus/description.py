"""Descriptions: what a Modbus device says of its addresses, which is whether they are there.

Modbus knows no names, types, units or clocks. Blocks are read as a scan reads them; what a
refused block holds is asked for one by one. A unit that is silent is asked once.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridges.blocks import Block, Field, plan
from bridges.driver import Description
from bridges.modbus.client import Client, DeviceRefusal
from bridges.modbus.scan import ABOUT_ADDRESSES, READ_FUNCTIONS, reason

__all__ = ["described"]


async def described(client: Client, fields: Sequence[Field]) -> list[Description]:
    """Ask for each field; one description each. Raises DeviceError when the session is over."""
    by_handle = {field.handle: field for field in fields}
    found: list[Description] = []
    silent: set[int] = set()
    for block in plan(fields):
        unit = block.space.key[0]
        answer = _silence(unit) if unit in silent else await _asked(client, block)
        if answer is None or not answer.is_missing:
            silent |= {unit} if answer is not None and answer == _silence(unit) else set()
            found += [_of(handle, answer) for handle in block.handles]
            continue
        for handle in block.handles:
            (alone,) = plan([by_handle[handle]])
            found.append(_of(handle, await _asked(client, alone)))
    return found


def _of(handle: int, answer: Description | None) -> Description:
    if answer is None:
        return Description(handle)
    return Description(handle, answer.problem, is_missing=answer.is_missing)


def _silence(unit: int) -> Description:
    return Description(0, f"unit {unit} does not answer, though the connection stands")


async def _asked(client: Client, block: Block) -> Description | None:
    """What is wrong with a block, under no handle yet; None where the device gives it."""
    unit, table = block.space.key
    try:
        await client.read(unit, READ_FUNCTIONS[table], block.start, block.cells, block.raw_bytes)
    except DeviceRefusal as refusal:
        return Description(0, reason(refusal.code), is_missing=refusal.code in ABOUT_ADDRESSES)
    except TimeoutError:
        return _silence(unit)
    return None
