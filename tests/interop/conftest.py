"""Programs that others wrote, beside ours: on pipes, on a real broker, and on the wire."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from live_host import LiveHost
from tshark import Capture, tshark_problem

from uns.mqtt import Broker
from uns.service.broker import MosquittoBroker
from uns.service.edge import EdgeNodeService
from uns.service.pace import Pace
from uns.sparkplug import EdgeNode
from uns.store.backlog import Backlog
from uns.store.state import State

FOLDER = Path(__file__).parent
NODE_MODULES = Path(os.environ.get("UNS_NODE_MODULES", "node_modules")).absolute()
ANSWER_S = 20.0  # a cold start of node or python on a busy machine
END_S = 5.0


async def _until(condition: Callable[[], Any], what: str, deadline_s: float = 20.0) -> Any:
    try:
        async with asyncio.timeout(deadline_s):
            while not (found := condition()):
                await asyncio.sleep(0.02)
            return found
    except TimeoutError:
        raise AssertionError(f"did not happen within {deadline_s} s: {what}") from None


@pytest.fixture
def until() -> Callable[..., Awaitable[Any]]:
    """Wait for a condition, with a deadline and a name."""
    return _until


class Peer:
    """A foreign program on a pipe: JSON requests in, JSON answers and events out, a line each."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.events: list[dict[str, Any]] = []

    def tell(self, **request: Any) -> None:
        """Send a request."""
        self._process.stdin.write((json.dumps(request) + "\n").encode())

    async def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and return what comes back."""
        self.tell(**request)
        return await self.next()

    async def next(self) -> dict[str, Any]:
        """The next line that it writes."""
        async with asyncio.timeout(ANSWER_S):
            line = await self._process.stdout.readline()
        if not line:
            said = (await self._process.stderr.read()).decode(errors="replace")
            raise AssertionError(f"the peer ended ({self._process.returncode}): {said[-2000:]}")
        self.events.append(json.loads(line))
        return self.events[-1]

    async def hear(self, event: str) -> dict[str, Any]:
        """Read on until it tells this event."""
        while (said := await self.next()).get("event") != event:
            assert said.get("event") != "error", said
        return said

    async def end(self) -> None:
        """Close its pipe, and end it if that does not."""
        if self._process.returncode is None:
            self._process.kill()
        async with asyncio.timeout(END_S):
            await self._process.wait()


Start = Callable[..., Awaitable[Peer]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts foreign programs; all are ended with the test."""
    peers: list[Peer] = []

    async def begin(*command: str, env: Mapping[str, str] | None = None) -> Peer:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **(env or {})},
            limit=2**24,
        )
        peers.append(Peer(process))
        return peers[-1]

    yield begin
    for peer in peers:
        await peer.end()


@pytest.fixture
def node(start: Start) -> Start:
    """Starts a script of this folder with node and the npm packages that CI installs."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    for package in ("sparkplug-client", "sparkplug-payload"):
        if not (NODE_MODULES / package).is_dir():
            pytest.skip(f"npm package {package} is not installed in UNS_NODE_MODULES")

    async def begin(script: str, *arguments: str) -> Peer:
        env = {"NODE_PATH": str(NODE_MODULES)}
        return await start("node", str(FOLDER / script), *arguments, env=env)

    return begin


@pytest.fixture
def pysparkplug(start: Start) -> Start:
    """Starts an edge node, given port, group and id, in the environment with pysparkplug."""
    return _python(start, "pysparkplug", "UNS_PEERS_VENV")


@pytest.fixture
def mqtt_spb_wrapper(start: Start, mosquitto: MosquittoBroker) -> Start:
    """Starts an edge node, given group and id, in the environment with mqtt-spb-wrapper."""
    begin = _python(start, "mqtt_spb_wrapper", "UNS_SPB_WRAPPER_VENV")
    return lambda *arguments: begin(str(mosquitto.port), *arguments)


def _python(start: Start, module: str, variable: str) -> Start:
    """Starts our edge node around a library of Python, in the environment that a variable names."""
    python = Path(os.environ.get(variable, "no-venv")).absolute() / "bin" / "python"
    if not python.exists():
        package = module.replace("_", "-")
        pytest.skip(f"PyPI package {package} is not installed in a venv that {variable} names")
    script = str(FOLDER / f"{module}_edge.py")
    return lambda *arguments: start(str(python), script, *arguments)


@pytest.fixture
async def capture(mosquitto: MosquittoBroker, tmp_path: Path) -> AsyncIterator[Capture]:
    """Wireshark on the broker's port; it is listening when the test begins."""
    if problem := tshark_problem():
        pytest.skip(problem)
    async with Capture(mosquitto.port, tmp_path) as made:
        yield made


@pytest.fixture
async def live(mosquitto: MosquittoBroker) -> AsyncIterator[LiveHost]:
    """Our host application, online."""
    async with LiveHost(Broker.parse(mosquitto.url)) as host:
        yield host


@pytest.fixture
def late_host(mosquitto: MosquittoBroker) -> Callable[[], LiveHost]:
    """Our host application, to be started by the test."""
    return lambda: LiveHost(Broker.parse(mosquitto.url), "uns-late")


@pytest.fixture
def line(mosquitto: MosquittoBroker, tmp_path: Path) -> Iterator[Callable[..., EdgeNodeService]]:
    """Makes the service around an edge node of ours, as a bridge does; it is not running yet."""
    state, backlog = State(tmp_path / "state.db"), Backlog(tmp_path / "backlog.db")

    def make(edge: EdgeNode, url: str = "") -> EdgeNodeService:
        return EdgeNodeService(
            edge,
            [Broker.parse(url or mosquitto.url)],
            state,
            backlog,
            pace=Pace(),
            window_s=10.0,
            on_command=lambda _: None,
        )

    yield make
    backlog.close()
    state.close()
