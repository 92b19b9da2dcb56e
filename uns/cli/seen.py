"""A message as a reader sees it: a value, something else, or nothing any more."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from uns.message import Message
from uns.units import Conversion, Unit, UnitError, conversion, read
from uns.vqt import Vqt, read_vqt

__all__ = ["Seen"]

_STYLES = {"Good": "", "GoodNoData": "dim", "Uncertain": "yellow", "Bad": "red"}


@dataclass(frozen=True, slots=True)
class Seen:
    """One message, and the value in it where it is one."""

    topic: str
    payload: bytes
    vqt: Vqt | None

    @classmethod
    def of(cls, message: Message) -> Seen:
        """Look into a message."""
        return cls(message.topic, message.payload, read_vqt(message.payload))

    def told_in(self, unit: Unit) -> Seen:
        """The same value in another unit; raises UnitError where it has none that fits."""
        if self.vqt is None or not self.vqt.unit:
            raise UnitError(f"`{self.topic}` shows nothing that has a unit")
        convert = conversion(read(self.vqt.unit), unit)  # foreign devices write `°C`
        try:
            said = json.loads(self.payload)
            payload = json.dumps(
                said | {"value": _told(said["value"], convert), "unit": unit.code},
                ensure_ascii=False, separators=(",", ":"), allow_nan=False,
            )  # fmt: skip
        except (ValueError, TypeError, OverflowError):
            raise UnitError(f"`{self.topic}` shows no number that has a unit") from None
        return Seen.of(Message(self.topic, payload.encode()))

    @property
    def is_of_system(self) -> bool:
        """Whether it stands on a node that is kept for the namespace itself: `_meta`, `_state`."""
        return "/_" in self.topic or self.topic.startswith("_")

    @property
    def parts(self) -> list[tuple[str, str]]:
        """What to show, each with its style: topic, value and unit, quality if not Good, time."""
        if self.vqt is None:
            return [(self.topic, "cyan"), (self._raw(), "" if self.payload else "dim")]
        vqt = self.vqt
        style = _STYLES.get(vqt.quality, "red")
        value = f"{vqt.text} {vqt.unit}" if vqt.unit else vqt.text
        parts = [(self.topic, "cyan"), (_one_line(value), style or "bold")]
        if vqt.quality != "Good":
            detail = f" ({vqt.detail})" if vqt.detail else ""
            parts.append((_one_line(f"{vqt.quality}{detail}"), style))
        return [*parts, (_one_line(vqt.timestamp), "dim")]

    @property
    def line(self) -> str:
        """One line for people and for grep; columns are two blanks apart."""
        return "  ".join(text for text, _ in self.parts)

    @property
    def json(self) -> str:
        """One JSON object on one line; `removed` where the topic was cleared."""
        found: dict[str, Any] = {"topic": self.topic}
        if not self.payload:
            return json.dumps({**found, "removed": True})
        try:
            said = json.loads(self.payload)
        except ValueError:
            text = base64.b64encode(self.payload).decode()
            return json.dumps({**found, "payload_base64": text})
        found |= said if isinstance(said, dict) else {"payload": said}
        return json.dumps(found, ensure_ascii=False)

    def _raw(self) -> str:
        if not self.payload:
            return "(removed)"
        try:
            return _one_line(self.payload.decode())
        except UnicodeDecodeError:
            return f"({len(self.payload)} bytes)"


def _told(value: Any, convert: Conversion) -> Any:
    """A number in its new unit; no value stays no value. Raises TypeError for a text."""
    if value is None:
        return None
    if isinstance(value, bool):
        raise TypeError("a truth value has no unit")
    return convert(value + 0)


def _one_line(text: str) -> str:
    """Keep a terminal's line a line: what cannot be printed is escaped."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
