"""The `connection:` of a Logix binding."""

from __future__ import annotations

from pydantic import Field

from bridges.driver import DriverConfig

__all__ = ["LogixConfig"]


class LogixConfig(DriverConfig):
    """Settings of one Logix controller."""

    host: str = Field(min_length=1, description="name or IP address of the controller or its port")
    port: int = Field(default=44_818, ge=1, le=65_535, description="its TCP port (EtherNet/IP)")
    slot: int = Field(default=0, ge=0, le=31, description="slot of the controller in its chassis")
    timeout_s: float = Field(default=2.0, ge=0.05, le=60, description="how long an answer may take")

    def key(self) -> str:
        """`logix://host:port/slot`, and the time-out where it is not the usual one."""
        usual = type(self).model_fields["timeout_s"].default
        more = "" if self.timeout_s == usual else f"?timeout_s={self.timeout_s:g}"
        return f"logix://{self.host}:{self.port}/{self.slot}{more}"

    def endpoint(self) -> tuple[str, int]:
        """The host and TCP port of the controller."""
        return self.host, self.port

    def moved_to(self, port: int) -> LogixConfig:
        """The same settings on another port."""
        return self.model_copy(update={"port": port})
