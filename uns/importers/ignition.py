"""Ignition: tags exported as JSON, with their UDT definitions where those are in the file.

After docs.inductiveautomation.com, "Tag Properties" and "UDT Parameters" (8.1): folders,
AtomicTags with `opcItemPath`, UdtTypes below `_types_`, UdtInstances with parameters and
overrides of members.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from uns.importers.found import Device, Found, FoundTag, ImportFileError, Unmapped
from uns.importers.ignition_types import MAX_NESTED, Definitions, filled, merged
from uns.importers.reading import Plant, read_unit, span_of
from uns.metric import DataType

__all__ = ["read"]

_TYPES = {
    "Int1": DataType.INT8, "Int2": DataType.INT16, "Int4": DataType.INT32, "Int8": DataType.INT64,
    "Float4": DataType.FLOAT, "Float8": DataType.DOUBLE, "Boolean": DataType.BOOLEAN,
    "String": DataType.STRING, "Text": DataType.STRING, "DateTime": DataType.DATETIME,
}  # fmt: skip
_SOURCES = {
    "memory": "its value is in Ignition's memory",
    "expr": "it is an expression: write a `calc`",
    "derived": "it is derived from another tag: write a `calc` or a `scale`",
    "reference": "it refers to another tag",
    "db": "it is a query: no driver reads databases yet",
}
_MOST_NODES = 300_000  # types in types multiply; the largest gateways have 200,000 tags
_OWN_SERVER = "Ignition OPC UA Server"
_OWN_PORT = 62541  # of Ignition's own OPC UA server
_LEFT_OUT = {  # what says nothing about the value itself
    "name", "tagType", "tags", "valueSource", "opcServer", "opcItemPath", "dataType", "engUnit",
    "engLow", "engHigh", "documentation", "tooltip", "deadband", "deadbandMode", "scaleMode",
    "rawLow", "rawHigh", "scaledLow", "scaledHigh", "readOnly", "accessRights", "enabled",
    "tagGroup", "value", "historyEnabled", "historyProvider", "formatString", "typeId", "parameters",
    "typeColor", "engLimitMode", "clampMode",
}  # fmt: skip


def read(name: str, raw: bytes, plant: Plant) -> Found:
    """The OPC servers whose tags are in an export, each a device."""
    try:
        root = json.loads(raw.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ImportFileError(
            f"`{name}` is no JSON: {error}", hint="export the tags as JSON, not as XML or CSV"
        ) from None
    if isinstance(root, list):
        root = {"tags": root}
    if not isinstance(root, dict) or not ("tags" in root or "tagType" in root):
        raise ImportFileError(f"`{name}` has no `tags`", hint="is it Ignition's tag export?")
    walk = _Walk(name, plant, Definitions(root))
    top = root if str(root.get("tagType", "")) in ("UdtInstance", "AtomicTag") else None
    try:
        walk.node(top or {**root, "tagType": "Folder"}, (), {}, None, is_root=top is None)
    except (TypeError, ValueError, AttributeError) as error:
        raise ImportFileError(
            f"`{name}` has a word of a wrong kind: {error}", hint="is it Ignition's own export?"
        ) from None
    return walk.found()


class _Walk:
    """One way through an export, from folder to folder."""

    def __init__(self, name: str, plant: Plant, types: Definitions) -> None:
        self._name = name
        self._plant = plant
        self._types = types
        self._tags: dict[str, list[FoundTag]] = {}
        self._connections: dict[str, dict[str, Any]] = {}
        self._unmapped: list[Unmapped] = []
        self._nodes = 0

    def found(self) -> Found:
        """All that was met."""
        devices = []
        for server, tags in self._tags.items():
            port = _OWN_PORT if server == _OWN_SERVER else 4840
            guess = f"the server `{server}` is at port {port}: the file does not say where it is"
            devices.append(
                Device(server, "opcua", self._connections[server], tuple(tags), (guess,))
            )
        return Found(tuple(devices), tuple(self._unmapped))

    def node(
        self,
        node: Mapping[str, Any],
        path: tuple[str, ...],
        parameters: Mapping[str, Any],
        depth: int | None,
        *,
        is_root: bool = False,
    ) -> None:
        """A folder, an instance or a tag; `depth` is where the outermost instance stands."""
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise ImportFileError(
                f"`{self._name}` is more than {_MOST_NODES:,} tags with its types put in",
                hint="export a folder of it",
            )
        name = str(node.get("name", ""))
        if name == "_types_" or node.get("tagType") == "UdtType" or len(path) > MAX_NESTED:
            if len(path) > MAX_NESTED:
                self._lose(path, "it is nested too deep")
            return
        here = path if is_root else (*path, name)
        inner = {**parameters, "PathToParentFolder": "/".join(path), "PathToTag": "/".join(here)}
        match str(node.get("tagType", "Folder")):
            case "UdtInstance":
                self._instance(node, here, inner, depth)
            case "Folder" | "Provider":
                for below in _members(node):
                    self.node(below, here, inner, depth)
            case "AtomicTag":
                self._tag(node, here, {**inner, "TagName": name}, depth)
            case other:
                self._lose(here, f"a `{other}` has no counterpart")

    def _instance(
        self,
        node: Mapping[str, Any],
        here: tuple[str, ...],
        parameters: Mapping[str, Any],
        depth: int | None,
    ) -> None:
        definition = self._types.find(filled(node.get("typeId", ""), parameters))
        if definition is None:
            self._lose(here, f"its type `{node.get('typeId')}` is not in the file: export it too")
            definition = {}
        whole = merged(definition, node)
        own = {
            key: filled(_value(value), parameters)
            for key, value in whole.get("parameters", {}).items()
        }
        inner = {**parameters, **own, "InstanceName": here[-1]}
        if "InstanceName" in parameters:
            inner["ParentInstanceName"] = parameters["InstanceName"]
        for below in _members(whole):
            self.node(below, here, inner, len(here) if depth is None else depth)

    def _tag(
        self,
        node: Mapping[str, Any],
        here: tuple[str, ...],
        parameters: Mapping[str, Any],
        depth: int | None,
    ) -> None:
        words = {key: filled(value, parameters) for key, value in node.items() if key in _LEFT_OUT}
        source = str(words.get("valueSource", "memory"))
        datatype = _TYPES.get(str(words.get("dataType", "Int4")))
        address, server = str(words.get("opcItemPath", "")), str(words.get("opcServer", ""))
        server = server or _OWN_SERVER
        port = _OWN_PORT if server == _OWN_SERVER else None
        if source != "opc":
            self._lose(here, _SOURCES.get(source, f"its value source is `{source}`"))
        elif words.get("enabled") is False:
            self._lose(here, "it is disabled")
        elif datatype is None:
            self._lose(here, f"its type `{words.get('dataType')}` has no counterpart")
        else:
            if server not in self._connections:
                self._connections[server] = self._plant.connection("opcua", port=port)
            connection = self._connections[server]
            if problem := self._plant.problem("opcua", address, connection, datatype):
                self._lose(here, problem)
                return
            origin = f"{self._name}:{'/'.join(here)}"
            tag = replace(_made(words, here, address, datatype), origin=origin, depth=depth)
            self._tags.setdefault(server, []).append(tag)
            for key in sorted(k for k in node if k not in _LEFT_OUT):
                self._lose(here, f"its `{key}` is not mapped")

    def _lose(self, here: tuple[str, ...], why: str) -> None:
        self._unmapped.append(Unmapped(f"{self._name}:{'/'.join(here)}", f"`{here[-1]}`", why))


def _value(parameter: Any) -> Any:
    """A parameter's value: bare, below `value`, or bound to one further out."""
    if isinstance(parameter, Mapping) and "bindType" not in parameter:
        return parameter.get("value")
    return parameter


