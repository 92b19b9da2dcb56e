"""Errors, by who can put them right.

UnsError
├── ProjectError         the engineer: a project file says something that cannot be
├── DeviceError          the plant: a PLC or SCADA system refuses, is silent or is not there
│   ├── DeniedError      it answered, and does not let us in: password, certificate, rights
│   └── AddressError     the engineer again: a tag's address is not one this protocol has
├── BrokerError          the network: no broker, refused, taken over
├── TargetError          the enterprise: an ERP or MES end refuses or is not there
├── PeerProtocolError    the other end broke a standard (Sparkplug, MQTT, Modbus …)
└── StorageError         the machine: a disk is full or a state file is broken

Each sentence says what happened, where, and what to do. They are caught once, at the shell.
"""

from __future__ import annotations

__all__ = [
    "AddressError",
    "BrokerError",
    "DeniedError",
    "DeviceError",
    "PeerProtocolError",
    "ProjectError",
    "StorageError",
    "TargetError",
    "UnsError",
]


class UnsError(Exception):
    """Anything this product raises on purpose; `hint` says what to do about it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ProjectError(UnsError):
    """A project cannot be used as it is written."""


class DeviceError(UnsError):
    """A device refused, fell silent, or is not there."""


class DeniedError(DeviceError):
    """A device answered and does not let us in; only a person can change that.

    Trying again soon is of no use and may lock an account, so the runtime waits longer.
    """


class AddressError(DeviceError):
    """A tag's address is not one this protocol has; `column` (from 1) is where it goes wrong."""

    def __init__(self, message: str, *, column: int = 1, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.column = column


class BrokerError(UnsError):
    """No broker, or it refused us, or another client took our place."""


class TargetError(UnsError):
    """An enterprise system refused a message or could not be reached."""


class PeerProtocolError(UnsError):
    """The other end broke the standard that we both speak."""


class StorageError(UnsError):
    """A disk is full, or a file of ours is broken."""
