"""The driver contract, kept by files that somebody else writes."""

from __future__ import annotations

import math
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from bridges.file import FileConfig
from uns.metric import DataType, Value
from uns.testing import DriverContract

pytestmark = pytest.mark.slow

_FOLDER = "uns-contract-file-"
_made: set[Path] = set()  # others may run these tests at the same time
_NOBODY = "who writes into a folder may pause: the folder is there all the same"


class TestFile(DriverContract):
    protocol = "file"
    grows = True
    tells_time = True
    cannot: ClassVar = {
        "a_hung_device_is_down_within_three_seconds": _NOBODY,
        "survives_a_power_cut_and_comes_back_with_half_of_its_tags": _NOBODY,
        "a_resumed_session_misses_nothing": (
            "a scan without a new row tells the newest again; tests/bridges/file/test_driver.py"
        ),
    }

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _clean_up(cls) -> Iterator[None]:
        yield
        for folder in _made:
            shutil.rmtree(folder, ignore_errors=True)

    def command(self, port: int, tags: int) -> Sequence[str]:
        script = Path(__file__).with_name("serve_file.py")
        folder = self.config(port).folder
        _made.add(Path(folder))
        return [sys.executable, str(script), folder, str(tags)]

    def config(self, port: int) -> FileConfig:
        folder = str(Path(tempfile.gettempdir()) / f"{_FOLDER}{port}")
        return FileConfig(folder=folder, key="name", timestamp="at", settle_s=0.5)

    def address(self, number: int) -> str:
        return f"T{number}/value"

    def addresses(self) -> Sequence[str]:
        return ('"T 1/a"/"5"" pipe"', "T1 / value")

    def values(self) -> Sequence[tuple[str, DataType, Value]]:
        return (
            ("Large/value", DataType.INT64, 2**53 + 1),
            ("Infinite/value", DataType.DOUBLE, math.inf),
            ("Foreign/label", DataType.STRING, "Größe"),
            ("Foreign/value", DataType.DOUBLE, None),
        )
