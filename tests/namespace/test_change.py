"""A project that changes while its tree is alive."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from uns.equipment import Machine, SparkplugId, Tag
from uns.metric import DataType
from uns.namespace import ForeignRule
from uns.project.template import Template
from uns.sparkplug.events import Born
from uns.sparkplug.names import NodeId
from uns.topic import Topic

PLACE = "acme/leeds/packaging/line1/filler"
GONE = "it is not part of the project any more"


def changed(plant: Any, *machines: Machine) -> None:
    """The project has these machines now."""
    plant.log.clear()
    plant.take(plant.namespace.change(list(machines), (), (), (), plant.now))
    plant.machine = machines[0] if machines else plant.machine


def with_tag(machine: Machine, name: str, **words: Any) -> Machine:
    """The machine with one tag defined otherwise."""
    tags = tuple(replace(tag, **words) if tag.name == name else tag for tag in machine.tags)
    return replace(machine, tags=tags)


def topics(plant: Any) -> set[str]:
    return {topic.removeprefix(f"{PLACE}/") for topic, _ in plant.log}


def test_what_is_equal_is_not_said_again(born: Any) -> None:
    """The same project again publishes nothing, and values go on as before."""
    changed(born, replace(born.machine))
    assert [] == born.log
    born.data("bowl_pressure", 3.6)
    assert 3.6 == born.at("bowl_pressure")["value"]


def test_a_value_is_judged_by_the_rules_that_hold_now(born: Any) -> None:
    """Another range is another verdict at once; the neighbours of the tag are left alone."""
    changed(born, with_tag(born.machine, "bowl_pressure", high=3))
    assert ("Uncertain", "Range") == (
        born.at("bowl_pressure")["quality"],
        born.at("bowl_pressure")["detail"],
    )
    assert {"_meta", "bowl_pressure", "bowl_pressure/_meta"} == topics(born)
    assert [0, 3] == born.at("bowl_pressure/_meta")["range"]


def test_a_value_never_gets_another_unit(born: Any) -> None:
    """In another unit the old number is none, until a birth has told the new one."""
    changed(born, with_tag(born.machine, "bowl_pressure", unit="kPa", high=600))
    shown = born.at("bowl_pressure")
    assert (None, "GoodNoData", "kPa") == (shown["value"], shown["quality"], shown["unit"])
    born.data("bowl_pressure", 3.6)
    assert None is born.at("bowl_pressure")["value"]
    born.born({"bowl_pressure": 350.0})
    assert (350.0, "kPa") == (born.at("bowl_pressure")["value"], born.at("bowl_pressure")["unit"])


def test_a_tag_that_leaves_is_shown_as_stale_for_the_last_time(born: Any) -> None:
    """Its last value stays and looks live no more; what its source says of it is ignored."""
    tags = tuple(tag for tag in born.machine.tags if tag.name != "level")
    changed(born, replace(born.machine, tags=tags))
    assert (0.1, "Stale") == (born.at("level")["value"], born.at("level")["detail"])
    born.log.clear()
    born.data("level", 0.2)
    assert [] == born.log
    born.data("bowl_pressure", 3.6)
    assert 3.6 == born.at("bowl_pressure")["value"]


def test_a_tag_that_comes_is_defined_and_waits_for_its_birth(born: Any) -> None:
    """`_meta` at once, no data when nothing has told it, its value with the next birth."""
    tag = Tag("torque", Topic(f"{PLACE}/torque"), unit="N.m")
    changed(born, replace(born.machine, tags=(*born.machine.tags, tag)))
    assert "N.m" == born.at("torque/_meta")["unit"]
    born.born({"bowl_pressure": 3.5, "torque": 1.5})
    assert 1.5 == born.at("torque")["value"]


def test_a_birth_may_be_ahead_of_the_project(born: Any) -> None:
    """A metric that named its topic was a guest there; the project's tag takes over its value."""
    slot = born.slot("torque", 1.5)
    slot.properties = {"uns": f"{PLACE}/torque", "engUnit": "N.m"}
    slots = (*born.slots.values(), slot)
    event = Born(NodeId("acme:leeds", "packaging:line1"), "filler", slots, born.now)
    born.take(born.namespace.apply(event, born.now))
    assert 1.5 == born.at("torque")["value"]
    tag = Tag("torque", Topic(f"{PLACE}/torque"), unit="N.m", low=0, high=1)
    changed(born, replace(born.machine, tags=(*born.machine.tags, tag)))
    assert "Range" == born.at("torque")["detail"]
    born.slots["torque"] = slot
    born.data("torque", 0.5)
    assert (0.5, "Good") == (born.at("torque")["value"], born.at("torque")["quality"])


