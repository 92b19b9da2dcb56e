"""Somebody who drops rows into a folder: `serve_file.py FOLDER TAGS`.

Ten times a second every tag gets a row with the next number. A stop takes the folder away, as
the end of a share does.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path

PERIOD_S = 0.1
ODD = """\
Large,{at},9007199254740993,
Foreign,{at},,Größe
Infinite,{at},1e999,
"""


def main(folder: Path, count: int) -> None:
    """Write rows for as long as this runs."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    skew_s = float(os.environ.get("UNS_SKEW_S", "0"))
    try:
        with (folder / "log.csv").open("w", encoding="utf-8") as file:
            file.write("name,at,value,label\n" + ODD.format(at=time.time() + skew_s))
            for value in range(1, 2**31):
                at = f"{time.time() + skew_s:.3f}"
                file.write("".join(f"T{n},{at},{value},\n" for n in range(count)))
                file.flush()
                if value == 1:
                    print("READY", flush=True)
                if select.select([sys.stdin], [], [], PERIOD_S)[0]:
                    count = int(sys.stdin.readline() or count)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
