"""Sessions that go on where the last one was lost, with sources that keep what happened."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, ClassVar

import pytest

from bridges.driver import BindResult, BoundTag, DriverConfig, PollDriver, PushDriver
from uns.equipment import Connection
from uns.errors import DeviceError
from uns.metric import DataType, Quality
from uns.service.connection import ConnectionState, ConnectionSupervisor

pytestmark = pytest.mark.slow  # real seconds pass

GOOD = int(Quality.GOOD)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Source(DriverConfig):
    """A device that counts and keeps every number; what was done to it is written down."""

    model_config: ClassVar[dict[str, Any]] = {"extra": "allow", "frozen": False}

    def model_post_init(self, _: Any) -> None:
        self.told: list[tuple[int, int, int, int]] = []  # readings in the order of their making
        self.is_cut = self.has_forgotten = False
        self.ends: list[str] = []
        self.resumed: list[Any] = []
        self.tidied: list[Any] = []

    def count(self, handle: int, value: int) -> None:
        self.told.append((handle, value, GOOD, now_ms()))


class _Resumable:
    IS_DURABLE: ClassVar[bool] = False
    Config: ClassVar[type[DriverConfig]] = Source
    config: Source
    place: int | None = None

    @classmethod
    def parse(cls, text: str, config: Any) -> str:
        return text

    @property
    def cursor(self) -> int | None:
        return self.place

    def resume(self, cursor: int) -> None:
        self.config.resumed.append(cursor)
        self.place = None if self.config.has_forgotten else cursor

    async def open(self) -> None:
        if self.config.is_cut:
            raise DeviceError("the cable is out")

    async def bind(self, tags):
        return [BindResult(tag.handle) for tag in tags]

    async def close(self) -> None:
        self.config.ends.append("closed")

    async def abandon(self) -> None:
        self.config.ends.append("abandoned")


class Pushed(_Resumable, PushDriver):
    """Tells changes only, a few at a time; its keep-alives come ten times a second."""

    name: ClassVar[str] = "pushed"

    async def run(self, sink) -> None:
        while not self.config.is_cut:
            sink.alive()
            begin = len(self.config.told) if self.place is None else self.place
            if self.place is None:  # a new session tells what is now
                sink.readings(list({one[0]: one for one in self.config.told}.values()))
            for start in range(begin, len(self.config.told), 25):
                sink.readings(self.config.told[start : start + 25])
            self.place = len(self.config.told)
            await asyncio.sleep(0.1)
        raise DeviceError("connection reset")


class Answering(Pushed):
    """One that can be asked as well."""

    name: ClassVar[str] = "answering"

    async def read_now(self, handles):
        newest = {one[0]: one for one in self.config.told}
        return [newest[handle] for handle in handles if handle in newest]


class Rows(_Resumable, PollDriver):
    """Gives ten rows a scan, behind the last."""

    name: ClassVar[str] = "rows"
    IS_DURABLE: ClassVar[bool] = True

    async def read(self, handles):
        if self.config.is_cut:
            raise DeviceError("connection reset")
        begin = self.place or 0
        rows = self.config.told[begin : begin + 10]
        self.place = begin + len(rows)
        return rows

    def kept(self, cursor: Any) -> None:
        self.config.tidied.append(cursor)


class Watched:
    """A supervisor that runs, and what it handed on."""

    def __init__(self, driver_class, source: Source, **settings: Any) -> None:
        self.current: list[tuple] = []
        self.late: list[tuple] = []
        self.states: list[ConnectionState] = []
        self.supervisor = ConnectionSupervisor(
            Connection("test://plc:1", driver_class.name, source),
            driver_class,
            [BoundTag(n, None, DataType.INT32, 0.05) for n in (1, 2)],
            self.current.extend,
            self.states.append,
            on_late=self.late.extend,
            **settings,
        )

    async def __aenter__(self):
        self.task = asyncio.create_task(self.supervisor.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def until(self, is_true) -> None:
        async with asyncio.timeout(10):
            while not is_true():
                await asyncio.sleep(0.01)

    def values(self, handle: int) -> list[int]:
        """Every value of a tag, late and current, once each, in the order of their times."""
        told = {
            (at, value) for number, value, _, at in self.current + self.late if number == handle
        }
        return [value for _, value in sorted(told)]


async def cut(source: Source, watched: Watched, first: int) -> None:
    """The cable is out for a while, and the device counts on."""
    source.is_cut = True
    await watched.until(lambda: ConnectionState.DOWN in watched.states)
    for value in range(first, first + 60):
        source.count(1, value)
        await asyncio.sleep(0.002)
    source.is_cut = False


@pytest.mark.parametrize("kind", [Pushed, Answering, Rows])
async def test_nothing_is_missing_over_a_cut(kind):
    """What the device kept comes late, once and in order; one value of each batch is current."""
    source = Source()
    source.count(1, 0)
    async with Watched(kind, source, grace_s=0.3) as watched:
        await watched.until(lambda: watched.current)
        await cut(source, watched, 1)
        await watched.until(lambda: len(watched.values(1)) == 61)
        source.count(1, 61)
        await watched.until(lambda: len(watched.values(1)) == 62)
    assert list(range(62)) == watched.values(1)
    told = [(value, at) for _, value, _, at in watched.current + watched.late]
    assert len(set(told)) == len(told)
    assert len(watched.late) >= 50
    assert [at for *_, at in watched.late] == sorted(at for *_, at in watched.late)
    assert watched.supervisor.health.late == len(watched.late)
    assert "abandoned" == source.ends[0]
    assert "closed" == source.ends[-1]


async def test_with_an_answer_first_all_that_was_kept_is_history():
    """A session that reads its tags when it resumes shows the newest value, and no old one live."""
    source = Source()
    source.count(1, 0)
    async with Watched(Answering, source, grace_s=0.3) as watched:
        await watched.until(lambda: watched.current)
        await cut(source, watched, 1)
        await watched.until(lambda: len(watched.values(1)) == 61)
    assert [0, 60] == [value for _, value, _, _ in watched.current]
    assert list(range(1, 60)) == [value for _, value, _, _ in watched.late]


@pytest.mark.parametrize("kind", [Pushed, Answering])
async def test_what_did_not_change_meanwhile_is_told_again(kind):
    """It was marked stale when the device was lost, and its source would never mention it."""
    source = Source()
    source.count(2, 5)
    async with Watched(kind, source, grace_s=0.3) as watched:
        await watched.until(lambda: watched.current)
        source.is_cut = True
        await watched.until(lambda: ConnectionState.DOWN in watched.states)
        source.is_cut = False
        await watched.until(lambda: watched.states[-1] is ConnectionState.UP)
        await watched.until(lambda: len(watched.current) == 2)
    assert watched.current[0] == watched.current[1] == source.told[0]


async def test_a_source_that_forgot_begins_anew():
    """A server that restarted has no old session: what it says now is current."""
    source = Source()
    source.count(1, 0)
    async with Watched(Pushed, source, grace_s=0.3) as watched:
        await watched.until(lambda: watched.current)
        source.has_forgotten = True
        await cut(source, watched, 1)
        await watched.until(lambda: (1, 60) in {one[:2] for one in watched.current})
    assert [] == watched.late


async def test_a_cursor_of_another_process_is_where_it_begins():
    """The rows before it are not read again, and those behind it were not heard yet."""
    source = Source()
    for value in range(30):
        source.count(1, value)
    await asyncio.sleep(0.05)
    watched = Watched(Rows, source)
    assert watched.supervisor.has_durable_cursor
    watched.supervisor.resume(12)
    async with watched:
        await watched.until(lambda: len(watched.values(1)) == 18)
        watched.supervisor.kept(20)
    assert list(range(12, 30)) == watched.values(1)
    assert 9 + 7 == len(watched.late), "the last of each scan is current"
    assert [20] == source.tidied
    assert 30 == watched.supervisor.cursor


async def test_where_a_session_begins_is_kept_before_anything_is_read():
    """Once for the first, again where a source forgot, and never where one goes on."""

    class Newest(Rows):
        async def open(self) -> None:
            await super().open()
            if self.place is None:
                self.place = len(self.config.told)

    source = Source()
    source.count(1, 7)
    kept: list[tuple[int, list[int]]] = []
    watched = Watched(Newest, source)

    async def on_begun(cursor: int) -> None:
        kept.append((cursor, watched.values(1)))
        source.count(1, 8)
        await asyncio.sleep(0.1)

    watched.supervisor.resume(None, on_begun)
    async with watched:
        await watched.until(lambda: watched.values(1) == [8])
        assert [(1, [])] == kept
        source.is_cut = True
        await watched.until(lambda: source.resumed)
        source.is_cut = False
        source.count(1, 9)
        await watched.until(lambda: watched.values(1) == [8, 9])
        assert [(1, [])] == kept
        source.has_forgotten = source.is_cut = True
        ended = len(source.ends)
        await watched.until(lambda: len(source.ends) > ended)
        source.count(1, 10)
        source.is_cut = False
        await watched.until(lambda: len(kept) > 1)
    assert (4, [8, 9]) == kept[1]


async def test_a_cursor_that_a_driver_does_not_know_is_left(caplog):
    """One of an older version, perhaps: it is said, and everything is read from the beginning."""

    class Strict(Rows):
        def resume(self, cursor: Any) -> None:
            raise ValueError(cursor)

    source = Source()
    source.count(1, 7)
    watched = Watched(Strict, source)
    watched.supervisor.resume({"id": 3})
    async with watched:
        await watched.until(lambda: watched.values(1) == [7])
    assert "begins anew: its driver cannot go on from {'id': 3}" in caplog.text
