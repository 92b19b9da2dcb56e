"""CIP messages: requests for tags, several in one packet, and the answers taken apart.

Sources: ODVA's CIP volume 1 (services, paths, status codes) and Rockwell's 1756-PM020 (tags).
An answer comes from outside: whatever breaks its form raises MalformedError, nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from bridges.logix.address import Step

__all__ = [
    "END_OF_ARRAY",
    "GONE",
    "PARTIAL",
    "SEVERAL_HEAD",
    "TOO_LONG",
    "MalformedError",
    "Reply",
    "attributes",
    "modify",
    "path_of",
    "read",
    "reply_of",
    "several",
    "several_replies",
    "write",
]

_READ, _WRITE, _MODIFY, _SEVERAL, _ATTRIBUTES = 0x4C, 0x4D, 0x4E, 0x0A, 0x03
_ROUTER = b"\x02\x20\x02\x24\x01"  # path of the message router, after its length in words
_IS_REPLY = 0x80
_HEAD = 4  # service, reserved, status, words of extended status
SEVERAL_HEAD = 8  # the head of a packet of several, with their count
PARTIAL = 0x06
_EMBEDDED_ERROR = 0x1E
END_OF_ARRAY = 0x2105
GONE = (0x04, 0x05)  # nothing is where the path leads
TOO_LONG = (PARTIAL, 0x11)  # an answer that needs a packet of its own
_ONE_BYTE, _TWO_BYTES = 0x100, 0x10000
_GENERAL = 0xFF
_REASONS = {
    0x02: "it has no resources left",
    0x03: "it does not take this value",
    0x04: "it has no such tag",
    0x05: "it has no such tag",
    0x06: "the value does not fit one message",
    0x08: "it does not know this service",
    0x0C: "the tag cannot do this in its present state",
    0x0E: "the tag cannot be set",
    0x0F: "the tag's external access does not allow it",
    0x10: "the controller cannot do this in its present mode",
    0x11: "the value does not fit one message",
    0x13: "it got too little data",
    0x15: "it got too much data",
    0x1A: "the request is too large on its way",
    0x1B: "the answer is too large on its way",
    0x26: "the path is not what it expected",
}
_GENERAL_REASONS = {
    0x2101: "the tag is in use elsewhere",
    0x2104: "the offset lies outside the tag",
    END_OF_ARRAY: "the index lies behind the end of the array",
    0x2107: "the tag is of another type",
}


class MalformedError(Exception):
    """The other end does not speak CIP as we know it."""


class Reply(NamedTuple):
    """An answer to one service."""

    status: int
    extended: int
    body: bytes

    @property
    def is_missing(self) -> bool:
        """Whether nothing is there to be read."""
        return self.status in GONE or self.extended == END_OF_ARRAY

    @property
    def reason(self) -> str:
        """What its status means, in words."""
        if self.status == _GENERAL:
            why = _GENERAL_REASONS.get(self.extended, "a reason of its own")
            return f"{why} (CIP status 0xFF/0x{self.extended:04X})"
        return (
            f"{_REASONS.get(self.status, 'a reason of its own')} (CIP status 0x{self.status:02X})"
        )


def path_of(steps: Sequence[Step]) -> bytes:
    """The path of a tag: each name, and each index behind it."""
    path = b""
    for step in steps:
        name = step.name.encode()
        path += bytes((0x91, len(name))) + name + b"\0" * (len(name) % 2)
        path += b"".join(map(_index, step.indices))
    return path


def read(path: bytes, count: int = 1) -> bytes:
    """Read_Tag: `count` elements from `path` on."""
    return _request(_READ, path, struct.pack("<H", count))


def write(path: bytes, kind: bytes, raw: bytes) -> bytes:
    """Write_Tag: one element, in its type's own form."""
    return _request(_WRITE, path, kind + b"\1\0" + raw)


def modify(path: bytes, size: int, bit: int, *, is_on: bool) -> bytes:
    """Read_Modify_Write_Tag: one bit of an integer of `size` bytes; its neighbours stay."""
    mask = 1 << bit
    put = mask if is_on else 0
    keep = (1 << 8 * size) - 1 if is_on else ~mask & (1 << 8 * size) - 1
    masks = put.to_bytes(size, "little") + keep.to_bytes(size, "little")
    return _request(_MODIFY, path, struct.pack("<H", size) + masks)


def attributes(class_id: int, *numbers: int) -> bytes:
    """Get_Attribute_List of a class's first instance."""
    path = bytes((0x20, class_id, 0x24, 1))
    return _request(_ATTRIBUTES, path, struct.pack(f"<{len(numbers) + 1}H", len(numbers), *numbers))


def several(requests: Sequence[bytes]) -> bytes:
    """Multiple_Service_Packet: several requests in one."""
    at = 2 + 2 * len(requests)
    offsets = []
    for request in requests:
        offsets.append(at)
        at += len(request)
    table = struct.pack(f"<{len(requests) + 1}H", len(requests), *offsets)
    return bytes((_SEVERAL,)) + _ROUTER + table + b"".join(requests)


def reply_of(raw: bytes, service: int) -> Reply:
    """The answer to a request for `service`."""
    if len(raw) < _HEAD or raw[0] != service | _IS_REPLY:
        raise MalformedError("an answer to another question")
    begin = _HEAD + 2 * raw[3]
    if len(raw) < begin:
        raise MalformedError("an answer cut short")
    extended = int.from_bytes(raw[_HEAD : _HEAD + 2], "little") if raw[3] else 0
    return Reply(raw[2], extended, raw[begin:])


def several_replies(raw: bytes, services: Sequence[int]) -> list[Reply]:
    """The answers to several requests, in their order."""
    whole = reply_of(raw, _SEVERAL)
    if whole.status not in (0, _EMBEDDED_ERROR):
        return [whole] * len(services)
    body = whole.body
    head = 2 + 2 * len(services)
    if len(body) < head or struct.unpack_from("<H", body)[0] != len(services):
        raise MalformedError("another number of answers than questions")
    begins = struct.unpack_from(f"<{len(services)}H", body, 2)
    ends = (*begins[1:], len(body))
    replies = []
    for service, begin, end in zip(services, begins, ends, strict=True):
        if not head <= begin <= end <= len(body):
            raise MalformedError("answers in no order")
        replies.append(reply_of(body[begin:end], service))
    return replies


def _request(service: int, path: bytes, body: bytes) -> bytes:
    return bytes((service, len(path) // 2)) + path + body


def _index(index: int) -> bytes:
    if index < _ONE_BYTE:
        return bytes((0x28, index))
    if index < _TWO_BYTES:
        return struct.pack("<HH", 0x29, index)
    return struct.pack("<HI", 0x2A, index)
