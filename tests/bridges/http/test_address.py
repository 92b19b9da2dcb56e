"""HTTP addresses: what is accepted, what it means, and where a mistake is pointed at."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridges.driver import DriverConfig
from bridges.http import HttpConfig, HttpDriver
from bridges.http.address import Slice
from uns.errors import AddressError

ROOT = Path(__file__).parents[3]
URL = "http://10.1.30.7:5000"


def _parse(text, preset=""):
    return HttpDriver.parse(text, HttpConfig(url=URL, preset=preset))


@pytest.mark.parametrize(
    ("text", "request_", "kind", "canonical"),
    [
        ("/api/x $.a.b", "/api/x", "json", "/api/x $.a.b"),
        ("GET /api/x?n=1   $.a['b']", "/api/x?n=1", "json", "/api/x?n=1 $.a.b"),
        ("/s.xml //Speed/@v", "/s.xml", "xml", "/s.xml //Speed/@v"),
        ("/count", "/count", "plain", "/count"),
    ],
)
def test_an_address_is_a_request_and_a_path(text, request_, kind, canonical):
    """`GET` may be written; the way to the value is JSON's or XML's."""
    address = _parse(text)
    assert (request_, kind, canonical) == (address.request, address.kind, str(address))


def test_presets_have_the_vendors_own_names():
    """A dataItemId, or a port's process data and a place in them."""
    assert ("x_load", "item") == (_parse("x_load", "mtconnect").item, "item")
    community = _parse("2/3/pdin 0:INT", "iolink")
    assert "/iolink/v1/devices/master2port3/processdata/getdata/value" == community.request
    assert Slice(0, "INT") == community.part
    ifm = _parse("1/4/pdin 2.7", "ifm")
    assert "/iolinkmaster/port[4]/iolinkdevice/pdin/getdata" == ifm.request
    assert (Slice(2, bit=7), None) == (ifm.part, _parse("1/4/pdin", "ifm").part)


@pytest.mark.parametrize(
    ("text", "preset", "column", "said"),
    [
        ("", "", 1, "empty"),
        ("api/x $.a", "", 1, "begins with `/`"),
        ("  GET api", "", 7, "begins with `/`"),
        ("/größe", "", 1, "percent-encoded"),
        ("/x $.a[*]", "", 7, "several values"),
        ("/x Speed//", "", 11, "name is missing"),
        ("a b", "mtconnect", 1, "no dataItemId"),
        ("1/pdin", "iolink", 1, "no port of a master"),
        ("2/1/pdin", "ifm", 1, "always master 1"),
        ("1/1/pdin 0:FLOAT", "ifm", 10, "no place in process data"),
        ("1/1/pdin 99:INT", "iolink", 10, "no place in process data"),
        ("1/1/pdin 1.8", "iolink", 10, "no bit"),
    ],
)
def test_a_mistake_is_pointed_at(text, preset, column, said):
    """The column is that of the word that is wrong."""
    with pytest.raises(AddressError, match=said) as caught:
        _parse(text, preset)
    assert (column, True) == (caught.value.column, bool(caught.value.hint))


@given(
    st.one_of(
        st.text(max_size=40),
        st.from_regex(
            r"(GET )?/[a-z]{1,4} (\$(\.[a-z]|\[\d\])*|//?[A-Z]{1,3}(/@?[a-z])?)", fullmatch=True
        ),
        st.from_regex(r"\d/\d/pdin( \d{1,3}(:[A-Z]{3,5}|\.\d))?", fullmatch=True),
    ),
    st.sampled_from(["", "mtconnect", "iolink", "ifm"]),
)
def test_any_text_parses_or_says_where_it_is_wrong(text, preset):
    """No text does anything else, and the canonical text means the same."""
    try:
        address = _parse(text, preset)
    except AddressError as error:
        address, column = None, error.column
        assert 1 <= column <= len(text) + 1
    assert address is None or address == _parse(str(address), preset)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "10.1.30.7"}, "is no address"),
        ({"url": "ftp://a"}, "is no address"),
        ({"url": "http://me:pw@a"}, "belongs under `auth"),
        ({"url": "http://a/x?y=1"}, "belongs into the addresses"),
        ({"url": "http://a:99999"}, "no valid port"),
        ({"url": URL, "timestamp": "ts"}, "begins with"),
        ({"url": URL, "auth": {"user": "a"}, "token": "b"}, "either `auth` or `token`"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, said):
    """Each in a sentence that says what to write."""
    with pytest.raises(ValidationError, match=said):
        HttpConfig(**settings)


def test_keys_tell_sessions_apart_and_hold_no_secret():
    """The user shows, passwords and tokens never do."""
    config = HttpConfig(url=URL + "/", auth={"user": "ops", "password": "hunter2"})
    assert "http://ops@10.1.30.7:5000" == config.key()
    keys = {
        HttpConfig(url=URL, **more).key()
        for more in ({}, {"token": "hunter2"}, {"headers": {"X-Key": "hunter2"}}, {"timeout_s": 9})
    }
    assert (4, False) == (len(keys), any("hunter2" in key for key in keys))
    assert "http://10.1.30.7:81/x" == HttpConfig(url="https://10.1.30.7/x").moved_to(81).url


def test_the_page_has_every_setting():
    """docs/reference/bridges/http.md leaves nothing out."""
    page = (ROOT / "docs/reference/bridges/http.md").read_text()
    settings = HttpConfig.model_fields.keys() - DriverConfig.model_fields.keys()
    assert [] == [name for name in settings if f"| `{name}` |" not in page]
