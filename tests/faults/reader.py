"""A reader of the tree that knows how old what it believes is: the judge of every fault test."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import paho.mqtt.client as paho

__all__ = ["Reader", "Seen"]


@dataclass(frozen=True)
class Seen:
    """The last payload of a topic: whether it claims to be Good, and its source time."""

    is_good: bool
    source_s: float
    changes: int


class Reader:
    """Subscribes to the whole tree with paho-mqtt and remembers the last payload of each topic.

    Only topics that beat are judged: those that changed about once a second while all was
    well, so that an old timestamp really means an old value.
    """

    BEATS_PER_S = 0.7
    FRESH_S = 4.0

    def __init__(self, port: int, enterprise: str = "aurora") -> None:
        self._seen: dict[str, Seen] = {}
        self._lock = threading.Lock()
        self._is_connected = threading.Event()
        self._beating: set[str] = set()
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id=f"judge-{port}", protocol=paho.MQTTv311
        )
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self._connected
        self.client.on_disconnect = lambda *_: self._is_connected.clear()
        self.client.on_message = self._message
        self._filter = f"{enterprise}/#"
        self.client.connect("127.0.0.1", port, keepalive=5)
        self.client.loop_start()

    def _connected(self, client: paho.Client, *_: Any) -> None:
        client.subscribe(self._filter, qos=1)
        self._is_connected.set()

    def _message(self, _: paho.Client, __: Any, message: paho.MQTTMessage) -> None:
        if "/_" in message.topic or not message.payload:
            return
        payload = json.loads(message.payload)
        source_s = datetime.fromisoformat(payload["timestamp"]).timestamp()
        with self._lock:
            before = self._seen.get(message.topic)
            changes = before.changes + (source_s > before.source_s) if before else 0
            self._seen[message.topic] = Seen(payload["quality"] == "Good", source_s, changes)

    @property
    def is_connected(self) -> bool:
        """Whether the broker answers this reader."""
        return self._is_connected.is_set()

    def live(self) -> int:
        """How many topics claim to be Good."""
        with self._lock:
            return sum(seen.is_good for seen in self._seen.values())

    def learn_beating(self, seconds: float) -> int:
        """Watch a healthy plant; remember which topics beat, and return how many."""
        with self._lock:
            before = {topic: seen.changes for topic, seen in self._seen.items()}
        time.sleep(seconds)
        least = seconds * self.BEATS_PER_S
        with self._lock:
            self._beating = {
                topic
                for topic, seen in self._seen.items()
                if seen.changes - before.get(topic, 0) >= least
            }
        return len(self._beating)

    def oldest_good_s(self) -> float:
        """The age of the oldest beating value that still claims to be Good; 0 where none does."""
        now = time.time()
        with self._lock:
            return max(
                (
                    now - self._seen[topic].source_s
                    for topic in self._beating
                    if self._seen[topic].is_good
                ),
                default=0.0,
            )

    def is_well(self) -> bool:
        """Whether every beating topic is Good and fresh."""
        now = time.time()
        with self._lock:
            return all(
                self._seen[topic].is_good and now - self._seen[topic].source_s < self.FRESH_S
                for topic in self._beating
            )

    def close(self) -> None:
        """Disconnect and end the network thread."""
        self.client.disconnect()
        self.client.loop_stop()
