"""What a driver is: open, bind, read or push, write, close - and nothing else.

Drivers are small; the runtime (uns/service/connection.py) is clever once. It owns reconnect,
back-off, liveness, scan timing, deadband, back-pressure and quality on loss, so no driver can
get them wrong. A driver is made for one session: the runtime constructs a fresh one for every
attempt, calls `open`, `bind`, then polls `read` or awaits `run`, and always calls `close`.

Errors: `open`, `read` and `run` raise DeviceError (or OSError, TimeoutError) when the session
is over; whatever concerns one tag is a result, never an exception.

What only some protocols can do stands in protocols of its own: CanWrite, CanReadNow, CanResume,
CanTidy, CanCount, CanDescribe, CanBrowse, CanCall, CanHistory, HasProblems, HasFindings. The runtime looks
which of them a driver has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from uns.metric import DataType, Reading, Value

__all__ = [
    "Advice",
    "BindResult",
    "BoundTag",
    "BrowsedNode",
    "CanBrowse",
    "CanCall",
    "CanCount",
    "CanDescribe",
    "CanHistory",
    "CanReadNow",
    "CanResume",
    "CanTidy",
    "CanWrite",
    "Description",
    "Driver",
    "DriverConfig",
    "Extent",
    "HasFindings",
    "HasProblems",
    "PollDriver",
    "PushDriver",
    "Sink",
    "Survey",
]


class DriverConfig(BaseModel):
    """The `connection:` of a binding. Each driver extends it; validating never connects.

    The words here are the runtime's and the same for every driver.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="false: leave the device alone for now")
    clock: Literal["source", "ours"] = Field(
        default="source", description="whose time values carry; `ours` where its clock is wrong"
    )

    def key(self) -> str:
        """A short name for people, the same for equal settings: `modbus://10.2.1.20:502`."""
        raise NotImplementedError

    def runtime_key(self) -> str:
        """What the words of every driver add to the key; empty where they are as usual.

        Like `#clock=ours`.
        """
        told = (("enabled", self.enabled, True), ("clock", self.clock, "source"))
        changed = [f"{name}={str(held).lower()}" for name, held, usual in told if held != usual]
        return "#" + "&".join(changed) if changed else ""

    def endpoint(self) -> tuple[str, int] | None:
        """The host and TCP port this connection reaches; None where it needs no network."""
        raise NotImplementedError

    def moved_to(self, port: int) -> DriverConfig:
        """The same settings on another port of 127.0.0.1, for simulators; itself without one."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class BoundTag:
    """A tag as a driver sees it: a handle to report under, and its own parsed address.

    `datatype` is what the engineer wants; a driver whose protocol types its values itself
    (OPC UA) may deliver another Python type and leaves the conversion to the runtime.
    """

    handle: int
    address: Any
    datatype: DataType
    scan_s: float = 1.0
    deliver_every: bool = False


@dataclass(frozen=True, slots=True)
class BindResult:
    """Whether the device knows a tag; an empty `problem` means it does."""

    handle: int
    problem: str = ""


class Extent(NamedTuple):
    """The stretch of a device's memory that a tag takes, in bits; `end` is not part of it."""

    area: Hashable
    start: int
    end: int


class Advice(NamedTuple):
    """Why an address is risky though it works today, and what to write instead."""

    why: str
    hint: str


class Sink(Protocol):
    """Where a driver puts what it learns. `readings` and `alive` are synchronous and cheap."""

    def readings(self, batch: Sequence[Reading]) -> None:
        """Take a batch of readings."""

    def alive(self) -> None:
        """Note that the device answered, though it had nothing new to say."""

    async def ready(self) -> None:
        """Wait until more readings can be taken: await it before asking a device for more."""


