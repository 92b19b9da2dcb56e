"""S7 addresses and settings: what is accepted, and where a mistake is pointed at."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridges.driver import DriverConfig
from bridges.s7 import S7Config, S7Driver
from uns.errors import AddressError
from uns.metric import DataType

CONFIG = S7Config(host="10.1.1.20")
PAGE = Path(__file__).parents[3] / "docs/reference/bridges/s7.md"


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
        ("DB10.DBB40:WSTRING[300]", "DB10.DBB40:WSTRING[300]"),
        ("DB10,WS40.300", "DB10.DBB40:WSTRING[300]"),
        ("DB10.DBB60:DTL", "DB10.DBB60:DTL"),
        ("DB10.DBB60:DATE_AND_TIME", "DB10.DBB60:DT"),
        ("DB10,DT60", "DB10.DBB60:DT"),
        ("DB10.DBD60:TIME_OF_DAY", "DB10.DBD60:TOD"),
        ("DB10.DBW60:S5TIME", "DB10.DBW60:S5TIME"),
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


@pytest.mark.parametrize(
    ("text", "datatype", "typed"),
    [
        ("DB1.DBD0", DataType.FLOAT, "DB1.DBD0:REAL"),
        ("DB1.DBD0", DataType.DOUBLE, "DB1.DBD0:REAL"),
        ("DB1.DBD0", DataType.INT32, "DB1.DBD0:DINT"),
        ("DB1.DBD0", DataType.UINT64, "DB1.DBD0:UDINT"),
        ("DB1.DBW0", DataType.FLOAT, "DB1.DBW0:INT"),
        ("DB1.DBW0", DataType.UINT16, "DB1.DBW0:UINT"),
        ("MB0", DataType.BOOLEAN, "MB0:USINT"),
        ("MB0", DataType.INT8, "MB0:SINT"),
        ("M0.1", DataType.INT16, "M0.1"),
        ("MW0:WORD", DataType.INT16, "MW0:WORD"),
    ],
)
def test_without_a_type_the_tag_decides_within_the_size(text, datatype, typed):
    """The letter says how many bytes, the tag's datatype what they are."""
    assert typed == str(S7Driver.parse(text, CONFIG).typed(datatype))


@pytest.mark.parametrize(
    ("datatype", "hint"),
    [(DataType.STRING, "`DB1.DBB0:STRING[20]`"), (DataType.DATETIME, "`DB1.DBB0:DTL`")],
)
def test_a_text_and_a_moment_need_a_type(datatype, hint):
    """What no size tells is asked for, with an address that says it."""
    with pytest.raises(AddressError, match="does not say") as caught:
        S7Driver.parse("DB1.DBD0", CONFIG).typed(datatype)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("M0.1", 1),
        ("MD0", 4),
        ("DB1.DBB0:STRING[20]", 22),
        ("DB1.DBB0:WSTRING[20]", 44),
        ("DB1.DBB0:DTL", 12),
    ],
)
def test_an_address_knows_its_size(text, size):
    """A text has a head: how long it may be, and how long it is."""
    assert size == S7Driver.parse(text, CONFIG).size


def test_settings_of_a_connection():
    """A key names host, port, rack and slot; another port leaves the rest as it was."""
    assert "s7://10.1.1.20:102/0.1" == CONFIG.key()
    assert "s7://10.1.1.20:1102/0.1" == CONFIG.moved_to(1102).key()
    slow = CONFIG.model_copy(update={"timeout_s": 9.0, "role": "op"})
    assert "s7://10.1.1.20:102/0.1?role=op&timeout_s=9.0" == slow.key()
    assert ("10.1.1.20", 102) == CONFIG.endpoint()


def test_a_time_zone_is_one_that_this_machine_knows():
    """A misspelt one is told when the project is checked."""
    assert "zone=Europe/Berlin" in S7Config(host="h", zone="Europe/Berlin").key()
    for wrong in ("Europe/Berlint", "../etc", ""):
        with pytest.raises(ValidationError, match="no time zone"):
            S7Config(host="h", zone=wrong)


def test_every_setting_is_in_the_reference():
    """docs/reference/bridges/s7.md speaks of each setting and of each type."""
    page = PAGE.read_text()
    settings = S7Config.model_fields.keys() - DriverConfig.model_fields.keys()
    assert [] == [name for name in settings if f"| `{name}` |" not in page]
    types = _parsed("DB1.DBB0:NOTHING").hint.partition("types are ")[2].split(", ")
    assert [] == [name for name in types if name not in page]


def test_the_example_of_the_reference_is_a_project(tmp_path):
    """The YAML at the head of the page is a binding that loads, with every address in it."""
    example = PAGE.read_text().partition("```yaml\n")[2].partition("```")[0]
    found = yaml.safe_load(example)["bindings"]["filler-s7"]
    connection = found["connection"] | {"host": "10.1.1.20"}
    config = S7Config(**connection)
    assert len(found["tags"]) == len({S7Driver.parse(t, config) for t in found["tags"].values()})
