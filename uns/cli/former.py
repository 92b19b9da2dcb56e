"""What a plan starts from: the lock, the live tree, a commit, or a file."""

from __future__ import annotations

import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from uns.message import Message
    from uns.mqtt import Broker
    from uns.plan.live import LiveTree
    from uns.plan.lock import Lock
    from uns.plan.snapshot import Snapshot
    from uns.project.project import Project

__all__ = ["Former", "former", "live_tree", "snapshot_of"]

_LIVE, _GIT = "live", "git:"
_FEW = 5


@dataclass(frozen=True, slots=True)
class Former:
    """A tree to compare with, and what to call it; `lock` where it is one."""

    name: str
    snapshot: Snapshot
    lock: Lock | None = None


def former(path: Path, source: str | None, project: Project, broker: Broker) -> Former:
    """Return what `--from` names; without it the lock, or where there is none the live tree.

    Raises ProjectError and BrokerError; ends the command where a project has mistakes.
    """
    from uns.store.lockfile import lock_path, read_lock

    if source == _LIVE:
        return _live(project, broker)
    if source is None:
        lock_file = lock_path(path)
        lock = read_lock(lock_file)
        return Former(lock_file.name, lock.snapshot, lock) if lock else _live(project, broker)
    if source.startswith(_GIT):
        return _at_revision(path, source)
    return _file(Path(source))


def live_tree(enterprise: str, broker: Broker, project: Project | None = None) -> LiveTree:
    """Read what a broker shows below an enterprise; raises BrokerError.

    With `project` only at the sites that it has: others may be another project's.
    """
    import asyncio

    from uns.errors import BrokerError
    from uns.plan.live import read_live
    from uns.service.recall import recall

    found: list[Message] = []
    name = f"uns-plan-{secrets.token_hex(4)}"
    end = f"{enterprise}/_service/{name}/_recall"
    if not asyncio.run(recall(broker, name, [f"{enterprise}/#"], end, found.append)):
        raise BrokerError(
            f"{broker.address} did not come to an end with its retained messages",
            hint="is it overloaded? try again, or compare with a lock or a commit: --from",
        )
    sites = {machine.site for machine in project.machines} if project else None
    tree = read_live(found, sites)
    others = sorted(site for site in tree.elsewhere if site and not site.startswith("_"))
    if others:
        count = sum(tree.elsewhere[site] for site in others)
        shown = ", ".join(others[:_FEW]) + (" …" if len(others) > _FEW else "")
        click.echo(
            f"{count:,} topics are of sites that the project does not have: {shown}", err=True
        )
    return tree


def snapshot_of(folder: Path) -> Snapshot:
    """Return the tree of a project; where it has mistakes they are drawn and the command ends."""
    from uns.cli.project import loaded
    from uns.plan.snapshot import Snapshot

    return Snapshot.of(loaded(folder).machines)


def _live(project: Project, broker: Broker) -> Former:
    tree = live_tree(project.enterprise, broker, project)
    return Former(f"the live tree on {broker.address}", tree.snapshot)


def _at_revision(project: Path, source: str) -> Former:
    from uns.cli.revision import checked_out

    with tempfile.TemporaryDirectory(prefix="uns-plan-") as folder:
        path = checked_out(project, source.removeprefix(_GIT), Path(folder))
        return Former(source, snapshot_of(path))


def _file(path: Path) -> Former:
    from uns.store.lockfile import read_lock

    if not path.exists():
        raise click.BadParameter(
            f"there is no `{path}`; it takes live, git:REV, a lock or a project",
            param_hint="'--from'",
        )
    if path.is_dir() or path.suffix in {".yaml", ".yml"}:
        return Former(str(path), snapshot_of(path))
    lock = read_lock(path)
    assert lock is not None  # noqa: S101 - it exists
    return Former(str(path), lock.snapshot, lock)
