"""Tags that are worth nothing when they are late wait for no broker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bridges import get_driver
from uns.metric import Quality
from uns.mqtt import Broker
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.project.project import Project
from uns.service.bridge import BridgeService
from uns.service.edge import now_ms
from uns.store.backlog import Backlog
from uns.store.state import State

PROJECT = """\
enterprise: acme
sites: {{leeds: {{}}}}
types: {{filler: {{tags: {{speed: {{store: {speed}}}, good: {{}}}}}}}}
bindings:
  plc: {{driver: modbus, connection: {{host: 127.0.0.1}}, tags: {{speed: "hr:0 float32", good: "hr:2 float32"}}}}
instances: [{{path: leeds/packaging/line1/filler, is: filler, bind: plc}}]
"""
NODE = "acme:leeds/packaging:line1"


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], Project]:
    """A project whose speed is stored, or is not."""

    def loaded(speed: str) -> Project:
        (tmp_path / "plant.yaml").write_text(PROJECT.format(speed=speed))
        found = load(tmp_path, Catalogue({"modbus": get_driver("modbus")}, {}))
        assert found.project is not None, found.diagnostics
        return found.project

    return loaded


async def test_only_what_is_worth_keeping_waits_for_a_broker(
    project: Callable[[str], Project], tmp_path: Path
) -> None:
    """Without a broker the backlog gets one of two values; a changed project decides anew."""
    state, backlog = State(tmp_path / "state.db"), Backlog(tmp_path / "backlog.db")
    made = project("false")
    brokers = [Broker.parse("mqtt://127.0.0.1:9")]
    bridge = BridgeService(made, made.machines, brokers, state, backlog, get_driver)
    (edge,) = bridge.edges

    def observe() -> int:
        aliases = edge.edge.aliases("filler")
        readings = [(alias, 1.0, int(Quality.GOOD), now_ms()) for alias in aliases.values()]
        edge.observed("filler", readings)
        return backlog.waiting(NODE)

    assert 1 == observe()
    changed = project("true")
    await bridge.change(changed, changed.machines)
    assert 1 + 2 == observe()
    state.close()
    backlog.close()
