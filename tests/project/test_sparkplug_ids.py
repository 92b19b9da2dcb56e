"""The Sparkplug ids that a project gives its lines and machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from uns.cli.catalogue import catalogue
from uns.project.load import load

ROOT = Path(__file__).parents[2]


@pytest.mark.conforms(
    "tck-id-intro-edge-node-id-uniqueness",
    "tck-id-topic-structure-namespace-unique-edge-node-descriptor",
    "tck-id-payloads-nbirth-edge-node-descriptor",
)
def test_every_line_is_an_edge_node_of_its_own():
    """Ids join a line's place with `:`, which no name holds, so no two lines share one."""
    project = load(ROOT / "config" / "aurora", catalogue()).project
    lines = {machine.topic.levels[:4] for machine in project.machines}
    nodes = {
        (machine.sparkplug.group_id, machine.sparkplug.edge_node_id): machine.topic.levels[:4]
        for machine in project.machines
    }
    assert len(lines) == len(nodes) > 1
    for (group_id, edge_node_id), levels in nodes.items():
        assert levels == (*group_id.split(":"), *edge_node_id.split(":"))


@pytest.mark.conforms("tck-id-topic-structure-namespace-unique-device-id")
def test_every_machine_is_a_device_of_its_own():
    """No two machines of a line share a device id."""
    project = load(ROOT / "config" / "aurora", catalogue()).project
    devices = [machine.sparkplug for machine in project.machines]
    assert len(set(devices)) == len(devices)


PLANT = """
enterprise: acme
types:
  filler: {{tags: {{good: {{type: UInt32}}, {tag}: {{type: UInt32}}}}}}
bindings:
  plc: {{driver: modbus, connection: {{host: "10.1.1.1"}}, tags: {{good: "hr:0 uint32", {tag}: "hr:2 uint32"}}}}
instances:
  - {{path: leeds/packaging/line1/filler, is: filler, bind: plc}}
  - {{path: {path}, is: filler, bind: plc}}
"""


@pytest.mark.conforms(
    "tck-id-case-sensitivity-sparkplug-ids", "tck-id-case-sensitivity-metric-names"
)
@pytest.mark.parametrize(
    ("path", "tag", "expected"),
    [
        ("leeds/packaging/line2/filler", "bad", []),
        ("Leeds/packaging/line2/filler", "bad", ["UNS220"]),  # the group
        ("leeds/Packaging/line2/filler", "bad", ["UNS220"]),  # the edge node
        ("leeds/packaging/line1/Filler", "bad", ["UNS220"]),  # the device
        ("leeds/packaging/line2/filler", "Good", ["UNS220", "UNS220"]),  # the metric
    ],
)
def test_ids_and_names_that_differ_in_capitals_alone_are_warned_of(tmp_path, path, tag, expected):
    """A project that breaks the advice still runs, and its engineer knows."""
    (tmp_path / "plant.yaml").write_text(PLANT.format(path=path, tag=tag))
    loaded = load(tmp_path, catalogue())
    assert loaded.project is not None
    told = [found.code for found in loaded.diagnostics]
    assert expected == [code for code in told if code == "UNS220"]
