"""What is said of tags whose device says what does not fit them."""

from __future__ import annotations

import pytest

from uns.equipment import Source, Tag
from uns.metric import DataType
from uns.service.misfits import Misfits
from uns.topic import Topic

KEY = "modbus://10.2.1.20:502"
FILLER = "acme/leeds/packaging/line1/filler"
MISFIT = "70000 does not fit UInt16, which holds 0 to 65535"


def tag(name: str, **words) -> Tag:
    place = Topic(f"{FILLER}/{name}")
    return Tag(name, place, **({"datatype": DataType.UINT16, "source": SOURCE} | words))


SOURCE = Source(KEY, "hr:0", "hr:0")
TAGS = {number: tag(f"speed{number}") for number in range(9)} | {9: tag("rate", source=None)}


def test_each_connection_has_its_sentences():
    """The value, the type and its limits; a calculated tag belongs to no connection."""
    assert {KEY: {1: MISFIT}} == Misfits(TAGS).of({1: 70_000, 9: 70_000, 77: 70_000})


def test_a_value_that_goes_on_misfitting_is_the_same_news():
    """A counter says another number each second, and the flow is not to be told each time."""
    misfits = Misfits(TAGS)
    misfits.of({1: 70_000})
    assert {KEY: {1: MISFIT}} == misfits.of({1: 70_001})
    assert {} == misfits.of({})
    assert "70001" in misfits.of({1: 70_001})[KEY][1]


def test_the_log_has_each_tag_once(caplog: pytest.LogCaptureFixture):
    """However often it comes and goes; a hundred tags at once are one line."""
    misfits = Misfits(TAGS)
    for raws in ({1: 70_000}, {}, {1: 70_000}, dict.fromkeys(range(9), 70_000)):
        misfits.of(raws)
    first, second = caplog.messages
    assert f"{KEY}: values that do not fit their tags are Bad: {FILLER}/speed1: {MISFIT};" in first
    assert "speed1" not in second
    assert "and 5 more; look at the `type` of these tags" in second


def test_a_long_text_is_shown_in_part():
    """A page of a document in a number's place must not fill a topic."""
    sentence = Misfits(TAGS).of({1: "x" * 5000})[KEY][1]
    assert len(sentence) < 100
