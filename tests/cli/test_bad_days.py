"""What goes wrong at a keyboard: one clear message, the right exit code, never a traceback."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from uns.message import Message
from uns.mqtt import Broker, connect
from uns.service.broker import EmbeddedBroker

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AURORA = ROOT / "config" / "aurora"
NOBODY = "mqtt://127.0.0.1:9"  # the discard port: nothing listens
WRONG = """\
enterprise: acme
types: {pump: {tags: {flow: {unt: L/min}}}}
bindings: {plc: {driver: modbos, connection: {host: 10.1.30.5}, tags: {flow: "hr:0 float32"}}}
instances: [{path: leeds/utilities/water/pump1, is: pump, bind: plc}]
routs: []
"""


def no_traceback(text: str) -> None:
    assert "Traceback" not in text
    assert "mistake of ours" not in text


# ------------------------------------------------------------------ the project


@pytest.mark.parametrize("command", ["check", "run", "sim"])
def test_every_mistake_is_drawn_at_once(uns, tmp_path: Path, command: str) -> None:
    """Whatever reads a project shows all mistakes with their places, and starts nothing."""
    (tmp_path / "plant.yaml").write_text(WRONG)
    ended = uns(command, tmp_path)
    shown = ended.out if command == "check" else ended.err
    assert 1 == ended.code
    assert ["UNS101", "UNS103", "UNS101"] == re.findall(r"error\[(\w+)\]", shown)
    assert "did you mean `unit`?" in shown
    assert "explain one: uns explain UNS101" in shown
    no_traceback(shown)


@pytest.mark.parametrize("command", ["check", "run", "sim"])
def test_a_folder_that_is_not_there_is_a_usage_error(uns, tmp_path: Path, command: str) -> None:
    """A mistyped path is exit code 2 and names the path."""
    ended = uns(command, tmp_path / "nope")
    assert (2, "") == (ended.code, ended.out)
    assert f"'{tmp_path / 'nope'}' does not exist" in ended.err


@pytest.mark.parametrize("command", ["check", "run", "sim"])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "holds no YAML files"), (b"enterprise: \xff\n", "byte 0xFF is not UTF-8")],
    ids=["empty", "not-utf8"],
)
def test_a_folder_without_readable_yaml(
    uns, tmp_path: Path, command: str, content: bytes | None, sentence: str
) -> None:
    """An empty folder and a file in another encoding are told as such."""
    if content is not None:
        (tmp_path / "plant.yaml").write_bytes(content)
    ended = uns(command, tmp_path)
    assert 1 == ended.code
    assert sentence in ended.out + ended.err
    no_traceback(ended.err)


def test_warnings_are_only_counted_when_a_project_runs(start, tmp_path: Path, free_port) -> None:
    """`run` says how many there are and which command shows them."""
    text = project([("pump1", "127.0.0.1", free_port())]).replace(
        "type: UInt32", "type: UInt32}, spare: {unit: bar"
    )
    (tmp_path / "plant.yaml").write_text(text)
    running = start("run", tmp_path, "-b", NOBODY)
    running.says("Ctrl-C to leave")
    assert f"1 warning; uns check {tmp_path} shows it\n" == running.err.partition("acme:")[0]


# ------------------------------------------------------------------ the command line


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["wach"], "there is no command `wach`; did you mean `watch`?"),
        (["fly"], "No such command 'fly'."),
        (["run", "--fast"], "No such option '--fast'."),
        (["run", AURORA, "--only", "history"], "'history' is not one of 'bridges'"),
        (["run", AURORA, "-b", "http://x"], "begins with mqtt:// or mqtts://"),
        (["demo", "--broker", "nonsense"], "neither embedded nor mosquitto nor an address"),
        (["demo", "--port", "99999"], "99999 is not in the range"),
        (["demo", "--port", "0", "--broker", NOBODY], "leave out one of both"),
        (["demo", "--speed", "0"], "0.0 is not in the range"),
        (["explain", "UNS999"], "there is no error code `UNS999`; `uns explain` lists them all"),
        (["get"], "Missing argument 'TOPIC'"),
        (["get", "a/+"], "`uns watch` takes wildcards"),
        (["get", ""], "Invalid value for 'TOPIC': a topic may not be empty"),
        (["get", "a/b", "-b", "mqtt://x:port"], "write it as mqtt://host:1883"),
        (["watch", "a/#/b"], "Invalid value for 'FILTER': `a/#/b`: `#` must stand alone and last"),
    ],
    ids=lambda value: " ".join(map(str, value)).replace("/", ":")[:40] if isinstance(value, list) else "",
)  # fmt: skip
def test_a_wrong_command_line_is_exit_code_2(uns, words: list[object], sentence: str) -> None:
    """It says what is wrong, prints no data and starts nothing."""
    ended = uns(*words)
    assert (2, "") == (ended.code, ended.out)
    assert sentence in ended.err.splitlines()[-1]


def test_help_is_readable_on_80_columns(uns) -> None:
    """No line of `uns --help` is broken in two, and it ends with where to start."""
    lines = uns("--help").out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert "    uns check PROJECT     your own YAML, every mistake at once" == lines[-1]


@pytest.mark.parametrize(
    ("select", "sentence"),
    [
        ("nowhere", "no machine of this project is below nowhere"),
        ("leeds/#", "`leeds/#` is no pattern of machines"),
    ],
)
def test_a_selection_of_nothing(uns, tmp_path: Path, select: str, sentence: str) -> None:
    """It names the lines that there are, or what a pattern looks like."""
    ended = uns("run", AURORA, "--select", select, "--state", tmp_path)
    assert (1, "") == (ended.code, ended.out)
    assert sentence in ended.err
    assert "leeds/packaging" in ended.err


# ------------------------------------------------------------------ brokers and ports


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["get", "a/b", "-b", NOBODY], 1, "nothing answers at 127.0.0.1:9"),
        (["watch", "a/#", "-b", NOBODY], 1, "nothing answers at 127.0.0.1:9"),
        (["demo", "--broker", NOBODY], 1, "nothing answers at 127.0.0.1:9"),
        (["get", "a/b", "-b", "mqtt://nobody.invalid"], 1, "`nobody.invalid` of the broker"),
    ],
)
def test_no_broker_is_one_sentence(uns, words: list[str], code: int, sentence: str) -> None:
    """What, where, and on the next line what to do."""
    ended = uns(*words)
    assert (code, "") == (ended.code, ended.out)
    told = [line for line in ended.err.splitlines() if "in use" not in line]
    assert 2 == len(told)
    assert told[0].startswith("uns: ")
    assert sentence in told[0]


def test_run_says_once_that_there_is_no_broker(start, tmp_path: Path) -> None:
    """However many lines want one; it keeps trying, and says when the broker is there."""
    running = start("run", AURORA, "-b", NOBODY, "--state", tmp_path / "state")
    running.says("trying again")
    running.says("is down")
    assert 1 == running.err.count("nothing answers at 127.0.0.1:9")
    assert 0 == running.leave()
    no_traceback(running.err)


def test_a_broker_that_hangs_is_a_timeout(uns) -> None:
    """It takes the connection and never answers: exit code 27."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen()
        address = f"127.0.0.1:{hole.getsockname()[1]}"
        ended = uns("get", "a/b", "-W", "1", "-b", f"mqtt://{address}")
    assert (27, "") == (ended.code, ended.out)
    assert f"uns: the broker at {address} did not answer within 1 s\n" == ended.err


