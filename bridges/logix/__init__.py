"""Rockwell Logix: ControlLogix and CompactLogix controllers, by the names of their tags."""

from __future__ import annotations

from bridges.logix.address import LogixAddress
from bridges.logix.config import LogixConfig
from bridges.logix.driver import LogixDriver

__all__ = ["LogixAddress", "LogixConfig", "LogixDriver"]
