"""What to ask for in a scan: neighbours of an array together, and many questions in a packet.

A controller answers one request per packet and connection at a time; on a large connection a
packet holds some 4,000 bytes, on a small one 500.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bridges.logix.address import Step
from bridges.logix.cip import SEVERAL_HEAD, path_of, read
from bridges.logix.kinds import Kind, Type

__all__ = ["Field", "Question", "packets", "questions"]

_GAP = 4  # elements that nobody wants, read along: a question more costs some 20 bytes each way
_ANSWER_HEAD = 8  # of one answer: service, status, and the type of a structure
_OFFSET = 2  # of one question or answer in a packet


@dataclass(frozen=True, slots=True)
class Field:
    """A bound tag: where it is asked for, its type there, and its bit, if it is one."""

    handle: int
    steps: tuple[Step, ...]
    type: Type
    bit: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One request for `count` elements, and which element and bit each tag takes of them."""

    request: bytes
    type: Type
    count: int
    members: tuple[tuple[int, int, int | None], ...]  # handle, element, bit

    @property
    def answer_bytes(self) -> int:
        """How long its answer is."""
        return _ANSWER_HEAD + self.count * self.type.size

    @property
    def service(self) -> int:
        """What is asked for, as the answer repeats it."""
        return self.request[0]


def questions(fields: Iterable[Field], most_bytes: int) -> list[Question]:
    """Requests for all fields, whose answers fit `most_bytes` where a single value does."""
    alone: dict[tuple[tuple[Step, ...], Type], list[Field]] = {}
    rows: dict[tuple[tuple[Step, ...], Type], list[tuple[int, Field]]] = {}
    for field in fields:
        last = field.steps[-1]
        if not last.indices or not isinstance(field.type, Kind):
            alone.setdefault((field.steps, field.type), []).append(field)
            continue
        row = (*field.steps[:-1], Step(last.name, last.indices[:-1]))
        rows.setdefault((row, field.type), []).append((last.indices[-1], field))
    found = [
        _question(steps, kind, 1, [(0, f) for f in held]) for (steps, kind), held in alone.items()
    ]
    room = most_bytes - SEVERAL_HEAD - _OFFSET - _ANSWER_HEAD
    for (row, kind), members in rows.items():
        for run in _runs(members, max(1, room // kind.size)):
            first, last_index = run[0][0], run[-1][0]
            steps = (*row[:-1], Step(row[-1].name, (*row[-1].indices, first)))
            moved = [(index - first, field) for index, field in run]
            found.append(_question(steps, kind, last_index - first + 1, moved))
    return found


def packets(asked: Sequence[Question], most_bytes: int) -> list[tuple[Question, ...]]:
    """Questions shared out over packets: neither these nor their answers are too long."""
    done: list[tuple[Question, ...]] = []
    packet: list[Question] = []
    out = back = SEVERAL_HEAD
    for question in asked:
        more_out = _OFFSET + len(question.request)
        more_back = _OFFSET + question.answer_bytes
        if packet and (out + more_out > most_bytes or back + more_back > most_bytes):
            done.append(tuple(packet))
            packet, out, back = [], SEVERAL_HEAD, SEVERAL_HEAD
        packet.append(question)
        out, back = out + more_out, back + more_back
    return [*done, tuple(packet)] if packet else done


def _question(
    steps: tuple[Step, ...], kind: Type, count: int, members: Iterable[tuple[int, Field]]
) -> Question:
    taken = tuple((field.handle, element, field.bit) for element, field in members)
    return Question(read(path_of(steps), count), kind, count, taken)


def _runs(members: list[tuple[int, Field]], most: int) -> Iterator[list[tuple[int, Field]]]:
    """Elements near one another, in order, spanning at most `most`."""
    run: list[tuple[int, Field]] = []
    for index, field in sorted(members, key=lambda member: member[0]):
        if run and (index - run[-1][0] > _GAP + 1 or index - run[0][0] >= most):
            yield run
            run = []
        run.append((index, field))
    if run:
        yield run
