"""Siemens S7: S7-300, 400, 1200 and 1500 over S7 communication (PUT/GET)."""

from __future__ import annotations

from bridges.s7.address import S7Address
from bridges.s7.config import S7Config
from bridges.s7.driver import S7Driver

__all__ = ["S7Address", "S7Config", "S7Driver"]
