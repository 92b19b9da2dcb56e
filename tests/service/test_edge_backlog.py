"""Store and forward, with real brokers and a real host: nothing is lost, live values go first."""

from __future__ import annotations

import asyncio
import os

import pytest

from uns.mqtt import Broker, connect
from uns.service.broker import MosquittoBroker
from uns.service.edge import now_ms
from uns.service.pace import Pace
from uns.sparkplug import NodeId
from uns.sparkplug.monitor import Monitor
from uns.sparkplug.rebirth import rebirth_request

pytestmark = pytest.mark.slow

NODE = NodeId("Acme:Leeds", "Line1")
TEN_MINUTES = 120_000  # values, one in 5 ms
SAMPLES = int(os.environ.get("UNS_BACKLOG_SAMPLES", "120_000"))


async def test_a_broker_killed_with_a_backlog_costs_no_value(mosquitto, host, edges, until):
    """Kill -9 in full flow, eight seconds without it: every value is heard, in order of time."""
    edge = edges(mosquitto.url)
    await until(lambda: edge.service.health.is_online, "births")
    await edge.feed_for(2)
    await mosquitto.kill()
    await edge.feed_for(8)
    assert edge.waiting > 500
    await mosquitto.start()
    await edge.feed_for(3)
    await host.has_all(edge)
    assert len(host.late["count"]) > 500
    await until(lambda: edge.waiting == 0, "the backlog is confirmed and deleted", 25)
    assert 0 == edge.backlog.dropped(str(NODE))


@pytest.mark.parametrize("politely", [True, False])
async def test_a_primary_host_that_was_away_gets_what_it_missed(
    mosquitto, host, edges, politely, until
):
    """Without it there are no births and no data, only a backlog; back again it misses nothing."""
    edge = edges(mosquitto.url)
    await until(lambda: edge.service.health.is_online, "births")
    await edge.feed_for(1)
    await host.stop(politely=politely)
    await until(lambda: not edge.service.health.is_online, "the edge node notices")
    await edge.feed_for(2)
    assert edge.waiting >= 200
    births = host.births
    host.start()
    await until(lambda: host.births > births, "births for the host that is back", 10)
    await host.has_all(edge)


async def test_what_a_dying_primary_host_did_not_hear_is_said_again(
    mosquitto, cable, hosts, edges, until
):
    """A host behind a cut network is online for its broker until the keep-alive is over.

    What was sent to it meanwhile lies in no one's hands: it is within the window.
    """
    host = hosts(cable.url)
    edge = edges(mosquitto.url)
    await until(lambda: edge.service.health.is_online, "births")
    await edge.feed_for(1)
    await until(lambda: len(host.distinct["count"]) == edge.fed, "all values")
    cable.silence()
    sent, began_ms = edge.service.health.metrics_out, now_ms()
    async with asyncio.timeout(20):
        while edge.service.health.is_online:
            await edge.feed_for(0.2)
    print(f"\nthe broker noticed after {(now_ms() - began_ms) / 1000:.1f} s")
    assert edge.service.health.metrics_out - sent > 200
    host.url = mosquitto.url
    await host.stop(politely=False)
    await cable.stop()
    host.start()
    await edge.feed_for(1)
    await host.has_all(edge)
    assert len(host.late["count"]) > 200


async def test_a_new_process_hands_in_what_the_last_one_could_not(mosquitto, host, edges):
    """The bridge may be restarted while the broker is away."""
    await mosquitto.stop()
    edge = edges(mosquitto.url)
    await edge.feed_for(1)
    await edge.stop()
    fed, last_ms = edge.fed, edge.last_ms
    edge = edges(mosquitto.url)
    edge.fed, edge.last_ms = fed, last_ms
    assert fed == edge.waiting
    await edge.feed_for(1)
    await mosquitto.start()
    await host.has_all(edge)


async def test_a_second_broker_takes_over_what_the_first_one_lost(mosquitto, hosts, edges, until):
    """The next broker of the list is tried within seconds, and gets births, backlog and data."""
    async with MosquittoBroker() as other:
        host = hosts(other.url)
        edge = edges(mosquitto.url, other.url, primary_host="")
        await until(lambda: edge.service.health.is_online, "births")
        await edge.feed_for(2)
        assert [] == host.heard("count")
        await mosquitto.kill()
        await edge.feed_for(3)
        await until(lambda: host.births, "births on the other broker", 10)
        await host.has_all(edge)
        assert 1 == edge.service.edge.server


