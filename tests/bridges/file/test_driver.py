"""Files that are dropped, written, rotated and broken become readings, each row once."""

from __future__ import annotations

import json
import os
import threading
from contextlib import asynccontextmanager

import pytest

from bridges.driver import BoundTag, CanReadNow, CanResume, CanTidy
from bridges.file import FileConfig, FileDriver
from uns.errors import DeviceError
from uns.metric import DataType, Quality

T0 = 1_767_868_200_000  # 2026-01-08T10:30:00Z
GOOD, BAD = Quality.GOOD, Quality.BAD
HEAD = "line;at;value\n"


def settings(**given) -> FileConfig:
    words = {"folder": "drop", "key": "line", "timestamp": "at", "settle_s": 0}
    return FileConfig.model_validate(words | given)


@asynccontextmanager
async def reading(config, home, *addresses, cursor=None, datatype=DataType.DOUBLE):
    (home / "drop").mkdir(exist_ok=True)
    driver = FileDriver(config)
    driver.home = home
    if cursor is not None:
        driver.resume(json.loads(json.dumps(cursor)))
    await driver.open()
    await driver.bind(
        [BoundTag(n, FileDriver.parse(text, config), datatype) for n, text in enumerate(addresses)]
    )
    yield driver
    await driver.close()
    await driver.close()


def row(second: int, value, line: str = "L1") -> str:
    return f"{line};2026-01-08T10:30:{second:02}Z;{value}\n"


async def values(driver, handle: int = 0) -> list:
    """What a scan brought."""
    readings = await driver.read((handle,))
    return [value for number, value, _, _ in readings if number == handle]


async def test_every_row_is_a_reading(tmp_path):
    """Each with its own time, in order; then the newest is told again. Empty cells say nothing."""
    async with reading(settings(), tmp_path, "L1/value", "L2/value") as driver:
        assert [(0, None, BAD, 0)] == await driver.read((0,))
        lab = tmp_path / "drop/lab.csv"
        lab.write_text(HEAD + row(1, 1) + row(2, 9, "L2") + row(3, "") + row(4, "2.5"))
        assert [
            (0, 1, GOOD, T0 + 1000),
            (1, 9, GOOD, T0 + 2000),
            (0, 2.5, GOOD, T0 + 4000),
        ] == await driver.read((0, 1))
        assert [(0, 2.5, GOOD, T0 + 4000)] == await driver.read((0,))
        assert [(1, 9, GOOD, T0 + 2000)] == await driver.read_now((1,))
        assert isinstance(driver, CanReadNow)
        assert isinstance(driver, CanResume)
        assert isinstance(driver, CanTidy)


async def test_a_file_that_is_being_written_is_read_as_far_as_it_is_whole(tmp_path):
    """Half a line waits for its other half; the last line needs no end once nobody writes."""
    lab = tmp_path / "drop/lab.csv"
    async with reading(settings(settle_s=0.2), tmp_path, "L1/value") as driver:
        lab.write_text(HEAD[:5])
        assert [None] == await values(driver)
        with lab.open("a") as file:
            file.write(HEAD[5:] + row(1, 1) + row(2, 22)[:-2])
            file.flush()
            assert [1] == await values(driver)
            file.write("2\n" + row(3, 3)[:-1])
            file.flush()
            assert [22] == await values(driver)
        for _ in range(40):
            if [3] == (seen := await values(driver)):
                break
            assert [22] == seen
            threading.Event().wait(0.02)
        assert [3] == await values(driver)


async def test_a_restart_goes_on_behind_the_last_row(tmp_path):
    """With the cursor nothing is read twice, the newest value is known, the rest is read."""
    lab = tmp_path / "drop/lab.csv"
    lab.parent.mkdir()
    lab.write_text(HEAD + row(1, 1) + row(2, 2))
    async with reading(settings(), tmp_path, "L1/value") as driver:
        assert [1, 2] == await values(driver)
        cursor = driver.cursor
    async with reading(settings(), tmp_path, "L1/value", cursor=cursor) as driver:
        assert [(0, 2, GOOD, T0 + 2000)] == await driver.read_now((0,))
        assert [2] == await values(driver)
        with lab.open("a") as file:
            file.write(row(3, 3))
        assert [3] == await values(driver)


async def test_reading_begins_when_the_session_is_opened(tmp_path):
    """A process that was killed before it read anything leaves the next all rows, as news."""
    (tmp_path / "drop").mkdir()
    async with reading(settings(), tmp_path, "L1/value") as driver:
        cursor = driver.cursor
    (tmp_path / "drop/lab.csv").write_text(HEAD + row(1, 1) + row(2, 2))
    async with reading(settings(), tmp_path, "L1/value", cursor=cursor) as driver:
        assert cursor == driver.cursor
        assert [1, 2] == await values(driver)


