"""A project for a command: loaded, or every diagnostic on stderr and exit 1."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from uns.project.project import Project

__all__ = ["loaded"]


def loaded(folder: Path, *, environment: Mapping[str, str] | None = None) -> Project:
    """The project in `folder`; where it has mistakes they are printed and the command ends.

    Warnings are printed and the project goes on. `environment` is added to the process's own.
    """
    from rich.console import Console

    from uns.cli.catalogue import catalogue
    from uns.project.load import load
    from uns.project.render import render

    result = load(folder, catalogue(), environment={**os.environ, **(environment or {})})
    if result.diagnostics:
        render(Console(stderr=True), result.sources, result.diagnostics)
    if result.project is None:
        sys.exit(1)
    return result.project
