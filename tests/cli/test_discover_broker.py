"""`uns discover mqtt://…` against a real broker: what it carries becomes a project."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from uns.cli.catalogue import catalogue
from uns.cli.topic_places import TopicPlaces
from uns.equipment import Tag
from uns.message import Message
from uns.mqtt import Broker, connect
from uns.project.load import load

Uns = Callable[..., Any]
SCALE = json.dumps({"weight": {"value": 5.2}, "good": 7, "ok": True}).encode()


@pytest.mark.parametrize(
    ("pattern", "topic", "steps", "expected"),
    [
        ("a/{line}/{m}/data", "a/l1/cw/data", ["w"], (("l1", "cw", "w"), 2)),
        ("a/{line}/{m}/temp", "a/l1/cw/temp", [], (("l1", "cw", "temp"), 2)),
        ("a/{line}/{m}", "a/l1/cw", [], (("l1", "cw", "value"), 2)),
        ("a/{m}/{tag}", "a/cw/temp", [], (("cw", "temp"), 1)),
        ("a/{m}/+/raw", "a/cw/temp/raw", ["v"], (("cw", "temp", "v"), 1)),
        ("a/+m/#", "a/cw/drive/temp", ["v"], (("cw", "drive", "temp", "v"), 1)),
        ("a/+m/#", "a/cw", ["v"], (("cw", "v"), 1)),
        ("a/+/x", "a/cw/x", ["v"], (("a", "cw", "x", "v"), None)),
        ("", "/a//b", [], (("a", "b"), None)),
    ],
)
def test_names_in_the_pattern_are_the_machine(
    pattern: str, topic: str, steps: list[str], expected: object
) -> None:
    """The levels with names are its place; the others, and the payload's, are the tag's."""
    assert expected == TopicPlaces(pattern).levels(topic, steps)


@pytest.mark.parametrize(
    ("pattern", "watch"),
    [("a/{line}/{tag}/#", "a/+line/+/#"), ("a/+line/x", "a/+line/x"), ("a/+/#", ""), ("", "")],
)
def test_more_machines_are_watched_for(pattern: str, watch: str) -> None:
    """With the names of the pattern, as a connection takes them; without names nothing is."""
    assert watch == TopicPlaces(pattern).watch


async def _drafted(port: int, uns: Uns, folder: Path, *words: str) -> dict[str, Tag]:
    url = f"mqtt://127.0.0.1:{port}"
    ended = await asyncio.to_thread(
        uns, "discover", url, *words, "--seconds", "1", "-o", str(folder), "--json"
    )
    assert 0 == ended.code, ended.err
    assert [] == json.loads(ended.out)["problems"]
    loaded = load(folder / "draft.yaml", catalogue(), environment={"MQTT_PASSWORD": "x"})
    assert () == loaded.diagnostics
    assert loaded.project is not None
    return {tag.topic.text: tag for machine in loaded.project.machines for tag in machine.tags}


@pytest.mark.slow
async def test_a_broker_becomes_a_project(mosquitto: Any, uns: Uns, tmp_path: Path) -> None:
    """Four machines are one type, one binding and one entry; its addresses lead to the values."""
    publisher = await connect(Broker("127.0.0.1", mosquitto.port), "somebody")
    places = [(line, n) for line in (1, 2) for n in (1, 2)]
    await publisher.publish_all(
        [Message(f"legacy/line{line}/cw{n}/data", SCALE, 1, True) for line, n in places]
        + [Message("legacy/line1/cw1/other", b"1", 1, True)]
    )
    tags = await _drafted(mosquitto.port, uns, tmp_path, "legacy/{line}/{machine}/data")
    await publisher.close()
    assert {
        f"enterprise/site/area/line{line}/cw{n}/{name}": (f"legacy/line{line}/cw{n}/data {path}")
        for line, n in places
        for name, path in (("weight/value", "$.weight.value"), ("good", "$.good"), ("ok", "$.ok"))
    } == {topic: tag.source.text for topic, tag in tags.items() if tag.source}
    text = (tmp_path / "draft.yaml").read_text()
    assert 1 == text.count("driver: mqtt")
    assert "legacy/+line/+machine/data" in text


@pytest.mark.slow
async def test_who_logs_in_leaves_no_password(
    mosquitto: Any, uns: Uns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The draft has the user, and the name of a variable for the password; live values count."""
    publisher = await connect(Broker("127.0.0.1", mosquitto.port), "somebody")
    monkeypatch.setenv("MQTT_PASSWORD", "x")
    live = asyncio.create_task(_publish_on(publisher))
    words = ("plain/{line}/{machine}/{tag}", "--user", "ann", "--password", "s3cret")
    tags = await _drafted(mosquitto.port, uns, tmp_path, *words, "--seconds", "4")
    live.cancel()
    await publisher.close()
    assert ["enterprise/site/area/line1/meter/temp"] == list(tags)
    text = (tmp_path / "draft.yaml").read_text()
    assert "user: ann" in text
    assert '"${env:MQTT_PASSWORD}"' in text
    assert "s3cret" not in text


async def _publish_on(publisher: Any) -> None:
    while True:
        await publisher.publish_all([Message("plain/line1/meter/temp", b"21.5", 1)])
        await asyncio.sleep(0.3)


@pytest.mark.slow
async def test_silence_is_a_sentence(mosquitto: Any, uns: Uns) -> None:
    """Where nothing comes, it says on what and for how long it listened."""
    url = f"mqtt://127.0.0.1:{mosquitto.port}"
    ended = await asyncio.to_thread(uns, "discover", url, "none/{line}/#", "--seconds", "0.3")
    assert (1, "") == (ended.code, ended.out)
    assert "nothing came on `none/{line}/#` within 0.3 s" in ended.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("mqtt://127.0.0.1:1", "a/#"), 1, "refused"),
        (("mqtt://127.0.0.1:1/x", "a/#"), 2, "more or less than a host and a port"),
        (("mqtt://127.0.0.1:1", "a/#/b"), 1, "#"),
        (("mqtt://127.0.0.1:1", "a/{x}/{x}"), 1, "two levels are called `x`"),
        (("mqtt://127.0.0.1:1", "a/#", "--below", "b"), 2, "not both"),
        (("opc.tcp://127.0.0.1:1", "a/{x}"), 2, "a topic pattern is for a broker"),
    ],
)
def test_a_slip_is_one_sentence(uns: Uns, words: tuple[str, ...], code: int, said: str) -> None:
    """Nobody there, a pattern that is none, or one for a device; never a traceback."""
    ended = uns("discover", *words)
    assert (code, "") == (ended.code, ended.out)
    assert said in ended.err
    assert "Traceback" not in ended.err
