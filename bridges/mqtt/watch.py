"""Topics that nobody reads, and the instance entry that would add each: nothing adds itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from uns.errors import ProjectError
from uns.topic import TopicFilter

__all__ = ["Pattern", "Unread", "captured"]

_MAX_TOPICS = 1_000  # that are remembered by name; more are only "more"
_NAMED = re.compile(r"\+([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\}")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A topic filter whose wildcards may have names: `legacy/+line/cw/data`, `legacy/{line}/#`.

    A wildcard without a name is called after its level, counted from 1: `level2`.
    """

    filter: TopicFilter
    names: tuple[tuple[int, str], ...]

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """The pattern in `text`; raises ProjectError where it is no filter."""
        levels, names = text.split("/"), []
        for place, level in enumerate(levels):
            named = _NAMED.fullmatch(level)
            if named:
                names.append((place, named[1] or named[2]))
                levels[place] = "+"
            elif level == "+":
                names.append((place, f"level{place + 1}"))
        twice = {name for _, name in names if [n for _, n in names].count(name) > 1}
        if twice:
            raise ProjectError(f"`{text}`: two levels are called `{min(twice)}`")
        return cls(TopicFilter.parse("/".join(levels)), tuple(names))

    def captured(self, topic: str) -> dict[str, str] | None:
        """What the wildcards stand for in `topic`; None where it does not match."""
        if not self.filter.matches(topic):
            return None
        levels = topic.split("/")
        return {name: levels[place] for place, name in self.names}


def captured(pattern: str, topic: str) -> dict[str, str] | None:
    """What the wildcards of `pattern` stand for in `topic`; None where it does not match.

    >>> captured("legacy/{line}/{machine}/data", "legacy/line3/cw/data")
    {'line': 'line3', 'machine': 'cw'}
    """
    return Pattern.parse(pattern).captured(topic)


class Unread:
    """The topics of a session that match a watched filter and that no tag reads."""

    def __init__(self, filters: Iterable[str]) -> None:
        self.patterns = tuple(map(Pattern.parse, filters))
        self.count = 0  # messages on them
        self._found: dict[str, Mapping[str, str]] = {}
        self._is_full = False

    @property
    def topics(self) -> tuple[str, ...]:
        """Those found so far, at most a thousand."""
        return tuple(self._found)

    def saw(self, topic: str) -> str:
        """Note a message that nobody reads; returns what to tell, once for each topic."""
        if topic in self._found:
            self.count += 1
            return ""
        with_ = next(
            (with_ for p in self.patterns if (with_ := p.captured(topic)) is not None), None
        )
        if with_ is None:
            return ""
        self.count += 1
        if len(self._found) >= _MAX_TOPICS:
            told, self._is_full = self._is_full, True
            return "" if told else f"nobody reads more than {_MAX_TOPICS:,} of the watched topics"
        self._found[topic] = with_
        return f"nobody reads `{topic}`; to add it: {entry_for(with_)}"

    def findings(self, most: int = 10) -> tuple[str, ...]:
        """One sentence for each topic, and the entry that would add it; at most so many."""
        told = [
            f"nobody reads `{topic}`; to add it: {entry_for(with_)}"
            for topic, with_ in islice(self._found.items(), most)
        ]
        more = len(self._found) - most
        return (
            (*told, f"nobody reads {more:,} more of the watched topics") if more > 0 else (*told,)
        )


def entry_for(with_: Mapping[str, str]) -> str:
    """The entry of `instances:` for a topic whose wildcards stand for these."""
    words = ", ".join(f"{name}: {_scalar(value)}" for name, value in with_.items())
    with_text = f", with: {{{words}}}" if words else ""
    return f"- {{path: <site/area/line/machine>, is: <type>, bind: <binding>{with_text}}}"


def _scalar(value: str) -> str:
    """A value as YAML takes it for text: quoted where it would be something else."""
    is_plain = re.fullmatch(r"[A-Za-z][\w-]*", value) and value.lower() not in _WORDS
    return value if is_plain else '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off"))
