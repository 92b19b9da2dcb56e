"""Aliases: former topics that go on showing what a moved tag shows, for a while.

Each has one day on which it ends. Until then whatever is published on the new topic is
published on the old one too; then the old one is removed, with its definition. A topic that
was given up without an alias is removed as soon as it is found on a broker: a service that
still ran the project of before has shown it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from uns.message import Message
from uns.namespace.late import HISTORY
from uns.namespace.leaf import Leaf, Output
from uns.namespace.meta import tag_meta
from uns.namespace.payload import json_text

__all__ = ["Alias", "Aliases", "alias_meta", "removed"]

_STATE = "/_state"
_META = "/_meta"


@dataclass(frozen=True, slots=True)
class Alias:
    """A former topic that still shows what `new` shows, through the day `until` (UTC).

    Without a `new` it was given up.
    """

    old: str
    new: str
    until: date

    @property
    def ends_ms(self) -> int:
        """When it is over."""
        end = datetime.combine(self.until + timedelta(days=1), time(), UTC)
        return int(end.timestamp() * 1000)


def alias_meta(alias: Alias, definition: Message) -> Message:
    """Return the definition of a former topic: that of the tag, and where it has moved to."""
    facts = msgspec.json.decode(definition.payload)
    facts["deprecated"] = {"moved_to": alias.new, "until": alias.until.isoformat()}
    return Message(f"{alias.old}{_META}", json_text(facts), qos=1, retain=True)


def removed(topic: str) -> list[Message]:
    """Return what clears a topic and its definition."""
    topics = [topic] if topic.endswith((_STATE, _META)) else [topic, f"{topic}{_META}"]
    return [Message(one, b"", qos=1, retain=True) for one in topics]


class Aliases:
    """The aliases of one tree. One whose old topic has a tag again, or whose new has none, is not."""

    def __init__(self, aliases: Iterable[Alias], leaves: Mapping[str, Leaf]) -> None:
        former = [alias for alias in aliases if alias.old not in leaves]
        self._leaves = leaves
        self._given_up = {alias.old for alias in former if not alias.new}
        self._found: list[str] = []  # given up, and there all the same
        self._known = {
            alias.old: alias
            for alias in former
            if alias.new in leaves or alias.new.endswith(_STATE)
        }
        self._is_shown: set[str] = set()  # found on the broker, or published by us
        self._olds: dict[str, list[str]] = {}
        self._old_bytes: dict[bytes, list[bytes]] = {}
        self._index()

    def _index(self) -> None:
        self._olds = {}
        for alias in self._known.values():
            for beside in ("", HISTORY):
                self._olds.setdefault(alias.new + beside, []).append(alias.old + beside)
        self._old_bytes = {
            new.encode(): [old.encode() for old in olds] for new, olds in self._olds.items()
        }

    def find(self, topic: str) -> Leaf | None:
        """A retained message was found: return the leaf whose former topic it is on."""
        if topic in self._given_up or topic.removesuffix(_META) in self._given_up:
            self._found.append(topic)
        alias = self._known.get(topic.removesuffix(_META))
        if alias is None:
            return None
        self._is_shown.add(alias.old)
        return self._leaves.get(alias.new)

    def after(self, before: Aliases, gone: Iterable[str]) -> list[Message]:
        """The project has changed, and `gone` are topics that it has no more.

        Return the definitions of those that are former topics only since then.
        """
        self._is_shown |= before._is_shown & self._known.keys()
        for topic in gone:
            self.find(topic)
            self.find(f"{topic}{_META}")
        definitions = list(self.definitions())
        return [one for one in definitions if one.topic.removesuffix(_META) not in before._known]

    def repeated(self, out: Output) -> Output:
        """Add to `out` what former topics show of it; return it."""
        if not self._known:
            return out
        for told in (out.values, out.late):
            told += [
                (old, payload) for topic, payload in told for old in self._old_bytes.get(topic, ())
            ]
        out.messages += [
            message._replace(topic=old)
            for message in out.messages
            for old in self._olds.get(message.topic, ())
        ]
        return out

    def definitions(self) -> Iterator[Message]:
        """Yield the definitions of former topics."""
        for alias in list(self._known.values()):
            leaf = self._leaves.get(alias.new)
            if leaf is not None:
                self._is_shown.add(alias.old)
                meta = tag_meta(leaf.tag, leaf.sparkplug, leaf.metric, leaf.machine)
                yield alias_meta(alias, meta)

    def tick(self, now_ms: int) -> list[Message]:
        """Return what clears those that are over, and what was given up."""
        cleared, self._found = [Message(t, b"", qos=1, retain=True) for t in self._found], []
        over = [alias for alias in self._known.values() if now_ms >= alias.ends_ms]
        if not over:
            return cleared
        for alias in over:
            del self._known[alias.old]
        self._index()
        shown = (alias.old for alias in over if alias.old in self._is_shown)
        return [*cleared, *(message for old in shown for message in removed(old))]
