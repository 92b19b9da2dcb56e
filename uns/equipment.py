"""Equipment: the machines that exist, their tags, and where each tag's value comes from.

This is what a project expands to and what everything at run time is built from. Nothing here
is text any more: topics are parsed, addresses are parsed, percentages are numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from uns.metric import DataType
from uns.topic import Topic

__all__ = [
    "Alarm",
    "Asset",
    "Connection",
    "Machine",
    "Place",
    "Relation",
    "Source",
    "SparkplugId",
    "Tag",
    "WritePolicy",
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the project's files something was written; line and column start at 1."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class SparkplugId:
    """A machine's place in Sparkplug's namespace: group `acme:leeds`, edge node `area:line`."""

    group_id: str
    edge_node_id: str
    device_id: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a tag's value is read: a connection's key and an address as its driver parsed it."""

    connection: str
    address: Any  # opaque to everyone but the driver whose parse() returned it
    text: str  # the address as the engineer wrote it


@dataclass(frozen=True, slots=True)
class Alarm:
    """Limits in the tag's unit; None where there is none. `delay_s` is how long before it counts.

    `hysteresis`, in the tag's unit too, is how far inside a limit the value must come back
    before the alarm is over.
    """

    lolo: float | None = None
    lo: float | None = None
    hi: float | None = None
    hihi: float | None = None
    delay_s: float = 0.0
    hysteresis: float = 0.0


@dataclass(frozen=True, slots=True)
class WritePolicy:
    """Who may write a tag, and what. Without `low` and `high` the tag's own range is the limit."""

    roles: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    every_s: float = 0.0  # a write sooner after the last one is refused
    readback_s: float | None = None  # how long the device has to show the value; None: not asked


@dataclass(frozen=True, slots=True)
class Relation:
    """What a machine has to do with another, or with a line, area or site: it `feeds` the capper.

    The other end says `inverse` of it (`fed_by`). One that was written at the other end, and is
    known here only because of that, is not `is_declared`.
    """

    name: str
    target: Topic
    inverse: str
    is_declared: bool = True
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Asset:
    """The thing that stands at a machine's place, by its serial or inventory number.

    The first day that it stood there and the last; None where that is open.
    """

    id: str
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    """One named value of a machine.

    `name` is the path below the machine (`drive/temp`). `low` and `high` bound what is
    physically possible, in `unit` (UCUM). `scale` is (raw low, raw high, low, high). A tag
    has a `source`, or is derived by `calc`, or has neither: then nothing feeds it yet. `was`
    are the names that it had below the machine before.
    """

    name: str
    topic: Topic
    datatype: DataType = DataType.FLOAT
    unit: str = ""
    low: float | None = None
    high: float | None = None
    scan_s: float = 1.0
    deliver_every: bool = False  # QoS 1, never conflated: counters, states, batch ids
    deadband: float = 0.0  # in `unit`; a percentage was resolved against low…high
    deadband_s: float = 0.0  # at most one publish in this time
    heartbeat_s: float | None = None  # published so often though nothing changed; None: as usual
    stale_s: float | None = None  # not Good when nobody vouched for it for so long
    is_kept: bool = True  # worth something when it is late
    is_counter: bool = False
    rollover: int | None = None
    states: Mapping[int, str] | None = None
    alarm: Alarm | None = None
    scale: tuple[float, float, float, float] | None = None
    calc: str = ""
    write: WritePolicy | None = None
    is_optional: bool = False
    desc: str = ""
    semantic_id: str = ""  # its meaning in a dictionary (ECLASS, IEC CDD)
    was: tuple[str, ...] = ()
    source: Source | None = None
    place: Place | None = field(default=None, compare=False)

    @property
    def writable(self) -> bool:
        """Whether anybody may write it at all."""
        return self.write is not None


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine: a topic, a type, its tags, and its Sparkplug device.

    `lineage` is the type and its ancestors, nearest first: `("filler", "machine")`.
    `parameters` are the values its templates were filled with (`site`, `n`, `host` …). `was`
    are the topics that it had before; `assets` what stood and stands there, oldest first.
    """

    topic: Topic
    type_name: str
    version: int
    lineage: tuple[str, ...]
    tags: tuple[Tag, ...]
    sparkplug: SparkplugId
    parameters: Mapping[str, Any] = field(default_factory=dict)
    desc: str = ""
    semantic_id: str = ""  # the type's meaning in a dictionary (ECLASS, IEC CDD)
    was: tuple[Topic, ...] = ()
    relations: tuple[Relation, ...] = ()
    assets: tuple[Asset, ...] = ()
    place: Place | None = field(default=None, compare=False)

    @property
    def site(self) -> str:
        """The site's name: the second level of the topic."""
        return self.topic.levels[1]

    @property
    def line(self) -> Topic:
        """The topic of the line (ISA-95 work center) this machine stands on."""
        return Topic("/".join(self.topic.levels[:4]))

    def find_tag(self, name: str) -> Tag | None:
        """The tag called `name`, if there is one."""
        return next((tag for tag in self.tags if tag.name == name), None)


@dataclass(frozen=True, slots=True)
class Connection:
    """One link to one device, shared by every tag that resolves to the same settings.

    `key` is stable text for people (`modbus://10.2.1.20:502`); `config` is an instance of the
    driver's own pydantic model, validated without connecting.
    """

    key: str
    driver: str
    config: Any
    place: Place | None = field(default=None, compare=False)
