"""A project: every machine of an enterprise, and what is connected to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uns.equipment import Connection, Machine
from uns.project.models import ConsumerWords, SchemaWords
from uns.project.sparkplug import Sparkplug
from uns.route.words import RouteWords, TemplateWords

__all__ = ["Project"]


@dataclass(frozen=True, slots=True)
class Project:
    """What engineers wrote, expanded: nothing in it is a template any more."""

    enterprise: str
    folder: Path
    machines: tuple[Machine, ...]
    connections: Mapping[str, Connection]  # key → connection, shared where settings are equal
    sites: Mapping[str, Mapping[str, Any]]
    targets: Mapping[str, Any]  # name → an instance of the target's own Config
    templates: Mapping[str, TemplateWords]
    routes: tuple[RouteWords, ...]
    brokers: Mapping[str, str]  # name → URL, secrets put in
    schemas: Mapping[str, SchemaWords]
    consumers: Mapping[str, ConsumerWords]
    sparkplug: Sparkplug = field(default_factory=Sparkplug)

    @property
    def tag_count(self) -> int:
        """How many tags all machines have together."""
        return sum(len(machine.tags) for machine in self.machines)
