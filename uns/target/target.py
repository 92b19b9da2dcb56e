"""What a target is: open, deliver, probe, close - and the truth about what became of a message.

The service owns the rest: order, retries, back-off, what survives a restart. A target makes one
attempt and says how it ended. The hard case is an attempt that broke in the middle: the message
may have arrived. A target says UNKNOWN then, never "failed", and the service asks `probe` or
sends again under the same id; `effect` says why that has no second effect.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict

from uns.route.words import TargetWords

__all__ = ["Effect", "Ending", "Outcome", "OutgoingMessage", "Target", "TargetConfig"]


class TargetConfig(TargetWords):
    """The words of one target. Each type extends it; validating never connects."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Effect(StrEnum):
    """How a message that is sent twice has one effect."""

    NATIVE_KEY = "native_key"  # the other end knows our id, and does nothing for one it has seen
    READBACK = "readback"  # we look whether it is there before we send again
    ABSOLUTE = "absolute"  # it carries totals; the same totals again change nothing
    STATE = "state"  # it asks for a state that the other end is in already


class Ending(StrEnum):
    """How one attempt ended."""

    DONE = "done"  # it is there, now or from before
    RETRY = "retry"  # it surely did not arrive; later it may
    UNKNOWN = "unknown"  # it may have arrived
    DEAD = "dead"  # the other end will never take it


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended, what was said, and when the other end wants to be asked again.

    `is_about_message`: another message may well be taken, so the target does not count as down.
    """

    ending: Ending
    said: str = ""
    retry_after_s: float | None = None
    is_about_message: bool = False


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A CloudEvent as JSON, and the id under which a repetition is known."""

    id: str
    body: str


class Target(ABC):
    """One end. `deliver` may be called for several messages at once."""

    Config: ClassVar[type[TargetConfig]]
    effect: ClassVar[Effect]

    def __init__(self, name: str, config: Any, folder: Path) -> None:
        """Keep `config`, an instance of this class's Config. Does not connect.

        `folder` is the state directory, for targets that write files.
        """
        self.name = name
        self.config = config
        self.folder = folder

    @abstractmethod
    async def open(self) -> None:
        """Make ready; must not need the other end to be there."""

    @abstractmethod
    async def deliver(self, message: OutgoingMessage) -> Outcome:
        """Make one attempt; ends within the target's own time-out, and never raises for it."""

    async def probe(self, message: OutgoingMessage) -> Outcome | None:
        """Say what became of an attempt that ended UNKNOWN; None: send it again, that is safe."""
        del message  # a target whose effect is READBACK looks for it
        return None

    @abstractmethod
    async def close(self) -> None:
        """Let go within 2 s. Safe to call twice."""
