"""The `connection:` of an S7 binding."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from bridges.driver import DriverConfig
from bridges.moments import known_zone

__all__ = ["S7Config"]

_SESSION = ("role", "timeout_s", "connect_timeout_s", "max_gap", "max_pdu", "zone")


class S7Config(DriverConfig):
    """Settings of one S7 CPU; the last six concern the session."""

    host: str = Field(min_length=1, description="name or IP address of the CPU")
    port: int = Field(default=102, ge=1, le=65_535, description="its TCP port (ISO on TCP)")
    rack: int = Field(default=0, ge=0, le=7, description="0 for S7-1200 and S7-1500")
    slot: int = Field(default=1, ge=0, le=31, description="1 for S7-1200/1500, 2 for S7-300")
    role: Literal["pg", "op", "basic"] = Field(
        default="pg", description="which of the CPU's connections it takes: pg, op or basic"
    )
    timeout_s: float = Field(default=2.0, ge=0.05, le=60, description="how long an answer may take")
    connect_timeout_s: float = Field(
        default=3.0, ge=0.05, le=60, description="the same, to connect"
    )
    max_gap: int = Field(
        default=32, ge=0, le=200, description="bytes that nobody wants, read along"
    )
    max_pdu: int = Field(
        default=960, ge=240, le=960, description="the longest message; the CPU may want shorter"
    )

    zone: str = Field(default="UTC", description="time zone of the dates in its memory")

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        return known_zone(name)

    def key(self) -> str:
        """`s7://host:port/rack.slot`, and the settings of the session that are not the usual."""
        fields = type(self).model_fields
        unusual = [
            f"{name}={getattr(self, name)}"
            for name in _SESSION
            if getattr(self, name) != fields[name].default
        ]
        place = f"s7://{self.host}:{self.port}/{self.rack}.{self.slot}"
        return place + ("?" + "&".join(unusual) if unusual else "")

    def endpoint(self) -> tuple[str, int]:
        """The host and TCP port of the CPU."""
        return self.host, self.port

    def moved_to(self, port: int) -> S7Config:
        """The same settings on another port."""
        return self.model_copy(update={"port": port})
