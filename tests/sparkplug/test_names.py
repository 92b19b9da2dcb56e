"""Topics and ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uns.errors import PeerProtocolError
from uns.sparkplug import MessageType, NodeId, SparkplugTopic, topic
from uns.sparkplug.names import id_problem, state_topic

NODE = NodeId("acme:leeds", "packaging:line1")
IDS = st.text(min_size=1, max_size=8).filter(lambda text: not id_problem(text))


def test_a_device_topic_has_five_levels():
    """DDATA of a device is namespace, group, type, node, device."""
    text = topic(MessageType.DDATA, NODE, "filler")
    assert "spBv1.0/acme:leeds/DDATA/packaging:line1/filler" == text
    assert SparkplugTopic(MessageType.DDATA, NODE, "filler") == SparkplugTopic.parse(text)


def test_state_names_a_host():
    """STATE topics speak of a host application, not of a node."""
    place = SparkplugTopic.parse("spBv1.0/STATE/uns")
    assert (MessageType.STATE, "uns", "") == (place.type, place.host_id, place.device_id)


def test_a_group_may_be_called_state():
    """Only three levels make a STATE topic."""
    place = SparkplugTopic.parse("spBv1.0/STATE/NDATA/edge")
    assert NodeId("STATE", "edge") == place.node


@given(IDS, IDS, IDS, st.sampled_from([t for t in MessageType if t is not MessageType.STATE]))
def test_what_is_built_can_be_parsed(group, edge, device, kind):
    """Any legal ids come back from their topic."""
    text = topic(kind, NodeId(group, edge), device if kind.is_of_device else "")
    assert text == str(SparkplugTopic.parse(text))


def test_a_state_topic_prints_itself():
    """A parsed STATE topic is the text it came from."""
    assert state_topic("uns") == str(SparkplugTopic.parse(state_topic("uns")))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acme/leeds",
        "spAv1.0/g/NDATA/e",
        "spBv1.0/g/NDATA",
        "spBv1.0/g/NDATA/e/d",
        "spBv1.0/g/DDATA/e",
        "spBv1.0/g/DDATA/e/d/x",
        "spBv1.0/g/XDATA/e",
        "spBv1.0//NDATA/e",
        "spBv1.0/g/STATE/e",
    ],
)
def test_other_topics_are_refused(text):
    """A topic that is none of Sparkplug's is named in the error."""
    with pytest.raises(PeerProtocolError, match="is no Sparkplug topic"):
        SparkplugTopic.parse(text)


@pytest.mark.parametrize("text", ["", "a/b", "a+", "#", "a\0", "a\ud800"])
def test_ids_that_mqtt_cannot_carry_are_refused(text):
    """Wildcards, slashes, NUL and broken text have no place in an id."""
    assert id_problem(text)
