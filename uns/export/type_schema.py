"""A machine type as JSON Schema (2020-12): the machine as one object of Good values."""

from __future__ import annotations

from collections.abc import Iterable

from uns.equipment import Tag
from uns.export.machine_type import MachineType, TypeTag
from uns.schema.value import DIALECT, JsonSchema, value_schema

__all__ = ["tag_schema", "type_schema", "type_schemas"]


def type_schemas(types: Iterable[MachineType]) -> JsonSchema:
    """All of them in one document, by name: `#/$defs/filler`."""
    below = {one.name: type_schema(one) for one in types}
    for schema in below.values():
        del schema["$schema"]
    return {"$schema": DIALECT, "$defs": below}


def type_schema(one: MachineType) -> JsonSchema:
    """What every machine of the type obeys, whatever its overrides say."""
    schema: JsonSchema = {"$schema": DIALECT, "title": one.title, "type": "object"}
    if one.ancestors:
        schema["x-extends"] = list(one.ancestors)
    if one.semantic_id:
        schema["x-semantic-id"] = one.semantic_id
    schema["properties"] = {tag.name: tag_schema(tag) for tag in one.tags}
    schema["required"] = [tag.name for tag in one.tags if tag.is_everywhere]
    return schema


def tag_schema(tag: TypeTag) -> JsonSchema:
    """A Good value of a tag; where machines differ, any of theirs."""
    forms: list[JsonSchema] = []
    for variant in tag.variants:
        form = _form(variant)
        if form not in forms:
            forms.append(form)
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def _form(tag: Tag) -> JsonSchema:
    schema = value_schema(tag)
    return {**schema, "x-semantic-id": tag.semantic_id} if tag.semantic_id else schema
