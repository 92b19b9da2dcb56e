"""A value to write, as the request that writes it."""

from __future__ import annotations

import math
import struct

from bridges.modbus.address import ModbusAddress, Table
from uns.errors import DeviceError
from uns.metric import Value

__all__ = ["write_pdu"]

_WRITE_COIL, _WRITE_REGISTER, _WRITE_REGISTERS, _MASK_REGISTER = 5, 6, 16, 22  # V1.1b3 §6
_COIL_ON = 0xFF00
_CODES = {
    "int16": ">h",
    "uint16": ">H",
    "int32": ">i",
    "uint32": ">I",
    "int64": ">q",
    "uint64": ">Q",
    "float32": ">f",
    "float64": ">d",
    "bool": ">H",
}


def write_pdu(address: ModbusAddress, value: Value) -> tuple[bytes, bytes]:
    """The request that writes `value`, and the answer of a device that did.

    One bit of a register is written with function 22, which leaves its neighbours alone;
    reading and writing back would race with the device. Raises DeviceError where the value
    does not fit the address.
    """
    if not address.table.is_writable:
        raise DeviceError(f"{address}: {address.table.label}s cannot be written, only read")
    if address.table is Table.CO:
        pdu = struct.pack(">BHH", _WRITE_COIL, address.start, _COIL_ON * _truth(address, value))
        return pdu, pdu
    if address.bit is not None:
        mask = _turned(address, struct.pack(">H", 1 << address.bit))
        keep = bytes(~byte & 0xFF for byte in mask)
        put = mask if _truth(address, value) else b"\0\0"
        pdu = struct.pack(">BH", _MASK_REGISTER, address.start) + keep + put
        return pdu, pdu
    raw = _text(address, value) if address.length else _turned(address, _number(address, value))
    if len(raw) == 2:  # noqa: PLR2004 - one register
        pdu = struct.pack(">BH", _WRITE_REGISTER, address.start) + raw
        return pdu, pdu
    head = struct.pack(">BHH", _WRITE_REGISTERS, address.start, len(raw) // 2)
    return head + bytes((len(raw),)) + raw, head


def _truth(address: ModbusAddress, value: Value) -> bool:
    if value not in (0, 1):
        raise DeviceError(f"{address}: {value!r} is neither true nor false")
    return bool(value)


def _number(address: ModbusAddress, value: Value) -> bytes:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise DeviceError(f"{address}: {value!r} is no number")
    is_real = address.type_name.startswith("float")
    if not is_real and value != int(value):
        raise DeviceError(f"{address}: {value} is no whole number, and the register holds one")
    if address.type_name == "bool":
        value = _truth(address, value)
    try:
        return struct.pack(_CODES[address.type_name], float(value) if is_real else int(value))
    except (struct.error, OverflowError):
        raise DeviceError(f"{address}: {value} does not fit {address.type_name}") from None


def _text(address: ModbusAddress, value: Value) -> bytes:
    if not isinstance(value, str):
        raise DeviceError(f"{address}: {value!r} is no text")
    raw = value.encode(errors="replace")
    if len(raw) > address.length:
        raise DeviceError(f"{address}: {value!r} is longer than {address.length} bytes")
    raw = raw.ljust(address.length + address.length % 2, b"\0")
    if not address.order.swaps_bytes:
        return raw
    return bytes(raw[at ^ 1] for at in range(len(raw)))


def _turned(address: ModbusAddress, raw: bytes) -> bytes:
    return bytes(raw[at] for at in address.order.positions(len(raw)))
