"""The `connection:` of a SQL binding."""

from __future__ import annotations

import re
import zlib
from typing import Final, Literal, Self
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from bridges.driver import DriverConfig
from bridges.moments import known_zone

__all__ = ["SqlConfig"]

_POSTGRES_PORT: Final = 5432
_DIALECTS: Final = {
    "sqlite": "sqlite",
    "sqlite+aiosqlite": "sqlite",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "postgresql+asyncpg": "postgresql",
}
#: What the name of a connection shows already, or what does not part two sessions.
_NOT_HASHED: Final = frozenset({"url", "password", "table", "query", "enabled", "clock"})


class SqlConfig(DriverConfig):
    """One table or query of one database."""

    url: str = Field(
        description="`postgresql://host:5432/database`, or `sqlite:///file.db`", min_length=1
    )
    user: str = Field(default="", description="who reads; the database should let it only read")
    password: SecretStr = Field(default=SecretStr(""), description="its password")
    table: str = Field(default="", description="the table or view that is read, `schema.name` too")
    query: str = Field(default="", description="instead of `table`: a SELECT")
    key_column: str = Field(
        default="", alias="key", description="the column that says which machine a row is about"
    )
    watermark: str = Field(
        default="",
        description="the column that grows with every new row; without one the rows are a state",
    )
    timestamp: str = Field(default="", description="the column with the time of a row's values")
    timezone: str = Field(default="UTC", description="of times that name no zone")
    start: Literal["newest", "oldest"] = Field(
        default="newest", description="where reading begins on the first day, with a watermark"
    )
    overlap: float = Field(
        default=0.0,
        ge=0,
        description="how far behind the watermark late rows are looked for: seconds, or numbers",
    )
    limit: int = Field(default=1000, ge=1, le=100_000, description="rows read in one scan")
    write: str = Field(
        default="",
        description="an UPDATE or INSERT for writable tags, with {column}, :value and :key",
    )
    tls: Literal["prefer", "off", "require", "verify"] = Field(
        default="prefer", description="PostgreSQL: whether the link is encrypted, and verified"
    )
    timeout_s: float = Field(default=5.0, ge=0.1, le=300, description="how long an answer may take")

    @field_validator("url")
    @classmethod
    def _has_no_secret(cls, url: str) -> str:
        scheme = url.partition("://")[0]
        if scheme not in _DIALECTS:
            raise ValueError("a database's url begins with `postgresql://` or `sqlite:///`")
        split = urlsplit(url)
        if "@" in split.netloc:
            raise ValueError("write `user:` and `password:` beside the url, not into it")
        if not split.path.strip("/"):
            form = "postgresql://host:5432/database" if split.netloc else "sqlite:///file.db"
            raise ValueError(f"the url names no database: write it like `{form}`")
        if _DIALECTS[scheme] == "sqlite" and split.netloc:
            raise ValueError("a file follows three slashes: `sqlite:///file.db`")
        if _DIALECTS[scheme] == "postgresql" and not (split.hostname and _port(split)):
            raise ValueError("the url names no host: write `postgresql://host:5432/database`")
        return url

    @field_validator("query")
    @classmethod
    def _only_reads(cls, query: str) -> str:
        if query and not re.match(r"(?i)\s*(select|with)\b", query):
            raise ValueError("a query begins with SELECT or WITH: this connection only reads")
        return query.strip().rstrip(";").rstrip()

    @field_validator("write")
    @classmethod
    def _writes_a_value(cls, statement: str) -> str:
        if statement and ":value" not in statement:
            raise ValueError("a write statement says where the value goes: `:value`")
        return statement.strip().rstrip(";")

    @model_validator(mode="after")
    def _reads_one_thing(self) -> Self:
        if bool(self.table) == bool(self.query):
            raise ValueError("say what is read: either `table:` or `query:`")
        if not self.watermark and (self.overlap or "start" in self.model_fields_set):
            raise ValueError("`overlap` and `start` need a `watermark:`")
        if ":key" in self.write and not self.key_column:
            raise ValueError("`:key` in `write:` needs a `key:` column")
        return self

    @property
    def dialect(self) -> str:
        """Which kind of database: `sqlite` or `postgresql`."""
        return _DIALECTS[self.url.partition("://")[0]]

    @property
    def database(self) -> str:
        """The database's name, or the path of its file."""
        return unquote(urlsplit(self.url).path.removeprefix("/"))

    def key_of_source(self) -> str:
        """The database without what is read of it: `postgresql://10.1.5.5:5432/mes`."""
        place = self.endpoint()
        host = "" if place is None else f"{place[0]}:{place[1]}"
        return f"{self.dialect}://{host}/{self.database}"

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        return known_zone(name)

    def key(self) -> str:
        """`postgresql://host:5432/mes orders`; a query, and unusual settings, as a short hash."""
        unusual = sorted(
            f"{name}={getattr(self, name)}"
            for name, field in type(self).model_fields.items()
            if name not in _NOT_HASHED and getattr(self, name) != field.default
        )
        what = self.table or f"query~{_short(self.query)}"
        return f"{self.key_of_source()} {what}" + (f"~{_short(str(unusual))}" if unusual else "")

    def endpoint(self) -> tuple[str, int] | None:
        """The host and port of the server; None for a file."""
        if self.dialect == "sqlite":
            return None
        split = urlsplit(self.url)
        return split.hostname or "", _port(split)

    def moved_to(self, port: int) -> SqlConfig:
        """The same settings on another port of this machine."""
        if self.dialect == "sqlite":
            return self
        moved = urlsplit(self.url)._replace(netloc=f"127.0.0.1:{port}").geturl()
        return self.model_copy(update={"url": moved})


def _port(split: SplitResult) -> int:
    """The port in a URL; raises ValueError where it is none."""
    return split.port or _POSTGRES_PORT


def _short(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"
