"""The driver contract, kept by the driver without a device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest

from bridges.sim import SimConfig
from uns.metric import DataType, Value
from uns.testing import DriverContract

pytestmark = pytest.mark.slow

_NO_DEVICE = "there is no device that could stop, or lack a tag"


class TestSim(DriverContract):
    protocol = "sim"
    cannot: ClassVar = {
        "a_value_of_another_type_is_refused_in_words": "a memory takes what it is given",
        "a_bad_address_spoils_one_tag": _NO_DEVICE,
        "what_is_described_is_there": _NO_DEVICE,
        "a_write_to_nowhere_is_refused_in_words": _NO_DEVICE,
        "survives_a_restart": _NO_DEVICE,
        "survives_a_power_cut_and_comes_back_with_half_of_its_tags": _NO_DEVICE,
    }

    def command(self, port: int, tags: int) -> Sequence[str]:
        return ()

    def config(self, port: int) -> SimConfig:
        return SimConfig(seed=port)

    def address(self, number: int) -> str:
        return f"counter {600 + number}/min"

    def addresses(self) -> Sequence[str]:
        return (
            "sine 2.5..3.5 5min",
            "walk 18000..22000",
            "packml 10min",
            "toggle 90s",
            "turn Lemon,Cola,Orange 30min",
            "fixed true",
            "memory 20000",
            "replay speed",
        )

    def writable(self) -> tuple[str, DataType, Value]:
        return "memory 20000", DataType.DOUBLE, 12.5

    def values(self) -> Sequence[tuple[str, DataType, Value]]:
        return (
            ("fixed 7", DataType.INT32, 7),
            ("fixed Größe", DataType.STRING, "Größe"),
            ("fixed true", DataType.BOOLEAN, True),
        )
