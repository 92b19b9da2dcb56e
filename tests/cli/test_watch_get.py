"""`uns watch` and `uns get`, as a shell sees them: stdout, stderr and exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from uns.message import Message
from uns.mqtt import Broker, connect
from uns.service.broker import EmbeddedBroker

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
FILLER = "acme/leeds/packaging/line1/filler"
AT = "2026-01-08T10:30:00.123Z"
SHOWN = {
    f"{FILLER}/bowl_pressure": {"value": 3.5, "quality": "Good", "timestamp": AT, "unit": "bar"},
    f"{FILLER}/state": {"value": "Execute", "quality": "Good", "timestamp": AT},
    f"{FILLER}/speed": {"value": 9, "quality": "Uncertain", "timestamp": AT, "detail": "Stale"},
    f"{FILLER}/_meta": {"kind": "machine"},
}


@pytest.fixture
async def broker():
    """A broker that shows one machine."""
    async with EmbeddedBroker() as embedded:
        session = await connect(Broker.parse(embedded.url), "publisher")
        for topic, shown in SHOWN.items():
            await session.publish(Message(topic, json.dumps(shown).encode(), 1, retain=True))
        yield embedded, session
        await session.close()


def _environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("UNS_")}
    return {**kept, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **more}


async def start(*words: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "uns", *words, cwd=ROOT, env=_environment(**environment),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def uns(*words: str, **environment: str) -> tuple[int, str, str]:
    process = await start(*words, **environment)
    async with asyncio.timeout(20):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_get_prints_the_bare_value(broker) -> None:
    """Stdout is for the next program, stderr for people."""
    code, out, err = await uns("get", f"{FILLER}/bowl_pressure", "-b", broker[0].url)
    assert (0, "3.5\n") == (code, out)
    assert f"{FILLER}/bowl_pressure  3.5 bar  {AT}" in err


async def test_get_prints_text_without_quotes(broker) -> None:
    """The broker may be named by the environment."""
    code, out, _ = await uns("get", f"{FILLER}/state", UNS_BROKER=broker[0].url)
    assert (0, "Execute\n") == (code, out)


async def test_get_as_json(broker) -> None:
    """The whole payload, with its topic."""
    code, out, err = await uns("get", f"{FILLER}/state", "--json", "-b", broker[0].url)
    assert (0, {"topic": f"{FILLER}/state", **SHOWN[f"{FILLER}/state"]}, "") == (
        code,
        json.loads(out),
        err,
    )


async def test_get_in_another_unit(broker) -> None:
    """Who asks for kPa gets kPa, whatever the tag's unit is; aliases are understood."""
    pressure = f"{FILLER}/bowl_pressure"
    code, out, err = await uns("get", pressure, "--unit", "kPa", "-b", broker[0].url)
    assert (0, "350.0\n") == (code, out)
    assert "350.0 kPa" in err
    code, out, _ = await uns(
        "get", pressure, "--json", UNS_GET_UNIT="mbar", UNS_BROKER=broker[0].url
    )
    assert (0, 3500.0, "mbar") == (code, json.loads(out)["value"], json.loads(out)["unit"])


async def test_get_in_a_unit_that_does_not_fit(broker) -> None:
    """Another quantity is exit code 1 and says why; no unit at all is a usage error."""
    pressure = f"{FILLER}/bowl_pressure"
    code, out, err = await uns("get", pressure, "--unit", "°C", "-b", broker[0].url)
    assert (1, "") == (code, out)
    assert "`bar` is a unit of pressure, `Cel` of temperature" in err
    code, _, err = await uns("get", pressure, "--unit", "Bar", "-b", broker[0].url)
    assert 2 == code
    assert "did you mean `bar`?" in err


async def test_watch_in_another_unit(broker) -> None:
    """Values that fit are told in it, all others as they come."""
    code, out, _ = await uns("watch", "acme/#", "--unit", "kPa", "-C", "3", "-b", broker[0].url)
    assert 0 == code
    assert f"{FILLER}/bowl_pressure  350.0 kPa  {AT}" in out
    assert f"{FILLER}/state  Execute  {AT}" in out


async def test_get_of_a_value_that_is_not_good(broker) -> None:
    """A script that asks for a stale value is told by exit code 4."""
    code, out, err = await uns("get", f"{FILLER}/speed", "-b", broker[0].url)
    assert (4, "9\n") == (code, out)
    assert "Uncertain (Stale)" in err


