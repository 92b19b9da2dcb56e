"""Nodes as XML: what a UANodeSet file is made of (OPC 10000-6, annex F).

Only the form; which nodes there are, is decided in uns/export/nodeset.py.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, tostring

__all__ = ["NodeSet", "Reference", "enum_values", "range_value", "string_value", "unit_value"]

_HEAD: Final = """\
<?xml version="1.0" encoding="utf-8"?>
<UANodeSet xmlns="http://opcfoundation.org/UA/2011/03/UANodeSet.xsd" \
xmlns:uax="http://opcfoundation.org/UA/2008/02/Types.xsd">"""
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
    """A file in the making; nodes stand in the order in which they are added.

    Each is written at once: the elements of 50,000 tags would be a gigabyte.
    """

    def __init__(self, uri: str, others: Sequence[str] = ()) -> None:
        """`uri` is our namespace and index 1; `others` follow."""
        self._uris = (uri, *others)
        self._nodes: list[str] = []

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
        node = Element(kind, {"NodeId": node_id, "BrowseName": name, **(attributes or {})})
        SubElement(node, "DisplayName").text = _SPACE.sub("", name)
        if desc:
            SubElement(node, "Description").text = desc
        listed = SubElement(node, "References")
        for one in references:
            way = {} if one.is_forward else {"IsForward": "false"}
            SubElement(listed, "Reference", {"ReferenceType": one.kind, **way}).text = one.target
        if inverse:
            SubElement(node, "InverseName").text = inverse
        if value is not None:
            indent(value, " ")  # asyncua takes a structure without blanks in it for empty
            SubElement(node, "Value").append(value)
        self._nodes.append(tostring(node, encoding="unicode"))

    def text(self) -> str:
        """The whole file, a line for each node; its version is a checksum of them."""
        body = "\n".join(self._nodes)
        version = f"0.0.0+{hashlib.sha256(body.encode()).hexdigest()[:8]}"
        return "\n".join((_HEAD, *self._opening(version), body, "</UANodeSet>", ""))

    def _opening(self, version: str) -> Iterator[str]:
        """The namespaces, and the models that bring them."""
        uris = Element("NamespaceUris")
        models = Element("Models")
        for one in self._uris:  # node-opcua refuses nodes of a namespace that is no model
            SubElement(uris, "Uri").text = one
            SubElement(models, "Model", ModelUri=one, Version=version)
        SubElement(models[0], "RequiredModel", _REQUIRED)
        for part in (uris, models):
            yield tostring(part, encoding="unicode")


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


def _value(name: str) -> str:
    """A word of the values' own namespace."""
    return f"uax:{name}"
