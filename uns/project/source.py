"""A source: one YAML file that remembers where every key and value was written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from uns.equipment import Place
from uns.project.reader import BREAK, Child, Mistake, Node, Reader, Span, span_of

__all__ = ["BREAK", "Mistake", "Source", "Span", "Steps", "Written"]

Steps: TypeAlias = tuple[str | int, ...]  # the way down: ("types", "filler", "tags", "speed")


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its name, its text, its data, and where each part of the data is written.

    >>> source = Source.parse("sites: {leeds: {net: 10.1}}", "plant.yaml")
    >>> source.span(("sites", "leeds", "net"))
    Span(line=1, column=22, end_line=1, end_column=26)
    """

    name: str
    text: str
    mistakes: tuple[Mistake, ...] = ()
    data: Any = field(default=None, repr=False)  # dicts, lists and scalars; None when empty
    root: Child = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str, name: str = "project.yaml") -> Source:
        """Read `text`; never raises: what is wrong with it is in `mistakes`."""
        reader = Reader(text)
        data, root = reader.document()
        return cls(name, text, tuple(reader.mistakes), data, root)

    def without_tree(self) -> Source:
        """The name and the text, which is what drawing a diagnostic needs."""
        return Source(self.name, self.text, self.mistakes)

    def span(self, steps: Steps, *, of_key: bool = False) -> Span:
        """Where `steps` is written, or the nearest part of it that is."""
        child, key = self.root, None
        for step in steps:
            below_key, below = _below(child, step)
            if below is not None:
                child, key = below, below_key
        if child is None:
            return Span(1, 1, 1, 2)
        if key is not None and (of_key or not _is_inline(child)):
            return span_of(key, key)
        if isinstance(child, Node):
            return span_of(child.event, child.end if _is_inline(child) else child.event)
        return span_of(child, child)

    def written(self, steps: Steps) -> Steps:
        """`steps` without those that nobody typed, such as the member of a union; last one kept."""
        child, kept = self.root, []
        for place, step in enumerate(steps):
            _, below = _below(child, step)
            if below is not None or place == len(steps) - 1:
                kept.append(step)
                child = below or child
        return tuple(kept)

    def has(self, steps: Steps) -> bool:
        """Whether every one of `steps` is written here."""
        return self._find(steps) is not None

    def keys(self, steps: Steps) -> tuple[Any, ...]:
        """The keys of the mapping at `steps`; none where it is something else."""
        child = self._find(steps)
        return tuple(child.keys) if isinstance(child, Node) and child.keys else ()

    def inside(self, steps: Steps, column: int, width: int) -> Span:
        """The part of the text at `steps` that begins at its column `column` (from 1).

        The whole text where its columns are not those of the file: escapes, several lines.
        """
        whole = self.span(steps)
        event = self._nearest(steps)
        if event is None or isinstance(event, Node) or whole.line != whole.end_line:
            return whole
        raw = self.text[event.start_mark.index : event.end_mark.index]
        quote = 0 if event.implicit[0] else 1
        if quote and raw[1:-1] != event.value:
            return whole
        start = min(whole.column + quote + column - 1, max(whole.column, whole.end_column - 1))
        end = start + width if width else whole.end_column - quote
        return Span(whole.line, start, whole.line, max(start + 1, end))

    def _nearest(self, steps: Steps) -> Child:
        child = self.root
        for step in steps:
            _, below = _below(child, step)
            child = below or child
        return child

    def _find(self, steps: Steps) -> Child:
        child = self.root
        for step in steps:
            _, child = _below(child, step)
            if child is None:
                return None
        return child


@dataclass(frozen=True, slots=True)
class Written:
    """A place in a source: what a diagnostic points at."""

    source: Source
    steps: Steps = ()
    column: int = 0  # from 1, inside the text that is written there; 0 is the whole of it
    width: int = 0

    def at(self, *more: str | int) -> Written:
        """The place further down."""
        return Written(self.source, self.steps + more)

    def span(self, *, of_key: bool = False) -> Span:
        """Where this is, or the nearest part of it that is written."""
        if self.column and not of_key:
            return self.source.inside(self.steps, self.column, self.width)
        return self.source.span(self.steps, of_key=of_key)

    def inside(self, column: int, width: int = 0) -> Written:
        """The part of this text that begins at `column`, to its end where no width is given."""
        return Written(self.source, self.steps, column, width)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the mapping that is written here."""
        return tuple(str(key) for key in self.source.keys(self.steps))

    @property
    def is_written(self) -> bool:
        """Whether somebody typed this very key."""
        return self.source.has(self.steps)

    @property
    def place(self) -> Place:
        """File, line and column for those who outlive the source."""
        span = self.span(of_key=True)
        return Place(self.source.name, span.line, span.column)


def _is_inline(child: Child) -> bool:
    """Whether the value itself can be underlined: a scalar, or `[…]` and `{…}` on one line."""
    if not isinstance(child, Node):
        return bool(child.start_mark.index < child.end_mark.index)
    first, last = child.event.start_mark, child.end.end_mark
    return bool(child.event.flow_style and first.line == last.line)


def _below(child: Child, step: str | int) -> tuple[Any, Child]:
    """The key event and the child one step down; (None, None) where there is none."""
    if not isinstance(child, Node):
        return None, None
    if child.keys is not None:
        return child.keys.get(step), child.below.get(step)
    if isinstance(step, int) and step < len(child.below):
        return None, child.below[step]
    return None, None
