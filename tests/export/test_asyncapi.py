"""AsyncAPI 3: what is described is what a subscriber meets."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from uns.export.asyncapi import asyncapi
from uns.project.project import Project

NODE_MODULES = Path(os.environ.get("UNS_NODE_MODULES", "node_modules")).absolute()
PUBLISHED = NODE_MODULES / "@asyncapi/specs/schemas/3.0.0.json"
NOW = "2026-01-08T10:30:00.123Z"


@pytest.fixture(scope="session")
def document(plant: Project) -> dict[str, Any]:
    """The plant of tests/cases/export."""
    return asyncapi(plant, plant.machines)


def _addresses(document: dict[str, Any]) -> Iterator[str]:
    """Every topic that the channels' parameters come to."""
    for channel in document["channels"].values():
        parameters = channel.get("parameters", {})
        for values in itertools.product(*(one["enum"] for one in parameters.values())):
            yield channel["address"].format(**dict(zip(parameters, values, strict=True)))


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for one in part:
            yield from _references(one)
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for one in part.values():
            yield from _references(one)


def _judge(document: dict[str, Any], name: str) -> jsonschema_rs.Draft7Validator:
    return jsonschema_rs.Draft7Validator(document["components"]["schemas"][name])


@pytest.mark.skipif(
    not PUBLISHED.exists(),
    reason="npm package @asyncapi/specs is not installed in UNS_NODE_MODULES",
)
def test_it_is_valid_by_the_published_schema(
    document: dict[str, Any], plant: Project, aurora: Project
) -> None:
    """The initiative's own JSON Schema of AsyncAPI 3.0.0 finds nothing wrong."""
    judge = jsonschema_rs.Draft7Validator(json.loads(PUBLISHED.read_text()))
    for made in (document, asyncapi(aurora, aurora.machines)):
        assert [] == [(list(e.instance_path), e.message) for e in judge.iter_errors(made)]
    assert not judge.is_valid({**document, "asyncapi": "2.6.0"})


def test_every_topic_of_a_value_is_described(document: dict[str, Any], plant: Project) -> None:
    """The channels' addresses are the topics of the project's tags, no more and no less."""
    topics = {tag.topic.text for machine in plant.machines for tag in machine.tags}
    values = {text for text in _addresses(document) if not text.endswith("/_state")}
    assert topics == values


def test_places_that_do_not_combine_are_told(aurora: Project) -> None:
    """Leeds has three lines and Porto two: the third of Porto is not promised."""
    made = asyncapi(aurora, aurora.machines)
    channel = made["channels"]["filler.bowl_pressure"]
    assert "aurora/{site}/packaging/{line}/filler/bowl_pressure" == channel["address"]
    assert ["leeds", "porto"] == channel["parameters"]["site"]["enum"]
    assert "Not every combination of the parameters exists." == channel["description"]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """All `$ref` are inside the document and resolve; names of components are allowed ones."""
    for reference in _references(document):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
    for below in document["components"].values():
        assert all(re.fullmatch(r"[\w.-]+", name) for name in below)


def test_payloads_are_what_comes(document: dict[str, Any]) -> None:
    """Good, stale and bad values are valid; a wrong unit, or Good beyond the range, is not."""
    judge = _judge(document, "filler.speed")
    good = {"value": 7.5, "quality": "Good", "timestamp": NOW, "unit": "m/s"}
    bad = {"value": None, "quality": "Bad", "timestamp": NOW, "unit": "m/s", "detail": "NaN"}
    assert judge.is_valid(good)
    assert judge.is_valid({**good, "value": 99, "quality": "Uncertain", "detail": "Range"})
    assert judge.is_valid(bad)
    assert not judge.is_valid({**good, "value": 8.5})
    assert not judge.is_valid({**good, "unit": "km/h"})


def test_counters_are_delivered_each(document: dict[str, Any]) -> None:
    """QoS 1 for what is delivered every time, 0 for the newest value; retained, both."""
    mqtt = {name: one["bindings"]["mqtt"] for name, one in document["operations"].items()}
    assert (1, True) == (mqtt["filler.good"]["qos"], mqtt["filler.good"]["retain"])
    assert (0, True) == (mqtt["filler.speed"]["qos"], mqtt["filler.speed"]["retain"])


def test_passwords_stay_at_home(document: dict[str, Any]) -> None:
    """A broker is told by host and port, without who logs in there."""
    assert {"host": "broker.example:1883", "protocol": "mqtt", "protocolVersion": "5.0"} == (
        document["servers"]["site"]
    )
    assert "secret" not in json.dumps(document)


def test_the_version_is_a_checksum(document: dict[str, Any], plant: Project) -> None:
    """The same project is the same document; another part of it has another version."""
    assert document == asyncapi(plant, plant.machines)
    part = asyncapi(plant, plant.machines[:1])
    assert document["info"]["version"] != part["info"]["version"]
    assert document["info"]["title"] == part["info"]["title"] == "Unified Namespace of acme"


def test_no_machines_are_no_channels(plant: Project) -> None:
    """A project that has not come so far is a document without channels, not a crash."""
    made = asyncapi(plant, ())
    assert "channels" not in made
    assert "acme" in made["info"]["title"]
