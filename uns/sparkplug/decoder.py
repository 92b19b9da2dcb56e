"""From protobuf messages to metrics, one by one: what is wrong with one never costs another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from uns.metric import DataType
from uns.sparkplug.datatypes import BASIC, from_wire, text_of
from uns.sparkplug.envelope import LIMITS, Limits
from uns.sparkplug.metrics import DataSet, MetaData, Metric, Parameter, Property, Template

__all__ = ["Known", "MetricReader", "metric_from"]

# What births said of the datatypes, by alias (int) and by name (str).
Known: TypeAlias = Mapping[Any, DataType]

_NOTHING: Known = MappingProxyType({})
_METADATA = tuple(MetaData.__dataclass_fields__)
_BY_CODE = {int(datatype): datatype for datatype in DataType}
_COSTS = 4  # what reading a member or row costs, in properties or cells
_MAX_TOLD = 5  # problems of members that are told in words


def metric_from(message: Any, known: Known, depth: int) -> Metric:
    """One metric alone, with templates in templates up to `depth`."""
    return MetricReader(known, Limits(depth=depth)).metric(message)


class MetricReader:
    """Reads the metrics of one payload.

    `known` is what births said. Templates, data sets and properties share the limits: what
    would pass them is a problem of its metric, and those after it are read without their parts.
    """

    __slots__ = ("_depth", "_known", "_parts")

    def __init__(self, known: Known = _NOTHING, limits: Limits = LIMITS) -> None:
        self._known = known
        self._depth = limits.depth
        self._parts = limits.parts

    def metric(self, message: Any) -> Metric:
        """One metric as its sender meant it; `problem` is set where that cannot be known.

        The datatype is the metric's own or, absent there, what is known of its alias or name.
        """
        problems: list[str] = []
        has = message.HasField
        name = _optional_text(message, "name", problems)
        alias = message.alias if has("alias") else None
        datatype = self._datatype(message, alias, name, problems)
        value = None if problems else self._value(message, datatype, problems)
        said = has("properties")
        return Metric(
            name=name,
            value=value,
            datatype=datatype,
            alias=alias,
            timestamp_ms=message.timestamp if has("timestamp") else None,
            is_historical=message.is_historical,
            is_transient=message.is_transient,
            properties=self._properties(message.properties, problems) if said else {},
            metadata=_metadata(message, problems) if has("metadata") else None,
            problem="; ".join(problems),
        )

    def _take(self, parts: int) -> None:
        """Count what is about to be read; raises ValueError past the limit."""
        self._parts -= parts
        if self._parts < 0:
            raise ValueError("the payload has more members, cells and properties than are read")

    def _datatype(
        self, message: Any, alias: int | None, name: str | None, problems: list[str]
    ) -> DataType:
        """tck-id-payloads-metric-datatype-not-req: data messages leave the datatype to the birth."""
        if not message.HasField("datatype"):
            datatype = self._known.get(alias) if alias is not None else None
            if datatype is None and name is not None:
                datatype = self._known.get(name)
            return datatype or DataType.UNKNOWN
        found = _BY_CODE.get(message.datatype)
        if found is None:
            problems.append(f"{message.datatype} is no datatype")
        return found or DataType.UNKNOWN

    def _value(self, message: Any, datatype: DataType, problems: list[str]) -> Any:
        """The value of any datatype; of an unknown one, what the field holds."""
        if message.is_null:
            return None
        field = message.WhichOneof("value")
        if field is None:
            problems.append("it has neither a value nor is_null")
            return None
        raw = getattr(message, field)
        try:
            if field == "dataset_value" and datatype in (DataType.DATASET, DataType.UNKNOWN):
                return self._dataset(raw)
            if field == "template_value" and datatype in (DataType.TEMPLATE, DataType.UNKNOWN):
                return self._template(raw, problems)
            if datatype is DataType.UNKNOWN:
                return text_of(raw) if field == "string_value" else raw
            return from_wire(datatype, field, raw)
        except ValueError as error:
            problems.append(str(error))
            return None

    def _dataset(self, message: Any) -> DataSet:
        """A data set; raises ValueError where columns, types and rows do not go together."""
        # tck-id-payloads-dataset-types-num
        if len(message.types) != len(message.columns):
            raise ValueError(
                f"a DataSet has {len(message.columns)} columns and {len(message.types)} types"
            )
        self._take(len(message.columns) + len(message.rows) * (_COSTS + len(message.columns)))
        types = tuple(_basic(code) for code in message.types)
        for place, row in enumerate(message.rows):
            if len(row.elements) != len(types):
                raise ValueError(f"row {place} of a DataSet has {len(row.elements)} cells")
        rows = tuple(_cells(row.elements, types) for row in message.rows)
        return DataSet(tuple(text_of(column) for column in message.columns), types, rows)

    def _template(self, message: Any, problems: list[str]) -> Template:
        """A template; members keep their own problems, which are named again for the whole."""
        if not self._depth:
            raise ValueError("templates are nested too deeply")
        self._take(_COSTS * (len(message.metrics) + len(message.parameters)))
        self._depth -= 1
        known, self._known = self._known, _NOTHING  # aliases and names in it are its own
        try:
            members = tuple(self.metric(member) for member in message.metrics)
        finally:
            self._depth += 1
            self._known = known
        told = [f"member {m.label}: {m.problem}" for m in members if m.problem]
        problems.extend(told[:_MAX_TOLD])
        if len(told) > _MAX_TOLD:
            problems.append(f"{len(told) - _MAX_TOLD:,} more members have problems")
        return Template(
            metrics=members,
            parameters=tuple(_parameter(parameter) for parameter in message.parameters),
            version=text_of(message.version) if message.HasField("version") else None,
            # Tahu Java writes an empty reference where there is none.
            reference=text_of(message.template_ref) or None,
            is_definition=message.is_definition if message.HasField("is_definition") else None,
        )

    def _properties(self, message: Any, problems: list[str]) -> dict[str, Property]:
        """A property set; a property that cannot be read is left out and named in `problems`."""
        # tck-id-payloads-propertyset-keys-array-size
        if len(message.keys) != len(message.values):
            problems.append(f"{len(message.keys)} property keys have {len(message.values)} values")
        properties = {}
        try:
            self._take(min(len(message.keys), len(message.values)))
        except ValueError as error:
            problems.append(str(error))
            return {}
        for key, value in zip(message.keys, message.values, strict=False):
            try:
                properties[text_of(key)] = self._property(value, problems)
            except ValueError as error:
                problems.append(f"property {key!r}: {error}")
        return properties

    def _property(self, message: Any, problems: list[str]) -> Property:
        field = message.WhichOneof("value")
        datatype = _BY_CODE.get(message.type, DataType.UNKNOWN)
        if message.is_null or field is None:
            return Property(datatype)
        raw = getattr(message, field)
        if field == "propertyset_value":
            return Property(DataType.PROPERTY_SET, self._properties(raw, problems))
        if field == "propertysets_value":
            self._take(len(raw.propertyset))
            sets = tuple(self._properties(one, problems) for one in raw.propertyset)
            return Property(DataType.PROPERTY_SET_LIST, sets)
        if datatype is DataType.UNKNOWN:
            return Property(datatype, raw)
        return Property(datatype, from_wire(datatype, field, raw))


def _optional_text(message: Any, field: str, problems: list[str]) -> str | None:
    if not message.HasField(field):
        return None
    try:
        return text_of(getattr(message, field))
    except ValueError as error:
        problems.append(f"{field}: {error}")
        return None


def _cells(elements: Iterable[Any], types: tuple[DataType, ...]) -> tuple[Any, ...]:
    """One row; a cell without a value is empty (the specification has no null here)."""
    cells = []
    for element, datatype in zip(elements, types, strict=True):
        field = element.WhichOneof("value")
        cells.append(field and from_wire(datatype, field, getattr(element, field)))
    return tuple(cells)


def _basic(code: int) -> DataType:
    """tck-id-payloads-dataset-types-value, tck-id-payloads-template-parameter-type-value."""
    datatype = _BY_CODE.get(code)
    if datatype not in BASIC:
        raise ValueError(f"{code} is no datatype of a column or parameter")
    return datatype


def _parameter(message: Any) -> Parameter:
    datatype, field = _basic(message.type), message.WhichOneof("value")
    value = field and from_wire(datatype, field, getattr(message, field))
    return Parameter(text_of(message.name), datatype, value)


def _metadata(message: Any, problems: list[str]) -> MetaData | None:
    said = message.metadata
    values = {name: getattr(said, name) for name in _METADATA if said.HasField(name)}
    if any(isinstance(value, bytes) for value in values.values()):
        problems.append("its metadata is not UTF-8")
        return None
    return MetaData(**values)
