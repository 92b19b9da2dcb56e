"""A Modbus/TCP server for simulated plants and tests: several units, and faults on request.

It shares no code with our Modbus driver, so that the two can check each other.

    async with ModbusServer(units=[1, 2]) as server:
        server[1].set("hr", 100, 42.5, "float32", order="CDAB")
        ... connect to server.host, server.port ...
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import Callable, Iterable

from uns.sim.tcp_server import TcpServer

__all__ = ["ModbusServer", "UnitImage"]

_BITS = ("co", "di")
_CODES = {
    "int16": ">h",
    "uint16": ">H",
    "int32": ">i",
    "uint32": ">I",
    "int64": ">q",
    "uint64": ">Q",
    "float32": ">f",
    "float64": ">d",
}
_TABLE_READ_BY = {1: "co", 2: "di", 3: "hr", 4: "ir"}
_MOST_READ = {"co": 2000, "di": 2000, "hr": 125, "ir": 125}  # V1.1b3 §6.1-6.4
_MOST_WRITTEN = {15: 1968, 16: 123}  # §6.11, §6.12
_LENGTHS = range(2, 255)  # unit id and PDU, V1.1b3 §4.1: at most 1 + 253 bytes
_COIL_VALUES = {0x0000: 0, 0xFF00: 1}  # §6.5
_ASCII_BITS = bytes.maketrans(b"\0\1", b"01")

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, GATEWAY_TARGET_FAILED = 1, 2, 3, 11

Written = Callable[[int, str, int, int], None]  # unit, table, start, cells


class _Refused(Exception):  # noqa: N818 - an answer of the protocol, not an error of ours
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class UnitImage:
    """The memory of one unit: registers as big-endian bytes, bits as one byte each.

    `is_on = False` makes the unit fall silent; `gateway_code = 11` makes it answer as a
    gateway does whose device is gone; `forbidden` holds `(table, cell)` that do not exist.
    """

    def __init__(self, cells: int = 10_000) -> None:
        self.is_on = True
        self.gateway_code = 0
        self.forbidden: set[tuple[str, int]] = set()
        self.memory = {
            "hr": bytearray(2 * cells),
            "ir": bytearray(2 * cells),
            "co": bytearray(cells),
            "di": bytearray(cells),
        }

    def set(
        self,
        table: str,
        start: int,
        value: bool | float | str,  # noqa: FBT001 - the value to store
        type_name: str = "",
        *,
        order: str = "ABCD",
        bit: int | None = None,
        length: int = 0,
    ) -> None:
        """Store `value` at `start` (from 0) as `type_name`: int16 … float64, bool or string.

        `length` is a string's in bytes. Without a type a register takes an int16 or uint16.
        """
        if table in _BITS:
            self.memory[table][start] = 1 if value else 0
            return
        if bit is not None:
            self._set_bit(table, start, bit, order, is_set=bool(value))
            return
        if isinstance(value, str) or type_name == "string":
            raw = str(value).encode()[: length or None]
            wire = _arranged(
                raw.ljust(length + length % 2 or len(raw) + len(raw) % 2, b"\0"), order
            )
        else:
            wire = _number(value, type_name, order)
        if 2 * start + len(wire) > len(self.memory[table]):
            raise IndexError(f"{table}:{start} lies behind the unit's last register")
        self.memory[table][2 * start : 2 * start + len(wire)] = wire

    def get(
        self,
        table: str,
        start: int,
        type_name: str = "uint16",
        *,
        order: str = "ABCD",
        bit: int | None = None,
        length: int = 0,
    ) -> bool | int | float | str:
        """What is stored there, as `type_name`."""
        memory = self.memory[table]
        if table in _BITS:
            return bool(memory[start])
        if bit is not None:
            (word,) = struct.unpack(
                ">H", _arranged(bytes(memory[2 * start : 2 * start + 2]), order)
            )
            return bool(word >> bit & 1)
        if type_name == "string":
            size = length + length % 2
            raw = _arranged(bytes(memory[2 * start : 2 * start + size]), order)[:length]
            return raw.partition(b"\0")[0].decode()
        code = _CODES["uint16" if type_name == "bool" else type_name]
        size = struct.calcsize(code)
        raw = _turned(bytes(memory[2 * start : 2 * start + size]), order)
        number: int | float = struct.unpack(code, raw)[0]
        return bool(number) if type_name == "bool" else number

    def cells(self, table: str) -> int:
        """How many cells the table has."""
        return len(self.memory[table]) // (1 if table in _BITS else 2)

    def check(self, table: str, start: int, count: int) -> None:
        """Raise the protocol's `illegal data address` where a cell does not exist."""
        if start + count > self.cells(table):
            raise _Refused(ILLEGAL_ADDRESS)
        if self.forbidden and any(
            (table, at) in self.forbidden for at in range(start, start + count)
        ):
            raise _Refused(ILLEGAL_ADDRESS)

    def _set_bit(self, table: str, start: int, bit: int, order: str, *, is_set: bool) -> None:
        high, place = divmod(bit, 8)
        low_first = order in ("BADC", "DCBA")
        byte = 2 * start + (high if low_first else 1 - high)
        mask = 1 << place
        memory = self.memory[table]
        memory[byte] = memory[byte] | mask if is_set else memory[byte] & ~mask


