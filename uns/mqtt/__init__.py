"""MQTT: sessions with a broker, for values by the thousand and for messages that must arrive.

    Broker      where it is and how to log in; parsed from `mqtt://user:pw@host:1883`
    connect     one attempt, for a command that asks once
    sessions    an endless supply of sessions, for a service: reconnects by itself
    Session     subscribe, publish, batches of what arrives

This package is the only one that knows gmqtt, and in it only `control`
(docs/explanation/decisions/0002-gmqtt-behind-one-module.md).
"""

from __future__ import annotations

from uns.mqtt.broker import Broker
from uns.mqtt.connect import connect
from uns.mqtt.reconnect import sessions
from uns.mqtt.session import Session

__all__ = ["Broker", "Session", "connect", "sessions"]
