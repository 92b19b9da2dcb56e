"""From metrics to protobuf messages: anything Sparkplug can say, by the specification."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from uns.metric import DataType
from uns.sparkplug.arrays import is_array, pack
from uns.sparkplug.datatypes import FIELDS, mask_of
from uns.sparkplug.metrics import DataSet, MetaData, Metric, Property, Template
from uns.sparkplug.profile import SPEC, SmallSigned, WireProfile

__all__ = ["SMALL", "fill_metadata", "fill_metric", "fill_properties"]


# What cuts a small negative number to its own width.
SMALL = {DataType.INT8: 0xFF, DataType.INT16: 0xFFFF}


def fill_metric(message: Any, metric: Metric, profile: WireProfile, *, datatypes: bool) -> None:
    """Write a metric into an empty protobuf message; raises ValueError where its value does not fit."""
    if metric.name is not None:
        message.name = metric.name
    if metric.alias is not None:
        message.alias = metric.alias
    if metric.timestamp_ms is not None:
        message.timestamp = metric.timestamp_ms
    if datatypes and metric.datatype is not DataType.UNKNOWN:
        message.datatype = metric.datatype
    if metric.is_historical:
        message.is_historical = True
    if metric.is_transient:
        message.is_transient = True
    if metric.metadata is not None:
        fill_metadata(message.metadata, metric.metadata)
    if metric.properties:
        fill_properties(message.properties, metric.properties, profile)
    if metric.value is None:
        message.is_null = True
        return
    _fill_value(message, metric.datatype, metric.value, profile)


def _fill_value(message: Any, datatype: DataType, value: Any, profile: WireProfile) -> None:
    if isinstance(value, DataSet):
        _fill_dataset(message.dataset_value, value, profile)
        return
    if isinstance(value, Template):
        _fill_template(message.template_value, value, profile)
        return
    field, raw = _to_wire(datatype, value, profile)
    try:
        setattr(message, field, raw)
    except (TypeError, UnicodeError, ValueError) as error:
        raise ValueError(f"{value!r} is no {datatype.label}: {error}") from None


def _to_wire(datatype: DataType, value: Any, profile: WireProfile) -> tuple[str, Any]:
    field = FIELDS.get(datatype)
    if field is None:
        raise ValueError(f"a metric of datatype {datatype.label} cannot carry {value!r}")
    if is_array(datatype):
        try:
            return field, pack(datatype, value)
        except (struct.error, TypeError, UnicodeError) as error:
            raise ValueError(f"{value!r} is no {datatype.label}: {error}") from None
    if datatype is DataType.UINT32:
        field = str(profile.uint32)
    limits = datatype.limits
    if limits is not None and not (isinstance(value, int) and limits[0] <= value <= limits[1]):
        raise ValueError(f"{value!r} is no {datatype.label}")
    if field in ("int_value", "long_value") and isinstance(value, int):
        mask = mask_of(datatype)
        if profile.small_signed is SmallSigned.TRUNCATE:
            mask = SMALL.get(datatype, mask)
        return field, value & mask
    return field, value


def fill_metadata(message: Any, metadata: MetaData) -> None:
    """Write what is known of a Bytes or File value."""
    for name in MetaData.__dataclass_fields__:
        value = getattr(metadata, name)
        if value is not None:
            setattr(message, name, value)


def fill_properties(
    message: Any, properties: Mapping[str, Property], profile: WireProfile = SPEC
) -> None:
    """Write a property set; keys and values stay of equal number."""
    for key, entry in properties.items():
        message.keys.append(key)
        value = message.values.add(type=entry.datatype)
        if entry.value is None:
            value.is_null = True
        elif entry.datatype is DataType.PROPERTY_SET:
            value.propertyset_value.SetInParent()
            fill_properties(value.propertyset_value, entry.value, profile)
        elif entry.datatype is DataType.PROPERTY_SET_LIST:
            value.propertysets_value.SetInParent()
            for one in entry.value:
                fill_properties(value.propertysets_value.propertyset.add(), one, profile)
        else:
            _fill_value(value, entry.datatype, entry.value, profile)


def _fill_dataset(message: Any, dataset: DataSet, profile: WireProfile) -> None:
    """tck-id-payloads-dataset-column-size: the number of columns is said, also when it is 0."""
    message.num_of_columns = len(dataset.columns)
    message.columns.extend(dataset.columns)
    message.types.extend(int(datatype) for datatype in dataset.types)
    for row in dataset.rows:
        elements = message.rows.add().elements
        for datatype, value in zip(dataset.types, row, strict=True):
            cell = elements.add()
            if value is not None:
                _fill_value(cell, datatype, value, profile)


def _fill_template(message: Any, template: Template, profile: WireProfile) -> None:
    """Members keep their datatypes and names, also in data messages: aliases are births' words."""
    message.SetInParent()
    if template.version is not None:
        message.version = template.version
    for metric in template.metrics:
        fill_metric(message.metrics.add(), metric, profile, datatypes=True)
    for parameter in template.parameters:
        entry = message.parameters.add(name=parameter.name, type=parameter.datatype)
        if parameter.value is not None:
            _fill_value(entry, parameter.datatype, parameter.value, profile)
    if template.reference is not None:
        message.template_ref = template.reference
    if template.is_definition is not None:
        message.is_definition = template.is_definition
