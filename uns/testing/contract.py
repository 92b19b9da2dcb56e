"""The contract of a driver: what every protocol has to survive.

A protocol passes it in ten lines: a subclass of `DriverContract` that says how its settings and
addresses are written, and which program plays the device.
"""

from __future__ import annotations

import pytest

from uns.testing.abilities import Abilities
from uns.testing.lines import Lines
from uns.testing.outages import Outages
from uns.testing.sessions import Sessions
from uns.testing.words import Words

__all__ = ["DriverContract"]


@pytest.mark.asyncio
class DriverContract(Words, Sessions, Abilities, Outages, Lines):
    """Subclass it as `Test…`, set `protocol`, and write `config` and `address`."""
