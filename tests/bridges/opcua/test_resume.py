"""A cut in which nothing is lost: the session is taken up again where its last message ended."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from bridges.driver import BoundTag, CanResume
from bridges.opcua import OpcUaConfig, OpcUaDriver
from bridges.opcua.kept import Kept
from uns.errors import DeviceError
from uns.metric import DataType
from uns.sim.opcua_server import OpcUaServer, ServedTag

pytestmark = pytest.mark.slow

TAGS = 100
PERIOD_S = 0.1
CUT_S = 2.0


@pytest.fixture
async def counting() -> AsyncIterator[OpcUaServer]:
    """Our own server, with a hundred counters that count ten times a second."""
    tags = [ServedTag(f"C{n}", DataType.UINT32, 0) for n in range(TAGS)]
    async with OpcUaServer("urn:plant", tags) as server:
        task = asyncio.create_task(_count(server))
        yield server
        task.cancel()
        await asyncio.wait([task])


async def _count(server: OpcUaServer) -> None:
    for value in itertools.count(1):
        now_ms = time.time_ns() // 1_000_000
        await server.write([(f"C{n}", value, now_ms) for n in range(TAGS)])
        await asyncio.sleep(PERIOD_S)


class Counted:
    """A sink that keeps every value of each tag, in order of arrival."""

    def __init__(self) -> None:
        self.values: dict[int, list[int]] = {}

    def readings(self, batch) -> None:
        for handle, value, _, _ in batch:
            self.values.setdefault(handle, []).append(value)

    def alive(self) -> None:
        pass

    async def ready(self) -> None:
        pass

    @property
    def count(self) -> int:
        return sum(map(len, self.values.values()))

    def gaps(self) -> list[tuple[int, int, int]]:
        """Neighbours that are not one apart: missing, doubled or out of order."""
        return [
            (handle, before, after)
            for handle, values in self.values.items()
            for before, after in itertools.pairwise(values)
            if after != before + 1
        ]


def _config(port: int, path: str = "", **words) -> OpcUaConfig:
    url = f"opc.tcp://127.0.0.1:{port}{path}"
    usual = {"namespace": "urn:plant", "publishing_s": 0.1, "security": "none", "timeout_s": 2}
    return OpcUaConfig(endpoint=url, **(usual | words))


def _tags(config: OpcUaConfig) -> list[BoundTag]:
    return [
        BoundTag(n, OpcUaDriver.parse(f"s=C{n}", config), DataType.UINT32, 0.05, deliver_every=True)
        for n in range(TAGS)
    ]


@asynccontextmanager
async def _session(config: OpcUaConfig, sink: Counted, cursor: Kept | None = None):
    """A session that delivers to `sink`; whoever leaves it has to say how it ends."""
    driver = OpcUaDriver(config)
    assert isinstance(driver, CanResume)
    if cursor is not None:
        driver.resume(cursor)
    await driver.open()
    assert [] == [result for result in await driver.bind(_tags(config)) if result.problem]
    running = asyncio.create_task(driver.run(sink))
    try:
        yield driver
    finally:
        running.cancel()
        await asyncio.wait([running])


async def _until(is_true, within_s=15) -> None:
    async with asyncio.timeout(within_s):
        while not is_true():
            await asyncio.sleep(0.05)


async def _survive_a_cut(proxy, config: OpcUaConfig) -> tuple[Counted, Kept, Kept]:
    """Listen, lose the cable for a while, listen again; what was delivered, and both memories."""
    sink = Counted()
    async with _session(config, sink) as first:
        await _until(lambda: sink.count > 10 * TAGS)
        proxy.cut()
        before = first.cursor
    await first.abandon()
    await asyncio.sleep(CUT_S)
    proxy.reset()
    proxy.heal()
    seen = sink.count
    async with _session(config, sink, before) as second:
        await _until(lambda: sink.count > seen + (CUT_S / PERIOD_S + 10) * TAGS)
        after = second.cursor
    await second.close()
    return sink, before, after


async def test_a_cut_of_an_encrypted_session_loses_nothing(node_endpoint, fault_proxy, tmp_path):
    """Every count of a hundred tags arrives once and in order, those of the cut too."""
    parts = urlsplit(node_endpoint)
    proxy = await fault_proxy(parts.port)
    words = {"security": {"mode": "sign_and_encrypt"}, "certificates": str(tmp_path)}
    sink, before, after = await _survive_a_cut(proxy, _config(proxy.port, parts.path, **words))
    assert [] == sink.gaps()
    assert before is after


async def _lost(counting, config) -> Kept:
    """A session that delivered and was then lost; what it remembers."""
    sink = Counted()
    async with _session(config, sink) as driver:
        await _until(lambda: sink.count >= TAGS)
    await driver.abandon()
    await asyncio.sleep(0.1)  # the server has to see that the socket is gone
    return driver.cursor


async def test_a_server_that_forgot_the_session_gets_a_new_one(counting):
    """Nothing to go on from: a fresh session delivers the present values."""
    config = _config(counting.port)
    kept = await _lost(counting, config)
    for session in list(counting._server.iserver._external_sessions.values()):
        await session.close_session()
    sink = Counted()
    async with _session(config, sink, kept) as driver:
        await _until(lambda: len(sink.values) == TAGS)
        assert kept is not driver.cursor
    await driver.close()


async def test_a_subscription_that_died_alone_is_made_anew(counting):
    """The session lives on, and its tags are put under watch again."""
    config = _config(counting.port)
    kept = await _lost(counting, config)
    await counting._server.iserver.subscription_service.delete_subscriptions([*kept.subscriptions])
    sink = Counted()
    async with _session(config, sink, kept) as driver:
        await _until(lambda: len(sink.values) == TAGS)
        assert kept is driver.cursor
    await driver.close()


async def test_tags_that_changed_meanwhile_are_found_out(counting):
    """What is still wanted is not bound twice; what is not wanted any more is let go."""
    config = _config(counting.port)
    kept = await _lost(counting, config)
    driver = OpcUaDriver(config)
    driver.resume(kept)
    await driver.open()
    before = dict(kept.items)
    await driver.bind(_tags(config)[:10])
    assert {handle: before[handle] for handle in range(10)} == kept.items
    service = counting._server.iserver.subscription_service
    (subscription,) = service.subscriptions.values()
    assert 10 == len(subscription.monitored_item_srv._monitored_items)
    await driver.unbind([0, 1, 2, 999])
    assert 7 == len(subscription.monitored_item_srv._monitored_items)
    await driver.close()


async def test_a_session_that_stays_silent_is_not_taken_up_for_ever(counting):
    """After three that never said a word, the next one begins anew; short ones do not count."""
    config = _config(counting.port)
    kept = await _lost(counting, config)
    for silence_s in (0, 0, 0, 0, 3, 3, 3):
        assert kept.is_resumable
        driver = OpcUaDriver(config)
        driver.resume(kept)
        await driver.open()
        assert kept is driver.cursor
        kept.taken_up_at -= silence_s
        await driver.abandon()
    assert not kept.is_resumable
    driver = OpcUaDriver(config)
    driver.resume(kept)
    await driver.open()
    assert driver.cursor is None
    await driver.close()


async def test_what_cannot_be_reached_is_not_forgotten(counting, free_port):
    """An attempt that finds nobody keeps the memory for the next one."""
    kept = await _lost(counting, _config(counting.port))
    driver = OpcUaDriver(_config(free_port))
    driver.resume(kept)
    with pytest.raises(DeviceError, match="refused"):
        await driver.open()
    assert kept is driver.cursor
    await driver.abandon()
    await driver.close()


async def test_the_server_keeps_as_much_as_a_cut_may_take(counting):
    """Queues of `deliver: every` tags and the lifetimes cover `keep_s` and the way back."""
    config = _config(counting.port, keep_s=100)
    driver = OpcUaDriver(config)
    await driver.open()
    await driver.bind(_tags(config)[:1])
    (held,) = driver._session._link.kept.items.values()
    assert (2 * 130 / 0.05, 130_000) == (
        held.queue_size,
        driver._session._link._client.session_timeout,
    )
    await driver.close()


async def test_what_the_server_does_not_grant_is_told_once(counting, caplog):
    """Sampling that is slower and queues that are shorter than asked: one line each."""
    caplog.set_level("INFO", "uns.opcua")
    counting._server.iserver.max_monitored_item_queue_size = 100
    config = _config(counting.port)
    kept = await _lost(counting, config)
    driver = OpcUaDriver(config)
    driver.resume(kept)
    await driver.open()
    await driver.bind(_tags(config))
    await driver.close()
    slow, short = [record.getMessage() for record in caplog.records if record.name == "uns.opcua"]
    assert "samples 100 of 100 tags more slowly than asked: at worst every 0.1 s instead" in slow
    assert "keeps fewer changes than asked of 100 tags: of a cut longer than 5 s" in short
