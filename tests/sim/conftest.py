"""A loaded demo project, and a small one that is quick to serve."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from bridges import DRIVERS, get_driver
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.project.project import Project
from uns.sim.aurora import demo_project_folder
from uns.sim.move import moved

_CATALOGUE = Catalogue(drivers={name: get_driver(name) for name in DRIVERS})
_SMALL = """
enterprise: small
types:
  maker:
    tags:
      state: {states: packml}
      speed: {unit: "{piece}/h", range: [0, 60000]}
      good: {type: UInt32, unit: "{piece}", counter: true}
      bad: {type: UInt32, unit: "{piece}", counter: true}
      order/id: {type: String}
      order/start_good: {type: UInt32}
      order/start_bad: {type: UInt32}
      temp: {unit: Cel, range: [0, 90]}
      door_open: {type: Boolean}
      energy: {type: Double, unit: kW.h, counter: true}
bindings:
  plc:
    driver: modbus
    connection: {host: HOST, port: 15999}
    tags:
      state: hr:0 uint16
      speed: hr:2 float32
      good: hr:4 uint32
      bad: hr:6 uint32
      order/start_good: hr:8 uint32
      order/start_bad: hr:10 uint32
      temp: hr:12 float32 CDAB
      door_open: co:3
      order/id: hr:20 string[20]
      energy: {address: hr:40 uint32, scale: [0, 100, 0, 1]}
instances:
  - {path: "here/hall/line1/press", is: maker, bind: plc}
"""


@pytest.fixture(scope="session")
def aurora_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo project's machines; its routes need targets, which a plant knows nothing of."""
    folder = tmp_path_factory.mktemp("aurora")
    for file in demo_project_folder().glob("*.yaml"):
        if file.name != "routes.yaml":
            shutil.copy(file, folder)
    return folder


@pytest.fixture(scope="session")
def aurora(aurora_folder: Path) -> Project:
    """The demo project, on free ports."""
    loaded = load(aurora_folder, _CATALOGUE)
    assert loaded.diagnostics == ()
    assert loaded.project is not None
    return moved(loaded.project)


@pytest.fixture
def small_folder(tmp_path: Path) -> tuple[Path, int]:
    """The same machine as a folder for a command, and the free port that it names."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    text = _SMALL.replace("HOST", "127.0.0.1").replace("15999", str(port))
    (tmp_path / "project.yaml").write_text(text)
    return tmp_path, port


@pytest.fixture
def small(tmp_path: Path) -> Project:
    """One machine on one Modbus device, on a free port."""
    return moved(_loaded(tmp_path, "127.0.0.1"))


@pytest.fixture
def far(tmp_path: Path) -> Project:
    """The same machine, somewhere in a plant."""
    return _loaded(tmp_path, "10.1.2.3")


def _loaded(folder: Path, host: str) -> Project:
    (folder / "project.yaml").write_text(_SMALL.replace("HOST", host))
    loaded = load(folder, _CATALOGUE)
    assert loaded.project is not None, loaded.diagnostics
    return loaded.project
