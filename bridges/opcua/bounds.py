"""Bounds on what a server may send: asyncua itself waits for as much as a header announces.

What is private and used here is held by tests/bridges/opcua/test_bounds.py.
"""

from __future__ import annotations

from typing import Any

from asyncua import ua

__all__ = ["bound", "limit"]

_MOST_CHUNK = 1 << 20  # we offer 65,535 bytes, OPC UA part 6 §7.1.2.3; some servers send more
_MOST_MESSAGE = 64 << 20  # a hundred thousand values are a tenth of that
_MOST_CHUNKS = 4096


def bound(protocol: Any) -> None:
    """End a connection whose peer sends a chunk that is too big, or never ends."""
    take = protocol.data_received

    def data_received(data: bytes) -> None:
        take(data)
        held = protocol.receive_buffer
        if held is not None and len(held) > _MOST_CHUNK:
            protocol.receive_buffer = None
            transport = protocol.transport
            protocol._fail_all_pending(ua.UaError("the server sends more than it may"))  # noqa: SLF001
            if transport is not None:
                transport.abort()

    protocol.data_received = data_received


def limit(protocol: Any) -> None:
    """Hold a peer to our limits though its own answer, which asyncua adopts, says there are none."""
    limits = protocol._connection._limits  # noqa: SLF001
    limits.max_recv_buffer = min(limits.max_recv_buffer or _MOST_CHUNK, _MOST_CHUNK)
    limits.max_message_size = min(limits.max_message_size or _MOST_MESSAGE, _MOST_MESSAGE)
    limits.max_chunk_count = min(limits.max_chunk_count or _MOST_CHUNKS, _MOST_CHUNKS)
