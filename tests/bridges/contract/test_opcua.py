"""The driver contract, kept by OPC UA."""

from __future__ import annotations

import pytest

from bridges.opcua import OpcUaConfig
from uns.testing import DriverContract

pytestmark = pytest.mark.slow


class TestOpcUa(DriverContract):
    protocol = "opcua"
    grows = True

    def config(self, port: int) -> OpcUaConfig:
        url = f"opc.tcp://127.0.0.1:{port}"
        return OpcUaConfig(endpoint=url, namespace="urn:contract", timeout_s=2)

    def address(self, number: int) -> str:
        return f"s=T{number}"
