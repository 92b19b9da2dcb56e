"""An edge node whose primary host does not come says so: once, and once that it has come."""

from __future__ import annotations

import asyncio
import logging

import pytest

from uns.message import Message
from uns.metric import DataType
from uns.mqtt import Broker, connect
from uns.service import edge as edge_module
from uns.sparkplug import Metric, Payload, encode

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host is late after half a second."""
    monkeypatch.setattr(edge_module, "HOST_LATE_S", 0.5)


def _said(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    return [said for record in caplog.records if text in (said := record.getMessage())]


async def test_a_primary_host_that_is_missing_is_said_once(
    mosquitto, hosts, edges, caplog, until
) -> None:
    """Nothing is published meanwhile: whoever looks for the values must be told why."""
    with caplog.at_level(logging.INFO, "uns.edge"):
        edge = edges(mosquitto.url)
        await until(lambda: _said(caplog, "is not online on 127.0.0.1"), "the reason")
        await asyncio.sleep(2)
        hosts(mosquitto.url)
        await until(lambda: edge.service.health.is_online, "births")
        await until(lambda: _said(caplog, "is online; births are out"), "the good news")
    (missing,) = _said(caplog, "is not online on")
    assert "primary_host" in missing
    assert 1 == len(_said(caplog, "is online; births are out"))


async def test_a_host_that_is_there_is_no_news(mosquitto, host, edges, caplog, until) -> None:
    """Births that come at once need no sentence."""
    assert host
    with caplog.at_level(logging.INFO, "uns.edge"):
        edge = edges(mosquitto.url)
        await until(lambda: edge.service.health.is_online, "births")
        await asyncio.sleep(1)
    assert [] == _said(caplog, "primary host")


async def test_a_command_with_thousands_of_names_is_ten_lines(
    mosquitto, host, edges, caplog, until
) -> None:
    """The log is not where a peer writes what it likes."""
    assert host
    names = tuple(Metric(f"x{number}", 1, DataType.INT32) for number in range(5_000))
    with caplog.at_level(logging.INFO, "uns.edge"):
        edge = edges(mosquitto.url)
        await until(lambda: edge.service.health.is_online, "births")
        session = await connect(Broker.parse(mosquitto.url), "somebody")
        dcmd = "spBv1.0/Acme:Leeds/DCMD/Line1/filler"
        for _ in range(2):
            await session.publish(Message(dcmd, encode(Payload(metrics=names))))
        await until(lambda: _said(caplog, "there is no such metric"), "a refusal")
        await asyncio.sleep(1)
        await session.close()
    assert 10 == len(_said(caplog, "there is no such metric"))
    assert edge.service.health.is_online
