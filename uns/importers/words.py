"""Words: what a type says of a tag, out of what the file says of it on each machine."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from uns.importers.family import Family
from uns.importers.found import FoundTag
from uns.metric import DataType

__all__ = ["WRITER", "clean", "common_words", "differing_words", "own_words", "said_of"]

WRITER = "operator"  # files say that a tag can be written, not by whom
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]+")
_TOKEN = re.compile(r"[0-9]+|[^\W\d_]+|[\W_]+")


def own_words(tag: FoundTag) -> dict[str, Any]:
    """What the file says of one tag, but for its address and its description."""
    words: dict[str, Any] = {}
    if tag.datatype not in (None, DataType.FLOAT):
        words["type"] = tag.datatype.label
    if tag.unit:
        words["unit"] = tag.unit
    if tag.span:
        words["range"] = list(tag.span)
    if tag.deadband and (tag.span or not tag.deadband.endswith("%")):
        is_percent = tag.deadband.endswith("%")
        words["deadband"] = tag.deadband if is_percent else float(tag.deadband)
    if tag.scan:
        words["scan"] = tag.scan
    if tag.scale:
        words["scale"] = list(tag.scale)
    if tag.is_writable:
        words["write"] = {"roles": [WRITER]}
    return words


def said_of(tag: FoundTag) -> tuple[str, ...]:
    """All that was guessed of a tag."""
    return (*tag.guesses, f"`{WRITER}` may write it") if tag.is_writable else tag.guesses


def common_words(family: Family, name: str) -> dict[str, Any]:
    """What most machines of a family say of the tag `name`, with its description."""
    tags = [machine.tags[name] for machine in family.machines if name in machine.tags]
    all_words = [own_words(tag) for tag in tags]
    counted = Counter(repr(words) for words in all_words)
    words = next(one for one in all_words if repr(one) == counted.most_common(1)[0][0])
    if name in family.optional:
        words["optional"] = True
    if desc := _shared_text([clean(tag.desc) for tag in tags]):
        words["desc"] = desc
    return words


def differing_words(family: Family) -> dict[int, dict[str, dict[str, Any]]]:
    """In which words a machine's tags are not what the type says; by machine and tag."""
    common = {name: common_words(family, name) for name in family.tags}
    found: dict[int, dict[str, dict[str, Any]]] = {}
    for place, machine in enumerate(family.machines):
        for name, tag in machine.tags.items():
            if other := _difference(own_words(tag), common[name]):
                found.setdefault(place, {})[name] = other
    return found


def _difference(own: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    keys = [key for key in dict.fromkeys((*own, *common)) if key not in ("optional", "desc")]
    return {key: own.get(key) for key in keys if own.get(key) != common.get(key)}


def _shared_text(texts: Sequence[str]) -> str:
    """What all texts say: `Filler 1 speed` and `Filler 2 speed` say `Filler speed`."""
    if len(set(texts)) == 1:
        return texts[0]
    rows = [_TOKEN.findall(text) for text in texts]
    if len({len(row) for row in rows}) > 1:
        return next(text for text in texts if text)
    kept = [tokens[0] for tokens in zip(*rows, strict=True) if len(set(tokens)) == 1]
    return re.sub(r"\s+", " ", "".join(kept)).strip(" -_:,;.#/") or texts[0]


def clean(text: str) -> str:
    """`text` on one line and without what no file may hold."""
    return _CONTROL.sub(" ", text).strip()
