"""Sentence: what a refusal says: what breaks, where, by which document, and what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from uns.schema.evolution.claim import Label

__all__ = ["sentence"]

_LONGEST = 120

# Keyword → what its readers refuse, and what to do instead.
_ADVICE: Final[Mapping[str, tuple[str, str]]] = {
    "type": ("a value of another type", "keep the type, or add a field of a new name"),
    "enum": ("a value that is not listed", "keep every value in the list"),
    "const": ("another value", "keep the value, or list both"),
    "required": ("a document without the field", "make it optional or give it a default"),
    "minimum": ("a lower value", "keep the lower limit or widen it"),
    "exclusiveMinimum": ("a lower value", "keep the lower limit or widen it"),
    "maximum": ("a higher value", "keep the upper limit or widen it"),
    "exclusiveMaximum": ("a higher value", "keep the upper limit or widen it"),
    "multipleOf": ("a value between the steps", "keep the step or one that divides it"),
    "minLength": ("a shorter text", "keep the length or allow shorter texts"),
    "maxLength": ("a longer text", "keep the length or allow longer texts"),
    "pattern": ("a text that does not match", "keep the pattern or drop it"),
    "minItems": ("a shorter list", "allow as few elements as before"),
    "maxItems": ("a longer list", "allow as many elements as before"),
    "uniqueItems": ("a list with equal elements", "drop uniqueItems"),
    "contains": ("a list without such an element", "drop contains or keep what it was"),
    "minProperties": ("an object with fewer fields", "allow as few fields as before"),
    "maxProperties": ("an object with more fields", "allow as many fields as before"),
    "propertyNames": ("a field of that name", "allow the names that were allowed before"),
    "false": ("any value at all", "allow it: this reader takes no further fields or elements"),
    "anyOf": ("a value that fits no branch", "keep the branches and add new ones beside them"),
    "oneOf": ("a value that fits no branch or two", "keep the branches distinct, or use anyOf"),
    "not": ("a value that is excluded", "exclude no more than before"),
    "if": ("a value under this condition", "keep the condition as it was"),
}
_OTHER = ("a document that was allowed", "keep the keyword as it was")


def sentence(label: Label, by: tuple[str, str], document: Any) -> str:
    """Return the sentence of a refusal; `by` names the writer's schema and the reader's."""
    writer, reader = by
    what, advice = _ADVICE.get(label.rule, _OTHER)
    shown = json.dumps(document, ensure_ascii=False)
    shown = shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"
    return (
        f"{label.pointer or '/'} of the {reader} schema refuses {what}, "
        f"which the {writer} schema allows: {shown}; {advice}"
    )
