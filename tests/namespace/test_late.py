"""Values that were late on their way have a topic of their own, and never touch what is shown."""

from __future__ import annotations

import json
from datetime import date

from uns.metric import Quality
from uns.namespace import Alias, Namespace

FILLER = "acme/leeds/packaging/line1/filler"


def _told(out):
    """What goes out as late, by topic."""
    return [(topic.decode(), json.loads(payload)) for topic, payload in out.late]


def test_a_late_value_has_the_payload_it_would_have_had(born) -> None:
    """Value, quality, its own time, unit: on `<tag>/_history`, and nothing on the tag's topic."""
    out = born.data("bowl_pressure", 1.5, at=born.now - 60_000, is_historical=True)
    payload = {"value": 1.5, "quality": "Good", "timestamp": "2026-01-08T10:29:00.123Z"}
    assert [(f"{FILLER}/bowl_pressure/_history", payload | {"unit": "bar"})] == _told(out)
    assert ([], []) == (out.values, out.messages)
    assert b"3.5" == born.namespace.find(f"{FILLER}/bowl_pressure").text


def test_a_late_value_of_what_must_not_be_missed_is_acknowledged(born) -> None:
    """`deliver: every` means QoS 1 for late ones too; they are never retained."""
    out = born.data("good", 6, at=born.now - 60_000, is_historical=True)
    (message,) = out.messages
    assert (f"{FILLER}/good/_history", 1, False) == (message.topic, message.qos, message.retain)
    assert [] == out.late


def test_late_values_are_judged_like_live_ones(born) -> None:
    """Range, states, the source's doubts, NaN: the same words as on the tag's topic."""
    at = born.now - 60_000
    cases = [
        ("bowl_pressure", 9.0, Quality.GOOD, (9.0, "Uncertain", "Range")),
        ("bowl_pressure", 1.0, Quality.UNCERTAIN, (1.0, "Uncertain", "Source")),
        ("bowl_pressure", 1.0, Quality.STALE, (1.0, "Uncertain", "Stale")),
        ("bowl_pressure", None, Quality.BAD, (None, "Bad", "Source")),
        ("bowl_pressure", float("nan"), Quality.GOOD, (None, "Bad", "NaN")),
        ("state", 2, Quality.GOOD, ("Stopped", "Good", None)),
        ("state", 99, Quality.GOOD, ("99", "Uncertain", "State")),
    ]
    for name, value, quality, expected in cases:
        out = born.data(name, value, quality, at=at, is_historical=True)
        ((topic, said),) = _told(out)
        assert f"{FILLER}/{name}/_history" == topic
        assert expected == (said["value"], said["quality"], said.get("detail"))


def test_a_late_value_of_the_wrong_type_is_set_aside(born) -> None:
    """It is Bad in the history, and in quarantine with its value; what is shown stays Good."""
    out = born.data("bowl_pressure", "high", at=born.now - 1, is_historical=True)
    assert ("Bad", "Schema") == (_told(out)[0][1]["quality"], _told(out)[0][1]["detail"])
    assert [f"acme/_quarantine/{FILLER}/bowl_pressure"] == [m.topic for m in out.messages]
    assert "Good" == born.namespace.find(f"{FILLER}/bowl_pressure").quality


def test_a_value_that_newer_ones_overtook_is_told_as_late(born) -> None:
    """Not marked as historical, but older than what is shown: it is not lost either."""
    out = born.data("bowl_pressure", 1.0, at=born.now - 1)
    assert [1.0] == [said["value"] for _, said in _told(out)]
    assert 3.5 == json.loads(born.namespace.find(f"{FILLER}/bowl_pressure").text)


def test_late_values_of_nobody_are_told_to_nobody(born) -> None:
    """A metric without a place on the tree has none for its past."""
    born.slots["bowl_pressure"].binding = None
    out = born.data("bowl_pressure", 1.0, is_historical=True)
    assert ([], []) == (out.late, out.messages)


def test_a_former_topic_has_a_history_too(plant) -> None:
    """Whoever still reads the old place misses nothing until its day."""
    old = "acme/leeds/old_hall/line1/filler"
    aliases = [
        Alias(f"{old}/{name}", f"{FILLER}/{name}", date(2027, 1, 1))
        for name in ("bowl_pressure", "good")
    ]
    plant.namespace = Namespace("acme", [plant.machine], aliases=aliases)
    plant.born({"bowl_pressure": 3.5, "good": 7})
    out = plant.data("bowl_pressure", 1.0, at=plant.now - 1, is_historical=True)
    assert [f"{FILLER}/bowl_pressure/_history", f"{old}/bowl_pressure/_history"] == [
        topic for topic, _ in _told(out)
    ]
    out = plant.data("good", 6, at=plant.now - 1, is_historical=True)
    assert [f"{FILLER}/good/_history", f"{old}/good/_history"] == [m.topic for m in out.messages]
