"""The tree: births, deaths, old values, and everything that must not look live."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uns.equipment import Machine, SparkplugId, Tag
from uns.metric import DataType, Quality
from uns.namespace import Namespace, Output
from uns.sparkplug.events import Born, Died, Problem
from uns.sparkplug.names import NodeId
from uns.sparkplug.slot import Slot
from uns.topic import Topic

FILLER = "acme/leeds/packaging/line1/filler"
GRACE_MS = 5_000


def test_a_birth_shows_every_value_it_carries(plant) -> None:
    """Values of a birth are published like any others."""
    plant.born({"bowl_pressure": 3.5, "state": 6})
    assert [plant.at("bowl_pressure")["value"], plant.at("state")["value"]] == [3.5, "Execute"]


def test_a_declared_tag_that_the_birth_lacks_has_no_data(plant) -> None:
    """A subscriber sees that the tag exists and that nothing feeds it."""
    plant.born({"bowl_pressure": 3.5})
    assert {"value": None, "quality": "GoodNoData"}.items() <= plant.at("recipe").items()


def test_a_tag_that_a_later_birth_lacks_is_stale(born) -> None:
    """What a device no longer has does not stay Good."""
    born.born({"state": 6})
    assert [born.at("recipe")[k] for k in ("quality", "detail")] == ["Uncertain", "Stale"]


def test_values_go_out_retained_at_qos_0_and_what_must_not_be_missed_at_qos_1(born) -> None:
    """`deliver: every` is a promise to consumers; the rest is superseded by the next value."""
    values = born.data("bowl_pressure", 4.0)
    every = born.data("good", 8)
    assert ([f"{FILLER}/bowl_pressure".encode()], []) == (
        [topic for topic, _ in values.values],
        values.messages,
    )
    assert every.values == []
    assert [(f"{FILLER}/good", 1, True)] == [(m.topic, m.qos, m.retain) for m in every.messages]


@pytest.mark.parametrize("device_id", ["filler", None])
def test_a_death_makes_every_value_stale_and_keeps_its_time(born, device_id) -> None:
    """Device or edge node: at once, with the value and time that were last known."""
    when = born.at("bowl_pressure")["timestamp"]
    born.now += 60_000
    born.died(device_id)
    seen = born.at("bowl_pressure")
    assert [3.5, "Uncertain", when, "bar", "Stale"] == list(seen.values())
    assert born.namespace.topics_live == 0


def test_a_death_says_it_once(born) -> None:
    """A second death of the same device changes nothing and publishes nothing."""
    born.died()
    assert (born.died().values, born.died().messages) == ([], [])


def test_data_after_a_death_show_nothing(born) -> None:
    """Only a new birth makes a value live again."""
    born.died()
    born.log.clear()
    born.data("bowl_pressure", 4.0)
    assert born.log == []
    born.born({"bowl_pressure": 4.5})
    assert [born.at("bowl_pressure")[k] for k in ("value", "quality")] == [4.5, "Good"]


def test_a_value_the_source_calls_stale_keeps_its_time(born) -> None:
    """The bridge lost its PLC: the value is the last known, from when it was known."""
    when = born.at("bowl_pressure")["timestamp"]
    born.now += 5000
    born.data("bowl_pressure", 3.5, Quality.STALE)
    assert [3.5, "Uncertain", when, "bar", "Stale"] == list(born.at("bowl_pressure").values())


def test_a_stale_value_that_was_not_shown_before_is_shown(plant) -> None:
    """A birth while the PLC is away carries what the bridge last knew."""
    plant.born({"bowl_pressure": 2.5}, quality=Quality.STALE)
    assert [plant.at("bowl_pressure")[k] for k in ("value", "detail")] == [2.5, "Stale"]


def test_the_source_s_own_word_for_a_poor_value_is_kept(born) -> None:
    """What a sensor says of itself reaches the consumer."""
    born.slots["bowl_pressure"].detail = "SensorFailure"
    born.data("bowl_pressure", None, Quality.BAD)
    assert [born.at("bowl_pressure")[k] for k in ("value", "quality", "detail")] == [
        None,
        "Bad",
        "SensorFailure",
    ]


def test_history_never_replaces_what_is_shown(born) -> None:
    """Values that were late on their way are for the history."""
    born.data("bowl_pressure", 1.0, at=born.now + 1, is_historical=True)
    born.data("bowl_pressure", 1.0, at=born.now - 1)
    assert born.at("bowl_pressure")["value"] == 3.5
    assert born.namespace.counts.late == 2


def test_a_clock_that_was_set_back_does_not_freeze_a_value(born) -> None:
    """After five seconds, older times from a living source are taken as its new time."""
    born.now += GRACE_MS
    born.data("bowl_pressure", 1.0, at=1000)
    assert [born.at("bowl_pressure")[k] for k in ("value", "timestamp")] == [
        1.0,
        "1970-01-01T00:00:01.000Z",
    ]


def test_a_birth_replaces_even_a_newer_time(born) -> None:
    """A birth is how things are, whatever its clock says."""
    born.died()
    born.now -= 3_600_000
    born.born({"bowl_pressure": 1.0})
    assert born.at("bowl_pressure")["value"] == 1.0


def test_states_are_told_of_machines_and_lines(plant) -> None:
    """Online with a birth, offline with a death of its own, stale with its bridge's."""
    plant.take(plant.namespace.apply(Born(NodeId("acme:leeds", "packaging:line1"), "", (), 0), 0))
    plant.born({"state": 6})
    assert _states(plant) == ["online", "online"]
    plant.died()
    assert _states(plant) == ["online", "offline"]
    assert plant.at("_state")["reason"] == "cut off"
    plant.born({"state": 6})
    plant.died(None)
    assert _states(plant) == ["offline", "stale"]


