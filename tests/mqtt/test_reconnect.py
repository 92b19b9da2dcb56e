"""An endless supply of sessions: restarts, take-overs, and how long to wait in between."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

import pytest

from uns.errors import BrokerError
from uns.message import Message
from uns.mqtt import Broker, connect, sessions
from uns.mqtt.reconnect import Backoff


@pytest.fixture
def free_port():
    """Finds ports at which nobody listens."""

    def find():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    return find


class Service:
    """A service that holds a session and remembers what it was told."""

    def __init__(self, broker, client_id, **settings):
        self.said: list[tuple[str, bool]] = []
        self.opened = 0
        self.wills = 0
        self._task = asyncio.create_task(self._run(broker, client_id, settings))

    async def _run(self, broker, client_id, settings):
        supply = sessions(
            broker, client_id, on_state=lambda *said: self.said.append(said), will=self._will,
            **settings,
        )  # fmt: skip
        async with contextlib.aclosing(supply):
            async for session in supply:
                self.opened += 1
                with contextlib.suppress(BrokerError):
                    async for _ in session.batches():
                        pass

    def _will(self):
        self.wills += 1
        return Message("will", str(self.wills).encode(), 1)

    async def stop(self):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.mark.slow
async def test_a_restarted_broker_is_found_again(mosquitto, until):
    """A broker back after two seconds is found within three, with a new will."""
    service = Service(Broker.parse(mosquitto.url), "uns-test")
    await until(lambda: service.opened == 1, "the first session")
    await mosquitto.kill()
    await asyncio.sleep(2)
    await mosquitto.start()
    began = time.monotonic()
    await until(lambda: service.opened == 2, "the second session", 8)
    assert time.monotonic() - began < 4
    assert service.wills >= 2
    assert [True, False, True] == [is_up for _, is_up in service.said], service.said
    await service.stop()


@pytest.mark.slow
async def test_a_will_is_new_for_each_connection(mosquitto, until):
    """The will that the broker sends is the one of the session that died."""
    witness = await connect(Broker.parse(mosquitto.url), "witness")
    await witness.subscribe([("will", 1)])
    service = Service(Broker.parse(mosquitto.url), "uns-test")
    await until(lambda: service.opened == 1, "the first session")
    intruder = await connect(Broker.parse(mosquitto.url), "uns-test")
    await until(lambda: service.opened == 2, "the second session")
    await service.stop()
    payloads = []
    async with asyncio.timeout(10):
        async for batch in witness.batches():
            payloads += [m.payload for m in batch]
            if len(payloads) == 2:
                break
    assert [b"1", b"2"] == payloads
    await intruder.close()
    await witness.close()


@pytest.mark.slow
async def test_a_doubled_client_id_is_noticed(running, protocol, until):
    """Two services with one client id: each says so in one sentence, and they stop fighting."""
    broker = Broker.parse(running.url)
    services = [Service(broker, "twin") for _ in range(2)]
    await until(
        lambda: any("client id `twin`" in said for s in services for said, _ in s.said),
        "one of them notices",
        20,
    )
    opened = sum(s.opened for s in services)
    await asyncio.sleep(1)
    assert sum(s.opened for s in services) - opened < 4
    for service in services:
        await service.stop()


@pytest.mark.slow
async def test_mqtt_5_names_the_take_over(serve, until):
    """With MQTT 5 a session that is taken over says that another client has its id."""

    async def take_over(reader, writer):
        await reader.read(1)
        writer.write(b"\x20\x03\0\0\0" + b"\xe0\x02\x8e\0")
        await reader.read()
        writer.close()

    service = Service(await serve(take_over), "twin")
    await until(lambda: len(service.said) >= 2, "the take-over is said")
    assert "another client took over this client id (0x8E)" in service.said[1][0]
    await service.stop()


@pytest.mark.slow
async def test_a_session_left_by_an_error_sends_its_will(mosquitto, until):
    """A service whose own code fails is not offline in good order: the will is sent."""
    witness = await connect(Broker.parse(mosquitto.url), "witness")
    await witness.subscribe([("will", 1)])

    async def failing():
        async for session in sessions(
            Broker.parse(mosquitto.url), "uns-test", will=lambda: Message("will", b"", 1)
        ):
            await session.publish(Message("t", b"", 1))
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        await failing()
    assert ["will"] == [m.topic for m in await asyncio.wait_for(anext(witness.batches()), 5)]
    await witness.close()


@pytest.mark.slow
async def test_a_refusal_is_said_once(embedded, until):
    """A broker that is not there is said once, not at each attempt."""
    said = []
    port = embedded.port
    await embedded.__aexit__(None, None, None)
    service = Service(Broker("127.0.0.1", port), "uns-test")
    await until(lambda: service.wills > 4, "several attempts")
    said = service.said
    assert 1 == len(said)
    assert f"nothing answers at 127.0.0.1:{port}" in said[0][0]
    assert said[0][1] is False
    await service.stop()
    await embedded.__aenter__()


class Ordered:
    """Brokers in order of preference; a failure turns to the next."""

    def __init__(self, *brokers):
        self.brokers, self.place, self.asked = brokers, 0, 0

    def current(self):
        self.asked += 1
        return self.brokers[self.place % len(self.brokers)]

    def failed(self):
        self.place += 1


@pytest.mark.slow
async def test_a_list_of_brokers_is_walked_quickly(mosquitto, free_port, until):
    """Two brokers that are not there cost no second; each is said once, the third is found."""
    gone = [Broker("127.0.0.1", free_port()) for _ in range(2)]
    ordered = Ordered(*gone, Broker.parse(mosquitto.url))
    began = time.monotonic()
    service = Service(ordered.current, "uns-test", on_failed=ordered.failed)
    await until(lambda: service.opened == 1, "a session with the third broker")
    assert time.monotonic() - began < 3
    assert 2 == ordered.place
    assert [False, False, True] == [is_up for _, is_up in service.said], service.said
    assert mosquitto.url.rpartition(":")[2] in service.said[-1][0]
    await service.stop()


@pytest.mark.slow
async def test_a_broker_that_stays_away_is_not_said_again(mosquitto, free_port):
    """A client that goes round a list comes by it every half minute; it is still the same."""
    broker, gone = Broker.parse(mosquitto.url), Broker.parse(f"mqtt://127.0.0.1:{free_port()}")
    said, rounds, turn = [], 0, [gone, broker]
    supply = sessions(
        lambda: turn[0], "walker", on_state=lambda *one: said.append(one), on_failed=turn.reverse
    )
    async with asyncio.timeout(20), contextlib.aclosing(supply):
        async for session in supply:
            await session.close()
            turn.reverse()
            rounds += 1
            if rounds == 3:
                break
    assert 1 == len([text for text, is_up in said if not is_up])


@pytest.mark.slow
async def test_a_list_with_nobody_there_is_not_hammered(free_port, until):
    """Once all brokers of a list were tried the waits grow as with one."""
    ordered = Ordered(*(Broker("127.0.0.1", free_port()) for _ in range(3)))
    service = Service(ordered.current, "uns-test", on_failed=ordered.failed)
    await until(lambda: ordered.place >= 6, "two walks", 20)
    before = ordered.place
    await asyncio.sleep(2)
    assert ordered.place - before < 30
    assert 3 == len(service.said), service.said
    await service.stop()


def test_waits_grow_with_the_outage():
    """Waits are drawn from 0 up to half of the outage so far, a quarter to ten seconds."""
    backoff = Backoff(lottery=lambda: 1.0)
    assert 0.25 == backoff.next_s()
    backoff.lost(2)
    assert 1 == backoff.next_s()
    backoff.lost(100)
    assert 10 == backoff.next_s()


def test_a_broker_that_was_away_two_seconds_is_found_within_three():
    """Whatever is drawn, the attempts of the first three seconds lie at most a second apart."""
    for draw in (0.1, 0.5, 0.9, 1.0):
        backoff, now = Backoff(lottery=lambda draw=draw: draw), 0.0
        while now < 2:
            wait = backoff.next_s()
            backoff.lost(wait)
            now += wait
        assert now <= 3


def test_only_a_stable_minute_makes_waits_short_again():
    """A broker that comes and goes is not hammered: shorter sessions do not count."""
    backoff = Backoff(lottery=lambda: 1.0)
    backoff.lost(100)
    backoff.held(59)
    assert 10 == backoff.next_s()
    backoff.held(60)
    assert 0.25 == backoff.next_s()


def test_what_only_a_person_can_mend_is_asked_rarely():
    """A wrong password is tried again every few seconds, not four times a second."""
    assert 10 == Backoff(lottery=lambda: 1.0).next_s(is_hopeless=True)
