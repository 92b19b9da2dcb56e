"""Devices and programs that answer over HTTP: JSON, XML, MTConnect agents, IO-Link masters."""

from __future__ import annotations

from bridges.http.address import HttpAddress
from bridges.http.config import HttpConfig
from bridges.http.driver import HttpDriver

__all__ = ["HttpAddress", "HttpConfig", "HttpDriver"]