def test_a_state_keeps_since_when(born) -> None:
    """`since` is when it became so, not when it was last said."""
    since = born.at("_state")["since"]
    born.now += 1000
    born.born({"state": 6})
    assert since == born.at("_state")["since"]


def test_definitions_are_published_at_the_start(plant) -> None:
    """Anybody can read what a topic means from the tree itself."""
    out = plant.take(Output([], list(plant.namespace.definitions())))
    assert {(1, True)} == {(m.qos, m.retain) for m in out.messages}
    meta = plant.at("bowl_pressure/_meta")
    assert [meta[k] for k in ("type", "unit", "range", "machine_type")] == [
        "Float",
        "bar",
        [0, 6],
        "filler/2",
    ]
    assert meta["sparkplug"]["metric"] == "bowl_pressure"
    assert meta["schema"] == {"type": "number", "minimum": 0, "maximum": 6, "x-unit": "bar"}
    assert plant.at("state/_meta")["states"] == {"2": "Stopped", "6": "Execute"}
    assert [plant.at("_meta")[k] for k in ("kind", "type", "version")] == ["machine", "filler", 2]


def test_values_of_a_former_life_that_nobody_claims_become_stale(plant) -> None:
    """A retained Good value from before a restart does not look live for long."""
    plant.namespace.started(plant.now)
    _remember(plant, "bowl_pressure", b'{"value":2.50,"quality":"Good","timestamp":"2026-01-08T10:00:00.000Z","unit":"bar"}')  # fmt: skip
    assert _published(plant.tick(GRACE_MS - 1)) == ([], [])
    plant.tick(1)
    assert list(plant.at("bowl_pressure").values()) == [
        2.5,
        "Uncertain",
        "2026-01-08T10:00:00.000Z",
        "bar",
        "Stale",
    ]
    assert plant.at("recipe")["quality"] == "GoodNoData"
    assert plant.at("_state")["state"] == "stale"


def test_values_of_a_former_life_give_way_to_a_birth(plant) -> None:
    """A machine that is there after a restart is shown as it is, and not marked stale."""
    plant.namespace.started(plant.now)
    _remember(plant, "bowl_pressure", b'{"value":2.5,"quality":"Good","timestamp":"2099-01-08T10:00:00.000Z"}')  # fmt: skip
    plant.born({"bowl_pressure": 3.5})
    _remember(plant, "bowl_pressure", b'{"value":9,"quality":"Good","timestamp":"2099-01-08T10:00:00.000Z"}')  # fmt: skip
    plant.tick(GRACE_MS)
    assert [plant.at("bowl_pressure")[k] for k in ("value", "quality")] == [3.5, "Good"]


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"junk", b'{"value":1}', b'{"value":null,"quality":"Good","timestamp":""}',
        b'{"value":1,"quality":"Splendid","timestamp":"2026-01-08T10:00:00.000Z"}',
    ],
)  # fmt: skip
def test_what_is_no_value_is_not_remembered(plant, payload) -> None:
    """Somebody else's bytes on our topic do not become a value."""
    plant.namespace.started(plant.now)
    _remember(plant, "bowl_pressure", payload)
    plant.tick(GRACE_MS)
    assert [plant.at("bowl_pressure")[k] for k in ("value", "quality")] == [None, "GoodNoData"]


