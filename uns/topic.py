"""Topics of the tree and filters over them: parse, build, match."""

from __future__ import annotations

from dataclasses import dataclass

from uns.errors import ProjectError

__all__ = ["Topic", "TopicFilter"]

_MAX_BYTES = 65_535  # MQTT 5.0 §1.5.4: a UTF-8 string's length is two bytes


@dataclass(frozen=True, slots=True, order=True)
class Topic:
    """One topic of an MQTT broker, without wildcards.

    >>> Topic.parse("acme/leeds").child("packaging", "line1").text
    'acme/leeds/packaging/line1'
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> Topic:
        """Check `text` once; raises ProjectError where it cannot be a topic."""
        if not text:
            raise ProjectError("a topic may not be empty")
        if "\0" in text or "+" in text or "#" in text:
            raise ProjectError(f"`{text}` holds a wildcard or a NUL; a topic names one place")
        if len(text.encode()) > _MAX_BYTES:
            raise ProjectError(f"a topic may have at most {_MAX_BYTES} bytes")
        return cls(text)

    @property
    def levels(self) -> tuple[str, ...]:
        """The names between the slashes."""
        return tuple(self.text.split("/"))

    @property
    def parent(self) -> Topic:
        """The topic one level up; a root is its own parent."""
        head, _, _ = self.text.rpartition("/")
        return Topic(head) if head else self

    def child(self, *names: str) -> Topic:
        """The topic below this one."""
        return Topic("/".join((self.text, *names)))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class TopicFilter:
    """An MQTT subscription filter.

    >>> TopicFilter.parse("acme/+/packaging/#").matches("acme/leeds/packaging/line1/filler/good")
    True
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> TopicFilter:
        """Check `text` by MQTT 5.0 §4.7.1; raises ProjectError where it is no filter."""
        if not text:
            raise ProjectError("a topic filter may not be empty")
        levels = text.split("/")
        for place, level in enumerate(levels):
            if "#" in level and (level != "#" or place != len(levels) - 1):
                raise ProjectError(f"`{text}`: `#` must stand alone and last")
            if "+" in level and level != "+":
                raise ProjectError(f"`{text}`: `+` must stand alone between slashes")
        return cls(text)

    def matches(self, topic: str) -> bool:
        """Whether a subscription to this filter receives `topic` (MQTT 5.0 §4.7)."""
        wanted, names = self.text.split("/"), topic.split("/")
        if names[0].startswith("$") and wanted[0] in ("+", "#"):
            return False
        for place, want in enumerate(wanted):
            if want == "#":
                return True
            if place >= len(names) or want not in ("+", names[place]):
                return False
        return len(wanted) == len(names)
