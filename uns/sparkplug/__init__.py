"""Sparkplug B 3.0 without a socket: codec, edge node, host application."""

from __future__ import annotations

from uns.sparkplug.aliases import first_alias
from uns.sparkplug.definition import MetricDefinition
from uns.sparkplug.edge_node import EdgeNode
from uns.sparkplug.edge_settings import EdgeSettings
from uns.sparkplug.events import (
    Born,
    Changed,
    Command,
    Died,
    Event,
    Leave,
    Problem,
    Publish,
    Reconnect,
    Write,
    WriteOutcome,
    Written,
)
from uns.sparkplug.host import HostApplication, HostSettings
from uns.sparkplug.known_node import NodeSettings
from uns.sparkplug.metrics import DataSet, MetaData, Metric, Parameter, Property, Template
from uns.sparkplug.names import MessageType, NodeId, SparkplugTopic, topic
from uns.sparkplug.payload import Limits, Payload, decode, encode
from uns.sparkplug.profile import (
    IGNITION,
    NODE_RED,
    PROFILES,
    SPEC,
    Compression,
    DataNames,
    SmallSigned,
    UInt32Field,
    WireProfile,
)
from uns.sparkplug.rebirth import Doubt, RebirthSettings
from uns.sparkplug.slot import Slot
from uns.sparkplug.state import HostState

__all__ = [
    "IGNITION",
    "NODE_RED",
    "PROFILES",
    "SPEC",
    "Born",
    "Changed",
    "Command",
    "Compression",
    "DataNames",
    "DataSet",
    "Died",
    "Doubt",
    "EdgeNode",
    "EdgeSettings",
    "Event",
    "HostApplication",
    "HostSettings",
    "HostState",
    "Leave",
    "Limits",
    "MessageType",
    "MetaData",
    "Metric",
    "MetricDefinition",
    "NodeId",
    "NodeSettings",
    "Parameter",
    "Payload",
    "Problem",
    "Property",
    "Publish",
    "RebirthSettings",
    "Reconnect",
    "Slot",
    "SmallSigned",
    "SparkplugTopic",
    "Template",
    "UInt32Field",
    "WireProfile",
    "Write",
    "WriteOutcome",
    "Written",
    "decode",
    "encode",
    "first_alias",
    "topic",
]
