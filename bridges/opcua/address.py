"""The address of an OPC UA variable, as every client tool prints it: `nsu=urn:x;s=Line1.Speed`."""

from __future__ import annotations

import base64
import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias
from uuid import UUID

from bridges.driver import Advice
from bridges.opcua.browse_path import BrowsePath, parse_path, split_elements
from uns.errors import AddressError

__all__ = ["Address", "Identifier", "NodeAddress", "find_advice", "parse"]

Identifier: TypeAlias = str | int | UUID | bytes

_SPELLING = "as UaExpert shows a NodeId: `nsu=urn:vendor:filler;s=Line1.Speed` or `ns=2;i=1004`"
_MAX_IDENTIFIER = 4096  # OPC UA part 3 §8.2.4
_MAX_INDEX = 0xFFFF  # UInt16, OPC UA part 3 §8.2.2
_FIXED = 1  # 0 is the standard's namespace and 1 the server's own: OPC UA part 3 §8.2.2
_MAX_NUMBER = 0xFFFFFFFF  # UInt32, the same place


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """A NodeId whose namespace may still be a URI; it becomes an index at every connect.

    Servers renumber their namespaces when they restart, so an index is only as good as the
    server's word; the URI always finds the right one.
    """

    namespace: str | int
    identifier: Identifier
    elements: str = ""

    def __str__(self) -> str:
        space = self.namespace
        prefix = f"nsu={space}" if isinstance(space, str) else f"ns={space}"
        return f"{prefix};{_written(self.identifier)}{self._element()}"

    def _element(self) -> str:
        if self.elements:
            return f" [{self.elements}]"
        is_mistakable = isinstance(self.identifier, str) and _ends_in_brackets(self.identifier)
        return " []" if is_mistakable else ""


def parse(text: str, default_namespace: str) -> NodeAddress | BrowsePath:
    """Return the address written as `text`; one without a namespace is in `default_namespace`.

    ` [3]` behind a node id is an element of an array. Brackets without a blank before them belong
    to the identifier, since Siemens' and Rockwell's have such (`s="DB"."Lanes"[3]`).
    Raises AddressError with the column of the mistake.
    """
    if text.startswith("/"):
        return parse_path(text)
    if text.endswith(" []"):
        return _node(text[: -len(" []")], default_namespace)
    if _ends_in_brackets(text):
        text, elements = split_elements(text)
        return replace(_node(text, default_namespace), elements=elements)
    return _node(text, default_namespace)


def find_advice(address: Address) -> Advice | None:
    """What had better be written than an index that the server may give to another namespace."""
    if isinstance(address, BrowsePath):
        index = max((step.namespace or 0 for step in address.steps), default=0)
        hint = "leave the number out, and write `namespace: <uri>` in the connection"
    else:
        index = address.namespace if isinstance(address.namespace, int) else 0
        hint = "write `nsu=<uri>;…`, or `namespace: <uri>` in the connection and no `ns=` here"
    if index <= _FIXED:
        return None
    return Advice(f"another namespace may have the number {index} when the server restarts", hint)


def _ends_in_brackets(text: str) -> bool:
    before, elements = split_elements(text)
    return text.endswith(" []") or (bool(elements) and text[len(before)] == " ")


def _node(text: str, default_namespace: str) -> NodeAddress:
    if text.startswith("nsu="):
        return _in_named_space(text)
    if text.startswith("ns="):
        return _in_numbered_space(text)
    identifier = _identifier(text, 0)
    if default_namespace:
        return NodeAddress(default_namespace, identifier)
    if isinstance(identifier, int):
        return NodeAddress(0, identifier)  # OPC UA part 6 §5.3.1.10: no namespace means 0
    raise AddressError(
        f"`{text}` does not say in which namespace it is",
        hint=f"add `namespace: <uri>` to the connection, or write `nsu=<uri>;{text}`",
    )


def _in_named_space(text: str) -> NodeAddress:
    start = len("nsu=")
    uri, semicolon, _ = text[start:].partition(";")
    if not uri:
        raise AddressError(
            f"`{text}` has no namespace URI after `nsu=`", column=start + 1, hint=_SPELLING
        )
    return NodeAddress(uri, _identifier(text, start + len(uri) + len(semicolon)))


def _in_numbered_space(text: str) -> NodeAddress:
    start = len("ns=")
    number, semicolon, _ = text[start:].partition(";")
    if not (number.isascii() and number.isdecimal()) or int(number) > _MAX_INDEX:
        raise AddressError(
            f"`{number}` is no namespace index",
            column=start + 1,
            hint="a whole number up to 65535, or better the namespace's URI: `nsu=urn:vendor:x;…`",
        )
    return NodeAddress(int(number), _identifier(text, start + len(number) + len(semicolon)))


def _identifier(text: str, start: int) -> Identifier:
    kind, equals, written = text[start:].partition("=")
    if not equals:
        raise AddressError(
            f"`{text}` is no OPC UA address: an identifier such as `s=Line1.Speed` is missing"
            f"{' after the namespace' if start else ''}",
            column=start + 1,
            hint=_SPELLING,
        )
    if kind not in _READERS:
        raise AddressError(
            f"`{kind}=` is no kind of identifier", column=start + 1, hint=_kind_hint(kind)
        )
    column = start + len(kind) + 2
    if not written or len(written) > _MAX_IDENTIFIER:
        size = "nothing" if not written else f"{len(written)} characters"
        raise AddressError(
            f"`{kind}=` is followed by {size}",
            column=column,
            hint=f"an identifier has 1 to {_MAX_IDENTIFIER} characters",
        )
    return _READERS[kind](written, column)


def _kind_hint(kind: str) -> str:
    close = difflib.get_close_matches(kind.strip().lower(), ["nsu", "ns", *_READERS], 1, 0.5)
    known = "`s=` text, `i=` number, `g=` GUID, `b=` base64"
    return f"did you mean `{close[0]}=`? There are {known}" if close else f"one of {known}"


def _read_number(written: str, column: int) -> int:
    if not (written.isascii() and written.isdecimal()) or int(written) > _MAX_NUMBER:
        raise AddressError(
            f"`i={written}` is not a whole number from 0 to 4294967295",
            column=column,
            hint=f"a name needs `s=`: `s={written}`",
        )
    return int(written)


def _read_guid(written: str, column: int) -> UUID:
    try:
        return UUID(written)
    except ValueError:
        raise AddressError(
            f"`g={written}` is no GUID",
            column=column,
            hint="32 hexadecimal digits: `g=09087e75-8e5e-499b-954f-f2a9603db28a`",
        ) from None


def _read_bytes(written: str, column: int) -> bytes:
    try:
        return base64.b64decode(written, validate=True)
    except ValueError:  # not ASCII, or not base64
        raise AddressError(
            f"`b={written}` is not base64",
            column=column,
            hint="for example `b=M/RbKBsRVkePCePcx24oRA==`",
        ) from None


def _written(identifier: Identifier) -> str:
    match identifier:
        case str():
            return f"s={identifier}"
        case int():
            return f"i={identifier}"
        case UUID():
            return f"g={identifier}"
        case bytes():
            return f"b={base64.b64encode(identifier).decode()}"


Address: TypeAlias = NodeAddress | BrowsePath

_READERS: dict[str, Callable[[str, int], Identifier]] = {
    "s": lambda written, _column: written,
    "i": _read_number,
    "g": _read_guid,
    "b": _read_bytes,
}
