"""What a test says of the driver under test, and what every contract test asks for."""

from __future__ import annotations

import asyncio
import inspect
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import ClassVar, TypeAlias

import pytest
import pytest_asyncio

from bridges import get_driver
from bridges.driver import BoundTag, Driver, DriverConfig
from uns.equipment import Connection
from uns.metric import DataType, Value
from uns.service.connection import GRACE_S, ConnectionSupervisor
from uns.testing.device import Device, free_port
from uns.testing.fault_proxy import FaultProxy, proxied
from uns.testing.watch import Watch

__all__ = ["TAGS", "Proxying", "Subject"]

Proxying: TypeAlias = Callable[[int], Awaitable[FaultProxy]]

TAGS = 20
SCAN_S = 0.2
_STOP_S = 10.0
_CLOSE_S = 3.0  # two seconds of promise and what a busy machine adds


class Subject:
    """The words that a subclass sets, and the fixtures that its tests use."""

    protocol: ClassVar[str]
    grows: ClassVar[bool] = False  # tags can appear while the device runs

    tells_time: ClassVar[bool] = False  # values carry the device's time, which may be wrong
    keeps: ClassVar[bool] = True  # the source keeps for a driver that can resume what it missed
    sessions: ClassVar[int] = 200  # opened and reset one after the other, to see what is left

    #: Tests that make no sense for this protocol: the name without `test_`, and why.
    cannot: ClassVar[Mapping[str, str]] = {}

    def config(self, port: int) -> DriverConfig:
        """The settings of a connection to the device on `port`, with short time-outs."""
        raise NotImplementedError

    def address(self, number: int) -> str:
        """The address of the tag `number`, from 0: a UInt32 that counts up while it is served."""
        raise NotImplementedError

    def command(self, port: int, tags: int) -> Sequence[str]:
        """The program that serves `tags` tags on `port`; nothing where there is no device.

        `serve.py` beside the test, called with the protocol's name, the port and the number.
        """
        script = Path(inspect.getfile(type(self))).with_name("serve.py")
        return [sys.executable, str(script), self.protocol, str(port), str(tags)]

    def addresses(self) -> Sequence[str]:
        """Other forms of address that the protocol has: one of each kind, with its aliases."""
        return ()

    def with_secret(self, port: int, secret: str) -> DriverConfig | None:
        """The settings with `secret` wherever they take one; None where they take none."""
        del port, secret
        return None

    def writable(self) -> tuple[str, DataType, Value] | None:
        """The address of a tag that the device leaves alone, its type, and a value to write."""
        return None

    def values(self) -> Sequence[tuple[str, DataType, Value]]:
        """What the device shows all the time: address, type and value; None has to be Bad."""
        return ()

    # ------------------------------------------------------------ what tests use

    @property
    def driver_class(self) -> type[Driver]:
        """The driver under test."""
        return get_driver(self.protocol)

    def driver(self, port: int) -> Driver:
        """A driver for one session with what listens on `port`."""
        return self.driver_class(self.config(port))

    def tag(
        self, port: int, handle: int, address: str, datatype: DataType = DataType.UINT32
    ) -> BoundTag:
        """A tag at an address of its own."""
        parsed = self.driver_class.parse(address, self.config(port))
        return BoundTag(handle, parsed, datatype, SCAN_S)

    def tags(self, port: int, numbers: Sequence[int] | None = None) -> list[BoundTag]:
        """The tags with these numbers, which are their handles; all of them without."""
        return [
            self.tag(port, number, self.address(number))
            for number in (range(TAGS) if numbers is None else numbers)
        ]

    def supervised(
        self, port: int, numbers: Sequence[int] | None = None, grace_s: float = GRACE_S
    ) -> AbstractAsyncContextManager[tuple[ConnectionSupervisor, Watch]]:
        """A connection as the runtime holds it, with the tags of these numbers."""
        return self.supervised_tags(port, self.tags(port, numbers), grace_s)

    @asynccontextmanager
    async def supervised_tags(
        self, port: int, tags: Sequence[BoundTag], grace_s: float = GRACE_S
    ) -> AsyncIterator[tuple[ConnectionSupervisor, Watch]]:
        """A connection as the runtime holds it; the end of the `with` stops it in time."""
        watch, config = Watch(), self.config(port)
        supervisor = ConnectionSupervisor(
            Connection(config.key(), self.protocol, config),
            self.driver_class,
            tags,
            watch.on_readings,
            watch.on_state,
            on_late=watch.on_late,
            label="porto/line1",
            grace_s=grace_s,
        )
        task = asyncio.create_task(supervisor.run())
        try:
            yield supervisor, watch
            assert not task.done(), "nothing ends a supervisor"
        finally:
            task.cancel()
            began = time.monotonic()
            await asyncio.wait([task], timeout=_STOP_S)
            assert task.cancelled()
            assert time.monotonic() - began < _CLOSE_S, "closes within two seconds"

    # ------------------------------------------------------------ fixtures

    @pytest.fixture(autouse=True)
    def _unless_it_cannot(self, request: pytest.FixtureRequest) -> None:
        reason = self.cannot.get(request.node.originalname.removeprefix("test_"))
        if reason:
            pytest.skip(reason)

    @pytest.fixture(scope="class")
    @classmethod
    def shared_device(cls) -> Iterator[Device]:
        """A device for the tests that leave it as it was."""
        device = Device(cls().command, free_port())
        device.start(TAGS)
        yield device
        device.kill()

    @pytest.fixture
    def own_device(self) -> Iterator[Device]:
        """A device that the test starts and kills as it likes."""
        device = Device(self.command, free_port())
        yield device
        device.kill()

    @pytest.fixture
    def networked(self) -> None:
        """Skip where the driver needs no network."""
        if self.config(1).endpoint() is None:
            pytest.skip(f"the driver {self.protocol} needs no network")

    @pytest_asyncio.fixture
    async def fault_proxy(self, networked: None) -> AsyncIterator[Proxying]:
        """A factory of relays: await it with the device's port, then connect to the relay's."""
        async with AsyncExitStack() as stack:
            yield lambda port: stack.enter_async_context(proxied(port))
