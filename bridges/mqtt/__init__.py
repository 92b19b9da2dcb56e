"""MQTT: foreign brokers, with JSON, plain values or Sparkplug.

address    where a value is: a topic and a path, or a Sparkplug metric
config     the words of `connection:`
payload    what a payload says: value, time, quality
topics     from topics to tags
metrics    from Sparkplug metrics to tags
watch      topics that nobody reads
link       a session with the broker
driver     the driver itself
"""

from __future__ import annotations

from bridges.mqtt.address import MetricAddress, MqttAddress, TopicAddress
from bridges.mqtt.config import MqttConfig
from bridges.mqtt.driver import MqttDriver
from bridges.mqtt.watch import captured

__all__ = [
    "MetricAddress",
    "MqttAddress",
    "MqttConfig",
    "MqttDriver",
    "TopicAddress",
    "captured",
]
