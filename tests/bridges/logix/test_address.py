"""Logix addresses: what is accepted, and where a mistake is pointed at."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bridges.driver import DriverConfig
from bridges.logix import LogixAddress, LogixConfig, LogixDriver
from bridges.logix.address import Step
from bridges.logix.kinds import KINDS
from uns.errors import AddressError

ROOT = Path(__file__).parents[3]
CONFIG = LogixConfig(host="10.1.1.30")


def _parsed(text):
    try:
        return LogixDriver.parse(text, CONFIG)
    except AddressError as error:
        return error


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Speed", LogixAddress((Step("Speed"),))),
        ("  _Speed_2 ", LogixAddress((Step("_Speed_2"),))),
        ("Filler.Drive.Temp", LogixAddress((Step("Filler"), Step("Drive"), Step("Temp")))),
        ("Counts[3]", LogixAddress((Step("Counts", (3,)),))),
        ("Grid[1,20,300]", LogixAddress((Step("Grid", (1, 20, 300)),))),
        ("Lines[2].Speed", LogixAddress((Step("Lines", (2,)), Step("Speed")))),
        ("Status.5", LogixAddress((Step("Status"),), 5)),
        ("Words[4].63", LogixAddress((Step("Words", (4,)),), 63)),
        ("program:Main.Speed", LogixAddress((Step("Program:Main"), Step("Speed")))),
        ("Local:1:I.Data.0", LogixAddress((Step("Local:1:I"), Step("Data")), 0)),
    ],
)
def test_addresses_are_names_as_the_controller_has_them(text, address):
    """Names, members, indices, bits, programs and modules are told apart."""
    assert address == _parsed(text)
    assert address == _parsed(str(address))


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("", 1, "empty"),
        ("   ", 1, "empty"),
        ("3Speed", 1, "cannot begin"),
        ("Filler..Speed", 8, "cannot begin"),
        ("Filler.", 8, "missing"),
        ("Filler Speed", 7, "cannot follow"),
        ("Counts[3", 9, "not closed"),
        ("Counts[]", 8, "missing"),
        ("Counts[a]", 8, "missing"),
        ("Counts[1,2,3,4]", 14, "three dimensions"),
        ("Counts[1][2]", 10, "one pair"),
        ("Counts[99999999]", 8, "no index"),
        ("Status.64", 8, "no bit"),
        ("Status.5.Speed", 9, "cannot follow"),
        ("Counts{10}", 7, "cannot follow"),
        ("Größe", 3, "cannot follow"),
        ("Program:Main", 13, "no tag in it"),
        ("Program:Main.3", 15, "names no tag"),
        ("Program:Main[1].Speed", 13, "no index"),
        ("Program:Main:2.Speed", 13, "no colon"),
        ("A" * 41, 1, "longer than 40"),
        (".".join(["Name" * 10] * 20), 492, "too long"),
    ],
)
def test_a_mistake_is_pointed_at(text, column, says):
    """The column is that of the mistake, and a hint shows what is right."""
    error = _parsed(text)
    assert isinstance(error, AddressError)
    assert (column, True) == (error.column, bool(error.hint))
    assert says in str(error)


_LIKELY = st.text("aB_0123[],.: Program", max_size=24)


@pytest.mark.property
@given(st.one_of(st.text(max_size=40), _LIKELY))
def test_any_text_is_an_address_or_a_mistake_with_a_column(text):
    """Nothing else is raised, and the canonical form means the same."""
    found = _parsed(text)
    if isinstance(found, AddressError):
        assert 1 <= found.column <= len(text) + 1
    else:
        assert found == _parsed(str(found))


def test_the_key_tells_sessions_apart():
    """Another slot, port or time-out is another session; the same settings are the same."""
    keys = [
        LogixConfig(host="plc").key(),
        LogixConfig(host="plc", slot=2).key(),
        LogixConfig(host="plc", port=2222).key(),
        LogixConfig(host="plc", timeout_s=5).key(),
    ]
    assert "logix://plc:44818/0" == keys[0]
    assert 4 == len(set(keys))
    assert ("127.0.0.1", 1) == LogixConfig(host="127.0.0.1").moved_to(1).endpoint()


def test_the_page_names_every_setting_and_its_example_is_read():
    """docs/reference/bridges/logix.md speaks of each setting; its bindings are right as they stand."""
    page = (ROOT / "docs/reference/bridges/logix.md").read_text()
    words = LogixConfig.model_fields.keys() - DriverConfig.model_fields.keys()
    assert [] == [name for name in words if f"| `{name}` |" not in page]
    assert [] == [kind.name for kind in KINDS.values() if kind.name not in page]
    example = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    (binding,) = example["bindings"].values()
    config = LogixConfig(**binding["connection"])
    read = [str(LogixDriver.parse(text, config)) for text in binding["tags"].values()]
    assert list(binding["tags"].values()) == read