def test_a_port_that_was_asked_for_and_is_taken(uns) -> None:
    """`uns demo --port` does not take another one behind your back."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = uns("demo", "--port", port)
    assert (1, "") == (ended.code, ended.out)
    assert f"uns: port {port} is taken" in ended.err
    assert "`--port 0` picks a free one" in ended.err
    no_traceback(ended.err)


def test_two_demos_at_once(start) -> None:
    """Where 1883, the plant's ports or the ERP's are in use the demo says so and takes others."""
    with socket.socket() as other:
        try:
            other.bind(("127.0.0.1", 1883))
            other.listen()
        except OSError:
            pass  # somebody has it: that is what we want
        demos = [start("demo", "--duration", "6", "--json") for _ in range(2)]
        assert [0, 0] == [demo.process.wait(120) for demo in demos]
    for demo in demos:
        assert "port 1883 is in use; MQTT takes a free one" in demo.err
        assert '"machines": 36' in demo.out
        no_traceback(demo.err)
    urls = {re.findall(r"MQTT +(mqtt:\S+)", demo.err)[0] for demo in demos}
    assert 2 == len(urls)
    assert any("the plant uses free ports instead" in demo.err for demo in demos)


def test_mosquitto_is_not_installed(tmp_path: Path) -> None:
    """It says how to install it, and that there is a broker without."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("hiding Mosquitto takes root and `unshare`")
    places = [p for p in ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin") if Path(p).exists()]
    hide = " && ".join(f"mount -t tmpfs none {place}" for place in places)
    command = f"{hide} && PATH= exec {sys.executable} -m uns demo --broker mosquitto"
    ended = subprocess.run(
        ["unshare", "-m", "sh", "-c", command],
        cwd=ROOT, capture_output=True, timeout=60, check=False, text=True,
    )  # fmt: skip
    if "mount" in ended.stderr:
        pytest.skip(f"this machine does not let root mount: {ended.stderr}")
    assert (1, "") == (ended.returncode, ended.stdout)
    assert "uns: Mosquitto is not installed\n     apt install mosquitto" in ended.stderr
    no_traceback(ended.stderr)


# ------------------------------------------------------------------ devices


def project(pumps: list[tuple[str, str, int]]) -> str:
    rows = "\n".join(
        f"  - {{path: leeds/utilities/water/{name}, is: pump, bind: plc, "
        f"with: {{host: {host}, port: {port}}}}}"
        for name, host, port in pumps
    )
    return (
        "enterprise: acme\n"
        "types: {pump: {tags: {flow: {unit: L/min}, strokes: {type: UInt32}}}}\n"
        'bindings: {plc: {driver: modbus, connection: {host: "{host}", port: "{port}"}, '
        'tags: {flow: "hr:100 float32", strokes: "hr:102 uint32"}}}\n'
        f"instances:\n{rows}\n"
    )


async def test_devices_that_are_not_there(start, uns, tmp_path: Path, free_port) -> None:
    """Each is told once and shows nothing live; the others go on, and it joins when it appears."""
    hole = socket.socket()
    hole.bind(("127.0.0.1", 0))
    hole.listen()
    good, late = ("good", "127.0.0.1", free_port()), ("late", "127.0.0.1", free_port())
    bad = [("hole", "127.0.0.1", hole.getsockname()[1]), ("misspelt", "plc.invalid", 502)]
    folders = [tmp_path / name for name in ("all", "sim1", "sim2")]
    for folder, pumps in zip(folders, ([good, late, *bad], [good], [late]), strict=True):
        folder.mkdir()
        (folder / "plant.yaml").write_text(project(pumps))
    start("sim", folders[1])
    async with EmbeddedBroker() as broker:
        running = start("run", folders[0], "-b", broker.url)
        await _until(lambda: running.err.count(" is down: ") == 3, running)
        seen = {
            name: await _shown(uns, f"acme/leeds/utilities/water/{name}/flow", broker.url)
            for name in ("good", "late", "hole", "misspelt")
        }
        assert {"good": 0, "late": 4, "hole": 4, "misspelt": 4} == seen
        for _, host, port in (late, *bad):
            assert 1 == running.err.count(f"modbus://{host}:{port} is down: ")
        start("sim", folders[2])
        await _until(lambda: f"modbus://127.0.0.1:{late[2]} is up again" in running.err, running)
        await _until_good(uns, "acme/leeds/utilities/water/late/flow", broker.url)
        running.process.send_signal(signal.SIGINT)
        await _until(lambda: running.process.poll() is not None, None)
    hole.close()
    assert 0 == running.process.returncode
    no_traceback(running.err)


async def _until(is_so, running, within_s: float = 40) -> None:
    async with asyncio.timeout(within_s):
        while not is_so():
            assert running is None or running.process.poll() is None, running.err
            await asyncio.sleep(0.1)


async def _get(uns, topic: str, url: str) -> int:
    return (await asyncio.to_thread(uns, "get", topic, "-b", url)).code


async def _shown(uns, topic: str, url: str) -> int:
    """What `uns get` says once the topic is there."""
    async with asyncio.timeout(30):
        while (code := await _get(uns, topic, url)) == 3:
            await asyncio.sleep(0.2)
    return code


async def _until_good(uns, topic: str, url: str) -> None:
    async with asyncio.timeout(30):
        while await _get(uns, topic, url) != 0:
            await asyncio.sleep(0.2)


# ------------------------------------------------------------------ leaving, pipes, terminals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["run", "sim", "watch", "demo"])
async def test_leaving_is_quiet(
    start, tmp_path: Path, command: str, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM end each command soon, with no traceback and no complaints."""
    async with EmbeddedBroker() as broker:
        session = await connect(Broker.parse(broker.url), "reader")
        words, sign = {
            "run": (["run", AURORA, "-b", broker.url, "--state", tmp_path / "s"], " is down"),
            "sim": (["sim", AURORA], "Ctrl-C to leave"),
            "watch": (["watch", "a/#", "-b", broker.url], ""),
            "demo": (["demo", "--port", "0"], " topics live"),  # well under way
        }[command]
        running = start(*words)
        await _until(lambda: sign in running.err, running)
        while command == "watch" and not running.out:
            await session.publish(Message("a/b", b"1"))
            await asyncio.sleep(0.2)
        said = running.err
        running.process.send_signal(number)
        await _until(lambda: running.process.poll() is not None, None)
        await session.close()
    allowed = {0} if command != "watch" else {130, -15}
    assert running.process.returncode in allowed
    after = running.err.removeprefix(said)
    no_traceback(after)
    assert "WARNING" not in after


@pytest.mark.parametrize("words", [["explain"], ["check", str(AURORA), "--json"]])
def test_a_reader_that_leaves_is_no_error(words: list[str]) -> None:
    """`uns … | head -1` prints one line and nothing on stderr."""
    line = " ".join((sys.executable, "-m", "uns", *words, "|", "head", "-1"))
    ended = subprocess.run(
        line, shell=True, cwd=ROOT, capture_output=True, timeout=30, check=True, text=True
    )
    assert (1, "") == (len(ended.stdout.splitlines()), ended.stderr)


@pytest.mark.parametrize(("more", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_is_for_terminals_that_want_it(
    tmp_path: Path, more: dict[str, str], is_coloured: bool
) -> None:
    """On a terminal mistakes are in colour; NO_COLOR is respected."""
    (tmp_path / "plant.yaml").write_text(WRONG)
    mine, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-m", "uns", "check", str(tmp_path)],
        cwd=ROOT, env=environment | more, stdout=theirs, stderr=theirs,
    ) as process:  # fmt: skip
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(mine, 4096):
                shown += piece
        except OSError:
            pass  # Linux says EIO when the other side of a terminal is gone
        assert 1 == process.wait(30)
    os.close(mine)
    assert is_coloured is (b"\x1b[" in shown.replace(b"\x1b[1m", b"").replace(b"\x1b[0m", b""))
