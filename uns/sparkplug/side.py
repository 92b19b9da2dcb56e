"""What one server brought of an edge node: its messages in their order, deaths, kept births."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from uns.sparkplug.names import MessageType
from uns.sparkplug.sequence import Sequence

__all__ = ["Arrived", "Side"]

_MAX_EARLY_DEATHS = 16


class Arrived(NamedTuple):
    """A message of the node or of a device."""

    kind: MessageType
    device_id: str
    payload: Any  # upb's PayloadMessage, or PlainPayloadMessage for data
    sent_ms: int
    heard_ms: int
    data: bytes  # the payload as it came


@dataclass(slots=True)
class Side:
    """An edge node, as heard on one server."""

    server: str
    sequence: Sequence[Arrived]
    ask_ms: int | None = None  # when to ask for an NBIRTH, for the node lives elsewhere
    certificates: dict[str, Arrived] = field(default_factory=dict)  # births kept there, by device
    _early_deaths: dict[int, int] = field(default_factory=dict)  # bdSeq -> until when it counts

    def keep_death(self, bd_seq: int, until_ms: int) -> None:
        """A death came and its birth may still come."""
        if len(self._early_deaths) >= _MAX_EARLY_DEATHS:
            self._early_deaths.pop(next(iter(self._early_deaths)))
        self._early_deaths[bd_seq] = until_ms

    def is_dead_already(self, bd_seq: int | None, now_ms: int) -> bool:
        """Whether the death of a session has overtaken its birth; asked once."""
        until_ms = 0 if bd_seq is None else self._early_deaths.pop(bd_seq, 0)
        return now_ms < until_ms
