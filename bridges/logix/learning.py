"""Learning what tags are: the controller is asked for each once, and tells its type.

A BOOL of an array is found in a word of 32; whether an array holds BOOLs is known when its
type is. So a tag with an index is asked for as it is written, and where that is no element,
as the word that would hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bridges.logix.address import LogixAddress, Step
from bridges.logix.cip import END_OF_ARRAY, Reply, path_of, read
from bridges.logix.kinds import BOOL_ARRAY, Kind, Structure, is_text, type_of
from bridges.logix.plan import Field
from uns.metric import DataType

__all__ = ["Learnt", "Wanted", "learn"]

Wanted = tuple[int, LogixAddress, DataType]  # handle, address, what the engineer wants
Learnt = Field | Reply | str  # a refusal in the controller's words or in ours
Ask = Callable[[Sequence[bytes]], list[Reply]]

_WORD_BITS = 32


def learn(wanted: Iterable[Wanted], ask: Ask) -> dict[int, Learnt]:
    """Ask for each tag; a field, or why it is none. Blocks: for the worker thread."""
    tags = list(wanted)
    told: dict[int, Learnt] = {}
    words: list[Wanted] = []
    probes = [_probe(address.steps) for _, address, _ in tags]
    for tag, reply in zip(tags, ask(probes), strict=True):
        if _may_be_in_a_word(tag[1], reply):
            words.append(tag)
        else:
            told[tag[0]] = _field(tag, tag[1].steps, tag[1].bit, reply)
    probes = [_probe(_word(address)) for _, address, _ in words]
    for tag, reply in zip(words, ask(probes), strict=True):
        told[tag[0]] = _in_word(tag, reply)
    return told


def _probe(steps: Sequence[Step]) -> bytes:
    return read(path_of(steps))


def _may_be_in_a_word(address: LogixAddress, reply: Reply) -> bool:
    """Whether an element is perhaps, or surely, a BOOL of an array."""
    if len(address.steps[-1].indices) != 1 or address.bit is not None:
        return False
    if reply.status:
        return reply.extended == END_OF_ARRAY
    kind, _ = type_of(reply.body)
    return isinstance(kind, Kind) and kind.code == BOOL_ARRAY


def _word(address: LogixAddress) -> tuple[Step, ...]:
    last = address.steps[-1]
    return (*address.steps[:-1], Step(last.name, (last.indices[0] // _WORD_BITS,)))


def _in_word(tag: Wanted, reply: Reply) -> Learnt:
    if reply.status:
        return reply
    kind, _ = type_of(reply.body)
    if not isinstance(kind, Kind) or kind.code != BOOL_ARRAY:
        return Reply(0xFF, END_OF_ARRAY, b"")  # the element itself was asked for, and is not there
    return _field(tag, _word(tag[1]), tag[1].steps[-1].indices[0] % _WORD_BITS, reply)


def _field(tag: Wanted, steps: tuple[Step, ...], bit: int | None, reply: Reply) -> Learnt:
    handle, _, datatype = tag
    if reply.status:
        return reply
    kind, raw = type_of(reply.body)
    if isinstance(kind, int):
        return f"it is of a type that is not known here (0x{kind:04X})"
    if isinstance(kind, Structure):
        if bit is not None:
            return f"it is a {kind.name}, which has no bits"
        if kind.is_string:
            return Field(handle, steps, kind)
        if not is_text(raw):
            return f"it is a {kind.name}: name one of its members, behind a dot"
        if not datatype.is_text:
            return f"it is a {kind.name}: name a member, or give the tag the type string"
        return Field(handle, steps, kind)
    if bit is not None and not _has_bit(kind, bit):
        return f"it is of type {kind.name}, which has no bit {bit}"
    return Field(handle, steps, kind, bit)


def _has_bit(kind: Kind, bit: int) -> bool:
    is_whole = not kind.datatype.is_real and kind.datatype is not DataType.BOOLEAN
    return is_whole and bit < 8 * kind.size
