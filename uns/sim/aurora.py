"""The demo project that ships with the product: Aurora Drinks."""

from __future__ import annotations

from pathlib import Path

from uns.errors import ProjectError

__all__ = ["demo_project_folder"]


def demo_project_folder() -> Path:
    """Where the demo project lies: in a checkout, or inside an installed package."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "config" / "aurora", package / "_data" / "aurora"):
        if folder.is_dir():
            return folder
    raise ProjectError(
        "the demo project is not part of this installation",
        hint="name a project folder, or install the package again",
    )
