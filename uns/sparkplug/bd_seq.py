"""bdSeq: the number that ties a birth to its will."""

from __future__ import annotations

__all__ = ["BirthDeathSequence"]

_WRAP = 256


class BirthDeathSequence:
    """Counts the CONNECTs that left, 0…255 and around, and nothing else.

    tck-id-topics-nbirth-bdseq-increment. A will that was made and never sent keeps its number.
    """

    def __init__(self, first: int) -> None:
        self.current = self._next = first % _WRAP
        self._has_will_waiting = False

    @property
    def to_store(self) -> int:
        """What a new process would begin with, once the CONNECT has left."""
        return (self._next + 1) % _WRAP if self._has_will_waiting else self._next

    def for_will(self) -> int:
        """The number of the will about to be sent."""
        self._has_will_waiting = True
        return self._next

    def advance(self) -> None:
        """The CONNECT with that will has left."""
        if self._has_will_waiting:
            self._has_will_waiting = False
            self.current = self._next
            self._next = (self._next + 1) % _WRAP
