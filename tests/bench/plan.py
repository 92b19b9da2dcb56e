"""A plan for 50,000 tags against 500 consumers: an area is renamed, so every tag moves."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from project import TAGS, _stamped
from table import Row, best_cpu_s

from uns.cli.catalogue import catalogue
from uns.plan.lock import Lock
from uns.plan.plan import make_plan
from uns.plan.readers import Readers
from uns.plan.report import lines
from uns.plan.snapshot import Snapshot
from uns.project.load import load
from uns.project.models import ConsumerWords
from uns.project.project import Project

CONSUMERS = 500
AIM_S = 1.0


def _loaded(text: str) -> Project:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "plant.yaml").write_text(text)
        project = load(Path(folder), catalogue()).project
    if project is None or project.tag_count != TAGS:
        raise SystemExit("the project did not load")
    return project


def _consumers() -> dict[str, ConsumerWords]:
    """Readers of lines, of one tag everywhere, and of whole sites, ten times as many of the first."""
    found = {
        f"line-{n}": ConsumerWords(reads=[f"acme/s{n % 50}/packaging/line{n}/#"])
        for n in range(CONSUMERS - 60)
    }
    found |= {
        f"tag-{n}": ConsumerWords(reads=[f"acme/+/packaging/+/filler/tag_{n}"]) for n in range(10)
    }
    return found | {f"site-{n}": ConsumerWords(reads=[f"acme/s{n}/#"]) for n in range(50)}


def rows() -> Iterator[Row]:
    """Compare, find who is hit, and group; then the lock that it is compared with."""
    before = _stamped()
    old, new = _loaded(before), _loaded(before.replace("/packaging/", "/bottling/"))
    readers = Readers(_consumers())
    lock = Lock(Snapshot.of(old.machines)).text
    snapshots = Lock.parse(lock).snapshot, Snapshot.of(new.machines)
    work = {
        f"plan: {TAGS:,} moves, {CONSUMERS} consumers": lambda: list(
            lines(make_plan(*snapshots, readers))
        ),
        "plan: nothing changed": lambda: make_plan(snapshots[0], snapshots[0], readers),
        "a project's tree": lambda: Snapshot.of(new.machines),
        f"read the lock, {len(lock) / 1e6:.0f} MB": lambda: Lock.parse(lock),
        "write the lock": lambda: Lock(snapshots[1]).text,
    }
    for what, call in work.items():
        cpu_s = best_cpu_s(call, rounds=3)
        aim = f"{AIM_S:.1f} s" if CONSUMERS > 1 and "moves" in what else ""
        yield Row("plan", what, f"{TAGS / cpu_s:,.0f} tags/s", f"{cpu_s:.2f} s", aim)
