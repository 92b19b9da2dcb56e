"""The S7 driver: one session, its tags, its scan classes and its writes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from bridges.blocks import Field, Space
from bridges.driver import BindResult, BoundTag, Description, Extent, PollDriver, Survey
from bridges.s7.address import S7Address, parse
from bridges.s7.config import S7Config
from bridges.s7.link import CpuRefusal, S7Link, Stretch, reason
from bridges.s7.scan import BlockScan, bad
from bridges.s7.values import encoded, field_of
from uns.errors import AddressError, DeviceError
from uns.metric import DataType, Reading, Value

__all__ = ["S7Driver"]

_BYTE_BITS = 8
_MOST_SCANS = 64  # plans kept; of more scan classes the oldest are planned anew
_MISSING = (0x05, 0x0A)  # return codes that say that nothing is there
_ONLY_READ = ("I",)  # areas: inputs are what the machine says
_HEADS = {"STRING": 1, "WSTRING": 2}  # bytes that say how long a text may be


class _ScanClass(NamedTuple):
    handles: Sequence[int]  # kept, so that their identity stays taken
    scan: BlockScan
    unbound: tuple[int, ...]


class S7Driver(PollDriver):
    """A session with one S7 CPU.

    Every scan returns one reading for every handle, changed or not: "asked, and still the
    same" is how the runtime knows that a tag is alive. Unchanged blocks are not decoded again.
    """

    name = "s7"
    Config = S7Config
    ADDRESS_SETTINGS = frozenset()
    config: S7Config

    def __init__(self, config: S7Config) -> None:
        super().__init__(config)
        self._link: S7Link | None = None
        self._fields: dict[int, Field] = {}
        self._scans: dict[int, _ScanClass] = {}  # by identity of the handles

    @classmethod
    def parse(cls, text: str, config: S7Config) -> S7Address:
        """The address in `text`; raises AddressError with the column of the mistake."""
        del config  # an S7 address says everything itself
        return parse(text)

    @classmethod
    def extent(cls, address: S7Address, datatype: DataType) -> Extent:
        """A bit, or as many bytes as its type or its letter says."""
        del datatype  # an address without a type still has its width
        area, start = (address.area, address.db), _BYTE_BITS * address.start
        if address.width == 0:
            return Extent(area, start + address.bit, start + address.bit + 1)
        return Extent(area, start, start + _BYTE_BITS * address.size)

    @classmethod
    def takes_writes(cls, config: S7Config, address: S7Address | None = None) -> bool:
        """Whether the address is no input: those are only read."""
        del config
        return address is None or address.area not in _ONLY_READ

    async def open(self) -> None:
        """Connect; raises DeviceError."""
        self._link = await S7Link.connect(self.config)

    async def bind(self, tags: Sequence[BoundTag]) -> list[BindResult]:
        """Take the tags up and ask for each once; what the CPU refuses is a problem."""
        problems = {tag.handle: self._take_up(tag) for tag in tags}
        known = [self._fields[tag.handle] for tag in tags if not problems[tag.handle]]
        problems |= {handle: reason(code) for handle, code in (await self._refused(known)).items()}
        return [BindResult(tag.handle, problems[tag.handle]) for tag in tags]

    async def unbind(self, handles: Sequence[int]) -> None:
        """Forget tags."""
        for handle in handles:
            self._fields.pop(handle, None)
        self._scans.clear()

    async def read(self, handles: Sequence[int]) -> list[Reading]:
        """One reading for every handle; raises DeviceError where the session is over."""
        planned = self._scans.get(id(handles))
        if planned is None:
            while len(self._scans) >= _MOST_SCANS:
                del self._scans[next(iter(self._scans))]  # the oldest
            planned = self._scans[id(handles)] = self._planned(handles)
        return [*await planned.scan.read(self._session()), *bad(planned.unbound)]

    async def read_now(self, handles: Sequence[int]) -> list[Reading]:
        """Ask for some tags out of turn."""
        planned = self._planned(handles)
        return [*await planned.scan.survey(self._session()), *bad(planned.unbound)]

    @property
    def requests(self) -> int:
        """How many requests this session has sent."""
        return 0 if self._link is None else self._link.requests

    def requests_per_scan(self, handles: Sequence[int]) -> int:
        """How many requests one scan of these tags takes, as planned now."""
        return self._planned(handles).scan.request_count(self._session())

    async def write(self, items: Sequence[tuple[BoundTag, Value]]) -> list[str]:
        """Write each value; one bit leaves the other seven alone."""
        return [await self._write_one(tag, value) for tag, value in items]

    async def describe(self, tags: Sequence[BoundTag]) -> Survey:
        """Ask for each address, and time a scan of those that are there."""
        problems = {tag.handle: self._take_up(tag) for tag in tags}
        fields = [self._fields[tag.handle] for tag in tags if not problems[tag.handle]]
        refused = await self._refused(fields)
        problems |= {handle: reason(code) for handle, code in refused.items()}
        pace = await self._pace([tag for tag in tags if not problems[tag.handle]])
        found = [
            Description(
                tag.handle,
                problems[tag.handle],
                is_missing=refused.get(tag.handle) in _MISSING,
                is_writable=tag.address.area not in _ONLY_READ,
                every_s=pace.get(tag.handle),
            )
            for tag in tags
        ]
        return Survey(tuple(found))

    async def close(self) -> None:
        """End the session."""
        if self._link is not None:
            await self._link.close()

    def _session(self) -> S7Link:
        if self._link is None:
            raise DeviceError(f"{self.config.key()}: the session is not open")
        return self._link

    def _take_up(self, tag: BoundTag) -> str:
        try:
            address: S7Address = tag.address.typed(tag.datatype)
        except AddressError as error:
            return f"{error}; {error.hint}"
        key = (address.db, address.area)
        space = Space(key, _BYTE_BITS, self._session().longest, self.config.max_gap)
        field = field_of(tag.handle, address, tag.datatype, space, self.config.zone)
        if self._fields.get(tag.handle) != field:
            self._fields[tag.handle] = field
            self._scans.clear()  # what was learnt about blocks goes with them
        return ""

    async def _refused(self, fields: Sequence[Field]) -> dict[int, int]:
        """The code for every tag that the CPU does not give."""
        scan = BlockScan(fields)
        await scan.survey(self._session())
        return {
            handle: refusal.code
            for block, refusal in scan.refused.items()
            for handle in block.handles
        }

    def _planned(self, handles: Sequence[int]) -> _ScanClass:
        fields = [self._fields[handle] for handle in handles if handle in self._fields]
        unbound = tuple(handle for handle in handles if handle not in self._fields)
        return _ScanClass(handles, BlockScan(fields), unbound)

    async def _pace(self, tags: Sequence[BoundTag]) -> dict[int, float]:
        """How long a scan takes, for the tags whose scan class it does not keep up with."""
        classes: dict[float, list[int]] = {}
        for tag in tags:
            classes.setdefault(tag.scan_s, []).append(tag.handle)
        slow: dict[int, float] = {}
        for scan_s, handles in classes.items():
            began = time.monotonic()
            await self._planned(handles).scan.read(self._session())
            took = time.monotonic() - began
            slow |= dict.fromkeys(handles, took) if took > scan_s else {}
        return slow

    async def _write_one(self, tag: BoundTag, value: Value) -> str:
        where = self._session().where
        try:
            address: S7Address = tag.address.typed(tag.datatype)
            if address.area in _ONLY_READ:
                return f"{address}: inputs cannot be written, only read"
            raw = encoded(address, tag.datatype, value, self.config.zone)
            head = await self._text_head(address, raw) if address.length else 0
        except CpuRefusal as refusal:
            return f"{where} refuses to write {tag.address}: {reason(refusal.code)}"
        except DeviceError as error:
            return f"{error}; {error.hint}" if error.hint else str(error)
        try:
            await self._send(address, head, raw)
        except CpuRefusal as refusal:
            return f"{where} refuses to write {tag.address}: {reason(refusal.code)}"
        except DeviceError as error:
            return f"{where} did not confirm the write of {tag.address}; read it back ({error})"
        return ""

    async def _send(self, address: S7Address, head: int, raw: bytes) -> None:
        link, place = self._session(), (address.area, address.db, address.start)
        if address.type_name == "BOOL":
            await link.write_bit(*place, address.bit, is_set=raw != b"\0")
            return
        await link.write(address.area, address.db, address.start + head, raw)

    async def _text_head(self, address: S7Address, raw: bytes) -> int:
        """How many bytes of a text stay as they are: how long it may be in the PLC.

        Raises DeviceError where the PLC's text is shorter than the address says, and the new
        one does not fit it.
        """
        head = _HEADS[address.type_name]
        stretch = Stretch(address.area, address.db, address.start, head)
        (found,) = await self._session().read([stretch])
        if isinstance(found, CpuRefusal):
            raise found
        most = int.from_bytes(found, "big")
        length = int.from_bytes(raw[:head], "big")
        if length > most:
            raise DeviceError(
                f"{address}: the PLC's text holds {most} characters, and the new one has {length}"
            )
        return head
