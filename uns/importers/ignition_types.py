"""Ignition's UDTs: definitions with parents, members that instances change, and parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["MAX_NESTED", "Definitions", "filled", "merged"]

MAX_NESTED = 32  # folders or types in one another; a plant has six
_PLACE = re.compile(r"\{([A-Za-z_][\w ]*?)\s*(?:([+-])\s*([0-9]{1,9}))?\}")


class Definitions:
    """The UdtTypes of an export by the names that `typeId` gives them."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._known: dict[str, Mapping[str, Any]] = {}
        self._collect(root, "", 0, inside=False)

    def find(self, name: Any, depth: int = 0) -> Mapping[str, Any] | None:
        """A definition with what its parents say; None where it is not in the file."""
        plain = re.sub(r"\A(?:\[[^\]]*\])?(?:_types_/)?", "", str(name))
        found = self._known.get(plain)
        if found is None or depth > MAX_NESTED or not found.get("typeId"):
            return found
        parent = self.find(found["typeId"], depth + 1)
        return found if parent is None else merged(parent, found)

    def _collect(self, node: Mapping[str, Any], path: str, depth: int, *, inside: bool) -> None:
        tags = node.get("tags", [])
        for below in tags if isinstance(tags, list) and depth <= MAX_NESTED else ():
            if not isinstance(below, Mapping):
                continue
            name = str(below.get("name", ""))
            here = f"{path}/{name}" if path else name
            if name == "_types_":
                self._collect(below, "", depth + 1, inside=True)
            elif below.get("tagType") == "UdtType":
                self._known[here if inside else name] = below
            elif below.get("tagType", "Folder") in ("Folder", "Provider"):
                self._collect(below, here if inside else "", depth + 1, inside=inside)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with what `over` says on top: members by name, parameters by name."""
    made: dict[str, Any] = {**base, **over}
    made["parameters"] = {**base.get("parameters", {}), **over.get("parameters", {})}
    members: dict[str, dict[str, Any]] = {
        str(one["name"]): dict(one) for one in base.get("tags", []) if "name" in one
    }
    for one in (one for one in over.get("tags", []) if "name" in one):
        name = str(one["name"])
        members[name] = merged(members[name], one) if name in members else dict(one)
    if members:
        made["tags"] = list(members.values())
    return made


def filled(value: Any, parameters: Mapping[str, Any]) -> Any:
    """A word with its parameters put in: `{Device}`, `{Base+2}`, and bindings to them.

    >>> filled({"bindType": "parameter", "binding": "ns=1;s=[{PLC}]N7:{Base+2}"}, {"PLC": "A", "Base": 5})
    'ns=1;s=[A]N7:7'
    """
    if isinstance(value, Mapping):
        if value.get("bindType") != "parameter":
            return None
        value = str(value.get("binding", ""))
    if not isinstance(value, str):
        return value

    def put(place: re.Match[str]) -> str:
        known = parameters.get(place[1])
        if known is None:
            return place[0]
        if not place[2]:
            return str(known)
        try:
            return str(int(known) + int(place[2] + place[3]))
        except ValueError:
            return place[0]

    return _PLACE.sub(put, value)
