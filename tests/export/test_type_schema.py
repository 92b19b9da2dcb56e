"""A type's JSON Schema holds for each of its machines."""

from __future__ import annotations

from typing import Any

import jsonschema_rs

from uns.export.machine_type import MachineType, machine_types
from uns.export.type_schema import type_schema, type_schemas
from uns.project.project import Project


def _type(plant: Project, name: str) -> MachineType:
    return next(one for one in machine_types(plant.machines) if one.name == name)


def _judge(plant: Project, name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(type_schema(_type(plant, name)))


def test_a_machine_as_it_should_be_is_valid(plant: Project) -> None:
    """Good values of all tags that every machine has; an optional one may be absent."""
    judge = _judge(plant, "capper")
    assert judge.is_valid({"speed": 4.5, "recipe": "A"})
    assert not judge.is_valid({"speed": 4.5})
    assert not judge.is_valid({"speed": "fast", "recipe": "A"})


def test_an_override_widens_the_type(plant: Project) -> None:
    """Line 2's filler may run up to 8, so the type allows 8, and no more."""
    judge = _judge(plant, "filler")
    assert judge.is_valid({"speed": 7.5, "good": 12, "mode": "On"})
    assert not judge.is_valid({"speed": 8.5, "good": 12, "mode": "On"})


def test_meaning_goes_with_it(plant: Project) -> None:
    """Units, ancestors and dictionary ids are annotations."""
    schema: dict[str, Any] = type_schema(_type(plant, "filler"))
    assert ["machine"] == schema["x-extends"]
    assert "0173-1#01-AKE123#001" == schema["x-semantic-id"]
    speed = schema["properties"]["speed"]["anyOf"]
    assert {("m/s", "0173-1#02-ABC123#001")} == {(s["x-unit"], s["x-semantic-id"]) for s in speed}


def test_every_type_is_a_schema(aurora: Project, plant: Project) -> None:
    """All types of our projects are valid 2020-12, alone and in one document."""
    for project in (aurora, plant):
        types = machine_types(project.machines)
        for one in types:
            jsonschema_rs.meta.validate(type_schema(one))
        document = type_schemas(types)
        jsonschema_rs.meta.validate(document)
        assert [one.name for one in types] == list(document["$defs"])
