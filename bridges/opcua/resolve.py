"""From names to node ids: browse paths are walked level by level, all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from asyncua import ua

from bridges.opcua.browse_path import BrowsePath, Step

__all__ = ["Browser", "resolve"]

Found: TypeAlias = ua.NodeId | str  # a node, or why there is none

OBJECTS = ua.NodeId(ua.ObjectIds.ObjectsFolder)


class Browser(Protocol):
    """Knows the children of nodes."""

    async def children(self, nodes: Sequence[ua.NodeId]) -> list[list[ua.ReferenceDescription]]:
        """What is below each node."""


async def resolve(
    browser: Browser, paths: Sequence[BrowsePath], preferred: int | None
) -> dict[BrowsePath, Found]:
    """The node of each path, or a sentence; nodes that several paths share are browsed once.

    Where two children have one name, the one in namespace `preferred` is meant.
    """
    nodes: dict[tuple[Step, ...], Found] = {(): OBJECTS}
    deepest = max((len(path.steps) for path in paths), default=0)
    for depth in range(deepest):
        parents = dict.fromkeys(
            path.steps[:depth]
            for path in paths
            if len(path.steps) > depth and isinstance(nodes[path.steps[:depth]], ua.NodeId)
        )
        answers = await browser.children([nodes[steps] for steps in parents])
        below = dict(zip(parents, map(_by_name, answers), strict=True))
        for path in paths:
            if len(path.steps) > depth:
                steps = path.steps[: depth + 1]
                nodes[steps] = _next(nodes[steps[:-1]], below.get(steps[:-1]), steps, preferred)
    return {path: nodes[path.steps] for path in paths}


def _by_name(
    references: Sequence[ua.ReferenceDescription],
) -> dict[str, list[tuple[int, ua.NodeId]]]:
    """Nodes by name; the namespace of the name, which may differ from the node's, comes first."""
    found: dict[str, list[tuple[int, ua.NodeId]]] = {}
    for one in references:
        node = ua.NodeId(one.NodeId.Identifier, one.NodeId.NamespaceIndex)
        entry = (one.BrowseName.NamespaceIndex, node)
        known = found.setdefault(str(one.BrowseName.Name), [])
        if entry not in known:
            known.append(entry)
    return found


def _next(
    parent: Found,
    below: dict[str, list[tuple[int, ua.NodeId]]] | None,
    steps: tuple[Step, ...],
    preferred: int | None,
) -> Found:
    if isinstance(parent, str) or below is None:
        return parent
    step = steps[-1]
    candidates = below.get(step.name, [])
    wanted = preferred if step.namespace is None else step.namespace
    exact = [node for space, node in candidates if space == wanted]
    if exact:
        return exact[0]
    if step.namespace is None and len(candidates) == 1:
        return candidates[0][1]
    where = "/".join(["/Objects", *(str(one) for one in steps[:-1])])
    if step.namespace is None and candidates:
        names = ", ".join(f"{space}:{step.name}" for space, _ in candidates)
        return f"there are {len(candidates)} nodes called `{step.name}` in {where}: write {names}"
    return f"the server has no `{step}` in {where}"
