"""Sparkplug of a foreign broker: births, data, deaths, and who asks for what."""

from __future__ import annotations

import pytest

from bridges.driver import BoundTag
from bridges.mqtt import MqttConfig, MqttDriver
from bridges.mqtt.metrics import Metrics
from uns.errors import DeviceError
from uns.metric import DataType, Quality
from uns.sparkplug.edge_node import EdgeNode, MetricDefinition
from uns.sparkplug.names import NodeId
from uns.sparkplug.state import HostState

GOOD, BAD, STALE = int(Quality.GOOD), int(Quality.BAD), int(Quality.STALE)
NOW_MS = 1_767_868_200_000
NODE = NodeId("Plant", "Line 1")
CONFIG = MqttConfig(broker="mqtt://10.1.1.5")


def _tag(handle, text, config=CONFIG):
    return BoundTag(handle, MqttDriver.parse(text, config), DataType.DOUBLE)


class Scene:
    """An edge node with one device, and our tags that listen to it."""

    def __init__(self, *, rebirth=False, host_id="", config=CONFIG):
        self.edge = EdgeNode(
            NODE,
            {"filler": [MetricDefinition("Speed", DataType.DOUBLE),
                        MetricDefinition("Recipe", DataType.STRING)]},
        )  # fmt: skip
        self.metrics = Metrics(host_id, asks_for_births=rebirth)
        self.readings = []
        for handle, name in enumerate(("Speed", "Recipe", "Sped")):
            tag = _tag(handle, f"spBv1.0 Plant/Line 1/filler:{name}", config)
            self.readings += self.metrics.add(tag, NOW_MS, 0.0)
        self.will = self.edge.will()
        self.edge.advance()
        self.births = [*self.edge.connected(NOW_MS), *self.edge.device_up("filler", NOW_MS)]

    def say(self, name, value, at_ms=NOW_MS):
        alias = self.edge.alias_of("filler", name)
        return self.hear(self.edge.observed("filler", [(alias, value, GOOD, at_ms)], NOW_MS))

    def hear(self, messages, now_ms=NOW_MS):
        found = []
        for message in messages:
            found += self.metrics.heard(message, now_ms, 1.0)
        return found


def test_a_birth_and_data_are_values_with_the_source_time():
    """What was born without a value is Bad until it has one."""
    scene = Scene()
    scene.hear(scene.births)
    assert [(0, 12.5, GOOD, NOW_MS - 5)] == scene.say("Speed", 12.5, NOW_MS - 5)
    assert [(1, "cola", GOOD, NOW_MS)] == scene.say("Recipe", "cola")


def test_a_metric_that_no_birth_names_is_a_problem_of_one_tag():
    """The sentence guesses which was meant."""
    scene = Scene()
    found = scene.hear(scene.births)
    assert (2, None, BAD, NOW_MS) in found
    assert "its birth has no metric `Sped`; did you mean `Speed`?" == scene.metrics.problem(2)
    assert ("", "") == (scene.metrics.problem(0), scene.metrics.problem(99))


def test_a_tag_that_comes_later_has_the_value_that_is_known():
    """No new birth is needed."""
    scene = Scene()
    scene.hear(scene.births)
    scene.say("Speed", 3.0)
    tag = _tag(7, "spBv1.0 Plant/Line 1/filler:Speed")
    assert [(7, 3.0, GOOD, NOW_MS)] == scene.metrics.add(tag, NOW_MS, 1.0)


def test_what_is_dead_is_stale():
    """Its device or its node: the value stays, and does not look live."""
    scene = Scene()
    scene.hear(scene.births)
    scene.say("Speed", 3.0)
    assert [(0, 3.0, STALE, NOW_MS)] == scene.hear(scene.edge.device_down("filler", NOW_MS))
    again = scene.hear(scene.edge.device_up("filler", NOW_MS))
    assert 0 in [handle for handle, *_ in again]
    scene.say("Speed", 4.0)
    assert [(0, 4.0, STALE, NOW_MS)] == scene.hear([scene.will])
    assert [] == scene.hear([scene.will])


def test_without_a_birth_nothing_is_asked_and_it_is_told_once():
    """A guest publishes nothing, unless the engineer says so."""
    scene = Scene()
    scene.say("Speed", 1.0)
    scene.say("Speed", 2.0)
    scene.metrics.tick(NOW_MS + 10_000, 10.0)
    assert [] == scene.metrics.to_publish
    told = [text for text in scene.metrics.news if "`rebirth: true` asks" in text]
    assert 1 == len(told)
    assert ["Plant/Line 1/filler"] == scene.metrics.unborn()


def test_a_rebirth_is_asked_for_where_it_is_wanted():
    """And its answer brings the values."""
    scene = Scene(rebirth=True)
    scene.say("Speed", 1.0)
    scene.metrics.tick(NOW_MS + 10_000, 10.0)
    request = scene.metrics.to_publish[0]
    assert {"spBv1.0/Plant/NCMD/Line 1"} == {one.topic for one in scene.metrics.to_publish}
    births = scene.edge.received(request, NOW_MS + 10_000)
    assert (0, 1.0, GOOD, NOW_MS) in scene.hear(births, NOW_MS + 10_000)


def test_silence_of_a_metric_makes_it_stale():
    """Where the engineer says how long a metric may be silent."""
    scene = Scene(config=CONFIG.model_copy(update={"silence_s": 10.0}))
    scene.hear(scene.births)
    scene.say("Speed", 3.0)
    assert [] == scene.metrics.tick(NOW_MS, 11.0)
    assert [(0, 3.0, STALE, NOW_MS)] == scene.metrics.tick(NOW_MS, 11.1)
    assert [] == scene.metrics.tick(NOW_MS, 12.0)


def test_a_host_id_is_said_and_denied_when_it_leaves():
    """A will with the CONNECT, a birth, and a death before the DISCONNECT."""
    metrics = Metrics("reader", asks_for_births=False)
    will = metrics.will(NOW_MS)
    assert (["spBv1.0/STATE/reader"], "spBv1.0/STATE/reader") == (metrics.filters(), will.topic)
    metrics.connected(NOW_MS)
    (birth,) = metrics.to_publish
    (death,) = metrics.leaving(NOW_MS + 1)
    said = [HostState.parse(message.payload).is_online for message in (will, birth, death)]
    assert [False, True, False] == said


def test_a_silent_host_says_nothing_at_all():
    """Neither a will nor a STATE nor a farewell."""
    metrics = Metrics("", asks_for_births=False)
    assert (None, [], []) == (metrics.will(NOW_MS), metrics.filters(), metrics.leaving(NOW_MS))


def test_two_hosts_of_one_name_are_told():
    """Someone else speaks in our name: the session ends with what to do about it."""
    metrics = Metrics("reader", asks_for_births=False)
    metrics.will(NOW_MS)
    metrics.connected(NOW_MS)
    other = HostState(False, NOW_MS + 5_000).message("reader")
    with pytest.raises(DeviceError, match="another host application calls itself `reader`"):
        _hear_for_two_minutes(metrics, other)


def test_hostile_sparkplug_is_a_sentence():
    """Bytes that are no payload, and retained births, change nothing."""
    scene = Scene()
    birth = scene.births[0]
    assert [] == scene.hear([birth._replace(payload=b"\xff" * 1_000)])
    assert [] == scene.hear([birth._replace(retain=True)])
    assert scene.metrics.news


def _hear_for_two_minutes(metrics, message):
    for later in range(0, 120_000, 1_000):
        metrics.heard(message, NOW_MS + later, 1.0)
        metrics.tick(NOW_MS + later, 1.0)
