"""A message: a topic, bytes, and how a broker is to treat them."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Message"]


class Message(NamedTuple):
    """What the core asks its shell to publish, and what the shell hands it on arrival.

    `qos` is 0 or 1, never 2 (docs/reference/topics.md). On arrival `retain` means that the
    broker had kept the message from before our subscription.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
