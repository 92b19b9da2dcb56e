"""A draft: a tag as every machine of one kind has it, all but its topic and its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uns.equipment import Alarm, Place, Source, Tag, WritePolicy
from uns.metric import DataType
from uns.project.lineage import Layers
from uns.project.models import AlarmWords, WriteWords
from uns.project.quantity import Deadband
from uns.project.source import Written
from uns.project.words import DeadbandWords, Deliver
from uns.topic import Topic

__all__ = ["Draft", "amount_of", "draft", "merged", "written_at"]

_DEFAULT_SCAN_S = 1.0
_MERGED = ("alarm", "counter", "deadband", "write")
_EITHER_OR = ("address", "calc")  # a later layer's way to the value replaces an earlier one's


@dataclass(frozen=True, slots=True)
class Draft:
    """What a tag is. `words` is what was written about it, by model attribute."""

    name: str
    words: Mapping[str, Any]
    layers: Layers
    fixed: Mapping[str, Any]  # the fields of Tag that every such machine shares

    def tag(self, topic: Topic, source: Source | None, place: Place) -> Tag:
        """This tag on one machine."""
        return Tag(name=self.name, topic=topic, source=source, place=place, **self.fixed)


def draft(name: str, layers: Layers, was: tuple[str, ...] = ()) -> Draft:
    """Put the layers of words together; checks.py says what is wrong with it."""
    words = merged(layers)
    low, high = words.get("range") or (None, None)
    counter = words.get("counter")
    band: DeadbandWords | None = words.get("deadband")
    fixed = {
        "datatype": _datatype(words),
        "unit": words.get("unit") or "",
        "low": low,
        "high": high,
        "scan_s": words.get("scan") or _DEFAULT_SCAN_S,
        "deliver_every": _is_every(words),
        "deadband": amount_of(band.change if band else None, words),
        "deadband_s": (band.time if band else None) or 0.0,
        "heartbeat_s": words.get("heartbeat"),
        "stale_s": words.get("stale"),
        "is_kept": words.get("store") is not False,
        "is_counter": counter is not None,
        "rollover": counter.rollover if counter else None,
        "states": words.get("states"),
        "alarm": _alarm(words),
        "scale": words.get("scale"),
        "calc": words.get("calc") or "",
        "write": _write_policy(words.get("write")),
        "is_optional": bool(words.get("optional")),
        "desc": words.get("desc") or "",
        "semantic_id": words.get("semantic_id") or "",
        "was": was,
    }
    return Draft(name, words, layers, fixed)


def merged(layers: Layers) -> dict[str, Any]:
    """What the layers say together: mappings merge, everything else is replaced."""
    words: dict[str, Any] = {}
    for layer in layers:
        said = layer.words
        for key in said.model_fields_set:
            value = getattr(said, key)
            if key in _MERGED and value is not None and words.get(key) is not None:
                told = {name: getattr(value, name) for name in value.model_fields_set}
                value = words[key].model_copy(update=told)
            elif key == "connection" and value and words.get("connection"):
                value = {**words["connection"], **value}
            elif key in _EITHER_OR:
                words.pop(_EITHER_OR[1 - _EITHER_OR.index(key)], None)
            words[key] = value
    return words


def written_at(layers: Layers, key: str, *below: str) -> Written:
    """Where the layers say `key` (an attribute of TagWords) last; the first layer if nowhere."""
    for layer in reversed(layers):
        said = getattr(layer.words, key, None) if key in layer.words.model_fields_set else None
        if said is not None and (not below or below[0] in said.model_fields_set):
            return layer.at.at(key.rstrip("_"), *below)
    return layers[0].at


def amount_of(band: Deadband | None, words: Mapping[str, Any]) -> float:
    """How much that is in the tag's unit; a percentage is of its range."""
    if band is None:
        return 0.0
    if not band.is_percent:
        return float(band.amount)
    low, high = words.get("range") or (0.0, 0.0)
    return float(band.amount / 100 * (high - low))


def _alarm(words: Mapping[str, Any]) -> Alarm | None:
    """The limits, or None where there are none."""
    said: AlarmWords | None = words.get("alarm")
    if said is None:
        return None
    back = amount_of(said.hysteresis, words)
    return Alarm(said.lolo, said.lo, said.hi, said.hihi, said.delay or 0.0, back)


def _write_policy(words: WriteWords | None) -> WritePolicy | None:
    """Who may write, or None where nobody may."""
    if words is None:
        return None
    low, high = words.range or (None, None)
    return WritePolicy(tuple(words.roles), low, high, words.every or 0.0, words.readback)


def _datatype(words: Mapping[str, Any]) -> DataType:
    """The type that is written; else what the tag is for decides.

    A counter without a type is Int64, because every PLC's counter fits and none is cut short.
    """
    if words.get("type") is not None:
        return DataType(words["type"])
    if words.get("counter") is not None:
        return DataType.INT64
    return DataType.INT32 if words.get("states") is not None else DataType.FLOAT


def _is_every(words: Mapping[str, Any]) -> bool:
    """Counters and states are never conflated unless somebody says so."""
    chosen = words.get("deliver")
    if chosen is not None:
        return chosen is Deliver.EVERY
    return words.get("counter") is not None or words.get("states") is not None
