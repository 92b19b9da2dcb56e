"""The catalogue: which drivers and targets there are, handed in by whoever loads a project.

A project knows no protocol. A driver brings the model of its `connection:` and the parser of
its addresses; a target brings the model of its settings. Both maps may load lazily.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel

__all__ = ["Catalogue", "DriverClass", "TargetClass"]


class DriverClass(Protocol):
    """What a project needs of a driver; see bridges/driver.py."""

    Config: Any  # a pydantic model class with `key()` and `runtime_key()`
    ADDRESS_SETTINGS: frozenset[str] | None

    def parse(self, text: str, config: Any) -> Hashable:
        """The address written as `text`; raises AddressError."""


class TargetClass(Protocol):
    """What a project needs of a target; see uns/target."""

    Config: type[BaseModel]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Drivers and targets by the names that engineers write.

    `messages` says which message schemas a project's folder has besides ours; without it a
    route's `message` is not checked.
    """

    drivers: Mapping[str, Any] = field(default_factory=dict)
    targets: Mapping[str, Any] = field(default_factory=dict)
    messages: Callable[[Path], Collection[str]] | None = None
