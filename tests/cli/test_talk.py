"""What of the services' talk is news to whoever did not ask for more."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import pytest

from uns.cli.talk import quiet, talk

GONE = "nothing answers at 127.0.0.1:9 (connection refused); trying again"
log = logging.getLogger("uns.test")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Give the loggers back as they were."""
    root, ours = logging.getLogger(), logging.getLogger("uns")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The sentences on stderr, without time and level."""
    return [line[17:] for line in capsys.readouterr().err.splitlines()]


def test_the_same_sentence_from_several_is_one(capsys) -> None:
    """Each line has its own session; that the broker is gone is said by the first."""
    talk()
    for node in ("acme:leeds/line1", "acme:leeds/line2"):
        log.warning("edge node %s: %s", node, GONE)
    log.warning("routes: %s", GONE)
    assert [f"edge node acme:leeds/line1: {GONE}"] == said(capsys)


def test_what_two_devices_suffer_alike_is_told_of_both(capsys) -> None:
    """That one is down says nothing of another, though reason and pause are the same."""
    talk()
    devices = logging.getLogger("uns.connection"), logging.getLogger("uns.bridge.modbus")
    for log_, plc in [(log_, plc) for log_ in devices for plc in ("plc1", "plc2")]:
        log_.warning("%s is down: %s (%s)", plc, "connection refused", "4th try, next in 1.7 s")
    assert 4 == len(said(capsys))


def test_good_news_follows_bad_news_only(capsys) -> None:
    """That something works is told to whoever was told that it does not, once."""
    talk()
    log.info("%s is up%s: %d tags", "line1 modbus://10.1.1.1:502", "", 2)
    log.warning("%s is down: %s", "line1 modbus://10.1.1.1:502", "no answer within 3 s")
    log.info("%s is up%s: %d tags", "line2 modbus://10.1.1.2:502", "", 2)
    for _ in range(2):
        log.info("%s is up%s: %d tags", "line1 modbus://10.1.1.1:502", " again", 2)
    assert [
        "line1 modbus://10.1.1.1:502 is down: no answer within 3 s",
        "line1 modbus://10.1.1.1:502 is up again: 2 tags",
    ] == said(capsys)


def test_verbose_tells_everything(capsys) -> None:
    """With -v nothing is left out."""
    talk(1)
    for node in ("line1", "line2"):
        log.warning("%s: %s", node, GONE)
    log.info("line1 is up")
    assert 3 == len(said(capsys))


def test_a_flood_of_different_sentences_costs_little(capsys) -> None:
    """What is remembered to tell repetitions is not walked through for each line."""
    talk()
    before = time.process_time()
    for number in range(20_000):
        log.warning("%s: %s", "g/e/d", f"there is no such metric as {number}")
    assert time.process_time() - before < 10
    assert 20_000 == len(said(capsys))


def test_who_leaves_is_quiet(capsys) -> None:
    """What ends on purpose is no news."""
    talk()
    quiet()
    log.warning("edge node %s is gone: %s", "line1", "it died")
    assert [] == said(capsys)
