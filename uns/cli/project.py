"""A project for a command: loaded, or every diagnostic on stderr and exit 1."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from uns.project.diagnose import Diagnostic
from uns.project.project import Project

__all__ = ["counted", "loaded", "reread"]


def loaded(folder: Path, *, environment: Mapping[str, str] | None = None) -> Project:
    """The project in `folder`; where it has mistakes they are drawn and the command ends.

    Warnings are counted and the project goes on. `environment` is added to the process's own.
    """
    from rich.console import Console

    from uns.cli.catalogue import catalogue
    from uns.project.load import load
    from uns.project.render import render

    result = load(folder, catalogue(), environment={**os.environ, **(environment or {})})
    warnings = len(result.diagnostics) - len(result.errors)
    if result.project is None:
        render(Console(stderr=True), result.sources, result.errors)
        click.echo(_refusal(result.errors), err=True)
        sys.exit(1)
    if warnings:
        shows = "shows it" if warnings == 1 else "shows them"
        click.echo(f"{counted(warnings, 'warning')}; uns check {folder} {shows}", err=True)
    return result.project


def reread(folder: Path) -> Project | None:
    """The project in `folder` once more; where it has mistakes they are drawn, and it is None."""
    from rich.console import Console

    from uns.cli.catalogue import catalogue
    from uns.project.load import load
    from uns.project.render import render

    result = load(folder, catalogue())
    if result.project is None:
        render(Console(stderr=True), result.sources, result.errors)
    return result.project


def counted(count: int, noun: str) -> str:
    """`1 warning`, `3 warnings`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _refusal(errors: Sequence[Diagnostic]) -> str:
    code = min(one.code for one in errors)
    problems = counted(len(errors), "problem")
    return f"{problems}, nothing was started; explain one: uns explain {code}"
