"""The driver contract, kept by HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest

from bridges.http import HttpConfig
from uns.metric import DataType, Value
from uns.testing import DriverContract

pytestmark = pytest.mark.slow


class TestHttp(DriverContract):
    protocol = "http"
    grows = True
    tells_time = True
    keeps = False  # a document of values; MTConnect agents keep theirs
    cannot: ClassVar = {
        "a_blip_is_nobodys_business": "a reset connection is replaced within the request"
    }

    def config(self, port: int) -> HttpConfig:
        return HttpConfig(url=f"http://127.0.0.1:{port}", timeout_s=1.0, timestamp="$.ts")

    def address(self, number: int) -> str:
        return f"/values $.T{number}"

    def addresses(self) -> Sequence[str]:
        return ("GET /a/b?c=1 $['x y'][0]", "/s.xml //Speed/@v", "/count")

    def with_secret(self, port: int, secret: str) -> HttpConfig:
        return HttpConfig(
            url=f"http://127.0.0.1:{port}",
            auth={"user": "ops", "password": secret},
            headers={"X-Key": secret},
        )

    def values(self) -> Sequence[tuple[str, DataType, Value]]:
        return (
            ("/values $.large", DataType.INT64, 2**53 + 1),
            ("/values $.empty", DataType.STRING, ""),
            ("/values $.foreign", DataType.STRING, "Größe 東"),
            ("/values $.flag", DataType.BOOLEAN, True),
            ("/values $.nothing", DataType.FLOAT, None),
            ("/values $.list", DataType.FLOAT, None),
            ("/elsewhere $.x", DataType.FLOAT, None),
        )