class Driver(ABC):
    """Code for one protocol; an instance is one session with one device."""

    name: ClassVar[str]
    Config: ClassVar[type[DriverConfig]]

    #: The settings that change what an address means: with these equal, one parsed address
    #: serves every machine that has it. None where it may be any of them.
    ADDRESS_SETTINGS: ClassVar[frozenset[str] | None] = None

    #: Where relative paths of the settings begin: the state folder. The runtime sets it.
    home: Path = Path(".uns")

    def __init__(self, config: Any) -> None:
        """Keep `config`, an instance of this class's Config. Does not connect."""
        self.config = config

    @classmethod
    @abstractmethod
    def parse(cls, text: str, config: Any) -> Hashable:
        """Return the address written as `text`, without asking the device.

        Raises AddressError with the column of the mistake and a hint.
        """

    @classmethod
    def extent(cls, address: Any, datatype: DataType) -> Extent | None:
        """Return what `address` takes of the device's memory; None where it is only a name."""
        del address, datatype
        return None

    @classmethod
    def advice(cls, address: Any, config: Any) -> Advice | None:
        """Return what had better be written than this `address`; None where it is fine.

        `uns check` warns of it, once for all addresses of a binding with the same advice.
        """
        del address, config
        return None

    @classmethod
    def takes_writes(cls, config: Any, address: Any = None) -> bool:
        """Whether a session with these settings can write at all, or to this address.

        `uns check` warns of writable tags where it cannot.
        """
        del config, address
        return hasattr(cls, "write")

    @abstractmethod
    async def open(self) -> None:
        """Make one attempt to reach the device; raise when it fails."""

    @abstractmethod
    async def bind(self, tags: Sequence[BoundTag]) -> list[BindResult]:
        """Introduce tags, one result each; called again for tags that failed or were added."""

    async def unbind(self, handles: Sequence[int]) -> None:
        """Forget tags, while the others go on; what is still delivered of them is dropped."""
        del handles

    @abstractmethod
    async def close(self) -> None:
        """End the session within 2 s, whatever state it is in. Safe to call twice."""


class PollDriver(Driver):
    """A protocol that is asked: the runtime calls `read` for each scan class."""

    @abstractmethod
    async def read(self, handles: Sequence[int]) -> list[Reading]:
        """Read the bound tags of one scan class, in as few requests as the protocol allows.

        `handles` is the same object on every scan of a class, so a driver may keep its plan
        by identity. A tag that cannot be read is a reading with quality BAD.
        """


class PushDriver(Driver):
    """A protocol that reports by itself, on subscriptions."""

    @abstractmethod
    async def run(self, sink: Sink) -> None:
        """Deliver readings to `sink` until the session is over, then raise.

        Call `sink.alive()` for every sign of life; the runtime ends a session that shows none.
        """

    #: Seconds between signs of life that a healthy session shows at least.
    keepalive_s: float = 2.0

    #: Whether a sign of life says that every value still holds: it does where the source reports
    #: each change, and not where others write to it, as with a broker that is alive itself.
    KEEPALIVE_VOUCHES: ClassVar[bool] = True


@runtime_checkable
class CanWrite(Protocol):
    """A driver that can write values back to the device."""

    async def write(self, items: Sequence[tuple[BoundTag, Value]]) -> list[str]:
        """Write each value; one problem each, empty where it worked."""


@runtime_checkable
class CanReadNow(Protocol):
    """A driver that can read a few tags out of turn: to read back a write, or for a person."""

    async def read_now(self, handles: Sequence[int]) -> list[Reading]:
        """Ask the device for these bound tags now, one reading each, nothing from a cache.

        A session that resumed is asked for all its tags, before `run` or the first `read`.
        """