@pytest.mark.parametrize(
    "cursor", ["x", {}, {"files": 1, "held": []}, {"files": {"lab.csv": [1]}, "held": {"a": 1}}]
)
async def test_a_cursor_that_is_none_of_ours_is_a_first_day(tmp_path, cursor):
    """Whatever stands in the state folder, reading begins."""
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop/lab.csv").write_text(HEAD + row(1, 1))
    async with reading(settings(), tmp_path, "L1/value", cursor=cursor) as driver:
        assert [1] == await values(driver)


async def test_a_rotated_file_is_read_to_its_end(tmp_path):
    """What was written before and after the rotation is read once, over a restart too."""
    lab = tmp_path / "drop/lab.csv"
    async with reading(settings(limit=10), tmp_path, "L1/value") as driver:
        lab.write_text(HEAD + row(1, 1))
        assert [1] == await values(driver)
        with lab.open("a") as file:
            file.write(row(2, 2))
        lab.rename(lab.with_name("lab.csv.1"))
        lab.write_text(HEAD + row(3, 3))
        assert [2, 3] == await values(driver)
        with lab.with_name("lab.csv.1").open("a") as file:
            file.write(row(4, 4))
        cursor = driver.cursor
    async with reading(settings(), tmp_path, "L1/value", cursor=cursor) as driver:
        assert [4] == await values(driver)


async def test_a_renamed_file_is_the_same_file(tmp_path):
    """A file that gets its final name after it was read is not read again."""
    lab = tmp_path / "drop/lab.csv"
    async with reading(settings(), tmp_path, "L1/value") as driver:
        lab.write_text(HEAD + row(1, 1) + row(2, 2))
        assert [1, 2] == await values(driver)
        lab.rename(lab.with_name("lab-final.csv"))
        assert [2] == await values(driver)


async def test_a_file_that_is_written_anew_is_read_from_its_start(tmp_path, caplog):
    """Cut, replaced, or overwritten in place with something longer: its rows are new rows."""
    caplog.set_level("INFO")
    lab = tmp_path / "drop/lab.csv"
    async with reading(settings(), tmp_path, "L1/value") as driver:
        lab.write_text(HEAD + row(1, 1) + row(2, 2))
        await values(driver)
        lab.write_text(HEAD + row(3, 3))
        assert [3] == await values(driver)
        lab.write_text(HEAD + row(4, 4) + row(5, 5) + row(6, 6))
        assert [4, 5, 6] == await values(driver)
        new = lab.with_name("new")
        new.write_text(HEAD + row(7, 7) + row(8, 8) + row(9, 9) + row(10, 10))
        new.replace(lab)
        assert [7, 8, 9, 10] == await values(driver)
    assert "was written anew" in caplog.text


async def test_a_copy_over_the_file_that_only_adds_rows_is_no_new_file(tmp_path):
    """A program that saves the whole table each time does not make old rows new."""
    lab = tmp_path / "drop/lab.csv"
    async with reading(settings(), tmp_path, "L1/value") as driver:
        lab.write_text(HEAD + row(1, 1))
        await values(driver)
        new = lab.with_name("new")
        new.write_text(HEAD + row(1, 1) + row(2, 2))
        new.replace(lab)
        assert [2] == await values(driver)


async def test_a_broken_row_spoils_itself_alone(tmp_path, caplog):
    """It is told with file and line and kept beside the file; its neighbours are read."""
    lab = tmp_path / "drop/lab.csv"
    broken = [row(2, "<0.5"), "L1;soon;3\n", "L1;x\n", 'L1;"x;4\n', "\0\xff;;\n"]
    async with reading(settings(), tmp_path, "L1/value") as driver:
        lab.write_text(HEAD + row(1, 1) + "".join(broken) + "\n" + HEAD + row(9, 9))
        assert [1, 9] == await values(driver)
    told = [record.message for record in caplog.records]
    for line, words in ((3, "no number"), (4, "no time"), (5, "2 cells"), (6, "no row of CSV")):
        assert 1 == len([text for text in told if f"lab.csv:{line}: " in text and words in text])
    rejected = (tmp_path / "drop/lab.csv.rejected").read_text()
    assert (HEAD + "".join(broken)) == rejected


