"""The contract of a driver: what every protocol has to survive.

A protocol passes it in ten lines: a subclass of `DriverContract` that says how its settings and
addresses are written, and which program plays the device.
"""

from __future__ import annotations

import pytest

from uns.testing.outages import Outages
from uns.testing.sessions import Sessions

__all__ = ["DriverContract"]


@pytest.mark.asyncio
class DriverContract(Sessions, Outages):
    """Subclass it as `Test…`, set `protocol`, and write `config` and `address`."""
