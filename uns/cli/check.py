"""`uns check`: every mistake in a project's files, with its place and what to do about it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from uns.cli.address import asked_brokers_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uns.mqtt import Broker
    from uns.project.load import Loaded

__all__ = ["check"]


@click.command()
@click.argument("project", type=click.Path(exists=True, readable=False, path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "line", "json"]),
    default="text",
    help="Carets for people, one line each for editors, or JSON.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--strict", is_flag=True, help="Warnings count as problems for the exit code.")
@click.option(
    "--live", is_flag=True, help="Also ask the devices: addresses, types, units, rights, clocks."
)
@asked_brokers_option(
    "With --live: a broker to ask too; may be given again.  [default: the project's `brokers:`]"
)
@click.option(
    "--timeout",
    "within_s",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="With --live: how long one device or broker is waited for.",
)
def check(
    project: Path,
    form: str,
    brokers: list[Broker],
    within_s: float,
    *,
    as_json: bool,
    strict: bool,
    live: bool,
) -> None:
    """Find every mistake in the YAML files of PROJECT, a folder or one file.

    Reads and expands the project and connects to nothing, but for --live: then every device
    is asked what it has, and nothing is written; brokers are asked what they let us do, with a
    few messages on a topic of our own that are not kept. Exit code 0: fine, 1: problems found, 2: no
    such folder. `uns explain UNS101` explains a code.
    """
    from uns.cli.catalogue import catalogue
    from uns.project.load import load

    _refuse_idle_broker(is_live=live)
    loaded = load(project, catalogue())
    not_asked: Sequence[str] = ()
    if live:
        from uns.cli.live import with_live

        loaded, not_asked = with_live(loaded, project, brokers, within_s=within_s)
    {"text": _text, "line": _lines, "json": _json}["json" if as_json else form](loaded)
    for sentence in not_asked:
        click.echo(f"not asked: {sentence}", err=True)
    if loaded.errors or (strict and loaded.diagnostics):
        sys.exit(1)


def _refuse_idle_broker(*, is_live: bool) -> None:
    """Nobody shall believe that a broker was asked; UNS_BROKER may stand for other commands."""
    given = click.get_current_context().get_parameter_source("brokers")
    if given is ParameterSource.COMMANDLINE and not is_live:
        raise click.UsageError("--broker is asked with --live only")


def _text(loaded: Loaded) -> None:
    from rich.console import Console

    from uns.project.render import render

    console = Console()
    render(console, loaded.sources, loaded.diagnostics)
    if loaded.diagnostics:
        codes = sorted({one.code for one in loaded.diagnostics})
        click.echo(f"explain one: uns explain {codes[0]}")
    click.echo(_counts(loaded))


def _lines(loaded: Loaded) -> None:
    from uns.project.render import one_line

    for one in loaded.diagnostics:
        click.echo(one_line(one))
    click.echo(_counts(loaded), err=True)


def _json(loaded: Loaded) -> None:
    from uns.project.render import as_data

    project = loaded.project
    report = {
        "machines": len(project.machines) if project else None,
        "tags": project.tag_count if project else None,
        "problems": len(loaded.errors),
        "warnings": len(loaded.diagnostics) - len(loaded.errors),
        "diagnostics": [as_data(one) for one in loaded.diagnostics],
    }
    click.echo(json.dumps(report, indent=2, ensure_ascii=False))


def _counts(loaded: Loaded) -> str:
    """`8 machines, 80 tags, 0 problems`; a project with problems has no machines to count."""
    from uns.cli.project import counted

    problems = len(loaded.errors)
    warnings = len(loaded.diagnostics) - problems
    parts = [counted(problems, "problem")]
    if loaded.project is not None:
        machines, tags = len(loaded.project.machines), loaded.project.tag_count
        parts = [counted(machines, "machine"), counted(tags, "tag"), *parts]
    if warnings:
        parts.append(counted(warnings, "warning"))
    return ", ".join(parts)
