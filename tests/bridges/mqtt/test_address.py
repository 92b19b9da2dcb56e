"""MQTT addresses: what is accepted, and where a mistake is pointed at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.mqtt import MetricAddress, MqttConfig, MqttDriver, TopicAddress
from bridges.mqtt.address import Trust
from bridges.paths import JsonPath
from uns.errors import AddressError

CONFIG = MqttConfig(broker="mqtt://10.1.1.5")


def _parsed(text):
    return MqttDriver.parse(text, CONFIG)


@pytest.mark.parametrize(
    ("text", "topic", "path", "canonical"),
    [
        ("legacy/cw/data $.weight", "legacy/cw/data", "$.weight", "legacy/cw/data $.weight"),
        (" legacy/cw/temp ", "legacy/cw/temp", None, "legacy/cw/temp"),
        ("legacy/+/m7/#  $['t']", "legacy/+/m7/#", "$.t", "legacy/+/m7/# $.t"),
        ('"line 1/data" $.a', "line 1/data", "$.a", '"line 1/data" $.a'),
        ('"line1/data" $.a', "line1/data", "$.a", "line1/data $.a"),
        (r'"a \"b\""', 'a "b"', None, r'"a \"b\""'),
        ("$SYS/broker/uptime", "$SYS/broker/uptime", None, "$SYS/broker/uptime"),
        ("/leading/slash", "/leading/slash", None, "/leading/slash"),
        ("data $", "data", "$", "data $"),
        ("spBv1.0x/a", "spBv1.0x/a", None, "spBv1.0x/a"),
    ],
)
def test_a_topic_and_a_path_are_told_apart(text, topic, path, canonical):
    """What is accepted is one place, and its canonical form reads back as the same."""
    address = _parsed(text)
    assert TopicAddress(topic, path and JsonPath.parse(path), Trust()) == address
    assert canonical == str(address)
    assert address == _parsed(canonical)


@pytest.mark.parametrize(
    ("text", "parts", "canonical"),
    [
        ("spBv1.0 G/N/D:Temp", ("G", "N", "D", "Temp"), None),
        ("spBv1.0 G/N:Node Control/Rebirth", ("G", "N", "", "Node Control/Rebirth"), None),
        ("spBv1.0  My Group/Edge 1/D 2:A/B C", ("My Group", "Edge 1", "D 2", "A/B C"),
         "spBv1.0 My Group/Edge 1/D 2:A/B C"),
        ("spBv1.0 a:b/N/D:x:y", ("a:b", "N", "D", "x:y"), None),
        ('spBv1.0 a:b/"c:d"/"e:f":x', ("a:b", "c:d", "e:f", "x"), None),
        ('spBv1.0 G/N:"a/b:c"', ("G", "N", "", "a/b:c"), None),
        ('spBv1.0 G/N/D:" x "', ("G", "N", "D", " x "), None),
    ],
)  # fmt: skip
def test_a_sparkplug_metric_is_told_by_its_ids(text, parts, canonical):
    """Group, edge node, device and metric; quotes where an id has a colon."""
    address = _parsed(text)
    assert MetricAddress(*parts, Trust()) == address
    assert (canonical or text) == str(address)
    assert address == _parsed(str(address))


@pytest.mark.parametrize(
    ("text", "column", "sentence", "hint"),
    [
        ("", 1, "the address is empty", "legacy/line1/cw/data $.weight"),
        ("$.weight", 1, "the topic is missing", "legacy/"),
        ("legacy/line 1/data $.x", 13, "`1/data $.x`, which is no path", "in quotes"),
        ("legacy/data weight", 13, "`weight`, which is no path", "begins with `$`"),
        ("legacy/data $.a..b", 16, "may match several", "one value"),
        ("legacy/data $.a[", 17, "an index", "[0]"),
        ('"legacy/data', 1, "the quote is not closed", '"line 1/data"'),
        ('"" $.a', 1, "the topic is empty", "legacy/"),
        ("legacy/#/data", 8, "`#` must stand alone and last", "wildcards"),
        ("legacy/a+/data", 9, "`+` must stand alone between slashes", "wildcards"),
        ("$share/g/a", 1, "one reader only", "leave"),
        ("spBv1.0/G/DDATA/N/D", 1, "names none", "`spBv1.0 G/N/D:<metric>`"),
        ("spBv1.0/#", 1, "names none", "Group/Node/Device:Metric"),
        ("spBv1.0", 8, "the group is missing", "Group/Node"),
        ("spBv1.0 G", 10, "comes `/` and the edge node", "Group/Node"),
        ("spBv1.0 G/N", 12, "comes `:` and the metric", "Group/Node"),
        ("spBv1.0 G/N/:x", 13, "the device is missing", "Group/Node"),
        ("spBv1.0 G/N/D:", 15, "name is missing", "Group/Node"),
        ("spBv1.0 G+/N/D:x", 10, "`+` may not stand", "Group/Node"),
        ("spBv1.0 a:b/c:d/e:f", 15, "a metric of the edge node, or", '"c:…"/Device:Metric'),
        ('spBv1.0 G/N/D:"x" y', 18, "too much", "Group/Node"),
    ],
)
def test_a_mistake_is_pointed_at(text, column, sentence, hint):
    """The column is that of the character that cannot be, and the hint says what can."""
    with pytest.raises(AddressError) as caught:
        _parsed(text)
    assert column == caught.value.column
    assert sentence in str(caught.value)
    assert hint in caught.value.hint


_MARKS = st.text(st.sampled_from('/+#$." :\\[]ab1 '), max_size=16) | st.text(max_size=12)


@pytest.mark.property
@given(text=_MARKS, start=st.sampled_from(["", "a/b $", '"', "spBv1.0 ", "spBv1.0 G/", "$"]))
def test_any_text_is_an_address_or_an_error_with_a_place(text, start):
    """Nothing else comes out, and what is an address is written in a way that reads back."""
    text = start + text
    try:
        address, column = _parsed(text), 1
    except AddressError as error:
        address, column = _parsed("x"), error.column
    assert 1 <= column <= len(text) + 1
    assert address == _parsed(str(address))


_IDS = st.text(st.characters(exclude_characters="+#/\0", exclude_categories=["Cs"]), min_size=1)


@pytest.mark.property
@given(group=_IDS, node=_IDS, device=st.just("") | _IDS, metric=st.text(min_size=1))
def test_any_sparkplug_ids_can_be_written(group, node, device, metric):
    """Whatever a foreign plant calls its nodes and metrics, an address can say it."""
    address = MetricAddress(group, node, device, metric, Trust())
    assert address == _parsed(str(address))


def test_how_messages_are_read_belongs_to_the_address():
    """Machines that differ in it alone share one session, and each is read its way."""
    other = MqttConfig(broker="mqtt://10.1.1.5", timestamp="$.ts", silence_s=30)
    assert CONFIG.key() == other.key()
    address = MqttDriver.parse("a $.b", other)
    assert (JsonPath(("ts",)), 30) == (address.trust.timestamp, address.trust.silence_s)
    assert address != _parsed("a $.b")
