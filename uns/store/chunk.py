"""A chunk of the backlog: up to 500 samples of one device, packed small.

Samples go by metric name: aliases are dealt anew by each run of the program, and a chunk may
wait for days. Each distinct name is written once. Packed with zlib, whose checksum also tells
a chunk that rotted on the disk from one that is whole.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from uns.errors import StorageError
from uns.metric import Value

__all__ = ["MOST_SAMPLES", "Chunk", "Sample", "is_storable", "pack", "unpack"]

# (metric name, value, quality, timestamp in milliseconds since 1970 UTC)
Sample: TypeAlias = tuple[str, Value, int, int]

MOST_SAMPLES: Final = 500
_LEVEL: Final = 1  # of zlib: three quarters of the best ratio at a third of the time
_BYTES: Final = "~bytes"  # JSON has no bytes: {"~bytes": base64}
_PLAIN: Final = frozenset((float, int, bool, str, type(None)))


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples of one device in the order they were taken; `number` says its place in the ring."""

    number: int
    node: str
    device_id: str
    samples: Sequence[Sample]


def is_storable(value: Any) -> bool:
    """Whether a chunk can hold `value`: scalars, bytes, and lists of them."""
    if type(value) in _PLAIN or isinstance(value, bytes):
        return True
    return isinstance(value, list | tuple) and all(is_storable(item) for item in value)


def pack(samples: Sequence[Sample]) -> bytes:
    """Bytes that `unpack` reads; every value must be storable."""
    names: dict[str, int] = {}
    places = [names.setdefault(name, len(names)) for name, _, _, _ in samples]
    qualities = [quality for _, _, quality, _ in samples]
    begin_ms = samples[0][3] if samples else 0
    columns = (
        list(names),
        places,
        [value for _, value, _, _ in samples],
        qualities[0] if len(set(qualities)) == 1 else qualities,
        begin_ms,
        [at_ms - begin_ms for _, _, _, at_ms in samples],
    )
    text = json.dumps(columns, separators=(",", ":"), default=_encoded)
    return zlib.compress(text.encode(), _LEVEL)


def unpack(body: bytes) -> list[Sample]:
    """The samples of a packed chunk; raises StorageError where it is not whole."""
    try:
        text = zlib.decompress(body)
        names, places, values, quality, begin_ms, offsets = json.loads(text, object_hook=_decoded)
        qualities = quality if isinstance(quality, list) else [quality] * len(places)
        return [
            (names[place], value, quality, begin_ms + offset)
            for place, value, quality, offset in zip(
                places, values, qualities, offsets, strict=True
            )
        ]
    except (zlib.error, ValueError, TypeError, IndexError, KeyError) as error:
        raise StorageError(f"a chunk of the backlog is not whole: {error}") from None


def _encoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode()}
    raise TypeError(f"the backlog cannot hold a {type(value).__name__}")


def _decoded(item: dict[str, str]) -> Any:
    return base64.b64decode(item[_BYTES])
