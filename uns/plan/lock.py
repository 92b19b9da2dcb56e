"""The lock: the tree as it was last applied, aliases and accepted breaks; text for git.

One line for each thing, sorted, so that two people's changes merge and a review shows what
happens to the tree. Lines of different kinds:

    accepted UNS463 filler.bowl_pressure unit bar → kPa
    alias acme/leeds/packaging/line1/filler/good acme/leeds/bottling/line1/filler/good 2026-12-22
    gone acme/leeds/packaging/line1/filler/speed 2026-12-22
    machine acme/leeds/bottling/line1/filler filler/2 machine
    tag acme/leeds/bottling/line1/filler/good [{"type":"Int64"},["s7://10.1.1.20","DB100.DBD8"]]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import msgspec

from uns.errors import ProjectError
from uns.namespace.alias import Alias
from uns.plan.snapshot import EVERY_FACT, Facts, MachineRecord, Snapshot, TagRecord

__all__ = ["Alias", "Lock"]

_VERSION: Final = "lock 1"
_HEAD: Final = "# The tree as `uns apply` last made it. Written by uns; keep it in git."
_HINT: Final = "take the file from git again, or delete it and compare with `--from live`"


class _TagLine(msgspec.Struct, array_like=True):
    facts: msgspec.Raw
    source: tuple[str, str] | None = None
    first: str = ""


_decoder = msgspec.json.Decoder(_TagLine)
_facts_decoder = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class Lock:
    """What `uns.lock` holds. `accepted` are sentences that begin with a code.

    `gone` are topics that were given up, and how long to look for them on a broker.
    """

    snapshot: Snapshot
    aliases: Mapping[str, Alias] = field(default_factory=dict)  # by the former topic
    accepted: tuple[str, ...] = ()
    gone: Mapping[str, date] = field(default_factory=dict)

    @property
    def former(self) -> tuple[Alias, ...]:
        """Every former topic, for a namespace to serve or to clear."""
        given_up = (Alias(topic, "", until) for topic, until in self.gone.items())
        return (*self.aliases.values(), *given_up)

    @classmethod
    def parse(cls, text: str) -> Lock:
        """Read a lock; raises ProjectError with the line that is none."""
        return _Reading(text).lock()

    @property
    def text(self) -> str:
        """The file's content."""
        return "\n".join((_HEAD, _VERSION, *sorted(self._lines()), ""))

    def _lines(self) -> Iterator[str]:
        yield from (f"accepted {sentence}" for sentence in self.accepted)
        for alias in self.aliases.values():
            yield f"alias {alias.old} {alias.new} {alias.until.isoformat()}"
        yield from (f"gone {topic} {until.isoformat()}" for topic, until in self.gone.items())
        for machine in self.snapshot.machines.values():
            ancestors = " ".join(machine.lineage[1:])
            kind = f"{machine.type_name}/{machine.version}"
            yield f"machine {machine.topic} {kind} {ancestors}".rstrip()
        written: dict[int, msgspec.Raw] = {}
        for tag in self.snapshot.tags.values():
            facts = written.get(id(tag.facts))
            if facts is None:
                facts = written[id(tag.facts)] = msgspec.Raw(_encode(tag.facts))
            said: list[Any] = [facts, tag.source, tag.first]
            while not said[-1]:
                said.pop()
            yield f"tag {tag.topic} {_encode(said).decode()}"


class _Reading:
    """A lock's text, line by line; equal facts become one mapping."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._facts: dict[bytes, Facts] = {}
        self._machines: dict[str, MachineRecord] = {}
        self._homes: dict[str, str] = {}
        self._tags: dict[str, TagRecord] = {}
        self._aliases: dict[str, Alias] = {}
        self._accepted: list[str] = []
        self._gone: dict[str, date] = {}

    def lock(self) -> Lock:
        kinds: dict[str, Callable[[str], None]] = {
            "accepted": self._accepted.append,
            "alias": self._alias,
            "gone": self._give_up,
            "machine": self._machine,
            "tag": self._tag,
        }
        numbered = [(n, line) for n, line in enumerate(self._lines, 1) if line.strip()]
        said = [(n, line) for n, line in numbered if not line.startswith("#")]
        if not said or said[0][1].strip() != _VERSION:
            first = said[0][1][:60] if said else ""
            raise ProjectError(
                f"this is no lock that this version reads: `{first}`, not `{_VERSION}`", hint=_HINT
            )
        for number, line in said[1:]:
            kind, _, rest = line.strip().partition(" ")
            try:
                kinds[kind](rest)
            except (KeyError, ValueError, UnicodeDecodeError, msgspec.DecodeError):
                raise ProjectError(
                    f"line {number} of the lock is `{line[:60]}`", hint=_HINT
                ) from None
        snapshot = Snapshot(self._machines, self._tags, EVERY_FACT)
        return Lock(snapshot, self._aliases, tuple(self._accepted), self._gone)

    def _alias(self, rest: str) -> None:
        old, new, until = rest.split(" ")
        self._aliases[old] = Alias(old, new, date.fromisoformat(until))

    def _give_up(self, rest: str) -> None:
        topic, until = rest.split(" ")
        self._gone[topic] = date.fromisoformat(until)

    def _machine(self, rest: str) -> None:
        topic, kind, *ancestors = rest.split(" ")
        name, _, version = kind.partition("/")
        self._machines[topic] = MachineRecord(topic, name, int(version), (name, *ancestors))

    def _tag(self, rest: str) -> None:
        topic, _, said = rest.partition(" ")
        line = _decoder.decode(said)
        raw = bytes(line.facts)
        facts = self._facts.get(raw)
        if facts is None:
            facts = self._facts[raw] = _facts_decoder.decode(raw)
        machine = self._machine_of(topic)
        name = topic[len(machine) + 1 :]
        self._tags[topic] = TagRecord(topic, machine, name, line.source, facts, (), line.first)

    def _machine_of(self, topic: str) -> str:
        """The machine above a tag: lines of machines come before lines of tags."""
        place = topic.rpartition("/")[0]
        home = self._homes.get(place)
        if home is None:
            home = place
            while home not in self._machines:
                home = home.rpartition("/")[0]
                if not home:
                    raise ValueError(topic)
            self._homes[place] = home
        return home
