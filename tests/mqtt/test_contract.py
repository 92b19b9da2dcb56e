"""What a session promises, with the embedded broker and with Mosquitto, in both versions of MQTT."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from pathlib import Path

import pytest

from uns.errors import BrokerError
from uns.message import Message
from uns.mqtt import Broker, connect, sessions
from uns.service.broker import EmbeddedBroker

pytestmark = pytest.mark.slow


@pytest.fixture
async def open_session(running, protocol):
    """Opens sessions that are closed at the end."""
    opened = []

    async def open_one(client_id, **settings):
        session = await connect(Broker.parse(running.url), client_id, protocol=protocol, **settings)
        opened.append(session)
        return session

    yield open_one
    for session in opened:
        await session.close()


async def _collect(session, count):
    """The first `count` messages."""
    got = []
    async with asyncio.timeout(30), contextlib.aclosing(session.batches()) as batches:
        async for batch in batches:
            got += batch
            if len(got) >= count:
                return got
    raise AssertionError("the session ended")


@pytest.mark.parametrize("qos", [0, 1])
async def test_what_is_published_arrives(open_session, second, until, client_id, qos):
    """A message of either quality of service reaches an independent subscriber as it was."""
    await second.subscribe("t/#", 1)
    session = await open_session(client_id)
    await session.publish(Message("t/a", b"one", qos))
    await until(lambda: second.messages, "the message arrives")
    assert second.messages == [("t/a", b"one", qos, False)]


@pytest.mark.parametrize("qos", [0, 1])
async def test_what_is_subscribed_arrives(open_session, second, client_id, qos):
    """A message of either quality of service arrives with topic, payload and QoS."""
    session = await open_session(client_id)
    await session.subscribe([("t/+/x", 1), ("u/#", 0)])
    await second.publish("t/a/x", "grüße".encode(), qos)
    assert await _collect(session, 1) == [Message("t/a/x", "grüße".encode(), qos)]


async def test_retained_values_are_kept_and_removed(open_session, second, until, client_id):
    """A retained value greets a later subscriber; an empty one removes it."""
    session = await open_session(client_id)
    await session.publish_values([(b"r/a", b"1"), (b"r/b", b"2")])
    await session.publish(Message("r/b", b"", 1, retain=True))
    await session.publish(Message("r/end", b"3", 1, retain=True))
    late = await open_session(client_id + "-late")
    await late.subscribe([("r/#", 1)])
    got = await _collect(late, 2)
    assert {"r/a": b"1", "r/end": b"3"} == {m.topic: m.payload for m in got}
    assert [True, True] == [m.retain for m in got]


async def test_an_abort_sends_the_will(open_session, second, until, client_id):
    """Dropping the connection without DISCONNECT makes the broker send the will."""
    await second.subscribe("w/#", 1)
    session = await open_session(client_id, will=lambda: Message("w/one", b"dead", 1))
    session.abort()
    await until(lambda: second.messages, "the will arrives")
    assert second.messages == [("w/one", b"dead", 1, False)]


async def test_a_close_sends_no_will(open_session, second, until, client_id):
    """DISCONNECT makes the broker forget the will, even with unread messages on the way."""
    await second.subscribe("w/#", 1)
    session = await open_session(client_id, will=lambda: Message("w/one", b"dead", 1))
    await session.subscribe([("flood/#", 0)])
    await session.publish_values([(b"flood/a", b"x" * 1000)] * 500)
    await session.close()
    await second.publish("w/after", b"", 1)
    await until(lambda: second.messages, "a later message arrives")
    assert ["w/after"] == [topic for topic, *_ in second.messages]


async def test_a_close_may_ask_for_the_will(open_session, second, until, client_id, protocol):
    """A session closed with its will: MQTT 5 sends it, MQTT 3.1.1 cannot ask for that."""
    await second.subscribe("#", 1)
    session = await open_session(client_id, will=lambda: Message("will", b"gone", 1))
    await session.publish(Message("last", b"words", 1))
    await session.close(with_will=True)
    await second.publish("end", b"", 1)
    await until(lambda: "end" in [m[0] for m in second.messages], "all has arrived")
    sent = ["will"] if protocol == 5 else []
    assert ["last", *sent, "end"] == [m[0] for m in second.messages]


async def test_the_retain_flag_may_be_asked_for_as_published(
    open_session, second, client_id, protocol
):
    """With MQTT 5 a subscriber sees which live messages their publisher wanted kept."""
    session = await open_session(client_id)
    await session.subscribe([("t/#", 1)], as_published=True)
    await second.publish("t/kept", b"1", 1, retain=True)
    await second.publish("t/passing", b"2", 1)
    retained = [(message.topic, message.retain) for message in await _collect(session, 2)]
    assert [("t/kept", protocol == 5), ("t/passing", False)] == retained


@pytest.mark.parametrize("ending", ["close", "abort"])
async def test_last_words_arrive(open_session, second, until, client_id, ending):
    """What was acknowledged arrives, even when the publisher leaves at once, and before its will."""
    await second.subscribe("l/#", 1)
    session = await open_session(client_id, will=lambda: Message("l/will", b"", 1))
    await session.publish_all([Message("l/a", str(n).encode(), 1) for n in range(50)])
    if ending == "close":
        await session.close()
    else:
        session.abort()
    expected = [("l/a", str(n).encode()) for n in range(50)]
    expected += [("l/will", b"")] if ending == "abort" else []
    await until(lambda: len(second.messages) >= len(expected), "all arrive")
    assert expected == [(topic, payload) for topic, payload, *_ in second.messages]


async def test_a_silent_client_is_declared_dead(running, cable, second, until, client_id):
    """A client that falls silent has its will sent after one and a half keep-alives."""
    await second.subscribe("w/#", 1)
    session = await connect(
        Broker("127.0.0.1", cable.port),
        client_id,
        keepalive_s=2,
        will=lambda: Message("w/x", b"", 1),
    )
    cable.silence()
    await until(lambda: second.messages, "the will arrives", 8)
    session.abort()


async def test_a_new_connection_takes_over(open_session, second, until, client_id):
    """The same client id again ends the old session, and its will is sent before ours counts."""
    await second.subscribe("w/#", 1)
    old = await open_session(client_id, will=lambda: Message("w/old", b"", 1))
    new = await open_session(client_id, will=lambda: Message("w/new", b"", 1))
    await until(lambda: not old.is_connected, "the old session is ended")
    await until(lambda: second.messages, "the old will arrives")
    assert new.is_connected
    assert ["w/old"] == [topic for topic, *_ in second.messages]


async def test_a_window_carries_thousands(open_session, second, until, client_id):
    """5,000 QoS 1 messages published at once are all acknowledged and arrive in order."""
    await second.subscribe("n/#", 1)
    session = await open_session(client_id)
    await session.publish_all([Message("n/a", str(n).encode(), 1) for n in range(5000)])
    await until(lambda: len(second.messages) >= 5000, "all arrive", 30)
    assert [str(n).encode() for n in range(5000)] == [payload for _, payload, *_ in second.messages]


async def test_a_batch_of_values_arrives_whole(open_session, client_id):
    """20,000 values written in one call all arrive, in order."""
    reader = await open_session(client_id + "-reader")
    await reader.subscribe([("v/#", 0)])
    writer = await open_session(client_id)
    items = [(f"v/{n % 500}".encode(), str(n).encode()) for n in range(20_000)]
    collecting = asyncio.create_task(_collect(reader, 20_000))
    await writer.publish_values(items, retain=False)
    got = await collecting
    assert [payload for _, payload in items] == [m.payload for m in got]


async def test_a_slow_consumer_loses_nothing_at_qos_1(open_session, client_id):
    """A consumer far slower than the publisher gets every QoS 1 message."""
    reader = await open_session(client_id + "-reader")
    await reader.subscribe([("s/#", 1)])
    writer = await open_session(client_id)
    publishing = asyncio.create_task(
        writer.publish_all([Message("s/a", str(n).encode(), 1) for n in range(4000)])
    )
    got = []
    async with asyncio.timeout(60):
        async for batch in reader.batches():
            got += [int(m.payload) for m in batch]
            if len(got) >= 4000:
                break
            await asyncio.sleep(0.05)
    await publishing
    assert list(range(4000)) == got


async def test_a_command_may_be_sent_from_inside_a_batch(open_session, client_id):
    """Publishing at QoS 1 while a flood waits to be consumed does not lock up."""
    session = await open_session(client_id)
    await session.subscribe([("f/#", 0)])
    writer = await open_session(client_id + "-writer")
    await writer.publish_values([(b"f/a", b"x")] * 15_000, retain=False)
    async with asyncio.timeout(30):
        async for _ in session.batches():
            await asyncio.sleep(0.3)
            await session.publish(Message("other/a", b"", 1))
            break


async def test_unfinished_work_comes_again(running, open_session, second, client_id):
    """A consumer that dies over a message gets it again; one that went on does not."""
    if isinstance(running, EmbeddedBroker):
        pytest.skip("amqtt does not send unacknowledged messages again")
    first = await open_session(client_id, clean=False)
    await first.subscribe([("p/#", 1)])
    await second.publish("p/a", b"1", 1)
    batches = first.batches()
    assert [b"1"] == [m.payload for m in await anext(batches)]
    await second.publish("p/a", b"2", 1)
    assert [b"2"] == [m.payload for m in await anext(batches)]
    await batches.aclose()
    first.abort()
    await asyncio.sleep(0.2)
    again = await open_session(client_id, clean=False)
    assert again.session_present
    assert [b"2"] == [m.payload for m in await _collect(again, 1)]


async def test_session_present_says_whether_the_broker_remembers(open_session, client_id):
    """A clean session is never resumed; another one is, once it has existed."""
    session = await open_session(client_id, clean=False)
    assert session.session_present is False
    await session.subscribe([("p/#", 1)])
    await session.close()
    await asyncio.sleep(0.2)
    session = await open_session(client_id, clean=False)
    assert session.session_present is True
    await session.close()
    await asyncio.sleep(0.2)
    session = await open_session(client_id, clean=True)
    assert session.session_present is False


async def test_messages_nobody_asked_for_are_dropped(open_session, second, client_id):
    """Retained messages of topics that others subscribed to do not reach a session."""
    await second.publish("secret/a", b"1", 1, retain=True)
    await second.subscribe("secret/#", 1)
    session = await open_session(client_id)
    await session.subscribe([("mine/#", 1)])
    await second.publish("mine/a", b"2", 1)
    assert ["mine/a"] == [m.topic for m in await _collect(session, 1)]


async def test_a_session_that_is_lost_says_why(open_session, running, cable, client_id):
    """Everyone who waits on a lost session is told, in one sentence with the address."""
    session = await connect(Broker("127.0.0.1", cable.port), client_id)
    waiting = asyncio.create_task(_collect(session, 1))
    await asyncio.sleep(0.05)
    cable.cut()
    with pytest.raises(BrokerError, match=f"127.0.0.1:{cable.port}"):
        await waiting
    with pytest.raises(BrokerError, match=f"127.0.0.1:{cable.port}"):
        await session.publish(Message("t/a", b"", 1))


async def test_silence_of_the_network_is_noticed(cable, client_id):
    """When nothing is heard for one and a half keep-alives the session is lost."""
    session = await connect(Broker("127.0.0.1", cable.port), client_id, keepalive_s=1)
    await asyncio.sleep(1.6)
    assert session.is_connected, "pings keep an idle session alive"
    cable.silence()
    began = time.monotonic()
    with pytest.raises(BrokerError, match="silent for"):
        await _collect(session, 1)
    assert time.monotonic() - began < 4


async def test_fifty_connections_leave_nothing_behind(broker, client_id, until):
    """Fifty sessions opened and closed leave no task, no socket and no timer here."""
    await (await connect(broker, client_id)).close()
    await asyncio.sleep(0.3)
    gc.collect()
    tasks, sockets = _tasks(), _sockets()
    for n in range(50):
        session = await connect(broker, f"{client_id}-{n}")
        if n % 2:
            session.abort()
        else:
            await session.close()
    await until(lambda: _sockets() <= sockets, "sockets are closed")
    await until(lambda: _tasks() <= tasks, f"tasks have ended: {tasks}")


def _tasks():
    return len(asyncio.all_tasks())


def _sockets():
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_sessions_leave_nothing_behind_when_cancelled(broker, client_id, until):
    """Cancelling a service that holds a session closes the socket; the will is sent."""
    sockets, opened = _sockets(), asyncio.Event()

    async def service():
        async for session in sessions(broker, client_id):
            opened.set()
            async for _ in session.batches():
                pass

    task = asyncio.create_task(service())
    await asyncio.wait_for(opened.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await until(lambda: _sockets() <= sockets, "sockets are closed")
