"""Addresses of what is made up: what is accepted, and where a mistake is pointed at."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.driver import DriverConfig
from bridges.sim import SimAddress, SimConfig, SimDriver
from bridges.sim.address import SHAPES
from uns.errors import AddressError

CONFIG = SimConfig()
ROOT = Path(__file__).parents[3]


def _parse(text):
    return SimDriver.parse(text, CONFIG)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sine 0..6 60s", SimAddress("sine", "sine 0..6 60s", low=0, high=6, seconds=60)),
        ("ramp  -5..5.5 2min", SimAddress("ramp", "ramp -5..5.5 2min", -5, 5.5, 120)),
        ("counter 120/min", SimAddress("counter", "counter 120/min", per_s=2)),
        ("packml", SimAddress("packml", "packml")),
        ("packml 10min", SimAddress("packml", "packml 10min", seconds=600)),
        ("turn A,B 1h", SimAddress("turn", "turn A,B 1h", seconds=3600, words=("A", "B"))),
        ("fixed two  words", SimAddress("fixed", "fixed two  words", words=("two  words",))),
        ("replay speed", SimAddress("replay", "replay speed", words=("speed",))),
    ],
)
def test_an_address_is_a_word_and_its_arguments(text, expected):
    """Each shape takes what the page says, in that order."""
    assert expected == _parse(text)


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "empty"),
        ("  sinus 0..1 5s", 3, "nothing is made up by `sinus`"),
        ("sine 0..6", 10, "wants a period"),
        ("sine 6..0 5s", 6, "ends before it begins"),
        ("sine 0-6 5s", 6, "no span"),
        ("sine 0..6 5", 11, "no period"),
        ("sine 0..6 0s", 11, "no period"),
        ("counter 5", 9, "no rate"),
        ("toggle 5s 6s", 11, "more than `toggle` takes"),
        ("turn A 5s", 6, "no list"),
        ("fixed", 6, "wants a value"),
    ],
)
def test_a_mistake_is_pointed_at(text, column, said):
    """The column is that of the word that is wrong, or the place where one is missing."""
    with pytest.raises(AddressError, match=said) as caught:
        _parse(text)
    assert (column, True) == (caught.value.column, bool(caught.value.hint))


@given(
    st.one_of(
        st.text(max_size=30),
        st.tuples(
            st.sampled_from(list(SHAPES)),
            st.lists(
                st.sampled_from(["0..6", "5s", "3/min", "A,B", "x", "1e9..2", "-1..1"]), max_size=3
            ),
        ).map(lambda parts: " ".join([parts[0], *parts[1]])),
    )
)
def test_any_text_parses_or_says_where_it_is_wrong(text):
    """No text does anything else, and the canonical text means the same."""
    try:
        address = _parse(text)
    except AddressError as error:
        address, column = None, error.column
        assert 1 <= column <= len(text) + 1
    assert address is None or address == _parse(str(address))


def test_the_page_has_every_shape_and_setting():
    """docs/reference/bridges/sim.md leaves nothing out."""
    page = (ROOT / "docs/reference/bridges/sim.md").read_text()
    settings = SimConfig.model_fields.keys() - DriverConfig.model_fields.keys()
    assert [] == [name for name in settings if f"| `{name}` |" not in page]
    assert [] == [shape for shape in SHAPES if f"`{shape}" not in page]
