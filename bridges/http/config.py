"""The `connection:` of an HTTP binding."""

from __future__ import annotations

import zlib
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from bridges.driver import DriverConfig
from bridges.paths import JsonPath
from uns.errors import AddressError

__all__ = ["HttpConfig", "Login", "Preset"]


class Preset(StrEnum):
    """A dialect that needs no paths, only what the vendor's papers name."""

    NONE = ""
    MTCONNECT = "mtconnect"
    IO_LINK = "iolink"
    IFM = "ifm"


class Login(BaseModel):
    """A user name and password of the server's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: str = Field(min_length=1)
    password: SecretStr = SecretStr("")


class HttpConfig(DriverConfig):
    """How to reach a server: `{url: "http://10.1.30.7:5000"}`."""

    url: str = Field(description="where every address begins: `http://10.1.30.7:5000/api`")
    preset: Preset = Field(
        default=Preset.NONE, description="`mtconnect`, `iolink` or `ifm`: their own addresses"
    )
    auth: Login | None = Field(default=None, description="`{user: …, password: ${env:…}}`")
    token: SecretStr = Field(default=SecretStr(""), description="sent as `Authorization: Bearer`")
    headers: dict[str, SecretStr] = Field(
        default_factory=dict, description="more headers of every request, such as an API key"
    )
    timestamp: str = Field(
        default="", description="JSON path of the time that all values of a document have"
    )
    verify: bool = Field(default=True, description="false: take any certificate (https)")
    ca_file: str = Field(
        default="", description="certificates to trust besides the usual ones; PEM"
    )
    timeout_s: float = Field(default=5.0, ge=0.1, le=60, description="how long an answer may take")
    max_bytes: int = Field(
        default=16_777_216, ge=1_000, le=268_435_456, description="a longer answer is refused"
    )

    @field_validator("url")
    @classmethod
    def _is_reachable(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"`{url}` is no address: write `http://10.1.30.7:5000`")
        if parts.username is not None:
            raise ValueError("a user name belongs under `auth: {user: …, password: …}`")
        if parts.query or parts.fragment:
            raise ValueError("what follows `?` or `#` belongs into the addresses of the tags")
        try:
            _ = parts.port
        except ValueError:
            raise ValueError(f"`{url}` has no valid port: 1 to 65535") from None
        return url.rstrip("/")

    @field_validator("timestamp")
    @classmethod
    def _leads_to_one_value(cls, text: str) -> str:
        try:
            return str(JsonPath.parse(text)) if text else ""
        except AddressError as error:
            raise ValueError(f"{error}; {error.hint}") from None

    @model_validator(mode="after")
    def _logs_in_one_way(self) -> Self:
        if self.auth and self.token.get_secret_value():
            raise ValueError("write either `auth` or `token`")
        return self

    def key(self) -> str:
        """The url, with the user. Settings away from their defaults add a checksum."""
        parts = urlsplit(self.url)
        user = f"{self.auth.user}@" if self.auth else ""
        host, port = self.endpoint()
        shown = f"[{host}]" if ":" in host else host
        return f"{parts.scheme}://{user}{shown}:{port}{parts.path}{self._difference()}"

    def endpoint(self) -> tuple[str, int]:
        """The host and TCP port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

    def moved_to(self, port: int) -> HttpConfig:
        """The same settings on another port, without encryption: simulators have none."""
        host, _ = self.endpoint()
        shown = f"[{host}]" if ":" in host else host
        moved = urlsplit(self.url)._replace(scheme="http", netloc=f"{shown}:{port}").geturl()
        return self.model_copy(update={"url": moved})

    def _difference(self) -> str:
        """A checksum of what else parts two sessions; of secrets, only that there are some."""
        fields = type(self).model_fields
        plain = ("preset", "timestamp", "verify", "ca_file", "timeout_s", "max_bytes")
        told = [
            (name, str(getattr(self, name)))
            for name in plain
            if getattr(self, name) != fields[name].default
        ]
        told += [("header", name) for name in sorted(self.headers)]
        told += [("token", "set")] if self.token.get_secret_value() else []
        return f"#{zlib.crc32(repr(told).encode()):08x}" if told else ""
