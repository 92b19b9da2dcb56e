"""A filler on line 1 of Leeds, and what its edge node would tell the host application."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from uns.equipment import Machine, SparkplugId, Tag
from uns.metric import DataType, Quality
from uns.namespace import Namespace, Output
from uns.sparkplug.events import Born, Changed, Died
from uns.sparkplug.names import NodeId
from uns.sparkplug.slot import Slot
from uns.topic import Topic

NOW = 1_767_868_200_123  # 2026-01-08T10:30:00.123Z
FILLER = Topic("acme/leeds/packaging/line1/filler")
LINE = NodeId("acme:leeds", "packaging:line1")
TAGS: dict[str, dict[str, Any]] = {
    "bowl_pressure": {"unit": "bar", "low": 0, "high": 6},
    "good": {"datatype": DataType.UINT64, "unit": "{bottle}", "deliver_every": True},
    "state": {"datatype": DataType.INT32, "states": {2: "Stopped", 6: "Execute"}},
    "recipe": {"datatype": DataType.STRING},
    "running": {"datatype": DataType.BOOLEAN},
    "level": {"datatype": DataType.DOUBLE},
    "filled_at": {"datatype": DataType.DATETIME},
    "image": {"datatype": DataType.BYTES},
    "torques": {"datatype": DataType.FLOAT_ARRAY},
    "drive/temp": {"unit": "Cel"},
}


class Plant:
    """One machine with every kind of tag, its namespace, and everything published so far."""

    def __init__(self) -> None:
        tags = tuple(Tag(n, FILLER.child(*n.split("/")), **words) for n, words in TAGS.items())
        ids = SparkplugId(LINE.group_id, LINE.edge_node_id, "filler")
        self.machine = Machine(FILLER, "filler", 2, ("filler", "machine"), tags, ids)
        self.namespace = Namespace("acme", [self.machine])
        self.now = NOW
        self.shown: dict[str, dict[str, Any]] = {}  # what a subscriber would hold, by topic
        self.log: list[tuple[str, bytes]] = []
        self.slots: dict[str, Slot] = {}

    def take(self, out: Output) -> Output:
        """Keep what was published."""
        published = [(t.decode(), p) for t, p in out.values]
        published += [(m.topic, m.payload) for m in out.messages]
        self.log += published
        self.shown.update((topic, json.loads(payload)) for topic, payload in published)
        return out

    def born(self, values: Mapping[str, Any], **words) -> Output:
        """The filler's birth with these metrics and values."""
        slots = [self.slot(name, value, **words) for name, value in values.items()]
        self.slots = {slot.name: slot for slot in slots}
        return self.take(
            self.namespace.apply(Born(LINE, "filler", tuple(slots), self.now), self.now)
        )

    def slot(
        self, name: str, value: Any, datatype: DataType | None = None, quality: int = Quality.GOOD
    ) -> Slot:
        words = TAGS.get(name, {})
        slot = Slot(name, datatype or words.get("datatype", DataType.FLOAT))
        slot.value, slot.timestamp_ms, slot.quality = value, self.now, int(quality)
        return slot

    def data(
        self, name: str, value: Any, quality: int = Quality.GOOD, at: int | None = None, **words
    ) -> Output:
        """One changed value of the filler."""
        update = (self.slots[name], value, int(quality), self.now if at is None else at)
        return self.send([update], **words)

    def send(self, updates: Sequence[tuple], **words) -> Output:
        """One message with several changed values."""
        event = Changed(LINE, "filler", list(updates), **words)
        return self.take(self.namespace.apply(event, self.now))

    def died(self, device_id: str | None = "filler", reason: str = "cut off") -> Output:
        """The filler's death, or with None that of its edge node."""
        event = Died(LINE, device_id, self.now, reason)
        return self.take(self.namespace.apply(event, self.now))

    def tick(self, later_ms: int = 0) -> Output:
        """Let time pass."""
        self.now += later_ms
        return self.take(self.namespace.tick(self.now))

    def at(self, name: str) -> dict[str, Any]:
        """What a subscriber holds for a tag or sub-node of the filler."""
        return self.shown[f"{FILLER}/{name}"]


@pytest.fixture
def plant() -> Plant:
    """A filler of which nothing is known yet."""
    return Plant()


@pytest.fixture
def born(plant: Plant) -> Plant:
    """A filler that has been born with a value for every tag."""
    plant.born(
        {
            "bowl_pressure": 3.5, "good": 7, "state": 6, "recipe": "R-1", "running": True,
            "level": 0.1, "filled_at": NOW, "image": b"\x00\x01", "torques": (1.5, 2.5),
            "drive/temp": 21.5,
        }
    )  # fmt: skip
    plant.log.clear()
    return plant


@pytest.fixture(scope="session")
def plant_class() -> type[Plant]:
    """For tests that keep a plant over many examples."""
    return Plant
