"""The supervisor, with drivers that misbehave in ways that real devices seldom do on demand."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, ClassVar

import pytest

from bridges.driver import BindResult, BoundTag, DriverConfig, PollDriver, PushDriver
from uns.equipment import Connection
from uns.errors import DeniedError, DeviceError
from uns.metric import DataType, Quality
from uns.service import device_clock, device_session
from uns.service.connection import ConnectionPhase, ConnectionState, ConnectionSupervisor

pytestmark = pytest.mark.slow  # real seconds pass

WHEN_MS = 1_767_868_200_123


class Script:
    """What the drivers of a test do, and what was done to them."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.binds: list[list[int]] = []
        self.refused: dict[int, str] = {}
        self.open_error: Exception | None = None
        self.read_error: BaseException | None = None
        self.read_s = 0.0
        self.reads: list[float] = []
        self.close_s = 0.0
        self.value = 1
        self.busy = False
        self.overlapped = False
        self.clock = "source"
        self.enabled = True


class Polled(PollDriver):
    name: ClassVar[str] = "polled"
    Config: ClassVar[type[DriverConfig]] = DriverConfig

    @classmethod
    def parse(cls, text: str, config: Any) -> str:
        return text

    async def open(self) -> None:
        self.config.opened += 1
        if self.config.open_error:
            raise self.config.open_error

    async def bind(self, tags):
        self.config.binds.append([tag.handle for tag in tags])
        return [BindResult(tag.handle, self.config.refused.get(tag.handle, "")) for tag in tags]

    async def read(self, handles):
        self._enter()
        self.config.reads.append(time.monotonic())
        await asyncio.sleep(self.config.read_s)
        self.config.busy = False
        if self.config.read_error:
            raise self.config.read_error
        return [(handle, self.config.value, int(Quality.GOOD), 0) for handle in handles]

    async def write(self, items):
        self._enter()
        await asyncio.sleep(0)
        self.config.busy = False
        self.config.value = items[0][1]
        return [""] * len(items)

    async def close(self) -> None:
        await asyncio.sleep(self.config.close_s)
        self.config.closed += 1

    def _enter(self) -> None:
        self.config.overlapped = self.config.overlapped or self.config.busy
        self.config.busy = True


class Pushed(PushDriver):
    name: ClassVar[str] = "pushed"
    Config: ClassVar[type[DriverConfig]] = DriverConfig
    keepalive_s = 0.1

    @classmethod
    def parse(cls, text: str, config: Any) -> str:
        return text

    async def open(self) -> None:
        self.config.opened += 1

    async def bind(self, tags):
        return [BindResult(tag.handle, self.config.refused.get(tag.handle, "")) for tag in tags]

    async def run(self, sink) -> None:
        sink.readings([(1, self.config.value, int(Quality.GOOD), WHEN_MS)])
        self.config.sink = sink
        await asyncio.sleep(3600)

    async def close(self) -> None:
        self.config.closed += 1


class Supervised:
    """A supervisor that runs, and what it said."""

    def __init__(self, driver_class, script: Script, scans=(0.05, 0.05), **settings: Any) -> None:
        self.script = script
        self.states: list[ConnectionState] = []
        self.readings: list[tuple] = []
        tags = [BoundTag(n, None, DataType.INT32, s) for n, s in enumerate(scans, 1)]
        connection = Connection("test://plc:1", driver_class.name, script)
        self.supervisor = ConnectionSupervisor(
            connection,
            driver_class,
            tags,
            self.readings.extend,
            self.states.append,
            label="porto/line1",
            **settings,
        )
        self.health = self.supervisor.health

    async def __aenter__(self):
        self.task = asyncio.create_task(self.supervisor.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])

    async def until(self, is_true) -> None:
        async with asyncio.timeout(10):
            while not is_true():
                await asyncio.sleep(0.01)


async def test_readings_without_a_time_are_stamped():
    """Time 0 asks the runtime for it; a source's own time is kept."""
    async with Supervised(Polled, Script()) as polled, Supervised(Pushed, Script()) as pushed:
        await polled.until(lambda: polled.readings and pushed.readings)
        assert abs(polled.readings[0][3] - time.time() * 1000) < 5000
        assert (1, 1, Quality.GOOD, WHEN_MS) == pushed.readings[0]


