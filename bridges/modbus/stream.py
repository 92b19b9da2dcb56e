"""The TCP connection under a Modbus session, and in words why there is none."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TypeVar

from uns.errors import DeviceError

__all__ = ["connected"]

_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)


async def connected(
    make: Callable[[], _Protocol], host: str, port: int, *, timeout_s: float
) -> _Protocol:
    """One attempt to reach a device; raises DeviceError where it fails."""
    where = f"{host}:{port}"
    try:
        async with asyncio.timeout(timeout_s):
            transport, protocol = await asyncio.get_running_loop().create_connection(
                make, host, port
            )
    except TimeoutError:
        raise DeviceError(
            f"{where} does not answer within {timeout_s:g} s",
            hint="is the device switched on, and is there a route to it?",
        ) from None
    except ConnectionRefusedError:
        raise DeviceError(
            f"{where} refused the connection",
            hint="check host and port, and that the device serves Modbus/TCP",
        ) from None
    except OSError as error:
        raise DeviceError(
            f"{where} cannot be reached: {error.strerror or error}",
            hint="check host and port, and that the device serves Modbus/TCP",
        ) from error
    transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return protocol
