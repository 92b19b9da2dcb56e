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


class Reader:
    """Subscribes to the whole tree with paho-mqtt and remembers the last payload of each topic.

    A line is judged as a whole: some tag of a line that works changes every second, so while
    any of its values claims to be Good, its youngest value tells how long it may be lying.
    """

    FRESH_S = 3.0

    def __init__(self, port: int, enterprise: str = "aurora") -> None:
        self._seen: dict[str, Seen] = {}
        self._lock = threading.Lock()
        self._is_connected = threading.Event()
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
            self._seen[message.topic] = Seen(payload["quality"] == "Good", source_s)

    @property
    def is_connected(self) -> bool:
        """Whether the broker answers this reader."""
        return self._is_connected.is_set()

    def live(self) -> int:
        """How many topics claim to be Good."""
        with self._lock:
            return sum(seen.is_good for seen in self._seen.values())

    def lying_s(self) -> float:
        """The age of the youngest value of the worst line that claims to be Good; 0 for none."""
        now = time.time()
        return max((now - newest for newest, good, _ in self._lines() if good), default=0.0)

    def is_well(self) -> bool:
        """Whether every line is fresh and nearly all of its values are Good."""
        now = time.time()
        return all(
            now - newest < self.FRESH_S and good >= 0.9 * count
            for newest, good, count in self._lines()
        )

    def _lines(self) -> list[tuple[float, int, int]]:
        """Of each line: its youngest source time, how many values are Good, how many there are."""
        found: dict[str, list[Seen]] = {}
        with self._lock:
            for topic, seen in self._seen.items():
                found.setdefault("/".join(topic.split("/")[:4]), []).append(seen)
        return [
            (max(seen.source_s for seen in line), sum(seen.is_good for seen in line), len(line))
            for line in found.values()
        ]

    def close(self) -> None:
        """Disconnect and end the network thread."""
        self.client.disconnect()
        self.client.loop_stop()
