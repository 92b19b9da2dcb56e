"""Browsing: every variable below a server's Objects folder, with what the server says of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from asyncua import ua

from bridges.opcua.address import NodeAddress
from bridges.opcua.config import OpcUaConfig
from bridges.opcua.link import Link
from bridges.opcua.session import Session
from bridges.opcua.values import problem, variant_type
from uns.errors import DeviceError

__all__ = ["BrowsedTag", "browse"]

_AT_ONCE = 100  # nodes in one request: answers of some thousand references, 3 s for 100,000
_DEEPEST = 16  # folders in one another; companion models have ten
_MAY_WRITE = 2  # a bit of UserAccessLevel, OPC UA part 3 §8.57
_OBJECTS_AND_VARIABLES = 3  # NodeClass mask
_ALL_FIELDS = 63  # of a reference
_PROPERTY = ua.NodeId(ua.ObjectIds.HasProperty)
_UNITS, _RANGE = "EngineeringUnits", "EURange"


@dataclass(frozen=True, slots=True)
class BrowsedTag:
    """A variable: its names from the Objects folder down, its node id with the namespace's URI.

    `kind` is OPC UA's name of its type, empty where the server does not say; `problem` why it
    cannot be a tag.
    """

    path: tuple[str, ...]
    address: str
    kind: str = ""
    unit: str = ""
    unit_id: int | None = None
    span: tuple[float, float] | None = None
    is_writable: bool = False
    problem: str = ""


@dataclass(slots=True)
class _Variable:
    """A variable as it is found, before its attributes are read."""

    path: tuple[str, ...]
    node: ua.NodeId
    unit: ua.NodeId | None = None
    span: ua.NodeId | None = None


async def browse(config: OpcUaConfig, most: int) -> list[BrowsedTag]:
    """Connect, browse breadth first, read types, units, ranges and access; then leave.

    Raises DeviceError; also where there are more than `most` variables.
    """
    session = Session(config, Path(".uns"))
    try:
        await session.open()
        link = session._link  # noqa: SLF001 - a session's other reader, in the same package
        spaces = await link.namespaces()
        variables = await _variables(link, most)
        return await _described(link, variables, spaces)
    except (ua.UaError, TimeoutError, OSError) as error:
        raise DeviceError(
            f"browsing {config.key()} ended: {error or type(error).__name__}",
            hint="a slow server may need a longer `timeout_s`",
        ) from error
    finally:
        await session.close()


async def _variables(link: Link, most: int) -> list[_Variable]:
    """Every variable once, though several ways may lead to it."""
    found: dict[ua.NodeId, _Variable] = {}
    seen: set[ua.NodeId] = set()
    level: list[tuple[ua.NodeId, tuple[str, ...]]] = [(ua.NodeId(ua.ObjectIds.ObjectsFolder), ())]
    for _ in range(_DEEPEST):
        below: list[tuple[ua.NodeId, tuple[str, ...]]] = []
        for at in range(0, len(level), _AT_ONCE):
            chunk = level[at : at + _AT_ONCE]
            answers = await _references(link, [node for node, _ in chunk])
            for (parent, path), references in zip(chunk, answers, strict=True):
                below += _taken(found, seen, parent, path, references)
        if len(found) > most:
            raise DeviceError(
                f"the server has more than {most:,} variables", hint="raise --most if you want all"
            )
        level = below
    return list(found.values())


def _taken(
    found: dict[ua.NodeId, _Variable],
    seen: set[ua.NodeId],
    parent: ua.NodeId,
    path: tuple[str, ...],
    references: Sequence[ua.ReferenceDescription],
) -> Iterator[tuple[ua.NodeId, tuple[str, ...]]]:
    """Keep the variables among a node's children; what is to be browsed next."""
    for one in references:
        node = ua.NodeId(one.NodeId.Identifier, one.NodeId.NamespaceIndex)
        name = str(one.BrowseName.Name or one.DisplayName.Text or node.Identifier)
        if one.ReferenceTypeId == _PROPERTY:
            if parent in found and name == _UNITS:
                found[parent].unit = node
            if parent in found and name == _RANGE:
                found[parent].span = node
            continue
        if node in seen or node.NamespaceIndex == 0:  # the standard's own nodes say nothing
            continue
        seen.add(node)
        if one.NodeClass == ua.NodeClass.Variable:
            found[node] = _Variable((*path, name), node)
        yield node, (*path, name)


