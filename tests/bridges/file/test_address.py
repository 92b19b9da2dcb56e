"""Addresses, settings, lines and cells of files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridges import get_driver
from bridges.file import FileConfig, FileDriver
from bridges.file.address import Format
from bridges.file.cells import said
from bridges.file.lines import encoding_of, lines_of
from bridges.rows import Moments
from uns.errors import AddressError
from uns.metric import DataType
from uns.project.catalogue import Catalogue
from uns.project.load import load

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/reference/bridges/file.md"


def settings(**given) -> FileConfig:
    return FileConfig.model_validate({"folder": "drop"} | given)


@pytest.mark.parametrize(
    ("form", "key", "text", "canonical"),
    [
        ("csv", "", "result", "result"),
        ("csv", "line", ' L1 / "a/b"', 'L1/"a/b"'),
        ("jsonl", "line", "L1/value", "L1/$.value"),
        ("json", "", "$.axes[0]", "$.axes[0]"),
        ("json", "", "air temp", "$['air temp']"),
        ("xml", "Line", "L1/Result/@unit", "L1/Result/@unit"),
        ("xml", "", "Result", "Result"),
    ],
)
def test_an_address_is_written_as_the_format_has_it(form, key, text, canonical):
    """Columns, JSON paths and XML paths, behind a key where rows have one."""
    config = settings(format=form, key=key)
    assert canonical == str(FileDriver.parse(text, config))


@pytest.mark.property
@given(
    st.text(alphabet=st.sampled_from("ab$.[0]/@\"'* é"), max_size=12),
    st.sampled_from(Format),
    st.booleans(),
)
def test_any_text_is_an_address_or_says_where_it_is_not(text, form, has_key):
    """Canonical text parses to the same address; a mistake lies within the text."""
    config = settings(format=form, key="k" if has_key else "")
    column = None
    try:
        address = FileDriver.parse(text, config)
    except AddressError as error:
        column = error.column
    if column is None:
        assert address == FileDriver.parse(str(address), config)
    else:
        assert 1 <= column <= len(text) + 1


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"files": "a/*.csv"}, "one folder"),
        ({"timezone": "Mars/Base"}, "no time zone"),
        ({"timestamp_format": "%d.%m.%Q"}, "tells no time"),
        ({"encoding": "utf-32"}, "no encoding"),
        ({"delimiter": "::"}, "one character"),
        ({"rows": "$.x"}, "documents"),
        ({"format": "json", "rows": "$["}, "rows:"),
        ({"format": "xml", "key": "a["}, "key:"),
        ({"format": "yaml"}, "csv"),
    ],
)
def test_settings_that_cannot_be_are_refused(given_, words):
    """Each with a sentence that says what to write."""
    with pytest.raises(ValidationError, match=words):
        settings(**given_)


def test_the_name_of_a_connection_tells_folder_and_files():
    """Two patterns in one folder are two connections; there is no network."""
    assert "file://drop/*.csv" == settings().key()
    assert settings().key() != settings(decimal=",").key()
    assert None is settings().endpoint()
    assert settings() == settings().moved_to(5)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("cut", range(12))
def test_a_chunk_may_end_anywhere(encoding, cut):
    """Lines that are whole are found, the rest waits; nothing is read twice or left out."""
    raw = "a;ü\r\n\u0a00;b\n".encode(encoding, "ignore")
    whole = lines_of(raw, encoding, is_last=True)
    first = lines_of(raw[:cut], encoding, is_last=False)
    rest = lines_of(raw[sum(line.size for line in first) :], encoding, is_last=True)
    assert whole == [*first, *rest]
    assert len(raw) == sum(line.size for line in whole)
    assert "a;ü" == whole[0].text


def test_the_encoding_is_told_by_the_bytes():
    """A mark decides, else UTF-8 where it is, else what Windows writes."""
    assert "utf-16-be" == encoding_of(b"\xfe\xff\0a", "auto")
    assert ["Größe", "Größe"] == [
        line.text
        for line in lines_of("Größe\n".encode() + "Größe\n".encode("cp1252"), "auto", is_last=False)
    ]
    assert "x" == lines_of(b"\xef\xbb\xbfx\n", "auto", is_last=False)[0].text


@pytest.mark.parametrize(
    ("cell", "decimal", "value"),
    [
        ("42", ".", 42),
        ("-4.5e3", ".", -4500.0),
        ("4,5", ",", 4.5),
        ("1.234.567,8", ",", 1234567.8),
        ("1 234", ",", 1234),
        (7, ".", 7),
        ("", ".", None),
        ("  ", ".", None),
        (None, ".", None),
    ],
)
def test_numbers_are_read_as_people_write_them(cell, decimal, value):
    """With a point or a comma, with thousands where they are in threes; empty says nothing."""
    got = said(cell, DataType.DOUBLE, Moments(), decimal)
    assert (value, type(value)) == (got, type(got))


@pytest.mark.parametrize(
    ("cell", "decimal"),
    [
        ("<0.5", "."),
        ("4,5", "."),
        ("1.5", ","),
        ("nan", "."),
        ("1_000", "."),
        ("٣", "."),
        ([], "."),
    ],
)
def test_what_is_no_number_is_refused(cell, decimal):
    """Nothing is guessed: 1.5 with a decimal comma may be fifteen hundred."""
    with pytest.raises(ValueError, match="no number"):
        said(cell, DataType.INT32, Moments(), decimal)


def test_every_setting_is_in_the_reference():
    """docs/reference/bridges/file.md speaks of each."""
    page = PAGE.read_text()
    own = FileConfig.model_fields.keys() - {"enabled", "clock"}
    names = {FileConfig.model_fields[name].alias or name for name in own}
    assert set() == {name for name in names if f"| `{name}` |" not in page}


def test_the_example_of_the_reference_is_a_project(tmp_path):
    """What the page shows first is loaded without a finding, and reads the cells it says."""
    block = re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "project.yaml").write_text(block[1])
    loaded = load(tmp_path, Catalogue({"file": get_driver("file")}))
    assert () == loaded.diagnostics
    sources = [tag.source for machine in loaded.project.machines for tag in machine.tags]
    assert "LINE1/Brix" == str(sources[0].address)
