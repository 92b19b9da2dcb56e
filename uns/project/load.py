"""Loading: a folder of YAML files → a Project, or every reason why not."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from uns.project.catalogue import Catalogue
from uns.project.cells import spreadsheet_text
from uns.project.diagnose import Diagnostic
from uns.project.ends import brokers_of, targets_of
from uns.project.expand import expand
from uns.project.findings import Findings
from uns.project.library import Library
from uns.project.project import Project
from uns.project.routing import check_routes
from uns.project.secrets import Secrets
from uns.project.source import Source, Span, Written
from uns.project.sparkplug import sparkplug_of
from uns.project.tag_list import TagLists

__all__ = ["Loaded", "load", "read_library", "read_sources"]

_ENDINGS = {".yaml", ".yml"}
_NOT_OURS = (".route-test.yaml", ".route-test.yml")  # tests that stand beside routes
_LARGEST = 10 * 1000 * 1000  # bytes of one file; 50,000 tags written out are 5 MB
_TOO_LARGE = "larger than 10 MB"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of a folder: a project where nothing forbids it, and what was found.

    `sources` are the files by name, so that diagnostics can be drawn with their lines.
    """

    project: Project | None
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, Source]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that keep the project from running."""
        return tuple(one for one in self.diagnostics if one.is_error)


def load(
    folder: Path,
    catalogue: Catalogue,
    *,
    given: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Loaded:
    """Read, check and expand the project in `folder`; a single file is a project too.

    Never connects and never raises for what the files say. `given` are parameters stronger
    than the files'. `environment` (the process's own, if None) is where `${env:…}` looks.
    """
    findings = Findings()
    base = folder if folder.is_dir() else folder.parent
    secrets = Secrets(os.environ if environment is None else environment, base)
    with _paused_gc():
        sources = read_sources(folder, findings)
        lists = TagLists(partial(_tag_list, base))
        library = Library.of(sources.values(), lists)
        project = _expanded(library, base, catalogue, secrets, findings, given=given or {})
        kept = {name: source.without_tree() for name, source in sources.items()} | lists.sources
        del sources, library
    return Loaded(project, findings.sorted(), kept)


def _expanded(
    library: Library,
    folder: Path,
    catalogue: Catalogue,
    secrets: Secrets,
    findings: Findings,
    *,
    given: Mapping[str, Any],
) -> Project | None:
    """The project, or None where something forbids it."""
    findings.extend(library.found)
    _require_enterprise(library, findings)
    expanded = expand(library, catalogue, secrets, findings, given=given)
    targets = targets_of(library, catalogue, secrets, findings)
    brokers = brokers_of(library, secrets, findings)
    sparkplug = sparkplug_of(library, findings)
    check_routes(library, expanded.machines, catalogue, folder, findings)
    if library.enterprise is None or findings.has_errors:
        return None
    return Project(
        enterprise=library.enterprise.words,
        folder=folder,
        machines=expanded.machines,
        connections=expanded.connections,
        sites={name: dict(e.words.model_extra or {}) for name, e in library.sites.items()},
        targets=targets,
        templates={name: entry.words for name, entry in library.templates.items()},
        routes=tuple(entry.words for entry in library.routes),
        brokers=brokers,
        schemas={name: entry.words for name, entry in library.schemas.items()},
        consumers={name: entry.words for name, entry in library.consumers.items()},
        sparkplug=sparkplug,
    )


def read_library(folder: Path) -> Library:
    """The entries of a folder's files with their places: for those who ask who wrote a word."""
    base = folder if folder.is_dir() else folder.parent
    with _paused_gc():
        sources = read_sources(folder, Findings())
        return Library.of(sources.values(), TagLists(partial(_tag_list, base)))


def read_sources(folder: Path, findings: Findings) -> dict[str, Source]:
    """The YAML files of a folder by name, in sorted order; those below it are not part of it."""
    if folder.is_dir():
        paths = sorted(path for path in folder.iterdir() if _is_project_file(path))
    else:
        paths = [folder]
    sources = {path.name: _read(path, findings) for path in paths}
    if not sources:
        hint = "write one that ends in .yaml; `enterprise: acme` is a beginning"
        at = _nowhere(folder.name)
        findings.add("UNS006", f"`{folder.name}` holds no YAML files", at, hint=hint)
    return sources


def _is_project_file(path: Path) -> bool:
    if path.name.startswith(".") or path.name.endswith(_NOT_OURS):
        return False
    return path.suffix in _ENDINGS


def _read(path: Path, findings: Findings) -> Source:
    """One file; an unreadable one is an empty source and a diagnostic."""
    place = _nowhere(path.name)
    if path.exists() and not path.is_file():  # a pipe would wait for ever
        _refuse(findings, "UNS005", f"`{path.name}` is not a file", place)
        return place.source
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        why = (error.strerror or "it cannot be read").lower()
        _refuse(findings, "UNS005", f"`{path.name}` cannot be read: {why}", place)
        return place.source
    if len(content) > _LARGEST:
        hint = "a project may have many files; for machines that are alike there is `each`"
        findings.add("UNS005", f"`{path.name}` is {_TOO_LARGE}", place, hint=hint)
        return place.source
    try:
        return Source.parse(content.decode("utf-8-sig"), path.name)
    except UnicodeDecodeError as error:
        good = content[: error.start].decode("utf-8", "replace")
        line, column = good.count("\n") + 1, len(good) - good.rfind("\n")
        source = Source(path.name, content.decode("utf-8", "replace"))
        span = Span(line, column, line, column + 1)
        findings.extend([_not_utf8(path.name, content[error.start], span)])
        return source


def _tag_list(folder: Path, name: str) -> str:
    """The text of a tag list; raises OSError or ValueError where it cannot be had."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError("it is outside of the project's folder")
    if path.exists() and not path.is_file():  # a pipe would wait for ever
        raise ValueError("it is not a file")
    with path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"it is {_TOO_LARGE}")
    return spreadsheet_text(content)


def _nowhere(name: str) -> Written:
    """The beginning of a file that has no text."""
    return Written(Source(name, ""))


def _refuse(findings: Findings, code: str, message: str, at: Written) -> None:
    findings.add(code, message, at)


def _not_utf8(name: str, byte: int, span: Span) -> Diagnostic:
    message = f"byte 0x{byte:02X} is not UTF-8"
    return Diagnostic("UNS005", message, name, span, "save the file as UTF-8")


def _require_enterprise(library: Library, findings: Findings) -> None:
    if (
        library.enterprise is None
        and library.first is not None
        and not library.is_broken("enterprise", "")
    ):
        findings.add(
            "UNS102",
            "`enterprise` is required: it is the root of the tree",
            library.first,
            hint="for example `enterprise: acme`",
        )


@contextmanager
def _paused_gc() -> Iterator[None]:
    """No garbage collection while millions of parse events are alive: 5 s become 0.6 s.

    Measured on 200,203 lines; pausing around the parse alone only moves the cost.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
