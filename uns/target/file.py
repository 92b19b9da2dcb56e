"""File: each message is one file, complete or not there at all.

For archives, for systems that collect files from a folder, and to see what would be sent.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
from pathlib import Path
from typing import ClassVar, Final

from pydantic import Field

from uns.target.target import Effect, Ending, Outcome, OutgoingMessage, Target, TargetConfig

__all__ = ["FileConfig", "FileTarget", "file_name"]

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME: Final = 150  # characters; most file systems allow 255 bytes
_PART: Final = ".part"  # an unfinished file; a collector takes `*.json`
_HINTS: Final = {
    errno.ENOSPC: "the disk is full; free space on it",
    errno.EDQUOT: "the quota is used up; free space",
    errno.EFBIG: "a limit for file sizes is reached",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
    errno.EROFS: "it can only be read",
}


class FileConfig(TargetConfig):
    """The words of a target of type `file`."""

    folder: str = Field(
        description="Where the files go; below the state directory unless it begins with `/`."
    )


class FileTarget(Target):
    """Writes messages as `<id>.json`; the same id again is the same file."""

    Config: ClassVar[type[TargetConfig]] = FileConfig
    effect: ClassVar[Effect] = Effect.STATE

    config: FileConfig

    async def open(self) -> None:
        """Nothing to do: the folder is made with the first file."""

    async def deliver(self, message: OutgoingMessage) -> Outcome:
        """Write the file, unless it is there."""
        path = self.folder / self.config.folder / file_name(message.id)
        try:
            await asyncio.to_thread(_write, path, message.body.encode())
        except OSError as error:
            why = _HINTS.get(error.errno or 0, "is it a folder that can be written?")
            return Outcome(Ending.RETRY, f"cannot write {path}: {error.strerror}; {why}")
        return Outcome(Ending.DONE, path.name)

    async def close(self) -> None:
        """Nothing to let go of."""


def file_name(id_: str) -> str:
    """A name that any file system takes, different for different ids.

    >>> file_name("confirm:acme/leeds:PO-1:7")
    'confirm_acme_leeds_PO-1_7-a7e7a671.json'
    """
    safe = _UNSAFE.sub("_", id_).strip("._-")[:_LONGEST_NAME]
    digest = hashlib.sha256(id_.encode()).hexdigest()[:8]
    return f"{safe}-{digest}.json"


def _write(path: Path, body: bytes) -> None:
    """Write to a temporary name, force it to the disk, rename: never half a file."""
    if path.exists():
        return  # written by an attempt that did not live to tell
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + _PART)
    try:
        with part.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name itself has to reach the disk too
    finally:
        os.close(folder)
