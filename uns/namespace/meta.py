"""`_meta`: the definition of a machine or tag, on the tree beside what it defines."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from uns.equipment import Asset, Machine, SparkplugId, Tag, WritePolicy
from uns.message import Message
from uns.namespace.payload import json_text
from uns.schema.value import machine_schema, value_schema

__all__ = ["PAYLOAD", "machine_meta", "tag_meta"]

PAYLOAD = "value/1"  # schemas/value/1.json: the object around a value whose own is `schema`


def machine_meta(machine: Machine) -> Message:
    """Return the retained definition of a machine: its type, its tags, where it comes from."""
    return _message(
        machine.topic.text,
        {
            "kind": "machine",
            "type": machine.type_name,
            "version": machine.version,
            "lineage": machine.lineage,
            "description": machine.desc,
            "semantic_id": machine.semantic_id,
            "relations": _relations(machine),
            "assets": [_asset(asset) for asset in machine.assets] or None,
            "tags": [tag.name for tag in machine.tags],
            "sparkplug": asdict(machine.sparkplug),
            "schema": machine_schema(machine),
        },
    )


def tag_meta(tag: Tag, sparkplug: SparkplugId, metric: str, machine: Machine | None) -> Message:
    """Return the retained definition of a tag; without `machine` it is a foreign device's own."""
    return _message(
        tag.topic.text,
        {
            "kind": "tag",
            "name": tag.name,
            "type": tag.datatype.label,
            "unit": tag.unit,
            "range": None if tag.low is None and tag.high is None else [tag.low, tag.high],
            "states": tag.states,
            "counter": tag.is_counter,
            "rollover": tag.rollover,
            "deliver": "every" if tag.deliver_every else "latest",
            "stale_s": tag.stale_s,
            "alarm": asdict(tag.alarm) if tag.alarm else None,
            "calc": tag.calc,
            "writable": tag.writable,
            "write": _write(tag),
            "semantic_id": tag.semantic_id,
            "description": tag.desc,
            "machine": machine.topic.text if machine else "",
            "machine_type": f"{machine.type_name}/{machine.version}" if machine else "",
            "source": _source(tag),
            "sparkplug": {**asdict(sparkplug), "metric": metric},
            "payload": PAYLOAD,
            "schema": value_schema(tag),
        },
    )


def _relations(machine: Machine) -> dict[str, list[str]] | None:
    """What it has to do with whom: `{"feeds": ["acme/…/capper"]}`."""
    targets: dict[str, list[str]] = {}
    for relation in machine.relations:
        targets.setdefault(relation.name, []).append(relation.target.text)
    return targets or None


def _asset(asset: Asset) -> dict[str, str]:
    days = {"from": asset.since, "to": asset.until}
    return {"id": asset.id, **{word: day.isoformat() for word, day in days.items() if day}}


def _write(tag: Tag) -> dict[str, Any] | None:
    """Who may write what, where there is more to say than that it is writable."""
    if tag.write is None or tag.write == WritePolicy():
        return None
    policy = tag.write
    limits = None if policy.low is None else [policy.low, policy.high]
    said = {"roles": policy.roles, "range": limits, "every_s": policy.every_s}
    return {word: fact for word, fact in said.items() if fact}


def _source(tag: Tag) -> dict[str, str] | None:
    if tag.source is None:
        return None
    return {"connection": tag.source.connection, "address": tag.source.text}


def _message(topic: str, facts: dict[str, Any]) -> Message:
    """Say what there is to say: what is empty or does not apply is left out."""
    said = {name: fact for name, fact in facts.items() if fact not in (None, "", False)}
    return Message(f"{topic}/_meta", json_text(said), qos=1, retain=True)
