"""The backlog: what was put comes back, whatever happens to the process, the file or the disk."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uns.errors import StorageError
from uns.store.backlog import Backlog
from uns.store.chunk import pack, unpack

NOW_MS = 1_790_000_000_000
NODE = "Acme/Line1"


def samples(
    count: int, *, begin: int = 0, name: str = "speed"
) -> list[tuple[str, float, int, int]]:
    return [(name, float(i), 192, NOW_MS + i) for i in range(begin, begin + count)]


def drained(backlog: Backlog, devices: tuple[str, ...] = ("filler",), node: str = NODE) -> list:
    """Everything that waits, read and deleted in steps."""
    found, after = [], 0
    while chunks := backlog.read(node, devices, after=after, most_samples=700):
        found += [sample for chunk in chunks for sample in chunk.samples]
        backlog.delete(chunks)
        after = chunks[-1].number
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be."""
    return tmp_path / "backlog.db"


_values = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(allow_nan=False)
    | st.text() | st.binary() | st.lists(st.integers() | st.floats(allow_nan=False))
)  # fmt: skip


@given(st.lists(st.tuples(st.text(), _values, st.integers(0, 600), st.integers(0, 2**62))))
def test_a_chunk_holds_whatever_a_tag_can_be(given_samples):
    """Names, values of every type, qualities and times come back as they were, types included."""
    found = unpack(pack(given_samples))
    assert given_samples == found
    assert [type(s[1]) for s in given_samples] == [type(s[1]) for s in found]


@pytest.mark.parametrize("body", [b"", b"rot", pack([("a", 1, 192, 1)])[:-3]])
def test_a_chunk_that_rotted_is_told_from_a_whole_one(body):
    """StorageError, and no half of its samples."""
    with pytest.raises(StorageError, match="not whole"):
        unpack(body)


def test_what_was_put_comes_back_in_order(path):
    """From memory and from the disk alike, oldest first, and is gone once handed in."""
    backlog = Backlog(path)
    backlog.put(NODE, "filler", samples(1_200))
    backlog.commit(NOW_MS)
    backlog.put(NODE, "filler", samples(300, begin=1_200))
    assert 1_500 == backlog.waiting(NODE)
    assert samples(1_500) == drained(backlog)
    backlog.commit(NOW_MS)
    assert (0, []) == (backlog.waiting(NODE), drained(backlog))
    backlog.commit(NOW_MS)
    backlog.close()


def test_a_restart_finds_what_waits(path):
    """A new process goes on with the file of the last one; numbers are not given twice."""
    backlog = Backlog(path)
    backlog.put(NODE, "filler", samples(700))
    backlog.commit(NOW_MS)
    backlog.close()
    backlog = Backlog(path)
    backlog.put(NODE, "filler", samples(10, begin=700))
    assert 710 == backlog.waiting(NODE)
    assert samples(710) == drained(backlog)
    backlog.commit(NOW_MS)
    backlog.close()


def test_only_devices_that_may_be_sent_are_read(path):
    """A device that is down holds up nobody, and gets its own when it is back."""
    backlog = Backlog(path)
    for begin in range(0, 30, 10):
        backlog.put(NODE, "filler", samples(10, begin=begin))
        backlog.put(NODE, "capper", samples(10, begin=begin, name="torque"))
        backlog.put("Acme/Line2", "filler", samples(10))
        backlog.commit(NOW_MS)
    assert samples(30, name="torque") == drained(backlog, ("capper",))
    assert samples(30) == drained(backlog, ("filler", "capper"))
    assert 30 == backlog.waiting("Acme/Line2")
    backlog.commit(NOW_MS)
    backlog.close()


def test_samples_of_a_chunk_are_in_order_of_time(path):
    """What was put late is sorted in, as far as it came within one commit."""
    backlog = Backlog(path)
    backlog.put(NODE, "filler", samples(10, begin=10))
    backlog.put(NODE, "filler", samples(10))
    assert samples(20) == drained(backlog)
    backlog.commit(NOW_MS)
    backlog.close()


def test_the_oldest_gives_way_to_the_newest(path):
    """The file stays within its bound; what was dropped is counted, also after a restart."""
    backlog = Backlog(path, max_bytes=400_000)
    for begin in range(0, 100_000, 500):
        backlog.put(NODE, "filler", [(f"tag{i % 50}", i * 1.37, 192, NOW_MS + i)
                                     for i in range(begin, begin + 500)])  # fmt: skip
        backlog.commit(NOW_MS)
    waiting, dropped = backlog.waiting(NODE), backlog.dropped(NODE)
    assert 100_000 == waiting + dropped
    assert waiting > 10_000
    assert path.stat().st_size < 500_000
    found = drained(backlog)
    assert list(range(dropped, 100_000)) == [round(value / 1.37) for _, value, _, _ in found]
    backlog.commit(NOW_MS)
    backlog.close()
    backlog = Backlog(path)
    assert dropped == backlog.dropped(NODE)
    backlog.commit(NOW_MS)
    backlog.close()


def test_what_is_too_old_is_dropped(path):
    """After three days a value is history that nobody waits for; a clock never set proves nothing."""
    backlog = Backlog(path, max_age_s=60)
    backlog.put(NODE, "filler", samples(5))
    backlog.commit(NOW_MS)
    backlog.put(NODE, "filler", samples(5, begin=5))
    backlog.commit(NOW_MS + 50_000)
    backlog.commit(NOW_MS + 61_000)
    assert (5, 5) == (backlog.waiting(NODE), backlog.dropped(NODE))
    assert samples(5, begin=5) == drained(backlog)
    backlog.put(NODE, "filler", samples(5))
    backlog.commit(1_000)
    backlog.commit(NOW_MS)
    assert 5 == backlog.waiting(NODE)
    backlog.commit(NOW_MS)
    backlog.close()


