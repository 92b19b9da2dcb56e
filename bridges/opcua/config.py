"""The `connection:` words of an OPC UA binding."""

from __future__ import annotations

import zlib
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from bridges.driver import DriverConfig

__all__ = ["Login", "OpcUaConfig", "Security"]

_BACK_S = 30.0  # until a cut is noticed, and a pause between two attempts, at most 15 s
_DEFAULT_PORT = 4840  # registered with IANA for opc.tcp


class Login(BaseModel):
    """A user name and password of the server's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: str = Field(min_length=1, description="who logs in")
    password: SecretStr = Field(default=SecretStr(""), description="better from the environment")


class Security(BaseModel):
    """A certain security, instead of the best that both ends know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["sign", "sign_and_encrypt"] = Field(
        default="sign_and_encrypt", description="what is done to each message"
    )
    policy: Literal["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss", "any"] = (
        Field(default="any", description="which algorithms are used; `any` takes the best")
    )


class OpcUaConfig(DriverConfig):
    """How to reach an OPC UA server: `{endpoint: "opc.tcp://10.1.20.11:4840"}`."""

    url: str = Field(alias="endpoint", description="the server's URL; without a port, 4840")
    namespace: str = Field(
        default="", description="URI of the namespace of addresses that name none"
    )
    security: Literal["auto", "none"] | Security = Field(
        default="auto",
        description="`auto`: the highest level that both ends know; `none`: plain; or `{mode, policy}`",
    )
    trust: Literal["first", "listed"] = Field(
        default="first",
        description="`first`: a server's certificate is trusted at first sight and pinned; "
        "`listed`: only those in `<certificates>/trusted`, and what they have signed",
    )
    fingerprint: str = Field(
        default="",
        pattern=r"^([0-9A-Fa-f]{2}[: ]?){31}[0-9A-Fa-f]{2}$|^$",
        description="SHA-256 of the one certificate that the server may show",
    )
    auth: Login | None = Field(
        default=None, description='`{user: uns, password: "${env:PW}"}`; without it, anonymous'
    )
    certificates: str = Field(
        default="opcua", description="folder of certificates; relative ones are in the state folder"
    )
    publishing_s: float = Field(
        default=0.25, ge=0.05, le=10, description="how often the server collects what changed"
    )
    timeout_s: float = Field(default=4.0, ge=0.5, le=60, description="how long an answer may take")
    keep_s: float = Field(
        default=60.0,
        ge=5,
        le=3600,
        description="how long a cut may last before values of `deliver: every` tags are lost",
    )

    @field_validator("url")
    @classmethod
    def _is_reachable(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "opc.tcp":
            raise ValueError(f"`{url}` does not start with `opc.tcp://`")
        if parts.username is not None:
            raise ValueError("a user name belongs under `auth: {user: …, password: …}`")
        if not parts.hostname:
            raise ValueError(f"`{url}` names no host: write `opc.tcp://10.1.20.11:4840`")
        try:
            _ = parts.port
        except ValueError:
            raise ValueError(f"`{url}` has no valid port: 1 to 65535") from None
        return url

    def key(self) -> str:
        """The endpoint, with the user: `opc.tcp://10.1.20.11:4840`.

        `namespace` is no part of it: it says how addresses are read, and machines that differ
        only in that share one session. Other settings away from their defaults add a checksum.
        """
        parts = urlsplit(self.url)
        user = f"{self.auth.user}@" if self.auth else ""
        address, port = self.endpoint()
        path = parts.path.rstrip("/")
        return f"opc.tcp://{user}{_bracketed(address)}:{port}{path}{self._difference()}"

    @property
    def lasting_s(self) -> float:
        """How long the server is asked to keep everything: a cut, and our way back after it."""
        return self.keep_s + _BACK_S

    def endpoint(self) -> tuple[str, int]:
        """The host and TCP port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or _DEFAULT_PORT

    def moved_to(self, port: int) -> OpcUaConfig:
        """The same settings on another port."""
        host, _ = self.endpoint()
        moved = urlsplit(self.url)._replace(netloc=f"{_bracketed(host)}:{port}").geturl()
        return self.model_copy(update={"url": moved})

    def _difference(self) -> str:
        changed = [(name, getattr(self, name)) for name in _IN_KEY if self._is_set(name)]
        return f"#{zlib.crc32(repr(changed).encode()):08x}" if changed else ""

    def _is_set(self, name: str) -> bool:
        return bool(getattr(self, name) != type(self).model_fields[name].default)


_IN_KEY = (
    "security",
    "certificates",
    "publishing_s",
    "timeout_s",
    "keep_s",
    "trust",
    "fingerprint",
)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
