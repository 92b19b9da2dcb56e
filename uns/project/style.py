"""Style: names that the tree carries, and that somebody will stumble over all the same."""

from __future__ import annotations

from collections.abc import Iterable

from uns.project.findings import Findings
from uns.project.library import Library
from uns.project.lineage import layers_of
from uns.project.source import Written

__all__ = ["check_style"]


def check_style(library: Library, paths: Iterable[tuple[str, Written]], findings: Findings) -> None:
    """Warn of names of tags and places that are not lower snake case, and of words of formulas.

    `paths` are the machines' paths, and where they are written.
    """
    for path, at in paths:
        if not findings.has("UNS220", at):  # which says more about its capitals
            _warn(path, at, findings, of_key=False)
    for entry in library.types.values():
        for name, layer in layers_of(entry.words.tags, entry.tags_at, findings).items():
            _warn(name, layer.at, findings, of_key=True)


def _warn(path: str, at: Written, findings: Findings, *, of_key: bool) -> None:
    for name in path.split("/"):
        if why := _problem(name, is_tag=of_key):
            better = path.replace("-", "_").lower()
            hint = f"better `{better}`" if better != path else "choose another word"
            findings.warn("UNS251", why, at, hint=hint, of_key=of_key)
            return


_OF_FORMULAS = frozenset({"and", "or", "not", "if", "else", "in", "is", "tag"})


def _problem(name: str, *, is_tag: bool) -> str:
    """Why a name is a nuisance; empty where it is none."""
    if name.lower() != name:
        return f"`{name}` has capitals: whoever reads the tree must know which"
    if "-" in name:
        return f"`{name}` has a `-`: in formulas and queries that is a minus"
    if is_tag and name in _OF_FORMULAS:
        return f"`{name}` is a word of formulas; they must write `tag('{name}')`"
    return ""