async def test_a_line_that_never_ends_does_not_fill_the_memory(tmp_path, caplog):
    """More than a megabyte without a line end is left out, up to the end of that line."""
    lab = tmp_path / "drop/lab.csv"
    async with reading(settings(), tmp_path, "L1/value") as driver:
        lab.write_text(HEAD + row(1, 1) + "L1;" * 900_000 + "\n" + row(2, 2))
        assert [1, 2] == await values(driver)
    assert 1 == caplog.text.count("is longer than")


async def test_the_spreadsheets_of_this_world_are_read(tmp_path):
    """Windows-1252 with a decimal comma, UTF-16 with tabs, quotes, and names given by hand."""
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "a.csv").write_bytes("Linie;Größe\r\nL1;1.234,5\r\n".encode("cp1252"))
    (drop / "b.csv").write_bytes("Linie\tGröße\r\nL1\t2,5\r\n".encode("utf-16"))
    (drop / "c.csv").write_text('"Linie","Größe"\n"L1","3,5"\n')
    config = settings(key="Linie", timestamp="", decimal=",")
    async with reading(config, tmp_path, "L1/Größe") as driver:
        assert [1234.5, 2.5, 3.5] == await values(driver)
    for file in drop.glob("*.csv"):
        file.unlink()
    (drop / "d.csv").write_text("L1|4\nL1|5\n")
    config = settings(timestamp="", columns=["line", "value"])
    async with reading(config, tmp_path, "L1/value") as driver:
        assert [4, 5] == await values(driver)


async def test_a_file_without_the_needed_columns_waits(tmp_path, caplog):
    """It is told with the columns it has; nothing of it is taken for broken."""
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop/lab.csv").write_text("machine;at;value\nL1;2026-01-08;1\n")
    async with reading(settings(), tmp_path, "L1/value") as driver:
        assert [None] == await values(driver)
        await values(driver)
    assert 1 == caplog.text.count("has no column `line`, which `key:` names, only machine, at")
    assert not (tmp_path / "drop/lab.csv.rejected").exists()


async def test_many_rows_come_in_steps(tmp_path):
    """`limit` rows in a scan, over several files, the oldest file first."""
    drop = tmp_path / "drop"
    drop.mkdir()
    for n, name in enumerate(("b.csv", "a.csv")):
        (drop / name).write_text(HEAD + "".join(row(s, 10 * n + s) for s in range(6)))
        os.utime(drop / name, (1000 + n, 1000 + n))
    async with reading(settings(limit=5), tmp_path, "L1/value") as driver:
        seen = [value for _ in range(4) for value in await values(driver)]
    rows = [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]
    assert rows == [value for value in dict.fromkeys(seen) if value in rows]


async def test_lines_of_json(tmp_path):
    """One row in each line, addressed by paths; what is no JSON is a broken row."""
    config = settings(files="*.jsonl", format="jsonl", key="$.where.line", timestamp="ts")
    text = (
        '{"where": {"line": "L1"}, "ts": 1767868201, "v": {"x": [1, 4.5]}}\n{"where"\n'
        '{"where": {"line": "L1"}, "ts": 1767868202}\n' + "[" * 100_000 + "\n"
    )
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop/a.jsonl").write_text(text)
    async with reading(config, tmp_path, "L1/$.v.x[1]") as driver:
        assert [(0, 4.5, GOOD, T0 + 1000)] == await driver.read((0,))
    assert 2 == len((tmp_path / "drop/a.jsonl.rejected").read_text().splitlines())


async def test_a_json_document_is_read_whole_and_again_when_it_changes(tmp_path, caplog):
    """Rows are the elements of an array somewhere in it; a broken document is told once."""
    config = settings(files="*.json", format="json", key="line", timestamp="", rows="$.results")
    file = tmp_path / "drop/lab.json"
    async with reading(config, tmp_path, "L1/value", "L2/value") as driver:
        file.write_text('{"results": [{"line": "L1", "value": 1}, {"line": "L2", "value": 2}]}')
        assert [1, 2] == [value for _, value, _, _ in await driver.read((0, 1))]
        file.write_text('{"results": [{"line": "L1", "value": 3}]}')
        assert [3] == await values(driver)
        file.write_text('{"results": [')
        assert [3] == await values(driver)
        await values(driver)
        file.write_text('{"result": []}')
        await values(driver)
        cursor = driver.cursor
    assert 1 == caplog.text.count("it is no JSON")
    assert "it has no rows: `$` has no `results`" in caplog.text
    async with reading(config, tmp_path, "L1/value", cursor=cursor) as driver:
        assert [3] == await values(driver)