def test_ghosts_are_counted_and_left_alone(plant) -> None:
    """Retained values of tags that the project no longer has are not ours to remove here."""
    plant.namespace.started(plant.now)
    for name in ("gone", "gone/_meta", "_state"):
        _remember(plant, name, b'{"value":1,"quality":"Good","timestamp":"2026-01-08T10:00:00.000Z"}')  # fmt: skip
    plant.namespace.remembered("other/leeds/x", b"1", plant.now)
    out = plant.tick(GRACE_MS)
    assert plant.namespace.counts.ghosts == 1
    assert f"{FILLER}/gone" not in str(out)


def test_everything_is_what_a_new_broker_needs(born) -> None:
    """Definitions, states and values: what a subscriber held before, it holds again."""
    born.take(Output([], list(born.namespace.definitions())))
    before = dict(born.shown)
    born.shown.clear()
    born.take(born.namespace.everything())
    assert before == born.shown


def test_a_service_that_leaves_takes_good_with_it(born) -> None:
    """What nobody keeps true any more does not stay Good; what is unknown stays unsaid."""
    born.take(born.namespace.stopping(born.now))
    assert {"Stale"} == {seen["detail"] for seen in born.shown.values() if "value" in seen}
    assert "stale" == born.at("_state")["state"]
    silent = Namespace("acme", [born.machine])
    assert [] == silent.stopping(born.now).values


def test_wrong_types_are_set_aside_with_the_reason(born) -> None:
    """Quarantine tells an engineer what came instead, and from where."""
    born.data("bowl_pressure", "high")
    case = born.shown[f"acme/_quarantine/{FILLER}/bowl_pressure"]
    assert [case[k] for k in ("rule", "reason", "value", "count")] == [
        "type",
        "expected Float, got text",
        "high",
        1,
    ]
    assert [born.at("bowl_pressure")[k] for k in ("quality", "detail")] == ["Bad", "Schema"]


def test_one_bad_tag_does_not_stop_its_neighbours(born) -> None:
    """The rest of a message is published as if nothing was wrong."""
    born.send(
        [
            (born.slots["bowl_pressure"], object(), 192, born.now),
            (born.slots["recipe"], "R-2", 192, born.now),
        ]
    )
    assert born.at("recipe")["value"] == "R-2"


def test_quarantine_is_collapsed(born) -> None:
    """A device that is wrong a thousand times is told of twice, with the count."""
    for _ in range(1000):
        born.data("bowl_pressure", b"\x00")
    told = [topic for topic, _ in born.log if "_quarantine" in topic]
    assert len(told) == 1
    assert born.tick(9_999).messages == []
    (message,) = born.tick(1).messages
    assert [json.loads(message.payload)[k] for k in ("count", "value_base64")] == [999, "AA=="]
    assert _published(born.tick(10_000)) == ([], [])
    assert born.namespace.counts.quarantined == 1000


def test_out_of_range_is_flagged_and_counted(born) -> None:
    """A flagged value is shown: it may be the truth, and the range a mistake."""
    born.data("bowl_pressure", 9.5)
    assert [born.at("bowl_pressure")[k] for k in ("value", "quality", "detail")] == [
        9.5,
        "Uncertain",
        "Range",
    ]
    assert born.namespace.counts.flagged == 1


def test_a_foreign_device_stands_where_it_says(plant) -> None:
    """A device that is not in the project joins by its `uns` property."""
    slot = _foreign("acme/porto/yard/gate/weight", 12.5)
    plant.take(plant.namespace.apply(_foreign_birth(slot), plant.now))
    assert {"value": 12.5, "quality": "Good", "unit": "t"}.items() <= plant.shown[
        "acme/porto/yard/gate/weight"
    ].items()
    assert plant.shown["acme/porto/yard/gate/weight/_meta"]["unit"] == "t"
    plant.take(plant.namespace.apply(Died(_FOREIGN, None, plant.now, "gone"), plant.now))
    assert plant.shown["acme/porto/yard/gate/weight"]["detail"] == "Stale"


@pytest.mark.parametrize(
    "topic",
    [
        f"{FILLER}/bowl_pressure",  # the project's own
        FILLER, "acme/leeds/packaging", "acme",  # above it
        "other/leeds/x", "acme/leeds", "acme/leeds/_meta", "acme/leeds/a b", "acme/+/x", "acme/#",
        "acme/leeds/" + "x" * 65, "/".join(["acme", *"abcdefgh"]), "", None, 5,
    ],
)  # fmt: skip
def test_a_foreign_device_may_not_stand_anywhere(plant, topic) -> None:
    """Not on our topics, not above them, not outside the enterprise, not on reserved nodes."""
    plant.take(plant.namespace.apply(_foreign_birth(_foreign(topic, 1.0)), plant.now))
    assert plant.shown == {}
    assert plant.namespace.counts.ignored == 1