def test_a_machine_that_leaves_is_offline_and_its_line_too(born: Any) -> None:
    """Its values are stale, its state and that of a line without machines say why."""
    changed(born)
    assert ("offline", GONE) == (born.at("_state")["state"], born.at("_state")["reason"])
    assert "offline" == born.shown["acme/leeds/packaging/line1/_state"]["state"]
    assert "Stale" == born.at("bowl_pressure")["detail"]
    assert 0 == born.namespace.topics
    changed(born, born.machine)
    born.born({"bowl_pressure": 3.7})
    assert (3.7, "online") == (born.at("bowl_pressure")["value"], born.at("_state")["state"])


def test_a_machine_that_comes_is_there_once_it_is_born(born: Any) -> None:
    """Beside the filler, which is not said again, a capper is defined, then born."""
    place = Topic("acme/leeds/packaging/line1/capper")
    tag = Tag("torque", place.child("torque"), DataType.FLOAT)
    ids = SparkplugId("acme:leeds", "packaging:line1", "capper")
    capper = Machine(place, "capper", 1, ("capper",), (tag,), ids)
    changed(born, born.machine, capper)
    assert {f"{place}/_meta", f"{place}/torque/_meta"} == {topic for topic, _ in born.log}
    event = Born(
        NodeId("acme:leeds", "packaging:line1"), "capper", (born.slot("torque", 2.0),), born.now
    )
    born.take(born.namespace.apply(event, born.now))
    assert 2.0 == born.shown[f"{place}/torque"]["value"]


@pytest.mark.parametrize("line", ["line1", "line2"])
def test_a_machine_that_nobody_reads_has_no_data_after_the_grace(born: Any, line: str) -> None:
    """What came and was not born is offline soon, on a known line or a new one."""
    place = Topic(f"acme/leeds/packaging/{line}/capper")
    tag = Tag("torque", place.child("torque"))
    ids = SparkplugId("acme:leeds", f"packaging:{line}", "capper")
    changed(born, born.machine, Machine(place, "capper", 1, ("capper",), (tag,), ids))
    born.tick(6_000)
    assert "GoodNoData" == born.shown[f"{place}/torque"]["quality"]
    assert "stale" == born.shown[f"{place}/_state"]["state"]
    assert "Good" == born.at("bowl_pressure")["quality"]


def rule(base: str) -> ForeignRule:
    return ForeignRule(
        "oven", re.compile("oven/.*"), Template.parse(base), Template.parse("{metric}")
    )


def test_other_rules_give_foreign_devices_another_place(born: Any) -> None:
    """With its next birth, for which its edge node is asked, an oven moves; nothing looks live twice."""
    node = NodeId("oven", "edge")
    for base in ("leeds/hall1/oven", "leeds/hall2/oven"):
        born.take(born.namespace.change([], [rule(base)], (), (), born.now))
        born.take(born.namespace.apply(Born(node, "", (), born.now), born.now))
        assert [node] == born.namespace.nodes_foreign
        slot = born.slot("heat", 180.0)
        born.take(born.namespace.apply(Born(node, "a", (slot,), born.now), born.now))
        assert (180.0, "Good") == tuple(
            born.shown[f"acme/{base}/heat"][word] for word in ("value", "quality")
        )
    assert "Stale" == born.shown["acme/leeds/hall1/oven/heat"]["detail"]
