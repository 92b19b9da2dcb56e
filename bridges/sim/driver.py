"""The driver without a device: nothing is connected, and everything answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import ClassVar, Final

from pydantic import Field

from bridges.driver import BindResult, BoundTag, DriverConfig, PollDriver
from bridges.sim.address import SimAddress, parse, plain_value
from bridges.sim.recording import Recording
from bridges.sim.shapes import value_at
from uns.metric import Quality, Reading, Value

__all__ = ["SimConfig", "SimDriver"]

_WRITABLE: Final = ("memory",)  # shapes; a value of any other goes by the clock
_GOOD: Final = int(Quality.GOOD)
_BAD: Final = int(Quality.BAD)


class SimConfig(DriverConfig):
    """Settings of what is made up; all may be left out."""

    seed: int = Field(default=0, description="another number shifts every wave in time")
    recording: str = Field(
        default="", description="CSV file of `replay`; relative paths begin at the state folder"
    )
    speed: float = Field(
        default=1.0, gt=0, le=1000, description="how many times as fast a recording is played"
    )

    def key(self) -> str:
        """`sim://seed`, with the recording where there is one."""
        played = f"/{self.recording}" if self.recording else ""
        paced = f"?speed={self.speed:g}" if self.speed != 1 else ""
        return f"sim://{self.seed}{played}{paced}"

    def endpoint(self) -> None:
        """None: it needs no network."""
        return

    def moved_to(self, port: int) -> SimConfig:
        """Itself: there is no port."""
        del port
        return self


class SimDriver(PollDriver):
    """Values by the clock. What is written to a `memory` is kept until the process ends."""

    name = "sim"
    Config = SimConfig
    ADDRESS_SETTINGS = frozenset()
    config: SimConfig

    _written: ClassVar[dict[tuple[str, str], Value]] = {}  # by connection and address

    def __init__(self, config: SimConfig) -> None:
        super().__init__(config)
        self._key = config.key()
        self._recording: Recording | None = None
        self._addresses: dict[int, SimAddress] = {}

    @classmethod
    def parse(cls, text: str, config: SimConfig) -> SimAddress:
        """The address in `text`; raises AddressError with the column of the mistake."""
        del config
        return parse(text)

    @classmethod
    def takes_writes(cls, config: SimConfig, address: SimAddress | None = None) -> bool:
        """Whether the address keeps what is written: everything else goes by the clock."""
        del config
        return address is None or address.shape in _WRITABLE

    async def open(self) -> None:
        """Read the recording, where there is one; raises DeviceError where it cannot be."""
        if self.config.recording:
            path = self.home / self.config.recording
            self._recording = await asyncio.to_thread(Recording.read, path)

    async def bind(self, tags: Sequence[BoundTag]) -> list[BindResult]:
        """Take the tags up; only a column that the recording lacks is refused."""
        return [BindResult(tag.handle, self._bind_one(tag)) for tag in tags]

    async def unbind(self, handles: Sequence[int]) -> None:
        """Forget tags."""
        for handle in handles:
            self._addresses.pop(handle, None)

    async def read(self, handles: Sequence[int]) -> list[Reading]:
        """What each tag is now."""
        now_ms = time.time_ns() // 1_000_000
        return [self._reading(handle, now_ms) for handle in handles]

    async def read_now(self, handles: Sequence[int]) -> list[Reading]:
        """The same: nothing is ever late."""
        return await self.read(handles)

    async def write(self, items: Sequence[tuple[BoundTag, Value]]) -> list[str]:
        """Keep values of a `memory`; everything else goes by the clock and cannot be set."""
        return [self._write_one(tag, value) for tag, value in items]

    async def close(self) -> None:
        """Nothing to end."""

    def _bind_one(self, tag: BoundTag) -> str:
        address: SimAddress = tag.address
        if address.shape == "replay":
            if self._recording is None:
                return "the connection has no recording: write `recording: FILE.csv`"
            if address.words[0] not in self._recording.names:
                known = ", ".join(self._recording.names[:8])
                return f"the recording has no column `{address.words[0]}`; it has {known}"
        self._addresses[tag.handle] = address
        return ""

    def _reading(self, handle: int, now_ms: int) -> Reading:
        address = self._addresses.get(handle)
        if address is None:
            return handle, None, _BAD, now_ms
        value = self._value(address, now_ms)
        return handle, value, _BAD if value is None else _GOOD, now_ms

    def _value(self, address: SimAddress, now_ms: int) -> Value:
        if address.shape == "replay" and self._recording is not None:
            position_ms = int(now_ms * self.config.speed) % self._recording.length_ms
            return self._recording.at(address.words[0], position_ms)
        if address.shape == "memory":
            held = self._written.get((self._key, address.text))
            return plain_value(address.words[0]) if held is None else held
        return value_at(address, self.config.seed, now_ms)

    def _write_one(self, tag: BoundTag, value: Value) -> str:
        address: SimAddress = tag.address
        if address.shape not in _WRITABLE:
            return f"`{address}` goes by the clock; only a `memory` can be written"
        self._written[self._key, address.text] = value
        return ""