async def _references(
    link: Link, nodes: Sequence[ua.NodeId]
) -> list[list[ua.ReferenceDescription]]:
    """The children of each node, however many answers they take."""
    services = link._services  # noqa: SLF001 - the same package; Link has no use for browsing
    wanted = ua.BrowseParameters()
    wanted.NodesToBrowse = [_question(node) for node in nodes]
    results = await services.browse(wanted)
    answers = [list(result.References or ()) for result in results]
    open_ = [(at, one.ContinuationPoint) for at, one in enumerate(results) if one.ContinuationPoint]
    while open_:
        more = ua.BrowseNextParameters()
        more.ReleaseContinuationPoints = False
        more.ContinuationPoints = [point for _, point in open_]
        nexts = await services.browse_next(more)
        for (at, _), one in zip(open_, nexts, strict=True):
            answers[at] += one.References or ()
        open_ = [
            (at, one.ContinuationPoint)
            for (at, _), one in zip(open_, nexts, strict=True)
            if one.ContinuationPoint
        ]
    return answers


def _question(node: ua.NodeId) -> ua.BrowseDescription:
    question = ua.BrowseDescription()
    question.NodeId = node
    question.BrowseDirection = ua.BrowseDirection.Forward
    question.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HierarchicalReferences)
    question.IncludeSubtypes = True
    question.NodeClassMask = _OBJECTS_AND_VARIABLES
    question.ResultMask = _ALL_FIELDS
    return question


async def _described(
    link: Link, variables: Sequence[_Variable], spaces: Sequence[str]
) -> list[BrowsedTag]:
    if not variables:
        return []
    nodes = [one.node for one in variables]
    types = await link.read(nodes, ua.AttributeIds.DataType)
    values = await link.read(nodes, ua.AttributeIds.Value)
    access = await link.read(nodes, ua.AttributeIds.UserAccessLevel)
    asked = [node for one in variables for node in (one.unit, one.span) if node is not None]
    held = await link.read(asked, ua.AttributeIds.Value) if asked else []
    known = {
        node: one.Value.Value
        for node, one in zip(asked, held, strict=True)
        if one.Value is not None
    }
    return [
        _tag(one, spaces, asks, known)
        for one, *asks in zip(variables, types, values, access, strict=True)
    ]


def _tag(
    one: _Variable,
    spaces: Sequence[str],
    asked: Sequence[ua.DataValue],
    known: dict[ua.NodeId, object],
) -> BrowsedTag:
    data_type, value, access = asked
    kind = variant_type(data_type, value)
    unit, span = known.get(one.unit), known.get(one.span)
    rights = access.Value.Value if access.Value is not None else 0
    status = value.StatusCode
    why = problem(status) if status is not None and status.value in _CLOSED else ""
    if value.Value is not None and isinstance(value.Value.Value, list):
        why = "it is an array"
    return BrowsedTag(
        one.path,
        _written(one.node, spaces),
        kind.name if kind is not None else "",
        unit.DisplayName.Text or "" if isinstance(unit, ua.EUInformation) else "",
        unit.UnitId if isinstance(unit, ua.EUInformation) else None,
        (float(span.Low), float(span.High)) if isinstance(span, ua.Range) else None,
        isinstance(rights, int) and bool(rights & _MAY_WRITE),
        why,
    )


_CLOSED = (ua.StatusCodes.BadUserAccessDenied, ua.StatusCodes.BadNotReadable)


def _written(node: ua.NodeId, spaces: Sequence[str]) -> str:
    """The node id by its namespace's URI, which outlives the server's restart."""
    index = node.NamespaceIndex
    named = NodeAddress(spaces[index] if index < len(spaces) else index, node.Identifier)
    return str(named)
