"""The Modbus driver: one session, its tags, its scan classes and its writes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bridges.blocks import Field, Space, plan
from bridges.driver import BindResult, BoundTag, Description, Extent, PollDriver, Survey
from bridges.modbus.address import ModbusAddress, parse
from bridges.modbus.client import Client, DeviceRefusal
from bridges.modbus.config import ModbusConfig
from bridges.modbus.description import described
from bridges.modbus.mbap import MbapClient
from bridges.modbus.rtu import RtuClient
from bridges.modbus.scan import UnitScan, bad, reason
from bridges.modbus.units import Unit
from bridges.modbus.writing import write_pdu
from uns.errors import AddressError, DeviceError
from uns.metric import DataType, Reading, Value

__all__ = ["ModbusDriver"]

_MAX_COILS = 2000  # in one request, V1.1b3 §6.1
_REGISTER_BITS = 16
_CODES = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
    "bool": "H",  # a whole register as a truth: the runtime makes it one
}


@dataclass(frozen=True, slots=True)
class _ScanClass:
    handles: Sequence[int]  # kept, so that their identity stays taken
    units: tuple[UnitScan, ...]
    unbound: tuple[int, ...]


class ModbusDriver(PollDriver):
    """A session with one Modbus device, gateway or serial line.

    Every scan returns one reading for every handle, changed or not: "asked, and still the
    same" is how the runtime knows that a tag is alive. Unchanged blocks are not decoded again.
    """

    name = "modbus"
    Config = ModbusConfig
    ADDRESS_SETTINGS = frozenset({"unit", "order", "zero_based"})
    config: ModbusConfig

    def __init__(self, config: ModbusConfig) -> None:
        super().__init__(config)
        self._where = config.serial or f"{config.host}:{config.port}"
        self._client: Client | None = None
        self._fields: dict[int, Field] = {}
        self._units: dict[int, Unit] = {}
        self._scans: dict[int, _ScanClass] = {}  # by identity of the handles

    @classmethod
    def parse(cls, text: str, config: ModbusConfig) -> ModbusAddress:
        """The address in `text`, with this connection's unit, byte order and numbering."""
        return parse(text, unit=config.unit, order=config.order, is_zero_based=config.zero_based)

    @classmethod
    def extent(cls, address: ModbusAddress, datatype: DataType) -> Extent | None:
        """The registers, or the one bit; None where the types do not fit, which `bind` says."""
        try:
            typed = address.typed(datatype)
        except AddressError:
            return None
        area = (address.unit, address.table)
        if address.table.is_bits or address.bit is not None:
            bit = address.start * _REGISTER_BITS + (address.bit or 0)
            return Extent(area, bit, bit + 1)
        start = address.start * _REGISTER_BITS
        return Extent(area, start, start + typed.cells * _REGISTER_BITS)

    @classmethod
    def takes_writes(cls, config: ModbusConfig, address: ModbusAddress | None = None) -> bool:
        """Whether the protocol can write the address's table: inputs are only read."""
        del config
        return address is None or address.table.is_writable

    async def open(self) -> None:
        """Connect, or open the serial line; raises DeviceError."""
        self._client = await _connected(self.config)

    async def bind(self, tags: Sequence[BoundTag]) -> list[BindResult]:
        """Take the tags up. Nothing is asked: a problem here is one of type or length."""
        return [BindResult(tag.handle, self._bind_one(tag)) for tag in tags]

    async def read(self, handles: Sequence[int]) -> list[Reading]:
        """One reading for every handle; raises DeviceError where the session is over."""
        client = self._session()
        scan = self._scans.get(id(handles))
        if scan is None:
            scan = self._scans[id(handles)] = self._planned(handles)
        readings = list(bad(scan.unbound))
        may_wait = True
        for unit_scan in sorted(scan.units, key=_urgency):
            was_failing = unit_scan.unit.is_failing
            if was_failing and not may_wait:
                readings += unit_scan.unread()
                continue
            readings += await unit_scan.read(client, self.config.max_in_flight)
            may_wait = may_wait and not (was_failing and unit_scan.unit.is_silent)
        self._check_silence()
        return readings

    async def read_now(self, handles: Sequence[int]) -> list[Reading]:
        """Ask for these tags now, in blocks of their own, whatever rests."""
        bound = [self._fields[handle] for handle in handles if handle in self._fields]
        readings = list(bad(handle for handle in handles if handle not in self._fields))
        for block in plan(bound):
            unit = Unit(block.space.key[0], self._where)
            readings += await UnitScan(unit, [block]).read(self._session(), 1)
        return readings

    async def unbind(self, handles: Sequence[int]) -> None:
        """Forget tags, and units that none is left of."""
        for handle in handles:
            self._fields.pop(handle, None)
        asked = {field.space.key[0] for field in self._fields.values()}
        self._units = {number: unit for number, unit in self._units.items() if number in asked}
        self._scans.clear()

    @property
    def requests(self) -> int:
        """How many requests this session has sent."""
        return 0 if self._client is None else self._client.requests

    @property
    def problems(self) -> Mapping[int, str]:
        """The tags whose address or unit is refused, and why."""
        units = [unit for scan in self._scans.values() for unit in scan.units]
        return {handle: why for unit in units for handle, why in unit.problems().items()}

    def requests_per_scan(self, handles: Sequence[int]) -> int:
        """How many requests one scan of these tags takes, as planned now."""
        return sum(unit.request_count for unit in self._planned(handles).units)

    async def write(self, items: Sequence[tuple[BoundTag, Value]]) -> list[str]:
        """Write each value with function 5, 6, 16 or, for one bit of a register, 22."""
        return [await self._write_one(tag, value) for tag, value in items]

    async def describe(self, tags: Sequence[BoundTag]) -> Survey:
        """Ask for each address, and time one scan of those that are there."""
        problems = {result.handle: result.problem for result in await self.bind(tags)}
        fields = [self._fields[tag.handle] for tag in tags if not problems[tag.handle]]
        told = {one.handle: one for one in await described(self._session(), fields)}
        pace = await self._pace([tag for tag in tags if tag.handle in told], told)
        found = []
        for tag in tags:
            one = told.get(tag.handle) or Description(tag.handle, problems[tag.handle])
            is_writable = tag.address.table.is_writable
            found.append(replace(one, is_writable=is_writable, every_s=pace.get(tag.handle)))
        return Survey(tuple(found))

    async def _pace(
        self, tags: Sequence[BoundTag], told: Mapping[int, Description]
    ) -> dict[int, float]:
        """How long a scan takes, for the tags whose scan class it does not keep up with."""
        classes: dict[float, list[int]] = {}
        for tag in tags:
            if not told[tag.handle].problem:
                classes.setdefault(tag.scan_s, []).append(tag.handle)
        slow: dict[int, float] = {}
        for scan_s, handles in classes.items():
            began = time.monotonic()
            await self.read(tuple(handles))
            took = time.monotonic() - began
            slow |= dict.fromkeys(handles, took) if took > scan_s else {}
        return slow

    async def close(self) -> None:
        """End the session."""
        if self._client is not None:
            await self._client.close()

    def _session(self) -> Client:
        if self._client is None:
            raise DeviceError(f"{self._where}: the session is not open")
        return self._client

    def _bind_one(self, tag: BoundTag) -> str:
        try:
            address: ModbusAddress = tag.address.typed(tag.datatype)
        except DeviceError as error:
            return f"{error}; {error.hint}"
        if address.unit not in self._units:
            self._units[address.unit] = Unit(address.unit, self._where)
        is_bit = address.table.is_bits or address.bit is not None
        text = f"{address.length}s" if address.length else ""
        field = Field(
            handle=tag.handle,
            space=self._space(address),
            start=address.start,
            cells=address.cells,
            code="" if is_bit else text or _CODES[address.type_name],
            order=address.order,
            bit=address.bit or 0,
        )
        if self._fields.get(tag.handle) != field:
            self._fields[tag.handle] = field
            self._scans.clear()  # what was learnt about blocks goes with them
        return ""

    def _space(self, address: ModbusAddress) -> Space:
        key = (address.unit, address.table)
        gap = self.config.max_gap
        if address.table.is_bits:
            return Space(key, 1, _MAX_COILS, gap * _REGISTER_BITS)
        return Space(key, _REGISTER_BITS, self.config.max_words, gap)

    def _planned(self, handles: Sequence[int]) -> _ScanClass:
        fields: dict[int, list[Field]] = {}
        for handle in handles:
            if handle in self._fields:
                field = self._fields[handle]
                fields.setdefault(field.space.key[0], []).append(field)
        return _ScanClass(
            handles,
            tuple(UnitScan(self._units[unit], plan(members)) for unit, members in fields.items()),
            tuple(handle for handle in handles if handle not in self._fields),
        )

    def _check_silence(self) -> None:
        """Raise where no unit answers any more: then the link is dead, whatever TCP says."""
        units = self._units.values()
        if units and all(unit.is_silent for unit in units):
            numbers = ", ".join(str(unit.number) for unit in units)
            raise DeviceError(
                f"{self._where}: no answer from unit {numbers} within {self.config.timeout_s:g} s",
                hint="is the device running, and is the unit id right?",
            )

    async def _write_one(self, tag: BoundTag, value: Value) -> str:
        try:
            address: ModbusAddress = tag.address.typed(tag.datatype)
            pdu, confirmed = write_pdu(address, value)
            answer = await self._session().request(address.unit, pdu)
        except DeviceRefusal as refusal:
            return f"{self._where} refuses to write {tag.address}: {reason(refusal.code)}"
        except TimeoutError:
            return f"{self._where} did not confirm the write of {tag.address}; read it back"
        except DeviceError as error:
            return str(error)
        if answer != confirmed:
            return f"{self._where} confirmed another write than that of {tag.address}; read it back"
        return ""


async def _connected(config: ModbusConfig) -> Client:
    if config.serial:
        return RtuClient.dial(
            config.serial,
            timeout_s=config.timeout_s,
            baud=config.baud,
            parity=config.parity,
            stop=config.stop_bits,
        )
    if config.is_rtu:
        return await RtuClient.connect(
            config.host,
            config.port,
            timeout_s=config.timeout_s,
            connect_timeout_s=config.connect_timeout_s,
        )
    return await MbapClient.connect(
        config.host,
        config.port,
        timeout_s=config.timeout_s,
        connect_timeout_s=config.connect_timeout_s,
        max_in_flight=config.max_in_flight,
    )


def _urgency(scan: UnitScan) -> tuple[bool, float]:
    """Healthy units first; of the failing ones, that which was not asked for longest."""
    return scan.unit.is_failing, scan.unit.asked_s
