"""The reference page of units says what the table says."""

from __future__ import annotations

import os
from pathlib import Path

from uns.units.reference import units_page

PAGE = Path(__file__).parents[2] / "docs/reference/units.md"


def test_the_page_is_what_the_table_says() -> None:
    """Changing a unit without its page fails here; UPDATE=1 writes the page."""
    if os.environ.get("UPDATE"):
        PAGE.write_text(units_page())
    assert units_page() == PAGE.read_text()
