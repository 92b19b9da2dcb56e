"""A cable is pulled for three seconds, and every value comes to the tree all the same."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cable import Counters, pulled
from product import counting_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("mosquitto") or Path("/usr/sbin/mosquitto").exists()),
        reason="wants the Debian package mosquitto",
    ),
]

TAGS = 20
CUT_S = 3.0


async def test_three_seconds_without_a_cable_lose_nothing(tmp_path: Path) -> None:
    """Twenty counters at 10 Hz: each value once, in order; those of the cut beside the tags."""
    with counting_server(TAGS) as port:
        books = await pulled(Counters(port, TAGS, "T", "urn:contract"), CUT_S, tmp_path)
    assert (0, 0, 0, 0) == (books.missing, books.doubled, books.out_of_order, books.differing)
    assert (0, 0) == (books.not_late, books.not_historical)
    assert books.late >= 0.7 * CUT_S * 10 * TAGS
