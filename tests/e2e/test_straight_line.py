"""The whole line once, thin but real: plant → Sparkplug → tree → ERP, judged from outside."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema_rs
import paho.mqtt.client as paho
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from independent import PROTO, IndependentHost, as_float32, golden, payload_class

pytestmark = pytest.mark.slow

ENVELOPE = Path(__file__).parents[2] / "schemas" / "value" / "1.json"
DURATION_S = 20
SPEED = 8
HAS_MOSQUITTO = bool(shutil.which("mosquitto") or Path("/usr/sbin/mosquitto").exists())
BROKERS = [
    "embedded",
    pytest.param(
        "mosquitto",
        marks=pytest.mark.skipif(not HAS_MOSQUITTO, reason="wants the Debian package mosquitto"),
    ),
]
needs_shared = pytest.mark.skipif(
    not PROTO.exists(), reason="the published schema and vectors (../shared) are not here"
)


@dataclass
class Watched:
    """What an outside client saw of one demo run, and what the run said and wrote."""

    summary: dict[str, Any]
    truth: dict[str, Any]
    exit_code: int
    talk: str
    tree: dict[str, list[bytes]] = field(default_factory=dict)
    sparkplug: list[tuple[str, bytes]] = field(default_factory=list)
    responses: list[dict[str, Any]] = field(default_factory=list)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module", params=BROKERS)
def watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """One run of the demo, from before its first message to after its last."""
    folder, port = tmp_path_factory.mktemp(request.param), _free_port()
    command = [sys.executable, "-m", "uns", "demo", "--json", "--duration", str(DURATION_S)]
    command += ["--port", str(port), "--broker", request.param]
    command += ["--speed", str(SPEED), "--state", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as demo:
        try:
            run = Watched({}, {}, 0, "")
            client = _watch(run, port, demo)
            out, talk = demo.communicate(timeout=DURATION_S + 60)
        finally:
            demo.kill()
    client.loop_stop()
    run.exit_code, run.talk = demo.returncode, talk.decode()
    run.summary = json.loads(out or b"{}")
    run.truth = json.loads((folder / "truth.json").read_text())
    return run


def _watch(run: Watched, port: int, demo: subprocess.Popen[bytes]) -> paho.Client:
    """Subscribe to everything as soon as the broker answers."""
    lock = threading.Lock()

    def seen(_: paho.Client, __: Any, message: paho.MQTTMessage) -> None:
        with lock:
            if message.topic.startswith("spBv1.0/"):
                run.sparkplug.append((message.topic, message.payload))
            elif message.topic.endswith("/_job/response"):
                run.responses.append(json.loads(message.payload))
            else:
                run.tree.setdefault(message.topic, []).append(message.payload)

    client = paho.Client(
        paho.CallbackAPIVersion.VERSION2, client_id="outside", protocol=paho.MQTTv311
    )
    client.on_message = seen
    client.on_connect = lambda c, *_: c.subscribe([("spBv1.0/#", 0), ("aurora/#", 1)])
    deadline = time.monotonic() + 20
    while True:
        try:
            client.connect("127.0.0.1", port)
            break
        except OSError:
            assert demo.poll() is None, demo.stderr.read() if demo.stderr else ""
            assert time.monotonic() < deadline, "the demo's broker never answered"
            time.sleep(0.05)
    client.loop_start()
    return client


def _values(run: Watched) -> Iterator[tuple[str, list[bytes]]]:
    return ((topic, seen) for topic, seen in run.tree.items() if "/_" not in topic)


def test_many_topics_are_live_from_two_sites_and_eight_protocols(watched: Watched) -> None:
    """Within 20 s of the start more than 500 value topics live, from eight protocols, two sites."""
    assert ("", 2, ["file", "http", "logix", "modbus", "mqtt", "opcua", "s7", "sql"]) == (
        watched.talk if watched.exit_code else "",
        watched.summary["sites"],
        watched.summary["protocols"],
    )
    assert watched.summary["seconds_to_many"] < 20
    assert len(dict(_values(watched))) > 500


def test_the_erp_knows_exactly_what_the_plant_made(watched: Watched) -> None:
    """Totals per order at the ERP stand-in equal the plant's own, and so does the sum of steps."""
    assert [] == watched.summary["differences"]
    assert 0 == watched.exit_code
    assert watched.summary["confirmations"] > 5
    assert watched.summary["good"] > 1000