async def test_up_comes_before_the_first_reading(caplog):
    """Whoever listens can clear what he kept of the last session; the log says it once."""
    caplog.set_level(logging.INFO, "uns.connection")
    seen = []
    async with Supervised(Polled, Script()) as watched:
        watched.supervisor._on_state = lambda state: seen.append((state, len(watched.readings)))
        await watched.until(lambda: len(watched.readings) > 5)
    assert [(ConnectionState.UP, 0)] == seen
    assert ["porto/line1 test://plc:1 is up: 2 tags"] == caplog.messages


async def test_a_driver_that_breaks_is_a_connection_that_is_down(caplog):
    """Any exception is logged once with its traceback and leads to a pause, never to the end."""
    script = Script()
    script.read_error = KeyError("oops")
    async with Supervised(Polled, script, grace_s=0.1) as watched:
        await watched.until(lambda: watched.health.failures >= 3)
        assert [ConnectionState.DOWN] == watched.states
        assert "KeyError('oops')" in watched.health.last_error
        script.read_error = None
        await watched.until(lambda: ConnectionState.UP in watched.states)
    assert 1 == len([record for record in caplog.records if record.exc_info])
    assert script.opened == script.closed


async def test_it_is_said_once_in_one_sentence(caplog):
    """Who, what, why, which try and when the next: one line when it goes down."""
    caplog.set_level(logging.INFO, "uns.connection")
    script = Script()
    script.open_error = DeviceError("connection refused", hint="is it running?")
    async with Supervised(Polled, script, grace_s=0.3) as watched:
        await watched.until(lambda: watched.health.failures >= 3)
    (line,) = caplog.messages
    assert line.startswith(
        "porto/line1 test://plc:1 is down: connection refused - is it running? ("
    )
    assert " try, next in " in line


async def test_pauses_grow_with_jitter_and_shrink_when_proven():
    """Between half and all of 0.25, 0.5, 1 … s; a full good scan makes the next one short."""
    script = Script()
    script.open_error = DeviceError("no")
    pauses = {}
    async with Supervised(Polled, script) as watched:
        while watched.health.failures < 4:
            await asyncio.sleep(0.01)
            pauses[watched.health.failures] = watched.health.next_try_s
        script.open_error = None
        await watched.until(lambda: watched.readings)
        assert 0 == watched.health.failures
    for tried, longest in ((1, 0.25), (2, 0.5), (3, 1.0)):
        assert longest / 2 <= pauses[tried] <= longest


async def test_no_outage_is_long_enough_for_a_pause_of_more_than_15_s():
    """However often it was tried: whoever comes back is found within that time."""
    script = Script()
    script.open_error = DeviceError("no")
    watched = Supervised(Polled, script)
    watched.supervisor.health.failures = 5_000
    async with watched:
        await watched.until(lambda: watched.health.failures == 5_001)
        assert 7.5 <= watched.health.next_try_s <= 15


async def test_a_session_that_proves_nothing_does_not_reset_the_pause():
    """A peer that lets us in and fails at the first scan is tried ever more slowly."""
    script = Script()
    script.read_error = ConnectionResetError()
    async with Supervised(Polled, script) as watched:
        await watched.until(lambda: watched.health.failures == 3)
        assert 3 == script.opened
        assert watched.health.next_try_s >= 0.5


async def test_refused_tags_are_bad_and_tried_again(monkeypatch, caplog):
    """The others run on in the same session; a tag that appears is read from then on."""
    monkeypatch.setattr(device_session, "FIRST_RETRY_S", 0.1)
    script = Script()
    script.refused = {2: "no such register"}
    async with Supervised(Polled, script) as watched:
        await watched.until(lambda: len(script.binds) >= 2)
        assert ConnectionPhase.DEGRADED is watched.health.phase
        assert {2: "no such register"} == watched.health.problems
        assert [(None, Quality.BAD)] == [r[1:3] for r in watched.readings if r[0] == 2]
        script.refused = {}
        await watched.until(lambda: watched.readings[-1][0] == 2)
        assert ConnectionPhase.RUNNING is watched.health.phase
        assert (2, 0) == (watched.health.tags_good, watched.health.tags_bad)
        assert 1 == script.opened
        assert [[1, 2], [2]] == script.binds[:2]
    warned = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert ["porto/line1 test://plc:1 is up: 1 tag, 1 refused by the device"] == warned


