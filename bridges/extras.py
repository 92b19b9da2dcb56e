"""Extras: libraries that only some protocols need, and that are installed when one is wanted."""

from __future__ import annotations

import importlib
from typing import Any

from uns.errors import DeviceError

__all__ = ["load"]


def load(module: str, *, driver: str, package: str, extra: str) -> Any:
    """Return an optional module; raises DeviceError that says how to install it.

    Called in `open`, so that a project can be checked where the library is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DeviceError(
            f"the driver `{driver}` needs the package {package}, which is not installed",
            hint=f"pip install 'uns-bridge[{extra}]'",
        ) from error
