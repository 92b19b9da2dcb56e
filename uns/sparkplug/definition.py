"""What an edge node promises in its births: its metrics, their types and properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from uns.metric import DataType, Value

__all__ = ["MetricDefinition"]


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """One metric of a device, as its births define it.

    `properties` are plain: `uns` (full topic), `engUnit`, `engLow`, `engHigh`, `schema` and
    whatever else consumers should know.
    """

    name: str
    datatype: DataType
    properties: Mapping[str, Value] = field(default_factory=dict)
