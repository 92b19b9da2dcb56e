"""The last value of a topic: what the broker shows of it, and why it is not Good or not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from uns.equipment import Machine, Tag
from uns.vqt import Vqt, read_vqt

__all__ = ["LastValue", "filters_of", "guest", "last_value"]

_GOOD: Final = "Good"
_NO_DATA: Final = "GoodNoData"
_ONLINE: Final = "online"

Retained = Mapping[str, bytes]  # payloads by topic


@dataclass(frozen=True, slots=True)
class LastValue:
    """What a topic shows, if anything, and the reasons for what is wrong with it; none: all well.

    `definition` is what its `_meta` says, `states` what `_state` says of machine and line.
    """

    vqt: Vqt | None
    definition: Mapping[str, Any]
    states: Mapping[str, Mapping[str, Any]]
    reasons: tuple[str, ...]

    @property
    def data(self) -> dict[str, Any]:
        """For JSON."""
        value = None
        if (vqt := self.vqt) is not None:
            said = {"quality": vqt.quality, "timestamp": vqt.timestamp}
            more = {"unit": vqt.unit, "detail": vqt.detail}
            value = {
                "value": msgspec.json.decode(vqt.value),
                **said,
                **{name: text for name, text in more.items() if text},
            }
        return {
            "value": value,
            "definition": dict(self.definition) or None,
            "states": {topic: dict(said) for topic, said in self.states.items()},
            "reasons": list(self.reasons),
        }


def filters_of(topic: str, machine: Machine | None) -> list[str]:
    """The topics to look at for one value."""
    enterprise = topic.partition("/")[0]
    filters = [
        topic,
        f"{topic}/_meta",
        f"{enterprise}/_service/+/_state",
        f"{_STATE}uns-{enterprise}",
    ]
    if machine is not None:
        filters += [f"{machine.topic}/_state", f"{machine.line}/_state"]
    return filters


_STATE: Final = "spBv1.0/STATE/"


def last_value(machine: Machine, tag: Tag, retained: Retained) -> LastValue:
    """Judge what a broker shows of a tag of the project."""
    seen = _Seen(machine, tag, retained)
    return LastValue(seen.vqt, seen.definition, seen.states, tuple(seen.reasons()))


def guest(topic: str, retained: Retained) -> LastValue | None:
    """Judge a topic that the project does not have; None where the broker shows nothing either."""
    vqt = read_vqt(retained.get(topic, b""))
    said = _json(retained.get(f"{topic}/_meta", b""))
    if topic not in retained and not said:
        return None
    return LastValue(vqt, said, {}, (_guest_reason(topic, said),))


def _guest_reason(topic: str, said: Mapping[str, Any]) -> str:
    moved = said.get("deprecated")
    if isinstance(moved, Mapping):
        return f"it has moved to `{moved.get('moved_to')}`, until {moved.get('until')} it is shown here too"
    ids = said.get("sparkplug")
    if isinstance(ids, Mapping) and not said.get("machine"):
        device = "/".join(
            str(ids[key]) for key in ("group_id", "edge_node_id", "device_id") if ids.get(key)
        )
        return f"a foreign Sparkplug device publishes it: {device}, metric {ids.get('metric')}"
    if said:
        return "a ghost: another project, or an earlier one, had this tag; nobody feeds it now"
    return f"`{topic}` has no definition: it was not our namespace service that wrote it"


@dataclass(frozen=True, slots=True)
class _Seen:
    """A tag of the project beside what the broker shows of it."""

    machine: Machine
    tag: Tag
    retained: Retained

    @property
    def vqt(self) -> Vqt | None:
        return read_vqt(self.retained.get(self.tag.topic.text, b""))

    @property
    def definition(self) -> Mapping[str, Any]:
        return _json(self.retained.get(f"{self.tag.topic}/_meta", b""))

    @property
    def states(self) -> dict[str, Mapping[str, Any]]:
        """What is said of the machine and of its line."""
        places = (self.machine.topic.text, self.machine.line.text)
        told = {place: _json(self.retained.get(f"{place}/_state", b"")) for place in places}
        return {place: said for place, said in told.items() if said}

    def reasons(self) -> Iterator[str]:
        """Why it is not as it should be, the cause that is nearest to the topic first."""
        vqt = self.vqt
        if vqt is not None and vqt.quality != _GOOD:
            yield from self._not_good(vqt)
        if vqt is None:
            yield from self._not_there()
        if vqt is None or vqt.quality != _GOOD:
            yield from self._states_told()
        yield from self._other_definition()
        yield from self._service(is_shown=vqt is not None)

    def _not_there(self) -> Iterator[str]:
        if self.tag.topic.text in self.retained:
            yield "what stands on the topic is no value payload: somebody else writes there"
        elif self.definition:
            yield "it is defined on the broker, and no value ever came"
        if not self.tag.calc and self.tag.source is None:
            yield "nothing feeds it: no binding of the machine gives it an address"

    def _not_good(self, vqt: Vqt) -> Iterator[str]:
        if vqt.quality == _NO_DATA:
            yield (
                "the machine is known and nothing was read yet: the device may refuse the "
                "address; `uns check --live` asks it"
                if self.tag.source is not None
                else "nothing was read or calculated yet"
            )
            return
        explain = _DETAILS.get(vqt.detail)
        yield explain(self.tag, vqt) if explain else f"its source says `{vqt.detail}`"

    def _states_told(self) -> Iterator[str]:
        for place, said in self.states.items():
            if said.get("state") != _ONLINE:
                why = f": {said['reason']}" if said.get("reason") else ""
                yield f"{place} is {said.get('state')} since {said.get('since')}{why}"
        if self.definition and self.machine.topic.text not in self.states:
            yield f"nothing is known of {self.machine.topic}: no birth of its edge node was seen"

    def _other_definition(self) -> Iterator[str]:
        """Where the broker's definition is not the project's, another project is running."""
        said = self.definition
        if not said:
            return
        tag = self.tag
        mine = {
            "type": tag.datatype.label,
            "unit": tag.unit,
            "address": tag.source.text if tag.source else "",
            "calc": tag.calc,
        }
        source = said.get("source")
        theirs = {
            **said,
            "address": source.get("address", "") if isinstance(source, Mapping) else "",
        }
        for word, fact in mine.items():
            if (theirs.get(word) or "") != fact:
                yield (
                    f"the running project is not this one: there its {word} is "
                    f"`{theirs.get(word) or 'nothing'}`, here `{fact or 'nothing'}`"
                )

    def _service(self, *, is_shown: bool) -> Iterator[str]:
        """Whether somebody keeps the tree up to date."""
        enterprise = self.tag.topic.levels[0]
        told = _json(self.retained.get(f"{_STATE}uns-{enterprise}", b""))
        ours = f"{enterprise}/_service/uns-{enterprise}/"
        known = [topic for topic in self.retained if topic.startswith(ours)]
        if told.get("online") is False or (not told and known):
            yield "the namespace service is off: nothing on the tree is up to date; start `uns run`"
        elif not told:
            yield f"no namespace service of `{enterprise}` ever ran on this broker: `uns run` starts one"
        elif not is_shown and not self.definition:
            yield "the running namespace service does not know this tag: start it anew with this project"


def _range(tag: Tag, vqt: Vqt) -> str:
    low, high = (f"{end:g}" for end in (tag.low or 0.0, tag.high or 0.0))
    return f"{vqt.text} is outside of its range, {low} … {high} {tag.unit}".rstrip()


def _state(tag: Tag, vqt: Vqt) -> str:
    codes = ", ".join(map(str, list(tag.states or {})[:_SHOWN]))
    return f"code {vqt.text} is none of its states ({codes} …)"


def _bad(tag: Tag, vqt: Vqt) -> str:
    del vqt
    if tag.source is None:
        return "its source says that it is bad"
    return (
        f"the device refuses it, calls it bad, or says what does not fit {tag.datatype.label}; "
        f"`problems` say which: uns watch --all '{tag.topic.levels[0]}/_flow/#'"
    )


def _schema(tag: Tag, vqt: Vqt) -> str:
    del vqt
    enterprise = tag.topic.levels[0]
    return (
        f"the device sends another type than {tag.datatype.label}; what it sends is in quarantine: "
        f"uns watch --all '{enterprise}/_quarantine/{tag.topic}'"
    )


_SHOWN: Final = 8
_DETAILS: Final[Mapping[str, Callable[[Tag, Vqt], str]]] = {
    "Range": _range,
    "State": _state,
    "Schema": _schema,
    "Bad": _bad,
    "NaN": lambda tag, _: f"{tag.calc or 'the device'} gives no number (NaN or infinite)",
    "Stale": lambda _, vqt: f"it is old: nothing new since {vqt.timestamp}",
    "Source": lambda *_: "its source says that it cannot be relied on",
}


def _json(payload: bytes) -> Mapping[str, Any]:
    """The object in a payload; an empty one where there is none."""
    try:
        said = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return said if isinstance(said, dict) else {}
