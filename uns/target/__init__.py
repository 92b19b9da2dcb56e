"""Targets: ERP, MES and other ends that messages are delivered to; one file each.

TARGETS is the only list of them; each is loaded when needed.
"""

from __future__ import annotations

import importlib

from uns.errors import ProjectError
from uns.target.target import Target

__all__ = ["TARGETS", "get_target"]

TARGETS = {
    "file": "uns.target.file:FileTarget",
    "http": "uns.target.http:HttpTarget",
}


def get_target(name: str) -> type[Target]:
    """The class of targets of this type; raises ProjectError where there is none."""
    if name not in TARGETS:
        known = ", ".join(sorted(TARGETS))
        raise ProjectError(f"there is no type of target called `{name}`", hint=f"one of {known}")
    module, _, attribute = TARGETS[name].partition(":")
    target: type[Target] = getattr(importlib.import_module(module), attribute)
    return target
