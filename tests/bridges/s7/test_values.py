"""The bytes of an S7 and what they mean, against bytes written by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.blocks import Space, plan
from bridges.s7 import S7Config, S7Driver
from bridges.s7.values import encoded, field_of
from uns.errors import DeviceError
from uns.metric import DataType
from uns.sim.s7_memory import S7Memory

CONFIG = S7Config(host="10.1.1.20")
SPACE = Space((1, "DB"), 8, 200, 32)
D = DataType

# After TIA Portal's help on data types; the moments are 2023-11-14 22:13:20.123 UTC.
MEMORY = {
    ("DBX0.3", D.BOOLEAN): ("08", True),
    ("DBX0.4", D.BOOLEAN): ("08", False),
    ("DBB0:SINT", D.INT8): ("FE", -2),
    ("DBB0:BYTE", D.UINT8): ("FE", 254),
    ("DBW0:INT", D.INT16): ("FFFE", -2),
    ("DBW0:WORD", D.UINT16): ("1234", 0x1234),
    ("DBD0:DINT", D.INT32): ("FFFE1DC0", -123_456),
    ("DBD0:UDINT", D.UINT32): ("12345678", 0x12345678),
    ("DBD0:REAL", D.FLOAT): ("40490FDB", 3.1415927410125732),
    ("DBB0:LREAL", D.DOUBLE): ("400921FB54442D18", 3.141592653589793),
    ("DBB0:LINT", D.INT64): ("FFFFFFFFFFFFFFFE", -2),
    ("DBB0:ULINT", D.UINT64): ("FFFFFFFFFFFFFFFE", 2**64 - 2),
    ("DBB0:CHAR", D.STRING): ("FC", "ü"),
    ("DBB0:CHAR", D.UINT8): ("FC", 0xFC),
    ("DBW0:WCHAR", D.STRING): ("65E5", "日"),
    ("DBB0:STRING[6]", D.STRING): ("06044772FC6E0000", "Grün"),
    ("DBB0:STRING[4]", D.STRING): ("040180000000", "€"),
    ("DBB0:WSTRING[3]", D.STRING): ("0003000265E5672C0000", "日本"),
    ("DBD0:TIME", D.INT32): ("FFFFFC18", -1000),
    ("DBD0:TOD", D.UINT32): ("0001E240", 123_456),
    ("DBW0:S5TIME", D.INT32): ("1123", 12_300),
    ("DBW0:S5TIME", D.UINT32): ("3999", 9_990_000),
    ("DBW0:DATE", D.UINT16): ("0001", 1),
    ("DBW0:DATE", D.DATETIME): ("0001", 631_238_400_000),
    ("DBB0:LDT", D.DATETIME): ("17979CFE3D7ED4C0", 1_700_000_000_123),
    ("DBB0:DT", D.DATETIME): ("2311142213201233", 1_700_000_000_123),
    ("DBB0:DTL", D.DATETIME): ("07E70B0E03160D140754D4C0", 1_700_000_000_123),
}


def _typed(text, datatype):
    return S7Driver.parse(f"DB1.{text}", CONFIG).typed(datatype)


def _read(text, datatype, raw):
    (block,) = plan([field_of(7, _typed(text, datatype), datatype, SPACE)])
    assert block.cells == len(raw)
    return block.values(raw)[0]


@pytest.mark.parametrize(("place", "bytes_and_value"), MEMORY.items())
def test_bytes_are_read_as_what_they_stand_for(place, bytes_and_value):
    """Every type comes out of bytes written by hand as the value that they mean."""
    raw, value = bytes_and_value
    assert value == _read(*place, bytes.fromhex(raw))


@pytest.mark.parametrize(("place", "bytes_and_value"), MEMORY.items())
def test_values_are_written_as_those_bytes(place, bytes_and_value):
    """What is written is what a PLC keeps; of a text all but how long it may be."""
    raw, value = bytes_and_value
    (text, datatype) = place
    made = encoded(_typed(text, datatype), datatype, value)
    if text.startswith("DBX"):
        assert made == bytes((value,))
        return
    head = {"S": 1, "W": 2}.get(text[5:6], 0) if "STRING" in text else 0
    assert bytes.fromhex(raw)[head:].startswith(made)
    assert {0} >= set(bytes.fromhex(raw)[head + len(made) :])


@pytest.mark.parametrize(("place", "bytes_and_value"), MEMORY.items())
def test_the_simulated_memory_agrees(place, bytes_and_value):
    """The simulator's setter, which shares no code with the driver, stores the same bytes."""
    raw, value = bytes_and_value
    address = _typed(*place)
    memory = S7Memory({("DB", 1): len(raw) // 2})
    where = {"bit": address.bit, "length": address.length}
    if address.type_name == "DATE" and place[1] is D.DATETIME:
        value = 1  # a memory knows days; uns/sim/s7_endpoint.py turns moments into them
    memory.set("DB", 1, 0, value, address.type_name, **where)
    if place != ("DBX0.4", D.BOOLEAN):
        assert raw == memory["DB", 1].hex().upper()


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("DBB0:STRING[4]", "040541424344"),  # longer than it may be
        ("DBB0:STRING[4]", "0A0641424344"),  # longer than the address says
        ("DBB0:WSTRING[1]", "000200020041"),
        ("DBB0:DT", "2313142213201233"),  # month 13
        ("DBB0:DT", "23111422132012A3"),  # no digit
        ("DBB0:DTL", "000000000000000000000000"),
        ("DBW0:S5TIME", "1A23"),
    ],
)
def test_bytes_that_mean_nothing_are_no_value(text, raw):
    """A text that is cut, a date that is none: no value, which makes the tag Bad."""
    datatype = D.INT32 if "S5TIME" in text else D.STRING if "STRING" in text else D.DATETIME
    assert _read(text, datatype, bytes.fromhex(raw)) is None


