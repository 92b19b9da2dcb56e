"""Browsing: every variable below a node, with what the server says of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from asyncua import ua

from bridges.driver import BrowsedNode
from bridges.opcua.address import NodeAddress
from bridges.opcua.browse_path import matches
from bridges.opcua.description import TYPES, is_array
from bridges.opcua.link import Link
from bridges.opcua.values import problem, variant_type

__all__ = ["Walk"]

_DEEPEST = 16  # folders in one another; companion models have ten
_MAY_WRITE = 2  # a bit of UserAccessLevel, OPC UA part 3 §8.57
_PROPERTY = ua.NodeId(ua.ObjectIds.HasProperty)
_UNITS, _RANGE = "EngineeringUnits", "EURange"

Names = tuple[str, ...]


@dataclass(slots=True)
class _Variable:
    """A variable as it is found, before its attributes are read."""

    names: Names
    node: ua.NodeId
    unit: ua.NodeId | None = None
    span: ua.NodeId | None = None


class Walk:
    """Breadth first from one node down; each variable once, though several ways may lead there."""

    def __init__(
        self, link: Link, spaces: Sequence[str], start: ua.NodeId, names: Names, pattern: Names
    ) -> None:
        """`names` lead to `start`; `pattern` is what names have to match, empty for all of them."""
        self._link = link
        self._spaces = spaces
        self._pattern = pattern
        self._level = [(start, names)]
        self._seen = {start}
        self._variables: dict[ua.NodeId, _Variable] = {}
        # The standard's own nodes say nothing, unless somebody asks for them.
        self._wants_standard = start.NamespaceIndex == 0 and start != _OBJECTS
        self._depth = 0

    @property
    def is_over(self) -> bool:
        """Whether everything was seen."""
        return not self._level or self._depth > _DEEPEST

    async def first(self) -> None:
        """See whether the start is a variable itself."""
        (start, names), *_ = self._level
        (held,) = await self._link.read([start], ua.AttributeIds.NodeClass)
        if held.Value is not None and held.Value.Value == ua.NodeClass.Variable:
            self._variables[start] = _Variable(names, start)

    async def step(self) -> list[BrowsedNode]:
        """Go one level down; the variables of the level that was left."""
        self._depth += 1
        found, self._variables = self._variables, {}
        answers = await self._link.children([node for node, _ in self._level])
        below: list[tuple[ua.NodeId, Names]] = []
        for (parent, names), references in zip(self._level, answers, strict=True):
            below += self._taken(found.get(parent), names, references)
        self._level = below
        wanted = [one for one in found.values() if self._is_wanted(one.names)]
        return await self._described(wanted) if wanted else []

    def _is_wanted(self, names: Names) -> bool:
        return not self._pattern or matches(names, self._pattern)

    def _taken(
        self, parent: _Variable | None, names: Names, references: Sequence[ua.ReferenceDescription]
    ) -> Iterator[tuple[ua.NodeId, Names]]:
        """Keep the variables among a node's children; what is to be browsed next."""
        for one in references:
            node = ua.NodeId(one.NodeId.Identifier, one.NodeId.NamespaceIndex)
            name = str(one.BrowseName.Name or one.DisplayName.Text or node.Identifier)
            if one.ReferenceTypeId == _PROPERTY:
                if parent is not None and name == _UNITS:
                    parent.unit = node
                if parent is not None and name == _RANGE:
                    parent.span = node
                continue
            is_standard = node.NamespaceIndex == 0 and not self._wants_standard
            if node in self._seen or is_standard:
                continue
            self._seen.add(node)
            if one.NodeClass == ua.NodeClass.Variable:
                self._variables[node] = _Variable((*names, name), node)
            yield node, (*names, name)

    async def _described(self, variables: Sequence[_Variable]) -> list[BrowsedNode]:
        link = self._link
        nodes = [one.node for one in variables]
        columns = [await link.read(nodes, attribute) for attribute in _ASKED]
        asked = [node for one in variables for node in (one.unit, one.span) if node is not None]
        held = await link.read(asked, ua.AttributeIds.Value) if asked else []
        known = {
            node: one.Value.Value
            for node, one in zip(asked, held, strict=True)
            if one.Value is not None
        }
        return [
            self._node(one, column, known) for one, *column in zip(variables, *columns, strict=True)
        ]

    def _node(
        self, one: _Variable, column: Sequence[ua.DataValue], known: dict[ua.NodeId, object]
    ) -> BrowsedNode:
        data_type, value, rank, access, desc = column
        kind = variant_type(data_type, value)
        datatype = TYPES.get(kind) if kind is not None else None
        unit, span = known.get(one.unit), known.get(one.span)
        rights = _held(access)
        text = _held(desc)
        return BrowsedNode(
            one.names,
            _written(one.node, self._spaces),
            datatype,
            is_array=bool(is_array(rank, value)),
            unit=unit.DisplayName.Text or "" if isinstance(unit, ua.EUInformation) else "",
            unit_id=unit.UnitId if isinstance(unit, ua.EUInformation) else None,
            low=float(span.Low) if isinstance(span, ua.Range) else None,
            high=float(span.High) if isinstance(span, ua.Range) else None,
            is_writable=isinstance(rights, int) and bool(rights & _MAY_WRITE),
            desc=(text.Text or "") if isinstance(text, ua.LocalizedText) else "",
            problem=_unreadable(value) or ("" if datatype else _untyped(kind)),
        )


def _held(value: ua.DataValue) -> object:
    return value.Value.Value if value.Value is not None else None


def _unreadable(value: ua.DataValue) -> str:
    status = value.StatusCode
    return problem(status) if status is not None and status.value in _CLOSED else ""


def _untyped(kind: ua.VariantType | None) -> str:
    return f"its type `{kind.name if kind is not None else 'unknown'}` has no counterpart"


def _written(node: ua.NodeId, spaces: Sequence[str]) -> str:
    """The node id by its namespace's URI, which outlives the server's restart."""
    index = node.NamespaceIndex
    named = NodeAddress(spaces[index] if index < len(spaces) else index, node.Identifier)
    return str(named)


_OBJECTS = ua.NodeId(ua.ObjectIds.ObjectsFolder)
_CLOSED = (ua.StatusCodes.BadUserAccessDenied, ua.StatusCodes.BadNotReadable)
_ASKED = (
    ua.AttributeIds.DataType,
    ua.AttributeIds.Value,
    ua.AttributeIds.ValueRank,
    ua.AttributeIds.UserAccessLevel,
    ua.AttributeIds.Description,
)
