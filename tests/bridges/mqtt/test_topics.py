"""From messages to tags: routes, retained messages, silence."""

from __future__ import annotations

import json

import pytest

from bridges.driver import BoundTag
from bridges.mqtt import MqttConfig, MqttDriver
from bridges.mqtt.topics import Topics, covers, uncovered
from uns.message import Message
from uns.metric import DataType, Quality

GOOD, UNCERTAIN, BAD, STALE = (int(q) for q in (Quality.GOOD, 64, Quality.BAD, Quality.STALE))
NOW_MS = 1_767_868_200_000


def _topics(addresses, datatype=DataType.DOUBLE, **words):
    config = MqttConfig(broker="mqtt://10.1.1.5", **words)
    topics = Topics(config.largest)
    for handle, text in enumerate(addresses):
        topics.add(BoundTag(handle, MqttDriver.parse(text, config), datatype), 0.0)
    return topics


def _heard(topics, topic, payload, *, retain=False, now_s=1.0):
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return topics.heard(Message(topic, data, 0, retain), NOW_MS, now_s)


def test_one_message_serves_every_tag_of_its_topic():
    """Each tag has its place in the payload; those of other topics hear nothing."""
    topics = _topics(["a/data $.x", "a/data $.y[0]", "b/data $.x", "a/temp"])
    assert [(0, 1, GOOD, NOW_MS), (1, 2, GOOD, NOW_MS)] == _heard(
        topics, "a/data", {"x": 1, "y": [2]}
    )
    assert [(3, 21.5, GOOD, NOW_MS)] == _heard(topics, "a/temp", b"21.5")
    assert [] == _heard(topics, "c", b"1")


def test_a_wildcard_takes_whichever_topic_matches():
    """The latest message counts."""
    topics = _topics(["legacy/+/m7/# $.t"])
    assert [(0, 1, GOOD, NOW_MS)] == _heard(topics, "legacy/a/m7/x", {"t": 1})
    assert [(0, 2, GOOD, NOW_MS)] == _heard(topics, "legacy/b/m7", {"t": 2})
    assert [] == _heard(topics, "legacy/b/m8", {"t": 3})


def test_time_and_quality_stand_in_the_payload():
    """Where they cannot be read, the value is Uncertain and has the time of its arrival."""
    topics = _topics(["a $.x"], timestamp="$.ts", quality="$.q")
    assert [(0, 1, GOOD, 5_000_000_000)] == _heard(topics, "a", {"x": 1, "ts": 5e6, "q": "good"})
    assert [(0, 1, BAD, 5_000_000_000)] == _heard(topics, "a", {"x": 1, "ts": 5e6, "q": 0})
    assert [] == topics.news
    assert [(0, 1, UNCERTAIN, NOW_MS)] == _heard(topics, "a", {"x": 1, "q": 192})
    assert ["`a`: time or quality: `$` has no `ts`, only `x`, `q`"] == topics.news
    assert "" == topics.problem(0)


def test_what_cannot_be_read_spoils_one_tag_and_is_told_once():
    """The others go on; the log hears of it once, and once when it is over."""
    topics = _topics(["a $.x", "a $.y", "a $"])
    assert [(0, 1, GOOD, NOW_MS), (1, None, BAD, NOW_MS), (2, None, BAD, NOW_MS)] == _heard(
        topics, "a", {"x": 1}
    )
    assert "`$` has no `y`, only `x`" == topics.problem(1)
    assert "the value there is an object" == topics.problem(2)
    _heard(topics, "a", {"x": 2})
    assert 1 == len(topics.news)
    topics.remove([2])
    _heard(topics, "a", {"x": 1, "y": 2})
    assert ["`a`: `$` has no `y`, only `x`", "`a` can be read again"] == topics.news
    assert [False, True] == [topics.is_good(sentence) for sentence in topics.news]
    assert "" == topics.problem(1)


def test_null_is_bad():
    """A payload that says null has no value."""
    assert [(0, None, BAD, NOW_MS)] == _heard(_topics(["a $.x"]), "a", {"x": None})


def test_a_payload_over_the_limit_is_not_taken_apart():
    """Its tags are Bad, and the sentence names the setting."""
    topics = _topics(["a $.x"], largest=100)
    assert [(0, None, BAD, NOW_MS)] == _heard(topics, "a", {"x": 1, "pad": "p" * 100})
    assert "`largest` is 100" in topics.problem(0)


@pytest.mark.parametrize(
    ("words", "reading"),
    [
        ({}, [(0, 1, UNCERTAIN, NOW_MS)]),
        ({"retained": "good"}, [(0, 1, GOOD, NOW_MS)]),
        ({"retained": "ignore"}, []),
        ({"timestamp": "$.ts"}, [(0, 1, GOOD, 5_000_000_000)]),
    ],
)
def test_a_retained_message_is_as_good_as_what_is_known_of_its_age(words, reading):
    """Nobody knows when it was published, unless it says so itself."""
    topics = _topics(["a $.x"], **words)
    assert reading == _heard(topics, "a", {"x": 1, "ts": 5e6}, retain=True)


def test_a_retained_copy_does_not_undo_what_came_live():
    """A broker sends what it kept again when subscriptions overlap."""
    topics = _topics(["a $.x"])
    _heard(topics, "a", {"x": 2})
    assert [] == _heard(topics, "a", {"x": 1}, retain=True)


def test_a_tag_that_comes_later_hears_the_latest_message():
    """The broker would not send it again."""
    topics = _topics(["a $.x"])
    _heard(topics, "a", {"x": 1, "y": 2})
    config = MqttConfig(broker="mqtt://10.1.1.5")
    for handle, text in ((7, "a $.y"), (8, "+ $.y")):
        tag = BoundTag(handle, MqttDriver.parse(text, config), DataType.DOUBLE)
        assert [(handle, 2, GOOD, NOW_MS)] == topics.add(tag, 2.0)


def test_a_silent_topic_makes_its_tags_stale_once():
    """And its next message makes them good again."""
    topics = _topics(["a $.x", "b $.x"], silence_s=10)
    _heard(topics, "a", {"x": 1}, now_s=1)
    assert [] == topics.silent(NOW_MS, 11)
    assert [(0, 1, STALE, NOW_MS)] == topics.silent(NOW_MS, 11.1)
    assert [] == topics.silent(NOW_MS, 30)
    assert [(0, 1, GOOD, NOW_MS)] == _heard(topics, "a", {"x": 1}, now_s=31)
    assert [(0, 1, STALE, NOW_MS)] == topics.silent(NOW_MS, 42)


def test_a_thousand_broken_topics_do_not_fill_the_log():
    """Only the first are told."""
    topics = _topics(["#"])
    for number in range(1_000):
        _heard(topics, f"t{number}", b"\xff")
    assert 20 == len(topics.news)


@pytest.mark.parametrize(
    ("wide", "narrow", "is_covered"),
    [
        ("#", "a/b", True),
        ("a/#", "a", True),
        ("a/+", "a/b", True),
        ("a/+", "a/+", True),
        ("a/+", "a/#", False),
        ("a/b", "a/+", False),
        ("+/b", "a/b/c", False),
        ("#", "$SYS/x", False),
        ("a/+/c", "a/b/+", False),
    ],
)
def test_one_filter_covers_another(wide, narrow, is_covered):
    """Whatever the narrow one matches, the wide one matches."""
    assert is_covered is covers(wide, narrow)


def test_only_what_nothing_covers_is_asked_for():
    """A message would else come twice."""
    assert ["a/#", "b"] == list(uncovered(["a/+/c", "a/b", "a/#", "b", "z/1"], ["z/+"]))