@pytest.mark.conforms("tck-id-operational-behavior-data-commands-rebirth-action-1")
async def test_a_rebirth_brings_back_what_may_have_been_lost(mosquitto, host, edges, until):
    """Whoever asks for a rebirth has missed something: the window is sent again, known as such.

    A host that had heard it all hears nothing twice; another one sees it as historical.
    """
    edge = edges(mosquitto.url)
    await until(lambda: edge.service.health.is_online, "births")
    edge.feed(300)
    await until(lambda: len(host.heard("count")) == 300, "all values")
    stranger = type(host)(mosquitto.url)
    session = await connect(Broker.parse(mosquitto.url), "stranger")
    await session.subscribe([("spBv1.0/#", 1)])
    await session.publish(rebirth_request(NODE, now_ms()))
    async with asyncio.timeout(10):
        async for batch in session.batches():
            for message in batch:
                stranger.take(stranger.core.received(message, now_ms()))
            if len(stranger.heard("count")) == 300:
                break
    assert len(stranger.late["count"]) >= 299
    await asyncio.sleep(0.5)
    assert [] == host.late["count"]
    assert list(range(300)) == host.heard("count")
    await session.close()


async def test_a_device_that_is_down_holds_up_nobody(mosquitto, host, edges, until):
    """Its backlog waits for its birth; that of its neighbours does not."""
    await mosquitto.stop()
    edge = edges(mosquitto.url)
    torque = edge.aliases["capper"]["torque"]
    for number in range(50):
        edge.service.observed("capper", [(torque, float(number), 192, now_ms() + number)])
    edge.feed(500)
    await mosquitto.start()
    await host.has_all(edge)
    assert [] == host.heard("torque")
    edge.service.device_up("capper")
    await until(lambda: len(host.heard("torque")) == 50, "the capper's backlog")
    assert [float(n) for n in range(50)] == host.heard("torque")


async def test_a_flood_takes_the_backlogs_way(mosquitto, host, edges, until):
    """More at once than may wait in memory: the newest go first, and nothing is lost."""
    edge = edges(mosquitto.url)
    await until(lambda: edge.service.health.is_online, "births")
    for _ in range(30):
        edge.feed(1_000)
    await host.has_all(edge)
    assert edge.service.health.overtaken > 0
    assert 29_999 == host.live["count"][-1][1]


async def test_stale_marks_are_no_values(mosquitto, edges):
    """What a lost device leaves behind is said by its death and its next birth."""
    await mosquitto.stop()
    edge = edges(mosquitto.url)
    count = edge.aliases["filler"]["count"]
    edge.service.observed("filler", [(count, 7, 500, now_ms()), (count, 8, 192, now_ms())])
    assert 1 == edge.waiting


