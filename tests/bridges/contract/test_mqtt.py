"""The driver contract, kept by MQTT with JSON payloads."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from bridges.mqtt import MqttConfig
from uns.metric import DataType, Value
from uns.testing import DriverContract

pytestmark = pytest.mark.slow


class TestMqtt(DriverContract):
    protocol = "mqtt"
    grows = True
    tells_time = True

    def config(self, port: int) -> MqttConfig:
        return MqttConfig(broker=f"mqtt://127.0.0.1:{port}", timestamp="$.ts", timeout_s=2)

    def with_secret(self, port: int, secret: str) -> MqttConfig:
        return MqttConfig(broker=f"mqtt://127.0.0.1:{port}", user="uns", password=secret)

    def address(self, number: int) -> str:
        return f"contract/data $.T{number}"

    def addresses(self) -> Sequence[str]:
        return (
            "legacy/line1/cw/temp",
            "legacy/+/cw/# $.weight['net value'][0]",
            '"legacy/line 1" $',
            "spBv1.0 Group/Node/Device:Metric Name",
            'spBv1.0 a:b/"c:d":Node Control/Rebirth',
        )

    def values(self) -> Sequence[tuple[str, DataType, Value]]:
        return (
            ("contract/data $.inf", DataType.DOUBLE, math.inf),
            ("contract/data $.nan", DataType.DOUBLE, math.nan),
            ("contract/data $.large", DataType.INT64, 2**53 + 1),
            ("contract/data $.empty", DataType.STRING, ""),
            ("contract/data $.foreign", DataType.STRING, "Größe 東"),
            ("contract/data $.null", DataType.DOUBLE, None),
        )
