"""Paths into JSON and XML: what they find, and where a mistake is pointed at."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.paths import JsonPath, XmlPath
from uns.errors import AddressError

DOCUMENT = {
    "weight": {"value": 501.5, "unit": "g"},
    "axes": [{"pos": 1}, {"pos": 2}],
    "air temp": 21,
    "it's": {"a\\b": True},
    "nothing": None,
}
TREE = fromstring(
    """<m:Streams xmlns:m="urn:mt" version="2">
         <m:Header instanceId="17"/>
         <m:Device name="mill">
           <m:Position dataItemId="x1" sub="ACTUAL"> 12.5 </m:Position>
           <m:Position dataItemId="y1" sub="ACTUAL">-3</m:Position>
           <m:Tool><m:Name>T7</m:Name><m:Life>80</m:Life></m:Tool>
           <m:Tool><m:Name>T8</m:Name><m:Life/></m:Tool>
         </m:Device>
       </m:Streams>"""
)


@pytest.mark.parametrize(
    ("text", "canonical", "value"),
    [
        ("$", "$", DOCUMENT),
        ("$.weight.value", "$.weight.value", 501.5),
        ("$['weight']['unit']", "$.weight.unit", "g"),
        ('$["air temp"]', "$['air temp']", 21),
        ("$.axes[0].pos", "$.axes[0].pos", 1),
        ("$.axes[-1]['pos']", "$.axes[-1].pos", 2),
        ("$[ 'axes' ][ 1 ].pos ", "$.axes[1].pos", 2),
        (r"$['it\'s']['a\\b']", r"$['it\'s']['a\\b']", True),
        (r"$['\u0061xes'][0].pos", "$.axes[0].pos", 1),
        ("$.nothing", "$.nothing", None),
    ],
)
def test_a_json_path_finds_one_value(text, canonical, value):
    """Each spelling leads to the value, and its canonical form reads back as the same path."""
    path = JsonPath.parse(text)
    assert (canonical, value) == (str(path), path.get(DOCUMENT))
    assert path == JsonPath.parse(str(path))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("$.wait", "`$` has no `wait`, only `weight`"),
        ("$.weight.val", "`$.weight` has no `val`, only `value`, `unit`"),
        ("$.weight[0]", "`$.weight` is an object, and [0] asks for an element"),
        ("$.axes.pos", "`$.axes` is an array, and `pos` asks for a member"),
        ("$.axes[2]", "`$.axes` has 2 elements and no [2]"),
        ("$['air temp'].x", "`$['air temp']` is 21 and has no `x`"),
        ("$.nothing.x", "`$.nothing` is None and has no `x`"),
    ],
)
def test_a_json_value_that_is_missing_is_told_in_words(text, sentence):
    """What is absent says where the path ended and what is there instead."""
    with pytest.raises(LookupError) as caught:
        JsonPath.parse(text).get(DOCUMENT)
    assert sentence in str(caught.value.args[0])


@pytest.mark.parametrize(
    ("text", "column", "sentence"),
    [
        ("", 1, "a JSON path: it begins with `$`"),
        ("weight", 1, "`weight` is no JSON path"),
        ("$weight", 2, "`weight` does not go on"),
        ("$.", 3, "a name is missing"),
        ("$.a.", 5, "a name is missing"),
        ("$..a", 2, "`..` may match several"),
        ("$.*", 2, "may match several"),
        ("$.a[*]", 4, "may match several"),
        ("$.a[?(@.b)]", 4, "may match several"),
        ("$.a[1:2]", 4, "may match several"),
        ("$.a[1,2]", 6, "a list may match several"),
        ("$.a[]", 5, "an index or a quoted name is missing"),
        ("$.a[0", 6, "the bracket is not closed"),
        ("$.a['b", 5, "the quote is not closed"),
        (r"$['a\q']", 5, "no escape"),
        ("$.a[1234567890]", 5, "too large"),
        ("$.a b", 4, "` b` does not go on"),
    ],
)
def test_a_mistake_in_a_json_path_is_pointed_at(text, column, sentence):
    """The column is that of the character that cannot be."""
    with pytest.raises(AddressError) as caught:
        JsonPath.parse(text)
    assert column == caught.value.column
    assert sentence in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "canonical", "value"),
    [
        ("/Streams/@version", "/Streams/@version", "2"),
        ("/m:Streams/m:Device/@name", "/Streams/Device/@name", "mill"),
        ("//Position[@dataItemId='y1']", "//Position[@dataItemId='y1']", "-3"),
        ('//*[ @dataItemId = "x1" ]/text()', "//*[@dataItemId='x1']", "12.5"),
        ("Device/Tool[2]/Name", "Device/Tool[2]/Name", "T8"),
        ("./Device/Tool[Name='T7']/Life", "Device/Tool[Name='T7']/Life", "80"),
        (".//Tool[2]/Life", ".//Tool[2]/Life", ""),
        ("Device/*[@sub='ACTUAL'][2]", "Device/*[@sub='ACTUAL'][2]", "-3"),
        ("@version", "@version", "2"),
        ("./@version", "@version", "2"),
        ("//@x", None, None),
        (".", ".", ""),
        ("text()", ".", ""),
        ("//Streams/Header/@instanceId", "//Streams/Header/@instanceId", "17"),
    ],
)
def test_an_xml_path_finds_one_value(text, canonical, value):
    """Each spelling leads to the text, whatever the namespace; `//@x` asks for too much."""
    if canonical is None:
        with pytest.raises(AddressError):
            XmlPath.parse(text)
        return
    path = XmlPath.parse(text)
    assert (canonical, value) == (str(path), path.get(TREE))
    assert path == XmlPath.parse(str(path))


def test_an_xml_path_can_lead_to_many_elements():
    """Rows of a document come in its order."""
    rows = XmlPath.parse("/Streams/Device/Tool").elements(TREE)
    assert ["T7", "T8"] == [XmlPath.parse("Name").get(row) for row in rows]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("/Device", "nothing is at `/Device`"),
        ("//Tool[3]", "nothing is at `//Tool[3]`"),
        ("//Tool/@id", "`Tool` there has no attribute `id`"),
    ],
)
def test_an_xml_value_that_is_missing_is_told_in_words(text, sentence):
    """What is absent says which path led nowhere."""
    with pytest.raises(LookupError) as caught:
        XmlPath.parse(text).get(TREE)
    assert sentence == caught.value.args[0]


@pytest.mark.parametrize(
    ("text", "column", "sentence"),
    [
        ("", 1, "an XML path is missing"),
        ("/", 2, "a name is missing"),
        ("/a/", 4, "a name is missing"),
        ("/a b", 3, "` b` is too much"),
        ("/@id", 4, "belongs to an element"),
        ("a/../b", 3, "axes, functions and steps upwards"),
        ("/a/child::b", 4, "axes, functions"),
        ("count(/a)", 1, "axes, functions"),
        ("//a//b", 4, "one `//` at most"),
        ("/a[0]", 4, "count from 1"),
        ("/a[b]", 5, "here comes `=`"),
        ("/a[@b=c]", 7, "not quoted"),
        ("/a[@b='c'", 10, "not closed"),
        ("/a[1", 5, "not closed"),
        ("/a/@b/c", 6, "too much"),
    ],
)
def test_a_mistake_in_an_xml_path_is_pointed_at(text, column, sentence):
    """The column is that of the character that cannot be."""
    with pytest.raises(AddressError) as caught:
        XmlPath.parse(text)
    assert column == caught.value.column
    assert sentence in str(caught.value)


def test_columns_count_in_the_whole_text():
    """A path that follows something else is pointed at where it stands."""
    with pytest.raises(AddressError) as caught:
        JsonPath.parse("line1/data $.a[", 11)
    assert 16 == caught.value.column


_MARKS = st.text(st.sampled_from("$.[]'\"*@/=:?()ab1-\\u nç…"), max_size=20) | st.text(max_size=12)


@pytest.mark.property
@pytest.mark.parametrize("kind", [JsonPath, XmlPath])
@given(text=_MARKS, start=st.sampled_from(["", "$", "$.", "$['", "/", "//", "a[", "./"]))
def test_any_text_is_a_path_or_an_error_with_a_place(kind, text, start):
    """Nothing else comes out, and what is a path is written in a way that reads back."""
    text = start + text
    try:
        path, column = kind.parse(text), 1
    except AddressError as error:
        path, column = kind(), error.column
    assert 1 <= column <= len(text) + 1
    assert path == kind.parse(str(path))


@pytest.mark.property
@given(names=st.lists(st.text(max_size=8) | st.integers(-5, 5), max_size=5))
def test_any_names_can_be_written_as_a_json_path(names):
    """Whatever the members of an object are called, a path can say it."""
    path = JsonPath(tuple(names))
    assert path == JsonPath.parse(str(path))
