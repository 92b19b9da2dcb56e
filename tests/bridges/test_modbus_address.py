"""Modbus addresses: what is accepted, what it means, and where a mistake is pointed at."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.blocks import ByteOrder
from bridges.driver import DriverConfig
from bridges.modbus import ModbusAddress, ModbusConfig, ModbusDriver, Table
from uns.errors import AddressError
from uns.metric import DataType

CONFIG = ModbusConfig(host="10.2.1.20")
ROOT = Path(__file__).parents[2]


def _parse(text, **settings):
    return ModbusDriver.parse(text, CONFIG.model_copy(update=settings))


def _problem(text):
    try:
        _parse(text)
    except AddressError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("hr:100 float32", "1/hr:100 float32"),
        ("hr:100 float32 CDAB", "1/hr:100 float32 CDAB"),
        ("3/hr:100 REAL [dcba]", "3/hr:100 float32 DCBA"),
        ("HR:7 DINT", "1/hr:7 int32"),
        ("ir:0 word", "1/ir:0 uint16"),
        ("hr:1 LREAL", "1/hr:1 float64"),
        ("hr:1 ulint", "1/hr:1 uint64"),
        ("hr:100.3", "1/hr:100.3"),
        ("hr:100.3 bool", "1/hr:100.3"),
        ("hr:200 string[20]", "1/hr:200 string[20]"),
        ("hr:200 STRING(21) BADC", "1/hr:200 string[21] BADC"),
        ("co:12", "1/co:12"),
        ("di:3 BOOL", "1/di:3"),
        ("hr:100", "1/hr:100"),
        ("hr:100 CDAB", "1/hr:100 CDAB"),
        ("  2/co:0  ", "2/co:0"),
        ("40101", "1/hr:100"),
        ("400101 REAL", "1/hr:100 float32"),
        ("4/465536", "4/hr:65535"),
        ("40101.7", "1/hr:100.7"),
        ("30001", "1/ir:0"),
        ("00012", "1/co:11"),
        ("100003", "1/di:2"),
    ],
)
def test_addresses_mean_what_the_canonical_form_says(text, canonical):
    """Each accepted spelling is one place, and its canonical form reads back as the same."""
    address = _parse(text)
    assert canonical == str(address)
    assert address == _parse(str(address))


@pytest.mark.parametrize(
    ("text", "column", "sentence", "hint"),
    [
        ("", 1, "the address is empty", "hr:100 float32"),
        ("hr:100 flaot32", 8, "`flaot32` is no type", "did you mean `float32`?"),
        ("hr:100 float32 CDBA", 16, "`CDBA` is one word too many", "CDAB"),
        ("hr:100 float32 CDAB x", 21, "`x` is one word too many", "an order"),
        ("hx:100", 1, "`hx` is no Modbus table", "did you mean `hr`?"),
        ("7/hx:100", 3, "`hx` is no Modbus table", "co and di"),
        ("hr:", 4, "the register number is missing", "decimal"),
        ("hr: 100", 4, "the register number is missing", "without blanks"),
        ("hr:0x10", 4, "`0x10` is no register number", "decimal"),
        ("hr:70000", 4, "there is no `hr:70000`", "0 to 65535"),
        ("hr:١٢", 4, "is no register number", "decimal"),
        ("hr:65535 DINT", 1, "ends at register 65536", "check"),
        ("hr:1.16", 6, "`16` is no bit", "0 (least significant) to 15"),
        ("hr:1.", 6, "the bit's number is missing", "0 (least significant)"),
        ("hr:1.3 int16", 8, "a bit of a register is a bool, not int16", "leave the type out"),
        ("co:3.1", 5, "a coil is one bit already", "`co:3`"),
        ("co:3 REAL", 6, "a coil is a bool, not REAL", "leave the type out"),
        ("di:3 string[4]", 6, "a bit holds no text", "hr or ir"),
        ("hr:1 string", 6, "needs a length", "string[20]"),
        ("hr:1 string[251]", 6, "needs a length from 1 to 250", "string[20]"),
        ("256/hr:1", 1, "`256` is no unit id", "0 to 255"),
        ("/hr:1", 1, "`` is no unit id", "0 to 255"),
        ("1!400001", 1, "`1!400001` is no Modbus address", "`1/400001`"),
        ("50001", 1, "`50001` begins with 5", "Modicon"),
        ("40000", 2, "there is no `40000`", "count from 1"),
        ("465537", 2, "there is no `465537`", "65536"),
        ("4001", 1, "`4001` is no Modbus address", "40101"),
    ],
)
def test_a_mistake_is_pointed_at(text, column, sentence, hint):
    """A wrong address names the column, says what is wrong, and how it is written."""
    with pytest.raises(AddressError) as caught:
        _parse(text)
    assert column == caught.value.column
    assert sentence in str(caught.value)
    assert hint in caught.value.hint


def test_the_connection_decides_what_the_address_leaves_out():
    """Unit, byte order and numbering are the connection's where the address is silent."""
    assert "5/hr:9 float32 CDAB" == str(
        _parse("hr:10 float32", unit=5, order=ByteOrder.CDAB, zero_based=False)
    )
    assert "5/hr:99" == str(_parse("40100", unit=5, zero_based=False))
    with pytest.raises(AddressError, match="there is no `hr:0`"):
        _parse("hr:0", zero_based=False)


