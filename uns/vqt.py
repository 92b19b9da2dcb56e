"""VQT: a value payload as a reader takes it apart - value, quality, timestamp.

What the tree's topics carry is written in uns/namespace/payload.py; this is the other end, for
commands, routes and whoever else subscribes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

__all__ = ["Vqt", "read_vqt"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Vqt(msgspec.Struct, gc=False):
    """A value payload; `value` is still JSON text, so that no integer is rounded on the way."""

    value: msgspec.Raw
    quality: str
    timestamp: str
    unit: str = ""
    detail: str = ""

    @property
    def text(self) -> str:
        """The value for people: text without its quotes, everything else as JSON has it."""
        json = bytes(self.value)
        if json.startswith(b'"'):
            return str(msgspec.json.decode(json, type=str))
        return json.decode()

    @property
    def timestamp_ms(self) -> int:
        """The timestamp in milliseconds since 1970; 0 where it is none."""
        try:
            moment = datetime.fromisoformat(self.timestamp).astimezone(UTC)
        except (ValueError, OverflowError):
            return 0
        return (moment - _EPOCH) // timedelta(milliseconds=1)


_decoder = msgspec.json.Decoder(Vqt)


def read_vqt(payload: bytes) -> Vqt | None:
    """Return the value in a payload; None where it is not a value payload."""
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
