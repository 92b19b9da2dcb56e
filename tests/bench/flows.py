"""What the connections of running bridges say of themselves: their retained `_flow` messages."""

from __future__ import annotations

import json
import select
from typing import Any

from raw import RawPeer

__all__ = ["flows"]


def flows(port: int, enterprise: str) -> list[dict[str, Any]]:
    """The latest of each; their numbers are at most ten seconds old."""
    peer = RawPeer(port, "bench-flows")
    peer.subscribe(f"{enterprise}/_flow/#")
    told: dict[bytes, bytes] = {}
    while select.select([peer.socket], [], [], 0.3)[0]:
        told.update(peer.messages())
    peer.close()
    return [json.loads(payload) for payload in told.values() if payload]
