"""The driver contract, kept by OPC UA."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from bridges.opcua import OpcUaConfig
from uns.metric import DataType, Value
from uns.testing import DriverContract

pytestmark = pytest.mark.slow


class TestOpcUa(DriverContract):
    protocol = "opcua"
    grows = True
    tells_time = True

    def config(self, port: int) -> OpcUaConfig:
        url = f"opc.tcp://127.0.0.1:{port}"
        return OpcUaConfig(endpoint=url, namespace="urn:contract", timeout_s=2)

    def with_secret(self, port: int, secret: str) -> OpcUaConfig:
        url = f"opc.tcp://127.0.0.1:{port}"
        return OpcUaConfig(endpoint=url, auth={"user": "uns", "password": secret})

    def address(self, number: int) -> str:
        return f"s=T{number}"

    def addresses(self) -> Sequence[str]:
        return (
            "nsu=urn:x;s=Line1.Speed",
            "ns=2;s=Line1.Speed",
            "ns=2;i=1001",
            "i=2258",
            "g=09087e75-8e5e-499b-954f-f2a9603db28a",
            "b=M/RbKBsRVkePCePcx24oRA==",
        )

    def writable(self) -> tuple[str, DataType, Value]:
        return "s=Written", DataType.DOUBLE, 12.5

    def values(self) -> Sequence[tuple[str, DataType, Value]]:
        return (
            ("s=Infinite", DataType.DOUBLE, math.inf),
            ("s=NaN", DataType.DOUBLE, math.nan),
            ("s=Large", DataType.INT64, 2**53 + 1),
            ("s=Empty", DataType.STRING, ""),
            ("s=Foreign", DataType.STRING, "Größe 東"),
            ("s=Sick", DataType.DOUBLE, None),
        )
