"""Routes as part of a whole project: uns/route says what is wrong, and this says where."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from uns.equipment import Machine
from uns.errors import ProjectError
from uns.project.catalogue import Catalogue
from uns.project.findings import Findings
from uns.project.library import Library
from uns.project.source import Written
from uns.route.problems import RouteProblem, problems, template_problems

__all__ = ["check_routes"]


def check_routes(
    library: Library,
    machines: Sequence[Machine],
    catalogue: Catalogue,
    folder: Path,
    findings: Findings,
) -> None:
    """Report what is wrong with templates and routes.

    While machines are missing because of other mistakes, only templates are looked at: what a
    route would fit cannot be known.
    """
    if not library.templates and not library.routes:
        return
    schemas = _schemas(library, catalogue, folder, findings)
    targets = {*library.targets, *library.broken_names("targets")}
    if findings.has_errors:
        found: Iterable[RouteProblem] = (
            problem
            for name, entry in library.templates.items()
            for problem in template_problems(("templates", name), entry.words, targets, schemas)
        )
    else:
        templates = {name: entry.words for name, entry in library.templates.items()}
        routes = [entry.words for entry in library.routes]
        found = problems(templates, routes, machines, targets=targets, schemas=schemas)
    for problem in list(found):
        at = _place(problem, library)
        code = "UNS403"
        if problem.column:
            at, code = at.inside(problem.column), problem.code or "UNS401"
        findings.add(code, problem.message, at, hint=problem.hint)


def _schemas(
    library: Library, catalogue: Catalogue, folder: Path, findings: Findings
) -> Collection[str]:
    """The subjects of messages; any at all where the catalogue does not know."""
    if catalogue.messages is None:
        return _Anything()
    try:
        return catalogue.messages(folder)
    except ProjectError as error:
        if library.first is not None:
            findings.add("UNS301", str(error), library.first, hint=error.hint)
        return _Anything()


def _place(problem: RouteProblem, library: Library) -> Written:
    """Where the step of the merged project is written: `("templates", "confirm", "id")`."""
    key, which, *below = problem.path
    entries: Any = getattr(library, str(key))
    at: Written = entries[which].at
    return at.at(*below)


class _Anything(Collection[str]):
    """A collection that holds every name, for what cannot be checked."""

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
