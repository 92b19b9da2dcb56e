"""How fast this machine is now, told by a library that is none of ours.

CPU costs depend on the machine, and on what else runs on it. What upb takes to add one metric,
measured right before and after, is a hint at how two machines compare; no conversion.
"""

from __future__ import annotations

from codec import upb_encode_us
from table import Row

__all__ = ["Yardstick"]

UPB_WHEN_PROMISED_US = 0.30  # on the machine, and at the time, that the figures were promised for


class Yardstick:
    """Measured when it is made, and again when it is told."""

    def __init__(self) -> None:
        self._before_us = upb_encode_us()

    def row(self, part: str) -> Row:
        """One line: how many times slower this is than where the promise was made."""
        upb_us = (self._before_us + upb_encode_us()) / 2
        slower = upb_us / UPB_WHEN_PROMISED_US
        return Row(
            part,
            "this machine: upb add() and setattr",
            f"{slower:.1f} times as slow as the machine of the promise",
            f"{upb_us:.2f} µs/metric (there {UPB_WHEN_PROMISED_US:.2f})",
        )
