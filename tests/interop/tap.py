"""A tap at the broker for the monitor: CONNECT, SUBSCRIBE and DISCONNECT as Wireshark saw them."""

from __future__ import annotations

from collections.abc import Sequence

from tshark import Packet

from uns.message import Message
from uns.sparkplug.monitor import Connect, Monitor, Report

__all__ = ["graded"]

_SESSION_EXPIRY = "0x11"
_TICK_MS, _AFTER_MS = 200, 10_000


def graded(packets: Sequence[Packet]) -> Report:
    """What the monitor says of everybody in a capture."""
    return _Tap().run(packets)


class _Tap:
    def __init__(self) -> None:
        self._monitor = Monitor()
        self._wills: dict[str, Message] = {}  # by client
        self._now_ms = 0

    def run(self, packets: Sequence[Packet]) -> Report:
        actions = {
            "CONNECT": self._connected,
            "SUBSCRIBE": self._subscribed,
            "PUBLISH": self._published,
            "DISCONNECT": self._disconnected,
        }
        for packet in packets:
            self._pass_time(packet.at_ms)
            if packet.kind in actions and packet.is_from_client:
                actions[packet.kind](packet)
            elif packet.kind == "PUBLISH":
                self._delivered(packet)
        self._pass_time(self._now_ms + _AFTER_MS)
        return self._monitor.report()

    def _pass_time(self, now_ms: int) -> None:
        self._now_ms = self._now_ms or now_ms
        while self._now_ms + _TICK_MS < now_ms:
            self._now_ms += _TICK_MS
            self._monitor.tick(self._now_ms)
        self._now_ms = now_ms

    def _connected(self, packet: Packet) -> None:
        will = None
        if topic := packet.get("willtopic"):
            flags = int(packet.get("conflag.qos")), packet.get("conflag.retain") == "1"
            will = self._wills[_client(packet)] = Message(topic, packet.octets("willmsg"), *flags)
        connect = Connect(
            protocol=int(packet.get("ver")),
            is_clean=packet.get("conflag.cleansess") == "1",
            expiry_s=int(packet.property_value(_SESSION_EXPIRY) or 0),
            will=will,
        )
        self._monitor.connected(_client(packet), connect, packet.at_ms)

    def _subscribed(self, packet: Packet) -> None:
        qos = packet.all("subscription_options_qos") or packet.all("sub.qos")  # MQTT 5, 3.1.1
        filters = zip(packet.all("topic"), map(int, qos), strict=True)
        self._monitor.subscribed(_client(packet), list(filters), packet.at_ms)

    def _published(self, packet: Packet) -> None:
        self._monitor.published(_message(packet), packet.at_ms, client=_client(packet))

    def _disconnected(self, packet: Packet) -> None:
        reason = int(packet.get("disconnect.reason_code") or 0)
        self._monitor.disconnected(_client(packet), packet.at_ms, reason=reason)
        if not reason:  # MQTT 5.0 §3.14.2.1: the broker forgets the will
            self._wills.pop(_client(packet), None)

    def _delivered(self, packet: Packet) -> None:
        """A will that the broker publishes is seen only on its way to those who subscribed."""
        message = _message(packet)
        for client, will in self._wills.items():
            if (will.topic, will.payload) == (message.topic, message.payload):
                self._monitor.disconnected(client, packet.at_ms, reason=None)
                self._monitor.published(will, packet.at_ms)
                del self._wills[client]
                return


def _client(packet: Packet) -> str:
    return f"tcp stream {packet.stream}"


def _message(packet: Packet) -> Message:
    return Message(
        packet.topic, packet.octets("msg"), int(packet.get("qos")), packet.get("retain") == "1"
    )
