"""Claim: a value obeys a schema, or it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeAlias

from uns.schema.evolution.facts import Facts
from uns.schema.evolution.node import Node

__all__ = ["NOBODY", "Claim", "Label", "Step", "Way"]


class Label(NamedTuple):
    """The keyword by which a reader refuses a document."""

    pointer: str
    rule: str


NOBODY: Final = Label("", "")  # to blame for what the writer's schema says


@dataclass(frozen=True, slots=True)
class Claim:
    """`node` holds, or fails; `label` where the keyword to blame is settled already."""

    node: Node
    holds: bool = True
    label: Label | None = None

    def of(self, node: Node) -> Claim:
        """Return the same claim of another node."""
        return replace(self, node=node)

    def turned(self, node: Node) -> Claim:
        """Return the opposite claim of another node."""
        return replace(self, node=node, holds=not self.holds)


#: What a claim leads to: another claim about the same value, or something known about it.
Step: TypeAlias = Claim | Callable[[Facts], Facts]
#: Steps that are taken together.
Way: TypeAlias = tuple[Step, ...]
