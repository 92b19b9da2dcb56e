"""The outside of a payload: its limits, and the compressed form that Tahu's tools send."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from uns.errors import PeerProtocolError
from uns.metric import DataType
from uns.sparkplug.counting import has_more_metrics, has_more_parts
from uns.sparkplug.profile import Compression
from uns.sparkplug.wire import PayloadMessage, PlainPayloadMessage

__all__ = ["LIMITS", "Compression", "Limits", "compress", "parse", "parse_plain"]

_COMPRESSED = (
    "SPBV1.0_COMPRESSED"  # uuid of the outer payload; a habit of Tahu, not in the standard
)
_ANY_WRAPPER = zlib.MAX_WBITS | 32  # zlib or gzip, told apart by their first bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """What a payload may cost at most: bytes (also once inflated), metrics, templates in templates.

    `parts` are what stands inside of metrics: members, rows, cells, properties. Two bytes of
    an empty one cost a hundred in memory.
    """

    payload_bytes: int = 16 * 1024 * 1024
    metrics: int = 200_000
    depth: int = 16
    parts: int = 1_000_000


LIMITS = Limits()


def parse(data: bytes, limits: Limits) -> Any:
    """The payload in these bytes as a protobuf message, inflated where it was compressed.

    Raises PeerProtocolError where it is no payload or passes the limits.
    """
    outer = _parse_once(data, limits)
    if outer.uuid != _COMPRESSED:
        return outer
    inner = _parse_once(_inflate(outer.body, limits), limits)
    if outer.HasField("seq"):
        inner.seq = outer.seq
    return inner


def parse_plain(data: bytes, limits: Limits) -> Any | None:
    """The payload with its metrics left as bytes; None, and no error, where it needs `parse`."""
    if len(data) > 2 * limits.metrics or len(data) > limits.payload_bytes:
        return None
    try:
        message = PlainPayloadMessage.FromString(data)
    except DecodeError:
        return None
    return None if message.uuid == _COMPRESSED else message


def compress(data: bytes, compression: Compression, seq: int | None = None) -> bytes:
    """An encoded payload in its compressed envelope; `seq` is repeated outside."""
    outer = PayloadMessage(uuid=_COMPRESSED)
    if seq is not None:
        outer.seq = seq
    if compression is Compression.GZIP:
        outer.metrics.add(name="algorithm", datatype=DataType.STRING, string_value=str(compression))
        outer.body = gzip.compress(data, mtime=0)
    else:
        outer.body = zlib.compress(data)
    return outer.SerializeToString()  # type: ignore[no-any-return]  # upb


def _parse_once(data: bytes, limits: Limits) -> Any:
    if len(data) > limits.payload_bytes:
        raise PeerProtocolError(
            f"a payload of {len(data):,} bytes is refused; the limit is {limits.payload_bytes:,}",
            hint="split the edge node, or raise the limit",
        )
    # The smallest metric or part takes two bytes: shorter payloads cannot hold too many.
    if len(data) > 2 * limits.metrics and has_more_metrics(data, limits.metrics):
        raise PeerProtocolError(f"a payload of more than {limits.metrics:,} metrics is refused")
    most = limits.metrics + limits.parts
    if len(data) > 2 * most and has_more_parts(data, most):
        raise PeerProtocolError(
            f"a payload with more than {limits.parts:,} members, rows and properties is refused"
        )
    try:
        return PayloadMessage.FromString(data)
    except DecodeError:
        raise PeerProtocolError(
            f"{len(data)} bytes that begin with {data[:16].hex(' ')!r} are no Sparkplug B payload",
            hint="look at who publishes on this topic",
        ) from None


def _inflate(body: bytes, limits: Limits) -> bytes:
    """The inner payload; a bomb stops at the limit."""
    inflater = zlib.decompressobj(_ANY_WRAPPER)
    try:
        data = inflater.decompress(body, limits.payload_bytes + 1)
    except zlib.error as error:
        raise PeerProtocolError(f"a compressed payload cannot be inflated: {error}") from None
    if len(data) > limits.payload_bytes:
        raise PeerProtocolError(
            f"a compressed payload holds more than {limits.payload_bytes:,} bytes and is refused"
        )
    if not inflater.eof:
        raise PeerProtocolError("a compressed payload is cut short")
    return data
