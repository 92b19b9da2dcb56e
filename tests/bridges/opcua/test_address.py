"""Addresses of OPC UA variables, read without a server."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridges.opcua.address import NodeAddress, parse
from bridges.opcua.browse_path import BrowsePath, Step, matches
from uns.errors import AddressError

GUID = "09087e75-8e5e-499b-954f-f2a9603db28a"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("nsu=urn:x;s=Line1.Speed", NodeAddress("urn:x", "Line1.Speed")),
        ("nsu=http://v.com/UA/;i=1004", NodeAddress("http://v.com/UA/", 1004)),
        ("ns=2;s=a=b;c", NodeAddress(2, "a=b;c")),
        ("ns=0;i=2258", NodeAddress(0, 2258)),
        (f"ns=3;g={GUID}", NodeAddress(3, UUID(GUID))),
        ("ns=3;b=M/RbKA==", NodeAddress(3, b"3\xf4[(")),
        ("s=Größe", NodeAddress("urn:own", "Größe")),
        ("i=7", NodeAddress("urn:own", 7)),
        ("s=Lanes [3]", NodeAddress("urn:own", "Lanes", "3")),
        ("ns=3;i=7 [1,2]", NodeAddress(3, 7, "1,2")),
        ('ns=3;s="DB"."Lanes"[3]', NodeAddress(3, '"DB"."Lanes"[3]')),
        ("s=Odd [3] []", NodeAddress("urn:own", "Odd [3]")),
        ("/Objects/Line1/Speed", BrowsePath((Step("Line1"), Step("Speed")))),
        ("/Objects/2:Line1/Größe 1", BrowsePath((Step("Line1", 2), Step("Größe 1")))),
        ("/Objects/Lanes[3]", BrowsePath((Step("Lanes"),), "3")),
        ("/Objects/A&/B/C&[1&]/5&:D&&", BrowsePath((Step("A/B"), Step("C[1]"), Step("5:D&")))),
    ],
)
def test_addresses_are_read_as_tools_print_them(text, address):
    """Namespaces by URI, by index and by the connection's default; all four identifiers."""
    assert address == parse(text, "urn:own")


def test_a_number_without_any_namespace_is_the_standards_own():
    """`i=2258` is the server's clock when the connection has no namespace of its own."""
    assert NodeAddress(0, 2258) == parse("i=2258", "")


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("", 1, "no OPC UA address"),
        ("Line1.Speed", 1, "no OPC UA address"),
        ("/Line1/Speed", 2, "does not begin with `/Objects`"),
        ("/", 2, "an empty name"),
        ("/Objects", 9, "names no variable"),
        ("/Objects/", 10, "an empty name"),
        ("/Objects//Speed", 10, "an empty name"),
        ("/Objects/A[1]/Speed", 11, "has to be written `&[`"),
        ("/Objects/2:A&", 12, "escapes nothing"),
        ("/Objects/70000:A", 10, "no namespace index"),
        ("s=Line1.Speed", 1, "in which namespace"),
        ("S=Line1.Speed", 1, "`S=` is no kind"),
        ("nsu=;s=x", 5, "no namespace URI"),
        ("ns=two;s=x", 4, "`two` is no namespace index"),
        ("ns=65536;s=x", 4, "`65536` is no namespace index"),
        ("ns=2", 5, "after the namespace"),
        ("ns=2; s=x", 6, "` s=` is no kind"),
        ("ns=2;s=", 8, "followed by nothing"),
        ("ns=2;i=speed", 8, "not a whole number"),
        ("ns=2;i=4294967296", 8, "not a whole number"),
        ("ns=2;g=123", 8, "no GUID"),
        ("ns=2;b=?", 8, "not base64"),
    ],
)
def test_a_mistake_has_a_place_and_a_way_out(text, column, says):
    """The error points at the character, shows what is there and hints at what should be."""
    with pytest.raises(AddressError) as caught:
        parse(text, "")
    assert says in str(caught.value)
    assert column == caught.value.column
    assert caught.value.hint


IDENTIFIERS = st.one_of(
    st.text(min_size=1, max_size=50),
    st.integers(0, 2**32 - 1),
    st.uuids(),
    st.binary(min_size=1, max_size=50),
)
SPACES = st.one_of(
    st.integers(0, 65535), st.text(st.characters(exclude_characters=";"), min_size=1)
)


ELEMENTS = st.sampled_from(["", "0", "12", "1,2"])
STEPS = st.builds(Step, st.text(min_size=1, max_size=20), st.none() | st.integers(0, 65535))


@given(SPACES, IDENTIFIERS, ELEMENTS)
@example("urn:x", "Lanes [3]", "")
@example("urn:x", "Lanes []", "")
def test_what_is_printed_is_read_back(space, identifier, elements):
    """An address as we print it is that address again."""
    address = NodeAddress(space, identifier, elements)
    assert address == parse(str(address), "")


@given(st.lists(STEPS, min_size=1, max_size=5), ELEMENTS)
@example([Step("Lanes ")], "0")
def test_a_path_that_is_printed_is_read_back(steps, elements):
    """Names may have slashes, brackets, colons and ampersands in them."""
    path = BrowsePath(tuple(steps), elements)
    assert path == parse(str(path), "")


@given(st.text() | st.from_regex(r"/Objects/[\[\]&:/0-9a, *]*", fullmatch=True))
def test_any_text_is_an_address_or_a_mistake_with_a_place(text):
    """It is read and printed and read again as the same, or the column is in the text."""
    try:
        address = parse(text, "urn:own")
    except AddressError as error:
        mistake = error
    else:
        assert address == parse(str(address), "")
        return
    assert 1 <= mistake.column <= len(text) + 1
    assert mistake.hint


@pytest.mark.parametrize(
    ("names", "pattern", "is_match"),
    [
        ("Line1/Filler/Speed", "Line1/**", True),
        ("Line1/Filler/Speed", "Line?/*/Speed", True),
        ("Line1/Filler/Speed", "**/Speed", True),
        ("Line1/Filler/Speed", "Line1/*", False),
        ("Line1", "Line1/**", True),
        ("Line1/Filler/Speed", "**/Fil*/**", True),
        ("Line1/Filler/Speed", "line1/**", False),
    ],
)
def test_globs_match_names(names, pattern, is_match):
    """`*` and `?` within one name, `**` for any number of names, none included."""
    assert is_match is matches(tuple(names.split("/")), tuple(pattern.split("/")))