def test_the_tag_decides_a_type_that_is_not_written():
    """Without a type, the tag's datatype gives one - or says why it cannot."""
    place = _parse("hr:10 CDAB")
    assert "1/hr:10 float32 CDAB" == str(place.typed(DataType.FLOAT))
    assert "1/hr:10 uint32 CDAB" == str(place.typed(DataType.UINT32))
    assert 4 == place.typed(DataType.DOUBLE).cells
    assert "int16" == _parse("hr:10 int16").typed(DataType.FLOAT).type_name
    with pytest.raises(AddressError, match="how long its text is"):
        place.typed(DataType.STRING)
    with pytest.raises(AddressError, match="no counterpart in Modbus"):
        place.typed(DataType.BYTES)
    with pytest.raises(AddressError, match="ends at register 65536"):
        _parse("hr:65535").typed(DataType.FLOAT)


@given(
    st.builds(
        ModbusAddress,
        unit=st.integers(0, 255),
        table=st.sampled_from([Table.HR, Table.IR]),
        start=st.integers(0, 65_000),
        type_name=st.sampled_from(["", "int16", "uint32", "float32", "float64"]),
        order=st.sampled_from(list(ByteOrder)),
    )
)
def test_every_address_reads_back(address):
    """The canonical form of any address is that address."""
    assert address == _parse(str(address))


@given(st.text(max_size=30))
def test_no_text_breaks_the_parser(text):
    """Any text is an address or an AddressError with a column inside it."""
    problem = _problem(text)
    if problem is not None:
        assert 1 <= problem.column <= len(text) + 1
        assert problem.hint


def test_settings_of_the_session_make_the_key():
    """Connections that differ only in what addresses carry have one key."""
    assert "modbus://10.2.1.20:502" == CONFIG.key()
    assert CONFIG.key() == ModbusConfig(host="10.2.1.20", unit=7, order="DCBA").key()
    assert "modbus://10.2.1.20:502?max_gap=0" == ModbusConfig(host="10.2.1.20", max_gap=0).key()
    assert ("10.2.1.20", 502) == CONFIG.endpoint()
    assert ("10.2.1.20", 1502) == CONFIG.moved_to(1502).endpoint()


def test_every_setting_and_type_is_in_the_reference():
    """docs/reference/bridges/modbus.md speaks of each setting, type and byte order."""
    page = (ROOT / "docs/reference/bridges/modbus.md").read_text()
    assert [] == [
        name
        for name in ModbusConfig.model_fields.keys() - DriverConfig.model_fields.keys()
        if f"| `{name}` |" not in page
    ]
    words = ["int16", "uint64", "float32", "float64", "string[n]", *ByteOrder, *Table]
    assert [] == [word for word in words if word not in page]
