"""Settings of an edge node: whom it waits for, where it may connect, how it answers and writes."""

from __future__ import annotations

from dataclasses import dataclass

from uns.errors import ProjectError
from uns.sparkplug.names import id_problem
from uns.sparkplug.profile import SPEC, WireProfile

__all__ = ["EdgeSettings"]


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """How an edge node behaves; what is not said here is the specification's.

    `primary_host` is the id of the host application whose STATE decides whether births and data
    flow, empty for none. `servers` counts the brokers, in their order of preference; with more
    than one, a broker whose STATE does not come within `host_wait_ms` is left for the next.
    Rebirth requests within `rebirth_pause_ms` of an answer share the next one. `first_alias` keeps
    the numbers of processes with different metrics apart; `uns.sparkplug.first_alias` makes one.
    Raises ProjectError for an id that cannot be, and for no broker at all.
    """

    primary_host: str = ""
    servers: int = 1
    host_wait_ms: int = 30_000  # as long as Tahu's Java edge node waits before it walks on
    rebirth_pause_ms: int = 1_000
    profile: WireProfile = SPEC
    first_alias: int = 1

    def __post_init__(self) -> None:
        if self.primary_host and (problem := id_problem(self.primary_host)):
            raise ProjectError(
                f"the primary host id `{self.primary_host}` cannot be used: {problem}"
            )
        if self.first_alias < 1:
            raise ProjectError(f"aliases are numbers from 1, not from {self.first_alias}")
        if self.servers < 1:
            raise ProjectError(f"an edge node needs a broker, and was given {self.servers}")