async def test_a_push_driver_that_falls_silent_is_replaced():
    """No reading and no keep-alive: the session is closed and another one opened."""
    script = Script()
    async with Supervised(Pushed, script, grace_s=0.5) as watched:
        await watched.until(lambda: watched.states == [ConnectionState.UP])
        await watched.until(lambda: script.opened >= 2)
        assert "no sign of life" in watched.health.last_error
        assert script.closed >= 1


async def test_keep_alives_are_enough():
    """A source whose values do not change is as alive as any."""
    script = Script()
    async with Supervised(Pushed, script, grace_s=0.5) as watched:
        await watched.until(lambda: watched.readings)
        for _ in range(20):
            script.sink.alive()
            await asyncio.sleep(0.1)
        assert [ConnectionState.UP] == watched.states
        assert 1 == script.opened


async def test_an_abandoned_driver_is_not_listened_to():
    """What a driver says after its session is over is not passed on."""
    script = Script()
    async with Supervised(Pushed, script) as watched:
        await watched.until(lambda: watched.readings)
    before = len(watched.readings)
    script.sink.readings([(1, 2, int(Quality.GOOD), WHEN_MS)])
    script.sink.alive()
    assert before == len(watched.readings)


async def test_a_write_goes_between_two_scans():
    """Never into one: many devices take one request at a time."""
    script = Script()
    script.read_s = 0.03
    async with Supervised(Polled, script) as watched:
        await watched.until(lambda: watched.readings)
        for value in range(10):
            assert [""] == await watched.supervisor.write([(1, value)])
        assert 9 == script.value
        assert not script.overlapped


async def test_a_write_that_cannot_be_is_an_error_in_words():
    """Without a session, or with a driver that cannot write."""
    watched = Supervised(Pushed, Script())
    with pytest.raises(DeviceError, match=r"test://plc:1 is not connected: not connected yet"):
        await watched.supervisor.write([(1, 5)])
    async with watched:
        await watched.until(lambda: watched.readings)
        with pytest.raises(DeviceError, match="pushed cannot write"):
            await watched.supervisor.write([(1, 5)])


async def test_slow_scans_are_counted_as_overruns():
    """A device that is slower than its scan class is read as fast as it can, and it shows."""
    script = Script()
    script.read_s = 0.12
    async with Supervised(Polled, script) as watched:
        await watched.until(lambda: len(script.reads) > 5)
        assert watched.health.overruns >= 4
        assert watched.health.scan_s >= 0.1


async def test_only_so_many_connect_at_a_time():
    """A switch that reboots does not make two hundred PLCs be opened at once."""
    limiter = asyncio.Semaphore(1)
    script = Script()
    async with Supervised(Polled, script, limiter=limiter) as watched:
        await watched.until(lambda: watched.readings)
        await limiter.acquire()
        async with Supervised(Polled, Script(), limiter=limiter) as other:
            await asyncio.sleep(0.2)
            assert 0 == other.script.opened
            limiter.release()
            await other.until(lambda: other.readings)


async def test_a_driver_that_does_not_close_is_left_behind():
    """Cancelling takes two seconds at most, whatever the driver is waiting for."""
    script = Script()
    script.close_s = 3600
    began = 0.0
    async with Supervised(Polled, script) as watched:
        await watched.until(lambda: watched.readings)
        began = time.monotonic()
    assert time.monotonic() - began < 3
    assert ConnectionPhase.STOPPED is watched.health.phase


async def test_a_disabled_connection_leaves_the_device_alone(caplog):
    """It is never opened; whoever looks is told that the project says so."""
    caplog.set_level(logging.INFO, "uns.connection")
    script = Script()
    script.enabled = False
    async with Supervised(Polled, script) as watched:
        await asyncio.sleep(0.3)
        assert 0 == script.opened
        assert ConnectionPhase.DISABLED is watched.health.phase
        assert [ConnectionState.DOWN] == watched.states
        with pytest.raises(DeviceError, match="disabled by `enabled: false`"):
            await watched.supervisor.write([(1, 5)])
    assert ConnectionPhase.STOPPED is watched.health.phase
    (line,) = caplog.messages
    assert "disabled" in line