async def test_live_values_do_not_wait_for_the_backlog(mosquitto, host, edges, until):
    """While ten minutes of a large line drain, a live value is as fast as it always is."""
    samples = SAMPLES
    await mosquitto.stop()
    edge = edges(mosquitto.url, pace=Pace(40_000, per_node=40_000))
    began_ms = now_ms() - samples
    for _ in range(samples // 20_000):
        edge.feed(20_000, at_ms=began_ms)
        await until(lambda: not edge.backlog.is_dirty, "the backlog is on the disk")
    await mosquitto.start()
    await until(lambda: edge.service.health.is_online, "births")
    seen = edge.service.health
    async with asyncio.timeout(120):
        while seen.late_metrics_out < samples - 2_000:
            edge.feed(1)
            await asyncio.sleep(0.05)
    during = sorted(host.delays_ms)
    await host.has_all(edge, 60)
    print(
        f"\n{samples} late values, {len(during)} live ones meanwhile: delay median "
        f"{during[len(during) // 2]} ms, 99 % {during[int(len(during) * 0.99)]} ms, "
        f"most {during[-1]} ms"
    )
    assert len(during) > 10
    assert during[len(during) // 2] < 1_000
    assert during[-1] < 3_000


async def test_a_broker_killed_twice_over_ten_minutes_of_backlog_costs_no_value(
    mosquitto, host, edges, until
):
    """Kill -9, ten minutes away, kill -9 again while they are handed in: all is heard, in order.

    The ten minutes are of source time: 200 values a second, given as fast as they are taken.
    """
    edge = edges(mosquitto.url, pace=Pace(20_000, per_node=20_000))
    await until(lambda: edge.service.health.is_online, "births")
    await mosquitto.kill()
    await until(lambda: not edge.service.health.is_online, "the broker is gone")
    began_ms = now_ms() - 5 * TEN_MINUTES
    for number in range(TEN_MINUTES):
        edge.feed(1, at_ms=began_ms + 5 * number)
    await mosquitto.start()
    async with asyncio.timeout(60):
        while edge.service.health.late_metrics_out < TEN_MINUTES // 2:
            edge.feed(1)
            await asyncio.sleep(0.05)
    delays = sorted(host.delays_ms)
    await mosquitto.kill()
    await mosquitto.start()
    await host.has_heard(edge, 90)
    assert 0 == edge.backlog.dropped(str(NODE))
    assert len(delays) > 10
    assert delays[len(delays) // 2] < 1_000
    print(
        f"\nlive values meanwhile: delay median {delays[len(delays) // 2]} ms, most {delays[-1]} ms"
    )


async def test_the_backlog_is_a_metric_of_the_node(mosquitto, host, edges, until):
    """Backlog/Waiting stands in the birth and goes to zero as it is handed in."""
    await mosquitto.stop()
    edge = edges(mosquitto.url, window_s=1.0)
    edge.feed(200)
    await mosquitto.start()
    await until(lambda: host.live["Backlog/Waiting"][-1:] and
                host.live["Backlog/Waiting"][-1][1] == 0, "nothing waits any more")  # fmt: skip
    assert 200 == next(value for _, value in host.born["Backlog/Waiting"] if value)
    assert {0} == {value for _, value in host.born["Backlog/Dropped"]}


async def test_a_clean_stop_leaves_nothing_to_send_again(mosquitto, host, edges, until):
    """The broker acknowledged the death behind the data; a new process has no backlog."""
    edge = edges(mosquitto.url)
    await until(lambda: edge.service.health.is_online, "births")
    edge.feed(100)
    await edge.stop()
    await until(lambda: len(host.heard("count")) == 100, "all values")
    edge = edges(mosquitto.url)
    assert 0 == edge.waiting


async def _watch(url: str, monitor: Monitor) -> None:
    session = await connect(Broker.parse(url), "watcher")
    await session.subscribe([("spBv1.0/#", 1)], as_published=True)
    async for batch in session.batches():
        for message in batch:
            monitor.published(message, now_ms())
        monitor.tick(now_ms())


async def test_the_monitor_finds_nothing_to_blame(mosquitto, host, edges, until):
    """Rebirths, a host gone and back, devices down and up, a backlog: no statement is broken."""
    monitor = Monitor()
    watching = asyncio.create_task(_watch(mosquitto.url, monitor))
    await asyncio.sleep(0.3)
    edge = edges(mosquitto.url)
    await until(lambda: edge.service.health.is_online, "births")
    stranger = await connect(Broker.parse(mosquitto.url), "stranger")
    for _ in range(5):
        await edge.feed_for(0.3)
        await stranger.publish(rebirth_request(NODE, now_ms()))
    edge.service.device_up("capper")
    await edge.feed_for(1)
    await host.stop()
    await until(lambda: not edge.service.health.is_online, "the edge node notices")
    edge.service.device_down("capper")
    await edge.feed_for(1)
    host.start()
    await edge.feed_for(2)
    edge.service.device_up("capper")
    await until(lambda: len(host.distinct["count"]) == edge.fed, "all values")
    await edge.stop()
    await asyncio.sleep(0.5)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await stranger.close()
    blamed = [(who.name, grade.id, grade.evidence) for who, grade in monitor.report().failures]
    assert [] == blamed
    conduct = monitor.report().find(str(NODE))
    assert conduct is not None
    assert sum(grade.outcome == "PASS" for grade in conduct.grades.values()) > 50
