"""An edge node with one device, a boiler, over paho-mqtt: python edge_node.py [host] [port].

`EdgeNode` knows Sparkplug and no sockets; this program is its shell. It owns the loop that
connects again, because a client that reconnects by itself would register the old will.
"""
# ruff: noqa: INP001, T201  # a program to be copied: it belongs to no package, and prints

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from paho.mqtt import client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from uns.message import Message
from uns.metric import DataType, Quality, Reading
from uns.sparkplug import Command, EdgeNode, Leave, MetricDefinition, NodeId, Problem

NODE = NodeId("plant", "boiler-house")
BD_SEQ = Path("bd_seq")  # counts our connections; it must outlive the program
WITH_WILL = ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message")

boiler = {"temperature": 70.0, "setpoint": 70.0}  # stands for what a real program reads
said: dict[str, float] = {}
edge = EdgeNode(
    NODE,
    {
        "boiler": [
            MetricDefinition("temperature", DataType.DOUBLE, {"engUnit": "Cel"}),
            MetricDefinition("setpoint", DataType.DOUBLE, {"engUnit": "Cel"}),
        ]
    },
    bd_seq=int(BD_SEQ.read_text()) if BD_SEQ.exists() else 0,
)


def now_ms() -> int:
    """Milliseconds since 1970 UTC; `EdgeNode` has no clock of its own."""
    return time.time_ns() // 1_000_000


def changes() -> list[Reading]:
    """What has changed since it was said last: (alias, value, quality, time)."""
    boiler["temperature"] = round(boiler["setpoint"] + math.sin(time.time()), 1)
    new = {name: value for name, value in boiler.items() if said.get(name) != value}
    said.update(new)
    at_ms = now_ms()
    return [
        (edge.alias_of("boiler", name), value, Quality.GOOD, at_ms) for name, value in new.items()
    ]


def session(host: str, port: int) -> None:
    """One connection with the broker, from the CONNECT until it is lost."""
    arrived: list[Message] = []
    granted: list[object] = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, str(NODE), protocol=mqtt.MQTTv5)
    client.on_message = lambda _client, _userdata, m: arrived.append(
        Message(m.topic, bytes(m.payload), m.qos, m.retain)
    )
    client.on_subscribe = lambda *_: granted.append(None)
    will = edge.will()
    client.will_set(will.topic, will.payload, will.qos, will.retain)
    BD_SEQ.write_text(str(edge.next_bd_seq))
    try:
        client.connect(host, port, keepalive=10, clean_start=True)
    except OSError:
        edge.connect_failed()
        raise
    edge.advance()
    try:
        wait_for(client, client.is_connected)
        client.subscribe(edge.subscriptions())
        wait_for(client, lambda: bool(granted))
        carry_out(client, edge.connected(now_ms()))
        while client.loop(0.5) == mqtt.MQTT_ERR_SUCCESS:
            while arrived:
                carry_out(client, edge.received(arrived.pop(0), now_ms()))
            carry_out(client, edge.tick(now_ms()))
            carry_out(client, edge.observed("boiler", changes(), now_ms()))
    except KeyboardInterrupt:
        carry_out(client, edge.stopping(now_ms()))
        client.disconnect(WITH_WILL)
        raise
    finally:
        edge.disconnected()


def carry_out(client: mqtt.Client, effects: Sequence[Message | Command | Problem | Leave]) -> None:
    """Do what the edge node asks for, in its order."""
    for effect in effects:
        match effect:
            case Message(topic, payload, qos, retain):
                sent = client.publish(topic, payload, qos, retain)
                if sent.rc != mqtt.MQTT_ERR_SUCCESS:  # a hole in seq: begin anew instead
                    raise ConnectionError(mqtt.error_string(sent.rc))
                wait_for(client, sent.is_published)
            case Command(name="setpoint", value=value):
                boiler["setpoint"] = value
            case Command() | Problem():
                print("refused:", effect)
            case Leave():
                client.disconnect(WITH_WILL)


def wait_for(client: mqtt.Client, condition: Callable[[], bool]) -> None:
    """Let the client work until something is so; raises OSError where it never will be."""
    deadline = time.monotonic() + 10
    while not condition():
        if client.loop(0.1) != mqtt.MQTT_ERR_SUCCESS or time.monotonic() > deadline:
            raise ConnectionError("the broker is gone, or does not answer")


def main(host: str = "127.0.0.1", port: str = "1883") -> None:
    """Stay connected until Ctrl-C."""
    edge.device_up("boiler", now_ms())
    while True:
        try:
            session(host, int(port))
        except OSError as error:
            print("no broker:", error)
        time.sleep(1)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        print("left")