def _members(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    tags = node.get("tags", [])
    return [one for one in tags if isinstance(one, Mapping)] if isinstance(tags, list) else []


def _made(
    words: Mapping[str, Any],
    here: tuple[str, ...],
    address: str,
    datatype: DataType,
) -> FoundTag:
    unit, guess = read_unit(str(words.get("engUnit", "") or ""))
    guesses = [guess] if guess else []
    span = span_of(_number(words.get("engLow")), _number(words.get("engHigh")))
    mode, scale = str(words.get("scaleMode", "Off")), None
    if mode == "Linear":
        raw = span_of(_number(words.get("rawLow", 0)), _number(words.get("rawHigh", 10)))
        scaled = span_of(_number(words.get("scaledLow", 0)), _number(words.get("scaledHigh", 10)))
        scale = (*raw, *scaled) if raw and scaled else None
    if mode != "Off" and scale is None:
        guesses.append(f"raw: its scale mode `{mode}` is not mapped")
    group = str(words.get("tagGroup", "Default") or "Default")
    if group != "Default":
        guesses.append(f"scan 1s: the file does not say how fast the tag group `{group}` is")
    return FoundTag(
        here,
        address,
        datatype,
        unit,
        span,
        scale,
        deadband=_deadband(words, span is not None),
        is_writable=_is_writable(words),
        desc=str(words.get("documentation") or words.get("tooltip") or ""),
        guesses=tuple(guesses),
    )


def _number(word: Any) -> float | None:
    is_number = isinstance(word, int | float) and not isinstance(word, bool)
    return float(word) if is_number and abs(word) < float("inf") else None


def _deadband(words: Mapping[str, Any], has_range: bool) -> str:  # noqa: FBT001 - used above only
    amount = _number(words.get("deadband"))
    mode = str(words.get("deadbandMode", "Absolute"))
    if not amount or amount < 0 or mode == "Off" or (mode == "Percent" and not has_range):
        return ""
    return f"{amount:g}%" if mode == "Percent" else f"{amount:g}"


def _is_writable(words: Mapping[str, Any]) -> bool:
    """Only where the file says so: Ignition's default is writable, which nobody meant."""
    rights = str(words.get("accessRights", ""))
    return words.get("readOnly") is False or rights in ("Read_Write", "ReadWrite")
