"""Pictures in Mermaid: the tree of machines, and what they have to do with each other.

Merge requests, wikis and README files draw them. A name of the tree is always a safe label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from uns.equipment import Machine

__all__ = ["flow", "tree"]

_INDENT = "  "
#: How an arrow is drawn; relations of your own are thin.
_ARROWS: Mapping[str, str] = {"feeds": "==>", "measures": "-.->", "controls": "-.->"}


def tree(machines: Iterable[Machine]) -> str:
    """Enterprise, sites, areas, lines and cells as nodes, machines with their types at the end."""
    nodes = _Nodes()
    lines = ["flowchart LR"]
    for machine in machines:
        levels = machine.topic.levels
        for depth in range(1, len(levels) + 1):
            path = "/".join(levels[:depth])
            if path in nodes:
                continue
            is_machine = depth == len(levels)
            label = _of_type(machine) if is_machine else f'["{levels[depth - 1]}"]'
            lines.append(f"{_INDENT}{nodes.add(path)}{label}")
            if depth > 1:
                lines.append(f"{_INDENT}{nodes['/'.join(levels[: depth - 1])]} --- {nodes[path]}")
    return "\n".join(lines) + "\n"


def flow(machines: Iterable[Machine]) -> str:
    """Each line as a box of its machines, and an arrow for each relation that is declared."""
    listed = tuple(machines)
    nodes = _Nodes()
    lines = ["flowchart LR"]
    groups: dict[str, list[Machine]] = {}
    for machine in listed:
        groups.setdefault(machine.line.text, []).append(machine)
    for line, group in groups.items():
        lines += _box(line, group, nodes)
    lines += _arrows(listed, nodes)
    return "\n".join(lines) + "\n"


class _Nodes(dict[str, str]):
    """Ids by topic: `n0`, `n1` … which no word of Mermaid is."""

    def add(self, topic: str) -> str:
        """A new id for a topic."""
        self[topic] = f"n{len(self)}"
        return self[topic]


def _of_type(machine: Machine) -> str:
    return f'["{machine.topic.levels[-1]}<br/>{machine.type_name}"]'


def _box(line: str, machines: list[Machine], nodes: _Nodes) -> Iterator[str]:
    name = " / ".join(line.split("/")[1:])
    yield f'{_INDENT}subgraph {nodes.add(line)}["{name}"]'
    for machine in machines:
        yield f"{_INDENT * 2}{nodes.add(machine.topic.text)}{_of_type(machine)}"
    yield f"{_INDENT}end"


def _arrows(machines: Iterable[Machine], nodes: _Nodes) -> Iterator[str]:
    """A relation to an area or site, or to what was not selected, gets a round node of its own."""
    for machine in machines:
        for relation in machine.relations:
            if not relation.is_declared:
                continue
            end = relation.target.text
            if end not in nodes:
                yield f'{_INDENT}{nodes.add(end)}(["{" / ".join(relation.target.levels[1:])}"])'
            arrow = _ARROWS.get(relation.name, "-->")
            yield f"{_INDENT}{nodes[machine.topic.text]} {arrow}|{relation.name}| {nodes[end]}"
