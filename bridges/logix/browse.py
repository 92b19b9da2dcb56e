"""Browsing: every tag of a controller and its programs, by the tag list that it gives.

pylogix uploads the list and the definitions of structures. A structure is walked into down to
its elementary members; a STRING, and whatever has only LEN and DATA, is a text. An array of
elementary values is one node, an array of structures one branch for each element.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bridges.driver import BrowsedNode
from bridges.logix.kinds import BOOL_ARRAY, KINDS
from bridges.logix.session import LogixSession
from uns.errors import DeviceError
from uns.metric import DataType

__all__ = ["MOST_PACKETS", "browsed"]

MOST_PACKETS = 20_000  # of an upload: some hundred thousand tags
_MOST_NODES = 200_000
_DEEPEST = 16  # structures in one another
_HIDDEN = ("ZZZZZZZZZZ", "__")  # members that hold the bits of others
_TEXT_MEMBERS = {"LEN", "DATA"}
_WORD_BITS = 32
_PROGRAM = "Program:"


@dataclass(frozen=True, slots=True)
class _Branch:
    """A tag or member on the way: its names for people, and its address so far."""

    path: tuple[str, ...]
    address: str
    entry: Any  # pylogix's: SymbolType, DataTypeValue, Struct, Array, Size

    def below(self, entry: Any) -> _Branch:
        name = str(entry.TagName)
        return _Branch((*self.path, name), f"{self.address}.{name}", entry)

    def element(self, index: int) -> _Branch:
        path = (*self.path[:-1], f"{self.path[-1]}[{index}]")
        return _Branch(path, f"{self.address}[{index}]", self.entry)


def browsed(session: LogixSession, root: str) -> list[BrowsedNode]:
    """All nodes below `root`; blocks, for the worker thread. Raises DeviceError."""
    plc = session.plc
    answer = plc.GetTagList()
    session.check()
    if answer.Value is None:
        raise DeviceError(
            f"{session.where} does not give its tag list: {answer.Status}",
            hint="only Logix controllers have one; export the tags from Studio 5000 instead",
        )
    nodes = (node for tag in answer.Value for node in _tag(tag, plc.UDT))
    below = (node for node in nodes if _is_below(node.address, root))
    found = list(islice(below, _MOST_NODES + 1))
    if len(found) > _MOST_NODES:
        raise DeviceError(
            f"{session.where} has more than {_MOST_NODES} values", hint="browse one tag or program"
        )
    return found


def _tag(entry: Any, structures: Any) -> Iterator[BrowsedNode]:
    name = str(entry.TagName)
    is_of_program = name.startswith(_PROGRAM)
    if is_of_program and "." not in name:
        return  # the program itself
    path = tuple(name.removeprefix(_PROGRAM).split(".", 1)) if is_of_program else (name,)
    yield from _walk(_Branch(path, name, entry), structures, 0)


def _walk(branch: _Branch, structures: Any, depth: int) -> Iterator[BrowsedNode]:
    entry = branch.entry
    is_array = bool(entry.Array)
    if not entry.Struct:
        yield _leaf(branch)
        return
    made = structures.get(entry.DataTypeValue)
    if made is None or depth > _DEEPEST:
        why = "the controller does not tell its structure"
        yield BrowsedNode(branch.path, branch.address, problem=why)
    elif {field.TagName for field in made.Fields} == _TEXT_MEMBERS:
        yield BrowsedNode(branch.path, branch.address, DataType.STRING, is_array=is_array)
    elif entry.Array > 1:
        why = f"an array of {entry.Array} dimensions: name its elements, as in `{branch.address}[0,0]`"
        yield BrowsedNode(branch.path, branch.address, problem=why)
    else:
        elements = map(branch.element, range(entry.Size)) if is_array else [branch]
        for element in elements:
            for field in made.Fields:
                if not str(field.TagName).startswith(_HIDDEN):
                    yield from _walk(element.below(field), structures, depth + 1)


def _leaf(branch: _Branch) -> BrowsedNode:
    entry = branch.entry
    kind = KINDS.get(entry.SymbolType)
    if kind is None:
        why = f"it is of a type that is not known here (0x{entry.SymbolType:02X})"
        return BrowsedNode(branch.path, branch.address, problem=why)
    datatype = DataType.BOOLEAN if kind.code == BOOL_ARRAY else kind.datatype
    is_array = bool(entry.Array) or kind.code == BOOL_ARRAY
    return BrowsedNode(branch.path, branch.address, datatype, is_array=is_array)


def _is_below(address: str, root: str) -> bool:
    if not root:
        return True
    whole, top = address.lower(), root.strip().lower()
    return whole == top or (whole.startswith(top) and whole[len(top)] in ".[")
