"""The driver contract, kept by Logix."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from bridges.logix import LogixConfig
from uns.metric import DataType, Value
from uns.testing import DriverContract

pytest.importorskip("pylogix", reason="pip install 'uns-bridge[logix]'")
pytestmark = pytest.mark.slow


class TestLogix(DriverContract):
    protocol = "logix"
    grows = True

    def config(self, port: int) -> LogixConfig:
        return LogixConfig(host="127.0.0.1", port=port)

    def address(self, number: int) -> str:
        return f"Program:Main.T{number}"

    def addresses(self) -> Sequence[str]:
        return (
            "Speed",
            "Filler.Drive.Temp",
            "Counts[3]",
            "Lines[2].Speed",
            "Grid[1,2,3]",
            "Status.5",
            "program:Main.Flags[40]",
            "Local:1:I.Data.0",
        )

    def writable(self) -> tuple[str, DataType, Value]:
        return "Odd.Setpoint", DataType.FLOAT, 12.5

    def values(self) -> Sequence[tuple[str, DataType, Value]]:
        return (
            ("Odd.Infinite", DataType.DOUBLE, math.inf),
            ("Odd.NoNumber", DataType.FLOAT, math.nan),
            ("Odd.Large", DataType.INT64, 2**53 + 1),
            ("Odd.Empty", DataType.STRING, ""),
            ("Odd.Foreign", DataType.STRING, "Größe"),
            ("Odd.Flags[40]", DataType.BOOLEAN, True),
            ("Odd.Bits.3", DataType.BOOLEAN, True),
            ("Odd.Bits.4", DataType.BOOLEAN, False),
            ("Odd.Missing", DataType.INT32, None),
        )
