"""The protobuf messages of a Sparkplug payload, built from a table when first imported.

No generated code: nothing to regenerate and no clash between protoc's version and the
runtime's. Field numbers are the specification's (Sparkplug 3.0 §6.4). The classes are upb's.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = [
    "MetaDataMessage",
    "MetricMessage",
    "PayloadMessage",
    "PlainPayloadMessage",
    "PropertySetMessage",
]

_PACKAGE = "uns.sparkplug"
_SCALARS = {"double": 1, "float": 2, "u64": 4, "bool": 8, "text": 9, "bytes": 12, "u32": 13}
_MESSAGE, _OPTIONAL, _REPEATED = 11, 1, 3  # descriptor.proto: TYPE_MESSAGE, LABEL_*

# What stands after `|` is the message's `oneof value`; `*` marks a repeated field.
_TABLE = {
    "MetaData": "is_multi_part bool 1, content_type text 2, size u64 3, seq u64 4,"
    "file_name text 5, file_type text 6, md5 text 7, description text 8",
    "PropertySet": "keys *text 1, values *PropertyValue 2",
    "PropertySetList": "propertyset *PropertySet 1",
    "PropertyValue": "type u32 1, is_null bool 2 | int_value u32 3, long_value u64 4,"
    "float_value float 5, double_value double 6, boolean_value bool 7, string_value text 8,"
    "propertyset_value PropertySet 9, propertysets_value PropertySetList 10",
    "DataSet": "num_of_columns u64 1, columns *text 2, types *u32 3, rows *Row 4",
    "Row": "elements *DataSetValue 1",
    "DataSetValue": "| int_value u32 1, long_value u64 2, float_value float 3,"
    "double_value double 4, boolean_value bool 5, string_value text 6",
    "Template": "version text 1, metrics *Metric 2, parameters *Parameter 3,"
    "template_ref text 4, is_definition bool 5",
    "Parameter": "name text 1, type u32 2 | int_value u32 3, long_value u64 4,"
    "float_value float 5, double_value double 6, boolean_value bool 7, string_value text 8",
    "Metric": "name text 1, alias u64 2, timestamp u64 3, datatype u32 4, is_historical bool 5,"
    "is_transient bool 6, is_null bool 7, metadata MetaData 8, properties PropertySet 9"
    "| int_value u32 10, long_value u64 11, float_value float 12, double_value double 13,"
    "boolean_value bool 14, string_value text 15, bytes_value bytes 16,"
    "dataset_value DataSet 17, template_value Template 18",
    "Payload": "timestamp u64 1, metrics *Metric 2, seq u64 3, uuid text 4, body bytes 5",
    # The same with its metrics left as bytes, for those who read them by their shape.
    "PlainPayload": "timestamp u64 1, metrics *bytes 2, seq u64 3, uuid text 4",
}


def _describe() -> descriptor_pb2.FileDescriptorProto:
    """The table as a protobuf file description."""
    file = descriptor_pb2.FileDescriptorProto(
        name="uns/sparkplug/payload.proto", package=_PACKAGE, syntax="proto2"
    )
    for name, fields in _TABLE.items():
        message = file.message_type.add(name=name)
        plain, _, choice = fields.partition("|")
        _add_fields(message, plain)
        if choice:
            message.oneof_decl.add(name="value")
            _add_fields(message, choice, oneof_index=0)
    return file


def _add_fields(
    message: descriptor_pb2.DescriptorProto, fields: str, oneof_index: int | None = None
) -> None:
    for words in filter(None, (field.split() for field in fields.split(","))):
        name, kind, number = words
        is_repeated, kind = kind.startswith("*"), kind.lstrip("*")
        field = message.field.add(name=name, number=int(number))
        field.label = _REPEATED if is_repeated else _OPTIONAL  # type: ignore[assignment]  # enum
        if kind in _SCALARS:
            field.type = _SCALARS[kind]  # type: ignore[assignment]  # an enum's number
        else:
            field.type = _MESSAGE  # type: ignore[assignment]  # an enum's number
            field.type_name = f".{_PACKAGE}.{kind}"
        if oneof_index is not None:
            field.oneof_index = oneof_index


def _classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(_describe().SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _TABLE
    }


_CLASSES = _classes()
PayloadMessage: Any = _CLASSES["Payload"]
MetaDataMessage: Any = _CLASSES["MetaData"]
MetricMessage: Any = _CLASSES["Metric"]
PlainPayloadMessage: Any = _CLASSES["PlainPayload"]
PropertySetMessage: Any = _CLASSES["PropertySet"]
