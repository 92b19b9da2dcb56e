"""`uns sparkplug check` on a real broker: who is right, who is not, and what to do about it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from uns.errors import BrokerError
from uns.message import Message
from uns.metric import DataType
from uns.mqtt import Broker, connect
from uns.service.broker import MosquittoBroker
from uns.sparkplug import EdgeNode, HostApplication, MetricDefinition, NodeId
from uns.sparkplug.events import Publish
from uns.sparkplug.wire import PayloadMessage

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NODE = NodeId("acme", "line1")
FILLER = {"filler": [MetricDefinition("good", DataType.UINT32)]}


@pytest.fixture
async def broker() -> AsyncIterator[MosquittoBroker]:
    """A Mosquitto of our own."""
    server = MosquittoBroker()
    try:
        await server.start()
    except BrokerError as error:
        pytest.skip(f"needs the Debian package mosquitto: {error}")
    yield server
    await server.stop()


class Check:
    """The command while it runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def end(self) -> tuple[int, str, str]:
        async with asyncio.timeout(30):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()


async def check(*words: str) -> Check:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("UNS_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "uns", "sparkplug", "check", *words, cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "80"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    return Check(process)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def host(broker: MosquittoBroker) -> AsyncIterator[None]:
    """Our host application, for as long as it is needed."""
    application = HostApplication("uns-acme")
    will = application.will(now_ms())
    session = await connect(Broker.parse(broker.url), "host", will=lambda: will)
    await session.subscribe(application.subscriptions())
    await _send(session, application.connected(now_ms()))
    yield
    await _send(session, application.stopping(now_ms()))
    await session.close()


async def _send(session, effects) -> None:
    for effect in effects:
        message = effect.message if isinstance(effect, Publish) else effect
        if isinstance(message, Message):
            await session.publish(message)


async def clean_line(broker: MosquittoBroker, seconds: float) -> None:
    """Our edge node: births, data, an answer to whoever asks, a goodbye."""
    edge = EdgeNode(NODE, FILLER)
    session = await connect(Broker.parse(broker.url), "edge", will=edge.will)
    edge.advance()
    await session.subscribe(edge.subscriptions())
    await _send(session, edge.connected(now_ms()))
    await _send(session, edge.device_up("filler", now_ms()))

    async def answer() -> None:
        async for batch in session.batches():
            for message in batch:
                await _send(session, edge.received(message, now_ms()))

    answering = asyncio.create_task(answer(), name="answer")
    alias, until = edge.alias_of("filler", "good"), time.monotonic() + seconds
    count = 0
    while time.monotonic() < until:
        count += 1
        readings = [(alias, count, 192, now_ms())]
        await _send(session, edge.observed("filler", readings, now_ms()))
        await asyncio.sleep(0.05)
    await _send(session, edge.stopping(now_ms()))
    answering.cancel()
    await session.close(with_will=True)


async def broken_press(broker: MosquittoBroker, seconds: float) -> None:
    """Someone else's edge node, written by hand, wrong in five ways."""
    session = await connect(Broker.parse(broker.url), "press")

    async def put(kind: str, seq: int, place: str, *, qos: int = 0) -> None:
        payload = PayloadMessage(timestamp=now_ms(), seq=seq)
        metric = payload.metrics.add(name="force", timestamp=now_ms(), datatype=DataType.INT32)
        metric.int_value = seq + 1
        if kind == "NBIRTH":  # and no bdSeq, and no Node Control/Rebirth
            payload.metrics.add(name="idle", timestamp=now_ms(), datatype=11, boolean_value=True)
        topic = f"spBv1.0/plant 7/{kind}/{place}"
        await session.publish(Message(topic, payload.SerializeToString(), qos))

    await put("NBIRTH", 1, "press")  # seq does not begin at 0
    await put("DBIRTH", 2, "press/motor")
    until, seq = time.monotonic() + seconds, 2
    while time.monotonic() < until:
        seq = (seq + 2) % 256  # every other number is missing
        await put("DDATA", seq, "press/motor", qos=1)  # and not at QoS 0
        await asyncio.sleep(0.1)
    await session.close()


WRONG = {
    "tck-id-topics-nbirth-seq-num",
    "tck-id-topics-nbirth-bdseq-included",
    "tck-id-payloads-nbirth-bdseq",
    "tck-id-topics-nbirth-rebirth-metric",
    "tck-id-payloads-nbirth-rebirth-req",
    "tck-id-operational-behavior-data-commands-rebirth-name",
    "tck-id-topics-ddata-mqtt",
    "tck-id-payloads-ddata-qos",
    "tck-id-payloads-sequence-num-incrementing",
    "tck-id-topics-ddata-seq-num",
    "tck-id-payloads-ddata-seq-inc",
}


async def test_a_clean_plant_passes(broker: MosquittoBroker) -> None:
    """Exit code 0, no story, and a table."""
    listening = await check("-b", broker.url, "-d", "5")
    await asyncio.sleep(1.5)
    async with host(broker):
        await clean_line(broker, 2)
    code, out, err = await listening.end()
    assert "Nothing that MUST be kept was broken." in out, out + err
    assert 0 == code
    assert "acme/line1 " in out
    assert "uns-acme " in out
    assert out.startswith("statements")  # the table: there is no story to tell
    assert f"listening to {broker.url} for 5 s" in err


async def test_a_broken_edge_node_is_named_with_what_to_do(broker: MosquittoBroker) -> None:
    """Exit code 1; ids, what should have been, what was, where, and the remedy; 80 columns."""
    listening = await check("-b", broker.url, "-d", "6")
    await asyncio.sleep(1.5)
    await asyncio.gather(broken_press(broker, 3), clean_line(broker, 2))
    code, out, _ = await listening.end()
    assert 1 == code
    assert set() == {one for one in WRONG if one not in out}
    story = out[out.index("DDATA: QoS 0, retain false") :]
    for words in ("should be QoS 0", "was    QoS 1", "where  spBv1.0/plant 7/DDATA/press/motor",
                  "do     publish it with QoS 0"):  # fmt: skip
        assert words in story
    assert f"{len(WRONG)} statements broken that MUST be kept." in out
    assert [] == [line for line in out.splitlines() if len(line) > 80]


async def test_json_tells_the_same(broker: MosquittoBroker) -> None:
    """One document on stdout and nothing on stderr: every grade, its evidence, the counts."""
    listening = await check("-b", broker.url, "-d", "6", "--json")
    await asyncio.sleep(1.5)
    await asyncio.gather(broken_press(broker, 3), clean_line(broker, 2))
    code, out, err = await listening.end()
    assert (1, "") == (code, err)
    said = json.loads(out)
    assert (broker.url, len(WRONG), 0) == (said["broker"], said["failures"], said["left_out"])
    press = next(one for one in said["participants"] if one["name"] == "plant 7/press")
    failed = {one["id"]: one for one in press["grades"] if one["outcome"] == "FAIL"}
    assert WRONG == set(failed)
    assert press["counts"]["FAIL"] == len(WRONG)
    evidence = failed["tck-id-payloads-ddata-qos"]["evidence"]
    assert ("QoS 0", "QoS 1") == (evidence["expected"], evidence["actual"])
    line = next(one for one in said["participants"] if one["name"] == "acme/line1")
    assert 0 == line["counts"]["FAIL"]


async def test_asking_shows_births_and_who_does_not_answer(broker: MosquittoBroker) -> None:
    """A line that runs already is born again when it is asked, and passes; the other one fails."""
    line = asyncio.create_task(clean_line(broker, 16))
    press = asyncio.create_task(broken_press(broker, 16))
    await asyncio.sleep(1)
    listening = await check("-b", broker.url, "-d", "14", "--ask", "--json")
    code, out, _ = await listening.end()
    await asyncio.gather(line, press)
    assert 1 == code
    answer = "tck-id-operational-behavior-data-commands-rebirth-action-2"
    found = {
        one["name"]: {grade["id"]: grade["outcome"] for grade in one["grades"]}
        for one in json.loads(out)["participants"]
    }
    assert {"acme/line1", "plant 7/press"} == set(found)  # our own request is nobody's
    assert "PASS" == found["acme/line1"][answer]
    assert "PASS" == found["acme/line1"]["tck-id-topics-nbirth-mqtt"]
    assert "FAIL" not in found["acme/line1"].values()
    assert "FAIL" == found["plant 7/press"][answer]


async def test_silence_is_said(broker: MosquittoBroker) -> None:
    """Nothing heard is no failure, and the sentence says what to look at."""
    code, out, _ = await (await check("-b", broker.url, "-d", "1")).end()
    assert 0 == code
    assert f"No Sparkplug message on {broker.url} in 1 s." in out


async def test_a_broker_that_is_lost_is_said_in_json_too(broker: MosquittoBroker) -> None:
    """Half of the time not listened to is no clean bill: the document counts it, stderr says it."""
    listening = await check("-b", broker.url, "-d", "5", "--json")
    await asyncio.sleep(2.5)
    await broker.kill()
    code, out, err = await listening.end()
    assert (0, 1) == (code, json.loads(out)["losses"])
    assert "lost the broker" in err


async def test_ctrl_c_ends_the_listening_with_its_report(broker: MosquittoBroker) -> None:
    """Who is impatient still gets what was heard."""
    listening = await check("-b", broker.url, "-d", "300")
    await asyncio.sleep(1.5)
    await broken_press(broker, 1)
    listening.process.send_signal(signal.SIGINT)
    code, out, _ = await listening.end()
    assert 1 == code
    assert "tck-id-topics-nbirth-seq-num" in out


async def test_no_broker_is_a_sentence(free_port) -> None:
    """Exit code 1 and what to do, no traceback."""
    code, out, err = await (await check("-b", f"mqtt://127.0.0.1:{free_port()}")).end()
    assert (1, "") == (code, out)
    assert "connection refused" in err
    assert "Traceback" not in err


async def test_a_wrong_address_is_a_usage_error() -> None:
    """Exit code 2."""
    code, _, err = await (await check("-b", "ftp://x")).end()
    assert 2 == code
    assert "mqtt://" in err


@pytest.mark.parametrize(
    ("option", "word"), [("--duration", "nan"), ("--primary-host", "a/b"), ("--duration", "-1")]
)
async def test_a_wrong_option_is_a_usage_error(option: str, word: str) -> None:
    """A script must not pass because nobody listened, or for a host that cannot be."""
    code, out, err = await (await check(option, word)).end()
    assert (2, "") == (code, out)
    assert option in err
