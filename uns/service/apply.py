"""Applying: what a plan asks for, published once, so that it can be taken back."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from uns.errors import BrokerError, ProjectError
from uns.message import Message
from uns.mqtt import Broker, connect
from uns.plan.application import Application, Undo
from uns.store.lockfile import replace_text

__all__ = ["UNDO_FILE", "carry_out", "publish", "read_undo"]

UNDO_FILE = "applied.json"
_PUBLISH_S = 60.0  # 50,000 definitions take Mosquitto a few seconds


async def carry_out(
    made: Application,
    broker: Broker,
    *,
    lock: Path,
    before: str | None,
    kept: Mapping[str, bytes],
    undo_file: Path,
) -> None:
    """Remember what there is, publish, and write the lock; in this order.

    `before` is the lock's text so far, `kept` what the broker keeps. When it ends half-way the lock is still the old one, and doing it again is harmless.
    Raises BrokerError, StorageError.
    """
    undo = _with_first_try(Undo.of(made, before, kept), undo_file)
    replace_text(undo_file, undo.text.decode())
    await publish(broker, made.messages)
    replace_text(lock, made.lock.text)


async def publish(broker: Broker, messages: Sequence[Message]) -> None:
    """Publish in a session of its own; returns when the broker has everything."""
    session = await connect(broker, f"uns-apply-{secrets.token_hex(4)}")
    try:
        async with asyncio.timeout(_PUBLISH_S):
            await session.publish_all(messages)
    except TimeoutError:
        raise BrokerError(
            f"{broker.address} did not take {len(messages):,} messages within {_PUBLISH_S:.0f} s",
            hint="do it again: what it has taken already does no harm",
        ) from None
    finally:
        await session.close()


def read_undo(path: Path) -> Undo:
    """Return what the last application kept; raises ProjectError where there is nothing."""
    try:
        return Undo.parse(path.read_bytes())
    except FileNotFoundError:
        raise ProjectError(
            f"there is nothing to undo: {path} is not there",
            hint="it is where the last `uns apply` ran; --state names another folder",
        ) from None


def _with_first_try(undo: Undo, path: Path) -> Undo:
    """Where the same was tried before and broke off, what was there before that try counts."""
    try:
        first = Undo.parse(path.read_bytes())
    except (FileNotFoundError, ProjectError):
        return undo
    if (first.before, first.after) != (undo.before, undo.after):
        return undo
    return msgspec.structs.replace(undo, retained={**undo.retained, **first.retained})
