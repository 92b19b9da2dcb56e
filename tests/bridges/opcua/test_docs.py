"""The reference page says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from bridges.opcua import OpcUaConfig, OpcUaDriver

PAGE = Path(__file__).parents[3] / "docs/reference/bridges/opcua.md"


def test_every_setting_is_in_the_table():
    """Each field of the connection has its row, and no row is about something else."""
    table = PAGE.read_text().partition("## connection")[2].partition("\n## ")[0]
    rows = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    fields = OpcUaConfig.model_fields.items()
    assert {field.alias or name for name, field in fields} == rows


def test_the_example_is_a_connection_with_addresses():
    """Its YAML is read by the driver's own settings and parser."""
    example = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)[1])
    (binding,) = example["bindings"].values()
    connection = binding["connection"]
    config = OpcUaConfig(
        **connection | {"endpoint": connection["endpoint"].replace("{host}", "10.1.20.11")}
    )
    for address in binding["tags"].values():
        assert OpcUaDriver.parse(address, config)


def test_every_setting_has_a_description():
    """`uns` prints them."""
    fields = {**OpcUaConfig.model_fields}
    assert [] == [name for name, field in fields.items() if not field.description]