def test_a_value_that_cannot_be_kept_is_counted(path):
    """An object that no driver may give spoils neither its neighbours nor the commit."""
    backlog = Backlog(path)
    backlog.put(NODE, "filler", [("a", 1, 192, 1), ("b", object(), 192, 2), ("c", 3, 192, 3)])
    backlog.commit(NOW_MS)
    assert (2, 1) == (backlog.waiting(NODE), backlog.dropped(NODE))
    assert [("a", 1, 192, 1), ("c", 3, 192, 3)] == drained(backlog)
    backlog.commit(NOW_MS)
    backlog.close()


def test_a_file_that_is_no_database_is_set_aside(path):
    """A line does not stand still for a broken file."""
    path.write_bytes(b"nonsense" * 1000)
    backlog = Backlog(path)
    backlog.put(NODE, "filler", samples(3))
    backlog.commit(NOW_MS)
    assert samples(3) == drained(backlog)
    assert path.with_name("backlog.db.broken-1").exists()
    backlog.commit(NOW_MS)
    backlog.close()


def test_a_file_that_breaks_in_use_is_replaced_and_counted(path):
    """What was on the disk counts as dropped, what was in memory is written to the new file."""
    backlog = Backlog(path)
    backlog.put(NODE, "filler", samples(5_000))
    backlog.commit(NOW_MS)
    other = sqlite3.connect(path)
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    path.write_bytes(b"x" * path.stat().st_size)
    backlog.put(NODE, "filler", samples(10))
    with pytest.raises(StorageError):
        _use(backlog)
    backlog.commit(NOW_MS)
    assert 5_010 == backlog.waiting(NODE) + backlog.dropped(NODE)
    assert backlog.dropped(NODE) >= 5_000
    assert backlog.waiting(NODE) == len(drained(backlog))
    backlog.commit(NOW_MS)
    backlog.close()


def _use(backlog: Backlog) -> None:
    for _ in range(3):  # pages that SQLite still holds hide the damage at first
        backlog.commit(NOW_MS)
        backlog.read(NODE, ["filler"])


def test_a_rotten_chunk_is_dropped_alone(path):
    """Its neighbours come back and it is counted."""
    backlog = Backlog(path)
    for begin in (0, 500, 1_000):
        backlog.put(NODE, "filler", samples(500, begin=begin))
        backlog.commit(NOW_MS)
    other = sqlite3.connect(path)
    other.execute("UPDATE chunk SET body = x'00' WHERE number = 2")
    other.commit()
    other.close()
    assert samples(500) + samples(500, begin=1_000) == drained(backlog)
    assert (0, 500) == (backlog.waiting(NODE), backlog.dropped(NODE))
    backlog.commit(NOW_MS)
    backlog.close()


@pytest.fixture
def full_disk(tmp_path):
    """A disk of 2 MB, and a way to fill it; needs root for the mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        for _ in range(1_000):
            file.write(b"x" * 4096)
    return ballast


@pytest.mark.slow
def test_a_full_disk_keeps_the_newest_in_memory(full_disk):
    """Bounded and counted; what was handed in meanwhile does not come again; room writes it all."""
    backlog = Backlog(full_disk / "backlog.db", most_in_memory=2_000)
    backlog.put(NODE, "filler", samples(1_000))
    backlog.commit(NOW_MS)
    ballast = _fill(full_disk)
    for begin in range(1_000, 6_000, 500):
        backlog.put(NODE, "filler", samples(500, begin=begin))
        with pytest.raises(StorageError, match="disk is full"):
            backlog.commit(NOW_MS)
    assert (3_000, 3_000) == (backlog.waiting(NODE), backlog.dropped(NODE))
    assert samples(1_000) + samples(2_000, begin=4_000) == drained(backlog)
    with pytest.raises(StorageError):
        backlog.commit(NOW_MS)
    assert [] == drained(backlog)
    ballast.unlink()
    backlog.put(NODE, "filler", samples(5))
    backlog.commit(NOW_MS)
    backlog.close()
    backlog = Backlog(full_disk / "backlog.db")
    assert (samples(5), 3_000) == (drained(backlog), backlog.dropped(NODE))
    backlog.commit(NOW_MS)
    backlog.close()


_WRITER = """
import sys
from pathlib import Path
from uns.store.backlog import Backlog
backlog = Backlog(Path(sys.argv[1]))
n = 0
while True:
    backlog.put("Acme/Line1", "filler", [("speed", float(i), 192, i) for i in range(n, n + 100)])
    n += 100
    backlog.commit(1_790_000_000_000)
    print(n, flush=True)
"""


@pytest.mark.slow
def test_kill_9_loses_nothing_that_was_committed(path):
    """Ten processes killed in the middle of their work, one after the other, on one file."""
    committed = 0
    for round_ in range(5):
        file = path.with_name(f"{round_}.db")
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(file)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(20 + 7 * round_):
            committed = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        writer.communicate(timeout=10)
        backlog = Backlog(file)
        found = drained(backlog)
        assert len(found) >= committed
        assert list(range(len(found))) == [at for _, _, _, at in found]
        backlog.commit(NOW_MS)
    backlog.close()
