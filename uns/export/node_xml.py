"""Nodes as XML: what a UANodeSet file is made of (OPC 10000-6, annex F).

Only the form; which nodes there are, is decided in uns/export/nodeset.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, register_namespace, tostring

__all__ = ["NodeSet", "Reference", "enum_values", "range_value", "string_value", "unit_value"]

_NODESET: Final = "http://opcfoundation.org/UA/2011/03/UANodeSet.xsd"
_TYPES: Final = "http://opcfoundation.org/UA/2008/02/Types.xsd"
#: The first in which all nodes are that we refer to, with their corrections.
_REQUIRED: Final = {
    "ModelUri": "http://opcfoundation.org/UA/",
    "Version": "1.04.7",
    "PublicationDate": "2020-07-15T00:00:00Z",
}

# Encodings of structures in XML: OPC 10000-6, NodeIds.csv
_RANGE: Final = "i=885"
_EU_INFORMATION: Final = "i=888"
_ENUM_VALUE: Final = "i=7616"

_SPACE: Final = re.compile(r"\A[0-9]:")


class Reference(NamedTuple):
    """A reference of a node: its type, the other node, and which way it goes."""

    kind: str
    target: str
    is_forward: bool = True


class NodeSet:
    """A file in the making; nodes stand in the order in which they are added."""

    def __init__(self, uri: str, version: str, others: Sequence[str] = ()) -> None:
        """`uri` is our namespace and index 1; `others` follow."""
        register_namespace("", _NODESET)
        register_namespace("uax", _TYPES)
        self._root = Element(_tag("UANodeSet"))
        uris = SubElement(self._root, _tag("NamespaceUris"))
        for one in (uri, *others):
            SubElement(uris, _tag("Uri")).text = one
        models = SubElement(self._root, _tag("Models"))
        own = SubElement(models, _tag("Model"), ModelUri=uri, Version=version)
        SubElement(own, _tag("RequiredModel"), _REQUIRED)
        for one in others:  # node-opcua refuses nodes of a namespace that is no model
            SubElement(models, _tag("Model"), ModelUri=one, Version=version)

    def add(
        self,
        kind: str,
        node_id: str,
        name: str,
        references: Iterable[Reference],
        *,
        attributes: Mapping[str, str] | None = None,
        desc: str = "",
        inverse: str = "",
        value: Element | None = None,
    ) -> None:
        """Add a node; `name` is its browse name, of another namespace than 0 as in `1:filler`."""
        node = SubElement(self._root, _tag(kind), NodeId=node_id, BrowseName=name)
        node.attrib.update(attributes or {})
        SubElement(node, _tag("DisplayName")).text = _SPACE.sub("", name)
        if desc:
            SubElement(node, _tag("Description")).text = desc
        listed = SubElement(node, _tag("References"))
        for one in references:
            reference = SubElement(listed, _tag("Reference"), ReferenceType=one.kind)
            if not one.is_forward:
                reference.set("IsForward", "false")
            reference.text = one.target
        if inverse:
            SubElement(node, _tag("InverseName")).text = inverse
        if value is not None:
            SubElement(node, _tag("Value")).append(value)

    def text(self) -> str:
        """The whole file."""
        indent(self._root, " ")
        body = tostring(self._root, encoding="unicode")
        return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def range_value(low: float, high: float) -> Element:
    """A Range, the value of EURange."""
    body = Element(_value("Range"))
    _put(body, Low=f"{low:.15g}", High=f"{high:.15g}")
    return _structure(_RANGE, body)


def unit_value(uri: str, unit_id: int, shown: str, name: str) -> Element:
    """An EUInformation, the value of EngineeringUnits."""
    body = Element(_value("EUInformation"))
    _put(body, NamespaceUri=uri, UnitId=str(unit_id))
    for word, text in (("DisplayName", shown), ("Description", name)):
        _put(SubElement(body, _value(word)), Text=text)
    return _structure(_EU_INFORMATION, body)


def enum_values(names: Mapping[int, str]) -> Element:
    """A list of EnumValueType, the value of EnumValues."""
    listed = Element(_value("ListOfExtensionObject"))
    for number, name in names.items():
        body = Element(_value("EnumValueType"))
        _put(body, Value=str(number))
        _put(SubElement(body, _value("DisplayName")), Text=name)
        listed.append(_structure(_ENUM_VALUE, body))
    return listed


def string_value(text: str) -> Element:
    """A String."""
    made = Element(_value("String"))
    made.text = text
    return made


def _structure(encoding: str, content: Element) -> Element:
    made = Element(_value("ExtensionObject"))
    _put(SubElement(made, _value("TypeId")), Identifier=encoding)
    SubElement(made, _value("Body")).append(content)
    return made


def _put(parent: Element, **texts: str) -> None:
    for name, text in texts.items():
        SubElement(parent, _value(name)).text = text


def _tag(name: str) -> str:
    return f"{{{_NODESET}}}{name}"


def _value(name: str) -> str:
    return f"{{{_TYPES}}}{name}"
