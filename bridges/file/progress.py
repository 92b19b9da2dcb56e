"""How far one file was read, and how it is known again: by what stands before that place."""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass
from os import stat_result
from typing import Any, BinaryIO

__all__ = ["Progress", "tail_of"]

_TAIL = 256  # bytes; two files with a time in every row do not share so many


@dataclass(slots=True)
class Progress:
    """What is known of a file.

    `at` is how many bytes were read and `line` how many lines; `tail` is a fingerprint of the
    bytes before `at`. `size` and `changed_ns` are from the last look. A file that was rotated
    away while it was read `is_followed` to its end under its new name.
    """

    inode: int = 0
    at: int = 0
    line: int = 0
    tail: str = ""
    size: int = -1
    changed_ns: int = 0
    is_skipping: bool = False  # in the middle of a line that is too long
    is_followed: bool = False

    def is_as(self, stat: stat_result) -> bool:
        """Whether nothing happened to the file since the last look."""
        return (self.inode, self.size, self.changed_ns) == (
            stat.st_ino,
            stat.st_size,
            stat.st_mtime_ns,
        )

    def looked(self, stat: stat_result) -> bool:
        """Note how the file is now; whether that is new."""
        if self.is_as(stat):
            return False
        self.inode, self.size, self.changed_ns = stat.st_ino, stat.st_size, stat.st_mtime_ns
        return True

    def to_json(self) -> list[Any]:
        """What a later process needs."""
        return list(astuple(self))

    @classmethod
    def from_json(cls, held: Any) -> Progress | None:
        """What `to_json` gave; None where `held` is anything else."""
        if not isinstance(held, list) or len(held) != len(_TYPES):
            return None
        if any(type(one) is not kind for one, kind in zip(held, _TYPES, strict=True)):
            return None
        return cls(*held)


def tail_of(file: BinaryIO, at: int) -> str:
    """The fingerprint of what stands before `at`."""
    begin = max(0, at - _TAIL)
    file.seek(begin)
    return hashlib.blake2b(file.read(at - begin), digest_size=8).hexdigest()


_TYPES = (int, int, int, str, int, int, bool, bool)
