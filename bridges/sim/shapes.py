"""Shapes: what each kind of made-up value is at a moment, as a function of time and seed."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Final

from bridges.sim.address import SimAddress, plain_value
from uns.metric import Value

__all__ = ["value_at"]

_COUNTED_FROM_MS: Final = 1_767_225_600_000  # 2026-01-01: counters are small numbers at first
_CYCLE_S: Final = 600.0
_HALF: Final = 0.5

# Codes of ISA-TR88.00.02 and the seconds of each state in an order; EXECUTE fills the rest.
_BEGIN: Final = ((15, 3.0), (4, 3.0), (3, 3.0))  # Resetting, Idle, Starting
_PAUSE: Final = ((10, 1.0), (11, 15.0), (12, 2.0))  # Holding, Held, Unholding: half-way through
_END: Final = ((16, 3.0), (17, 4.0))  # Completing, Complete
_EXECUTE: Final = 6


def value_at(address: SimAddress, seed: int, now_ms: int) -> Value:
    """The value of `address` at `now_ms`; None for shapes that are not made of time."""
    shape = _SHAPES.get(address.shape)
    return None if shape is None else shape(address, seed, now_ms)


def _sine(address: SimAddress, seed: int, now_ms: int) -> float:
    return _within(address, 0.5 + 0.5 * math.sin(math.tau * _turn(address, seed, now_ms)))


def _triangle(address: SimAddress, seed: int, now_ms: int) -> float:
    return _within(address, 1 - abs(2 * _turn(address, seed, now_ms) - 1))


def _ramp(address: SimAddress, seed: int, now_ms: int) -> float:
    return _within(address, _turn(address, seed, now_ms))


def _square(address: SimAddress, seed: int, now_ms: int) -> float:
    return _within(address, float(_turn(address, seed, now_ms) >= _HALF))


def _walk(address: SimAddress, seed: int, now_ms: int) -> float:
    """Three slow waves whose periods have no common measure: it wanders and never jumps."""
    salt = _salt(address, seed)
    parts = ((0.28, 61.0), (0.14, 23.7), (0.08, 9.1))
    share = 0.5 + sum(
        size * math.sin(math.tau * (now_ms / 1000 / (period * (0.8 + 0.4 * salt)) + salt))
        for size, period in parts
    )
    return _within(address, min(max(share, 0.0), 1.0))


def _noise(address: SimAddress, seed: int, now_ms: int) -> float:
    drawn = zlib.crc32(f"{seed}:{address}:{now_ms // 100}".encode()) / 2**32
    return _within(address, drawn)


def _counter(address: SimAddress, seed: int, now_ms: int) -> int:
    del seed
    return int(max(now_ms - _COUNTED_FROM_MS, 0) / 1000 * address.per_s)


def _toggle(address: SimAddress, seed: int, now_ms: int) -> bool:
    return _turn(address, seed, now_ms) >= _HALF


def _turns(address: SimAddress, seed: int, now_ms: int) -> Value:
    del seed
    number = int(now_ms / 1000 / address.seconds)
    return plain_value(address.words[number % len(address.words)])


def _packml(address: SimAddress, seed: int, now_ms: int) -> int:
    """One order after the other, with one short stop in each."""
    cycle_s = address.seconds or _CYCLE_S
    at_s = (now_ms / 1000 + _salt(address, seed) * cycle_s) % cycle_s
    fixed_s = sum(lasts for part in (_BEGIN, _PAUSE, _END) for _, lasts in part)
    if cycle_s <= 2 * fixed_s:  # an order too short for a stop
        return _EXECUTE if at_s > cycle_s / 4 else _BEGIN[1][0]
    half_s = (cycle_s - fixed_s) / 2
    for code, lasts in (*_BEGIN, (_EXECUTE, half_s), *_PAUSE, (_EXECUTE, half_s), *_END):
        if at_s < lasts:
            return code
        at_s -= lasts
    return _END[-1][0]


def _fixed(address: SimAddress, seed: int, now_ms: int) -> Value:
    del seed, now_ms
    return plain_value(address.words[0])


def _turn(address: SimAddress, seed: int, now_ms: int) -> float:
    """How much of its period has passed, 0 to 1; seed 0 begins every period with the epoch."""
    phase = _salt(address, seed) if seed else 0.0
    return (now_ms / 1000 / address.seconds + phase) % 1.0


def _salt(address: SimAddress, seed: int) -> float:
    return zlib.crc32(f"{seed}:{address}".encode()) / 2**32


def _within(address: SimAddress, share: float) -> float:
    return address.low + (address.high - address.low) * share


_SHAPES: Final[dict[str, Callable[[SimAddress, int, int], Value]]] = {
    "sine": _sine,
    "triangle": _triangle,
    "ramp": _ramp,
    "square": _square,
    "walk": _walk,
    "noise": _noise,
    "counter": _counter,
    "packml": _packml,
    "toggle": _toggle,
    "turn": _turns,
    "fixed": _fixed,
}
