"""Loading a project of 50,000 tags: stamped from one type, in spreadsheets, and written out."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from table import Row

from uns.cli.catalogue import catalogue
from uns.project.load import load

TAGS = 50_000
MACHINES = 5_000
ROUNDS = 3


def _stamped() -> str:
    """One type of ten tags on 50 sites of 100 lines each: what a project looks like."""
    tags = TAGS // MACHINES
    sites = [f"s{number}" for number in range(50)]
    lines = ["enterprise: acme", "sites:"]
    lines += [f'  {site}: {{net: "10.{number}"}}' for number, site in enumerate(sites)]
    lines += ["types:", "  filler:", "    tags:"]
    lines += [f"      tag_{n}: {{unit: bar, range: [0, 6]}}" for n in range(tags)]
    lines += ["bindings:", "  plc:", "    driver: s7", '    connection: {host: "{host}"}']
    lines += ["    tags:", *(f'      tag_{n}: "DB{{db}}.DBD{4 * n}:REAL"' for n in range(tags))]
    lines += [
        "instances:",
        '  - path: "{site}/packaging/line{n}/filler"',
        f"    each: {{site: [{', '.join(sites)}], n: 1..{MACHINES // len(sites)}}}",
        "    is: filler",
        "    bind: plc",
        '    with: {host: "{net}.{n}.20", db: 100}',
    ]
    return "\n".join(lines)


def _written_out() -> str:
    """500 types of 100 tags, four lines for each tag and one for its address."""
    lines = ["enterprise: acme", "types:"]
    for kind in range(TAGS // 100):
        lines += [f"  t{kind}:", "    tags:"]
        for n in range(100):
            lines += [f"      tag_{n}:", "        type: Float", "        unit: bar"]
            lines.append("        range: [0, 6]")
    lines.append("bindings:")
    for kind in range(TAGS // 100):
        lines += [f"  b{kind}:", "    driver: s7", f"    connection: {{host: plc{kind}}}"]
        lines += ["    tags:", *(f"      tag_{n}: DB1.DBD{4 * n}:REAL" for n in range(100))]
    lines.append("instances:")
    for kind in range(TAGS // 100):
        lines.append(f"  - {{path: leeds/hall/line{kind}/m, is: t{kind}, bind: b{kind}}}")
    return "\n".join(lines)


def _listed() -> dict[str, str]:
    """The same 500 types and bindings, each a spreadsheet of 100 rows."""
    files = {}
    lines = ["enterprise: acme", "types:"]
    lines += [f"  t{kind}: {{tags: t{kind}.csv}}" for kind in range(TAGS // 100)]
    lines.append("bindings:")
    for kind in range(TAGS // 100):
        lines.append(f"  b{kind}: {{driver: s7, connection: {{host: p{kind}}}, tags: t{kind}.csv}}")
        rows = [f"tag_{n};REAL;bar;0;6,5;DB1.DBD{4 * n}:REAL" for n in range(100)]
        files[f"t{kind}.csv"] = "\n".join(["name;type;unit;lo;hi;address", *rows])
    lines.append("instances:")
    for kind in range(TAGS // 100):
        lines.append(f"  - {{path: leeds/hall/line{kind}/m, is: t{kind}, bind: b{kind}}}")
    return {"plant.yaml": "\n".join(lines), **files}


def _measured(files: Mapping[str, str]) -> float:
    """The CPU seconds of the fastest round."""
    best = float("inf")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            Path(folder, name).write_text(text)
        for _ in range(ROUNDS):
            started = time.process_time()
            loaded = load(Path(folder), catalogue())
            best = min(best, time.process_time() - started)
            if loaded.project is None or loaded.project.tag_count != TAGS:
                raise SystemExit(f"the project did not load: {loaded.diagnostics[:3]}")
            del loaded
    return best


def _peak_mb(files: Mapping[str, str]) -> float:
    """What a process that loads the project takes at most, the interpreter included."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            Path(folder, name).write_text(text)
        told = subprocess.run(
            [sys.executable, "-c", _LOAD, folder], check=True, capture_output=True, text=True
        )
    return int(told.stdout) / 1024


_LOAD = """
import resource, sys
from pathlib import Path
from uns.cli.catalogue import catalogue
from uns.project.load import load
loaded = load(Path(sys.argv[1]), catalogue())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def rows() -> Iterator[Row]:
    """Load, check and expand."""
    projects = {
        "stamped": {"plant.yaml": _stamped()},
        "in spreadsheets": _listed(),
        "written out": {"plant.yaml": _written_out()},
    }
    for what, files in projects.items():
        cpu_s, peak_mb = _measured(files), _peak_mb(files)
        lines = sum(text.count("\n") + 1 for text in files.values())
        yield Row(
            "project",
            f"{TAGS:,} tags {what}, {lines:,} lines: load, check, expand",
            f"{TAGS / cpu_s:,.0f} tags/s",
            f"{cpu_s:.2f} s, {peak_mb:.0f} MB",
            "1.5 s, 400 MB" if what == "stamped" else "",
        )
