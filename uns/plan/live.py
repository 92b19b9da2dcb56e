"""The live tree: what a broker's retained definitions say, as a snapshot."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from uns.message import Message
from uns.plan.snapshot import Facts, MachineRecord, Snapshot, TagRecord

__all__ = ["LiveTree", "read_live"]

#: What `_meta` says of a tag; how it is asked, and how raw values are scaled, it does not.
_SAID: Final = frozenset(
    {
        *("type", "unit", "range", "states", "counter", "rollover", "writable", "alarm", "calc"),
        *("every", "stale", "desc"),
    }
)
_META: Final = "/_meta"
_OPTIONAL: Final = ("delay_s", "hysteresis")
_MOST_JSON: Final = 1_000_000  # bytes of a definition; ours have a few hundred


@dataclass(slots=True)
class LiveTree:
    """What a broker shows. `guests` are tags of foreign devices, by topic: who feeds them."""

    snapshot: Snapshot
    values: dict[str, bytes] = field(default_factory=dict)  # payloads of value topics
    definitions: dict[str, bytes] = field(default_factory=dict)  # payloads of `_meta`, by place
    reserved: dict[str, bytes] = field(default_factory=dict)  # `_state` and the like, by topic
    guests: dict[str, str] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)  # topics whose definition says `moved_to`
    elsewhere: dict[str, int] = field(default_factory=dict)  # topics of other sites, by site

    @property
    def kept(self) -> dict[str, bytes]:
        """All that the broker keeps, by topic."""
        definitions = {f"{place}{_META}": payload for place, payload in self.definitions.items()}
        return {**self.values, **definitions, **self.reserved}


def read_live(messages: Iterable[Message], sites: Collection[str] | None = None) -> LiveTree:
    """Sort a broker's retained messages below one enterprise.

    Those of other sites than `sites` are only counted: they may be another project's.
    """
    machines: dict[str, MachineRecord] = {}
    tags: dict[str, TagRecord] = {}
    tree = LiveTree(Snapshot(machines, tags, _SAID))
    for message in messages:
        topic, payload = message.topic, message.payload
        site = topic.split("/", 2)[1] if "/" in topic else ""
        if sites is not None and site not in sites:
            tree.elsewhere[site] = tree.elsewhere.get(site, 0) + 1
            continue
        if "/_" not in topic:
            tree.values[topic] = payload
        elif not topic.endswith(_META):
            tree.reserved[topic] = payload
        else:
            place = topic.removesuffix(_META)
            tree.definitions[place] = payload
            _define(place, payload, tree, machines, tags)
    return tree


def _define(
    place: str,
    payload: bytes,
    tree: LiveTree,
    machines: dict[str, MachineRecord],
    tags: dict[str, TagRecord],
) -> None:
    said = _json(payload)
    if "deprecated" in said:
        tree.aliases.add(place)
        return
    machine = said.get("machine")
    if said.get("kind") == "machine":
        machines[place] = _machine(place, said)
    elif said.get("kind") == "tag" and isinstance(machine, str) and place.startswith(f"{machine}/"):
        name = place[len(machine) + 1 :]
        tags[place] = TagRecord(place, machine, name, _source(said), _facts(said))
    elif said.get("kind") == "tag":
        ids = said.get("sparkplug")
        known = ids if isinstance(ids, dict) else {}
        names = (known.get(key) for key in ("group_id", "edge_node_id", "device_id"))
        tree.guests[place] = "/".join(str(name) for name in names if name)


def _json(payload: bytes) -> dict[str, Any]:
    """The object in a payload; an empty one where there is none: it is somebody else's."""
    if len(payload) > _MOST_JSON:
        return {}
    try:
        said = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return said if isinstance(said, dict) else {}


def _machine(place: str, said: dict[str, Any]) -> MachineRecord:
    name, version, lineage = said.get("type"), said.get("version"), said.get("lineage")
    return MachineRecord(
        place,
        str(name or ""),
        version if isinstance(version, int) else 1,
        tuple(map(str, lineage)) if isinstance(lineage, list) else (str(name or ""),),
    )


def _source(said: dict[str, Any]) -> tuple[str, str] | None:
    source = said.get("source")
    if not isinstance(source, dict):
        return None
    return str(source.get("connection", "")), str(source.get("address", ""))


def _facts(said: dict[str, Any]) -> Facts:
    alarm = said.get("alarm")
    limits = alarm if isinstance(alarm, dict) else {}
    facts = {
        **{name: said.get(name) for name in _SAID - {"alarm", "every", "stale", "desc"}},
        "alarm": {k: v for k, v in limits.items() if v is not None and (v or k not in _OPTIONAL)},
        "every": said.get("deliver") == "every",
        "stale": said.get("stale_s"),
        "desc": said.get("description"),
    }
    return {name: fact for name, fact in facts.items() if fact}
