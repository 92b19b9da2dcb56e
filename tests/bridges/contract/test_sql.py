"""The driver contract, kept by SQL against a PostgreSQL server."""

from __future__ import annotations

import math
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from bridges.sql import SqlConfig
from uns.metric import DataType, Value
from uns.testing import DriverContract

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
pytest.importorskip("asyncpg", reason="asyncpg is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not list(Path("/usr/lib/postgresql").glob("*/bin/postgres")),
        reason="PostgreSQL is not installed: apt install postgresql",
    ),
]

_FOLDER = "uns-contract-sql-"
_made: set[Path] = set()  # others may run these tests at the same time


class TestSql(DriverContract):
    protocol = "sql"
    grows = True
    tells_time = True
    sessions = 40  # each is a login
    cannot: ClassVar = {
        "a_resumed_session_misses_nothing": (
            "a scan without a new row tells the newest again; tests/bridges/sql/test_resume.py"
        )
    }

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _clean_up(cls) -> Iterator[None]:
        yield
        for folder in _made:
            shutil.rmtree(folder, ignore_errors=True)

    def command(self, port: int, tags: int) -> Sequence[str]:
        script = Path(__file__).with_name("serve_sql.py")
        folder = Path(tempfile.gettempdir()) / f"{_FOLDER}{port}"
        _made.add(folder)
        return [sys.executable, str(script), str(folder), str(port), str(tags)]

    def config(self, port: int) -> SqlConfig:
        return self.with_secret(port, "right")

    def with_secret(self, port: int, secret: str) -> SqlConfig:
        return SqlConfig(
            url=f"postgresql://127.0.0.1:{port}/postgres",
            user="uns",
            password=secret,
            table="seen",
            key="name",
            watermark="id",
            timestamp="at",
            write="update setpoints set {column} = :value where name = :key",
            timeout_s=2,
        )

    def address(self, number: int) -> str:
        return f"T{number}/value"

    def addresses(self) -> Sequence[str]:
        return ('"T 1/a"/"5"" pipe"', "T1 / VALUE")

    def writable(self) -> tuple[str, DataType, Value]:
        return "Setpoint/value", DataType.FLOAT, 12.5

    def values(self) -> Sequence[tuple[str, DataType, Value]]:
        return (
            ("Infinite/value", DataType.DOUBLE, math.inf),
            ("NoNumber/value", DataType.FLOAT, math.nan),
            ("Large/value", DataType.INT64, 2**53 + 1),
            ("Empty/label", DataType.STRING, ""),
            ("Foreign/label", DataType.STRING, "Größe"),
            ("Empty/value", DataType.DOUBLE, None),
        )
