"""The brokers we start ourselves: what they promise, and what they say when they cannot start."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path

import pytest

from uns.errors import BrokerError
from uns.message import Message
from uns.mqtt import Broker, connect
from uns.service.broker import EmbeddedBroker, MosquittoBroker, mosquitto_conf

pytestmark = pytest.mark.slow


@pytest.fixture
async def mosquitto(tmp_path):
    """Mosquitto, keeping its state in a folder."""
    broker = MosquittoBroker(folder=tmp_path)
    try:
        await broker.start()
    except BrokerError as error:
        pytest.skip(f"needs the Debian package mosquitto: {error}")
    yield broker
    await broker.stop()


async def _retained(url, topic):
    session = await connect(Broker.parse(url), "reader")
    try:
        await session.subscribe([(topic, 1)])
        return (await asyncio.wait_for(anext(session.batches()), 3))[0].payload
    except TimeoutError:
        return None
    finally:
        await session.close()


async def test_a_taken_port_is_named():
    """Both brokers refuse a taken port by naming it, and suggest another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for made in (EmbeddedBroker(port), MosquittoBroker(port)):
            with pytest.raises(BrokerError, match=f"port {port} is taken") as caught:
                await made.__aenter__()
            assert "--port 0" in caught.value.hint


async def test_the_embedded_broker_closes_quickly_with_clients():
    """It ends within two seconds while clients are connected, mute or reading nothing."""
    before = asyncio.all_tasks()
    async with EmbeddedBroker() as broker:
        session = await connect(Broker.parse(broker.url), "one")
        mute = socket.create_connection(("127.0.0.1", broker.port))
        deaf = await connect(Broker.parse(broker.url), "deaf")
        await deaf.subscribe([("t", 0)])
        deaf._wire._transport.pause_reading()
        await session.publish_values([(b"t", b"x" * 100_000)] * 100, retain=False)
        began = time.monotonic()
    assert time.monotonic() - began < 2.5
    mute.close()
    session.abort()
    deaf.abort()
    async with asyncio.timeout(5):
        while asyncio.all_tasks() - before:
            await asyncio.sleep(0.02)


async def test_the_embedded_broker_is_quiet(caplog):
    """Connects and drops write nothing to the log."""
    async with EmbeddedBroker() as broker:
        for n in range(3):
            session = await connect(Broker.parse(broker.url), f"c{n}")
            session.abort()
        await asyncio.sleep(0.1)
    assert [] == [r for r in caplog.records if r.name.startswith(("amqtt", "transitions"))]


async def test_the_embedded_broker_keeps_messages_for_a_session():
    """A session that is not clean gets the QoS 1 messages of its absence."""
    async with EmbeddedBroker() as broker:
        address = Broker.parse(broker.url)
        session = await connect(address, "keeper", clean=False)
        await session.subscribe([("k/#", 1)])
        await session.close()
        writer = await connect(address, "writer")
        await writer.publish_all([Message("k/a", str(n).encode(), 1) for n in range(5)])
        await writer.close()
        again = await connect(address, "keeper", clean=False)
        assert again.session_present
        got = []
        async with asyncio.timeout(5):
            async for batch in again.batches():
                got += [m.payload for m in batch]
                if len(got) == 5:
                    break
        assert [b"0", b"1", b"2", b"3", b"4"] == got
        again.abort()


async def test_mosquitto_keeps_retained_values_over_a_restart(mosquitto):
    """Stopped in good order it remembers; `kill` takes what was not saved yet."""
    session = await connect(Broker.parse(mosquitto.url), "writer")
    await session.publish(Message("r/a", b"1", 1, retain=True))
    await session.close()
    await mosquitto.restart()
    assert b"1" == await _retained(mosquitto.url, "r/a")
    session = await connect(Broker.parse(mosquitto.url), "writer")
    await session.publish(Message("r/b", b"2", 1, retain=True))
    await session.close()
    await mosquitto.kill()
    await mosquitto.start()
    assert await _retained(mosquitto.url, "r/b") is None


async def test_mosquitto_is_stopped_by_its_own_pid(mosquitto):
    """After `stop` the process is gone."""
    pid = mosquitto.pid
    assert Path(f"/proc/{pid}").exists()
    await mosquitto.stop()
    assert not Path(f"/proc/{pid}").exists()


async def test_mosquitto_that_refuses_its_configuration_says_why(mosquitto, tmp_path):
    """A setting that Mosquitto does not know ends in its own words and a way to try by hand."""
    broken = MosquittoBroker(settings=("no_such_setting 1",))
    with pytest.raises(BrokerError, match="no_such_setting") as caught:
        await broken.__aenter__()
    assert "mosquitto -v -c" in caught.value.hint


async def test_mosquitto_that_is_not_installed(monkeypatch, tmp_path):
    """Without Mosquitto the package is named; a file that may not run is named too."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("uns.service.broker._MOSQUITTO_PLACES", str(tmp_path))
    with pytest.raises(BrokerError, match="not installed") as caught:
        await MosquittoBroker().start()
    assert "apt install mosquitto" in caught.value.hint
    (tmp_path / "mosquitto").write_text("")
    with pytest.raises(BrokerError, match="not executable") as caught:
        await MosquittoBroker().start()
    assert "chmod" in caught.value.hint


def test_the_configuration_has_no_silent_losses():
    """Queues are large and finite, and everything stays on loopback."""
    text = mosquitto_conf(1883, Path("/var/lib/uns"))
    settings = dict(
        line.split(" ", 1) for line in text.splitlines() if line and not line.startswith("#")
    )
    assert "1883 127.0.0.1" == settings["listener"]
    assert int(settings["max_queued_messages"]) >= 100_000
    assert int(settings["max_queued_bytes"]) > 0
    assert "/var/lib/uns/" == settings["persistence_location"]
    assert os.sep not in settings["max_inflight_messages"]
