"""The driver contract, kept by Modbus."""

from __future__ import annotations

import pytest

from bridges.modbus import ModbusConfig
from uns.testing import DriverContract

pytestmark = pytest.mark.slow


class TestModbus(DriverContract):
    protocol = "modbus"

    def config(self, port: int) -> ModbusConfig:
        return ModbusConfig(host="127.0.0.1", port=port)

    def address(self, number: int) -> str:
        return f"hr:{2 * number} uint32"
