"""The `connection:` words of an MQTT binding."""

from __future__ import annotations

import zlib
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from bridges.driver import DriverConfig
from bridges.mqtt.address import Trust
from bridges.mqtt.watch import Pattern
from bridges.paths import JsonPath
from uns.errors import AddressError, ProjectError

__all__ = ["MqttConfig"]

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_SHAPE = "write `mqtt://10.1.1.5:1883`"
_READING = frozenset(("timestamp", "quality", "retained", "silence_s"))
_OF_ALL = frozenset(("enabled", "clock"))
_IN_KEY = frozenset(("broker", "user", "password"))


class MqttConfig(DriverConfig):
    """How to reach a foreign broker, and how far its messages are believed."""

    broker: str = Field(description="its address: `mqtt://10.1.1.5:1883`, or `mqtts://` with TLS")
    user: str = Field(default="", description="who logs in")
    password: SecretStr = Field(default=SecretStr(""), description="`${env:NAME}`, never as text")
    cafile: str = Field(default="", description="certificates that are trusted, PEM; with mqtts")
    certfile: str = Field(default="", description="our own certificate, PEM")
    keyfile: str = Field(default="", description="its private key, PEM")
    client_id: str = Field(
        default="", max_length=128, description="where the broker wants a certain one"
    )
    timestamp: str = Field(
        default="", description="a value's time in the payload, a path: `$.ts`; ours without"
    )
    quality: str = Field(default="", description="its quality in the payload, a path: `$.q`")
    retained: Literal["uncertain", "good", "ignore"] = Field(
        default="uncertain",
        description="what a retained message is worth where no time says how old it is",
    )
    silence_s: float | None = Field(
        default=None, ge=0.5, le=31_536_000, description="a topic silent for longer is stale"
    )
    watch: tuple[str, ...] = Field(
        default=(),
        max_length=50,
        description="topic filters to name what nobody reads in: `legacy/+line/cw/data`",
        json_schema_extra={"type": ["array", "string"]},
    )
    host_id: str = Field(
        default="", description="Sparkplug: be a host application of this name; else only listen"
    )
    rebirth: bool = Field(
        default=False, description="Sparkplug: ask edge nodes for births that were missed"
    )
    keepalive_s: int = Field(
        default=2, ge=1, le=60, description="how soon a silent broker is noticed"
    )
    timeout_s: float = Field(default=5.0, ge=0.5, le=60, description="how long connecting may take")
    largest: int = Field(
        default=1_000_000, ge=16, le=16_000_000, description="bytes of a payload that is read"
    )

    @field_validator("broker")
    @classmethod
    def _is_reachable(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise ValueError(f"`{url}`: {error}; {_SHAPE}") from None
        if parts.scheme not in _PORTS:
            raise ValueError(f"`{url}` does not start with `mqtt://` or `mqtts://`")
        if parts.username is not None or parts.password is not None:
            raise ValueError("a user belongs under `user:` and `password:`, not into the address")
        if not host or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(f"`{url}` is more or less than a host and a port; {_SHAPE}")
        return url

    @field_validator("timestamp", "quality")
    @classmethod
    def _is_path(cls, text: str) -> str:
        try:
            return str(JsonPath.parse(text)) if text else ""
        except AddressError as error:
            raise ValueError(f"column {error.column}: {error}; {error.hint}") from None

    @field_validator("watch", mode="before")
    @classmethod
    def _is_list(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("watch")
    @classmethod
    def _are_filters(cls, filters: tuple[str, ...]) -> tuple[str, ...]:
        try:
            for text in filters:
                Pattern.parse(text)
        except ProjectError as error:
            raise ValueError(str(error)) from None
        return filters

    @field_validator("host_id")
    @classmethod
    def _is_id(cls, text: str) -> str:
        if any(mark in text for mark in "+/#\0") or not text.isprintable():
            raise ValueError(f"`{text}` is no Sparkplug id: printable text without `+`, `/`, `#`")
        return text

    @property
    def trust(self) -> Trust:
        """How far messages are believed."""
        return Trust(
            JsonPath.parse(self.timestamp) if self.timestamp else None,
            JsonPath.parse(self.quality) if self.quality else None,
            self.retained,
            self.silence_s or 0.0,
        )

    def key(self) -> str:
        """`mqtt://user@host:port`.

        How messages are read (`timestamp`, `quality`, `retained`, `silence_s`) is no part of it:
        machines that differ only in that share one session. Other settings away from their
        defaults add a checksum.
        """
        user = f"{self.user}@" if self.user else ""
        host, port = self.endpoint()
        return f"{self.scheme}://{user}{_bracketed(host)}:{port}{self._difference()}"

    @property
    def scheme(self) -> str:
        """`mqtt`, or `mqtts` with TLS."""
        return urlsplit(self.broker).scheme

    def endpoint(self) -> tuple[str, int]:
        """The host and TCP port of the broker."""
        parts = urlsplit(self.broker)
        return parts.hostname or "", parts.port or _PORTS[parts.scheme]

    def moved_to(self, port: int) -> MqttConfig:
        """The same settings at a broker of 127.0.0.1 without TLS."""
        return self.model_copy(update={"broker": f"mqtt://127.0.0.1:{port}"})

    def _difference(self) -> str:
        left_out = _READING | _OF_ALL | _IN_KEY
        changed = [
            (name, getattr(self, name))
            for name, word in type(self).model_fields.items()
            if name not in left_out and getattr(self, name) != word.default
        ]
        return f"#{zlib.crc32(repr(changed).encode()):08x}" if changed else ""


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
