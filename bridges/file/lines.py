"""Lines out of bytes that somebody may still be writing."""

from __future__ import annotations

import codecs
from typing import NamedTuple

__all__ = ["LONGEST", "Line", "encoding_of", "lines_of", "text_of"]

LONGEST = 1_048_576  # bytes of one line, and read of one file at a time
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Line(NamedTuple):
    """A line without its end, and how many bytes it took with it."""

    text: str
    size: int


def encoding_of(head: bytes, wanted: str) -> str:
    """The encoding of a file that begins so; `auto` where its bytes have to tell."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    return "utf-16-le" if wanted.lower().replace("_", "-") == "utf-16" else wanted


def lines_of(chunk: bytes, encoding: str, *, is_last: bool) -> list[Line]:
    """The whole lines of a chunk; with `is_last` what follows the last line end is one too."""
    end = "\n".encode(encoding if encoding != "auto" else "utf-8")
    width = len(end)
    found, begin = [], 0
    while True:
        at = chunk.find(end, begin)
        while at >= 0 and (at - begin) % width:  # half of two characters of UTF-16
            at = chunk.find(end, at + 1)
        if at < 0:
            break
        found.append(_line(chunk[begin : at + width], encoding))
        begin = at + width
    rest = chunk[begin:]
    if rest and is_last:
        found.append(_line(rest, encoding))
    return found


def text_of(raw: bytes, encoding: str) -> str:
    """Bytes as text, whatever they are: what is no UTF-8 is read as Windows-1252."""
    if encoding != "auto":
        return raw.decode(encoding, "replace").removeprefix("\ufeff")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _line(raw: bytes, encoding: str) -> Line:
    return Line(text_of(raw, encoding).rstrip("\r\n"), len(raw))