async def test_who_is_turned_away_comes_back_slowly():
    """A wrong password is tried every half minute at most: a tenth try locks an account."""
    script = Script()
    script.open_error = DeniedError("wrong password")
    async with Supervised(Polled, script) as watched:
        await watched.until(lambda: watched.health.failures == 1)
        assert 30 <= watched.health.next_try_s <= 60
        assert watched.health.is_denied
        await asyncio.sleep(0.5)
        assert 1 == script.opened


async def test_keep_alives_vouch_now_and_then():
    """Every 0.7 s, however often a source shows that it is alive; one that cannot vouch never does."""

    class Relaying(Pushed):
        KEEPALIVE_VOUCHES = False

    vouched, unvouched = [], []
    async with (
        Supervised(Pushed, Script(), on_alive=lambda: vouched.append(time.monotonic())) as watched,
        Supervised(Relaying, Script(), on_alive=lambda: unvouched.append(1)) as relaying,
    ):
        await watched.until(lambda: watched.readings and relaying.readings)
        for _ in range(30):
            watched.script.sink.alive()
            relaying.script.sink.alive()
            await asyncio.sleep(0.05)
    assert 2 <= len(vouched) <= 4
    assert vouched[1] - vouched[0] >= 0.65
    assert [] == unvouched


async def test_a_wrong_clock_is_said_once(caplog, monkeypatch):
    """With how far it is off, and what to do; the numbers stay with the connection's others."""
    monkeypatch.setattr(device_clock, "_SPAN_MS", 100)
    caplog.set_level(logging.INFO, "uns.connection")
    async with Supervised(Pushed, Script()) as watched:
        await watched.until(lambda: watched.readings)
        caplog.clear()
        for number in range(40):
            at = time.time_ns() // 1_000_000 + 420_000
            watched.script.sink.readings([(1, number, int(Quality.GOOD), at)])
            await asyncio.sleep(0.01)
        watched.supervisor.measure()
        assert 419_000 < watched.health.clock_offset_ms <= 420_000
        assert 419_000 < watched.health.clock_worst_ms <= 420_000
    (line,) = caplog.messages
    assert "its clock is 420 s ahead of ours" in line
    assert "`clock: ours`" in line


class Ledger(Pushed):
    """Hands in rows, which may have waited for days."""

    IS_DURABLE = True


async def test_the_age_of_rows_is_no_clock():
    """A file of last week says nothing of how far anybody's clock is off."""
    async with Supervised(Ledger, Script()) as watched:
        await watched.until(lambda: watched.readings)
        for number in range(3):
            at = time.time_ns() // 1_000_000 - 600_000 + number
            watched.script.sink.readings([(1, number, int(Quality.GOOD), at)])
        watched.supervisor.measure()
        assert watched.health.clock_offset_ms is None
        assert 0 == watched.health.clock_worst_ms


async def test_the_numbers_of_a_polled_device_are_measured():
    """Each scan class with its times, the busy share, and what the driver says it asked."""

    class Counting(Polled):
        findings = ("legacy/line9/cw is on the broker, and no tag reads it",)

        @property
        def requests(self) -> int:
            return len(self.config.reads)

    script = Script()
    script.read_s = 0.02
    async with Supervised(Counting, script, scans=(0.1, 0.3)) as watched:
        await watched.until(lambda: len(script.reads) > 10)
        watched.supervisor.measure()
        fast, slow = watched.health.scans
        assert (0.1, 0.1, 1) == (fast.scan_s, fast.every_s, fast.tags)
        assert 0.3 == slow.scan_s
        assert 0.02 <= fast.p50_s <= fast.p95_s < 0.5
        assert 0 < watched.health.duty < 1
        assert watched.health.requests > 10
        assert Counting.findings == watched.health.findings


async def test_a_device_that_is_too_busy_is_said_once(caplog):
    """In words: how busy, and what is read less often for it."""
    caplog.set_level(logging.INFO, "uns.connection")
    script = Script()
    script.read_s = 0.04
    async with Supervised(Polled, script, scans=(0.05, 0.2)) as watched:
        await watched.until(lambda: len(script.reads) > 30)
    (line,) = [line for line in caplog.messages if "of the time" in line]
    assert "so slow tags are read less often: 0.2 s → " in line
