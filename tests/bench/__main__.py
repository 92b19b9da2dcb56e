"""`make bench`: every figure the documentation promises, measured beside a peer or a limit."""

from __future__ import annotations

import gc
import importlib
import platform
import sys

from rich.console import Console
from rich.table import Table

PARTS = (
    "project",
    "plan",
    "codec",
    "reporting",
    "modbus",
    "logix",
    "opcua",
    "drivers",
    "namespace",
    "demo",
    "bridge",
    "pipeline",
)


def main() -> None:
    """Run the parts named on the command line, or all, and print one table."""
    parts = sys.argv[1:] or PARTS
    console = Console(width=170)
    table = Table("part", "what", "rate", "CPU", "aim", title=f"Python {platform.python_version()}")
    for part in parts:
        console.print(f"measuring {part} ...", style="dim")
        gc.collect()
        gc.freeze()  # what other parts left behind is not this one's to look through
        for row in importlib.import_module(part).rows():
            table.add_row(row.part, row.what, row.rate, row.cpu, row.verdict)
    console.print(table)


main()
