"""The `connection:` of a Modbus binding, and how its addresses are read."""

from __future__ import annotations

from pydantic import Field

from bridges.blocks import ByteOrder
from bridges.driver import DriverConfig

__all__ = ["ModbusConfig"]

# What an address already carries (unit, order, numbering) does not part two sessions.
_SESSION = ("timeout_s", "connect_timeout_s", "max_gap", "max_words", "max_in_flight")


class ModbusConfig(DriverConfig):
    """Settings of one Modbus/TCP device or gateway; the last five concern the session."""

    host: str = Field(min_length=1, description="name or IP address of the device or gateway")
    port: int = Field(default=502, ge=1, le=65_535, description="its TCP port")
    unit: int = Field(default=1, ge=0, le=255, description="unit id of addresses without one")
    order: ByteOrder = Field(default=ByteOrder.ABCD, description="byte order of this vendor")
    zero_based: bool = Field(default=True, description="false where the manual counts from hr:1")
    timeout_s: float = Field(default=1.0, ge=0.05, le=60, description="how long an answer may take")
    connect_timeout_s: float = Field(
        default=3.0, ge=0.05, le=60, description="the same, to connect"
    )
    max_gap: int = Field(
        default=8, ge=0, le=124, description="unused registers read along; 0 for picky devices"
    )
    max_words: int = Field(default=125, ge=4, le=125, description="registers in one request")
    max_in_flight: int = Field(
        default=1, ge=1, le=16, description="requests sent before the first answer is there"
    )

    def key(self) -> str:
        """`modbus://host:port`, and the settings of the session that are not the usual ones.

        Unit, byte order and numbering are part of every parsed address, so connections that
        differ only in those have the same key and may share one session.
        """
        fields = type(self).model_fields
        unusual = [
            f"{name}={getattr(self, name):g}"
            for name in _SESSION
            if getattr(self, name) != fields[name].default
        ]
        return f"modbus://{self.host}:{self.port}" + ("?" + "&".join(unusual) if unusual else "")

    def endpoint(self) -> tuple[str, int]:
        """The host and TCP port of the device."""
        return self.host, self.port

    def moved_to(self, port: int) -> ModbusConfig:
        """The same settings on another port."""
        return self.model_copy(update={"port": port})
