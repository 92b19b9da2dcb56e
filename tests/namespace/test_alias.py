"""A former topic shows what the new one shows, until its day; then it is gone."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from uns.namespace import Alias, Namespace

NEW = "acme/leeds/packaging/line1/filler"
OLD = "acme/leeds/old_hall/line1/filler"
UNTIL = date(2026, 1, 31)
NAMES = ("bowl_pressure", "good", "_state")
DAY_MS = 86_400_000


@pytest.fixture
def moved(plant_class):
    """The filler, which stood elsewhere before."""
    plant = plant_class()
    aliases = [Alias(f"{OLD}/{name}", f"{NEW}/{name}", UNTIL) for name in NAMES]
    plant.namespace = Namespace("acme", [plant.machine], aliases=aliases)
    return plant


def _same(plant) -> bool:
    return all(plant.shown[f"{OLD}/{name}"] == plant.shown[f"{NEW}/{name}"] for name in NAMES)


def test_a_former_topic_shows_what_the_new_one_does(moved) -> None:
    """Births, values at either QoS, and deaths reach both topics with the same payload."""
    moved.born({"bowl_pressure": 3.5, "good": 7})
    assert _same(moved)
    moved.data("bowl_pressure", 3.6)
    moved.data("good", 8)
    assert _same(moved)
    assert 3.6 == moved.shown[f"{OLD}/bowl_pressure"]["value"]
    moved.died()
    assert _same(moved)
    assert "Stale" == moved.shown[f"{OLD}/good"]["detail"]


def test_everything_and_the_last_words_reach_it_too(moved) -> None:
    """A broker that lost its memory is told again, and a stop leaves nothing live."""
    moved.born({"bowl_pressure": 3.5, "good": 7})
    moved.shown.clear()
    moved.take(moved.namespace.everything())
    assert _same(moved)
    moved.take(moved.namespace.stopping(moved.now))
    assert "Uncertain" == moved.shown[f"{OLD}/bowl_pressure"]["quality"]


def test_its_definition_says_where_it_has_moved(moved) -> None:
    """Readers find the new topic and the last day in `_meta`."""
    metas = {m.topic: json.loads(m.payload) for m in moved.namespace.definitions()}
    said = metas[f"{OLD}/good/_meta"]
    assert {"moved_to": f"{NEW}/good", "until": "2026-01-31"} == said["deprecated"]
    assert metas[f"{NEW}/good/_meta"]["schema"] == said["schema"]


def test_the_last_value_moves_along(moved) -> None:
    """What a broker kept on the former topic is what is known of the tag, until its birth."""
    payload = {"value": 3.5, "quality": "Good", "timestamp": "2026-01-08T10:30:00.000Z"}
    moved.namespace.remembered(f"{OLD}/bowl_pressure", json.dumps(payload).encode(), moved.now)
    assert 0 == moved.namespace.counts.ghosts
    moved.namespace.started(moved.now)
    moved.tick(6_000)
    for place in (OLD, NEW):
        shown = moved.shown[f"{place}/bowl_pressure"]
        assert (3.5, "Stale") == (shown["value"], shown["detail"])


def test_it_ends_after_its_day(moved) -> None:
    """The day itself still counts; then topic and definition are removed, once."""
    moved.born({"bowl_pressure": 3.5, "good": 7})
    list(moved.namespace.definitions())
    end = int(datetime(2026, 2, 1, tzinfo=UTC).timestamp() * 1000)
    assert [] == moved.namespace.tick(end - 1).messages
    cleared = moved.namespace.tick(end).messages
    assert {f"{OLD}/{name}" for name in ("good", "good/_meta")} <= {m.topic for m in cleared}
    assert {b""} == {m.payload for m in cleared}
    assert {(1, True)} == {(m.qos, m.retain) for m in cleared}
    assert [] == moved.namespace.tick(end + DAY_MS).messages
    moved.log.clear()
    moved.data("good", 9)
    assert [f"{NEW}/good"] == [topic for topic, _ in moved.log]


def test_a_topic_that_was_given_up_is_cleared_where_it_is_found(plant_class) -> None:
    """What a service of the former project showed after it was cleared goes at the next start."""
    plant = plant_class()
    given_up = [Alias(f"{OLD}/{name}", "", UNTIL) for name in ("speed", "_state", "never")]
    plant.namespace = Namespace("acme", [plant.machine], aliases=given_up)
    for topic in ("speed", "speed/_meta", "_state", "other"):
        plant.namespace.remembered(f"{OLD}/{topic}", b'{"value":1}', plant.now)
    cleared = plant.namespace.tick(plant.now).messages
    assert {f"{OLD}/{name}": b"" for name in ("speed", "speed/_meta", "_state")} == {
        m.topic: m.payload for m in cleared
    }
    assert [] == plant.namespace.tick(plant.now).messages


def test_an_alias_never_speaks_for_a_tag_that_is_there(plant_class) -> None:
    """A former topic that has a tag again is that tag's; one without a new topic is nobody's."""
    plant = plant_class()
    aliases = [
        Alias(f"{NEW}/good", f"{NEW}/level", UNTIL),
        Alias(f"{OLD}/good", f"{NEW}/nothing", UNTIL),
    ]
    plant.namespace = Namespace("acme", [plant.machine], aliases=aliases)
    plant.born({"good": 7, "level": 0.5})
    assert 7 == plant.at("good")["value"]
    assert not any(topic.startswith(OLD) for topic, _ in plant.log)
