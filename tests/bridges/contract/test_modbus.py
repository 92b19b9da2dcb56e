"""The driver contract, kept by Modbus."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from bridges.modbus import ModbusConfig
from uns.metric import DataType, Value
from uns.testing import DriverContract

pytestmark = pytest.mark.slow


class TestModbus(DriverContract):
    protocol = "modbus"

    def config(self, port: int) -> ModbusConfig:
        return ModbusConfig(host="127.0.0.1", port=port)

    def address(self, number: int) -> str:
        return f"hr:{2 * number} uint32"

    def addresses(self) -> Sequence[str]:
        return (
            "7/hr:100 float32 CDAB",
            "ir:3",
            "co:12",
            "di:3",
            "hr:100.3",
            "hr:200 string[20]",
            "40101",
            "400101",
        )

    def writable(self) -> tuple[str, DataType, Value]:
        return "2/hr:0 float32", DataType.FLOAT, 12.5

    def values(self) -> Sequence[tuple[str, DataType, Value]]:
        return (
            ("2/hr:10 float64", DataType.DOUBLE, math.inf),
            ("2/hr:14 float32", DataType.FLOAT, math.nan),
            ("2/hr:20 int64", DataType.INT64, 2**53 + 1),
            ("2/hr:30 string[8]", DataType.STRING, ""),
            ("2/hr:34 string[8]", DataType.STRING, "Größe"),
            ("2/hr:40.3", DataType.BOOLEAN, True),
            ("2/hr:500", DataType.UINT16, None),
        )
