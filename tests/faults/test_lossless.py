"""Sources that keep what happened, and faults in between: every value reaches the tree, once.

`make faults` prints the table. The product runs as its customers run it, in processes of its
own; an outside subscriber counts what it is told, of every value of every counter.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from cable import Counters, pulled
from killed import AgentSource, Source, TableSource, killed
from product import counting_server, node_server
from witness import HEADER, Books

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("mosquitto") or Path("/usr/sbin/mosquitto").exists()),
        reason="wants the Debian package mosquitto",
    ),
]

TAGS = 100
CUT_S = 10.0
BEFORE_S = 20.0  # by then a cursor is on the disk: window, and two seconds
AWAY_S = 10.0


@pytest.mark.parametrize("server", ["our own server", "node-opcua"])
async def test_ten_seconds_without_a_cable_lose_nothing(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hundred counters at 10 Hz: each value once, in order; those of the cut as history."""
    if server == "node-opcua":
        with node_server(tmp_path / "home") as port:
            counters = Counters(port, TAGS, "C", "urn:plant", "/UA/Plant")
            books = await pulled(counters, CUT_S, tmp_path)
    else:
        with counting_server(TAGS) as port:
            books = await pulled(Counters(port, TAGS, "T", "urn:contract"), CUT_S, tmp_path)
    _print(f"OPC UA, {server}, cable out", CUT_S, books, capsys)
    assert (0, 0, 0, 0) == (books.missing, books.doubled, books.out_of_order, books.differing)
    assert (0, 0) == (books.not_late, books.not_historical)
    assert books.late >= 0.7 * CUT_S * 10 * TAGS


@pytest.mark.parametrize("source", ["SQLite table", "MTConnect agent"])
async def test_what_happened_while_no_bridge_ran_is_told(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kill -9 of the bridge: nothing is missing; what comes again is the same, at the same time."""
    kept: Source = TableSource(tmp_path) if source == "SQLite table" else AgentSource()
    books = await killed(kept, tmp_path, before_s=BEFORE_S, away_s=AWAY_S)
    _print(f"{source}, bridge killed", AWAY_S, books, capsys)
    assert (0, 0) == (books.missing, books.differing)
    assert 0 == books.doubled, "the tree knows copies that are less than 20 s apart"


def _print(what: str, cut_s: float, books: Books, capsys: pytest.CaptureFixture[str]) -> None:
    widths = [max(8, len(word)) for word in HEADER]
    with capsys.disabled():
        for row in (HEADER, books.row(cut_s)):
            cells = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            print(f"\n{what if row is not HEADER else '':38}", *cells, end="")
        if books.repeated:
            print(f"\n{'':38} {books.repeated} values were repeated on Sparkplug", end="")
        print()
