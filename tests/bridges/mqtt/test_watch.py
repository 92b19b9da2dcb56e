"""Topics that nobody reads: counted, told once, with the entry that would add them."""

from __future__ import annotations

from bridges.mqtt import captured
from bridges.mqtt.watch import Unread


def test_wildcards_are_captured_by_name():
    """In braces for people at a prompt, behind a plus in a project."""
    assert {"line": "line3", "machine": "cw"} == captured(
        "legacy/{line}/{machine}/data", "legacy/line3/cw/data"
    )
    assert {"line": "line3", "level3": "cw"} == captured(
        "legacy/+line/+/#", "legacy/line3/cw/data/x"
    )
    assert captured("legacy/{line}/data", "legacy/line3/cw/data") is None


def test_an_unread_topic_is_told_once_with_its_entry():
    """The entry names what the wildcards stand for; numbers and odd words are quoted."""
    unread = Unread(["legacy/+line/+machine/data"])
    told = unread.saw("legacy/line3/07/data")
    assert told == (
        "nobody reads `legacy/line3/07/data`; to add it: - {path: <site/area/line/machine>, "
        'is: <type>, bind: <binding>, with: {line: line3, machine: "07"}}'
    )
    assert "" == unread.saw("legacy/line3/07/data")
    assert "" == unread.saw("other/topic")
    assert (2, (told,)) == (unread.count, unread.findings())


def test_a_flood_of_topics_is_bounded():
    """A thousand are remembered; that there are more is told once."""
    unread = Unread(["#"])
    told = [news for n in range(3_000) if (news := unread.saw(f"t/{n}"))]
    assert (1_001, 1_000, 3_000) == (len(told), len(unread.topics), unread.count)
    assert (11, "nobody reads 990 more of the watched topics") == (
        len(unread.findings()),
        unread.findings()[-1],
    )
    assert told[-1] == "nobody reads more than 1,000 of the watched topics"