async def test_get_of_a_definition(broker) -> None:
    """What is no value is printed as it is."""
    code, out, _ = await uns("get", f"{FILLER}/_meta", "-b", broker[0].url)
    assert (0, SHOWN[f"{FILLER}/_meta"]) == (code, json.loads(out))


async def test_get_of_nothing(broker) -> None:
    """A topic that shows nothing is exit code 3 and one sentence."""
    code, out, err = await uns("get", f"{FILLER}/none", "-W", "0.5", "-b", broker[0].url)
    assert (3, "") == (code, out)
    assert f"`{FILLER}/none` shows nothing" in err


@pytest.mark.parametrize("words", [("get", "acme/#"), ("watch", "acme/#/x"), ("watch",)])
async def test_a_topic_that_is_none_is_a_usage_error(words) -> None:
    """Exit code 2, and no traceback."""
    code, _, err = await uns(*words)
    assert 2 == code
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [("get", "acme/x"), ("watch", "acme/#")])
async def test_no_broker_is_one_clear_sentence(words) -> None:
    """What is wrong, where, and what to do about it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code, out, err = await uns(*words, "-b", f"mqtt://127.0.0.1:{port}")
    assert (1, "") == (code, out)
    assert f"nothing answers at 127.0.0.1:{port}" in err
    assert "Traceback" not in err


async def test_get_from_a_broker_that_is_silent() -> None:
    """Something listens and never answers: exit code 27."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"mqtt://127.0.0.1:{mute.getsockname()[1]}"
        code, _, err = await uns("get", "acme/x", "-W", "0.5", "-b", url)
    assert 27 == code
    assert "did not answer" in err


async def test_watch_prints_what_is_retained_and_then_what_comes(broker) -> None:
    """One line each, without the namespace's own nodes; -C ends it."""
    embedded, session = broker
    process = await start("watch", "acme/#", "-C", "4", "-b", embedded.url)
    async with asyncio.timeout(20):
        lines = [await process.stdout.readline() for _ in range(3)]
        payload = b'{"value":4,"quality":"Good","timestamp":"%b"}' % AT.encode()
        await session.publish(Message(f"{FILLER}/speed", payload, 1, retain=True))
        lines.append(await process.stdout.readline())
        assert 0 == await process.wait()
    assert {
        f"{FILLER}/bowl_pressure  3.5 bar  {AT}",
        f"{FILLER}/state  Execute  {AT}",
        f"{FILLER}/speed  9  Uncertain (Stale)  {AT}",
    } == {line.decode().strip() for line in lines[:3]}
    assert f"{FILLER}/speed  4  {AT}" == lines[3].decode().strip()


async def test_watch_all_as_json(broker) -> None:
    """--all shows definitions too; --json is one object per line."""
    code, out, _ = await uns("watch", "acme/#", "--all", "--json", "-C", "4", "-b", broker[0].url)
    assert 0 == code
    seen = {(record := json.loads(line))["topic"]: record for line in out.splitlines()}
    assert {topic: {"topic": topic, **shown} for topic, shown in SHOWN.items()} == seen


async def test_watch_leaves_after_a_time(broker) -> None:
    """Exit code 27, as mosquitto_sub has it."""
    code, _, err = await uns("watch", "nobody/#", "-W", "0.5", "-b", broker[0].url)
    assert (27, "") == (code, err)


async def test_ctrl_c_is_quiet(broker) -> None:
    """An interrupted watch says nothing."""
    process = await start("watch", "acme/#", "-b", broker[0].url)
    async with asyncio.timeout(20):
        await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert (130, "") == (process.returncode, err.decode().strip())


async def test_a_closed_pipe_is_quiet(broker) -> None:
    """`uns watch … | head -1` ends without a word."""
    command = f"{sys.executable} -m uns watch 'acme/#' -C 9 -W 5 -b {broker[0].url} | head -1"
    process = await asyncio.create_subprocess_shell(
        command, cwd=ROOT, env=_environment(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await asyncio.sleep(1.0)
    payload = b'{"value":4,"quality":"Good","timestamp":""}'
    for _ in range(20):
        await broker[1].publish(Message(f"{FILLER}/speed", payload))
        await asyncio.sleep(0.05)
    async with asyncio.timeout(20):
        out, err = await process.communicate()
    assert (1, "") == (len(out.splitlines()), err.decode().strip())
