"""One user per state folder: two processes that share one would spoil each other's books.

The kernel holds the lock (flock) and releases it when the process ends, however it ends; the
file that stays behind means nothing.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from uns.errors import StorageError
from uns.store.folder import make_state_folder

__all__ = ["only_user"]

log = logging.getLogger("uns.store")


@contextmanager
def only_user(folder: Path, part: str) -> Iterator[None]:
    """Be the only process that runs `part` on the state in `folder`; raises StorageError."""
    path = folder / f"{part}.lock"
    try:
        make_state_folder(folder)
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror}",
            hint="free space there, let the user that runs this write there, "
            "or choose another folder with --state",
        ) from error
    try:
        _take(number, folder, part)
        yield
    finally:
        os.close(number)


def _take(number: int, folder: Path, part: str) -> None:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(number, 20, 0).decode(errors="replace").strip()
        process = f"process {holder}" if holder.isdigit() else "another process"
        raise StorageError(
            f"the state folder {folder} is in use: {process} runs the {part} on it",
            hint="stop that one first, or give this one a folder of its own with --state",
        ) from None
    except OSError as error:  # some network file systems have no locks
        log.warning(
            "%s cannot be locked (%s); make sure that nobody else uses it", folder, error.strerror
        )
        return
    with suppress(OSError):  # a full disk: then nobody learns our number, and the lock holds
        os.ftruncate(number, 0)
        os.pwrite(number, str(os.getpid()).encode(), 0)
