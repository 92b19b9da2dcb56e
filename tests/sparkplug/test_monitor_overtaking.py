"""Whatever order a broker's topics arrive in, who was right is blamed for nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from monitor_scene import NODE, Scene

from uns.message import Message

pytestmark = pytest.mark.property

STEPS = ("ndata", "ddata", "rebirth", "ddeath", "lost", "left", "pause")


class Recorded(Scene):
    """A day of one node: (when, message), to be delivered in another order."""

    def __init__(self) -> None:
        super().__init__(is_tapped=False)
        self.sent: list[tuple[int, Message]] = []
        self.is_up = False

    def put(self, topic: str, payload: bytes, client: str, **flags) -> None:
        self.now += 7
        self.sent.append((self.now, Message(topic, payload, **flags)))

    def play(self, step: str) -> None:
        match step:
            case "rebirth":
                self.nbirth()
                self.dbirth()
                self.is_up = True
            case "ddeath":
                (self.ddeath if self.is_up else self.dbirth)()
                self.is_up = not self.is_up
            case "lost" | "left":
                self.now += 1_000
                self.ndeath()
                self.now += 5_000 if step == "left" else 1_000  # sessions do not overtake
                self.bd_seq = (self.bd_seq + 1) % 256
                self.play("rebirth")
            case "pause":
                self.now += 5_000
            case "ddata" if not self.is_up:
                self.ndata()
            case _:
                getattr(self, step)()


def delivered(sent: list[tuple[int, Message]], delays: list[int]) -> list[tuple[int, Message]]:
    """Each topic is late by its own delays, and in its own order."""
    arrived, last = [], dict[str, int]()
    for place, (at, message) in enumerate(sent):
        late = at + delays[place % len(delays)] if delays else at
        last[message.topic] = max(late, last.get(message.topic, 0))
        arrived.append((last[message.topic], place, message))
    return [(at, message) for at, _, message in sorted(arrived)]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from(STEPS), min_size=1, max_size=40),
    st.lists(st.integers(0, 40) | st.integers(0, 900), max_size=50),
    st.integers(0, 12),
)
def test_a_right_day_is_right_in_any_order(
    steps: list[str], delays: list[int], missed: int
) -> None:
    """Delays below the time for reordering, and a listener that came in the midst of it."""
    day = Recorded()
    day.play("rebirth")
    for step in steps:
        day.play(step)
    for at, message in delivered(day.sent, delays)[missed:]:
        day.monitor.tick(at)
        day.monitor.published(message, at)
        day.now = max(day.now, at)
    assert [] == [
        (grade.id, grade.evidence and grade.evidence.actual)
        for _, grade in (day.broken() and day.monitor.report().failures) or ()
    ]
    assert day.monitor.report().messages or NODE
