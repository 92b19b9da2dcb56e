"""The `connection:` of a Modbus binding, and how its addresses are read."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from bridges.blocks import ByteOrder
from bridges.driver import DriverConfig

__all__ = ["ModbusConfig"]

# What an address already carries (unit, order, numbering) does not part two sessions.
_SESSION = (
    "timeout_s",
    "connect_timeout_s",
    "max_gap",
    "max_words",
    "max_in_flight",
    "framing",
    "baud",
    "parity",
    "stop_bits",
)


class ModbusConfig(DriverConfig):
    """Settings of one Modbus device, gateway or serial line."""

    host: str = Field(default="", description="name or IP address of the device or gateway")
    port: int = Field(default=502, ge=1, le=65_535, description="its TCP port")
    serial: str = Field(
        default="",
        description="instead of `host`: the serial device of an RTU line, `/dev/ttyUSB0`",
    )
    unit: int = Field(default=1, ge=0, le=255, description="unit id of addresses without one")
    order: ByteOrder = Field(default=ByteOrder.ABCD, description="byte order of this vendor")
    zero_based: bool = Field(default=True, description="false where the manual counts from hr:1")
    framing: Literal["tcp", "rtu"] = Field(
        default="tcp", description="`rtu` for gateways that pass the bytes of the line as they are"
    )
    baud: int = Field(default=19_200, ge=300, le=4_000_000, description="speed of the serial line")
    parity: Literal["even", "odd", "none"] = Field(default="even", description="of the serial line")
    stop_bits: Literal[1, 2] = Field(
        default=1, description="of the serial line; 2 is usual without parity"
    )
    timeout_s: float = Field(default=1.0, ge=0.05, le=60, description="how long an answer may take")
    connect_timeout_s: float = Field(
        default=3.0, ge=0.05, le=60, description="the same, to connect"
    )
    max_gap: int = Field(
        default=8, ge=0, le=124, description="unused registers read along; 0 for picky devices"
    )
    max_words: int = Field(default=125, ge=4, le=125, description="registers in one request")
    max_in_flight: int = Field(
        default=1,
        ge=1,
        le=16,
        description="requests sent before the first answer is there; 1 on a line",
    )

    @model_validator(mode="after")
    def _reaches_one_thing(self) -> Self:
        if bool(self.host) == bool(self.serial):
            raise ValueError(
                "write either `host` (Modbus/TCP, a gateway) or `serial` (an RTU line)"
            )
        return self

    @property
    def is_rtu(self) -> bool:
        """Whether frames are those of a serial line."""
        return bool(self.serial) or self.framing == "rtu"

    def key(self) -> str:
        """`modbus://host:port`, and the settings of the session that are not the usual ones.

        Unit, byte order and numbering are part of every parsed address, so connections that
        differ only in those have the same key and may share one session.
        """
        fields = type(self).model_fields
        held = {name: getattr(self, name) for name in _SESSION}
        unusual = [
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in held.items()
            if value != fields[name].default
        ]
        where = self.serial or f"{self.host}:{self.port}"
        return f"modbus://{where}" + ("?" + "&".join(unusual) if unusual else "")

    def endpoint(self) -> tuple[str, int] | None:
        """The host and TCP port of the device; None for a serial line."""
        return (self.host, self.port) if self.host else None

    def moved_to(self, port: int) -> ModbusConfig:
        """The same settings on another port."""
        return self.model_copy(update={"port": port})
