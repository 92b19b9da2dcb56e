"""Addresses, times and cells of rows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridges.rows import Moments, RowAddress, key_text, parse_row, value_of
from uns.errors import AddressError
from uns.metric import DataType

UTC_MS = 1_767_868_200_000  # 2026-01-08T10:30:00Z


@pytest.mark.parametrize(
    ("text", "has_key", "address"),
    [
        ("order_id", False, RowAddress("order_id")),
        (" order id ", False, RowAddress("order id")),
        ('"a/b"', False, RowAddress("a/b")),
        ("LINE1/order_id", True, RowAddress("order_id", "LINE1")),
        ('"LINE 1/A" / "5"" pipe"', True, RowAddress('5" pipe', "LINE 1/A")),
    ],
)
def test_an_address_is_a_column_and_maybe_a_key(text, has_key, address):
    """Names may be quoted, and a key stands in front of a slash."""
    assert address == parse_row(text, has_key=has_key)


@pytest.mark.parametrize(
    ("text", "has_key", "column", "words"),
    [
        ("", False, 1, "column is missing"),
        ("a/b", False, 2, "this connection has none"),
        ("order_id", True, 9, "names no row"),
        ("LINE1/", True, 7, "column is missing"),
        ("/b", True, 1, "key is missing"),
        ('a/"b', True, 3, "not closed"),
        ('a"b', False, 2, "inside a name"),
        ('"a"b', False, 4, "too much"),
        ("a/b/c", True, 4, "too much"),
        ('""', False, 1, "is empty"),
    ],
)
def test_a_wrong_address_says_where(text, has_key, column, words):
    """The column of the mistake and what is wrong."""
    with pytest.raises(AddressError, match=words) as raised:
        parse_row(text, has_key=has_key)
    assert column == raised.value.column
    assert raised.value.hint


@pytest.mark.property
@given(st.text(alphabet=st.sampled_from('ab/" é\n'), max_size=12), st.booleans())
@example('"a""b"/"c"', True)
def test_any_text_is_an_address_or_says_where_it_is_not(text, has_key):
    """Canonical text parses to the same address; a mistake lies within the text."""
    column = None
    try:
        address = parse_row(text, has_key=has_key)
    except AddressError as error:
        column = error.column
    if column is None:
        assert address == parse_row(str(address), has_key=has_key)
    else:
        assert 1 <= column <= len(text) + 1


@pytest.mark.parametrize(
    "cell",
    [
        "2026-01-08T10:30:00Z",
        "2026-01-08 11:30:00+01:00",
        datetime(2026, 1, 8, 10, 30, tzinfo=UTC),
        datetime(2026, 1, 8, 12, 30, tzinfo=timezone(timedelta(hours=2))),
        UTC_MS // 1000,
        str(UTC_MS // 1000),
        UTC_MS,
        float(UTC_MS),
        UTC_MS * 1_000_000,
        Decimal(UTC_MS // 1000),
    ],
)
def test_times_are_read_as_systems_write_them(cell):
    """Text with a zone, time types, and seconds to nanoseconds since 1970."""
    assert UTC_MS == Moments().read(cell)


def test_a_time_without_a_zone_is_in_the_connections_zone():
    """10:30 in Lisbon in July is 09:30 UTC."""
    moments = Moments("Europe/Lisbon")
    assert Moments().read("2026-07-08 09:30") == moments.read("2026-07-08 10:30")
    assert Moments().read("2026-07-08") == Moments().read(date(2026, 7, 8))
    form = Moments("Europe/Lisbon", "%d.%m.%Y %H:%M")
    assert Moments().read("2026-07-08 09:30") == form.read("08.07.2026 10:30")


@pytest.mark.parametrize(
    "cell", ["yesterday", "", True, b"x", -5, 1e30, "1960-01-01", float("nan")]
)
def test_what_is_no_time_is_shown(cell):
    """A time before 1970, or none at all, is refused."""
    with pytest.raises(ValueError):
        Moments().read(cell)


@pytest.mark.parametrize(
    ("cell", "datatype", "value"),
    [
        (None, DataType.FLOAT, None),
        (Decimal("4.50"), DataType.DOUBLE, 4.5),
        (Decimal(9007199254740993), DataType.INT64, 9_007_199_254_740_993),
        (Decimal("4.50"), DataType.STRING, "4.50"),
        (Decimal("NaN"), DataType.STRING, "NaN"),
        (datetime(2026, 1, 8, 10, 30, tzinfo=UTC), DataType.DATETIME, UTC_MS),
        (date(2026, 1, 8), DataType.STRING, "2026-01-08"),
        (timedelta(seconds=90), DataType.FLOAT, 90.0),
        (bytearray(b"x"), DataType.BYTES, b"x"),
        ({"a": "é"}, DataType.STRING, '{"a": "é"}'),
        (UUID(int=1), DataType.STRING, "00000000-0000-0000-0000-000000000001"),
        (True, DataType.BOOLEAN, True),
    ],
)
def test_a_cell_becomes_a_value(cell, datatype, value):
    """What databases return becomes what a reading can carry, exactly where it can."""
    assert (value, type(value)) == (got := value_of(cell, datatype, Moments()), type(got))


def test_a_key_is_written_as_people_write_it():
    """Numbers as digits, CHAR columns without what fills them up."""
    assert ["7", "true", "A"] == [key_text(cell) for cell in (7, True, "A   ")]
