"""Telegraf: the inputs `modbus`, `opcua`, `opcua_listener` and `s7comm` of its configuration.

After the README of inputs.s7comm, and for the others in part from memory. Every other plugin,
and every option that changes values and has no counterpart, is listed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from uns.importers.found import Device, Found, FoundTag, ImportFileError, Unmapped
from uns.importers.reading import Plant
from uns.importers.telegraf_modbus import modbus_tags
from uns.metric import DataType

__all__ = ["read"]

_Tags: TypeAlias = Iterator[FoundTag | Unmapped]
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)\Z")


def read(name: str, raw: bytes, plant: Plant) -> Found:
    """The devices of a configuration: one for each use of a plugin."""
    try:
        config = tomllib.loads(raw.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ImportFileError(
            f"`{name}` is no Telegraf configuration: {error}", hint="it has to be TOML"
        ) from None
    inputs = config.get("inputs")
    if not isinstance(inputs, dict) or not inputs:
        raise ImportFileError(f"`{name}` has no `[[inputs.…]]`", hint="is it Telegraf's?")
    found = Found()
    for plugin, uses in inputs.items():
        for number, words in enumerate(uses if isinstance(uses, list) else [uses], 1):
            origin = f"{name}:inputs.{plugin}[{number}]"
            if plugin not in _PLUGINS or not isinstance(words, dict):
                lost = Unmapped(origin, f"plugin `{plugin}`", "there is no importer for it")
                found = found.plus(Found((), (lost,)))
                continue
            try:
                found = found.plus(_device(origin, plugin, number, words, plant))
            except (TypeError, ValueError, AttributeError) as error:
                raise ImportFileError(
                    f"`{origin}` has a word of a wrong kind: {error}",
                    hint="`telegraf --test` says which",
                ) from None
    return found


def _device(origin: str, plugin: str, number: int, words: Mapping[str, Any], plant: Plant) -> Found:
    driver, connect, tags_of = _PLUGINS[plugin]
    connection = connect(words, plant)
    if connection is None:
        why = "only TCP has a driver" if driver == "modbus" else "it does not say where"
        return Found((), (Unmapped(origin, "the whole plugin", why),))
    tags: list[FoundTag] = []
    unmapped: list[Unmapped] = []
    for tag in tags_of(origin, words):
        if isinstance(tag, Unmapped):
            unmapped.append(tag)
        elif problem := plant.problem(driver, tag.address, connection, tag.datatype):
            unmapped.append(Unmapped(tag.origin, f"`{tag.levels[-1]}` ({tag.address})", problem))
        else:
            tags.append(tag)
    unmapped += [
        Unmapped(origin, f"`{key}`", "write it by hand: see the driver's page")
        for key in sorted(words.keys() & _LOST_WORDS)
    ]
    name = str(words.get("name") or f"{plugin}{number}")
    devices = (Device(name, driver, connection, tuple(tags)),) if tags else ()
    return Found(devices, tuple(unmapped))


_LOST_WORDS = frozenset((
    "username", "password", "certificate", "private_key", "security_policy", "security_mode",
    "auth_method", "workarounds", "processors", "tags", "data_change_filter",
))  # fmt: skip


def _modbus_connection(words: Mapping[str, Any], plant: Plant) -> dict[str, Any] | None:
    parts = urlsplit(str(words.get("controller", "")))
    mode = str(words.get("transmission_mode", "TCP")).upper()
    if parts.scheme != "tcp" or not parts.hostname or mode not in ("TCP", "AUTO", ""):
        return None
    return plant.connection("modbus", parts.hostname, parts.port)


def _opcua_connection(words: Mapping[str, Any], _: Plant) -> dict[str, Any] | None:
    endpoint = str(words.get("endpoint", ""))
    return {"endpoint": endpoint} if endpoint.startswith("opc.tcp://") else None


def _s7_connection(words: Mapping[str, Any], plant: Plant) -> dict[str, Any] | None:
    host, _, port = str(words.get("server", "")).partition(":")
    if not host:
        return None
    made = plant.connection("s7", host, int(port) if port.isdecimal() else None)
    return made | {key: words[key] for key in ("rack", "slot") if isinstance(words.get(key), int)}


def _opcua_tags(origin: str, words: Mapping[str, Any]) -> _Tags:
    """`nodes`, and those of each `group` with what the group says for all of them."""
    yield from _nodes(f"{origin}.nodes", words.get("nodes", []), {}, words)
    for number, group in enumerate(words.get("group", []), 1):
        yield from _nodes(f"{origin}.group[{number}]", group.get("nodes", []), group, words)


def _nodes(origin: str, nodes: Any, group: Mapping[str, Any], words: Mapping[str, Any]) -> _Tags:
    for number, node in enumerate(nodes, 1):
        said = {**_GROUP_DEFAULTS, **group, **node}
        where = f"{origin}[{number}]"
        kind, identifier = str(said["identifier_type"]), str(node.get("identifier", ""))
        address = str(node.get("id", "")) or f"ns={said['namespace']};{kind}={identifier}"
        name = str(node.get("name", "")) or identifier or address
        folder = (str(group["name"]),) if group.get("name") else ()
        interval = said.get("sampling_interval") or words.get("interval")
        yield FoundTag(
            (*folder, name),
            address,
            scan=_scan(interval),
            origin=where,
            guesses=("Float: the configuration names no type",),
            depth=len(folder),
        )


_GROUP_DEFAULTS = {"namespace": "0", "identifier_type": "s"}
#: The letters of an s7comm address and what they stand for (plugins/inputs/s7comm/README.md).
_S7_TYPES = {
    "X": DataType.BOOLEAN, "B": DataType.UINT8, "C": DataType.UINT8, "W": DataType.UINT16,
    "DW": DataType.UINT32, "I": DataType.INT16, "DI": DataType.INT32, "R": DataType.FLOAT,
    "LI": DataType.INT64, "LR": DataType.DOUBLE, "S": DataType.STRING,
}  # fmt: skip
_S7 = re.compile(r"DB[0-9]+\.(X|B|C|W|DW|I|DI|LI|R|LR|S)[0-9]+(?:\.[0-9]+)?\Z")


def _s7_tags(origin: str, words: Mapping[str, Any]) -> _Tags:
    for number, metric in enumerate(words.get("metric", []), 1):
        folder = (str(metric["name"]),) if metric.get("name") else ()
        for at, entry in enumerate(metric.get("fields", []), 1):
            where = f"{origin}.metric[{number}].fields[{at}]"
            name, address = str(entry.get("name", "")), str(entry.get("address", ""))
            shape = _S7.match(address)
            if shape is None:
                yield Unmapped(where, f"`{name}` ({address})", "no address that our driver reads")
                continue
            yield FoundTag(
                (*folder, name or address),
                address,
                _S7_TYPES[shape[1]],
                scan=_scan(words.get("interval")),
                origin=where,
                depth=len(folder),
            )


def _modbus_tags(origin: str, words: Mapping[str, Any]) -> _Tags:
    return modbus_tags(origin, words, _scan(words.get("interval")))


def _scan(interval: Any) -> str:
    text = str(interval or "")
    return text if _DURATION.match(text) and float(text.rstrip("msh")) > 0 else ""


_Connect: TypeAlias = Callable[[Mapping[str, Any], Plant], dict[str, Any] | None]
_PLUGINS: Mapping[str, tuple[str, _Connect, Callable[[str, Mapping[str, Any]], _Tags]]] = {
    "modbus": ("modbus", _modbus_connection, _modbus_tags),
    "opcua": ("opcua", _opcua_connection, _opcua_tags),
    "opcua_listener": ("opcua", _opcua_connection, _opcua_tags),
    "s7comm": ("s7", _s7_connection, _s7_tags),
}