def test_two_foreign_devices_do_not_share_a_topic(plant) -> None:
    """Single writer: the first to claim a topic keeps it."""
    first, second = _foreign("acme/a/b", 1.0), _foreign("acme/a/b", 2.0)
    plant.take(plant.namespace.apply(_foreign_birth(first), plant.now))
    plant.take(plant.namespace.apply(_foreign_birth(second, "other"), plant.now))
    assert plant.shown["acme/a/b"]["value"] == 1.0


def test_a_metric_named_twice_in_a_birth_feeds_its_leaf_once(plant) -> None:
    """The first slot of a name is the one that counts."""
    slots = (plant.slot("recipe", "first"), plant.slot("recipe", "second"))
    plant.take(plant.namespace.apply(Born(_LINE, "filler", slots, plant.now), plant.now))
    assert plant.at("recipe")["value"] == "first"


def test_sparkplug_s_own_metrics_are_not_counted_as_ignored(plant) -> None:
    """BdSeq and Node Control/Rebirth belong to the protocol."""
    slots = tuple(plant.slot(n, 1, DataType.INT64) for n in ("bdSeq", "Node Control/Rebirth"))
    plant.namespace.apply(Born(_LINE, "", slots, plant.now), plant.now)
    assert plant.namespace.counts.ignored == 0


def test_problems_are_counted(plant) -> None:
    """What a peer did wrong shows in the health of the service."""
    plant.namespace.apply(Problem(_LINE, "filler", "broken"), plant.now)
    assert plant.namespace.counts.problems == 1


def test_a_machine_right_below_its_area_is_its_own_line() -> None:
    """A shallow machine's `_state` is told once, by the machine."""
    topic = Topic("acme/porto/utilities/meter1")
    ids = SparkplugId("acme:porto", "utilities", "meter1")
    machine = Machine(topic, "meter", 1, ("meter",), (Tag("kwh", topic.child("kwh")),), ids)
    namespace = Namespace("acme", [machine])
    namespace.started(0)
    topics = [m.topic for m in namespace.tick(GRACE_MS).messages]
    assert topics == ["acme/porto/utilities/meter1/_state"]


_STEPS = st.lists(
    st.one_of(
        st.just(("born",)),
        st.just(("died", "filler")),
        st.just(("died", None)),
        st.tuples(st.just("data"), st.floats(width=32), st.sampled_from([0, 64, 192, 500])),
        st.tuples(st.just("wait"), st.integers(0, 20_000)),
    ),
    max_size=30,
)


@given(_STEPS)
def test_nothing_is_good_between_a_death_and_the_next_birth(plant_class, steps) -> None:
    """Whatever happens in whatever order: a dead device shows no Good value."""
    plant = plant_class()
    plant.namespace.started(plant.now)
    alive = False
    for step in steps:
        match step:
            case ("born",):
                plant.born({"bowl_pressure": 3.5})
                alive = True
            case ("died", device_id):
                plant.died(device_id)
                alive = False
            case ("data", value, quality) if plant.slots:
                plant.data("bowl_pressure", value, quality)
            case ("wait", wait_ms):
                plant.tick(wait_ms)
        shown = plant.shown.get(f"{FILLER}/bowl_pressure", {})
        assert alive or shown.get("quality") != "Good"


_LINE = NodeId("acme:leeds", "packaging:line1")
_FOREIGN = NodeId("Plant Gate", "gw 7")


def _foreign(topic, value) -> Slot:
    slot = Slot("Scale/Weight", DataType.DOUBLE, properties={"uns": topic, "engUnit": "t"})
    slot.value = value
    return slot


def _foreign_birth(slot: Slot, device_id: str = "scale") -> Born:
    return Born(_FOREIGN, device_id, (slot,), 0)


def _remember(plant, name: str, payload: bytes) -> None:
    plant.namespace.remembered(f"{FILLER}/{name}", payload, plant.now)


def _published(out) -> tuple[list, list]:
    return out.values, out.messages


def _states(plant) -> list[str]:
    line = plant.shown["acme/leeds/packaging/line1/_state"]
    return [line["state"], plant.at("_state")["state"]]
