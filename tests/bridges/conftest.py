"""What tests of drivers share: a TCP relay whose cable can be pulled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from uns.testing import FaultProxy, proxied
from uns.testing import free_port as find_free_port


@pytest.fixture
async def fault_proxy() -> AsyncIterator[Callable[[int], Awaitable[FaultProxy]]]:
    """A factory of relays: await it with the server's port, then connect to the relay's."""
    async with AsyncExitStack() as stack:
        yield lambda port: stack.enter_async_context(proxied(port))


@pytest.fixture
def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    return find_free_port()
