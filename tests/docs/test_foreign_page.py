"""The page about foreign devices: its rules load, and its table is what the example makes."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from uns.cli.catalogue import catalogue
from uns.metric import DataType
from uns.namespace import Namespace
from uns.project.load import load
from uns.sparkplug.events import Born
from uns.sparkplug.names import NodeId
from uns.sparkplug.slot import Slot

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/foreign-sparkplug.md").read_text()
ROWS = re.findall(r"^\| `([^`]+/[^`]+)` \| `([^`]+)` \| `(acme/[^`]+)` \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("device", "metric", "topic"), ROWS)
def test_a_row_of_the_table_is_true(device: str, metric: str, topic: str) -> None:
    """The example puts the metric exactly where the page says."""
    loaded = load(ROOT / "config/foreign", catalogue())
    assert () == loaded.diagnostics
    project = loaded.project
    assert project is not None
    namespace = Namespace(project.enterprise, project.machines, project.sparkplug.foreign)
    slot = Slot(metric, DataType.FLOAT)
    slot.value = 1.5
    group, node, *rest = device.split("/")
    out = namespace.apply(Born(NodeId(group, node), "".join(rest), (slot,), 1), 1)
    assert ([topic], []) == ([name.decode() for name, _ in out.values], out.notices)


def test_the_table_was_found() -> None:
    """A page without its table would pass the test above."""
    assert 4 == len(ROWS)


def test_the_page_s_rules_load(tmp_path: Path) -> None:
    """What can be copied from the page works as it is."""
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "plant.yaml").write_text("enterprise: acme\n" + textwrap.dedent(block))
    assert () == load(tmp_path, catalogue()).diagnostics
