"""What a payload is made of: metrics, their properties, data sets and templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from uns.metric import DataType, Value
from uns.sparkplug.extensions import Extension

__all__ = [
    "DataSet",
    "MetaData",
    "Metric",
    "MetricValue",
    "Parameter",
    "Property",
    "PropertySet",
    "Template",
]


_LABEL = 200  # characters of a name in a sentence


@dataclass(frozen=True, slots=True)
class MetaData:
    """What a sender says of a Bytes or File value; None where it says nothing."""

    is_multi_part: bool | None = None
    content_type: str | None = None
    size: int | None = None
    seq: int | None = None
    file_name: str | None = None
    file_type: str | None = None
    md5: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Property:
    """One property of a metric.

    The value of a PropertySet is a mapping, that of a PropertySetList a tuple of mappings.
    """

    datatype: DataType
    value: Any = None


PropertySet: TypeAlias = Mapping[str, Property]


@dataclass(frozen=True, slots=True)
class DataSet:
    """A small table; `types` are basic datatypes, one for each column."""

    columns: tuple[str, ...]
    types: tuple[DataType, ...]
    rows: tuple[tuple[Value, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a template: a basic datatype and a value."""

    name: str
    datatype: DataType
    value: Value = None


@dataclass(frozen=True, slots=True)
class Template:
    """A structured type or, where `is_definition` is False, one instance of it.

    `reference` names the definition's metric and stands on instances only. None in
    `is_definition` means that the sender left it out, which the specification forbids.
    """

    metrics: tuple[Metric, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    version: str | None = None
    reference: str | None = None
    is_definition: bool | None = False


MetricValue: TypeAlias = Value | tuple[Any, ...] | DataSet | Template


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a payload; arrays are tuples, DateTimes milliseconds since 1970 UTC.

    In data messages name and datatype are usually absent and the alias says which metric it
    is. A `value` of None travels as `is_null`. `problem` is what was wrong on arrival: the
    value is None then, and it is not known what the sender meant. `extensions` are fields of
    others' making, which `decode` found and `encode` writes back.
    """

    name: str | None = None
    value: MetricValue = None
    datatype: DataType = DataType.UNKNOWN
    alias: int | None = None
    timestamp_ms: int | None = None
    is_historical: bool = False
    is_transient: bool = False
    properties: PropertySet = field(default_factory=dict)
    metadata: MetaData | None = None
    problem: str = ""
    extensions: tuple[Extension, ...] = ()

    @property
    def label(self) -> str:
        """What people call it: its name, or its alias where it has none. A long one is cut."""
        if self.name is None:
            return f"alias {self.alias}"
        return self.name if len(self.name) <= _LABEL else self.name[: _LABEL - 1] + "…"
