"""The message schemas: those that ship with the product, and a project's own over them."""

from __future__ import annotations

import json
from pathlib import Path

from uns.errors import ProjectError
from uns.route.message_schema import MessageSchema

__all__ = ["message_schemas"]


def message_schemas(project: Path) -> dict[str, MessageSchema]:
    """The newest version of each subject, from `schemas/<subject>/<version>.json`.

    Raises ProjectError where one cannot be read.
    """
    found: dict[str, MessageSchema] = {}
    for root in (_shipped(), (project if project.is_dir() else project.parent) / "schemas"):
        for folder in sorted(root.glob("*/")):
            versions = [int(path.stem) for path in folder.glob("*.json") if path.stem.isdecimal()]
            if versions:
                found[folder.name] = _compiled(folder, max(versions))
    return found


def _shipped() -> Path:
    """Where ours lie: in a checkout, or inside an installed package."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "_data" / "schemas"
    return inside if inside.is_dir() else package.parent / "schemas"


def _compiled(folder: Path, version: int) -> MessageSchema:
    path = folder / f"{version}.json"
    try:
        return MessageSchema.compile(folder.name, version, json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise ProjectError(
            f"{path} is no JSON Schema: {error}", hint="JSON Schema, draft 2020-12"
        ) from error
