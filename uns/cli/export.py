"""`uns export`: what a project says, in the forms that other tools read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from uns.equipment import Machine
    from uns.project.project import Project

__all__ = ["export"]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}

_TO = click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="A file to write instead of stdout."
)


def _of_project(command: _Command) -> _Command:
    """What every export of a project takes: the project, a selection, and where to write."""
    project = click.argument(
        "project", type=click.Path(exists=True, readable=False, path_type=Path)
    )
    select = click.option(
        "--select", multiple=True, metavar="PATTERN", help="Only these machines: leeds/packaging/*."
    )
    return project(select(command))


@click.group()
def export() -> None:
    """Write what a project says in a form that other tools read.

    Everything comes from the project's files; nothing is asked or connected. Exit code 0:
    written, 1: the project has mistakes, or the file cannot be written.
    """


@export.command("asyncapi", short_help="Topics and payloads, for developers.")
@_of_project
@_TO
def asyncapi(project: Path, select: tuple[str, ...], output: Path | None) -> None:
    """Write what may be subscribed to in PROJECT as AsyncAPI 3.0: topics, payloads, brokers.

    One channel for each tag of a machine type; where its machines are is a parameter.
    """
    from uns.export.asyncapi import asyncapi as made

    _write(_json(made(*_selected(project, select))), output)


@export.command("csv", short_help="Every tag as a row of a spreadsheet.")
@_of_project
@click.option(
    "--separator",
    type=click.Choice([*_SEPARATORS]),
    default="comma",
    help="What parts cells; `semicolon` writes decimal commas, too.  [default: comma]",
)
@click.option("--json", "as_json", is_flag=True, help="The rows as JSON, one object each.")
@_TO
def csv_(
    project: Path, select: tuple[str, ...], separator: str, output: Path | None, *, as_json: bool
) -> None:
    """Write a row for each tag of PROJECT: topic, type, unit, limits, address, Sparkplug ids.

    A file that is written with -o begins with a byte order mark, so that Excel takes it for
    UTF-8.
    """
    from uns.export.tag_rows import csv_text, rows

    table = rows(*_selected(project, select))
    if as_json:
        _write(json.dumps(list(table), indent=1, ensure_ascii=False) + "\n", output)
        return
    mark = "\ufeff" if output else ""
    _write(mark + csv_text(table, _SEPARATORS[separator]), output)


@export.command("json-schema", short_help="Each machine type as JSON Schema.")
@_of_project
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, file_okay=False),
    help="A folder: one file each, TYPE/VERSION.json.  [default: all of them to stdout]",
)  # fmt: skip
def json_schema(project: Path, select: tuple[str, ...], output: Path | None) -> None:
    """Write the machine types of PROJECT as JSON Schema (2020-12), a machine as one object.

    Types that no machine has are left out. Units are `x-unit`; where an override makes a tag
    of one machine differ, the type allows both.
    """
    from uns.export.machine_type import machine_types
    from uns.export.type_schema import type_schema, type_schemas

    _, machines = _selected(project, select)
    types = machine_types(machines)
    if output is None:
        _write(_json(type_schemas(types)), None)
        return
    for one in types:
        _write(_json(type_schema(one)), output / one.name / f"{one.version}.json")


@export.command("markdown", short_help="A catalogue to read.")
@_of_project
@_TO
def markdown(project: Path, select: tuple[str, ...], output: Path | None) -> None:
    """Write a catalogue of PROJECT: machines, types with their tags, consumers and routes."""
    from uns.export.markdown import catalogue

    _write(catalogue(*_selected(project, select)), output)


@export.command("mermaid", short_help="A picture for merge requests and wikis.")
@_of_project
@click.option("--flow", is_flag=True, help="The lines, and what feeds or measures what.")
@_TO
def mermaid(project: Path, select: tuple[str, ...], output: Path | None, *, flow: bool) -> None:
    """Write PROJECT as a Mermaid picture: the tree of its machines, or the flow between them.

    GitHub and GitLab draw up to 500 arrows; --select takes a part.
    """
    from uns.export import mermaid as picture

    _, machines = _selected(project, select)
    if flow and not any(machine.relations for machine in machines):
        click.echo("no relations are declared: `relations: {feeds: capper}`", err=True)
    _write(picture.flow(machines) if flow else picture.tree(machines), output)


@export.command("nodeset2", short_help="Types and tree for OPC UA servers and clients.")
@_of_project
@_TO
def nodeset2(project: Path, select: tuple[str, ...], output: Path | None) -> None:
    """Write PROJECT as an OPC UA NodeSet2: machine types, and the tree of machines as objects.

    Units, ranges, states, relations and dictionary ids are in OPC UA's own words; values are
    not in it.
    """
    from uns.export.nodeset import nodeset

    _write(nodeset(*_selected(project, select)), output)


@export.command("project-schema", short_help="The project language, for editors.")
@_TO
def project_schema(output: Path | None) -> None:
    """Write the project language as JSON Schema, for completion and red lines in an editor.

    An editor is pointed to it by the first line of a YAML file,
    `# yaml-language-server: $schema=` and where the file is.
    """
    from uns.cli.catalogue import catalogue
    from uns.export.project_schema import project_schema as made

    _write(_json(made(catalogue())), output)


def _selected(folder: Path, patterns: tuple[str, ...]) -> tuple[Project, tuple[Machine, ...]]:
    """The project, and its machines that were asked for."""
    from uns.cli.project import loaded

    project = loaded(folder)
    if not patterns:
        return project, project.machines
    from uns.service.runtime import selected

    return project, selected(project, patterns)


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _write(text: str, output: Path | None) -> None:
    """Put it where it was asked for; what was written goes to stderr."""
    from uns.errors import ProjectError

    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(text.encode())
    except OSError as error:
        raise ProjectError(
            f"`{output}` cannot be written: {error.strerror}", hint="is it a folder, or full?"
        ) from error
    click.echo(f"wrote {output}", err=True)
