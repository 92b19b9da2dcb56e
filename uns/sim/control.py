"""How other processes hurt a simulated plant: a Unix socket in its folder, one question a line.

    {"do": "begin", "place": "leeds/packaging", "kind": "hang", "lasts_s": 30, "amount": 0}
    {"do": "list"}
    {"do": "heal", "place": ""}

An answer is one line too: `hits` and `spared`, or `error` and `hint`. The socket is for the user
who runs the plant. Plants are found without their folder by a link in a folder of that user.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from uns.errors import DeviceError, StorageError
from uns.sim.faults import Fault, Faults, Kind, Outcome

__all__ = ["SOCKET", "Request", "ask", "controlled", "running_plants"]

log = logging.getLogger("uns.sim")

SOCKET: Final = "sim.sock"
_ASK_S = 5.0  # for the one line of a question
_ANSWER_S = 20.0  # for devices to stop and start
_LONGEST = 65_536  # bytes of a question
_LONGEST_ANSWER = 16_777_216
_LONGEST_PATH = 100  # of the 104 to 108 bytes that a socket's name may have
_FOR_US = 0o177


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """One question."""

    do: Literal["begin", "list", "heal"]
    place: str = ""
    kind: Kind = Kind.HANG
    lasts_s: float = 30.0
    amount: float = 0.0


@asynccontextmanager
async def controlled(faults: Faults, folder: Path) -> AsyncIterator[Path]:
    """Answer questions on `folder`/sim.sock; raises StorageError.

    Whoever calls this holds the folder's lock, so a socket that lies there is a dead plant's.
    """
    path = folder / SOCKET
    listening = socket.socket(socket.AF_UNIX)
    try:
        path.unlink(missing_ok=True)
        old = os.umask(_FOR_US)
        try:
            with _reachable(path) as name:
                listening.bind(name)
        finally:
            os.umask(old)
    except OSError as error:
        listening.close()
        raise StorageError(
            f"cannot make the socket {path}: {error.strerror or error}",
            hint="choose another state folder with --state",
        ) from error
    server = await asyncio.start_unix_server(
        lambda reader, writer: _serve(faults, reader, writer), sock=listening, limit=_LONGEST
    )
    link = _announce(path)
    try:
        yield path
    finally:
        server.close()
        for made in filter(None, (link, path)):
            with suppress(OSError):  # somebody cleaned up before us
                made.unlink()


def ask(path: Path, request: Request) -> dict[str, Any]:
    """The answer of the plant behind a socket; raises DeviceError with its words, or why none."""
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(_ANSWER_S)
            with _reachable(path) as name:
                asking.connect(name)
            asking.sendall(msgspec.json.encode(request) + b"\n")
            with asking.makefile("rb") as answers:
                line = answers.readline(_LONGEST_ANSWER)
        answer: dict[str, Any] = json.loads(line)
    except PermissionError as error:
        raise DeviceError(
            f"{path} is not yours to use", hint="ask as the user who runs the plant"
        ) from error
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise DeviceError(
            f"no simulated plant runs in {path.parent}",
            hint="start one: uns demo, or uns sim; --state names its state folder",
        ) from error
    except TimeoutError as error:
        raise DeviceError(
            f"the plant in {path.parent} did not answer in {_ANSWER_S:g} s"
        ) from error
    except (OSError, ValueError) as error:
        raise DeviceError(f"the plant in {path.parent} did not answer: {error}") from error
    if "error" in answer:
        raise DeviceError(answer["error"], hint=answer.get("hint", ""))
    return answer


def running_plants() -> list[Path]:
    """The sockets of this user's plants that run on this machine, wherever their folders are."""
    found: list[Path] = []
    for link in sorted(_links()):
        path = link.readlink()
        if _answers(path):
            found += [path] if path not in found else []  # a dead one left a link to it too
        else:
            with suppress(OSError):  # a plant that was killed; another reader was quicker
                link.unlink()
    return found


async def _serve(
    faults: Faults, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        async with asyncio.timeout(_ASK_S):
            line = await reader.readline()
        if line:
            writer.write(json.dumps(await _answered(faults, line)).encode() + b"\n")
            await writer.drain()
    except (OSError, ValueError, TimeoutError, asyncio.CancelledError):
        pass  # whoever asked went away, or asks for nothing, or the plant ends
    finally:
        writer.close()


async def _answered(faults: Faults, line: bytes) -> Mapping[str, Any]:
    try:
        request = msgspec.json.decode(line, type=Request)
        outcome = await _done(faults, request)
    except msgspec.MsgspecError as error:
        return {"error": f"not a question of ours: {error}"}
    except DeviceError as error:
        return {"error": str(error), "hint": error.hint}
    return {
        "hits": [asdict(hit) | {"missing": sorted(hit.missing)} for hit in outcome.hits],
        "spared": dict(outcome.spared),
    }


async def _done(faults: Faults, request: Request) -> Outcome:
    match request.do:
        case "begin":
            fault = Fault(request.kind, request.lasts_s, request.amount)
            return await faults.begin(request.place, fault)
        case "list":
            return Outcome(faults.listed())
    return Outcome(await faults.heal(request.place))


@contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """A name for a socket that is short enough for the kernel, whatever its folder is called."""
    name = str(path)
    if len(os.fsencode(name)) <= _LONGEST_PATH:
        yield name
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _announce(path: Path) -> Path | None:
    """Leave a link to a socket where `running_plants` looks; None where that cannot be."""
    folder = _meeting_folder()
    link = folder / str(os.getpid())
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not _is_ours(folder):
            return None
        link.unlink(missing_ok=True)
        link.symlink_to(path.absolute())
    except OSError as error:
        log.info("the plant is only found with --state %s: %s", path.parent, error.strerror)
        return None
    return link


def _links() -> list[Path]:
    folder = _meeting_folder()
    if not _is_ours(folder):
        return []
    return [entry for entry in folder.iterdir() if entry.is_symlink()]


def _meeting_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"uns-plants-{os.getuid()}"


def _is_ours(folder: Path) -> bool:
    """Whether nobody else can put links there: temporary folders are everybody's."""
    try:
        told = folder.lstat()
    except OSError:
        return False
    mode = stat.S_IMODE(told.st_mode)
    return stat.S_ISDIR(told.st_mode) and told.st_uid == os.getuid() and not mode & 0o022


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(1)
        try:
            with _reachable(path) as name:
                asking.connect(name)
        except OSError:
            return False
    return True
