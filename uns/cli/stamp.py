"""`uns stamp`: the next line of a project, written as the last one is."""

from __future__ import annotations

import difflib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from uns.importers.next_line import Edit
    from uns.project.project import Project

__all__ = ["stamp"]

_LEVELS = 3  # site, area, line
_MOST_TRIES = 60  # edits that are looked at for one entry


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is to exist once more: both paths below the enterprise."""

    old: str
    new: str

    def moved(self, path: str) -> str:
        return self.new + path.removeprefix(self.old)


@click.command()
@click.argument("line", metavar="SITE/AREA/LINE")
@click.argument("project", type=click.Path(exists=True, path_type=Path), default=".")
@click.option("--as", "new", required=True, metavar="SITE/AREA/NEWLINE", help="The new line.")
@click.option("--dry-run", is_flag=True, help="Show the change and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Say what was done as JSON.")
def stamp(line: str, project: Path, new: str, *, dry_run: bool, as_json: bool) -> None:
    """Write the next line of PROJECT: all machines of a line once more, on another.

    Where an entry has `each`, one value more; else a copy of the entry. Comments and order
    stay. The change is shown as a diff.

      uns stamp leeds/packaging/line1 --as leeds/packaging/line5 acme

    Exit code 0: written (or shown), 1: it has to be done by hand, 2: no such line, or the new
    one is there already.
    """
    from uns.cli.project import loaded

    wanted = _Line(line.strip("/"), new.strip("/"))
    for path in (wanted.old, wanted.new):
        if len(path.split("/")) != _LEVELS:
            raise click.UsageError(f"`{path}` is not SITE/AREA/LINE")
    before = loaded(project)
    paths = _paths(before)
    machines = [path for path in paths if path.startswith(f"{wanted.old}/")]
    if not machines:
        raise click.UsageError(f"no machine of the project is on `{wanted.old}`")
    if any(path.startswith(f"{wanted.new}/") for path in paths):
        raise click.UsageError(f"`{wanted.new}` has machines already")
    texts = _texts(project)
    changed = _changed(project, texts, paths, machines, wanted)
    after = _loaded_with(project, changed)
    report = {
        "diff": _diff(texts, changed),
        "machines": [wanted.moved(path) for path in machines],
        "shared": _shared(before, after, machines, wanted),
        "exceptions": _exceptions(project, wanted),
    }
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        click.echo(report["diff"], nl=False)
    _talk(report)
    if not dry_run:
        for name, text in changed.items():
            if text != texts[name]:
                (project / name if project.is_dir() else project).write_text(text, encoding="utf-8")
    where = "nothing is written" if dry_run else f"{len(machines)} machines on {wanted.new}"
    click.echo(where, err=True)


def _talk(report: Mapping[str, Any]) -> None:
    """What the new line still needs."""
    for one in report["shared"]:
        same = f"{one['machine']} reads the same as {one['with']} ({one['source']})"
        click.echo(f"{same}: say where its device is", err=True)
    for path in report["exceptions"]:
        click.echo(f"the exception `{path}` below `overrides` is not taken along", err=True)


def _paths(project: Project) -> list[str]:
    return ["/".join(machine.topic.levels[1:]) for machine in project.machines]


def _texts(project: Path) -> dict[str, str]:
    from uns.project.findings import Findings
    from uns.project.load import read_sources

    return {name: source.text for name, source in read_sources(project, Findings()).items()}


def _changed(
    project: Path,
    texts: Mapping[str, str],
    paths: Sequence[str],
    machines: Sequence[str],
    line: _Line,
) -> dict[str, str]:
    """The texts with the line in them; raises ProjectError where no edit makes just that."""
    from uns.errors import ProjectError
    from uns.importers.next_line import edits, edits_together
    from uns.project.findings import Findings
    from uns.project.load import read_library
    from uns.project.stamps import stamps

    library = read_library(project)
    found = (
        list(stamps(library, library.enterprise.words, {}, Findings()))
        if library.enterprise
        else []
    )
    chosen: list[Edit] = []
    for entry in library.instances:
        mine = [one for one in found if one.entry is entry and one.path in set(machines)]
        if not mine:
            continue
        goal = sorted([*paths, *(line.moved(one.path) for one in mine)])
        ways = edits(entry, [one.each for one in mine], line.old, line.new)
        fitting = (
            way
            for _, way in zip(range(_MOST_TRIES), ways, strict=False)
            if _stamped(edits_together(texts, [way])) == goal
        )
        way = next(fitting, None)
        if way is None:
            raise ProjectError(
                f"the entry at {entry.at.place} makes `{mine[0].path}`, and no small change of it "
                f"makes `{line.moved(mine[0].path)}`",
                hint="write the new entry by hand, or give this one an `each` or a path of its own",
            )
        chosen.append(way)
    return edits_together(texts, chosen)


def _stamped(texts: Mapping[str, str]) -> list[str]:
    """The paths of the machines in some texts, sorted."""
    from uns.project.findings import Findings
    from uns.project.library import Library
    from uns.project.source import Source
    from uns.project.stamps import stamps

    library = Library.of([Source.parse(text, name) for name, text in texts.items()])
    if library.enterprise is None:
        return []
    return sorted(one.path for one in stamps(library, library.enterprise.words, {}, Findings()))


def _loaded_with(project: Path, texts: Mapping[str, str]) -> Project:
    """The project as it would be; raises ProjectError where that has problems."""
    from uns.cli.catalogue import catalogue
    from uns.errors import ProjectError
    from uns.project.load import load

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        base = project if project.is_dir() else project.parent
        if project.is_dir():
            hidden = shutil.ignore_patterns(".*")
            # without their rights: what may not be written there may be written in the copy
            shutil.copytree(base, copy, ignore=hidden, copy_function=shutil.copyfile)
        else:
            copy.mkdir()
            for near in (*base.glob("*.csv"), *base.glob("schemas")):
                (shutil.copytree if near.is_dir() else shutil.copyfile)(near, copy / near.name)
        for name, text in texts.items():
            (copy / name).write_text(text, encoding="utf-8")
        result = load(copy if project.is_dir() else copy / project.name, catalogue())
    if result.project is None:
        first = result.errors[0]
        raise ProjectError(
            f"with the new line the project has a problem: {first.message}", hint=first.hint
        )
    return result.project


def _shared(
    before: Project, after: Project, machines: Sequence[str], line: _Line
) -> list[dict[str, str]]:
    """New machines that read what an old one reads: a parameter that did not follow."""
    addresses = {path: _sources(before, path) for path in machines}
    found = []
    for path, old in addresses.items():
        both = old & _sources(after, line.moved(path))
        if both:
            connection, address = min(both)
            source = f"{address} of {connection}"
            found.append({"machine": line.moved(path), "with": path, "source": source})
    return found


def _sources(project: Project, path: str) -> set[tuple[str, str]]:
    return {
        (tag.source.connection, tag.source.text)
        for machine in project.machines
        if "/".join(machine.topic.levels[1:]) == path
        for tag in machine.tags
        if tag.source
    }


def _exceptions(project: Path, line: _Line) -> list[str]:
    """The overrides that speak of the old line alone."""
    from uns.project.load import read_library

    return [path for path in read_library(project).overrides if path.startswith(f"{line.old}/")]


def _diff(texts: Mapping[str, str], changed: Mapping[str, str]) -> str:
    return "".join(
        one
        for name, text in changed.items()
        for one in difflib.unified_diff(
            texts[name].splitlines(keepends=True), text.splitlines(keepends=True), name, name
        )
    )
