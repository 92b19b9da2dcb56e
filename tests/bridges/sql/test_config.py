"""The settings of a SQL connection."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridges import get_driver
from bridges.sql import SqlConfig
from uns.project.catalogue import Catalogue
from uns.project.load import load

ROOT = Path(__file__).parents[3]
MES = "postgresql://10.1.5.5/mes"


def test_the_name_of_a_connection_is_for_people_and_holds_no_secret():
    """Database and table, a hash of what is unusual, and never user or password."""
    plain = SqlConfig(url=MES, table="orders")
    config = SqlConfig(url=MES, table="orders", user="uns", password="pa55", key="line")
    assert "postgresql://10.1.5.5:5432/mes orders" == plain.key()
    assert config.key().startswith("postgresql://10.1.5.5:5432/mes orders~")
    assert config.key() == config.model_copy(update={"password": "other"}).key()
    assert "pa55" not in config.key() + repr(config)
    assert ("10.1.5.5", 5432) == config.endpoint()
    assert ("127.0.0.1", 7000) == config.moved_to(7000).endpoint()
    assert SqlConfig(url=MES, query="select 1").key() != SqlConfig(url=MES, query="select 2").key()


def test_a_file_needs_no_network():
    """An SQLite database has no endpoint, and stays where it is."""
    config = SqlConfig(url="sqlite:///mes/orders.db", table="orders")
    assert None is config.endpoint()
    assert config is config.moved_to(7000)
    assert "mes/orders.db" == config.database
    assert "/srv/o.db" == SqlConfig(url="sqlite:////srv/o.db", table="t").database


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "mysql://h/d", "table": "t"}, "begins with"),
        ({"url": "postgresql://u:p@h/d", "table": "t"}, "beside the url"),
        ({"url": "postgresql://h", "table": "t"}, "names no database"),
        ({"url": "postgresql:///d", "table": "t"}, "names no host"),
        ({"url": "postgresql://h:x/d", "table": "t"}, "[Pp]ort"),
        ({"url": "sqlite://h/d", "table": "t"}, "three slashes"),
        ({"url": MES}, "either"),
        ({"url": MES, "table": "t", "query": "select 1"}, "either"),
        ({"url": MES, "query": "delete from t"}, "SELECT or WITH"),
        ({"url": MES, "table": "t", "timezone": "Mars/Base"}, "no time zone"),
        ({"url": MES, "table": "t", "overlap": 5}, "need a `watermark:`"),
        ({"url": MES, "table": "t", "write": "update t set a=1"}, ":value"),
        ({"url": MES, "table": "t", "write": "update t set a=:value where k=:key"}, "column"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, words):
    """Each with a sentence that says what to write."""
    with pytest.raises(ValidationError, match=words):
        SqlConfig.model_validate(settings)


def test_every_setting_is_in_the_reference():
    """docs/reference/bridges/sql.md speaks of each."""
    page = (ROOT / "docs/reference/bridges/sql.md").read_text()
    own = SqlConfig.model_fields.keys() - {"enabled", "clock"}
    names = {SqlConfig.model_fields[name].alias or name for name in own}
    assert set() == {name for name in names if f"| `{name}` |" not in page}


def test_the_example_of_the_reference_is_a_project(tmp_path):
    """What the page shows first is loaded without a finding, and reads the rows it says."""
    page = (ROOT / "docs/reference/bridges/sql.md").read_text()
    block = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "project.yaml").write_text(block[1])
    catalogue = Catalogue({"sql": get_driver("sql")})
    loaded = load(tmp_path, catalogue, environment={"MES_PASSWORD": "x"})
    assert () == loaded.diagnostics
    sources = [tag.source for machine in loaded.project.machines for tag in machine.tags]
    assert ["1/order_id", "1/bottles"] == [str(source.address) for source in sources[:2]]
