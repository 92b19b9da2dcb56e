"""Sizes as engineers write them: `256MB`, `2 GiB`, in bytes."""

from __future__ import annotations

import re
from typing import Any

from uns.project.quantity import WordError, shown

__all__ = ["read_size"]

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(B|[kKMGT]B|[KMGT]iB)\Z")
_BYTES = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_BYTES |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def read_size(text: Any) -> int:
    """Bytes.

    >>> read_size("256MB"), read_size("1.5GiB")
    (256000000, 1610612736)
    """
    found = _SIZE.match(text) if isinstance(text, str) else None
    if found:
        return int(float(found[1]) * _BYTES[found[2]])
    if isinstance(text, int) and not isinstance(text, bool):
        raise WordError(f"`{text}` has no unit of size", hint=f"write `{text}MB`, `{text}GB`")
    raise WordError(f"{shown(text)} is not a size", hint="for example `256MB`, `2GB`")