@pytest.mark.parametrize(
    ("text", "datatype", "value", "sentence"),
    [
        ("DBX0.1", D.BOOLEAN, 2, "neither true nor false"),
        ("DBX0.1", D.BOOLEAN, "on", "neither true nor false"),
        ("DBW0:INT", D.INT16, 40_000, "40000 does not fit INT"),
        ("DBW0:INT", D.INT16, 1.5, "no whole number"),
        ("DBW0:INT", D.INT16, "1", "is no number"),
        ("DBW0:INT", D.INT16, None, "is no number"),
        ("DBD0:REAL", D.FLOAT, 1e39, "does not fit REAL"),
        ("DBD0:REAL", D.FLOAT, float("nan"), "is no number"),
        ("DBB0:STRING[4]", D.STRING, "Volvic", "does not fit 4 characters"),
        ("DBB0:STRING[4]", D.STRING, "日", "letters that a STRING cannot hold"),
        ("DBB0:STRING[4]", D.STRING, 4, "is no text"),
        ("DBB0:WSTRING[1]", D.STRING, "😀", "does not fit 1 characters"),
        ("DBB0:CHAR", D.STRING, "ab", "does not fit one character"),
        ("DBB0:CHAR", D.STRING, "", "does not fit one character"),
        ("DBB0:DT", D.DATETIME, 0, "does not fit DT"),
        ("DBB0:DTL", D.DATETIME, 10**18, "does not fit DTL"),
        ("DBW0:DATE", D.DATETIME, 0, "does not fit DATE"),
        ("DBW0:S5TIME", D.INT32, 12_345, "does not fit S5TIME"),
    ],
)
def test_a_value_that_does_not_fit_is_a_sentence(text, datatype, value, sentence):
    """Before anything is sent, what cannot be written is told."""
    with pytest.raises(DeviceError, match=sentence):
        encoded(_typed(text, datatype), datatype, value)


@pytest.mark.parametrize("kind", ["DT", "DTL", "LDT"])
def test_a_clock_on_the_wall_has_a_time_zone(kind):
    """What a program wrote as local time is the moment that it was, in summer and in winter."""
    address = _typed(f"DBB0:{kind}", D.DATETIME)
    for utc, local in ((1_720_000_000_000, 7_200_000), (1_700_000_000_000, 3_600_000)):
        shown = encoded(address, D.DATETIME, utc + local)
        assert shown == encoded(address, D.DATETIME, utc, "Europe/Berlin")
        (block,) = plan([field_of(7, address, D.DATETIME, SPACE, "Europe/Berlin")])
        assert [utc] == block.values(shown)


@pytest.mark.property
@given(
    st.binary(min_size=12, max_size=12),
    st.sampled_from(["DTL", "DT", "LDT", "S5TIME", "STRING[10]"]),
)
def test_any_bytes_are_a_value_or_none(raw, kind):
    """Whatever lies in the PLC, reading it does not fail."""
    place = f"DB{'W' if kind == 'S5TIME' else 'B'}0:{kind}"
    value = _read(place, D.STRING, raw[: _typed(place, D.STRING).size])
    assert value is None or isinstance(value, int | str)
