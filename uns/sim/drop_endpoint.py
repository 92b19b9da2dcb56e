"""A simulated laboratory: it drops CSV files into the folder that a project reads."""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bridges.file.address import FileAddress, Format
from bridges.file.config import FileConfig
from uns.equipment import Connection, Tag
from uns.errors import DeviceError
from uns.metric import DataType, Value
from uns.sim.endpoint import Endpoint, Showing, source_of
from uns.sim.raw import Raw, raw_for

__all__ = ["DropEndpoint"]

log = logging.getLogger("uns.sim")

_MARK = ".simulated"  # in a folder of ours, so that nothing is dropped where real files are
_EVERY_MS = 5_000  # a laboratory is slower than a machine
_ROWS = 500  # in a file, then the next one is begun
_KEPT = 20  # files, where nobody puts them away
_GOOD = "Good"


class DropEndpoint(Endpoint):
    """A folder with files that grow by a row for each machine every few seconds.

    Only CSV is simulated.
    """

    def __init__(self, connection: Connection, tags: Sequence[Tag]) -> None:
        config: FileConfig = connection.config
        is_csv = config.format is Format.CSV
        if not is_csv:
            log.warning("%s: files of %s are not simulated", connection.key, config.format)
        super().__init__(connection, tags if is_csv else ())
        self._config = config
        self._cells: dict[str, tuple[str, str, Raw]] = {}  # by topic: key, column
        self._rows: dict[str, dict[str, Value]] = {}  # what each key shows
        self._names = list(config.columns) or _columns(config, self.tags)
        self._gone: frozenset[str] = frozenset()  # columns that are missing
        self._path: Path | None = None
        self._count = self._number = 0
        self._due_ms = 0
        for tag in self.tags:
            address: FileAddress = source_of(tag).address
            held = DataType.DOUBLE if tag.scale else tag.datatype
            cell = (address.key or "", str(address.place), raw_for(tag, held))
            self._cells[tag.topic.text] = cell

    @property
    def has_clock(self) -> bool:
        """Whether rows have a time in them."""
        return bool(self._config.timestamp)

    async def start(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Make the folder; raises DeviceError where it has files that are not ours."""
        if not self.tags:
            return
        self._path = self.home / self._config.folder
        _claim(self._path)
        self._number = max(now_ms // 1000, self._number + 1)
        self._count = 0
        self._gone = self._missing_columns()
        await self.show(showing, now_ms)

    async def show(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Note values, and write them down when it is time."""
        for item in showing:
            key, column, raw = self._cells[item.tag.topic.text]
            is_there = item.status == _GOOD and item.tag.topic.text not in self.missing
            value = raw(item.value) if is_there else None
            self._rows.setdefault(key, {})[column] = value
        if self._path is None or now_ms < self._due_ms:
            return
        self._due_ms = now_ms + _EVERY_MS
        if self._count >= _ROWS:
            self._count, self._number = 0, self._number + 1
        self._append(self._path / self._file_name(), now_ms)

    async def stop(self) -> None:
        """Leave the folder; what was dropped stays."""
        self._path = None

    def _missing_columns(self) -> frozenset[str]:
        """Columns of which every tag is missing; a file that is there keeps those that it has."""
        if self._config.columns or "*" not in self._config.files:
            return frozenset()
        there = {
            column for topic, (_, column, _) in self._cells.items() if topic not in self.missing
        }
        return frozenset(self._cells[topic][1] for topic in self.missing) - there

    def _append(self, path: Path, now_ms: int) -> None:
        config = self._config
        names = [name for name in self._names if name not in self._gone]
        delimiter = ";" if config.delimiter == "auto" else config.delimiter
        is_new = not path.exists()
        encoding = "utf-8" if config.encoding == "auto" else config.encoding
        with path.open("a", encoding=encoding, newline="") as file:
            writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
            if is_new and not config.columns:
                writer.writerow(names)
            for key, cells in self._rows.items():
                known = {
                    config.key_column: key,
                    config.timestamp: self._written(now_ms + self.skew_ms),
                }
                row = {name: self._text(value) for name, value in cells.items()} | known
                writer.writerow([row.get(name, "") for name in names])
                self._count += 1
        if is_new:
            self._clear(path)

    def _clear(self, path: Path) -> None:
        """Remove the oldest of our files, where the project keeps them."""
        pattern = self._config.files.replace("[", "[[]")
        ours = sorted(path.parent.glob(re.sub(r"[*?]", "*", pattern)))
        for old in ours[:-_KEPT]:
            old.unlink(missing_ok=True)

    def _file_name(self) -> str:
        """A name that the pattern matches: `results-1767868200.csv`."""
        name = re.sub(r"\[(.)[^\]]*\]", r"\1", self._config.files).replace("?", "0")
        head, star, tail = name.partition("*")
        return head + str(self._number) + tail.replace("*", "") if star else name

    def _text(self, value: Value) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            return f"{value:.6g}".replace(".", self._config.decimal)
        return str(value)

    def _written(self, now_ms: int) -> str:
        config = self._config
        moment = datetime.fromtimestamp(now_ms / 1000, UTC)
        if config.timestamp_format:
            return moment.astimezone(ZoneInfo(config.timezone)).strftime(config.timestamp_format)
        return moment.isoformat(timespec="milliseconds")


def _columns(config: FileConfig, tags: Sequence[Tag]) -> list[str]:
    addresses: list[Any] = [source_of(tag).address for tag in tags]
    told = (config.key_column, config.timestamp, *(str(address.place) for address in addresses))
    return list(dict.fromkeys(filter(None, told)))


def _claim(folder: Path) -> None:
    """Make the folder ours, if nothing else is in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / _MARK).exists() and any(folder.iterdir()):
            raise DeviceError(
                f"{folder} has files that no simulated plant made, and is left alone",
                hint="simulate a project whose `folder:` is another one",
            )
        (folder / _MARK).touch()
    except OSError as error:
        raise DeviceError(f"{folder} cannot be a simulated drop: {error.strerror}") from error
