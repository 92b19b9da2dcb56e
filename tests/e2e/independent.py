"""A second opinion on our Sparkplug bytes: a decoder built from the published .proto text.

Nothing of `uns` is used. The few forms that the file holds (messages, nested messages, oneof,
scalar and message fields, extensions) are read by hand into a protobuf descriptor.
"""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["IndependentHost", "as_float32", "golden", "payload_class"]

SHARED = Path(__file__).parents[2].parent / "shared" / "research"
PROTO = SHARED / "sparkplug_spb.proto"
GOLDEN = SHARED / "sparkplug_golden.json"

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "double": _Field.TYPE_DOUBLE,
    "float": _Field.TYPE_FLOAT,
    "uint64": _Field.TYPE_UINT64,
    "uint32": _Field.TYPE_UINT32,
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}
_TOKEN = re.compile(r"\"[^\"]*\"|[\w.]+|[{}=;,]")


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL))


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self.file = descriptor_pb2.FileDescriptorProto(name="independent.proto", syntax="proto2")

    def take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def skip_statement(self) -> None:
        while self.take() != ";":
            pass

    def read(self) -> descriptor_pb2.FileDescriptorProto:
        while self._at < len(self._tokens):
            word = self.take()
            if word == "message":
                self.message(self.file.message_type.add(name=self.take()))
            elif word == "package":
                self.file.package = self.take()
                self.take()
            elif word != ";":
                self.skip_statement()
        return self.file

    def message(self, message: descriptor_pb2.DescriptorProto) -> None:
        assert self.take() == "{"
        while (word := self.take()) != "}":
            if word == "message":
                self.message(message.nested_type.add(name=self.take()))
            elif word == "oneof":
                message.oneof_decl.add(name=self.take())
                assert self.take() == "{"
                while (kind := self.take()) != "}":
                    self.field(message, "optional", kind, len(message.oneof_decl) - 1)
            elif word in ("optional", "repeated", "required"):
                self.field(message, word, self.take(), None)
            elif word != ";":
                self.skip_statement()

    def field(
        self,
        message: descriptor_pb2.DescriptorProto,
        label: str,
        kind: str,
        oneof: int | None,
    ) -> None:
        name, equals, number = self.take(), self.take(), self.take()
        assert equals == "="
        self.skip_statement()
        field = message.field.add(name=name, number=int(number))
        field.label = _Field.LABEL_REPEATED if label == "repeated" else _Field.LABEL_OPTIONAL
        if kind in _SCALARS:
            field.type = _SCALARS[kind]
        else:
            field.type = _Field.TYPE_MESSAGE
            field.type_name = kind  # resolved by scope: relative names are legal in descriptors
        if oneof is not None:
            field.oneof_index = oneof


def payload_class() -> Any:
    """The Payload message class, from the .proto text alone."""
    file = _Reader(PROTO.read_text()).read()
    names = {m.name: f".{file.package}.{m.name}" for m in file.message_type}
    for message in file.message_type:
        _resolve(message, names, f".{file.package}.{message.name}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.Payload"))


def _resolve(message: Any, names: dict[str, str], own: str) -> None:
    inner = names | {nested.name: f"{own}.{nested.name}" for nested in message.nested_type}
    for nested in message.nested_type:
        inner |= {
            f"{nested.name}.{deep.name}": f"{own}.{nested.name}.{deep.name}"
            for deep in nested.nested_type
        }
    for field in message.field:
        if field.type == _Field.TYPE_MESSAGE:
            field.type_name = inner[field.type_name]
    for nested in message.nested_type:
        _resolve(nested, inner, f"{own}.{nested.name}")


_SIGNED_BITS = {1: 8, 2: 16, 3: 32, 4: 64, 13: 64}


class IndependentHost:
    """Aliases and last values of everything published, decoded with nothing of ours.

    `values` maps the `uns` property of a metric to (value, quality); quality is Sparkplug's.
    """

    def __init__(self) -> None:
        self._payload = payload_class()
        self._tables: dict[str, dict[int, tuple[str, int]]] = {}
        self.values: dict[str, tuple[Any, int]] = {}
        self.messages: dict[str, int] = {}

    def received(self, topic: str, data: bytes) -> None:
        """Take one message of spBv1.0/#."""
        _, group, kind, *rest = topic.split("/")
        if group == "STATE" or kind not in ("NBIRTH", "DBIRTH", "NDATA", "DDATA"):
            return
        self.messages[kind] = self.messages.get(kind, 0) + 1
        payload = self._payload.FromString(data)
        table = self._tables.setdefault(f"{group}/{rest[0]}", {})
        if kind == "NBIRTH":
            table.clear()
        for metric in payload.metrics:
            if kind.endswith("BIRTH") and metric.HasField("alias"):
                topics = dict(zip(metric.properties.keys, metric.properties.values, strict=True))
                if "uns" in topics:
                    table[metric.alias] = (topics["uns"].string_value, metric.datatype)
            if metric.alias in table and not metric.is_historical:
                place, datatype = table[metric.alias]
                self.values[place] = (self._value(metric, datatype), self._quality(metric))

    @staticmethod
    def _value(metric: Any, datatype: int) -> Any:
        which = metric.WhichOneof("value")
        if which is None or metric.is_null:
            return None
        value = getattr(metric, which)
        if bits := _SIGNED_BITS.get(datatype):
            value &= (1 << bits) - 1
            return value - (1 << bits) if value >> (bits - 1) else value
        return value

    @staticmethod
    def _quality(metric: Any) -> int:
        found = dict(zip(metric.properties.keys, metric.properties.values, strict=True))
        return found["Quality"].int_value if "Quality" in found else 192


def golden() -> dict[str, Any]:
    """The published vectors: name → {dt, val, hex}."""
    vectors: dict[str, Any] = json.loads(GOLDEN.read_text())
    return vectors


def as_float32(value: float) -> float:
    """`value` as a 32-bit float holds it."""
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded
