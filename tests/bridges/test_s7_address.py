"""S7 addresses: what is accepted, where a mistake is pointed at, and that nothing is pretended."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.driver import DriverConfig
from bridges.s7 import S7Config, S7Driver
from uns.errors import AddressError, DeviceError

CONFIG = S7Config(host="10.1.1.20")
ROOT = Path(__file__).parents[2]


def _parsed(text):
    try:
        return S7Driver.parse(text, CONFIG)
    except AddressError as error:
        return error


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("DB10.DBD4:REAL", "DB10.DBD4:REAL"),
        ("DB10.DBX0.1", "DB10.DBX0.1"),
        ("DB10.DBX0.1:BOOL", "DB10.DBX0.1"),
        ("DB10.DBB30:STRING[20]", "DB10.DBB30:STRING[20]"),
        ("DB10.DBB0:LREAL", "DB10.DBB0:LREAL"),
        ("DB10.DBD4", "DB10.DBD4"),
        ("db10.dbw0:int", "DB10.DBW0:INT"),
        ("%DB10.DBW0:INT", "DB10.DBW0:INT"),
        ("DB10,R4", "DB10.DBD4:REAL"),
        ("DB10.R4", "DB10.DBD4:REAL"),
        ("DB10,REAL4", "DB10.DBD4:REAL"),
        ("DB10,LR8", "DB10.DBB8:LREAL"),
        ("DB10,DI8", "DB10.DBD8:DINT"),
        ("DB10,X0.1", "DB10.DBX0.1"),
        ("DB10,S30.20", "DB10.DBB30:STRING[20]"),
        ("MW20:INT", "MW20:INT"),
        ("%MW20", "MW20"),
        ("M0.1", "M0.1"),
        ("MX0.1", "M0.1"),
        ("IW0:WORD", "IW0:WORD"),
        ("EW0", "IW0"),
        ("E0.7", "I0.7"),
        ("A1.3", "Q1.3"),
        ("QB5:BYTE", "QB5:BYTE"),
    ],
)
def test_addresses_mean_what_the_canonical_form_says(text, canonical):
    """Each accepted spelling is one place, and its canonical form reads back as the same."""
    address = S7Driver.parse(text, CONFIG)
    assert canonical == str(address)
    assert address == S7Driver.parse(str(address), CONFIG)


@pytest.mark.parametrize(
    ("text", "column", "sentence", "hint"),
    [
        ("", 1, "the address is empty", "DB10.DBD4:REAL"),
        ("DB0.DBW0", 3, "there is no DB0", "count from 1"),
        ("DB10", 5, "comes a dot", "DB10,R4"),
        ("DB10.DBQ4", 6, "`DBQ4` names no place", "DB10.DBX0.1"),
        ("DB10,Z4", 6, "`Z4` names no place", "DB10,R4"),
        ("DB10.DBW4:REAL", 11, "REAL takes 4 bytes, and this is W", "D4:REAL"),
        ("DB10.DBW2:STRING[20]", 11, "a STRING begins at a byte", "B2:STRING"),
        ("DB10.DBW0:BOOL", 11, "a BOOL is one bit", "X0.0"),
        ("DB10.DBD4:REEL", 11, "`REEL` is no S7 type", "did you mean `REAL`?"),
        ("DB10.DBD4:", 11, "the type is missing", "STRING[n]"),
        ("DB10.DBX0", 10, "the bit's number is missing", "dot"),
        ("DB10.DBX0.8", 11, "a byte has no bit 8", "0 to 7"),
        ("DB10.DBX0.1:INT", 13, "a bit is a BOOL, not INT", "leave the type out"),
        ("DB10.DBW0.1", 10, "only X has bits", "X0.0"),
        ("DB10.DBB30:STRING", 18, "length is missing", "STRING[20]"),
        ("DB10.DBB30:STRING[300]", 19, "1 to 254", "20"),
        ("DB10.DBB30:STRING[20", 21, "not closed", "STRING[20]"),
        ("DB10.DBD70000:REAL", 9, "70000 is too large", "65535"),
        ("DB10.DBD4:REAL x", 16, "`x` is too much", "type"),
        ("DB10,S30", 9, "length is missing", "DB10,S30.20"),
        ("DB10,R4.1", 8, "REAL has no bits", "`R4`"),
        ("T5", 1, "begins with no S7 area", "timers"),
        ("PIW256", 1, "begins with no S7 area", "PI/PQ"),
    ],
)
def test_a_mistake_is_pointed_at(text, column, sentence, hint):
    """A wrong address names the column, says what is wrong, and how it is written."""
    with pytest.raises(AddressError) as caught:
        S7Driver.parse(text, CONFIG)
    assert column == caught.value.column
    assert sentence in str(caught.value)
    assert hint in caught.value.hint


@given(st.text(alphabet="DBXWMIQEA0123456789.,:%[]() REALSTNG", max_size=24))
def test_no_text_breaks_the_parser(text):
    """Any text is an address or an AddressError with a column inside it."""
    found = _parsed(text)
    if isinstance(found, AddressError):
        assert 1 <= found.column <= len(text) + 1
        assert found.hint
    else:
        assert found == _parsed(str(found))


async def test_a_session_says_plainly_that_s7_is_not_read_yet():
    """Opening, binding and reading fail with what is missing and what to do instead."""
    driver = S7Driver(CONFIG)
    for call in (driver.open(), driver.bind([]), driver.read([])):
        with pytest.raises(DeviceError, match="does not read S7 yet") as caught:
            await call
        assert "OPC UA" in caught.value.hint
    await driver.close()


def test_settings_of_a_connection():
    """A key names host, port, rack and slot; another port leaves the rest as it was."""
    assert "s7://10.1.1.20:102/0.1" == CONFIG.key()
    assert "s7://10.1.1.20:1102/0.1" == CONFIG.moved_to(1102).key()
    assert ("10.1.1.20", 102) == CONFIG.endpoint()


def test_every_setting_is_in_the_reference():
    """docs/reference/bridges/s7.md speaks of each setting, and says that S7 is not read yet."""
    page = (ROOT / "docs/reference/bridges/s7.md").read_text()
    assert [] == [
        name
        for name in S7Config.model_fields.keys() - DriverConfig.model_fields.keys()
        if f"| `{name}` |" not in page
    ]
    assert "does not read S7 yet" in page
