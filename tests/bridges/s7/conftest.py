"""Sessions for the tests of the S7 driver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from bridges.driver import BoundTag
from bridges.s7 import S7Config, S7Driver
from uns.metric import DataType, Quality


class Session:
    """A driver in session, and its tags by their addresses."""

    def __init__(self, driver: S7Driver, tags: list[BoundTag], problems: list[str]) -> None:
        self.driver = driver
        self.tags = tags
        self.problems = problems
        self.handles = tuple(tag.handle for tag in tags)

    async def values(self) -> list[object]:
        """What one scan reads, in the tags' order; None where it is not Good."""
        readings = await self.driver.read(self.handles)
        assert len(readings) == len(self.handles) == len({handle for handle, *_ in readings})
        assert all(
            (quality == Quality.GOOD) == (value is not None) for _, value, quality, _ in readings
        )
        values = {handle: value for handle, value, _, _ in readings}
        return [values[handle] for handle in self.handles]

    async def write(self, *values: object) -> list[str]:
        """Write a value to each tag."""
        return await self.driver.write(list(zip(self.tags, values, strict=True)))


@pytest.fixture
async def session() -> AsyncIterator[Callable]:
    """Open a session: await it with a port, pairs of address and datatype, and settings."""
    opened: list[S7Driver] = []

    async def open_session(port, *places, **settings):
        config = S7Config(host="127.0.0.1", port=port, **({"timeout_s": 1.0} | settings))
        driver = S7Driver(config)
        opened.append(driver)
        await driver.open()
        pairs = [place if isinstance(place, tuple) else (place, DataType.FLOAT) for place in places]
        tags = [
            BoundTag(at, driver.parse(text, config), kind) for at, (text, kind) in enumerate(pairs)
        ]
        return Session(driver, tags, [result.problem for result in await driver.bind(tags)])

    yield open_session
    for driver in opened:
        await driver.close()
