"""The brokers we start ourselves: one inside this process, and Mosquitto beside it."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import logging
import os
import shutil
import socket
import tempfile
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from uns.errors import BrokerError

__all__ = ["EmbeddedBroker", "MosquittoBroker", "mosquitto_conf"]

_log = logging.getLogger("uns.broker")

_LOOPBACK = "127.0.0.1"
_CLOSE_S = 1.5
_START_S = 5.0
_LAST_LINES = 20
# Debian puts it where only root's PATH looks; Homebrew and /usr/local have their own places
_MOSQUITTO_PLACES = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin:/usr/local/opt/mosquitto/sbin"


class EmbeddedBroker:
    """amqtt on loopback, for a look around; `async with EmbeddedBroker() as broker`.

    MQTT 3.1.1, no passwords, everything in memory. What it cannot do: docs/reference/brokers.md.
    """

    def __init__(self, port: int = 0, host: str = _LOOPBACK) -> None:
        self.port = port
        self.host = host
        self._broker: Any = None
        self._connections: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        """What to give to clients."""
        return f"mqtt://{self.host}:{self.port}"

    async def __aenter__(self) -> Self:
        # amqtt takes a fifth of a second to import, and only this class needs it
        from amqtt.errors import BrokerError as AmqttError  # noqa: PLC0415

        from uns.service.amqtt_broker import CorrectedBroker  # noqa: PLC0415

        # it logs every connection, and each disconnect as an error with a traceback
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        await _check_free(self.host, self.port)
        self._broker = CorrectedBroker(self.port, self.host)
        self._connections = self._broker.connections
        try:
            await self._broker.start()
        except AmqttError as error:
            raise BrokerError(f"the embedded broker does not start: {error}") from None
        self.port = self._broker.port
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        clients = list(self._connections)
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._broker.shutdown()
        except TimeoutError:
            _log.warning("the embedded broker did not end within %s s; cut off", _CLOSE_S)
        finally:
            for task in clients:
                task.cancel()
            await asyncio.gather(*clients, return_exceptions=True)


class MosquittoBroker:
    """The installed Mosquitto with our configuration; `async with MosquittoBroker() as broker`.

    `folder` keeps what it must remember; without one it forgets when it is stopped.
    `settings` are further lines for its configuration.
    """

    def __init__(
        self, port: int = 0, folder: Path | None = None, *, settings: Sequence[str] = ()
    ) -> None:
        self.port = port
        self.host = _LOOPBACK
        self._settings = settings
        self.folder = folder or Path()
        self._forgets = folder is None
        self._process: asyncio.subprocess.Process | None = None
        self._listener: asyncio.Task[None] | None = None
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)

    @property
    def url(self) -> str:
        """What to give to clients."""
        return f"mqtt://{self.host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        return self._process.pid if self._process else None

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            self._forget()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self.stop()
        self._forget()

    async def start(self) -> None:
        """Start it and wait until it accepts connections; raises BrokerError."""
        program = _find_mosquitto()
        await _check_free(self.host, self.port)
        self.port = self.port or _free_port()
        if self._forgets and self.folder == Path():
            self.folder = Path(tempfile.mkdtemp(prefix="mosquitto-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "mosquitto.conf"
        text = mosquitto_conf(self.port, self.folder, user=_user_for_root())
        path.write_text("\n".join((text, *self._settings, "")), encoding="utf-8")
        try:
            self._process = await asyncio.create_subprocess_exec(
                program,
                "-c",
                str(path),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise BrokerError(
                f"cannot run {program}: {error.strerror}",
                hint="check its permissions, or reinstall the package `mosquitto`",
            ) from None
        self._listener = asyncio.create_task(self._listen(), name=f"mosquitto-log:{self.port}")
        await self._until_it_accepts()

    async def stop(self) -> None:
        """Ask it to end, so that it saves; kill it when it does not within two seconds."""
        await self._end(by_signal="terminate")

    async def kill(self) -> None:
        """End it as a power cut would: nothing is saved."""
        await self._end(by_signal="kill")

    async def restart(self) -> None:
        """Start it again on the same port, after `stop` or `kill` or instead of them."""
        await self.stop()
        await self.start()

    async def _until_it_accepts(self) -> None:
        assert self._process is not None  # noqa: S101 (`start` made it)
        try:
            async with asyncio.timeout(_START_S):
                while self._process.returncode is None:
                    if await _answers(self.host, self.port):
                        return
                    await asyncio.sleep(0.02)
        except TimeoutError:
            await self.kill()
            raise BrokerError(
                f"mosquitto does not accept connections on port {self.port} within {_START_S:g} s",
                hint=f"try it by hand: mosquitto -v -c {self.folder / 'mosquitto.conf'}",
            ) from None
        await self._end(by_signal="kill")
        said = "; ".join(self._last_lines) or "it said nothing"
        raise BrokerError(
            f"mosquitto ended at once: {said}",
            hint=f"try it by hand: mosquitto -v -c {self.folder / 'mosquitto.conf'}",
        )

    async def _end(self, *, by_signal: str) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            if process.returncode is None:
                getattr(process, by_signal)()
            async with asyncio.timeout(2.0):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        finally:
            if self._listener is not None:
                await asyncio.wait([self._listener], timeout=1.0)
                self._listener.cancel()

    async def _listen(self) -> None:
        """Pass on what it complains about."""
        assert self._process is not None  # noqa: S101 (`start` made it)
        assert self._process.stderr is not None  # noqa: S101 (a pipe was asked for)
        async for line in self._process.stderr:
            text = line.decode(errors="replace").strip().partition(": ")[2] or line.decode().strip()
            self._last_lines.append(text)
            _log.warning("mosquitto on port %s: %s", self.port, text)

    def _forget(self) -> None:
        """Remove the folder, where nobody gave one; never before it was made."""
        if self._forgets and self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)


def mosquitto_conf(port: int, folder: Path, *, host: str = _LOOPBACK, user: str = "") -> str:
    """A `mosquitto.conf` for a site: what its defaults drop silently, ours keep.

    Reasons and figures: docs/reference/brokers.md. `user` is whom it becomes when root starts it.
    """
    lines = [
        "# Written by `uns broker config`. The reasons: docs/reference/brokers.md",
        f"listener {port} {host}",
        "allow_anonymous true",
        "",
        "# the defaults (1000 queued, 20 under way) drop QoS 1 messages of a burst silently",
        "max_queued_messages 1000000",
        "max_queued_bytes 536870912",
        "max_inflight_messages 1000",
        "max_packet_size 16777216",
        "",
        "# a value waits for no other one to share a packet with",
        "set_tcp_nodelay true",
        "",
        "# retained values and waiting messages survive a restart; after a power cut the last",
        "# half minute of them is gone, and the namespace service publishes it again",
        "persistence true",
        f"persistence_location {folder}/",
        "autosave_interval 30",
        "persistent_client_expiration 7d",
        "",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "connection_messages false",
    ]
    if user:
        lines += ["", f"user {user}"]
    return "\n".join((*lines, ""))


def _find_mosquitto() -> str:
    path = os.pathsep.join((os.environ.get("PATH", ""), _MOSQUITTO_PLACES))
    program = shutil.which("mosquitto", path=path)
    if program is not None:
        return program
    found = shutil.which("mosquitto", mode=os.F_OK, path=path)
    if found is not None:
        raise BrokerError(f"{found} is not executable", hint=f"chmod +x {found}")
    raise BrokerError(
        "Mosquitto is not installed",
        hint="apt install mosquitto (Debian, Ubuntu), dnf install mosquitto (Fedora, RHEL), "
        "brew install mosquitto (macOS); or use the embedded broker, which is for a look around",
    )


def _user_for_root() -> str:
    """Mosquitto started by root becomes `mosquitto`, who may not write into our folder."""
    return getpass.getuser() if os.geteuid() == 0 else ""


async def _check_free(host: str, port: int) -> None:
    if not port or not await _answers(host, port):
        return
    raise BrokerError(
        f"port {port} is taken: something answers at {host}:{port} already",
        hint=f"use that broker (mqtt://{host}:{port}), or take another port: "
        "`--port 0` picks a free one",
    )


async def _answers(host: str, port: int) -> bool:
    with contextlib.suppress(OSError):
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 1.0)
        writer.close()
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
