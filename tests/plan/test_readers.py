"""Who reads a topic is found by the rules of MQTT, however many there are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from uns.plan.readers import Readers
from uns.project.models import ConsumerWords
from uns.topic import TopicFilter

_LEVEL = st.sampled_from(["a", "b", "c"])
_TOPICS = st.lists(_LEVEL, min_size=1, max_size=4).map("/".join)
_FILTERS = st.builds(
    lambda levels, end: "/".join([*levels, *end]),
    st.lists(_LEVEL | st.just("+"), min_size=1, max_size=4),
    st.sampled_from([[], ["#"]]),
)


@given(st.lists(_FILTERS, min_size=1, max_size=8), _TOPICS)
def test_a_topic_finds_every_consumer_whose_filter_matches(filters: list[str], topic: str) -> None:
    """The walk down the levels finds what trying each filter finds."""
    words = {f"c{n}": ConsumerWords(reads=[text]) for n, text in enumerate(filters)}
    expected = {f"c{n}" for n, text in enumerate(filters) if TopicFilter(text).matches(topic)}
    assert expected == {reader.name for reader in Readers(words).consumers_of(topic)}
