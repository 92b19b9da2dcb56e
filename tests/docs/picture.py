"""Draws docs/images/demo.svg: the live summary of a demo that really runs for 40 s.

`PYTHONPATH=. python tests/docs/picture.py`
"""

from __future__ import annotations

import asyncio
import io
import tempfile
from pathlib import Path

from rich.console import Console

from uns.cli.demo import _load
from uns.cli.demo_screen import screen
from uns.cli.talk import talk
from uns.sim.demo import Demo, DemoSettings

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "demo.svg"
SECONDS = 40


async def main() -> None:
    """Run the demo, then draw its screen once."""
    talk()
    with tempfile.TemporaryDirectory() as folder:
        settings = DemoSettings(Path(folder), port=0, speed=6)
        async with Demo.open(settings, _load) as running:
            for _ in range(SECONDS):
                await asyncio.sleep(1)
                running.summary()
            console = Console(record=True, width=118, file=io.StringIO(), force_terminal=True)
            console.print(screen(running.summary(), running))
            PICTURE.write_text(console.export_svg(title="uns demo", font_aspect_ratio=0.61))


asyncio.run(main())
