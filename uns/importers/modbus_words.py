"""Modbus in other products' words: registers, byte orders and texts as they write them."""

from __future__ import annotations

import re

from uns.metric import DataType

__all__ = ["kepware_address", "neuron_address", "typed"]

#: Neuron's `#` marks (docs.emqx.com, Neuron, Modbus TCP, "#ENDIAN"): #LL is 1,2,3,4.
_ORDERS = {"LL": "ABCD", "LB": "BADC", "BL": "CDAB", "BB": "DCBA", "L": "ABCD", "B": "BADC"}
_NAMES = {
    DataType.INT8: "int16", DataType.UINT8: "uint16", DataType.INT16: "int16",
    DataType.UINT16: "uint16", DataType.INT32: "int32", DataType.UINT32: "uint32",
    DataType.INT64: "int64", DataType.UINT64: "uint64", DataType.FLOAT: "float32",
    DataType.DOUBLE: "float64",
}  # fmt: skip
_KEPWARE = re.compile(
    r"(?P<register>[0134][0-9]{4,5})(?:\.(?P<bit>[0-9]{1,2}))?(?:\.(?P<length>[0-9]{1,3})(?P<half>[HL]))?\Z"
)
_KEPWARE_TEXT = re.compile(r"(?P<register>[34][0-9]{4,5})\.(?P<length>[0-9]{1,3})(?P<half>[HL]?)\Z")
_NEURON = re.compile(
    r"(?P<unit>[0-9]{1,3})!(?P<register>[0134][0-9]{5})(?:\.(?P<bit>[0-9]{1,2}))?(?:#(?P<order>[BL]{1,2}))?\Z"
)
_NEURON_TEXT = re.compile(
    r"(?P<unit>[0-9]{1,3})!(?P<register>[34][0-9]{5})\.(?P<length>[0-9]{1,3})(?P<half>[HLDE]?)\Z"
)


def kepware_address(address: str, datatype: DataType) -> str:
    """Kepware's Modbus address in ours; empty where it says something that ours cannot.

    `400101`, `400101.5`, and `400200.20H` for a text of 20 bytes, high byte first.

    >>> kepware_address("400200.20H", DataType.STRING)
    '400200 string[20] ABCD'
    """
    if datatype.is_text:
        found = _KEPWARE_TEXT.match(address)
        return _text(found["register"], found["length"], found["half"] or "H") if found else ""
    found = _KEPWARE.match(address)
    if found is None or found["length"]:
        return ""
    return found["register"] + (f".{found['bit']}" if found["bit"] else "")


def neuron_address(address: str, datatype: DataType) -> str:
    """Neuron's `SLAVE!ADDRESS[.BIT][#ENDIAN][.LEN[H]]` in ours; empty where ours has no such.

    >>> neuron_address("1!400101#BL", DataType.FLOAT)
    '1/400101 CDAB'
    """
    if datatype.is_text:
        found = _NEURON_TEXT.match(address)
        made = _text(found["register"], found["length"], found["half"] or "L") if found else ""
        return f"{found['unit']}/{made}" if found and made else ""
    found = _NEURON.match(address)
    if found is None:
        return ""
    place = f"{found['unit']}/{found['register']}" + (f".{found['bit']}" if found["bit"] else "")
    order = _ORDERS.get(found["order"] or "", "")
    return f"{place} {order}" if order not in ("", "ABCD") else place


def typed(address: str, datatype: DataType) -> str:
    """The address with the type of what is read there, for a tag whose own type is another.

    >>> typed("1/400101 CDAB", DataType.INT32)
    '1/400101 int32 CDAB'
    """
    place, _, rest = address.partition(" ")
    name = _NAMES.get(datatype)
    return " ".join(word for word in (place, name, rest) if word) if name else address


def _text(register: str, length: str, half: str) -> str:
    """A text; the low byte of each register first is BADC, whatever numbers have."""
    if half in "DE":  # every character in a register of its own
        return ""
    return f"{register} string[{int(length)}]" + (" BADC" if half == "L" else " ABCD")
