"""A simulated orders database and laboratory, read by the drivers that read real ones."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bridges import get_driver
from bridges.driver import BoundTag
from uns.errors import DeviceError
from uns.metric import Quality
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.project.project import Project
from uns.sim.endpoint import Endpoint, Showing, endpoints_of
from uns.sim.plant import SimulatedPlant

NOW_MS = 1_767_868_200_000
CATALOGUE = Catalogue({name: get_driver(name) for name in ("sql", "file")})
PROJECT = """
enterprise: acme
sites: {leeds: {}}
types:
  filler:
    tags:
      order: {type: string}
      good:  {type: Int64, counter: true, unit: "{bottle}"}
      brix:  {type: Double, range: [0, 70], unit: "%"}
bindings:
  rows:
    driver: DRIVER
    connection: CONNECTION
    tags: {order: "L{n}/order_id", good: "L{n}/good", brix: "L{n}/Brix"}
instances:
  - {path: "leeds/packaging/line{n}/filler", each: {n: 1..2}, is: filler, bind: rows}
"""
STATE = "{url: 'sqlite:///mes/orders.db', table: orders, key: line, timestamp: at}"
LOG = STATE[:-1] + ", watermark: id}"
LAB = "{folder: drop, files: 'lab-*.csv', key: Line, timestamp: at, settle_s: 0, decimal: ','}"


def project(folder: Path, driver: str, connection: str) -> Project:
    text = PROJECT.replace("DRIVER", driver).replace("CONNECTION", connection)
    (folder / "project.yaml").write_text(text)
    loaded = load(folder / "project.yaml", CATALOGUE)
    assert loaded.project is not None, loaded.diagnostics
    return loaded.project


def served(found: Project, home: Path) -> Endpoint:
    [endpoint] = endpoints_of(found)
    endpoint.home = home
    return endpoint


def shown(endpoint: Endpoint, good: int) -> list[Showing]:
    values = {"order": f"PO-{good}", "good": good, "brix": good / 2}
    return [Showing(tag, values[tag.name]) for tag in endpoint.tags]


async def read(found: Project, home: Path, scans: int = 1) -> dict[str, tuple]:
    """The newest reading of each tag, by its topic."""
    [connection] = found.connections.values()
    driver = get_driver(connection.driver)(connection.config)
    driver.home = home
    tags = [tag for machine in found.machines for tag in machine.tags]
    bound = [BoundTag(n, tag.source.address, tag.datatype) for n, tag in enumerate(tags)]
    try:
        await driver.open()
        assert {""} == {result.problem for result in await driver.bind(bound)}
        for _ in range(scans):
            readings = await driver.read(tuple(range(len(tags))))
    finally:
        await driver.close()
    return {tags[one[0]].topic.text: one[1:] for one in readings}


@pytest.mark.parametrize(("driver", "connection"), [("sql", STATE), ("sql", LOG), ("file", LAB)])
async def test_what_is_shown_is_read(tmp_path, driver, connection):
    """The newest value of each tag, with the time at which it was shown, over a restart too."""
    found = project(tmp_path, driver, connection)
    endpoint = served(found, tmp_path)
    await endpoint.start(shown(endpoint, 5), NOW_MS)
    await endpoint.show(shown(endpoint, 7), NOW_MS + 10_000)
    await endpoint.stop()
    again = served(found, tmp_path)
    await again.start(shown(again, 9), NOW_MS + 20_000)
    for line in (1, 2):
        told = await read(found, tmp_path)
        topic = f"acme/leeds/packaging/line{line}/filler"
        good = (Quality.GOOD, NOW_MS + 20_000)
        assert ("PO-9", *good) == told[f"{topic}/order"]
        assert (9, *good) == told[f"{topic}/good"]
        assert (4.5, *good) == told[f"{topic}/brix"]
    await again.stop()


async def test_a_log_keeps_its_newest_rows_only(tmp_path):
    """Every change is a row of its own, and the table does not grow for ever."""
    found = project(tmp_path, "sql", LOG)
    endpoint = served(found, tmp_path)
    await endpoint.start(shown(endpoint, 0), NOW_MS)
    for good in range(1, 5100):
        await endpoint.show(shown(endpoint, good), NOW_MS + good)
    await endpoint.stop()
    with sqlite3.connect(tmp_path / "mes/orders.db") as database:
        [[count, newest]] = database.execute("select count(*), max(good) from orders")
    database.close()
    assert (10_000, 5099) == (count, newest)


async def test_a_laboratory_does_not_fill_the_disk(tmp_path):
    """A file of 500 rows is followed by the next, and twenty are kept."""
    found = project(tmp_path, "file", LAB)
    endpoint = served(found, tmp_path)
    await endpoint.start(shown(endpoint, 0), NOW_MS)
    for good in range(1, 6000):
        await endpoint.show(shown(endpoint, good), NOW_MS + good * 5000)
    files = sorted((tmp_path / "drop").glob("lab-*.csv"))
    assert 20 == len(files)
    assert "Line;at;order_id;good;Brix" == files[-1].read_text().splitlines()[0]
    assert 501 == len(files[-2].read_text().splitlines())


async def test_real_orders_and_real_results_are_left_alone(tmp_path):
    """A file or folder that no plant made is never written to."""
    (tmp_path / "mes").mkdir()
    with sqlite3.connect(tmp_path / "mes/orders.db") as database:
        database.execute("create table orders (line text)")
    database.close()
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop/lab-1.csv").write_text("real\n")
    for driver, connection in (("sql", STATE), ("file", LAB)):
        endpoint = served(project(tmp_path, driver, connection), tmp_path)
        with pytest.raises(DeviceError, match="is left alone"):
            await endpoint.start(shown(endpoint, 1), NOW_MS)
    assert "real\n" == (tmp_path / "drop/lab-1.csv").read_text()


@pytest.mark.parametrize(
    ("driver", "connection", "words"),
    [
        ("sql", "{url: 'postgresql://127.0.0.1/mes', table: t, key: k}", "PostgreSQL"),
        ("sql", "{url: 'sqlite:///x.db', query: 'select * from t', key: k}", "a query"),
        ("file", "{folder: drop, format: json, key: k}", "files of json"),
    ],
)
async def test_what_is_not_simulated_is_told(tmp_path, caplog, driver, connection, words):
    """The plant starts, and the log says what of it is missing."""
    endpoint = served(project(tmp_path, driver, connection), tmp_path)
    await endpoint.start([], NOW_MS)
    await endpoint.show([], NOW_MS)
    await endpoint.stop()
    assert () == endpoint.tags
    assert words in caplog.text


async def test_a_plant_serves_orders_in_its_state_folder(tmp_path):
    """The machines' own signals are in the database, and the driver reads them there."""
    found = project(tmp_path, "sql", STATE)
    async with SimulatedPlant(found, home=tmp_path / ".uns"):
        told = await read(found, tmp_path / ".uns")
    assert {Quality.GOOD} == {quality for _, quality, _ in told.values()}
    assert (tmp_path / ".uns/mes/orders.db").exists()
