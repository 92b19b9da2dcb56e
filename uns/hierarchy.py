"""The ISA-95 equipment hierarchy: its levels, and what a name in each may look like."""

from __future__ import annotations

import re
from enum import IntEnum

__all__ = ["MAX_LEVELS", "MAX_TOPIC_BYTES", "RESERVED_PREFIX", "Level", "name_problem", "slug"]

MAX_LEVELS = 8  # AWS IoT Core carries at most 7 slashes
MAX_TOPIC_BYTES = 200
RESERVED_PREFIX = "_"  # sub-nodes of ours: _meta, _state, _cmd …

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_-]+")


class Level(IntEnum):
    """ISA-95 equipment levels from the top, as IEC 62264-1 names them for discrete production."""

    ENTERPRISE = 0
    SITE = 1
    AREA = 2
    LINE = 3  # generic name: work center
    CELL = 4  # generic name: work unit
    MACHINE = 5  # an equipment module; what a driver talks to


def name_problem(name: str) -> str:
    """Say why `name` cannot be one level of the tree, or return an empty string.

    >>> name_problem("line1")
    ''
    >>> name_problem("a/b")
    '`/` separates levels and may not appear inside a name'
    """
    if not name:
        return "a name may not be empty"
    for mark, why in _MARKS.items():
        if mark in name:
            return f"`{mark}` {why}"
    if name.startswith(RESERVED_PREFIX):
        return "names that begin with `_` are kept for the namespace's own nodes"
    if _NAME.match(name):
        return ""
    return "a name is 1 to 64 letters, digits, `_` or `-`, and begins with a letter or digit"


_MARKS = {
    "+": "is an MQTT wildcard and may not appear in a name",
    "#": "is an MQTT wildcard and may not appear in a name",
    "/": "separates levels and may not appear inside a name",
    "$": "begins a broker's own topics and may not appear in a name",
    " ": "(a blank) may not appear in a name",
}


def slug(text: str) -> str:
    """Return the nearest allowed name; two texts may share one, so callers must check.

    >>> slug("IO Controller/3")
    'IO_Controller_3'
    """
    return _NOT_ALLOWED.sub("_", text).strip("_-")[:64] or "x"