class ModbusServer(TcpServer):
    """A server of one or more units, each with its own memory."""

    plays = "Modbus device"

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        units: Iterable[int] = (1,),
        cells: int = 10_000,
        on_written: Written | None = None,
    ) -> None:
        super().__init__(host, port)
        self.units = {unit: UnitImage(cells) for unit in units}
        self.requests: Counter[tuple[int, int]] = Counter()  # (unit, function) -> how often
        self._on_written = on_written

    def __getitem__(self, unit: int) -> UnitImage:
        return self.units[unit]

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await self._answer_one(reader, writer)

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        header = await reader.readexactly(7)
        transaction, protocol, length, unit = struct.unpack(">HHHB", header)
        if protocol != 0 or length not in _LENGTHS:
            raise ConnectionError("not Modbus/TCP")
        pdu = await reader.readexactly(length - 1)
        await self._is_awake.wait()
        self.requests[unit, pdu[0]] += 1
        answer = self._answer(unit, pdu)
        if answer:
            writer.write(struct.pack(">HHHB", transaction, 0, len(answer) + 1, unit) + answer)
            await writer.drain()

    def _answer(self, unit: int, pdu: bytes) -> bytes:
        """The answer to one request; empty where the unit stays silent."""
        image = self.units.get(unit)
        if image is not None and not image.is_on:
            return b""
        code = image.gateway_code if image else GATEWAY_TARGET_FAILED
        try:
            if image is None or code:
                raise _Refused(code)
            return self._done(unit, image, pdu)
        except _Refused as refused:
            return bytes((pdu[0] | 0x80, refused.code))
        except (struct.error, IndexError):
            return bytes((pdu[0] | 0x80, ILLEGAL_VALUE))

    def _done(self, unit: int, image: UnitImage, pdu: bytes) -> bytes:
        function = pdu[0]
        if function in _TABLE_READ_BY:
            return _read(image, pdu)
        if function not in _WRITES:
            raise _Refused(ILLEGAL_FUNCTION)
        table, start, count, answer = _WRITES[function](image, pdu)
        if self._on_written is not None:
            self._on_written(unit, table, start, count)
        return answer


def _read(image: UnitImage, pdu: bytes) -> bytes:
    function, start, count = struct.unpack(">BHH", pdu)
    table = _TABLE_READ_BY[function]
    if not 1 <= count <= _MOST_READ[table]:
        raise _Refused(ILLEGAL_VALUE)
    image.check(table, start, count)
    if table in _BITS:
        ones = image.memory[table][start : start + count][::-1].translate(_ASCII_BITS)
        raw = int(ones, 2).to_bytes((count + 7) // 8, "little")
    else:
        raw = bytes(image.memory[table][2 * start : 2 * (start + count)])
    return bytes((function, len(raw))) + raw


_Write = tuple[str, int, int, bytes]  # table, start, cells, answer


def _write_coil(image: UnitImage, pdu: bytes) -> _Write:
    _, start, value = struct.unpack(">BHH", pdu)
    if value not in _COIL_VALUES:
        raise _Refused(ILLEGAL_VALUE)
    image.check("co", start, 1)
    image.memory["co"][start] = _COIL_VALUES[value]
    return "co", start, 1, pdu


def _write_register(image: UnitImage, pdu: bytes) -> _Write:
    _, start, _ = struct.unpack(">BHH", pdu)
    image.check("hr", start, 1)
    image.memory["hr"][2 * start : 2 * start + 2] = pdu[3:5]
    return "hr", start, 1, pdu


def _write_coils(image: UnitImage, pdu: bytes) -> _Write:
    start, count, raw = _many(pdu, cell_bits=1)
    image.check("co", start, count)
    for at in range(count):
        image.memory["co"][start + at] = raw[at // 8] >> at % 8 & 1
    return "co", start, count, pdu[:5]


def _write_registers(image: UnitImage, pdu: bytes) -> _Write:
    start, count, raw = _many(pdu, cell_bits=16)
    image.check("hr", start, count)
    image.memory["hr"][2 * start : 2 * (start + count)] = raw
    return "hr", start, count, pdu[:5]


def _mask_register(image: UnitImage, pdu: bytes) -> _Write:
    _, start, keep, put = struct.unpack(">BHHH", pdu)
    image.check("hr", start, 1)
    (old,) = struct.unpack_from(">H", image.memory["hr"], 2 * start)
    struct.pack_into(">H", image.memory["hr"], 2 * start, old & keep | put & ~keep & 0xFFFF)
    return "hr", start, 1, pdu


def _many(pdu: bytes, *, cell_bits: int) -> tuple[int, int, bytes]:
    function, start, count, size = struct.unpack_from(">BHHB", pdu)
    raw = pdu[6:]
    if not 1 <= count <= _MOST_WRITTEN[function] or size != len(raw):
        raise _Refused(ILLEGAL_VALUE)
    if size != (count * cell_bits + 7) // 8:
        raise _Refused(ILLEGAL_VALUE)
    return start, count, raw


_WRITES: dict[int, Callable[[UnitImage, bytes], _Write]] = {
    5: _write_coil,
    6: _write_register,
    15: _write_coils,
    16: _write_registers,
    22: _mask_register,
}


def _number(value: float, type_name: str, order: str) -> bytes:
    if type_name == "bool":
        type_name, value = "uint16", int(bool(value))
    if not type_name:
        type_name = "int16" if value < 0 else "uint16"
    code = _CODES[type_name]
    whole = value if type_name.startswith("float") else int(value)
    return _turned(struct.pack(code, whole), order)


def _turned(raw: bytes, order: str) -> bytes:
    """A number's bytes moved between big-endian and `order`; the same way back."""
    words = [raw[at : at + 2] for at in range(0, len(raw), 2)]
    if order in ("CDAB", "DCBA"):
        words.reverse()
    return _arranged(b"".join(words), order)


def _arranged(raw: bytes, order: str) -> bytes:
    """`raw` with the bytes of each word exchanged where `order` has the low one first."""
    if order in ("ABCD", "CDAB"):
        return raw
    return b"".join(raw[at : at + 2][::-1] for at in range(0, len(raw), 2))
