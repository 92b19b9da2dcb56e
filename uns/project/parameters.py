"""Parameters: the named values that one machine's templates are filled with.

Who wins, from the weakest: names from the path, the site's keys, the binding's defaults,
`each`, the instance's `with`, overrides' `with`, and what was given on the command line.
A text among them is a template too and may use the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from uns.hierarchy import Level
from uns.project.findings import Findings
from uns.project.nearest import suggestion
from uns.project.source import Written
from uns.project.template import Field, MissingParameterError, Template, TemplateError

__all__ = ["Parameters", "path_parameters"]


def path_parameters(enterprise: str, path: str) -> dict[str, str]:
    """The levels of a machine's path by their ISA-95 names."""
    names = path.split("/")
    found = {"enterprise": enterprise, "path": path, "machine": names[-1]}
    found |= dict(zip(("site", "area", "line"), names[:-1], strict=False))
    if len(names) > Level.MACHINE - 1:
        found["cell"] = "/".join(names[3:-1])
    return found


@dataclass(slots=True, eq=False)
class Parameters(Mapping[str, Any]):
    """Values by name, each worked out when it is first asked for."""

    raw: dict[str, Any]
    places: dict[str, Written]
    findings: Findings
    machine: str = ""
    _open: list[str] = field(default_factory=list)
    _ready: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        if name not in self._ready:
            self._ready[name] = self._resolve(name)
        return self._ready[name]

    def __contains__(self, name: object) -> bool:
        return name in self.raw

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw)

    def __len__(self) -> int:
        return len(self.raw)

    def child(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A plain mapping of all that is ready, with more on top."""
        return {**{name: self[name] for name in self.raw}, **values}

    def fill(self, text: Any, at: Written, extra: Mapping[str, Any] | None = None) -> Any:
        """`text` filled in, or None after the problem was reported; other values as they are."""
        if not isinstance(text, str) or ("{" not in text and "}" not in text):
            return text
        try:
            return Template.parse(text).value(self if extra is None else self.child(extra))
        except TemplateError as error:
            self.findings.add(error.code, str(error), at.inside(error.column), hint=error.hint)
        except MissingParameterError as error:
            self.missing(error.field, at)
        return None

    def missing(self, wanted: Field, at: Written) -> None:
        """Report a parameter that this machine does not have."""
        near = suggestion(wanted.name, self.raw, otherwise=_EXPLAIN)
        self.findings.add(
            "UNS205",
            f"`{self.machine}` has no parameter `{wanted.name}`",
            at.inside(wanted.column, len(wanted.name) + 2),
            hint=near,
        )

    def _resolve(self, name: str) -> Any:
        value, at = self.raw[name], self.places.get(name)
        if at is None or not isinstance(value, str):
            return value
        if len(self._open) == MAX_NESTED_PARAMETERS:
            self.findings.add("UNS207", "parameters are made from each other without end", at)
            return ""
        if name in self._open:
            circle = " → ".join([*self._open[self._open.index(name) :], name])
            self.findings.add("UNS207", f"parameters go round in a circle: {circle}", at)
            return ""
        self._open.append(name)
        filled = self.fill(value, at)
        self._open.pop()
        return "" if filled is None else filled


MAX_NESTED_PARAMETERS = 32
_EXPLAIN = "give it in `with:`, in `each:` or as a key of the site"
