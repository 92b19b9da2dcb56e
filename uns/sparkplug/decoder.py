"""From protobuf messages to metrics, one by one: what is wrong with one never costs another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from uns.metric import DataType
from uns.sparkplug.datatypes import from_wire, text_of
from uns.sparkplug.metrics import DataSet, MetaData, Metric, Parameter, Property, Template

__all__ = ["Known", "metric_from", "properties_from"]

# What births said of the datatypes, by alias (int) and by name (str).
Known: TypeAlias = Mapping[Any, DataType]

_METADATA = tuple(MetaData.__dataclass_fields__)
_BY_CODE = {int(datatype): datatype for datatype in DataType}
_UNTYPED = ("dataset_value", "template_value")


def metric_from(message: Any, known: Known, depth: int) -> Metric:
    """One metric as its sender meant it; `problem` is set where that cannot be known.

    The datatype is the metric's own or, absent there, what `known` says for its alias or name.
    """
    problems: list[str] = []
    name = _optional_text(message, "name", problems)
    alias = message.alias if message.HasField("alias") else None
    datatype = _datatype(message, known, alias, name, problems)
    value = None if problems else _value(message, datatype, depth, problems)
    return Metric(
        name=name,
        value=value,
        datatype=datatype,
        alias=alias,
        timestamp_ms=message.timestamp if message.HasField("timestamp") else None,
        is_historical=message.is_historical,
        is_transient=message.is_transient,
        properties=properties_from(message.properties, problems),
        metadata=_metadata(message, problems),
        problem="; ".join(problems),
    )


def _optional_text(message: Any, field: str, problems: list[str]) -> str | None:
    if not message.HasField(field):
        return None
    try:
        return text_of(getattr(message, field))
    except ValueError as error:
        problems.append(f"{field}: {error}")
        return None


def _datatype(
    message: Any, known: Known, alias: int | None, name: str | None, problems: list[str]
) -> DataType:
    """tck-id-payloads-metric-datatype-not-req: data messages leave the datatype to the birth."""
    if not message.HasField("datatype"):
        datatype = known.get(alias) if alias is not None else None
        if datatype is None and name is not None:
            datatype = known.get(name)
        return datatype or DataType.UNKNOWN
    found = _BY_CODE.get(message.datatype)
    if found is None:
        problems.append(f"{message.datatype} is no datatype")
    return found or DataType.UNKNOWN


def _value(message: Any, datatype: DataType, depth: int, problems: list[str]) -> Any:
    if message.is_null:
        return None
    field = message.WhichOneof("value")
    if field is None:
        problems.append("it has neither a value nor is_null")
        return None
    return _field_value(datatype, field, getattr(message, field), depth, problems)


def _field_value(datatype: DataType, field: str, raw: Any, depth: int, problems: list[str]) -> Any:
    """The value of any datatype; of an unknown one, what the field holds."""
    try:
        if field == "dataset_value" and datatype in (DataType.DATASET, DataType.UNKNOWN):
            return _dataset(raw)
        if field == "template_value" and datatype in (DataType.TEMPLATE, DataType.UNKNOWN):
            return _template(raw, depth - 1, problems)
        if datatype is DataType.UNKNOWN:
            return text_of(raw) if field == "string_value" else raw
        return from_wire(datatype, field, raw)
    except ValueError as error:
        problems.append(str(error))
        return None


def _cells(elements: Iterable[Any], types: tuple[DataType, ...]) -> tuple[Any, ...]:
    """One row; a cell without a value is empty (the specification has no null here)."""
    cells = []
    for element, datatype in zip(elements, types, strict=True):
        field = element.WhichOneof("value")
        cells.append(field and from_wire(datatype, field, getattr(element, field)))
    return tuple(cells)


def _dataset(message: Any) -> DataSet:
    """A data set; raises ValueError where columns, types and rows do not go together."""
    types = tuple(_basic(code) for code in message.types)
    columns = tuple(text_of(column) for column in message.columns)
    # tck-id-payloads-dataset-types-num
    if len(types) != len(columns):
        raise ValueError(f"a DataSet has {len(columns)} columns and {len(types)} types")
    for place, row in enumerate(message.rows):
        if len(row.elements) != len(types):
            raise ValueError(f"row {place} of a DataSet has {len(row.elements)} cells")
    return DataSet(columns, types, tuple(_cells(row.elements, types) for row in message.rows))


def _basic(code: int) -> DataType:
    datatype = _BY_CODE.get(code)
    if datatype is None:
        raise ValueError(f"{code} is no datatype of a column or parameter")
    return datatype


def _template(message: Any, depth: int, problems: list[str]) -> Template:
    """A template; members keep their own problems, which are named again for the whole."""
    if depth < 0:
        raise ValueError("templates are nested too deeply")
    members = tuple(metric_from(member, {}, depth) for member in message.metrics)
    problems.extend(f"member {m.label}: {m.problem}" for m in members if m.problem)
    return Template(
        metrics=members,
        parameters=tuple(_parameter(parameter) for parameter in message.parameters),
        version=text_of(message.version) if message.HasField("version") else None,
        # Tahu Java writes an empty reference where there is none.
        reference=text_of(message.template_ref) or None,
        is_definition=message.is_definition if message.HasField("is_definition") else None,
    )


def _parameter(message: Any) -> Parameter:
    datatype, field = _basic(message.type), message.WhichOneof("value")
    value = field and from_wire(datatype, field, getattr(message, field))
    return Parameter(text_of(message.name), datatype, value)


def _metadata(message: Any, problems: list[str]) -> MetaData | None:
    if not message.HasField("metadata"):
        return None
    said = message.metadata
    values = {name: getattr(said, name) for name in _METADATA if said.HasField(name)}
    if any(isinstance(value, bytes) for value in values.values()):
        problems.append("its metadata is not UTF-8")
        return None
    return MetaData(**values)


def properties_from(message: Any, problems: list[str]) -> dict[str, Property]:
    """A property set; a property that cannot be read is left out and named in `problems`."""
    # tck-id-payloads-propertyset-keys-array-size
    if len(message.keys) != len(message.values):
        problems.append(f"{len(message.keys)} property keys have {len(message.values)} values")
    properties = {}
    for key, value in zip(message.keys, message.values, strict=False):
        try:
            properties[text_of(key)] = _property(value, problems)
        except ValueError as error:
            problems.append(f"property {key!r}: {error}")
    return properties


def _property(message: Any, problems: list[str]) -> Property:
    field = message.WhichOneof("value")
    datatype = _BY_CODE.get(message.type, DataType.UNKNOWN)
    if message.is_null or field is None:
        return Property(datatype)
    raw = getattr(message, field)
    if field == "propertyset_value":
        return Property(DataType.PROPERTY_SET, properties_from(raw, problems))
    if field == "propertysets_value":
        sets = tuple(properties_from(one, problems) for one in raw.propertyset)
        return Property(DataType.PROPERTY_SET_LIST, sets)
    if datatype is DataType.UNKNOWN:
        return Property(datatype, raw)
    return Property(datatype, from_wire(datatype, field, raw))
