"""The file driver: a folder is looked at in every scan, and new rows become readings."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bridges.driver import BindResult, BoundTag, PollDriver
from bridges.file.address import FileAddress, Place, parse_address
from bridges.file.cells import said
from bridges.file.config import FileConfig
from bridges.file.folder import Folder
from bridges.file.progress import Progress
from bridges.file.record import Record
from bridges.rows import Moments, key_text
from uns.errors import DeniedError, DeviceError
from uns.metric import DataType, Quality, Reading

__all__ = ["FileDriver"]

_AHEAD_MS = 3_600_000  # of our clock: a computer or a time zone may be wrong by so much
_GOOD, _BAD = int(Quality.GOOD), int(Quality.BAD)

_T = TypeVar("_T")
_Cell = tuple[int, Place, DataType]  # a tag's handle, where it stands, its type


@dataclass(frozen=True, slots=True)
class _Scan:
    """What the thread found."""

    readings: list[Reading]
    files: dict[str, list[Any]] | None  # None while nothing changed


class FileDriver(PollDriver):
    """A session with one folder.

    Every row is read once, and each scan takes the next rows for every tag. A tag without a new
    row is answered with its newest value again: looked, and still the same.
    """

    name = "file"
    Config = FileConfig
    ADDRESS_SETTINGS = frozenset({"key_column", "format"})
    IS_DURABLE = True
    config: FileConfig

    def __init__(self, config: FileConfig) -> None:
        super().__init__(config)
        self._folder: Folder | None = None
        self._moments = Moments(config.timezone, config.timestamp_format)
        self._key_at, self._time_at = config.key_at(), config.time_at()
        self._tags: dict[int, BoundTag] = {}
        self._cells: dict[str | None, list[_Cell]] = {}  # by the key of the row
        self._held: dict[str, Reading] = {}  # the newest of each address, under any handle
        self._files: dict[str, list[Any]] = {}
        self._safe: Mapping[str, Any] = {}
        self._cursor: dict[str, Any] | None = None
        self._waiting: list[Reading] = []  # read and not delivered yet
        self._has_changed = False

    @classmethod
    def parse(cls, text: str, config: FileConfig) -> FileAddress:
        """A column or path, behind the row's key where the connection has one."""
        return parse_address(text, config.format, has_key=bool(config.key_column))

    # ------------------------------------------------------------ going on where it ended

    @property
    def cursor(self) -> Any:
        """How far every file was read, and the newest value of each address."""
        return self._cursor

    def resume(self, cursor: Any) -> None:
        """Go on behind `cursor`; what of it is none of ours is left out."""
        if not isinstance(cursor, dict):
            return
        files, held = cursor.get("files"), cursor.get("held")
        self._files = files if isinstance(files, dict) else {}
        for address, reading in held.items() if isinstance(held, dict) else ():
            match reading:
                case [bool() | int() | float() | str() as value, int(quality), int(stamp)]:
                    self._held[address] = (0, value, quality, stamp)
        self._cursor = cursor

    def kept(self, cursor: Any) -> None:
        """Files may be put away that were read as far as `cursor` says."""
        self._safe = cursor.get("files", {}) if isinstance(cursor, dict) else {}

    async def abandon(self) -> None:
        """The same as `close`: nobody else knows of a session."""
        await self.close()

    # ------------------------------------------------------------ the session

    async def open(self) -> None:
        """Look whether the folder is there, and go on or begin; raises DeviceError."""
        folder = Folder(self.config, self.home / self.config.folder)
        for name, held in self._files.items():
            progress = Progress.from_json(held)
            if progress is not None:
                folder.known[name] = progress
        await self._aside(lambda: _look(self.home / self.config.folder))
        self._folder = folder
        if self._cursor is None:
            self._cursor = {"files": {}, "held": {}}

    async def bind(self, tags: Sequence[BoundTag]) -> list[BindResult]:
        """Take tags up: whether files have such a column shows when there are files."""
        for tag in tags:
            self._tags[tag.handle] = tag
        self._arrange()
        return [BindResult(tag.handle) for tag in tags]

    async def unbind(self, handles: Sequence[int]) -> None:
        """Forget tags."""
        for handle in handles:
            self._tags.pop(handle, None)
        self._arrange()

    async def read(self, handles: Sequence[int]) -> list[Reading]:
        """What is new for any tag, and what is still the same of those asked for."""
        await self._look_now()
        fresh, self._waiting = self._waiting, []
        if self._has_changed:
            self._cursor = {"files": self._files, "held": self._held_json()}
            self._has_changed = False
        last = {reading[0]: reading for reading in fresh}
        for handle in last.keys() | set(handles):
            newest = self._newest(handle)
            if last.get(handle) != newest:
                fresh.append(newest)  # behind an older row the newest stands again
        return fresh

    async def read_now(self, handles: Sequence[int]) -> list[Reading]:
        """The newest that files say; the next scan tells what else was new in them."""
        await self._look_now()
        return [self._newest(handle) for handle in handles]

    async def close(self) -> None:
        """Leave the folder."""
        self._folder = None

    # ------------------------------------------------------------ in a thread beside the loop

    async def _look_now(self) -> None:
        """Look at the folder; what is new waits for the scan that delivers it."""
        folder, cells, safe = self._opened(), self._cells, self._safe
        found = await self._aside(lambda: self._scan(folder, cells, safe))
        self._waiting += found.readings
        for reading in found.readings:
            self._hold(reading)
        if found.files is not None:
            self._files, self._has_changed = found.files, True

    def _scan(
        self, folder: Folder, cells: Mapping[str | None, list[_Cell]], safe: Mapping[str, Any]
    ) -> _Scan:
        readings: list[Reading] = []
        try:
            folder.tidy(safe)
            for name, record in folder.records():
                try:
                    readings += self._readings(record, cells, folder, name)
                except ValueError as error:
                    folder.reject(name, record, str(error))
        except OSError as error:
            raise _trouble(error, self.home / self.config.folder) from error
        files = folder.to_json() if folder.has_changed else None
        folder.has_changed = False
        return _Scan(readings, files)

    def _readings(
        self,
        record: Record,
        cells: Mapping[str | None, list[_Cell]],
        folder: Folder,
        name: str,
    ) -> list[Reading]:
        """The readings of a row, all or none; raises ValueError where something in it is wrong."""
        key = None if self._key_at is None else key_text(_needed(record, self._key_at)).strip()
        stamp = _now_ms()
        if self._time_at is not None:
            stamp = self._moments.read(_needed(record, self._time_at))
        readings: list[Reading] = []
        for handle, place, datatype in cells.get(key, ()):
            try:
                cell = record.cell(place)
            except LookupError as error:
                if isinstance(place, str):
                    folder.rejects.say(f"{folder.rejects.where(name)}: {error.args[0]}")
                continue
            value = said(cell, datatype, self._moments, self.config.decimal)
            if value is not None:
                readings.append((handle, value, _GOOD, stamp))
        return readings

    async def _aside(self, work: Callable[[], _T]) -> _T:
        """Run `work` in a thread of its own, which is left alone where it takes too long.

        A share that hangs blocks its thread in the kernel for as long as it likes. Such a thread
        is no obstacle to anybody: it is a daemon, and nobody listens to what it says at last.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_T] = loop.create_future()

        def tell(set_: Callable[[Any], None], outcome: Any) -> None:
            if not answer.done():
                set_(outcome)

        def run() -> None:
            outcome: tuple[Callable[[Any], None], Any]
            try:
                outcome = (answer.set_result, work())
            except Exception as error:  # noqa: BLE001 - raised where it is awaited
                outcome = (answer.set_exception, error)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(tell, *outcome)

        threading.Thread(target=run, name=f"file:{self.config.folder}", daemon=True).start()
        return await answer

    # ------------------------------------------------------------ the newest values

    def _hold(self, reading: Reading) -> None:
        tag = self._tags.get(reading[0])
        if tag is None:
            return
        address = str(tag.address)
        held = self._held.get(address)
        if held is None or reading[3] >= held[3] or held[3] > _now_ms() + _AHEAD_MS:
            self._held[address] = reading  # a year that was mistyped must not stand until then

    def _newest(self, handle: int) -> Reading:
        tag = self._tags.get(handle)
        held = self._held.get(str(tag.address)) if tag else None
        return (handle, None, _BAD, 0) if held is None else (handle, *held[1:])

    def _held_json(self) -> dict[str, list[Any]]:
        return {
            address: [value, quality, stamp]
            for address, (_, value, quality, stamp) in self._held.items()
            if not isinstance(value, bytes)
            and not (isinstance(value, float) and not math.isfinite(value))
        }

    def _arrange(self) -> None:
        """Sort the tags by the rows that they are in; the thread keeps what it began with."""
        cells: dict[str | None, list[_Cell]] = {}
        for handle, tag in self._tags.items():
            address: FileAddress = tag.address
            cells.setdefault(address.key, []).append((handle, address.place, tag.datatype))
        self._cells = cells

    def _opened(self) -> Folder:
        if self._folder is None:
            raise DeviceError(f"{self.config.key()} is not open")
        return self._folder


def _needed(record: Record, place: Place) -> Any:
    try:
        return record.cell(place)
    except LookupError as error:
        raise ValueError(str(error.args[0])) from None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _look(folder: Path) -> None:
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise _trouble(error, folder) from error


def _trouble(error: OSError, folder: Path) -> DeviceError:
    """Why a folder cannot be read, in a sentence."""
    if isinstance(error, FileNotFoundError):
        return DeviceError(
            f"there is no folder {folder}", hint="make it, or mount the share it is on"
        )
    if isinstance(error, PermissionError):
        return DeniedError(
            f"the folder {folder} may not be read by this user", hint="give it read access"
        )
    if isinstance(error, NotADirectoryError):
        return DeviceError(f"{folder} is no folder", hint="`files:` names the files in it")
    return DeviceError(f"the folder {folder} cannot be read: {error.strerror or error}")
