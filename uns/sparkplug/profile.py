"""Wire profile: how our payloads are written for peers that read the standard differently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = [
    "IGNITION",
    "NODE_RED",
    "PROFILES",
    "SPEC",
    "Compression",
    "DataNames",
    "SmallSigned",
    "UInt32Field",
    "WireProfile",
]


class UInt32Field(StrEnum):
    """Which field carries a UInt32: the specification's, or the one that older peers read."""

    INT = "int_value"
    LONG = "long_value"  # Tahu Java's, sparkplug-payload's (so Node-RED's), older Ignition's


class SmallSigned(StrEnum):
    """How a negative Int8 or Int16 fills the 32 bits of its field."""

    EXTEND = "extend"
    TRUNCATE = "truncate"  # Tahu Python's; the only form that pysparkplug reads


class DataNames(StrEnum):
    """What says in a data message which metric is meant.

    With NAME births give no aliases at all: tck-id-payloads-alias-data-cmd-requirement forbids
    names in the data of metrics that have one. BOTH breaks it, for peers that want both.
    """

    ALIAS = "alias"
    NAME = "name"
    BOTH = "both"


class Compression(StrEnum):
    """How the inner payload is packed. DEFLATE is RFC 1950, as java.util.zip writes it."""

    DEFLATE = "DEFLATE"
    GZIP = "GZIP"


@dataclass(frozen=True, slots=True)
class WireProfile:
    """What a peer expects where Sparkplug's peers disagree.

    `compress` packs births and data into the envelope of Tahu's tools, which is a habit and no
    part of the standard.
    """

    uint32: UInt32Field = UInt32Field.INT
    small_signed: SmallSigned = SmallSigned.EXTEND
    data_names: DataNames = DataNames.ALIAS
    data_datatype: bool = False
    compress: Compression | None = None


SPEC = WireProfile()
# Tahu Java stands below it: reads aliases and both integer fields, older ones UInt32 as a long.
IGNITION = WireProfile(uint32=UInt32Field.LONG)
# npm's sparkplug-payload stands below it: it knows no aliases, drops a value that comes without
# its datatype, and reads UInt32 from the long field only.
NODE_RED = WireProfile(uint32=UInt32Field.LONG, data_names=DataNames.NAME, data_datatype=True)

PROFILES: Mapping[str, WireProfile] = MappingProxyType(
    {"spec": SPEC, "ignition": IGNITION, "node_red": NODE_RED}
)
