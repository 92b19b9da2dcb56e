"""A driver without a device: values made of waves, counters, PackML states and recordings."""

from __future__ import annotations

from bridges.sim.address import SimAddress
from bridges.sim.driver import SimConfig, SimDriver

__all__ = ["SimAddress", "SimConfig", "SimDriver"]