@runtime_checkable
class CanResume(Protocol):
    """A driver whose source keeps what happened while nobody listened.

    The runtime takes `cursor` after every scan, from a PushDriver once a second and when its
    session ends, and hands the latest to the next session, before `open`. A session that was
    lost is ended by `abandon`, not by `close`.
    """

    #: Whether the cursor is JSON that outlives this process. The runtime then keeps it on disk,
    #: once the readings before it are safe.
    IS_DURABLE: ClassVar[bool]

    @property
    def cursor(self) -> Any:
        """How far what was delivered reaches; None while there is nothing to go on from.

        A durable one is not changed any more once it was given.
        """

    def resume(self, cursor: Any) -> None:
        """Go on behind `cursor`; where the source cannot any more, `open` begins anew.

        After an `open` that goes on `cursor` is the same as before. After one that began anew it
        is another: where it began, or None until something was delivered. A durable one that says
        where it began is on the disk before anything is read, so that not even a process that is
        killed in its first second begins anew once more, further on.
        """

    async def abandon(self) -> None:
        """End the session within 2 s and leave the device what it keeps for the next."""


@runtime_checkable
class CanTidy(Protocol):
    """A driver that does something about its source once what it delivered is safe.

    Such as moving a file away. It has an IS_DURABLE cursor.
    """

    def kept(self, cursor: Any) -> None:
        """Everything up to `cursor`, of this session or of one before, is safe on our disk.

        Synchronous and cheap: what takes time is done with the next scan.
        """


@runtime_checkable
class CanCount(Protocol):
    """A driver that knows what it costs its device."""

    @property
    def requests(self) -> int:
        """How many requests this session has sent."""


@runtime_checkable
class HasProblems(Protocol):
    """A driver that learns by reading, not in `bind`, which tags its device refuses."""

    @property
    def problems(self) -> Mapping[int, str]:
        """Why tags that `bind` took cannot be read now, by handle; asked for every second."""


@runtime_checkable
class HasFindings(Protocol):
    """A driver that meets with things that nobody asked for, and that somebody should know of."""

    @property
    def findings(self) -> tuple[str, ...]:
        """A few sentences for people; they stand in the health of the connection."""


@dataclass(frozen=True, slots=True)
class BrowsedNode:
    """One thing that a device offers: its path for people, and its address as in a binding.

    `datatype` is None for a folder. `unit_id` is OPC UA's; `problem` is why it cannot be read.
    """

    path: tuple[str, ...]
    address: str
    datatype: DataType | None = None
    is_array: bool = False
    unit: str = ""
    unit_id: int | None = None
    low: float | None = None
    high: float | None = None
    is_writable: bool = False
    desc: str = ""
    problem: str = ""


@runtime_checkable
class CanBrowse(Protocol):
    """A driver whose device can say what it has."""

    def browse(self, root: str = "") -> AsyncIterator[BrowsedNode]:
        """Walk what is below `root` (an address; empty: everything), after `open`."""


@runtime_checkable
class CanCall(Protocol):
    """A driver whose device has methods."""

    async def call(self, address: Any, arguments: Sequence[Value]) -> list[Value]:
        """Call the method at a parsed address; raises DeviceError with the device's reason."""


@runtime_checkable
class CanHistory(Protocol):
    """A driver whose device remembers."""

    async def history(self, tag: BoundTag, begin_ms: int, end_ms: int) -> list[Reading]:
        """What the device remembers of a tag, oldest first; the times are its own."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a device says of one tag; None and empty where its protocol has no word for it.

    `problem` is why it cannot be read, `is_missing` whether that is because nothing is there.
    `unit_id` is OPC UA's, `unit` how the device shows it. `every_s` is how often the device
    gives it at best, where that is slower than the tag's scan.
    """

    handle: int
    problem: str = ""
    is_missing: bool = False
    datatype: DataType | None = None
    is_array: bool | None = None
    unit: str = ""
    unit_id: int | None = None
    is_writable: bool | None = None
    every_s: float | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What a device says of its tags, and how far its clock is ahead of ours, if it has one."""

    tags: tuple[Description, ...]
    ahead_s: float | None = None


@runtime_checkable
class CanDescribe(Protocol):
    """A driver that can ask its device what the tags really are. It writes nothing."""

    async def describe(self, tags: Sequence[BoundTag]) -> Survey:
        """Ask for each tag, one description each; raises DeviceError when the session is over."""


DriverFactory = Callable[[Any], Driver]