def test_confirmations_on_the_tree_equal_the_truth(watched: Watched) -> None:
    """The `_job/response` events, added up by an outside client, are the plant's truth too."""
    told: dict[tuple[str, str], tuple[int, int]] = {}
    for event in watched.responses:
        data = event["data"]
        used = {m["MaterialUse"]: m["Quantity"] for m in data["MaterialActuals"]}
        told[event["source"], data["JobOrderID"]] = (used["Produced"], used["Scrap"])
    made = {
        (topic, order["id"]): (order["good"], order["bad"])
        for line in watched.truth["lines"].values()
        for topic, machine in line["machines"].items()
        if topic.endswith("/filler")
        for order in machine["orders"].values()
        if order["good"] or order["bad"]
    }
    assert made == told


def test_every_value_is_valid_against_its_schema(watched: Watched) -> None:
    """Each payload ever published obeys the envelope, and each Good value its tag's own schema."""
    envelope = jsonschema_rs.validator_for(json.loads(ENVELOPE.read_text()))
    checked = 0
    for topic, seen in _values(watched):
        meta = json.loads(watched.tree[f"{topic}/_meta"][-1])
        value = jsonschema_rs.validator_for(meta["schema"])
        for payload in filter(None, seen):
            document = json.loads(payload)
            assert [] == [e.message for e in envelope.iter_errors(document)], (topic, document)
            assert meta.get("unit") == document.get("unit")
            if document["quality"] == "Good":
                wrong = [e.message for e in value.iter_errors(document["value"])]
                assert [] == wrong, (topic, document)
            checked += 1
    assert checked > 2000


@needs_shared
def test_the_second_opinion_reads_the_published_vectors() -> None:
    """The independent decoder round-trips all 45 published payloads byte for byte."""
    payload = payload_class()
    vectors = {name: vector["hex"] for name, vector in golden().items()}
    again = {
        name: payload.FromString(bytes.fromhex(text)).SerializeToString().hex()
        for name, text in vectors.items()
    }
    assert 45 == len(vectors)
    assert vectors == again


@needs_shared
def test_an_independent_decoder_sees_the_same_values(watched: Watched) -> None:
    """Sparkplug bytes decoded with nothing of ours give what the tree shows, for every tag."""
    host = IndependentHost()
    for topic, payload in watched.sparkplug:
        host.received(topic, payload)
    differing = []
    compared = 0
    for topic, (value, quality) in host.values.items():
        shown = json.loads(watched.tree[topic][-1])
        if quality != 192 or shown.get("detail") not in (None, "Stale", "Range"):
            continue
        compared += 1
        if not _is_same(value, shown["value"]):
            differing.append((topic, value, shown))
    assert [] == differing
    assert compared > 500


def _is_same(wire: Any, shown: Any) -> bool:
    if isinstance(wire, float):
        return as_float32(wire) == as_float32(float(shown))
    if isinstance(wire, int) and isinstance(shown, str):
        return True  # a state: the wire has its number, the tree its name
    return bool(wire == shown)


def test_leaving_leaves_nothing_that_looks_live(watched: Watched) -> None:
    """After the demo has left, every value says that it is stale, and no topic lies."""
    live = [
        topic
        for topic, seen in _values(watched)
        if seen[-1] and json.loads(seen[-1])["quality"] == "Good"
    ]
    assert [] == live


def test_every_edge_node_says_goodbye(watched: Watched) -> None:
    """Each edge node that was born publishes its death when the demo leaves."""
    born, dead = (
        {tuple(t.split("/")[i] for i in (1, 3)) for t, _ in watched.sparkplug if f"/{kind}/" in t}
        for kind in ("NBIRTH", "NDEATH")
    )
    assert 9 == len(born)
    assert born == dead


def test_ctrl_c_once_leaves_cleanly(tmp_path: Path) -> None:
    """SIGINT stops the demo within seconds, with the summary and no traceback."""
    command = [sys.executable, "-m", "uns", "demo", "--port", str(_free_port()), "--json"]
    with subprocess.Popen(
        [*command, "--state", str(tmp_path), "--speed", "8"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"NO_COLOR": "1"},
    ) as demo:
        try:
            assert demo.stderr is not None
            while not demo.stderr.readline().startswith(b"leave"):
                assert demo.poll() is None
            time.sleep(5)
            demo.send_signal(signal.SIGINT)
            out, talk = demo.communicate(timeout=30)
        finally:
            demo.kill()
    assert (0, False) == (demo.returncode, b"Traceback" in talk), talk.decode()
    assert [] == json.loads(out)["differences"]
