"""One link to a database: it asks, it writes one row, it ends in time.

SQLAlchemy and the two drivers below it are loaded when a link is made; every question has a
deadline, and after one that was missed the link is not used again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from bridges import extras
from bridges.sql.config import SqlConfig
from bridges.sql.refusals import refused
from uns.errors import DeniedError, DeviceError

__all__ = ["Database"]

_GOODBYE_S = 1.0
_CUT_S = 0.3  # for a question that was cut short to end


class Database:
    """An open link; `sa` is the module `sqlalchemy`, for those who build questions."""

    def __init__(self, config: SqlConfig, home: Path) -> None:
        """Load the libraries; does not connect. Raises DeviceError where one is not installed."""
        self.sa = _load("sqlalchemy", "SQLAlchemy")
        below, package = _BELOW[config.dialect]
        library = _load(below, package)
        self._errors = (self.sa.exc.SQLAlchemyError, *_errors_of(library, config.dialect), OSError)
        self._config = config
        self._home = home
        self._engine: Any = None
        self._link: Any = None
        self._raw: Any = None

    async def open(self) -> None:
        """Connect, once; raises DeviceError."""
        asyncio_part = _load("sqlalchemy.ext.asyncio", "SQLAlchemy[asyncio]")
        url, arguments = self._place()
        self._engine = asyncio_part.create_async_engine(
            url,
            connect_args=arguments,
            poolclass=self.sa.pool.NullPool,
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
        )
        if self._config.dialect == "sqlite":
            _check_file(self._home / self._config.database)
        await self._answer(self._connect())
        if self._config.dialect == "sqlite":
            await self._run("PRAGMA query_only = on")

    async def rows(self, question: Any) -> list[Any]:
        """All rows that answer a question."""
        return list((await self._answer(self._connected().execute(question))).all())

    async def columns(self, question: Any) -> list[str]:
        """The names of the columns of its answer."""
        return list((await self._answer(self._connected().execute(question))).keys())

    async def write(self, statement: str, values: Mapping[str, Any]) -> str:
        """Change one row; a problem, and nothing was changed, where it is not exactly one."""
        is_sqlite = self._config.dialect == "sqlite"
        if is_sqlite:
            await self._run("PRAGMA query_only = off")
        await self._run("BEGIN IMMEDIATE" if is_sqlite else "BEGIN READ WRITE")
        outcome = "ROLLBACK"
        try:
            changing = self._connected().execute(self.sa.text(statement), values)
            rows = (await self._answer(changing)).rowcount
            outcome = "COMMIT" if rows == 1 else "ROLLBACK"
        finally:
            await self._run(outcome)
            if is_sqlite:
                await self._run("PRAGMA query_only = on")
        problem = f"the statement would change {rows} rows, not one: nothing was written"
        return "" if rows == 1 else problem

    async def close(self) -> None:
        """Leave, in a second at most; then drop what is left. Safe to call twice."""
        link, self._link = self._link, None
        engine, self._engine = self._engine, None
        raw, self._raw = self._raw, None
        try:
            async with asyncio.timeout(_GOODBYE_S):
                if link is not None:
                    await link.close()
                if engine is not None:
                    await engine.dispose()
        except self._errors:
            await _cut_short(raw)

    async def _connect(self) -> None:
        self._link = await self._engine.connect()
        self._raw = (await self._link.get_raw_connection()).driver_connection

    async def _run(self, statement: str) -> None:
        await self._answer(self._connected().exec_driver_sql(statement))

    def _connected(self) -> Any:
        if self._link is None:
            raise DeviceError(f"{self._config.key_of_source()} is not connected")
        return self._link

    async def _answer(self, asked: Coroutine[Any, Any, Any]) -> Any:
        """What comes back in time, or the error in our words.

        A task of its own, because cancelling a question makes SQLAlchemy tidy up behind it, which
        waits for the very answer that does not come. It is cut short from below first.
        """
        task = asyncio.create_task(asked, name="sql:question")
        try:
            async with asyncio.timeout(self._config.timeout_s):
                return await asyncio.shield(task)
        except self._errors as error:
            raise refused(error, self._config) from error
        finally:
            if not task.done():
                await _cut_short(self._raw)
                await asyncio.wait([task], timeout=_CUT_S)
                task.cancel()
                await asyncio.wait([task], timeout=_CUT_S)
            if task.done() and not task.cancelled():
                task.exception()  # told above, or of no more interest

    def _place(self) -> tuple[Any, dict[str, Any]]:
        """SQLAlchemy's URL of the database, and what the driver below is told."""
        config, url = self._config, self.sa.engine.URL
        if config.dialect == "sqlite":
            path = quote(str(self._home / config.database))
            mode = "rw" if config.write else "ro"
            query = {"mode": mode, "uri": "true"}
            return url.create("sqlite+aiosqlite", database=f"file:{path}", query=query), {
                "timeout": config.timeout_s
            }
        split = urlsplit(config.url)
        return url.create(
            "postgresql+asyncpg",
            username=config.user or None,
            password=config.password.get_secret_value() or None,
            host=split.hostname,
            port=split.port,
            database=config.database,
        ), {
            "timeout": config.timeout_s,
            "ssl": _tls(config.tls),
            "server_settings": {
                "application_name": "uns",
                "default_transaction_read_only": "on",
                "statement_timeout": str(round(config.timeout_s * 1000)),
            },
        }


def _load(module: str, package: str) -> Any:
    return extras.load(module, driver="sql", package=package, extra="sql")


def _errors_of(library: Any, dialect: str) -> tuple[type[Exception], ...]:
    if dialect == "sqlite":
        return (library.Error,)
    return library.PostgresError, library.InterfaceError, library.InternalClientError


def _check_file(path: Path) -> None:
    """SQLite's own word for each of these is "unable to open database file"."""
    if not path.is_file():
        raise DeviceError(
            f"there is no database file {path}",
            hint="`sqlite:///file.db` begins in the state folder, `sqlite:////srv/file.db` does not",
        )
    if not os.access(path, os.R_OK):
        raise DeniedError(f"the file {path} may not be read by this user", hint="give it the right")


async def _cut_short(raw: Any) -> None:
    """Give up what is being asked: SQLite is interrupted, PostgreSQL's socket is dropped."""
    if hasattr(raw, "terminate"):
        raw.terminate()
    elif raw is not None:
        with contextlib.suppress(ValueError):  # it was closed already
            await raw.interrupt()


def _tls(wanted: str) -> Any:
    """What asyncpg is told; it knows libpq's words, and `verify` needs the system's authorities."""
    if wanted == "verify":
        return ssl.create_default_context()
    return {"off": "disable"}.get(wanted, wanted)


_BELOW = {"sqlite": ("aiosqlite", "aiosqlite"), "postgresql": ("asyncpg", "asyncpg")}
