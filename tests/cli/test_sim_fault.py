"""`uns sim fault` from another process, against plants that really run."""

from __future__ import annotations

import json
import os
import socket
import struct
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

_PROJECT = """
enterprise: small
types:
  maker:
    tags:
      speed: {unit: "{piece}/h", range: [0, 60000], type: Float}
      good: {type: UInt32, unit: "{piece}", counter: true}
bindings:
  plc:
    driver: modbus
    connection: {host: 127.0.0.1, port: PORT}
    tags: {speed: "{n}/hr:2 float32", good: "{n}/hr:4 uint32"}
instances:
  - {path: "here/hall/line{n}/press", each: {n: 1..2}, is: maker, bind: plc}
"""


def _answers(port: int) -> bool:
    """Whether a register is answered within a second."""
    with socket.create_connection(("127.0.0.1", port), timeout=1) as asking:
        asking.settimeout(1)
        asking.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 2, 2))
        try:
            return len(asking.recv(100)) > 0
        except TimeoutError:
            return False


@pytest.fixture
def plant(tmp_path, start, free_port):
    """A plant of two machines behind one gateway: its port and its state folder."""
    port = free_port()
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "project.yaml").write_text(_PROJECT.replace("PORT", str(port)))
    running = start("sim", folder, TMPDIR=str(tmp_path))
    running.until(lambda: str(port) in running.out, "it never listened")
    return port, folder / ".uns"


def test_a_device_of_another_process_hangs_and_is_healed(plant, uns, tmp_path):
    """The only plant is found by itself; who else is hit is told, listed and healed."""
    port, state = plant
    assert _answers(port)
    hurt = uns("sim", "fault", "here/hall/line1/press", "hang", "1min", TMPDIR=str(tmp_path))
    assert 0 == hurt.code, hurt.err
    assert f"modbus 127.0.0.1:{port}: hang until" in hurt.out
    assert "1 other machine too: small/here/hall/line2" in hurt.err
    assert not _answers(port)
    listed = uns("sim", "fault", "list", "--json", "--state", state)
    [hit] = json.loads(listed.out)["hits"]
    assert ("hang", "here/hall/line1/press") == (hit["fault"]["kind"], hit["place"])
    healed = uns("sim", "fault", "heal", TMPDIR=str(tmp_path))
    assert (0, f"modbus 127.0.0.1:{port}: hang has ended\n") == (healed.code, healed.out)
    assert _answers(port)
    nothing = uns("sim", "fault", "list", TMPDIR=str(tmp_path))
    assert (0, "", "nothing is wrong with any device\n") == (nothing.code, nothing.out, nothing.err)


def test_what_cannot_be_is_a_sentence(plant, uns, tmp_path):
    """Unknown places name the nearest, a protocol without a clock is spared: exit code 1."""
    _, state = plant
    for words, sentence in (
        (("here/hal/line1", "hang"), "the nearest: here/hall/line1"),
        (("here", "skew", "-7m"), "is spared: nobody sees its clock"),
    ):
        ended = uns("sim", "fault", *words, "--state", state)
        assert (1, "") == (ended.code, ended.out)
        assert sentence in ended.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("here", "hang", "30"), "has no unit of time"),
        (("here", "hang", "soon"), "`soon` is not a time"),
        (("here", "hang", "0s"), "no time at all"),
        (("here", "skew"), "skew needs how far its clock is off"),
        (("here", "drop-tags", "50"), "no share of the tags"),
        (("here", "slow", "2s", "30s", "40s"), "one word too many"),
        (("here", "explode"), "`explode` is no fault; there are hang, cut"),
        (("here",), "what should happen to here?"),
        ((), "Missing argument"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(uns, words, sentence):
    """Units, amounts and faults are read before any plant is asked."""
    ended = uns("sim", "fault", *words)
    assert 2 == ended.code
    assert sentence in ended.err


def test_no_plant_and_several_plants(plant, uns, start, tmp_path):
    """Without a plant, with a dead one's socket, and with two: which one, and what to do."""
    _, state = plant
    (tmp_path / "empty").mkdir()
    none = uns("sim", "fault", "list", TMPDIR=str(tmp_path / "empty"))
    assert 1 == none.code
    assert "no simulated plant of yours runs" in none.err
    nowhere = uns("sim", "fault", "list", "--state", tmp_path / "empty")
    assert "no simulated plant runs in" in nowhere.err
    with socket.socket(socket.AF_UNIX) as dead:
        name = os.path.relpath(tmp_path / "empty" / "sim.sock")
        dead.bind(name)
    assert "no simulated plant runs in" in uns("sim", "fault", "list", "--state", "empty").err + (
        uns("sim", "fault", "list", "--state", tmp_path / "empty").err
    )
    other = Path(state).parent.with_name("other")
    other.mkdir()
    text = (state.parent / "project.yaml").read_text().replace("127.0.0.1", "10.1.2.3")
    (other / "project.yaml").write_text(text)
    second = start("sim", other, TMPDIR=str(tmp_path))
    second.until(lambda: "10.1.2.3" in second.out, "it never listened")
    both = uns("sim", "fault", "list", TMPDIR=str(tmp_path))
    assert 1 == both.code
    assert "2 simulated plants run here" in both.err
    assert f"--state {state}" in both.err
    third = uns("sim", other, "--state", state, "--duration", "1")
    assert 1 == third.code
    assert "is in use: process" in third.err


def test_a_killed_plant_is_followed_by_another(plant, uns, start, tmp_path):
    """What kill -9 leaves is replaced by the next plant in that folder, which answers."""
    _, state = plant
    assert 0 == uns("sim", "fault", "list", "--state", state).code
    pid = int((state / "plant.lock").read_text())
    os.kill(pid, 9)
    killed = uns("sim", "fault", "list", "--state", state)
    assert 1 == killed.code
    assert "no simulated plant runs in" in killed.err
    again = start("sim", state.parent, TMPDIR=str(tmp_path))
    again.until(lambda: again.out, "it never listened")
    hurt = uns("sim", "fault", "here", "cut", "1min", TMPDIR=str(tmp_path))
    assert 0 == hurt.code, hurt.err


def test_the_demo_can_be_hurt_too(uns, start, tmp_path):
    """A device of `uns demo` restarts when asked for by a place without the enterprise."""
    folder = tmp_path / "state"
    demo = start("demo", "--port", "0", "--state", folder, TMPDIR=str(tmp_path))
    demo.says("leave   Ctrl-C")
    hurt = uns("sim", "fault", "leeds", "restart", "1s", "--json", TMPDIR=str(tmp_path))
    assert 0 == hurt.code, hurt.err
    assert {"restart"} == {hit["fault"]["kind"] for hit in json.loads(hurt.out)["hits"]}
    demo.kill()
