"""Addresses of values behind HTTP: a request, and the way to one value in its answer.

/api/state $.axes[0].pos      JSON, a singular path
/status.xml //Speed/@value    XML
/count                        the whole answer is the value
x_load                        preset mtconnect: a dataItemId
1/3/pdin 0:INT                preset iolink, ifm: master/port/pdin, byte 0 as INT
1/3/pdin 2.7                  the same, bit 7 of byte 2
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Final, Literal

from bridges.http.config import Preset
from bridges.paths import JsonPath, XmlPath
from uns.errors import AddressError

__all__ = ["HttpAddress", "Slice", "parse"]

_ITEM: Final = re.compile(r"[^\s/]{1,200}")
_PORT: Final = re.compile(r"(\d{1,3})/(\d{1,3})/pdin")
_SLICE: Final = re.compile(r"(\d{1,3}):([A-Za-z]+)")
_BIT: Final = re.compile(r"(\d{1,3})\.(\d)")
_LONGEST: Final = 32  # bytes of process data, IO-Link interface specification V1.1.3 §7.3.4
_CODES: Final = {
    "SINT": "b",
    "USINT": "B",
    "BYTE": "B",
    "INT": "h",
    "UINT": "H",
    "WORD": "H",
    "DINT": "i",
    "UDINT": "I",
    "DWORD": "I",
    "REAL": "f",
}
_HOW: Final = "write `/api/state $.speed` or `/status.xml //Speed`"
_HOW_PORT: Final = "write `1/3/pdin 0:INT`, `1/3/pdin 2.7` or `1/3/pdin`"


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of a device's process data, the most significant byte first: a number or one bit."""

    start: int
    type_name: str = ""
    bit: int | None = None

    def __str__(self) -> str:
        return f"{self.start}:{self.type_name}" if self.bit is None else f"{self.start}.{self.bit}"

    def get(self, raw: bytes) -> bool | int | float:
        """The value; raises LookupError where the data are too short."""
        if self.bit is not None:
            if self.start >= len(raw):
                raise LookupError(f"the device sends {len(raw)} bytes, and none at {self.start}")
            return bool(raw[self.start] >> self.bit & 1)
        code = ">" + _CODES[self.type_name]
        if self.start + struct.calcsize(code) > len(raw):
            raise LookupError(f"the device sends {len(raw)} bytes, and `{self}` ends behind them")
        found: int | float = struct.unpack_from(code, raw, self.start)[0]
        return found


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """One value: what to GET below the connection's url, and where it is in the answer.

    `item` is an MTConnect dataItemId; then there is no request of its own.
    """

    request: str
    path: JsonPath | XmlPath | None = None
    item: str = ""
    kind: Literal["plain", "json", "xml", "item", "pdin"] = "plain"
    part: Slice | None = None
    text: str = ""

    def __str__(self) -> str:
        return self.text


def parse(text: str, preset: Preset) -> HttpAddress:
    """Return the address in `text`; raises AddressError with the column of the mistake."""
    stripped = text.strip()
    if not stripped:
        raise AddressError("the address is empty", hint=_HOW)
    begin = len(text) - len(text.lstrip())
    if preset is Preset.MTCONNECT:
        return _item(stripped, begin)
    if preset in (Preset.IO_LINK, Preset.IFM):
        return _process_data(stripped, begin, preset)
    return _document(text, begin)


def _document(text: str, begin: int) -> HttpAddress:
    found = re.compile(r"(?:GET\s+)?(\S+)").match(text, begin)
    assert found is not None  # noqa: S101 - the text is not blank
    request = found[1]
    if not request.startswith("/"):
        raise AddressError(
            f"`{request}` is no path below the connection's url: it begins with `/`",
            column=found.start(1) + 1,
            hint=_HOW,
        )
    if not request.isascii():
        raise AddressError(
            "a path is plain ASCII; other characters are percent-encoded",
            column=found.start(1) + 1,
            hint="`/api/größe` is `/api/gr%C3%B6%C3%9Fe`",
        )
    rest = re.compile(r"\s*").match(text, found.end())
    at = rest.end() if rest else found.end()
    if at >= len(text.rstrip()):
        return HttpAddress(request, text=request)
    if text[at] == "$":
        path: JsonPath | XmlPath = JsonPath.parse(text, at)
        return HttpAddress(request, path, kind="json", text=f"{request} {path}")
    path = XmlPath.parse(text, at)
    return HttpAddress(request, path, kind="xml", text=f"{request} {path}")


def _item(text: str, begin: int) -> HttpAddress:
    if not _ITEM.fullmatch(text):
        raise AddressError(
            f"`{text[:40]}` is no dataItemId", column=begin + 1, hint="as /probe names it: `x_load`"
        )
    return HttpAddress("/current", item=text, kind="item", text=text)


def _process_data(text: str, begin: int, preset: Preset) -> HttpAddress:
    head, _, tail = text.partition(" ")
    found = _PORT.fullmatch(head)
    if not found or int(found[1]) < 1 or int(found[2]) < 1:
        raise AddressError(f"`{head}` names no port of a master", column=begin + 1, hint=_HOW_PORT)
    master, port = int(found[1]), int(found[2])
    if preset is Preset.IFM and master != 1:
        raise AddressError(
            "an ifm master is always master 1", column=begin + 1, hint=f"write `1/{port}/pdin`"
        )
    request = (
        f"/iolinkmaster/port[{port}]/iolinkdevice/pdin/getdata"
        if preset is Preset.IFM
        else f"/iolink/v1/devices/master{master}port{port}/processdata/getdata/value"
    )
    part = _slice(tail.strip(), begin + text.index(tail.strip(), len(head)) if tail else begin)
    shown = f"{master}/{port}/pdin" + (f" {part}" if part else "")
    return HttpAddress(request, kind="pdin", part=part, text=shown)


def _slice(text: str, at: int) -> Slice | None:
    if not text:
        return None
    bit = _BIT.fullmatch(text)
    if bit:
        start, number = int(bit[1]), int(bit[2])
        if start >= _LONGEST or number > 7:  # noqa: PLR2004 - a byte has bits 0 to 7
            raise AddressError(
                f"`{text}` is no bit of {_LONGEST} bytes", column=at + 1, hint=_HOW_PORT
            )
        return Slice(start, bit=number)
    number_at = _SLICE.fullmatch(text)
    name = number_at[2].upper() if number_at else ""
    if not number_at or name not in _CODES or int(number_at[1]) >= _LONGEST:
        raise AddressError(
            f"`{text}` is no place in process data",
            column=at + 1,
            hint=f"{_HOW_PORT}; types are {', '.join(_CODES)}",
        )
    return Slice(int(number_at[1]), name)
