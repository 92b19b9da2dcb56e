"""The driver contract, kept by S7."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from bridges.s7 import S7Config
from uns.metric import DataType, Value
from uns.testing import DriverContract

pytest.importorskip("snap7", reason="python-snap7 is not installed")

pytestmark = pytest.mark.slow


class TestS7(DriverContract):
    protocol = "s7"

    def config(self, port: int) -> S7Config:
        return S7Config(host="127.0.0.1", port=port, timeout_s=1)

    def address(self, number: int) -> str:
        return f"DB1.DBD{4 * number}:UDINT"

    def addresses(self) -> Sequence[str]:
        return (
            "DB10.DBX0.1",
            "DB10.DBB30:STRING[20]",
            "DB10.DBB60:DTL",
            "MW20:INT",
            "IW0:WORD",
            "A1.3",
            "%MW20",
            "DB10,R4",
            "DB10,X0.1",
            "DB10,S30.20",
            "DB1.R4",
        )

    def writable(self) -> tuple[str, DataType, Value]:
        return "DB2.DBD0:REAL", DataType.FLOAT, 12.5

    def values(self) -> Sequence[tuple[str, DataType, Value]]:
        return (
            ("DB2.DBB10:LREAL", DataType.DOUBLE, math.inf),
            ("DB2.DBD18:REAL", DataType.FLOAT, math.nan),
            ("DB2.DBB22:LINT", DataType.INT64, 2**53 + 1),
            ("DB2.DBB30:STRING[8]", DataType.STRING, ""),
            ("DB2.DBB40:STRING[8]", DataType.STRING, "Größe"),
            ("DB2.DBB50:WSTRING[8]", DataType.STRING, "Größe 東"),
            ("DB2.DBX70.3", DataType.BOOLEAN, True),
            ("DB3.DBX0.0", DataType.BOOLEAN, None),
        )
