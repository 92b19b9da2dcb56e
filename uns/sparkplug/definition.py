"""What an edge node promises in its births: its metrics, their types and properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from uns.metric import DataType, Value
from uns.sparkplug.metrics import MetaData

__all__ = ["MetricDefinition"]


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """One metric of a device, as its births define it.

    `properties` are plain: `uns` (full topic), `engUnit`, `engLow`, `engHigh`, `schema` and
    whatever else consumers should know. Values of a `is_transient` metric are shown and not
    stored. `template` names the definition's metric where the datatype is Template, `metadata`
    describes the bytes of a File.
    """

    name: str
    datatype: DataType
    properties: Mapping[str, Value] = field(default_factory=dict)
    is_transient: bool = False
    template: str = ""
    metadata: MetaData | None = None