async def test_xml_with_its_own_encoding_and_without_bombs(tmp_path, caplog):
    """Elements and attributes, in any namespace; entities are refused, not expanded."""
    config = settings(files="*.xml", format="xml", key="@line", timestamp="Time", rows="//Result")
    text = (
        '<?xml version="1.0" encoding="iso-8859-1"?><r:Lab xmlns:r="urn:x"><r:Result line="Süd">'
        "<Time>2026-01-08T10:30:01Z</Time><Brix unit='%'>11.5</Brix></r:Result></r:Lab>"
    )
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop/a.xml").write_bytes(text.encode("latin-1"))
    (tmp_path / "drop/b.xml").write_text('<!DOCTYPE l [<!ENTITY a "b">]><l>&a;</l>')
    async with reading(config, tmp_path, "Süd/Brix") as driver:
        assert [(0, 11.5, GOOD, T0 + 1000)] == await driver.read((0,))
    assert "b.xml: it defines entities" in caplog.text


@pytest.mark.parametrize("on_done", ["archive", "delete"])
async def test_a_file_is_put_away_only_when_its_rows_are_safe(tmp_path, on_done):
    """Not before the cursor that has it is kept, and not where something was added since."""
    config = settings(on_done=on_done, done_after_s=0)
    lab, archive = tmp_path / "drop/lab.csv", tmp_path / "drop/archive"
    async with reading(config, tmp_path, "L1/value") as driver:
        lab.write_text(HEAD + row(1, 1))
        await values(driver)
        await values(driver)
        assert lab.exists()
        early = driver.cursor
        with lab.open("a") as file:
            file.write(row(2, 2))
        driver.kept(early)
        assert [2] == await values(driver)
        assert lab.exists()
        driver.kept(driver.cursor)
        assert [2] == await values(driver)
        assert not lab.exists()
        lab.write_text(HEAD + row(3, 3))
        assert [3] == await values(driver)
        driver.kept(driver.cursor)
        await values(driver)
        cursor = driver.cursor
    assert {} == cursor["files"]
    kept = sorted(path.name for path in archive.glob("*")) if archive.exists() else []
    assert (["lab.csv", "lab.csv.1"] if on_done == "archive" else []) == kept


async def test_a_folder_that_is_not_there_is_told_and_forgets_nothing(tmp_path):
    """An unmounted share ends the session; mounted again, nothing is read twice."""
    lab = tmp_path / "drop/lab.csv"
    async with reading(settings(), tmp_path, "L1/value") as driver:
        lab.write_text(HEAD + row(1, 1))
        await values(driver)
        (tmp_path / "drop").rename(tmp_path / "away")
        with pytest.raises(DeviceError, match="there is no folder"):
            await values(driver)
        (tmp_path / "drop").mkdir()
        assert [1] == await values(driver)
        cursor = driver.cursor
        (tmp_path / "drop").rmdir()
        (tmp_path / "away").rename(tmp_path / "drop")
    async with reading(settings(), tmp_path, "L1/value", cursor=cursor) as driver:
        with lab.open("a") as file:
            file.write(row(2, 2))
        assert [2] == await values(driver)
    driver = FileDriver(settings(folder="nowhere"))
    with pytest.raises(DeviceError, match="there is no folder"):
        await driver.open()


async def test_older_rows_do_not_become_the_newest(tmp_path):
    """A file that comes late with older times is read, and the newest value stands behind it."""
    drop = tmp_path / "drop"
    async with reading(settings(), tmp_path, "L1/value") as driver:
        (drop / "a.csv").write_text(HEAD + row(9, 9))
        await values(driver)
        (drop / "b.csv").write_text(HEAD + row(1, 1))
        assert [1, 9] == await values(driver)
        assert [9] == await values(driver)


async def test_threads_end_with_their_scans(tmp_path):
    """Two hundred sessions leave no thread behind."""
    before = threading.active_count()
    for _ in range(200):
        async with reading(settings(), tmp_path, "L1/value") as driver:
            await values(driver)
    assert threading.active_count() <= before + 6  # asyncio's own pool may have grown


async def test_a_time_that_is_years_ahead_does_not_stand_until_then(tmp_path):
    """A mistyped year is told as it was written; the next row is the newest again."""
    lab = tmp_path / "drop/lab.csv"
    async with reading(settings(), tmp_path, "L1/value") as driver:
        lab.write_text(HEAD + "L1;2996-01-08T10:30:00Z;7\n")
        assert [7] == await values(driver)
        lab.write_text(lab.read_text() + row(1, 8))
        assert [8] == await values(driver)
        cursor = driver.cursor
    async with reading(settings(), tmp_path, "L1/value", cursor=cursor) as driver:
        assert [8] == await values(driver)
