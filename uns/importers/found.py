"""Found: the devices and tags that somebody's file or device speaks of, and what is unclear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from uns.errors import ProjectError
from uns.metric import DataType

__all__ = ["NO_HOST", "Device", "Found", "FoundTag", "ImportFileError", "Unmapped"]

NO_HOST = "192.0.2."  # TEST-NET-1 of RFC 5737: addresses that are nobody's


class ImportFileError(ProjectError):
    """A file is not what it was said to be; nothing can be drafted from it."""


@dataclass(frozen=True, slots=True)
class FoundTag:
    """A tag as the file has it, in our words; its folders and its name are `levels`.

    `address` is written in the driver's grammar. `origin` says where it stood (`a.csv:12`).
    `guesses` are the things that the file does not say, as sentences. `depth` is how many of
    the levels are the machine's path, where the file knows; 0 is the device itself.
    """

    levels: tuple[str, ...]
    address: str
    datatype: DataType | None = None
    unit: str = ""
    span: tuple[float, float] | None = None
    scale: tuple[float, float, float, float] | None = None
    deadband: str = ""
    scan: str = ""
    is_writable: bool = False
    desc: str = ""
    origin: str = ""
    guesses: tuple[str, ...] = ()
    depth: int | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """One device: how it is reached, and its tags. A host in NO_HOST is not in the file."""

    name: str
    driver: str
    connection: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[FoundTag, ...] = ()
    guesses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unmapped:
    """Something that the draft does not have, and why."""

    origin: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.what}: {self.why}"


@dataclass(frozen=True, slots=True)
class Found:
    """All that one or several files speak of."""

    devices: tuple[Device, ...] = ()
    unmapped: tuple[Unmapped, ...] = ()

    def plus(self, other: Found) -> Found:
        """Both together."""
        return Found(self.devices + other.devices, self.unmapped + other.unmapped)
